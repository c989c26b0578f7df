//! SiLU and GELU as loops that vectorise.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::{host, update};
use crate::models::layers::Activation;
use crate::models::layers::activation::ERFC;

/// Values a task: a few microseconds of work.
const CHUNK: usize = 1 << 14;

/// activation(x).
pub fn activate<const D: usize>(x: Tensor<D>, activation: Activation) -> Tensor<D> {
    let shape = x.dims();
    update(host(x), shape, |values| {
        values.par_chunks_mut(CHUNK).for_each(|chunk| apply(chunk, Affine::IDENTITY, Some(activation)));
    })
}

/// (x - mean) * gain + shift: subtracting first loses nothing where the mean is large.
#[derive(Clone, Copy, Debug)]
pub struct Affine {
    pub mean: f32,
    pub gain: f32,
    pub shift: f32,
}

impl Affine {
    pub const IDENTITY: Self = Self { mean: 0.0, gain: 1.0, shift: 0.0 };

    #[inline(always)]
    fn of(self, x: f32) -> f32 {
        (x - self.mean) * self.gain + self.shift
    }
}

/// x -> activation((x - mean) * gain + shift).
pub fn apply(values: &mut [f32], affine: Affine, activation: Option<Activation>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { apply_avx2(values, affine, activation) };
    }
    apply_any(values, affine, activation);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn apply_avx2(values: &mut [f32], affine: Affine, activation: Option<Activation>) {
    apply_any(values, affine, activation);
}

/// Inlined into each caller, which compiles it for its own instruction set.
#[inline(always)]
fn apply_any(values: &mut [f32], affine: Affine, activation: Option<Activation>) {
    match activation {
        None => values.iter_mut().for_each(|v| *v = affine.of(*v)),
        Some(Activation::Silu) => values.iter_mut().for_each(|v| *v = silu(affine.of(*v))),
        Some(Activation::Gelu) => values.iter_mut().for_each(|v| *v = gelu(affine.of(*v))),
    }
}

#[inline(always)]
fn silu(x: f32) -> f32 {
    x / (1.0 + exp(-x))
}

/// x Phi(x) = max(x, 0) - |x| erfc(|x| / sqrt 2) / 2. See [`ERFC`].
#[inline(always)]
fn gelu(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / (1.0 + 0.5 * z);
    let poly = ERFC.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let tail = 0.5 * t * exp(poly - z * z);
    // `max` would drop a NaN; the tail keeps it.
    x.max(0.0) - x.abs() * tail
}

/// e^x within 2 ulp for -87 <= x <= 88, clamped outside: 2^n e^r with |r| <= ln 2 / 2 and a polynomial for e^r.
#[inline(always)]
fn exp(x: f32) -> f32 {
    /// Adding it rounds to an integer, whose low bits are then those of the sum.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * LN2_HIGH - n * LN2_LOW;
    let p = ((((1.987_569_1e-4 * r + 1.398_199_9e-3) * r + 8.333_452e-3) * r + 4.166_579_6e-2) * r + 1.666_666_5e-1) * r + 0.5;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(127 << 23));
    (p * r * r + r + 1.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    /// erf by its series and, beyond 3, by its continued fraction, in f64.
    fn erf(x: f64) -> f64 {
        if x.abs() > 3.0 {
            let fraction = (1..60).rev().fold(0.0, |f, k| f64::from(k) / 2.0 / (x.abs() + f));
            return (1.0 - (-x * x).exp() / std::f64::consts::PI.sqrt() / (x.abs() + fraction)).copysign(x);
        }
        let (mut term, mut sum) = (x, x);
        for n in 1..80 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * 2.0 / std::f64::consts::PI.sqrt()
    }

    #[test]
    fn activations_agree_with_f64() {
        let xs: Vec<f32> = (-4000..=4000).map(|i| i as f32 * 0.025).collect();
        let run = |a| {
            let mut ys = xs.clone();
            apply(&mut ys, Affine::IDENTITY, Some(a));
            ys
        };
        for ((&x, silu), gelu) in xs.iter().zip(run(Activation::Silu)).zip(run(Activation::Gelu)) {
            let x = f64::from(x);
            let (s, g) = (x / (1.0 + (-x).exp()), 0.5 * x * (1.0 + erf(x / 2.0_f64.sqrt())));
            assert!((f64::from(silu) - s).abs() <= 4e-7 * s.abs().max(0.1), "silu({x}) = {silu}, not {s}");
            assert!((f64::from(gelu) - g).abs() <= 1e-7 * g.abs().max(0.5), "gelu({x}) = {gelu}, not {g}");
        }
    }

    #[test]
    fn not_a_number_stays_visible() {
        for activation in [None, Some(Activation::Silu), Some(Activation::Gelu)] {
            let mut values = [f32::NAN; 9];
            apply(&mut values, Affine { mean: 0.5, gain: 2.0, shift: 1.0 }, activation);
            assert!(values.iter().all(|v| v.is_nan()), "{activation:?}: {values:?}");
        }
    }
}
