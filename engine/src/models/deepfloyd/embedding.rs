//! What the whole network is told: the time, the noise of the low-resolution picture, the pooled text.

use burn::tensor::Tensor;

use super::config::UnetConfig;
use crate::models::Conditioning;
use crate::models::layers::{Activation, LayerNorm, Linear, Sinusoid, TimeEmbedding, merge_heads, split_heads};
use crate::models::weights::{Params, WeightError};
use crate::ops;

/// Of the norms around the text, whatever `norm_eps` says.
pub(super) const EPS: f64 = 1e-5;

/// Time (+ noise level) + pooled text, and one activation over the sum where the config has one.
#[derive(Debug)]
pub(super) struct Embedding {
    time: TimeEmbedding,
    noise_level: Option<TimeEmbedding>,
    text: TextEmbedding,
    activation: Option<Activation>,
    /// What every residual block would begin with.
    block_activation: Option<Activation>,
}

impl Embedding {
    pub fn load(params: &Params<'_, '_>, c: &UnetConfig) -> Result<Self, WeightError> {
        let width = c.levels.first().map_or(0, |l| l.channels);
        let sinusoid = Sinusoid { width, cos_first: c.cos_first, freq_shift: c.freq_shift };
        let of_number = |name: &str| TimeEmbedding::load(&params.at(name), sinusoid, c.emb_dim, c.activation);
        Ok(Self {
            time: of_number("time_embedding")?,
            noise_level: if c.noise_level { Some(of_number("class_embedding")?) } else { None },
            text: TextEmbedding::load(&params.at("add_embedding"), c)?,
            activation: c.emb_activation,
            block_activation: (!c.skip_time_act).then_some(c.activation),
        })
    }

    /// # Shapes
    /// time [B] -> [B, emb_dim], as the residual blocks' projections take it
    pub fn forward(&self, time: &[f32], c: &Conditioning) -> Tensor<2> {
        let device = c.text.device();
        let mut emb = self.time.forward(time, &device);
        if let (Some(noise_level), Some(level)) = (&self.noise_level, &c.aug_level) {
            emb = emb + noise_level.forward(level, &device);
        }
        let emb = emb + self.text.forward(c.text.clone());
        [self.activation, self.block_activation].into_iter().flatten().fold(emb, |emb, a| a.forward(emb))
    }
}

/// Layer norm, attention pooling, linear, layer norm: over the encoder's own states, padding included.
#[derive(Debug)]
struct TextEmbedding {
    heads: usize,
    norm1: LayerNorm,
    /// [1, text_dim]
    position: Tensor<2>,
    q: Linear,
    k: Linear,
    v: Linear,
    proj: Linear,
    norm2: LayerNorm,
}

impl TextEmbedding {
    fn load(params: &Params<'_, '_>, c: &UnetConfig) -> Result<Self, WeightError> {
        let width = c.text_dim;
        let pool = params.at("pool");
        let square = |name: &str| pool.at(name).linear(width, width, true);
        Ok(Self {
            heads: c.text_heads,
            norm1: params.at("norm1").layer_norm(width, EPS)?,
            position: pool.tensor("positional_embedding", [1, width])?,
            q: square("q_proj")?,
            k: square("k_proj")?,
            v: square("v_proj")?,
            proj: params.at("proj").linear(width, c.emb_dim, true)?,
            norm2: params.at("norm2").layer_norm(c.emb_dim, EPS)?,
        })
    }

    /// The query is the mean of the tokens; keys and values are that mean and the tokens.
    ///
    /// # Shapes
    /// [B, L, text_dim] -> [B, emb_dim]
    fn forward(&self, text: Tensor<3>) -> Tensor<2> {
        let text = self.norm1.forward(text);
        let [batch, _, width] = text.dims();
        let class = text.clone().mean_dim(1) + self.position.clone().unsqueeze_dim::<3>(0);
        let tokens = Tensor::cat(vec![class.clone(), text], 1);
        let [q, k, v] =
            [self.q.forward(class), self.k.forward(tokens.clone()), self.v.forward(tokens)].map(|t| split_heads(t, self.heads));
        let scale = 1.0 / ((width / self.heads) as f32).sqrt();
        let pooled = merge_heads(ops::attention(q, k, v, ops::AttentionOptions::scaled(scale))).reshape([batch, width]);
        self.norm2.forward(self.proj.forward(pooled))
    }
}
