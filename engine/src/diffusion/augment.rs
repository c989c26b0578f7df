//! Noise conditioning augmentation of the low-resolution input (section 2.4 and figure A.32 of the paper).

use burn::tensor::Tensor;

use super::error::{DiffusionError, NoiseError, in_range};
use super::{Draw, Level, NoiseSchedule, NoiseSource};

/// How strongly the low-resolution input is noised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AugLevel {
    pub level: Level,
    /// What the network is told of it: 1000 `aug_level` in continuous time, the timestep (IF's `noise_level`) in discrete time.
    pub time: f64,
}

impl AugLevel {
    /// `aug_level` in [0, 1]: the time t of a continuous schedule, or the timestep `aug_level` N (at most N - 1) of a discrete one.
    ///
    /// # Errors
    /// An `aug_level` that is not finite or not in [0, 1].
    pub fn new(schedule: &NoiseSchedule, aug_level: f64) -> Result<Self, DiffusionError> {
        let aug_level = in_range("aug-level", aug_level, 0.0, 1.0)?;
        let t = match schedule {
            NoiseSchedule::Cosine(_) => aug_level,
            NoiseSchedule::Discrete(discrete) => {
                let n = discrete.timesteps() as f64;
                (aug_level * n).round_ties_even().min(n - 1.0)
            }
        };
        Ok(Self { level: schedule.level(t), time: schedule.network_time(t) })
    }
}

/// `x_t = alpha x0 + sigma eps`, the noised picture that the networks are trained on (section 2.2 of the paper).
///
/// # Shapes
/// `x0`, `eps` and the result: `[B, C, H, W]`.
pub fn diffuse(x0: Tensor<4>, eps: Tensor<4>, level: Level) -> Tensor<4> {
    x0.mul_scalar(level.alpha) + eps.mul_scalar(level.sigma)
}

/// The low-resolution input under the noise of [`Draw::Augment`], in [-1, 1] before.
///
/// # Shapes
/// `low_res` (already enlarged) and the result: `[B, C, H, W]`.
///
/// # Errors
/// Where `noise` has none.
pub fn augment(low_res: Tensor<4>, aug: AugLevel, noise: &mut dyn NoiseSource) -> Result<Tensor<4>, NoiseError> {
    let eps = noise.draw(Draw::Augment, low_res.dims(), &low_res.device())?;
    Ok(diffuse(low_res, eps, aug.level))
}
