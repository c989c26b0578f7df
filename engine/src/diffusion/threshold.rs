//! Keeping x0_hat in range (section 2.3 of the paper).

use burn::tensor::Tensor;
use imagen_protocol::Threshold;

use super::runs::Run;
use crate::ops::{Thresholded, threshold};

/// [`keep_in_range`] with a threshold for each run of images.
pub(super) fn keep_runs_in_range(x0_hat: &Tensor<4>, kinds: &[Run<Threshold>], clip_range: f64) -> Thresholded {
    Thresholded::joined(kinds.iter().map(|run| keep_in_range(run.of(x0_hat), &run.setting, clip_range)).collect())
}

/// `x0_hat` under `kind`; static thresholding clamps to [-`clip_range`, `clip_range`], 1 being the paper's.
///
/// # Shapes
/// `x0_hat`: `[B, C, H, W]`; `s` and `clipped` of the result: `[B]`.
pub fn keep_in_range(x0_hat: Tensor<4>, kind: &Threshold, clip_range: f64) -> Thresholded {
    let scaled = matches!(kind, Threshold::Static) && (clip_range - 1.0).abs() > f64::EPSILON;
    if !scaled {
        return threshold(x0_hat, kind);
    }
    let kept = threshold(x0_hat.div_scalar(clip_range), kind);
    Thresholded { x0_hat: kept.x0_hat.mul_scalar(clip_range), s: kept.s.mul_scalar(clip_range), clipped: kept.clipped }
}
