//! What the whole network is told: the time, the pooled text, the augmentation level.

use burn::tensor::{Bool, Tensor};

use super::config::Common;
use crate::models::Conditioning;
use crate::models::layers::{Activation, LayerNorm, Linear, Sinusoid, TimeEmbedding, merge_heads, split_heads};
use crate::models::weights::{Params, WeightError};
use crate::ops;

/// PyTorch's default, and the paper's code's.
pub(super) const EPS: f64 = 1e-5;

/// Time + pooled text (+ augmentation level).
#[derive(Debug)]
pub(super) struct Embedding {
    time: TimeEmbedding,
    pool: TextPool,
    aug: Option<TimeEmbedding>,
}

impl Embedding {
    pub fn load(params: &Params<'_, '_>, c: &Common) -> Result<Self, WeightError> {
        let of_number = |name: &str| TimeEmbedding::load(&params.at(name), Sinusoid::new(c.width), c.emb_dim, Activation::Silu);
        Ok(Self {
            time: of_number("time")?,
            pool: TextPool::load(&params.at("pool"), c)?,
            aug: if c.low_res { Some(of_number("aug")?) } else { None },
        })
    }

    /// # Shapes
    /// time [B] -> [B, emb_dim], after SiLU: every block begins with it
    pub fn forward(&self, time: &[f32], c: &Conditioning) -> Tensor<2> {
        let device = c.text.device();
        let mut emb = self.time.forward(time, &device) + self.pool.forward(c.text.clone(), c.mask.clone());
        if let (Some(aug), Some(level)) = (&self.aug, &c.aug_level) {
            let level: Vec<f32> = level.iter().map(|l| 1000.0 * l).collect();
            emb = emb + aug.forward(&level, &device);
        }
        Activation::Silu.forward(emb)
    }
}

/// Attention pooling of the text: layer norm, one learned query, linear.
#[derive(Debug)]
struct TextPool {
    heads: usize,
    norm: LayerNorm,
    /// [1, 1, emb_dim]
    query: Tensor<3>,
    key: Linear,
    value: Linear,
    proj: Linear,
}

impl TextPool {
    fn load(params: &Params<'_, '_>, c: &Common) -> Result<Self, WeightError> {
        Ok(Self {
            heads: c.pool_heads,
            norm: params.at("norm").layer_norm(c.text_dim, EPS)?,
            query: params.tensor("query", [1, 1, c.emb_dim])?,
            key: params.at("key").linear(c.text_dim, c.emb_dim, true)?,
            value: params.at("value").linear(c.text_dim, c.emb_dim, true)?,
            proj: params.at("proj").linear(c.emb_dim, c.emb_dim, true)?,
        })
    }

    /// # Shapes
    /// [B, L, text_dim] -> [B, emb_dim]
    fn forward(&self, text: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<2> {
        let text = self.norm.forward(text);
        let [batch, _, _] = text.dims();
        let [_, _, width] = self.query.dims();
        let query = self.query.clone().expand([batch, 1, width]);
        let [q, k, v] = [query, self.key.forward(text.clone()), self.value.forward(text)].map(|t| split_heads(t, self.heads));
        let scale = 1.0 / ((width / self.heads) as f32).sqrt();
        let pooled = merge_heads(ops::attention(
            q,
            k,
            v,
            ops::AttentionOptions { key_mask: mask, ..ops::AttentionOptions::scaled(scale) },
        ));
        self.proj.forward(pooled.reshape([batch, width]))
    }
}
