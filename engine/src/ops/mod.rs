//! Launch and reference of every hand-written kernel, one file an op.

mod gpu;
mod threshold;

pub use gpu::register_gpu;
pub use threshold::{Thresholded, threshold};
