//! Weights: memory-mapped safetensors, read strictly. Each tensor of a checkpoint is used once, each parameter is filled.

mod error;
mod file;
mod listing;
mod loader;
mod values;

pub use error::WeightError;
pub use file::{TensorEntry, WeightFiles};
pub use listing::find_weights;
pub use loader::{Counts, Loader, Params, Progress, WeightSource};
pub(crate) use values::to_f32;
