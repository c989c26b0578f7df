//! What the network predicts, and the way from there to x0_hat and back.

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};

use super::Level;

/// The quantity that a network predicts of x_t = alpha x0 + sigma eps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// The noise (Ho et al. 2020), the paper's.
    Eps,
    /// v = alpha eps - sigma x0 (Salimans and Ho 2022, section 4).
    V,
    /// The picture.
    X0,
}

impl Prediction {
    /// The picture that a prediction stands for:
    /// `(x_t - sigma eps) / alpha`, `alpha x_t - sigma v`, or the prediction itself.
    ///
    /// # Shapes
    /// `x_t`, `predicted` and the result: `[B, C, H, W]`.
    pub fn x0_hat(self, x_t: &Tensor<4>, predicted: &Tensor<4>, level: Level) -> Tensor<4> {
        let (x_t, predicted) = (x_t.clone(), predicted.clone());
        match self {
            Self::Eps => (x_t - predicted.mul_scalar(level.sigma)).div_scalar(level.alpha),
            Self::V => x_t.mul_scalar(level.alpha) - predicted.mul_scalar(level.sigma),
            Self::X0 => predicted,
        }
    }

    /// The noise that a prediction stands for: itself, `alpha v + sigma x_t`, or `(x_t - alpha x0) / sigma`.
    ///
    /// # Shapes
    /// As [`Self::x0_hat`].
    pub fn eps(self, x_t: &Tensor<4>, predicted: &Tensor<4>, level: Level) -> Tensor<4> {
        match self {
            Self::Eps => predicted.clone(),
            Self::V => predicted.clone().mul_scalar(level.alpha) + x_t.clone().mul_scalar(level.sigma),
            Self::X0 => eps_of(x_t, predicted, level),
        }
    }

    /// What a perfect network of this kind says of `x0` and `eps`.
    ///
    /// # Shapes
    /// `x0`, `eps` and the result: `[B, C, H, W]`.
    pub fn of(self, x0: &Tensor<4>, eps: &Tensor<4>, level: Level) -> Tensor<4> {
        match self {
            Self::Eps => eps.clone(),
            Self::V => eps.clone().mul_scalar(level.alpha) - x0.clone().mul_scalar(level.sigma),
            Self::X0 => x0.clone(),
        }
    }
}

/// The noise that is left of `x_t` besides the picture `x0`: `(x_t - alpha x0) / sigma`. `sigma` is not 0 where a step starts.
pub(super) fn eps_of(x_t: &Tensor<4>, x0: &Tensor<4>, level: Level) -> Tensor<4> {
    (x_t.clone() - x0.clone().mul_scalar(level.alpha)).div_scalar(level.sigma)
}
