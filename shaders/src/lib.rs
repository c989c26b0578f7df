//! The WGSL of imagen-wgpu as a crate: `kernels/*.wgsl` with one entry point each, named as its file, and `shared/*.wgsl`, which they
//! import. Every file is valid WGSL once its imports stand before it: no template holes. What varies is an override constant or a
//! module that names a type (`shared/storage_f16.wgsl`).

mod registry;
mod translate;

pub use registry::{
    ConvTile, Kernel, Module, Specialisation, Storage, attention, conv2d, conv2d_sum, dynamic_threshold,
    dynamic_threshold_histogram, dynamic_threshold_report, dynamic_threshold_select, kernels, modules, specialisations,
};
pub use translate::{Demands, ShaderError, Target, demands, translate};

/// The largest d (width of a head) that `attention.wgsl` takes.
pub const ATTENTION_MAX_D: usize = 128;
/// The most values that a workgroup of `conv2d.wgsl` makes.
pub const CONV_MAX_TILE: usize = 64 * 128;
/// Queries of one workgroup of `attention.wgsl`.
pub const ATTENTION_QUERIES: usize = 64;
/// Words of `dynamic_threshold*.wgsl`'s state, each image.
pub const THRESHOLD_STATE_WORDS: usize = 2056;
/// The shifts of the three digits of |x0_hat|'s bits, in the order of the passes.
pub const THRESHOLD_SHIFTS: [u32; 3] = [20, 10, 0];
