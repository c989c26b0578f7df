//! Launch and reference of every hand-written kernel, one file an op.

mod gpu;

pub use gpu::register_gpu;
