//! Attention of the picture over text and picture, in that order, or over the text alone.

use burn::tensor::Tensor;

use super::config::UnetConfig;
use super::embedding::EPS;
use crate::models::layers::{GroupNorm, Linear, merge_heads, split_heads, to_picture, to_tokens};
use crate::models::weights::{Params, WeightError};
use crate::ops;

/// One softmax over all keys; a group norm on each side; residual.
#[derive(Debug)]
pub(super) struct Attention {
    heads: usize,
    norm: GroupNorm,
    text_norm: Option<GroupNorm>,
    q: Linear,
    text_k: Linear,
    text_v: Linear,
    /// Keys and values of the picture itself.
    own: Option<(Linear, Linear)>,
    out: Linear,
}

impl Attention {
    pub fn load(
        params: &Params<'_, '_>,
        c: &UnetConfig,
        channels: usize,
        head_dim: usize,
        only_cross: bool,
    ) -> Result<Self, WeightError> {
        let square = |name: &str| params.at(name).linear(channels, channels, true);
        let of_text = |name: &str| params.at(name).linear(c.cross_dim, channels, true);
        let text_norm = || params.at("norm_cross").group_norm(UnetConfig::CROSS_GROUPS, c.cross_dim, EPS);
        Ok(Self {
            heads: channels / head_dim,
            norm: params.at("group_norm").group_norm(c.groups, channels, EPS)?,
            text_norm: if c.cross_norm { Some(text_norm()?) } else { None },
            q: square("to_q")?,
            text_k: of_text("add_k_proj")?,
            text_v: of_text("add_v_proj")?,
            own: if only_cross { None } else { Some((square("to_k")?, square("to_v")?)) },
            out: params.at("to_out").at(0).linear(channels, channels, true)?,
        })
    }

    /// # Shapes
    /// x [B, C, H, W], text [B, L, cross_dim] -> [B, C, H, W]
    pub fn forward(&self, x: Tensor<4>, text: &Tensor<3>) -> Tensor<4> {
        let shape = x.dims();
        let tokens = to_tokens(self.norm.forward(x.clone()));
        let text = self.normalised(text.clone());
        let (mut k, mut v) = (self.text_k.forward(text.clone()), self.text_v.forward(text));
        if let Some((own_k, own_v)) = &self.own {
            k = Tensor::cat(vec![k, own_k.forward(tokens.clone())], 1);
            v = Tensor::cat(vec![v, own_v.forward(tokens.clone())], 1);
        }
        let [q, k, v] = [self.q.forward(tokens), k, v].map(|t| split_heads(t, self.heads));
        let scale = 1.0 / ((shape[1] / self.heads) as f32).sqrt();
        let out = self.out.forward(merge_heads(ops::attention(q, k, v, ops::AttentionOptions::scaled(scale))));
        x + to_picture(out, shape)
    }

    /// A group's statistics are over its channels and all tokens, padding included.
    fn normalised(&self, text: Tensor<3>) -> Tensor<3> {
        match &self.text_norm {
            Some(norm) => norm.forward(text.swap_dims(1, 2)).swap_dims(1, 2),
            None => text,
        }
    }
}
