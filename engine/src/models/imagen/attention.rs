//! Attention of the picture over text and picture, or over the text alone.

use burn::tensor::{Bool, Tensor};

use super::config::{AttentionKind, Common};
use super::embedding::EPS;
use crate::models::Conditioning;
use crate::models::layers::{GroupNorm, LayerNorm, Linear, merge_heads, split_heads, to_picture, to_tokens};
use crate::models::weights::{Params, WeightError};
use crate::ops;

/// Layer norm on the text, group norm on the picture, one softmax over [text, picture] or over the text, residual.
#[derive(Debug)]
pub(super) struct Attention {
    heads: usize,
    norm: GroupNorm,
    text_norm: LayerNorm,
    q: Linear,
    text_k: Linear,
    text_v: Linear,
    /// Keys and values of the picture itself.
    own: Option<(Linear, Linear)>,
    out: Linear,
}

impl Attention {
    /// `None` for [`AttentionKind::None`].
    pub fn load(params: &Params<'_, '_>, c: &Common, channels: usize, kind: AttentionKind) -> Result<Option<Self>, WeightError> {
        let square = |name: &str| params.at(name).linear(channels, channels, true);
        let of_text = |name: &str| params.at(name).linear(c.text_dim, channels, true);
        let own = match kind {
            AttentionKind::None => return Ok(None),
            AttentionKind::SelfText => Some((square("k")?, square("v")?)),
            AttentionKind::Cross => None,
        };
        Ok(Some(Self {
            heads: channels / c.head_dim,
            norm: params.at("norm").group_norm(c.groups, channels, EPS)?,
            text_norm: params.at("text_norm").layer_norm(c.text_dim, EPS)?,
            q: square("q")?,
            text_k: of_text("text_k")?,
            text_v: of_text("text_v")?,
            own,
            out: square("out")?,
        }))
    }

    /// # Shapes
    /// [B, C, H, W] -> [B, C, H, W]
    pub fn forward(&self, x: Tensor<4>, c: &Conditioning) -> Tensor<4> {
        let shape = x.dims();
        let tokens = to_tokens(self.norm.forward(x.clone()));
        let text = self.text_norm.forward(c.text.clone());
        let (mut k, mut v, mut mask) = (self.text_k.forward(text.clone()), self.text_v.forward(text), c.mask.clone());
        if let Some((own_k, own_v)) = &self.own {
            k = Tensor::cat(vec![k, own_k.forward(tokens.clone())], 1);
            v = Tensor::cat(vec![v, own_v.forward(tokens.clone())], 1);
            mask = mask.map(|m| with_picture(m, shape[2] * shape[3]));
        }
        let [q, k, v] = [self.q.forward(tokens), k, v].map(|t| split_heads(t, self.heads));
        let scale = 1.0 / ((shape[1] / self.heads) as f32).sqrt();
        let out = self.out.forward(merge_heads(ops::attention(
            q,
            k,
            v,
            ops::AttentionOptions { key_mask: mask, ..ops::AttentionOptions::scaled(scale) },
        )));
        x + to_picture(out, shape)
    }
}

/// The mask of the text, then true for each of the picture's positions.
fn with_picture(mask: Tensor<2, Bool>, positions: usize) -> Tensor<2, Bool> {
    let [batch, _] = mask.dims();
    let picture = Tensor::<2, Bool>::full([batch, positions], true, &mask.device());
    Tensor::cat(vec![mask, picture], 1)
}
