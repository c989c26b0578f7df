//! Weights: memory-mapped safetensors, read strictly. Each tensor of a checkpoint is used once, each parameter is filled.

mod error;
mod file;
mod listing;
mod loader;

pub use error::WeightError;
pub use file::{TensorEntry, WeightFiles};
pub use listing::find_weights;
pub(crate) use loader::to_f32;
pub use loader::{Loader, Params, Progress, WeightSource};
