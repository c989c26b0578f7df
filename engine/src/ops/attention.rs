//! softmax(q k^T scale + bias) v.

use burn::tensor::{Bool, Tensor, activation};

/// # Shapes
/// q [B, heads, Lq, d], k and v [B, heads, Lk, d], bias [heads, Lq, Lk], key_mask [B, Lk] (true = may be attended to)
/// -> [B, heads, Lq, d]
pub fn attention(
    q: Tensor<4>,
    k: Tensor<4>,
    v: Tensor<4>,
    bias: Option<Tensor<3>>,
    key_mask: Option<Tensor<2, Bool>>,
    scale: f32,
) -> Tensor<4> {
    let mut scores = q.matmul(k.swap_dims(2, 3)) * scale;
    if let Some(bias) = bias {
        scores = scores + bias.unsqueeze_dim(0);
    }
    if let Some(mask) = key_mask {
        let shape = scores.dims();
        let masked = mask.bool_not().unsqueeze_dim::<3>(1).unsqueeze_dim::<4>(1);
        scores = scores.mask_fill(masked.expand(shape), -1.0e30);
    }
    activation::softmax(scores, 3).matmul(v)
}
