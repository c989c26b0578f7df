//! A model on disk, opened but not loaded: what differs between models is this data.

use std::path::{Path, PathBuf};

use imagen_protocol::{EngineError, Footprint, ModelInfo, StageInfo, StageSettings, TextEncoderInfo, Weights};

use super::error::{model_error, text, weights};
use super::resize::Resize;
use super::stage::footprint;
use super::{card, folders, if_folder};
use crate::diffusion::{ImageSettings, NoiseSchedule, SamplerConfig};
use crate::models::NetworkConfig;
use crate::models::text::TextEncoder;
use crate::models::weights::{Counts, WeightError, WeightFiles};

/// How a prompt is written before it is tokenized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PromptStyle {
    AsIs,
    /// Lower case, no blanks around it: what IF was trained on.
    LowerCase,
}

impl PromptStyle {
    pub fn apply(self, prompt: &str) -> String {
        match self {
            Self::AsIs => prompt.to_owned(),
            Self::LowerCase => prompt.trim().to_lowercase(),
        }
    }
}

/// A text encoder and how its states are used.
#[derive(Debug)]
pub struct TextPart {
    pub encoder: TextEncoder,
    pub dir: PathBuf,
    pub style: PromptStyle,
    /// Whether the U-Nets are told which positions are padding.
    pub masked: bool,
}

/// How a stage takes the picture of the stage before.
#[derive(Clone, Debug, PartialEq)]
pub struct LowRes {
    pub resize: Resize,
    pub augmentation: NoiseSchedule,
}

/// One stage of the cascade.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Side of the picture in pixels.
    pub size: u32,
    pub files: Vec<PathBuf>,
    pub network: NetworkConfig,
    pub sampler: SamplerConfig,
    pub defaults: StageSettings,
    /// `None` for the first stage.
    pub low_res: Option<LowRes>,
    /// Index into [`Model::texts`].
    pub text: usize,
}

/// A cascade.
#[derive(Debug)]
pub struct Model {
    pub path: PathBuf,
    pub name: String,
    pub family: &'static str,
    pub description: String,
    pub license: String,
    pub texts: Vec<TextPart>,
    /// From the smallest picture to the largest.
    pub stages: Vec<Stage>,
    pub remarks: Vec<String>,
}

impl Model {
    /// Recognises what lies at `path` (a folder with our card, DeepFloyd IF's folders, a Hugging Face cache of them) and reads its
    /// descriptions; `None` is the model that ships.
    ///
    /// # Errors
    /// [`EngineError::Model`].
    pub fn open(path: Option<&Path>) -> Result<Self, EngineError> {
        let path = match path {
            Some(path) => path.to_owned(),
            None => folders::default_model()?,
        };
        if !path.is_dir() {
            let problem = if path.exists() { "a file, not a folder" } else { "there is no such folder" };
            let remedy = "give the folder of a model; `imagen models` lists those found";
            return Err(EngineError::Model { path, problem: problem.into(), remedy: remedy.into() });
        }
        if path.join(card::FILE).is_file() { card::open(&path) } else { if_folder::open(&path) }
    }

    /// Reads headers and describes every part.
    ///
    /// # Errors
    /// [`EngineError::Model`] for files that are missing or damaged.
    pub fn info(&self) -> Result<ModelInfo, EngineError> {
        let stages = self.stages.iter().map(Stage::info).collect::<Result<Vec<_>, _>>()?;
        let mut encoders = Vec::new();
        for part in &self.texts {
            encoders.push(part.info()?);
        }
        let none = || model_error(&self.path, "the model has no text encoder; add one");
        let mut info = ModelInfo {
            path: self.path.clone(),
            name: self.name.clone(),
            family: self.family.into(),
            description: self.description.clone(),
            license: self.license.clone(),
            text_encoder: encoders.into_iter().next().ok_or_else(none)?,
            stages,
            memory_bytes: 0,
            remarks: self.remarks.clone(),
        };
        info.memory_bytes = info.memory(Weights::Auto);
        Ok(info)
    }
}

impl TextPart {
    fn info(&self) -> Result<TextEncoderInfo, EngineError> {
        let info = self.encoder.info().map_err(text)?;
        Ok(TextEncoderInfo {
            kind: info.family.into(),
            parameters: info.parameters,
            dtypes: info.dtypes.into_iter().collect(),
            file_bytes: info.file_bytes,
            max_tokens: self.encoder.max_tokens(),
            footprint: self.footprint()?,
        })
    }

    /// What decides how much memory the encoder takes for a prompt and its negative.
    ///
    /// # Errors
    /// As [`TextEncoder::info`].
    pub fn footprint(&self) -> Result<Footprint, EngineError> {
        let info = self.encoder.info().map_err(text)?;
        let Counts { parameters, matrices, largest, .. } = info.counts;
        let activations = 2 * self.encoder.max_tokens() as u64 * info.activations;
        Ok(Footprint { parameters, matrices, largest, block: info.block, activations })
    }
}

impl Stage {
    /// What decides how much memory it takes for a picture with the guidance that is its default.
    ///
    /// # Errors
    /// As [`footprint`].
    pub fn footprint(&self) -> Result<Footprint, WeightError> {
        footprint(&self.network, self.size, ImageSettings::from(&self.defaults).is_guided())
    }

    fn info(&self) -> Result<StageInfo, EngineError> {
        let files = WeightFiles::open(&self.files).map_err(weights)?;
        let footprint = self.footprint().map_err(weights)?;
        Ok(StageInfo {
            size: self.size,
            network: self.network.name().into(),
            parameters: footprint.parameters,
            dtypes: files.dtypes().into_iter().collect(),
            file_bytes: files.total_bytes(),
            defaults: self.defaults.clone(),
            path: self.files.first().cloned().unwrap_or_default(),
            footprint,
        })
    }
}
