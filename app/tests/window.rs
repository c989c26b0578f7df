//! The window, driven by accessible names and by an engine whose every word the test says.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "a broken fixture is a failed test")]

#[path = "window/harness.rs"]
mod harness;

#[path = "window/create.rs"]
mod create;
#[path = "window/frame.rs"]
mod frame;

#[path = "window/compare.rs"]
mod compare;
#[path = "window/device.rs"]
mod device;
#[path = "window/files.rs"]
mod files;
#[path = "window/gallery.rs"]
mod gallery;
#[path = "window/narrow.rs"]
mod narrow;
