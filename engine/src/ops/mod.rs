//! Launch and reference of every hand-written kernel, one file an op.

mod attention;
mod conv;
mod gpu;
mod launch;
mod threshold;

pub use attention::{AttentionOptions, attention, attention_reference};
pub use conv::{CONV_SCRATCH_BYTES, conv2d, conv2d_reference};
pub use gpu::{destroy_gpu, gpu_is_lost, register_gpu};
pub use threshold::{Thresholded, threshold, threshold_reference};
