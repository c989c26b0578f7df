//! Everything between a request and its pixels.
//!
//! - [`diffusion`]: section 2 of the paper, no model in sight.
//! - [`models`]: the networks and their weights; they know no sampler.
//! - [`ops`]: launch and reference of every hand-written kernel.
//! - [`runtime`]: device, engine thread, cascade, memory, export.

pub mod diffusion;
pub mod models;
pub mod ops;
pub mod runtime;
