//! BERT: token states of the last layer.

use burn::tensor::{Bool, Tensor, activation};

use super::BertConfig;
use super::t5::{merge_heads, split_heads};
use crate::models::layers::{LayerNorm, Linear};
use crate::models::weights::{Params, WeightError};
use crate::ops;

/// One layer, normalised after each residual sum.
#[derive(Clone, Debug)]
struct Layer {
    query: Linear,
    key: Linear,
    value: Linear,
    attention_out: Linear,
    attention_norm: LayerNorm,
    intermediate: Linear,
    out: Linear,
    out_norm: LayerNorm,
    heads: usize,
}

impl Layer {
    fn load(config: &BertConfig, layer: &Params<'_, '_>) -> Result<Self, WeightError> {
        let (width, inner, eps) = (config.hidden_size, config.intermediate_size, config.layer_norm_eps);
        let attention = layer.at("attention");
        let project = |name: &str| attention.at("self").at(name).linear(width, width, true);
        Ok(Self {
            query: project("query")?,
            key: project("key")?,
            value: project("value")?,
            attention_out: attention.at("output.dense").linear(width, width, true)?,
            attention_norm: attention.at("output.LayerNorm").layer_norm(width, eps)?,
            intermediate: layer.at("intermediate.dense").linear(width, inner, true)?,
            out: layer.at("output.dense").linear(inner, width, true)?,
            out_norm: layer.at("output.LayerNorm").layer_norm(width, eps)?,
            heads: config.num_attention_heads,
        })
    }

    /// # Shapes
    /// x [B, L, hidden_size], mask [B, L] -> [B, L, hidden_size]
    fn forward(&self, x: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let [q, k, v] = [&self.query, &self.key, &self.value].map(|project| split_heads(project.forward(x.clone()), self.heads));
        let scale = (q.dims()[3] as f32).sqrt().recip();
        let attended = merge_heads(ops::attention(
            q,
            k,
            v,
            ops::AttentionOptions { key_mask: Some(mask.clone()), ..ops::AttentionOptions::scaled(scale) },
        ));
        let x = self.attention_norm.forward(x + self.attention_out.forward(attended));
        let hidden = activation::gelu(self.intermediate.forward(x.clone()));
        self.out_norm.forward(x + self.out.forward(hidden))
    }
}

/// Embedded tokens -> states. The word embedding is not here: its rows are gathered on the host.
#[derive(Clone, Debug)]
pub struct BertEncoder {
    /// [1, max_position_embeddings, hidden_size], the embedding of token type 0 added.
    positions: Tensor<3>,
    norm: LayerNorm,
    layers: Vec<Layer>,
}

impl BertEncoder {
    /// The token embedding's name.
    pub(super) const EMBEDDING: &str = "embeddings.word_embeddings.weight";

    /// What files of whole BERTs hold beyond the token states: the pooler, heads, and positions counted out.
    pub(super) fn is_extra(name: &str) -> bool {
        let name = name.strip_prefix("bert.").unwrap_or(name);
        name.starts_with("pooler.") || name.starts_with("cls.") || name == "embeddings.position_ids"
    }

    /// Everything but the token embedding, from where `embeddings` and `encoder` lie.
    ///
    /// # Errors
    /// As [`Params::tensor`].
    pub fn load(config: &BertConfig, root: &Params<'_, '_>) -> Result<Self, WeightError> {
        let embeddings = root.at("embeddings");
        let width = config.hidden_size;
        let positions: Tensor<2> =
            embeddings.at("position_embeddings").tensor("weight", [config.max_position_embeddings, width])?;
        let types: Tensor<2> = embeddings.at("token_type_embeddings").tensor("weight", [config.type_vocab_size, width])?;
        let layers = root.at("encoder.layer");
        Ok(Self {
            positions: (positions + types.narrow(0, 0, 1)).unsqueeze(),
            norm: embeddings.at("LayerNorm").layer_norm(width, config.layer_norm_eps)?,
            layers: (0..config.num_hidden_layers).map(|i| Layer::load(config, &layers.at(i))).collect::<Result<_, _>>()?,
        })
    }

    /// L must be at most `max_position_embeddings`.
    ///
    /// # Shapes
    /// words [B, L, hidden_size], mask [B, L] (true = a token of the text) -> [B, L, hidden_size]
    pub fn forward(&self, words: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let length = words.dims()[1];
        let x = self.norm.forward(words + self.positions.clone().narrow(1, 0, length));
        self.layers.iter().fold(x, |x, layer| layer.forward(x, mask))
    }
}
