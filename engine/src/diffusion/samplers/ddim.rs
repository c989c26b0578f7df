//! Denoising diffusion implicit models.

use burn::tensor::Tensor;

use crate::diffusion::variance::small;
use crate::diffusion::{Deviation, Step};

/// The part of x_s that is not fresh noise:
///
/// ```text
/// std = eta sqrt(sigma_s^2 (1 - SNR_t / SNR_s))
/// x_s = alpha_s x0_hat + sqrt(sigma_s^2 - std^2) eps + std z,   z ~ N(0, 1)
/// ```
///
/// Song et al. 2021, eq. 12 and 16; eta = 0 is deterministic, eta = 1 ancestral sampling of the small variance.
///
/// # Shapes
/// `x0_hat`, `eps` and the result: `[B, C, H, W]`.
pub fn mean(x0_hat: &Tensor<4>, eps: &Tensor<4>, step: &Step, eta: f64) -> Tensor<4> {
    if step.to.is_clean() {
        return x0_hat.clone();
    }
    let rest = (step.to.sigma * step.to.sigma - eta * eta * small(step)).max(0.0).sqrt();
    x0_hat.clone().mul_scalar(step.to.alpha) + eps.clone().mul_scalar(rest)
}

/// `std` of [`mean`].
pub fn deviation(step: &Step, eta: f64) -> Deviation {
    Deviation::Fixed(eta * small(step).sqrt())
}
