//! Ancestral sampling.

use burn::tensor::Tensor;

use crate::diffusion::Step;
use crate::diffusion::variance::gain;

/// Mean of q(x_s | x_t, x0 = x0_hat), between any two times t > s:
///
/// ```text
/// g    = 1 - SNR_t / SNR_s = 1 - exp(log_snr_t - log_snr_s)
/// mean = alpha_s / alpha_t (1 - g) x_t + alpha_s g x0_hat
/// x_s  = mean + std z,   std^2 from sigma_s^2 g (small) to sigma_t^2 g (large), z ~ N(0, 1)
/// ```
///
/// Ho et al. 2020, eq. 7 and algorithm 2, written for continuous time as in the paper's appendix A (Kingma et al. 2021, appendix A.2).
/// The last step, to a clean picture, is x0_hat itself.
///
/// # Shapes
/// `x_t`, `x0_hat` and the result: `[B, C, H, W]`.
pub fn mean(x_t: &Tensor<4>, x0_hat: &Tensor<4>, step: &Step) -> Tensor<4> {
    if step.to.is_clean() {
        return x0_hat.clone();
    }
    let g = gain(step);
    let of_x_t = step.to.alpha / step.from.alpha * (1.0 - g);
    x0_hat.clone().mul_scalar(step.to.alpha * g) + x_t.clone().mul_scalar(of_x_t)
}
