//! `config.json` of a text encoder: every width and depth is read, none is assumed.

use std::path::Path;

use serde::Deserialize;

use super::TextError;
use crate::models::weights::WeightError;

/// A config is some kilobytes.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Far above every published encoder, and small enough that products of three stay far below overflow.
const MAX_SIZE: usize = 1 << 20;

/// Which family a folder holds, by `model_type`.
#[derive(Clone, Debug, PartialEq)]
pub enum TextConfig {
    T5(T5Config),
    Bert(BertConfig),
}

/// The encoder half of a T5, by the names of transformers' `T5Config`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct T5Config {
    pub vocab_size: usize,
    pub d_model: usize,
    /// Width of a head; heads x d_kv need not be d_model.
    pub d_kv: usize,
    pub d_ff: usize,
    pub num_layers: usize,
    pub num_heads: usize,
    #[serde(default = "buckets")]
    pub relative_attention_num_buckets: usize,
    #[serde(default = "max_distance")]
    pub relative_attention_max_distance: usize,
    #[serde(default = "t5_eps")]
    pub layer_norm_epsilon: f64,
    #[serde(default)]
    pub feed_forward_proj: FeedForward,
}

/// What stands between the two projections of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
pub enum FeedForward {
    /// wo(relu(wi x)): T5 1.0.
    #[default]
    #[serde(rename = "relu")]
    Relu,
    /// wo(gelu(wi_0 x) * (wi_1 x)) with gelu by its tanh formula: T5 v1.1.
    #[serde(rename = "gated-gelu")]
    GatedGelu,
}

/// By the names of transformers' `BertConfig`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct BertConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub intermediate_size: usize,
    pub max_position_embeddings: usize,
    #[serde(default = "type_vocab_size")]
    pub type_vocab_size: usize,
    #[serde(default = "bert_eps")]
    pub layer_norm_eps: f64,
    #[serde(default = "gelu")]
    pub hidden_act: String,
    #[serde(default = "absolute")]
    pub position_embedding_type: String,
}

fn buckets() -> usize {
    32
}

fn max_distance() -> usize {
    128
}

fn t5_eps() -> f64 {
    1e-6
}

fn type_vocab_size() -> usize {
    2
}

fn bert_eps() -> f64 {
    1e-12
}

fn gelu() -> String {
    "gelu".into()
}

fn absolute() -> String {
    "absolute".into()
}

impl TextConfig {
    /// Reads `dir/config.json`.
    ///
    /// # Errors
    /// [`WeightError::Io`], or [`WeightError::Config`] for what is not a T5 or BERT that can be built.
    pub fn read(dir: &Path) -> Result<Self, TextError> {
        let path = dir.join("config.json");
        let config = read_bounded(&path)?;
        Self::parse(&config).map_err(|problem| {
            let remedy = "use a folder of a T5 or BERT encoder as transformers writes it".into();
            WeightError::Config { path, problem, remedy }.into()
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Family {
            model_type: Option<String>,
        }
        let family: Family = serde_json::from_str(text).map_err(|e| format!("not a model's config ({e})"))?;
        match family.model_type.as_deref() {
            Some("t5") => {
                let config: T5Config = serde_json::from_str(text).map_err(|e| format!("not a T5's config ({e})"))?;
                config.check().map(|()| Self::T5(config))
            }
            Some("bert") => {
                let config: BertConfig = serde_json::from_str(text).map_err(|e| format!("not a BERT's config ({e})"))?;
                config.check().map(|()| Self::Bert(config))
            }
            Some(other) => Err(format!("model_type is {other:?}, not \"t5\" or \"bert\"")),
            None => Err("model_type is missing".into()),
        }
    }

    /// Width of the states.
    pub fn width(&self) -> usize {
        match self {
            Self::T5(config) => config.d_model,
            Self::Bert(config) => config.hidden_size,
        }
    }

    /// Bytes of what is computed for one token at a time: a block's states, projections and inner layer, each once or twice.
    pub fn activations(&self) -> u64 {
        let inner = match self {
            Self::T5(config) => config.d_ff.max(config.num_heads * config.d_kv),
            Self::Bert(config) => config.intermediate_size,
        };
        4 * (6 * self.width() + 3 * inner) as u64
    }

    /// Rows of the token embedding.
    pub fn vocab_size(&self) -> usize {
        match self {
            Self::T5(config) => config.vocab_size,
            Self::Bert(config) => config.vocab_size,
        }
    }
}

impl T5Config {
    fn check(&self) -> Result<(), String> {
        sizes(&[
            ("vocab_size", self.vocab_size),
            ("d_model", self.d_model),
            ("d_kv", self.d_kv),
            ("d_ff", self.d_ff),
            ("num_layers", self.num_layers),
            ("num_heads", self.num_heads),
            ("relative_attention_num_buckets", self.relative_attention_num_buckets),
            ("relative_attention_max_distance", self.relative_attention_max_distance),
        ])?;
        eps(self.layer_norm_epsilon)?;
        let exact = self.relative_attention_num_buckets / 4;
        if exact == 0 || self.relative_attention_max_distance <= exact {
            return Err(
                "relative_attention_num_buckets must be 4 or more and relative_attention_max_distance more than a quarter of it"
                    .into(),
            );
        }
        Ok(())
    }
}

impl BertConfig {
    fn check(&self) -> Result<(), String> {
        sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ])?;
        eps(self.layer_norm_eps)?;
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        if self.hidden_act != "gelu" {
            return Err(format!("hidden_act is {:?}, not \"gelu\"", self.hidden_act));
        }
        if self.position_embedding_type != "absolute" {
            return Err(format!("position_embedding_type is {:?}, not \"absolute\"", self.position_embedding_type));
        }
        Ok(())
    }
}

fn sizes(sizes: &[(&str, usize)]) -> Result<(), String> {
    match sizes.iter().find(|(_, size)| !(1..=MAX_SIZE).contains(size)) {
        Some((name, size)) => Err(format!("{name} is {size}")),
        None => Ok(()),
    }
}

fn eps(eps: f64) -> Result<(), String> {
    if eps > 0.0 && eps < 1.0 { Ok(()) } else { Err(format!("the epsilon of its norms is {eps}")) }
}

fn read_bounded(path: &Path) -> Result<String, WeightError> {
    use std::io::Read;
    let mut text = String::new();
    let read = std::fs::File::open(path).and_then(|f| f.take(MAX_CONFIG_BYTES).read_to_string(&mut text));
    read.map_err(|source| WeightError::Io { path: path.to_owned(), source })?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    const T5: &str = r#"{"model_type":"t5","vocab_size":320,"d_model":64,"d_kv":16,"d_ff":128,"num_layers":3,"num_heads":4"#;
    const BERT: &str = r#"{"model_type":"bert","vocab_size":9,"hidden_size":6,"num_hidden_layers":1,"num_attention_heads":2,
        "intermediate_size":8,"max_position_embeddings":16"#;

    #[test]
    fn what_a_config_leaves_out_has_transformers_defaults() {
        let Ok(TextConfig::T5(t5)) = TextConfig::parse(&format!("{T5}}}")) else { panic!("a T5") };
        assert_eq!((t5.relative_attention_num_buckets, t5.relative_attention_max_distance), (32, 128));
        assert_eq!((t5.layer_norm_epsilon, t5.feed_forward_proj), (1e-6, FeedForward::Relu));
        let Ok(TextConfig::Bert(bert)) = TextConfig::parse(&format!("{BERT}}}")) else { panic!("a BERT") };
        assert_eq!((bert.type_vocab_size, bert.layer_norm_eps), (2, 1e-12));
    }

    #[test]
    fn what_cannot_be_built_is_refused() {
        let cases = [
            (T5.replace("layers\":3", "layers\":-3") + "}", "not a T5's config"),
            (T5.replace("320", "0") + "}", "vocab_size is 0"),
            (T5.replace("128", "99999999999") + "}", "d_ff is 99999999999"),
            (format!("{T5},\"feed_forward_proj\":\"gated-silu\"}}"), "gated-silu"),
            (format!("{T5},\"relative_attention_num_buckets\":3}}"), "relative_attention_num_buckets"),
            (format!("{T5},\"relative_attention_max_distance\":8}}"), "relative_attention_max_distance"),
            (format!("{T5},\"layer_norm_epsilon\":0.0}}"), "epsilon"),
            (format!("{BERT},\"hidden_act\":\"relu\"}}"), "hidden_act"),
            (format!("{BERT},\"position_embedding_type\":\"relative_key\"}}"), "position_embedding_type"),
            (format!("{}}}", BERT.replace("heads\":2", "heads\":4")), "multiple"),
            (T5.replace("t5", "umt5") + "}", "umt5"),
            ("{}".into(), "model_type is missing"),
            ("[1".into(), "not a model's config"),
        ];
        for (text, part) in cases {
            let error = TextConfig::parse(&text).expect_err(&text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
