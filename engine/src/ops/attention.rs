//! softmax(Q K^T * scale + bias) V, in memory that grows with L and never with L^2.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::ops::AttentionModuleOptions;
use burn::tensor::{Bool, DType, Device, Tensor, module};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use imagen_shaders::{ATTENTION_MAX_D, ATTENTION_QUERIES, Storage};

use super::gpu::Gpu;
use super::launch::{Op, Pass, empty, word};

/// Scores that the reference holds at a time.
const REFERENCE_SCORES: usize = 1 << 22;

/// What goes into the scores beside q and k.
#[derive(Clone, Debug)]
pub struct AttentionOptions {
    /// [heads, Lq, Lk], added to the scores.
    pub bias: Option<Tensor<3>>,
    /// [B, Lk], true = attend.
    pub key_mask: Option<Tensor<2, Bool>>,
    pub scale: f32,
}

impl AttentionOptions {
    /// A scale alone: every key counts, nothing is added.
    pub fn scaled(scale: f32) -> Self {
        Self { bias: None, key_mask: None, scale }
    }
}

/// o = softmax(q k^T * scale + bias) v, with f32 accumulation. Masked keys count for nothing, whatever they hold; a query that has no key of
/// weight over 0 gives zeros. NaN in a query, or in a key that counts, gives NaN.
///
/// Runs `attention.wgsl` on a registered GPU (d up to 128), burn's flash attention on the CPU, and [`attention_reference`] elsewhere.
///
/// # Shapes
/// - q: [B, heads, Lq, d]; k, v: [B, heads, Lk, d]
/// - options: see [`AttentionOptions`]
/// - output: [B, heads, Lq, d], dtype of q
///
/// # Panics
/// If the shapes do not fit each other.
pub fn attention(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, options: AttentionOptions) -> Tensor<4> {
    check_shapes(&q, &k, &v, &options);
    let device = q.device();
    if q.shape().num_elements() == 0 || k.shape().num_elements() == 0 {
        return q.zeros_like();
    }
    match Gpu::of(&device) {
        Some(gpu) if q.dims()[3] <= ATTENTION_MAX_D => attention_kernel(gpu, q, k, v, options),
        None if device == Device::flex() => attention_cpu(q, k, v, options),
        _ => attention_reference(q, k, v, options),
    }
}

fn check_shapes(q: &Tensor<4>, k: &Tensor<4>, v: &Tensor<4>, options: &AttentionOptions) {
    let ([batch, heads, queries, d], [.., keys, _]) = (q.dims(), k.dims());
    assert_eq!(k.dims(), [batch, heads, keys, d], "shape of k, for q {:?}", q.dims());
    assert_eq!(v.dims(), k.dims(), "shape of v");
    if let Some(bias) = &options.bias {
        assert_eq!(bias.dims(), [heads, queries, keys], "shape of bias, [heads, Lq, Lk]");
    }
    if let Some(mask) = &options.key_mask {
        assert_eq!(mask.dims(), [batch, keys], "shape of key_mask, [B, Lk]");
    }
}

/// The same maths in plain burn operations, a few queries at a time: what `attention.wgsl` is held against, on any device.
///
/// # Shapes
/// As [`attention`].
pub fn attention_reference(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, options: AttentionOptions) -> Tensor<4> {
    let AttentionOptions { bias, key_mask, scale } = options;
    let [batch, heads, queries, _] = q.dims();
    let keys = k.dims()[2];
    let dtype = q.dtype();
    let masked = key_mask.map(|mask| mask.bool_not().reshape([batch, 1, 1, keys]));
    let k_transposed = k.cast(DType::F32).swap_dims(2, 3);
    let v = match &masked {
        Some(masked) => zero_rows(v.cast(DType::F32), masked),
        None => v.cast(DType::F32),
    };
    let rows = (REFERENCE_SCORES / (batch * heads * keys)).clamp(1, queries);
    let tile = |first: usize| {
        let count = rows.min(queries - first);
        let q = q.clone().narrow(2, first, count).cast(DType::F32);
        let mut scores = q.matmul(k_transposed.clone()) * scale;
        if let Some(bias) = &bias {
            scores = scores + bias.clone().narrow(1, first, count).cast(DType::F32).unsqueeze();
        }
        if let Some(masked) = &masked {
            scores = scores.mask_fill(masked.clone().expand([batch, heads, count, keys]), f32::NEG_INFINITY);
        }
        softmax_values(scores, v.clone())
    };
    Tensor::cat((0..queries).step_by(rows).map(tile).collect(), 2).cast(dtype)
}

/// softmax(scores) v; zeros where no score is over -infinity.
fn softmax_values(scores: Tensor<4>, v: Tensor<4>) -> Tensor<4> {
    let largest = scores.clone().max_dim(3).clamp_min(f32::MIN);
    let weights = (scores - largest).exp();
    let sum = weights.clone().sum_dim(3);
    let o = weights.matmul(v);
    let no_key = sum.clone().equal_elem(0.0).expand(o.shape());
    (o / sum).mask_fill(no_key, 0.0)
}

/// Rows of [B, heads, Lk, d] set to zero where `masked` [B, 1, 1, Lk] says so.
fn zero_rows(x: Tensor<4>, masked: &Tensor<4, Bool>) -> Tensor<4> {
    let shape = x.shape();
    x.mask_fill(masked.clone().swap_dims(2, 3).expand(shape), 0.0)
}

/// By burn's CPU kernel, which is faster than separate operations and tiles over the keys. It would lay a key mask out over every query,
/// and it takes a row of NaN scores for a masked one: both are seen to here.
fn attention_cpu(q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, options: AttentionOptions) -> Tensor<4> {
    let AttentionOptions { bias, key_mask, scale } = options;
    let [batch, heads, _, _] = q.dims();
    let keys = k.dims()[2];
    let not_a_number = q.clone().sum_dim(3) * 0.0;
    let (mut q, mut k, mut v, mut scale) = (q, k, v, f64::from(scale));
    if let Some(mask) = key_mask {
        let masked = mask.bool_not().reshape([batch, 1, 1, keys]);
        (k, v) = (zero_rows(k, &masked), zero_rows(v, &masked));
        // One more dimension: 1 in q, and in k 0 or, for a masked key, -infinity. The scale goes into q, whatever its sign.
        let penalty = Tensor::zeros([batch, 1, keys, 1], (&k.device(), k.dtype()));
        let penalty = penalty.mask_fill(masked.swap_dims(2, 3), f32::NEG_INFINITY).expand([batch, heads, keys, 1]);
        let one = q.clone().narrow(3, 0, 1).ones_like();
        (q, k) = (Tensor::cat(vec![q * scale, one], 3), Tensor::cat(vec![k, penalty], 3));
        scale = 1.0;
    }
    let options = AttentionModuleOptions { scale: Some(scale), ..Default::default() };
    let bias = bias.map(|bias| bias.cast(q.dtype()).unsqueeze());
    module::attention(q, k, v, None, bias, options) + not_a_number
}

fn attention_kernel(gpu: Gpu, q: Tensor<4>, k: Tensor<4>, v: Tensor<4>, options: AttentionOptions) -> Tensor<4> {
    let AttentionOptions { bias, key_mask, scale } = options;
    let dtype = q.dtype();
    let stored = if dtype == DType::F16 && gpu.has_f16() { DType::F16 } else { DType::F32 };
    let (q, k, v) = (q.cast(stored), k.cast(stored), v.cast(stored));
    let call = Call { gpu, scale, has_bias: bias.is_some(), has_mask: key_mask.is_some() };
    // A binding cannot be left empty: what is missing is bound to q and not read.
    let bias = bias.map_or_else(|| q.clone().into_dispatch(), |bias| bias.cast(stored).into_dispatch());
    let mask = key_mask.map_or_else(|| q.clone().into_dispatch(), |mask| mask.float().cast(DType::F32).into_dispatch());
    let (q, k, v) = (q.into_dispatch(), k.into_dispatch(), v.into_dispatch());
    Tensor::<4>::from_dispatch(<Dispatch as AttentionOps>::imagen_attention(q, k, v, bias, mask, call)).cast(dtype)
}

/// What the kernel needs beside its tensors.
#[derive(Clone, Debug)]
pub struct Call {
    gpu: Gpu,
    scale: f32,
    has_bias: bool,
    has_mask: bool,
}

/// `attention.wgsl` as a burn operation, so that it can wait in a fused stream.
#[backend_extension(Cube, Fusion)]
pub trait AttentionOps: Backend {
    #[fusion(dtype = q, shape = q)]
    fn imagen_attention(
        q: FloatTensor<Self>,
        k: FloatTensor<Self>,
        v: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        call: Call,
    ) -> FloatTensor<Self>;
}

impl AttentionOps for CubeBackend {
    fn imagen_attention(
        q: CubeTensor,
        k: CubeTensor,
        v: CubeTensor,
        bias: CubeTensor,
        mask: CubeTensor,
        call: Call,
    ) -> CubeTensor {
        let shape = q.meta.shape().clone();
        let [q, k, v] = [q, k, v].map(dense_rows);
        let bias = if call.has_bias { into_contiguous(bias) } else { q.clone() };
        let mask = if call.has_mask { into_contiguous(mask) } else { q.clone() };
        let o = empty(&q, shape.clone(), q.dtype);
        let [batch, heads, queries, d] = [0, 1, 2, 3].map(|axis| shape[axis]);
        let storage = if q.dtype == DType::F16 { Storage::F16 } else { Storage::F32 };
        let groups = word(batch * heads * queries.div_ceil(ATTENTION_QUERIES));
        let op = Op {
            label: "attention",
            settings: settings(&q, &k, &v, groups, &call),
            buffers: vec![&q, &k, &v, &bias, &mask, &o],
            cleared: None,
            passes: vec![Pass { shader: imagen_shaders::attention(d, storage), buffers: (0..6).collect(), groups }],
        };
        match op.submit(&call.gpu) {
            Ok(()) => o,
            Err(unwritten) => unwritten.spread(shape),
        }
    }
}

/// The uniform struct `Attention` of the kernel.
fn settings(q: &CubeTensor, k: &CubeTensor, v: &CubeTensor, groups: u32, call: &Call) -> Vec<u32> {
    let shape = q.meta.shape();
    let mut words = vec![word(shape[1]), word(shape[2]), word(k.meta.shape()[2]), word(shape[3])];
    words.extend([groups, u32::from(call.has_bias), u32::from(call.has_mask), call.scale.to_bits()]);
    for tensor in [q, k, v] {
        let strides = tensor.meta.strides();
        words.extend([word(strides[0]), word(strides[1]), word(strides[2]), 1]);
    }
    words
}

/// The kernel takes any strides but the last axis's: heads split from [B, L, heads * d] need no copy.
fn dense_rows(tensor: CubeTensor) -> CubeTensor {
    let dense = tensor.meta.strides()[3] == 1 || tensor.meta.shape()[3] == 1;
    if dense && !tensor.meta.is_tiled() { tensor } else { into_contiguous(tensor) }
}
