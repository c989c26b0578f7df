//! Launch and reference of every hand-written kernel, one file an op.

mod attention;
mod gpu;

pub use attention::attention;
pub use gpu::register_gpu;
