//! The variance of an ancestral step.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Step;

/// Smallest variance whose logarithm is taken.
const SMALLEST: f64 = 1e-20;

/// Which variance the ancestral sampler adds at each step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Variance {
    /// That of q(x_s | x_t, x0), the lower bound (Ho et al. 2020, eq. 7).
    #[default]
    FixedSmall,
    /// That of q(x_t | x_s), the upper bound.
    FixedLarge,
    /// The network says for each value where it lies between the two (Nichol and Dhariwal 2021, eq. 15).
    LearnedRange,
}

/// Standard deviation of the noise that a step adds.
#[derive(Clone, Debug)]
pub enum Deviation {
    /// The same for all values; 0 draws no noise.
    Fixed(f64),
    /// One a value, `[B, C, H, W]`.
    Learned(Tensor<4>),
}

impl Deviation {
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Fixed(std) if *std <= 0.0)
    }

    /// `mean` + std * `noise`.
    pub fn spread(self, mean: Tensor<4>, noise: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Fixed(std) => mean + noise.mul_scalar(std),
            Self::Learned(std) => mean + noise * std,
        }
    }
}

/// Variance of q(x_s | x_t, x0): `sigma_s^2 (1 - SNR_t / SNR_s)`; 0 for a clean x_s.
pub(super) fn small(step: &Step) -> f64 {
    step.to.sigma * step.to.sigma * gain(step)
}

/// Variance of q(x_t | x_s): `sigma_t^2 (1 - SNR_t / SNR_s)`, in one step of a discrete schedule its beta.
pub(super) fn large(step: &Step) -> f64 {
    step.from.sigma * step.from.sigma * gain(step)
}

/// `1 - SNR_t / SNR_s`, in (0, 1].
pub(super) fn gain(step: &Step) -> f64 {
    -(step.from.log_snr - step.to.log_snr).exp_m1()
}

impl Variance {
    /// The deviation of `step`; `channels` are the network's variance channels, -1 for the lower and 1 for the upper bound:
    ///
    /// `ln var = f ln large + (1 - f) ln small`, `f = (channels + 1) / 2`. The last step, to a clean picture, adds no noise.
    ///
    /// # Shapes
    /// `channels`: `[B, C, H, W]`; without them the learned range falls back to its lower bound.
    pub fn deviation(self, step: &Step, channels: Option<Tensor<4>>) -> Deviation {
        if step.to.is_clean() {
            return Deviation::Fixed(0.0);
        }
        match (self, channels) {
            (Self::FixedLarge, _) => Deviation::Fixed(large(step).sqrt()),
            (Self::LearnedRange, Some(channels)) => {
                let (lower, upper) = (small(step).max(SMALLEST).ln(), large(step).max(SMALLEST).ln());
                // Half of ln var, as the deviation is its exponential.
                Deviation::Learned(channels.mul_scalar(0.25 * (upper - lower)).add_scalar(0.25 * (upper + lower)).exp())
            }
            (Self::FixedSmall | Self::LearnedRange, _) => Deviation::Fixed(small(step).sqrt()),
        }
    }
}
