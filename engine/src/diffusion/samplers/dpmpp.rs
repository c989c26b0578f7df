//! DPM-Solver++ 2M.

use burn::tensor::Tensor;

use crate::diffusion::{Level, Step};

/// Below this many steps the last one is of first order.
const FEW_STEPS: usize = 15;

/// x_s of the multistep solver of second order, midpoint form:
///
/// ```text
/// lambda = ln(alpha / sigma) = log_snr / 2,   h = lambda_s - lambda_t,   r = (lambda_t - lambda_u) / h
/// D   = x0_hat + (x0_hat - x0_hat_u) / (2 r)            first order: D = x0_hat
/// x_s = sigma_s / sigma_t x_t - alpha_s (exp(-h) - 1) D
/// ```
///
/// with u the time before t. Lu et al. 2022, algorithm 2 (DPM-Solver++(2M)); of first order it is DDIM with eta = 0.
///
/// # Shapes
/// `x_t`, `x0_hat`, `before` (x0_hat of the step before, and the level it started from) and the result: `[B, C, H, W]`.
pub fn step(x_t: &Tensor<4>, x0_hat: &Tensor<4>, before: Option<&(Tensor<4>, Level)>, step: &Step) -> Tensor<4> {
    if step.to.is_clean() {
        return x0_hat.clone();
    }
    let h = step.to.lambda() - step.from.lambda();
    let d = match before {
        None => x0_hat.clone(),
        Some((earlier, level)) => {
            let inverse_r = h / (step.from.lambda() - level.lambda());
            x0_hat.clone() + (x0_hat.clone() - earlier.clone()).mul_scalar(0.5 * inverse_r)
        }
    };
    x_t.clone().mul_scalar(step.to.sigma / step.from.sigma) - d.mul_scalar(step.to.alpha * (-h).exp_m1())
}

/// Whether step `index` of `count` is of first order for having no step after it (`lower_order_final`).
pub fn is_lowered(index: usize, count: usize, lower_order_final: bool) -> bool {
    lower_order_final && index + 1 == count && count < FEW_STEPS
}
