//! Thresholding of x0_hat in plain burn; the kernel's version replaces this file.

use burn::tensor::Tensor;
use imagen_protocol::Threshold;

/// A thresholded picture and what thresholding did.
#[derive(Clone, Debug)]
pub struct Thresholded {
    /// `[B, C, H, W]`.
    pub x0_hat: Tensor<4>,
    /// The bound of each image, `[B]`.
    pub s: Tensor<1>,
    /// The share of values beyond the bound in each image, `[B]`.
    pub clipped: Tensor<1>,
}

pub fn threshold(x0_hat: Tensor<4>, threshold: &Threshold) -> Thresholded {
    let [batch, channels, height, width] = x0_hat.dims();
    let rows: Tensor<2> = x0_hat.clone().reshape([batch, channels * height * width]);
    let size = rows.clone().abs();
    let s = match threshold {
        Threshold::None | Threshold::Static => Tensor::<2>::ones([batch, 1], &x0_hat.device()),
        Threshold::Dynamic { percentile, cap } => {
            quantile(size.clone(), *percentile).clamp(1.0, cap.unwrap_or(f64::from(f32::MAX)))
        }
    };
    let clipped = size.greater(s.clone().expand(rows.dims())).float().mean_dim(1).reshape([batch]);
    let kept = match threshold {
        Threshold::None => rows,
        _ => {
            rows.max_pair(-s.clone().expand([batch, channels * height * width]))
                .min_pair(s.clone().expand([batch, channels * height * width]))
                / s.clone()
        }
    };
    Thresholded { x0_hat: kept.reshape([batch, channels, height, width]), s: s.reshape([batch]), clipped }
}

fn quantile(size: Tensor<2>, percentile: f64) -> Tensor<2> {
    let [_, n] = size.dims();
    let sorted = size.sort(1);
    let rank = percentile * (n - 1) as f64;
    let (low, share) = (rank.floor(), rank - rank.floor());
    let at = |i: usize| sorted.clone().narrow(1, i.min(n - 1), 1);
    at(low as usize).mul_scalar(1.0 - share) + at(low as usize + 1).mul_scalar(share)
}
