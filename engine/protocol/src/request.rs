//! One job: a prompt and how to make pictures of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{EngineError, RgbImage, StageOverrides};

/// A picture that takes the place of the stages before it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageInput {
    /// Side of the stage whose result this stands for: 64 starts at 64 -> 256.
    pub size: u32,
    /// One for all candidates, or one a candidate; exactly `size` x `size`.
    #[serde(skip)]
    pub images: Vec<RgbImage>,
}

/// # Examples
/// ```
/// let request = imagen_protocol::GenerateRequest::new("a red apple");
/// assert!(request.validate().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GenerateRequest {
    pub prompt: String,
    /// Empty: the unconditional prompt.
    pub negative_prompt: String,
    pub seed: u64,
    /// Number of candidates; candidate i draws the noise of (seed, stage, step, i).
    pub count: u32,
    /// Folder of the model; `None` is the default model that ships.
    pub model: Option<PathBuf>,
    /// Settings a stage, by the side of its picture; what is not named comes from the model.
    pub stages: BTreeMap<u32, StageOverrides>,
    /// Side of the last stage to run; `None` runs the whole cascade.
    pub until: Option<u32>,
    pub from: Option<StageInput>,
    /// Send `x0_hat` of every step as [`crate::Event::StepImages`]; costs a readback a step. No property of the picture: not stored.
    #[serde(skip)]
    pub every_step: bool,
}

impl GenerateRequest {
    /// A request for one picture with the model's defaults and seed 0.
    pub fn new(prompt: impl Into<String>) -> Self {
        Self {
            prompt: prompt.into(),
            negative_prompt: String::new(),
            seed: 0,
            count: 1,
            model: None,
            stages: BTreeMap::new(),
            until: None,
            from: None,
            every_step: false,
        }
    }

    /// What can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), EngineError> {
        if (1..=64).contains(&self.count) {
            return Ok(());
        }
        Err(EngineError::InvalidSetting {
            setting: "count".into(),
            value: self.count.to_string(),
            allowed: "a whole number from 1 to 64".into(),
        })
    }
}
