//! Device, engine thread, cascade, memory policy.

mod device;

pub use device::{OpenDevice, adapters, open_device};
