//! Prompts to token states, each prompt once.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::OpenDevice;
use super::error::Stop;
use super::model::TextPart;
use crate::models::text::LoadedTextEncoder;
use crate::models::weights::{Loader, Progress};
use burn::tensor::{Bool, Tensor};
use imagen_protocol::Weights;

/// Token states of the prompt and of the negative prompt, padded to one length.
#[derive(Clone, Debug)]
pub struct PromptStates {
    /// [2, L, D]: row 0 is the prompt, row 1 the negative (empty: unconditional) prompt.
    pub states: Tensor<3>,
    /// [2, L]; `None` where the networks are not told.
    pub mask: Option<Tensor<2, Bool>>,
    /// Number of tokens of the prompt before it was cut, and how many the encoder reads.
    pub tokens: (usize, usize),
}

/// States by (folder of the encoder, prompt, negative prompt). An encoder is loaded when a prompt is new and freed with [`TextCache::unload`];
/// of a large one, a block at a time is loaded and freed at once.
#[derive(Debug, Default)]
pub struct TextCache {
    states: BTreeMap<Key, PromptStates>,
    loaded: Option<(PathBuf, LoadedTextEncoder)>,
}

/// Folder of the encoder, prompt and negative prompt as they are tokenized.
type Key = (PathBuf, String, String);

fn key(part: &TextPart, prompts: [&str; 2]) -> Key {
    let [prompt, negative] = prompts.map(|p| part.style.apply(p));
    (part.dir.clone(), prompt, negative)
}

/// Enough for an evening of trying; a T5-XXL pair takes 2.5 MB.
const MAX_ENTRIES: usize = 64;

impl TextCache {
    /// What is known of the prompts without an encoder.
    pub fn known(&self, part: &TextPart, prompts: [&str; 2]) -> Option<PromptStates> {
        self.states.get(&key(part, prompts)).cloned()
    }

    /// # Errors
    /// [`Stop::Cancelled`] where `progress` broke off, or an [`imagen_protocol::EngineError::Model`] for weights that do not load.
    pub fn encode(
        &mut self,
        part: &TextPart,
        prompts: [&str; 2],
        device: &OpenDevice,
        weights: Weights,
        progress: &Progress<'_>,
    ) -> Result<PromptStates, Stop> {
        if let Some(states) = self.known(part, prompts) {
            return Ok(states);
        }
        let key = key(part, prompts);
        let tokens = part.encoder.tokenize(&[key.1.clone(), key.2.clone()])?;
        let counts = (tokens.counts.first().copied().unwrap_or(0), part.encoder.max_tokens());
        let (model, footprint) = (part.encoder.model(), part.footprint()?);
        let loader = model.loader(&device.device).with_max_binding_bytes(device.info.max_binding_bytes);
        let loader = loader.with_half(weights.halve(&footprint)).with_progress(progress);
        let encoded = if footprint.is_streamed() {
            self.unload();
            model.stream(loader, &tokens)?
        } else {
            self.encoder(part, loader)?.encode(&tokens)?
        };
        let states = PromptStates { states: encoded.states, mask: part.masked.then_some(encoded.mask), tokens: counts };
        if self.states.len() >= MAX_ENTRIES {
            self.states.clear();
        }
        self.states.insert(key, states.clone());
        Ok(states)
    }

    fn encoder(&mut self, part: &TextPart, loader: Loader<'_>) -> Result<&LoadedTextEncoder, Stop> {
        let loaded = match self.loaded.take().filter(|(dir, _)| *dir == part.dir) {
            Some(loaded) => loaded,
            None => (part.dir.clone(), part.encoder.model().load(loader)?),
        };
        Ok(&self.loaded.insert(loaded).1)
    }

    /// Of the encoder that is loaded; its embedding table stays on disk and does not count.
    pub fn bytes(&self) -> u64 {
        self.loaded.as_ref().map_or(0, |(_, encoder)| encoder.bytes())
    }

    /// Frees the encoder; the states stay.
    pub fn unload(&mut self) {
        self.loaded = None;
    }
}

impl PromptStates {
    /// Each of `prompts` (0: the prompt, 1: the negative) `batch` times, one after the other: states [prompts * B, L, D] and mask
    /// [prompts * B, L].
    pub fn rows(&self, batch: usize, prompts: &[usize]) -> (Tensor<3>, Option<Tensor<2, Bool>>) {
        let states = prompts.iter().map(|&row| self.states.clone().narrow(0, row, 1).repeat_dim(0, batch)).collect();
        let mask = self.mask.as_ref().map(|mask| {
            let rows = prompts.iter().flat_map(|&row| (0..batch).map(move |_| mask.clone().narrow(0, row, 1)));
            Tensor::cat(rows.collect(), 0)
        });
        (Tensor::cat(states, 0), mask)
    }
}
