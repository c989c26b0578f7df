//! How x0_hat is kept in range (section 2.3 and figure A.10 of the paper): dynamic, static, or none.

use burn::backend::fusion::custom::TensorSpec;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{DType, Tensor, TensorData};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use imagen_protocol::Threshold;
use imagen_shaders::{THRESHOLD_SHIFTS, THRESHOLD_STATE_WORDS};

use super::gpu::Gpu;
use super::launch::{Op, Pass, empty, word};

/// What [`threshold`] gives. All of it stays on x0_hat's device.
#[derive(Clone, Debug)]
pub struct Thresholded {
    /// [B, C, H, W], as it goes on in the sampler.
    pub x0_hat: Tensor<4>,
    /// [B] f32: each image's threshold; 1 for static and none.
    pub s: Tensor<1>,
    /// [B] f32: the share of values with |x0_hat| > s, in [0, 1].
    pub clipped: Tensor<1>,
}

/// Dynamic: s = clamp(quantile(|x0_hat|, percentile), 1, cap) of each image, x0_hat = clamp(x0_hat, -s, s) / s. The quantile is exact, with
/// linear interpolation between two order statistics as torch.quantile's. Static: s = 1. None: x0_hat is left as it is, s = 1.
///
/// Infinities are the largest values. A NaN makes its image's s, and so the whole image, NaN (dynamic), or stays alone (static, none).
///
/// Runs `dynamic_threshold*.wgsl` on a registered GPU, without a sort and without reading back, and [`threshold_reference`] elsewhere.
///
/// # Shapes
/// x0_hat: [B, C, H, W]
pub fn threshold(x0_hat: Tensor<4>, threshold: &Threshold) -> Thresholded {
    match Gpu::of(&x0_hat.device()) {
        Some(gpu) if x0_hat.shape().num_elements() > 0 => {
            let parts = x0_hat.split(MAX_IMAGES, 0).into_iter();
            Thresholded::joined(parts.map(|part| threshold_kernel(gpu.clone(), part, threshold)).collect())
        }
        _ => threshold_reference(x0_hat, threshold),
    }
}

/// The same maths on the host, which is where the CPU backend's tensors are: what `dynamic_threshold*.wgsl` is held against.
///
/// # Shapes
/// As [`threshold`].
pub fn threshold_reference(x0_hat: Tensor<4>, threshold: &Threshold) -> Thresholded {
    let [batch, channels, height, width] = x0_hat.dims();
    let n = channels * height * width;
    let (device, dtype) = (x0_hat.device(), x0_hat.dtype());
    let read = x0_hat.clone().cast(DType::F32).try_into_data().map(|data| data.try_into_vec::<f32>());
    let Ok(Ok(mut values)) = read else {
        // The failure stays with x0_hat, where the next read finds it.
        let unknown = Tensor::full([batch], f32::NAN, (&device, DType::F32));
        return Thresholded { x0_hat, s: unknown.clone(), clipped: unknown };
    };
    let (mut s, mut clipped) = (vec![1.0; batch], vec![0.0; batch]);
    if n > 0 {
        for ((image, s), clipped) in values.chunks_exact_mut(n).zip(&mut s).zip(&mut clipped) {
            (*s, *clipped) = threshold_image(image, threshold);
        }
    }
    let vector = |values| Tensor::from_data(TensorData::new(values, [batch]), (&device, DType::F32));
    let shape = [batch, channels, height, width];
    let x0_hat = Tensor::<4>::from_data(TensorData::new(values, shape), (&device, DType::F32)).cast(dtype);
    Thresholded { x0_hat, s: vector(s), clipped: vector(clipped) }
}

/// Thresholds one image in place; its s and clipped share.
fn threshold_image(image: &mut [f32], threshold: &Threshold) -> (f32, f32) {
    let s = match *threshold {
        Threshold::Dynamic { percentile, cap } => dynamic_scale(image, percentile, cap),
        Threshold::Static | Threshold::None => 1.0,
    };
    let beyond = image.iter().filter(|x| x.abs() > s).count();
    if *threshold != Threshold::None {
        for x in image.iter_mut().filter(|x| !x.is_nan()) {
            *x = if s.is_nan() { s } else { x.max(-s).min(s) / s };
        }
    }
    (s, beyond as f32 / image.len() as f32)
}

/// clamp(quantile(|x0_hat|, percentile), 1, cap), or NaN where a value is.
fn dynamic_scale(image: &[f32], percentile: f64, cap: Option<f64>) -> f32 {
    let mut bits: Vec<u32> = image.iter().map(|x| x.abs().to_bits()).collect();
    if bits.iter().any(|&b| f32::from_bits(b).is_nan()) {
        return f32::NAN;
    }
    let (rank, fraction) = rank(percentile, bits.len());
    // Bits of floats that are not negative order as the floats do.
    let (_, &mut low, above) = bits.select_nth_unstable(rank);
    let high = above.iter().copied().min().unwrap_or(low);
    let quantile = if low == high || fraction == 0.0 {
        f32::from_bits(low)
    } else {
        f32::from_bits(low) + (f32::from_bits(high) - f32::from_bits(low)) * fraction
    };
    quantile.max(1.0).min(cap_or_infinity(cap))
}

/// Where the percentile lies among n sorted values: so many values are before it, and so far it is on the way to the next one.
/// In f64: n - 1 times a percentile needs more digits than f32 has.
fn rank(percentile: f64, n: usize) -> (usize, f32) {
    let last = n.saturating_sub(1);
    let position = percentile.clamp(0.0, 1.0) * last as f64;
    ((position as usize).min(last), position.fract() as f32)
}

/// As f32; no cap below 1, and infinity for none.
fn cap_or_infinity(cap: Option<f64>) -> f32 {
    cap.map_or(f32::INFINITY, |cap| (cap as f32).max(1.0))
}

/// Images of one launch, whose state of 8 KiB an image has to fit a binding.
const MAX_IMAGES: usize = 4096;

impl Thresholded {
    /// Parts of a batch, at least one, as the whole.
    pub fn joined(mut parts: Vec<Self>) -> Self {
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let all = |of: fn(&Self) -> Tensor<1>| Tensor::cat(parts.iter().map(of).collect(), 0);
        let (s, clipped) = (all(|part| part.s.clone()), all(|part| part.clipped.clone()));
        Self { x0_hat: Tensor::cat(parts.into_iter().map(|part| part.x0_hat).collect(), 0), s, clipped }
    }
}

fn threshold_kernel(gpu: Gpu, x0_hat: Tensor<4>, threshold: &Threshold) -> Thresholded {
    let dtype = x0_hat.dtype();
    let call = Call { gpu, threshold: *threshold };
    let x0_hat = x0_hat.cast(DType::F32).into_dispatch();
    let (x0_hat, s, clipped) = <Dispatch as ThresholdOps>::imagen_threshold(x0_hat, call);
    Thresholded {
        x0_hat: Tensor::<4>::from_dispatch(x0_hat).cast(dtype),
        s: Tensor::from_dispatch(s),
        clipped: Tensor::from_dispatch(clipped),
    }
}

/// What the kernels need beside x0_hat.
#[derive(Clone, Debug)]
pub struct Call {
    gpu: Gpu,
    threshold: Threshold,
}

fn outputs(x0_hat: &TensorSpec, _: &Call) -> (TensorSpec, TensorSpec, TensorSpec) {
    let per_image = TensorSpec::new([x0_hat.shape[0]].into(), DType::F32);
    (x0_hat.clone(), per_image.clone(), per_image)
}

/// `dynamic_threshold*.wgsl` as one burn operation, so that it can wait in a fused stream.
#[backend_extension(Cube, Fusion)]
pub trait ThresholdOps: Backend {
    #[fusion(meta = outputs)]
    fn imagen_threshold(x0_hat: FloatTensor<Self>, call: Call) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

impl ThresholdOps for CubeBackend {
    fn imagen_threshold(x0_hat: CubeTensor, call: Call) -> (CubeTensor, CubeTensor, CubeTensor) {
        let x0_hat = into_contiguous(x0_hat);
        let shape = x0_hat.meta.shape().clone();
        let (images, n) = (shape[0], shape[1] * shape[2] * shape[3]);
        let out = empty(&x0_hat, shape.clone(), DType::F32);
        let state = empty(&x0_hat, [images * THRESHOLD_STATE_WORDS].into(), DType::F32);
        let [s, clipped] = [(); 2].map(|()| empty(&x0_hat, [images].into(), DType::F32));
        let groups_per_image = word(n.div_ceil(VALUES_PER_GROUP).min(MAX_GROUPS_PER_IMAGE));
        let op = Op {
            label: "dynamic_threshold",
            settings: settings(images, n, groups_per_image, &call.threshold),
            buffers: vec![&x0_hat, &state, &out, &s, &clipped],
            cleared: Some(1),
            passes: passes(&call.threshold, word(images), groups_per_image),
        };
        match op.submit(&call.gpu) {
            Ok(()) => (out, s, clipped),
            Err(unwritten) => {
                let per_image = unwritten.spread([images].into());
                (unwritten.spread(shape), per_image.clone(), per_image)
            }
        }
    }
}

/// Enough for a workgroup to be worth its histogram, few enough that a picture of 64 pixels spreads over several.
const VALUES_PER_GROUP: usize = 4096;
const MAX_GROUPS_PER_IMAGE: usize = 512;

fn passes(threshold: &Threshold, images: u32, groups_per_image: u32) -> Vec<Pass> {
    let spread = images.saturating_mul(groups_per_image);
    let pass = |shader, buffers: &[usize], groups| Pass { shader, buffers: buffers.to_vec(), groups };
    let mut passes = Vec::new();
    if matches!(threshold, Threshold::Dynamic { .. }) {
        for shift in THRESHOLD_SHIFTS {
            passes.push(pass(imagen_shaders::dynamic_threshold_histogram(shift), &[0, 1], spread));
            passes.push(pass(imagen_shaders::dynamic_threshold_select(shift), &[1], images));
        }
    }
    passes.push(pass(imagen_shaders::dynamic_threshold(), &[0, 1, 2], spread));
    passes.push(pass(imagen_shaders::dynamic_threshold_report(), &[1, 3, 4], images.div_ceil(256)));
    passes
}

/// The uniform struct `Threshold` of the kernels.
fn settings(images: usize, n: usize, groups_per_image: u32, threshold: &Threshold) -> Vec<u32> {
    let (mode, percentile, cap) = match *threshold {
        Threshold::None => (0, 1.0, None),
        Threshold::Static => (1, 1.0, None),
        Threshold::Dynamic { percentile, cap } => (2, percentile, cap),
    };
    let (rank, fraction) = rank(percentile, n);
    let next = (rank + 1).min(n.saturating_sub(1));
    let mut words = vec![word(images), word(n), groups_per_image, mode, word(rank), word(next)];
    words.extend([fraction, cap_or_infinity(cap), f32::NAN].map(f32::to_bits));
    words
}
