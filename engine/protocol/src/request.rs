//! One job: a prompt and how to make pictures of it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{EngineError, RgbImage, StageOverrides, Weights};

/// Most pictures of one job: candidates times columns.
const MAX_PICTURES: u32 = 64;

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
    /// Number of candidates; candidate i draws the noise of (seed, stage, step, `first_candidate` + i).
    pub count: u32,
    /// So that one candidate of many can be made again, or enlarged, alone.
    #[serde(default)]
    pub first_candidate: u32,
    /// Folder of the model; `None` is the default model that ships.
    pub model: Option<PathBuf>,
    /// What numbers the weights are in memory. Said where it is not automatic: weights that are rounded make another picture.
    #[serde(default, skip_serializing_if = "Weights::is_auto")]
    pub weights: Weights,
    /// Settings a stage, by the side of its picture; what is not named comes from the model.
    pub stages: BTreeMap<u32, StageOverrides>,
    /// Side of the last stage to run; `None` runs the whole cascade.
    pub until: Option<u32>,
    pub from: Option<StageInput>,
    /// Settings to compare: each column's settings lie on `stages`, every column draws the same noise, and all run in one batch. Empty:
    /// one column, `stages` as they are. Pictures and reports of a job come column by column: `images[column * count + candidate]`.
    /// Columns may differ in guidance and threshold only. Each picture belongs to one column: not stored.
    #[serde(skip)]
    pub columns: Vec<BTreeMap<u32, StageOverrides>>,
    /// Send the histogram of |x0_hat| of every step in [`crate::StepReport`]; costs a readback a step. Not stored.
    #[serde(skip)]
    pub histograms: bool,
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
            first_candidate: 0,
            model: None,
            weights: Weights::Auto,
            stages: BTreeMap::new(),
            until: None,
            from: None,
            columns: Vec::new(),
            histograms: false,
            every_step: false,
        }
    }

    /// What can be checked without the model.
    ///
    /// # Errors
    /// [`EngineError::InvalidSetting`].
    pub fn validate(&self) -> Result<(), EngineError> {
        let refuse = |setting: &str, value: String, allowed: String| {
            Err(EngineError::InvalidSetting { setting: setting.into(), value, allowed })
        };
        if !(1..=MAX_PICTURES).contains(&self.count) {
            return refuse("count", self.count.to_string(), format!("a whole number from 1 to {MAX_PICTURES}"));
        }
        if self.first_candidate.checked_add(self.count).is_none() {
            let allowed = format!("at most {}, as noise is numbered in 32 bits", u32::MAX - self.count);
            return refuse("first candidate", self.first_candidate.to_string(), allowed);
        }
        if self.columns.len() * self.count as usize > MAX_PICTURES as usize {
            let value = format!("{} with {} candidates each", self.columns.len(), self.count);
            return refuse("columns", value, format!("at most {MAX_PICTURES} pictures in all"));
        }
        Ok(())
    }

    /// How many pictures each stage makes: candidates times columns.
    pub fn pictures(&self) -> usize {
        self.count as usize * self.columns.len().max(1)
    }
}
