//! Group normalisation, modulation and activation, reading the picture three times and writing it once.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::activation::{Affine, apply};
use super::{host, update, values};
use crate::models::layers::Activation;

/// What to do after subtracting the mean and dividing by the deviation.
pub struct NormParams {
    pub groups: usize,
    pub eps: f64,
    /// [B or 1, C]
    pub scale: Tensor<2>,
    /// [B or 1, C]
    pub shift: Tensor<2>,
    pub activation: Option<Activation>,
}

/// activation((x - mean) / sqrt(var + eps) * scale + shift).
///
/// # Shapes
/// [B, C, ..] -> [B, C, ..]
pub fn normalise<const D: usize>(x: Tensor<D>, params: NormParams) -> Tensor<D> {
    let shape = x.dims();
    let (scale, shift) = (host(params.scale), host(params.shift));
    let channels = shape[1];
    let plane = shape.iter().skip(2).product::<usize>();
    let per_group = channels / params.groups;
    let affine = |channel: usize| {
        let at = |t| {
            let t: &[f32] = values(t);
            t[channel % t.len()]
        };
        (at(&scale), at(&shift))
    };
    let group = |(index, group): (usize, &mut [f32])| {
        let (mean, deviation) = statistics(group, params.eps);
        for (i, plane) in group.chunks_mut(plane.max(1)).enumerate() {
            let (scale, shift) = affine(index * per_group + i);
            apply(plane, Affine { mean, gain: scale / deviation, shift }, params.activation);
        }
    };
    update(host(x), shape, |values| values.par_chunks_mut((per_group * plane).max(1)).enumerate().for_each(group))
}

/// Mean and sqrt(variance + eps).
fn statistics(values: &[f32], eps: f64) -> (f32, f32) {
    let n = values.len() as f64;
    let mean = (sum(values, |v| v) / n) as f32;
    let variance = sum(values, |v| (v - mean) * (v - mean)) / n;
    (mean, (variance + eps).sqrt() as f32)
}

/// Sum of f(v): short runs in f32, their sums in f64.
fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    const LANES: usize = 16;
    let run = |run: &[f32]| {
        let (lanes, rest) = run.as_chunks::<LANES>();
        let mut sums = [0.0_f32; LANES];
        for lane in lanes {
            for (s, &v) in sums.iter_mut().zip(lane) {
                *s += f(v);
            }
        }
        f64::from(sums.iter().sum::<f32>() + rest.iter().map(|&v| f(v)).sum::<f32>())
    };
    values.chunks(64 * LANES).map(run).sum()
}
