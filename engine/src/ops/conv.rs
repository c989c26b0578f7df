//! Convolution on the GPU, by tiles of a matrix product that is never laid out.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Tensor, module};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use imagen_shaders::{ConvTile, Storage};

use super::gpu::Gpu;
use super::launch::{Op, Pass, empty, word};

/// Workgroups that keep a large GPU busy. It is a constant, not the adapter's: the same sums are made everywhere.
const BUSY_GROUPS: usize = 256;
/// Largest memory that the parts of split sums take, bytes: the f32 values of so many workgroups.
pub const CONV_SCRATCH_BYTES: u64 = (BUSY_GROUPS * imagen_shaders::CONV_MAX_TILE * 4) as u64;
/// A part of a split sum is worth a workgroup from so many terms on.
const SPLIT_DEPTH: usize = 128;
const VALUES_PER_GROUP: usize = 256;

/// y = W * x + b with square kernels and padding kernel / 2, in f32.
///
/// Runs `conv2d.wgsl` on a registered GPU and burn's own convolution elsewhere. Weights stored as f16 stay so on a GPU that reads them.
///
/// # Shapes
/// - x: [B, c_in, H, W]
/// - weight: [c_out, c_in, kernel, kernel]; bias: [c_out]
/// - output: [B, c_out, ceil(H / stride), ceil(W / stride)] for odd kernels
///
/// # Panics
/// If the shapes do not fit each other.
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let ([_, c_in, ..], [c_out, depth, kernel, width]) = (x.dims(), weight.dims());
    assert_eq!((depth, width), (c_in, kernel), "shape of weight, [c_out, c_in, kernel, kernel], for x {:?}", x.dims());
    assert_eq!(bias.dims(), [c_out], "shape of bias, [c_out]");
    match Gpu::of(&x.device()) {
        Some(gpu) if x.shape().num_elements() > 0 => conv2d_kernel(gpu, x, weight, bias, stride),
        _ => conv2d_reference(x, weight, bias, stride),
    }
}

/// The same by burn's own convolution: what `conv2d.wgsl` is held against.
///
/// # Shapes
/// As [`conv2d`].
pub fn conv2d_reference(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let options = ConvOptions::new([stride; 2], [weight.dims()[2] / 2; 2], [1, 1], 1);
    let dtype = x.dtype();
    module::conv2d(x, weight.cast(dtype), Some(bias.cast(dtype)), options)
}

fn conv2d_kernel(gpu: Gpu, x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let dtype = x.dtype();
    let stored = if weight.dtype() == DType::F16 && gpu.has_f16() { DType::F16 } else { DType::F32 };
    let call = Call { gpu, stride };
    let [x, weight] = [x.cast(DType::F32), weight.cast(stored)].map(Tensor::into_dispatch);
    let bias = bias.cast(DType::F32).into_dispatch();
    Tensor::<4>::from_dispatch(<Dispatch as ConvOps>::imagen_conv2d(x, weight, bias, call)).cast(dtype)
}

/// What the kernel needs beside its tensors.
#[derive(Clone, Debug)]
pub struct Call {
    gpu: Gpu,
    stride: usize,
}

fn output(x: &TensorSpec, weight: &TensorSpec, _: &TensorSpec, call: &Call) -> TensorSpec {
    let side = |axis: usize| out_side(x.shape[axis], weight.shape[axis], call.stride);
    TensorSpec::new([x.shape[0], weight.shape[0], side(2), side(3)].into(), DType::F32)
}

fn out_side(side: usize, kernel: usize, stride: usize) -> usize {
    (side + 2 * (kernel / 2) - kernel) / stride + 1
}

/// `conv2d.wgsl` as a burn operation, so that it can wait in a fused stream.
#[backend_extension(Cube, Fusion)]
pub trait ConvOps: Backend {
    #[fusion(meta = output)]
    fn imagen_conv2d(x: FloatTensor<Self>, weight: FloatTensor<Self>, bias: FloatTensor<Self>, call: Call) -> FloatTensor<Self>;
}

impl ConvOps for CubeBackend {
    fn imagen_conv2d(x: CubeTensor, weight: CubeTensor, bias: CubeTensor, call: Call) -> CubeTensor {
        let [x, weight, bias] = [x, weight, bias].map(into_contiguous);
        let plan = Plan::new(&x, &weight, call.stride);
        let storage = if weight.dtype == DType::F16 { Storage::F16 } else { Storage::F32 };
        let y = empty(&x, plan.out.into(), DType::F32);
        // A sum that is not split needs no copies of y: the binding of the parts is y itself.
        let parts = match plan.splits {
            1 => y.clone(),
            splits => empty(&x, [splits * plan.values()].into(), DType::F32),
        };
        let product = imagen_shaders::conv2d(plan.tile, storage);
        let mut passes = vec![Pass { shader: product, buffers: vec![0, 1, 2, 3], groups: word(plan.groups()) }];
        if plan.splits > 1 {
            let groups = word(plan.values().div_ceil(VALUES_PER_GROUP));
            passes.push(Pass { shader: imagen_shaders::conv2d_sum(), buffers: vec![3, 2, 4], groups });
        }
        let buffers = vec![&x, &weight, &bias, &parts, &y];
        let op = Op { label: "conv2d", settings: plan.settings(), buffers, cleared: None, passes };
        match op.submit(&call.gpu) {
            Ok(()) => y,
            Err(unwritten) => unwritten.spread(plan.out.into()),
        }
    }
}

/// How a convolution is cut into workgroups: a function of its shapes alone.
struct Plan {
    x: [usize; 4],
    out: [usize; 4],
    kernel: usize,
    stride: usize,
    tile: ConvTile,
    splits: usize,
    split_depth: usize,
}

impl Plan {
    fn new(x: &CubeTensor, weight: &CubeTensor, stride: usize) -> Self {
        let x: [usize; 4] = std::array::from_fn(|axis| x.meta.shape()[axis]);
        let (c_out, kernel) = (weight.meta.shape()[0], weight.meta.shape()[2]);
        let out = [x[0], c_out, out_side(x[2], kernel, stride), out_side(x[3], kernel, stride)];
        let depth = x[1] * kernel * kernel;
        let tile = ConvTile::of(c_out, out[0] * out[2] * out[3]);
        let wanted = (BUSY_GROUPS / tiles(tile, out).max(1)).min(depth / SPLIT_DEPTH).max(1);
        let split_depth = depth.div_ceil(wanted).next_multiple_of(tile.depth());
        Self { x, out, kernel, stride, tile, splits: depth.div_ceil(split_depth), split_depth }
    }

    fn values(&self) -> usize {
        self.out.iter().product()
    }

    fn groups(&self) -> usize {
        tiles(self.tile, self.out) * self.splits
    }

    /// The uniform struct `Convolution` of the kernels.
    fn settings(&self) -> Vec<u32> {
        let [batch, c_in, height, width] = self.x;
        let [_, c_out, out_height, out_width] = self.out;
        let depth = c_in * self.kernel * self.kernel;
        let words = [c_in, height, width, c_out, out_height, out_width, self.kernel, self.stride, self.kernel / 2, batch, depth];
        words.into_iter().chain([self.splits, self.split_depth, self.groups()]).map(word).collect()
    }
}

fn tiles(tile: ConvTile, [batch, c_out, height, width]: [usize; 4]) -> usize {
    c_out.div_ceil(tile.rows()) * (batch * height * width).div_ceil(tile.columns())
}
