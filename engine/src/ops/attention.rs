//! Scaled dot-product attention.

use burn::tensor::{Bool, Tensor, activation};

/// softmax(scale q k^T + bias) v, keys where `key_mask` is false left out.
///
/// # Shapes
/// q [B, heads, Lq, d], k and v [B, heads, Lk, d], bias [heads, Lq, Lk], key_mask [B, Lk] (true = attend) -> [B, heads, Lq, d]
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
        scores = scores + bias.unsqueeze_dim::<4>(0);
    }
    if let Some(mask) = key_mask {
        let [batch, keys] = mask.dims();
        let shape = scores.dims();
        let mask = mask.bool_not().reshape([batch, 1, 1, keys]).expand(shape);
        scores = scores.mask_fill(mask, f32::MIN);
    }
    activation::softmax(scores, 3).matmul(v)
}
