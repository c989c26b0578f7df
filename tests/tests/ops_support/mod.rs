//! Inputs of the op tests: reproducible values, and memory that holds NaN before an op writes to it.
#![allow(dead_code, reason = "each test file uses a part")]

use burn::tensor::{Device, Shape, Tensor, TensorData};

/// About normally distributed values of the given deviation, the same for the same seed.
pub fn normal(count: usize, seed: u64, deviation: f32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u32 << 24) as f32 - 0.5
    };
    // Twelve uniform values add up to variance 1.
    (0..count).map(|_| (0..12).map(|_| uniform()).sum::<f32>() * deviation).collect()
}

pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A tensor of [`normal`] values.
pub fn random<const D: usize>(shape: [usize; D], seed: u64, deviation: f32, device: &Device) -> Tensor<D> {
    tensor(normal(shape.iter().product(), seed, deviation), shape, device)
}

/// Fills the device's memory pools with NaN and frees it again: what is allocated next starts dirty.
pub fn poison(device: &Device) {
    let sizes = [1, 64, 300, 1 << 12, 40_000, 1 << 17, 1 << 20];
    let dirty: Vec<Tensor<1>> =
        sizes.iter().flat_map(|&n| (0..3).map(move |_| Tensor::full(Shape::new([n]), f32::NAN, device))).collect();
    let read = dirty.iter().filter(|t| (*t).clone().slice(0..1).try_into_data().is_ok()).count();
    assert_eq!(read, dirty.len(), "the poison was written");
}
