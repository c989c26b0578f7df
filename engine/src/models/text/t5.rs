//! The encoder of T5 v1.1 (and of T5 1.0, which differs in its feed-forward layer).

use burn::tensor::{Bool, Device, Tensor, TensorData, activation};

use super::{FeedForward, T5Config};
use crate::models::layers::Linear;
use crate::models::weights::{Params, WeightError};
use crate::ops;

/// x / sqrt(mean(x^2) + eps) * weight: no mean is subtracted, nothing is added.
#[derive(Clone, Debug)]
struct RmsNorm {
    weight: Tensor<1>,
    eps: f64,
}

impl RmsNorm {
    fn load(params: &Params<'_, '_>, width: usize, eps: f64) -> Result<Self, WeightError> {
        Ok(Self { weight: params.tensor("weight", [width])?, eps })
    }

    /// # Shapes
    /// [B, L, C] -> [B, L, C]
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let mean_square = (x.clone() * x.clone()).mean_dim(2);
        x / (mean_square + self.eps).sqrt() * self.weight.clone().unsqueeze()
    }
}

#[derive(Clone, Debug)]
struct SelfAttention {
    norm: RmsNorm,
    q: Linear,
    k: Linear,
    v: Linear,
    o: Linear,
    heads: usize,
}

impl SelfAttention {
    fn load(config: &T5Config, layer: &Params<'_, '_>) -> Result<Self, WeightError> {
        let inner = config.num_heads * config.d_kv;
        let project = |name: &str| layer.at("SelfAttention").at(name).linear(config.d_model, inner, false);
        Ok(Self {
            norm: RmsNorm::load(&layer.at("layer_norm"), config.d_model, config.layer_norm_epsilon)?,
            q: project("q")?,
            k: project("k")?,
            v: project("v")?,
            o: layer.at("SelfAttention").at("o").linear(inner, config.d_model, false)?,
            heads: config.num_heads,
        })
    }

    /// softmax(q k^T + bias) v: T5 folds the usual 1 / sqrt(d_kv) into its weights.
    ///
    /// # Shapes
    /// x [B, L, d_model], bias [heads, L, L], mask [B, L] -> [B, L, d_model]
    fn forward(&self, x: Tensor<3>, bias: &Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let normed = self.norm.forward(x.clone());
        let [q, k, v] = [&self.q, &self.k, &self.v].map(|project| split_heads(project.forward(normed.clone()), self.heads));
        let attended =
            ops::attention(q, k, v, ops::AttentionOptions { bias: Some(bias.clone()), key_mask: Some(mask.clone()), scale: 1.0 });
        x + self.o.forward(merge_heads(attended))
    }
}

/// # Shapes
/// [B, L, heads x d] -> [B, heads, L, d]
pub(super) fn split_heads(x: Tensor<3>, heads: usize) -> Tensor<4> {
    let [batch, length, inner] = x.dims();
    x.reshape([batch, length, heads, inner / heads]).swap_dims(1, 2)
}

/// # Shapes
/// [B, heads, L, d] -> [B, L, heads x d]
pub(super) fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, heads, length, d] = x.dims();
    x.swap_dims(1, 2).reshape([batch, length, heads * d])
}

/// The input projection of a feed-forward layer.
#[derive(Clone, Debug)]
enum Wi {
    Plain(Linear),
    Gated { gate: Linear, up: Linear },
}

#[derive(Clone, Debug)]
struct FeedForwardLayer {
    norm: RmsNorm,
    wi: Wi,
    wo: Linear,
}

impl FeedForwardLayer {
    fn load(config: &T5Config, layer: &Params<'_, '_>) -> Result<Self, WeightError> {
        let dense = layer.at("DenseReluDense");
        let up = |name: &str| dense.at(name).linear(config.d_model, config.d_ff, false);
        Ok(Self {
            norm: RmsNorm::load(&layer.at("layer_norm"), config.d_model, config.layer_norm_epsilon)?,
            wi: match config.feed_forward_proj {
                FeedForward::Relu => Wi::Plain(up("wi")?),
                FeedForward::GatedGelu => Wi::Gated { gate: up("wi_0")?, up: up("wi_1")? },
            },
            wo: dense.at("wo").linear(config.d_ff, config.d_model, false)?,
        })
    }

    /// # Shapes
    /// [B, L, d_model] -> [B, L, d_model]
    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normed = self.norm.forward(x.clone());
        let hidden = match &self.wi {
            Wi::Plain(wi) => activation::relu(wi.forward(normed)),
            Wi::Gated { gate, up } => activation::gelu_approximate(gate.forward(normed.clone())) * up.forward(normed),
        };
        x + self.wo.forward(hidden)
    }
}

#[derive(Clone, Debug)]
struct Block {
    attention: SelfAttention,
    dense: FeedForwardLayer,
}

impl Block {
    fn load(config: &T5Config, root: &Params<'_, '_>, index: usize) -> Result<Self, WeightError> {
        let layer = root.at("encoder.block").at(index).at("layer");
        let dense = FeedForwardLayer::load(config, &layer.at(1))?;
        Ok(Self { attention: SelfAttention::load(config, &layer.at(0))?, dense })
    }

    /// # Shapes
    /// As [`SelfAttention::forward`].
    fn forward(&self, x: Tensor<3>, bias: &Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        self.dense.forward(self.attention.forward(x, bias, mask))
    }
}

/// Embedded tokens -> states. The embedding itself is not here: its rows are gathered on the host.
#[derive(Clone, Debug)]
pub struct T5Encoder {
    blocks: Vec<Block>,
    final_norm: RmsNorm,
    /// [buckets, heads] of block 0, which all blocks share.
    relative_attention_bias: Vec<f32>,
    config: T5Config,
}

impl T5Encoder {
    /// The names that the tied token embedding has: either, or both in files that store it twice.
    pub(super) const EMBEDDINGS: [&str; 2] = ["shared.weight", "encoder.embed_tokens.weight"];

    /// Tensors of a whole T5 that its encoder does not have.
    pub(super) fn is_decoder(name: &str) -> bool {
        name.starts_with("decoder.") || name.starts_with("lm_head.")
    }

    /// Everything under `encoder.` but the token embedding.
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn load(config: &T5Config, root: &Params<'_, '_>) -> Result<Self, WeightError> {
        let blocks = (0..config.num_layers).map(|i| Block::load(config, root, i)).collect::<Result<_, _>>()?;
        Ok(Self { blocks, ..Self::ends(config, root)? })
    }

    /// All but the blocks.
    pub(super) fn ends(config: &T5Config, root: &Params<'_, '_>) -> Result<Self, WeightError> {
        let encoder = root.at("encoder");
        let bias = encoder.at("block.0.layer.0.SelfAttention.relative_attention_bias");
        Ok(Self {
            relative_attention_bias: bias.host_values("weight", &[config.relative_attention_num_buckets, config.num_heads])?,
            blocks: Vec::new(),
            final_norm: RmsNorm::load(&encoder.at("final_layer_norm"), config.d_model, config.layer_norm_epsilon)?,
            config: config.clone(),
        })
    }

    /// # Shapes
    /// embedded [B, L, d_model], mask [B, L] (true = a token of the text) -> [B, L, d_model]
    pub fn forward(&self, embedded: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let bias = self.position_bias(embedded.dims()[1], &embedded.device());
        let x = self.blocks.iter().fold(embedded, |x, block| block.forward(x, &bias, mask));
        self.final_norm.forward(x)
    }

    /// [`T5Encoder::load`] and [`T5Encoder::forward`] with one block in memory at a time: each is read, run and freed.
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn stream(
        config: &T5Config,
        root: &Params<'_, '_>,
        embedded: Tensor<3>,
        mask: &Tensor<2, Bool>,
    ) -> Result<Tensor<3>, WeightError> {
        let ends = Self::ends(config, root)?;
        let device = embedded.device();
        let bias = ends.position_bias(embedded.dims()[1], &device);
        let x = (0..config.num_layers).try_fold(embedded, |x, i| {
            let x = Block::load(config, root, i)?.forward(x, &bias, mask);
            // The next block is not to be read before this one is done with. A device that fails says so when the states are read.
            let _ = device.sync();
            Ok(x)
        })?;
        Ok(ends.final_norm.forward(x))
    }

    /// # Shapes
    /// [heads, L, L]: head, query, key
    fn position_bias(&self, length: usize, device: &Device) -> Tensor<3> {
        let (heads, buckets) = (self.config.num_heads, self.config.relative_attention_num_buckets);
        let bucket = |relative| relative_position_bucket(relative, buckets, self.config.relative_attention_max_distance);
        // One bucket a distance, from -(L - 1) on.
        let table: Vec<usize> = (0..2 * length).map(|i| bucket(i as i64 - length as i64)).collect();
        let mut values = Vec::with_capacity(heads * length * length);
        for head in 0..heads {
            for query in 0..length {
                let row = &table[length - query..2 * length - query];
                // Empty only when describing: there is no table to read then.
                values.extend(row.iter().map(|b| self.relative_attention_bias.get(b * heads + head).copied().unwrap_or(0.0)));
            }
        }
        Tensor::from_data(TensorData::new(values, [heads, length, length]), device)
    }
}

/// The bucket of key position - query position: half of the buckets a direction; of these, half are exact and the others grow
/// logarithmically up to `max_distance`, beyond which all share the last. f32 throughout: the borders are where PyTorch's rounding
/// puts them.
pub fn relative_position_bucket(relative: i64, buckets: usize, max_distance: usize) -> usize {
    let half = buckets / 2;
    let exact = half / 2;
    let distance = usize::try_from(relative.unsigned_abs()).unwrap_or(usize::MAX);
    let bucket = if distance < exact {
        distance
    } else {
        let octave = (distance as f32 / exact as f32).ln() / (max_distance as f64 / exact as f64).ln() as f32;
        // Truncation is meant; a float is cast to the nearest value in range.
        (exact + (octave * (half - exact) as f32) as usize).min(half - 1)
    };
    if relative > 0 { half + bucket } else { bucket }
}
