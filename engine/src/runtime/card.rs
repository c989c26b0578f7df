//! Our own models: a folder with `card.json`.

use std::path::{Component, Path, PathBuf};

use imagen_protocol::{EngineError, SamplerKind, StageSettings, Steps, Threshold};
use serde::Deserialize;

use super::error::{model_error, text};
use super::model::{LowRes, Model, PromptStyle, Stage, TextPart};
use super::resize::Resize;
use crate::diffusion::{NoiseSchedule, Prediction, SamplerConfig};
use crate::models::text::TextEncoder;
use crate::models::{NetworkConfig, imagen};

/// Name of the card in a model's folder.
pub const FILE: &str = "card.json";
/// A card of a real model has a few kilobytes.
const MAX_BYTES: u64 = 1 << 20;
const MAX_SIZE: u32 = 4096;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    format: u32,
    family: String,
    name: String,
    description: String,
    license: String,
    text_encoder: TextCard,
    stages: Vec<StageCard>,
    /// What the model was trained on; shown to people, read by the evaluation.
    #[serde(default, rename = "concepts")]
    _concepts: Vec<String>,
    #[serde(default, rename = "backgrounds")]
    _backgrounds: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TextCard {
    kind: String,
    path: PathBuf,
    max_tokens: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StageCard {
    size: u32,
    weights: PathBuf,
    unet: imagen::UnetConfig,
    prediction: Prediction,
    schedule: NoiseSchedule,
    low_res_resize: Option<Resize>,
    augmentation: Option<NoiseSchedule>,
    defaults: DefaultsCard,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DefaultsCard {
    steps: u32,
    sampler: SamplerKind,
    #[serde(default)]
    eta: f64,
    guidance: f64,
    threshold: ThresholdCard,
    percentile: f64,
    cap: Option<f64>,
    aug_level: Option<f64>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ThresholdCard {
    None,
    Static,
    Dynamic,
}

/// # Errors
/// [`EngineError::Model`]: the card is not readable, has an unknown field or a value that cannot be, or a part is missing.
pub fn open(dir: &Path) -> Result<Model, EngineError> {
    let path = dir.join(FILE);
    let card = read(&path)?;
    let text_dir = inside(dir, &card.text_encoder.path).ok_or_else(|| outside(&path, &card.text_encoder.path))?;
    let encoder = TextEncoder::open(&text_dir, card.text_encoder.max_tokens).map_err(text)?;
    let kind = encoder.model().family();
    if kind != card.text_encoder.kind {
        let problem = format!("the card's text encoder is {:?} and the folder holds {kind:?}", card.text_encoder.kind);
        return Err(refused(&path, problem));
    }
    let stages = card.stages.iter().map(|stage| stage.open(dir, &path)).collect::<Result<Vec<_>, _>>()?;
    check_order(&stages).map_err(|problem| refused(&path, problem))?;
    Ok(Model {
        path: dir.to_owned(),
        name: card.name,
        family: "imagen",
        description: card.description,
        license: card.license,
        texts: vec![TextPart { encoder, dir: text_dir, style: PromptStyle::AsIs, masked: true }],
        stages,
        remarks: Vec::new(),
    })
}

fn read(path: &Path) -> Result<Card, EngineError> {
    let bytes = std::fs::metadata(path).map(|m| m.len()).map_err(|e| refused(path, e.to_string()))?;
    if bytes > MAX_BYTES {
        return Err(refused(path, format!("{bytes} bytes are too many for a card")));
    }
    let json = std::fs::read_to_string(path).map_err(|e| refused(path, e.to_string()))?;
    let card: Card = serde_json::from_str(&json).map_err(|e| refused(path, e.to_string()))?;
    match (card.format, card.family.as_str()) {
        (1, "imagen") => Ok(card),
        (1, family) => Err(refused(path, format!("family {family:?} is not \"imagen\""))),
        (format, _) => Err(EngineError::Model {
            path: path.to_owned(),
            problem: format!("format {format} of the card is not 1"),
            remedy: "get a newer version of imagen-wgpu".into(),
        }),
    }
}

/// The first stage makes a picture of nothing, each further one enlarges.
fn check_order(stages: &[Stage]) -> Result<(), String> {
    if stages.is_empty() {
        return Err("it has no stages".into());
    }
    if let Some(pair) = stages.windows(2).find(|pair| pair[0].size >= pair[1].size) {
        return Err(format!("stage {} comes after stage {}", pair[1].size, pair[0].size));
    }
    let wrong = stages.iter().enumerate().find(|(i, stage)| (*i > 0) != stage.low_res.is_some());
    wrong.map_or(Ok(()), |(_, s)| Err(format!("stage {} and its place in the cascade do not agree on `low_res`", s.size)))
}

impl StageCard {
    fn open(&self, dir: &Path, card: &Path) -> Result<Stage, EngineError> {
        let problem = |text: String| refused(card, format!("stage {}: {text}", self.size));
        let file = inside(dir, &self.weights).ok_or_else(|| outside(card, &self.weights))?;
        let network = NetworkConfig::Imagen(self.unet.clone());
        let fits = (1..=MAX_SIZE).contains(&self.size) && (self.size as usize).is_multiple_of(network.multiple());
        if !fits {
            return Err(problem(format!("the size must be at most {MAX_SIZE} and a multiple of {}", network.multiple())));
        }
        if !file.is_file() {
            return Err(model_error(&file, "there is no such file; install the model again"));
        }
        let low_res = self.low_res().map_err(problem)?;
        let defaults = self.defaults.settings(low_res.is_some()).map_err(problem)?;
        defaults.validate().map_err(|e| problem(e.to_string()))?;
        let sampler = SamplerConfig::new(self.schedule.clone(), self.prediction);
        Ok(Stage { size: self.size, files: vec![file], network, sampler, defaults, low_res, text: 0 })
    }

    fn low_res(&self) -> Result<Option<LowRes>, String> {
        match (self.unet.common().low_res, self.low_res_resize, &self.augmentation) {
            (false, None, None) => Ok(None),
            (true, Some(resize), Some(augmentation)) => Ok(Some(LowRes { resize, augmentation: augmentation.clone() })),
            (true, ..) => Err("a network with low_res needs `low_res_resize` and `augmentation`".into()),
            (false, ..) => Err("`low_res_resize` and `augmentation` need a network with low_res".into()),
        }
    }
}

impl DefaultsCard {
    fn settings(&self, low_res: bool) -> Result<StageSettings, String> {
        if low_res != self.aug_level.is_some() {
            return Err("`aug_level` belongs to stages with low_res and to no others".into());
        }
        let threshold = match self.threshold {
            ThresholdCard::None => Threshold::None,
            ThresholdCard::Static => Threshold::Static,
            ThresholdCard::Dynamic => Threshold::Dynamic { percentile: self.percentile, cap: self.cap },
        };
        Ok(StageSettings {
            steps: Steps::Count(self.steps),
            sampler: self.sampler,
            eta: self.eta,
            guidance_weight: self.guidance,
            threshold,
            aug_level: self.aug_level,
        })
    }
}

/// `dir`/`relative`, unless it leaves `dir`: a card names files of its own model only.
fn inside(dir: &Path, relative: &Path) -> Option<PathBuf> {
    let plain = relative.components().all(|c| matches!(c, Component::Normal(_)));
    plain.then(|| dir.join(relative))
}

fn outside(card: &Path, path: &Path) -> EngineError {
    refused(card, format!("{:?} is not a path inside the model's folder", path.display()))
}

fn refused(path: &Path, problem: impl Into<String>) -> EngineError {
    let remedy = "mend the card, or get the model again from where it came from".into();
    EngineError::Model { path: path.to_owned(), problem: problem.into(), remedy }
}
