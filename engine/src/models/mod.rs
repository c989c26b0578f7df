//! The networks and their weights. They know no sampler.

mod conditioning;
mod config;
pub mod deepfloyd;
mod family;
pub mod imagen;
pub mod layers;
pub mod text;
pub mod weights;

pub use conditioning::{Conditioning, InputError};
pub use config::ConfigError;
pub use family::{Network, NetworkConfig};
