//! The front of all text encoders.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor};

use super::embedding::EmbeddingTable;
use super::tokenizer::Padding;
use super::{BertEncoder, T5Encoder, TextConfig, TextError, TextTokenizer, Tokens};
use crate::models::weights::{Counts, Loader, Params, WeightError, WeightFiles, WeightSource, find_weights};

/// What is known of an encoder before it is loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextInfo {
    /// `"t5"` or `"bert"`.
    pub family: &'static str,
    /// Of the encoder; a tied embedding counts once.
    pub parameters: u64,
    /// Of what is on a device: all but the token embedding.
    pub counts: Counts,
    /// Number of parameters of a block, where [`TextModel::stream`] can run them one at a time.
    pub block: Option<u64>,
    /// Bytes of what is computed for a token.
    pub activations: u64,
    /// Types of number in the files, e.g. `F16`.
    pub dtypes: BTreeSet<String>,
    pub file_bytes: u64,
    pub files: Vec<PathBuf>,
    /// Width of the states.
    pub width: usize,
    pub vocab_size: usize,
}

/// An encoder's config and the headers of its weights: enough to say what it is, and to load it.
#[derive(Clone, Debug)]
pub struct TextModel {
    config: TextConfig,
    paths: Vec<PathBuf>,
    files: Arc<WeightFiles>,
}

impl TextModel {
    /// Reads `dir/config.json` and the headers of the weights in `dir`.
    ///
    /// # Errors
    /// [`TextError::Weights`]: the config is of another family, no weights, damaged files.
    pub fn open(dir: &Path) -> Result<Self, TextError> {
        let config = TextConfig::read(dir)?;
        let paths = find_weights(dir, "model")?;
        let files = Arc::new(WeightFiles::open(&paths)?);
        Ok(Self { config, paths, files })
    }

    /// What `config.json` says.
    pub fn config(&self) -> &TextConfig {
        &self.config
    }

    /// `"t5"` or `"bert"`.
    pub fn family(&self) -> &'static str {
        match self.config {
            TextConfig::T5(_) => "t5",
            TextConfig::Bert(_) => "bert",
        }
    }

    /// Bytes of all tensors in the files.
    pub fn file_bytes(&self) -> u64 {
        self.files.total_bytes()
    }

    /// # Errors
    /// None but for a network that cannot be described.
    pub fn info(&self) -> Result<TextInfo, TextError> {
        let loader = Loader::new(WeightSource::Describe, &Device::flex());
        self.network(&loader.root())?;
        let (width, vocab_size) = (self.config.width(), self.config.vocab_size());
        Ok(TextInfo {
            family: self.family(),
            parameters: loader.parameters() + (vocab_size * width) as u64,
            counts: loader.counts(),
            block: self.block_parameters(loader.parameters())?,
            activations: self.config.activations(),
            dtypes: self.files.dtypes(),
            file_bytes: self.file_bytes(),
            files: self.paths.clone(),
            width,
            vocab_size,
        })
    }

    /// BERTs are small: theirs are not run one at a time.
    fn block_parameters(&self, all: u64) -> Result<Option<u64>, WeightError> {
        let TextConfig::T5(config) = &self.config else { return Ok(None) };
        let loader = Loader::new(WeightSource::Describe, &Device::flex());
        T5Encoder::ends(config, &loader.root())?;
        Ok((all - loader.parameters()).checked_div(config.num_layers as u64))
    }

    /// For [`TextModel::load`] and [`TextModel::stream`].
    pub fn loader(&self, device: &Device) -> Loader<'_> {
        Loader::new(WeightSource::Files(&self.files), device)
    }

    /// Reads every tensor but the token embedding, which stays on disk. What is computed is f32, whatever the files hold: T5's activations
    /// overflow in f16. `loader` is [`TextModel::loader`]'s.
    ///
    /// # Errors
    /// [`TextError::Weights`]: a tensor is missing, unknown, of another shape or not finite, or the loader's progress broke off.
    pub fn load(&self, loader: Loader<'_>) -> Result<LoadedTextEncoder, TextError> {
        let table = self.table(&loader)?;
        let device = loader.device().clone();
        let network = self.network(&loader.root())?;
        let bytes = loader.counts().bytes;
        loader.finish()?;
        Ok(LoadedTextEncoder { table, network, bytes, device })
    }

    /// [`TextModel::load`] and [`LoadedTextEncoder::encode`] with one block in memory at a time; the states are the same. A BERT is
    /// loaded whole.
    ///
    /// # Errors
    /// As both.
    pub fn stream(&self, loader: Loader<'_>, tokens: &Tokens) -> Result<TextStates, TextError> {
        let TextConfig::T5(config) = &self.config else { return self.load(loader)?.encode(tokens) };
        let (embedded, mask) = self.table(&loader)?.embed(tokens, loader.device())?;
        let states = T5Encoder::stream(config, &loader.root(), embedded, &mask)?;
        loader.finish()?;
        Ok(TextStates { states, mask })
    }

    /// The token embedding, and no objection to what the encoder has no use for.
    fn table(&self, loader: &Loader<'_>) -> Result<EmbeddingTable, TextError> {
        loader.ignore(match self.config {
            TextConfig::T5(_) => T5Encoder::is_decoder,
            TextConfig::Bert(_) => BertEncoder::is_extra,
        });
        let name = self.claim_embedding(&loader.root())?;
        Ok(EmbeddingTable::open(&self.files, name)?)
    }

    fn network(&self, root: &Params<'_, '_>) -> Result<Network, WeightError> {
        Ok(match &self.config {
            TextConfig::T5(config) => Network::T5(T5Encoder::load(config, root)?),
            TextConfig::Bert(config) => {
                let encoder = BertEncoder::load(config, &self.bert_root(root))?;
                Network::Bert(encoder, config.max_position_embeddings)
            }
        })
    }

    /// BERT's tensors lie at the top or, in files of a BERT with a head, under `bert.`.
    fn bert_root<'l, 'a>(&self, root: &Params<'l, 'a>) -> Params<'l, 'a> {
        let nested = self.files.iter().any(|(name, _)| name.starts_with("bert."));
        if nested { root.at("bert") } else { root.clone() }
    }

    /// The name of the token embedding. Where a file holds it under two names, both are checked and the first is read.
    fn claim_embedding(&self, root: &Params<'_, '_>) -> Result<String, WeightError> {
        let shape = [self.config.vocab_size(), self.config.width()];
        let names: Vec<String> = match self.config {
            TextConfig::T5(_) => T5Encoder::EMBEDDINGS.iter().map(ToString::to_string).collect(),
            TextConfig::Bert(_) => ["", "bert."].iter().map(|prefix| format!("{prefix}{}", BertEncoder::EMBEDDING)).collect(),
        };
        let present: Vec<&String> = names.iter().filter(|name| root.has(name)).collect();
        for name in &present {
            root.claim(name, &shape)?;
        }
        let first = present.first().copied().or(names.first()).cloned().unwrap_or_default();
        if present.is_empty() { Err(WeightError::Missing { path: self.files.path().to_owned(), name: first }) } else { Ok(first) }
    }
}

#[derive(Debug)]
enum Network {
    T5(T5Encoder),
    /// And the number of its positions.
    Bert(BertEncoder, usize),
}

/// An encoder on a device.
#[derive(Debug)]
pub struct LoadedTextEncoder {
    table: EmbeddingTable,
    network: Network,
    bytes: u64,
    device: Device,
}

/// States of the last layer, of every row of the tokens, padding included.
#[derive(Clone, Debug)]
pub struct TextStates {
    /// [B, L, width]
    pub states: Tensor<3>,
    /// [B, L], true = a token of the text.
    pub mask: Tensor<2, Bool>,
}

impl LoadedTextEncoder {
    /// Bytes of its weights on the device.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// # Shapes
    /// rows of L ids -> states [B, L, width], mask [B, L]
    ///
    /// # Errors
    /// [`TextError::Batch`], [`TextError::TokenOutOfRange`], [`TextError::TooManyTokens`]; [`TextError::Weights`] if a row of the embedding
    /// is not finite.
    pub fn encode(&self, tokens: &Tokens) -> Result<TextStates, TextError> {
        let (embedded, mask) = self.table.embed(tokens, &self.device)?;
        let length = tokens.length();
        let states = match &self.network {
            Network::T5(encoder) => encoder.forward(embedded, &mask),
            Network::Bert(_, positions) if length > *positions => {
                return Err(TextError::TooManyTokens { tokens: length, positions: *positions });
            }
            Network::Bert(encoder, _) => encoder.forward(embedded, &mask),
        };
        Ok(TextStates { states, mask })
    }
}

/// A tokenizer and the encoder that it belongs to.
#[derive(Debug)]
pub struct TextEncoder {
    model: TextModel,
    tokenizer: TextTokenizer,
    max_tokens: usize,
}

impl TextEncoder {
    /// Reads configs, headers and the tokenizer of an encoder's folder; no weights. Texts are cut to `max_tokens`, or to the positions
    /// that the encoder has where that is less.
    ///
    /// # Errors
    /// [`TextError`]: see [`TextModel::open`]; no tokenizer, a damaged one, one of another vocabulary.
    pub fn open(dir: &Path, max_tokens: usize) -> Result<Self, TextError> {
        let model = TextModel::open(dir)?;
        let (names, most): (&[&str], _) = match &model.config {
            TextConfig::T5(_) => (&["spiece.model", "tokenizer.json"], max_tokens),
            TextConfig::Bert(config) => (&["tokenizer.json"], max_tokens.min(config.max_position_embeddings)),
        };
        let path = find_tokenizer(dir, names).ok_or_else(|| TextError::NoTokenizer { path: dir.to_owned() })?;
        let tokenizer = TextTokenizer::open(&path)?;
        let (tokens, vocab_size) = (tokenizer.vocab_size(), model.config.vocab_size());
        if tokens > vocab_size {
            return Err(TextError::Vocabulary { path, tokens, vocab_size });
        }
        Ok(Self { model, tokenizer, max_tokens: most.max(1) })
    }

    /// See [`TextModel::info`].
    ///
    /// # Errors
    /// As [`TextModel::info`].
    pub fn info(&self) -> Result<TextInfo, TextError> {
        self.model.info()
    }

    /// The encoder without its tokenizer.
    pub fn model(&self) -> &TextModel {
        &self.model
    }

    /// The tokenizer.
    pub fn tokenizer(&self) -> &TextTokenizer {
        &self.tokenizer
    }

    /// Where texts are cut.
    pub fn max_tokens(&self) -> usize {
        self.max_tokens
    }

    /// T5's rows are always `max_tokens` long, BERT's as long as the longest of them.
    ///
    /// # Errors
    /// As [`TextTokenizer::tokenize`].
    pub fn tokenize(&self, texts: &[String]) -> Result<Tokens, TextError> {
        let padding = match self.model.config {
            TextConfig::T5(_) => Padding::Max,
            TextConfig::Bert(_) => Padding::Longest,
        };
        self.tokenizer.tokenize(texts, self.max_tokens, padding)
    }
}

/// Beside the weights, in `tokenizer/`, or in `tokenizer/` beside the encoder's folder, as in diffusers' layout.
fn find_tokenizer(dir: &Path, names: &[&str]) -> Option<PathBuf> {
    // A relative folder of one name has an empty parent; `..` would resolve links elsewhere.
    let sibling = dir.parent().map(|parent| parent.join("tokenizer"));
    let folders = [Some(dir.to_owned()), Some(dir.join("tokenizer")), sibling];
    let candidates = folders.into_iter().flatten().flat_map(|folder| names.iter().map(move |name| folder.join(name)));
    candidates.into_iter().find(|path| path.is_file())
}
