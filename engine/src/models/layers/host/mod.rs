//! The CPU forms of the layers that burn's CPU backend spends its time in: group normalisation with its activation, and convolution.
//!
//! Each stands beside the composed form that every other device runs, computes the same, and is tried first: where a tensor does not
//! live on the CPU in f32, the composed form runs.

mod activation;
mod conv;
mod linear;
mod norm;
mod panels;
mod product;
mod shape;
mod transpose;
mod vector;
mod window;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Device, Tensor, TensorData};
use half::f16;

pub(super) use activation::activate;
pub(super) use conv::Kernel;
pub(super) use linear::Matrix;
pub(super) use norm::{NormParams, normalise};
pub(super) use shape::{beside, downsample, pixel_shuffle, pixel_unshuffle, upsample};

/// Channels of the widest tile: two of the widest vectors.
const LANES: usize = product::VECTORS * 16;

/// Whether the CPU forms can run on `x`.
pub(super) fn is_host<const D: usize>(x: &Tensor<D>) -> bool {
    x.dtype() == DType::F32 && x.device() == Device::flex()
}

/// The tensor as the CPU backend holds it, contiguous from its first value. Only for tensors that [`is_host`] accepts.
#[allow(clippy::expect_used, reason = "the caller asked is_host")]
fn host<const D: usize>(x: Tensor<D>) -> FlexTensor {
    let x = x.try_into_primitive::<Flex>().expect("is_host was asked before, and a layer's tensors share its device");
    let whole = x.layout().contiguous_offsets() == Some((0, x.storage::<f32>().len()));
    if whole { x } else { x.to_contiguous() }
}

/// The values of a contiguous tensor of weights.
#[derive(Clone, Copy)]
enum Source<'a> {
    F32(&'a [f32]),
    F16(&'a [f16]),
}

/// A layer's weights as the CPU backend holds them. `None` where they do not live on the CPU, or not value by value: those of a network
/// that is only described.
fn weights<const D: usize>(x: &Tensor<D>) -> Option<FlexTensor> {
    if x.device() != Device::flex() {
        return None;
    }
    let x = x.clone().try_into_primitive::<Flex>().ok()?;
    let count = x.layout().num_elements();
    let stored = match x.dtype() {
        DType::F32 => x.storage::<f32>().len(),
        DType::F16 => x.storage::<f16>().len(),
        _ => 0,
    };
    let whole = x.layout().contiguous_offsets() == Some((0, stored));
    (stored >= count).then(|| if whole { x } else { x.to_contiguous() })
}

/// Of a tensor that [`weights`] gave.
fn source(x: &FlexTensor) -> Source<'_> {
    if x.dtype() == DType::F16 { Source::F16(x.storage()) } else { Source::F32(x.storage()) }
}

/// The values of a contiguous tensor.
fn values(x: &FlexTensor) -> &[f32] {
    x.storage()
}

/// `f` on the values of `x` in place where nobody else holds them, on a copy otherwise.
fn update<const D: usize>(mut x: FlexTensor, shape: [usize; D], f: impl FnOnce(&mut [f32])) -> Tensor<D> {
    if let Some(values) = x.try_storage_mut() {
        f(values);
        return Tensor::from_primitive::<Flex>(x);
    }
    let mut copy = values(&x).to_vec();
    drop(x);
    f(&mut copy);
    tensor(copy, shape)
}

/// A tensor that `write` makes.
///
/// # Safety
/// `write` writes every value of the shape, from the pointer on.
unsafe fn filled<const D: usize>(shape: [usize; D], write: impl FnOnce(*mut f32)) -> Tensor<D> {
    let count = shape.iter().product();
    let mut values = Vec::with_capacity(count);
    if count > 0 {
        write(values.as_mut_ptr());
    }
    // SAFETY: the capacity is as large, and the caller vouches for the values.
    unsafe { values.set_len(count) };
    tensor(values, shape)
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}
