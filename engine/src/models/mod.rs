//! The networks and their weights. They know no sampler.

pub mod deepfloyd;
pub mod imagen;
pub mod layers;
pub mod text;
pub mod weights;
