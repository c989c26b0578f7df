//! Messages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{DeviceInfo, EngineError, GenerateRequest, ModelInfo, RgbImage, StageSettings};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct JobId(pub u64);

/// From the app to the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    Generate {
        job: JobId,
        request: Box<GenerateRequest>,
    },
    /// Answered by [`Event::ModelInspected`]; reads headers, loads nothing.
    Inspect {
        model: Option<PathBuf>,
    },
    /// Frees every model.
    Unload,
    /// Ends the engine thread after the job that runs.
    Shutdown,
}

/// How a stage is going to run: the request's settings on the model's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StagePlan {
    pub size: u32,
    pub steps: u32,
    pub settings: StageSettings,
}

/// One finished sampling step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepReport {
    pub size: u32,
    /// 1-based.
    pub step: u32,
    pub steps: u32,
    pub seconds: f64,
    /// Which of the job's pictures the first value below belongs to: a job of many pictures runs in groups.
    pub first: u32,
    /// Threshold s of each candidate; 1 where nothing is rescaled.
    pub s: Vec<f32>,
    /// Share of values beyond the threshold, each candidate, in [0, 1].
    pub clipped: Vec<f32>,
    /// |x0_hat| before thresholding, each candidate; empty unless [`GenerateRequest::histograms`] asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub histograms: Vec<Histogram>,
}

/// How |x0_hat| is distributed over `counts.len()` equal bins of [0, `upper`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// The largest value.
    pub upper: f32,
    pub counts: Vec<u32>,
}

/// Worth telling the user, no error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Notice {
    /// The prompt has more tokens than the text encoder reads; the rest is not seen.
    PromptCut {
        tokens: usize,
        max_tokens: usize,
    },
    Device {
        device: DeviceInfo,
        remark: Option<String>,
    },
    /// Shown when a model is loaded for the first time.
    License {
        model: String,
        license: String,
    },
    Other {
        message: String,
    },
}

/// From the engine to the app. Every job ends with exactly one of `JobFinished`, `JobFailed`, `JobCancelled`.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Ready {
        device: DeviceInfo,
    },
    /// The engine could not start; nothing follows.
    Unavailable {
        error: EngineError,
    },
    ModelInspected {
        result: Box<Result<ModelInfo, EngineError>>,
    },
    Notice {
        notice: Notice,
    },
    /// `part` is "text encoder" or a stage such as "256".
    Loading {
        part: String,
        done_bytes: u64,
        total_bytes: u64,
    },
    /// Memory of the device, after a part was loaded, freed or a stage ended.
    Memory {
        /// Weights that are loaded, text encoder included.
        model_bytes: u64,
        /// Everything the engine holds on the device, weights included; `None` where nobody counts it (the CPU backend).
        used_bytes: Option<u64>,
    },
    JobStarted {
        job: JobId,
        model: String,
        stages: Vec<StagePlan>,
    },
    StageStarted {
        job: JobId,
        size: u32,
        steps: u32,
    },
    StepFinished {
        job: JobId,
        report: StepReport,
    },
    /// x0_hat after a step, candidate by candidate; only where [`GenerateRequest::every_step`] asks for it, right after the step's
    /// `StepFinished`.
    StepImages {
        job: JobId,
        size: u32,
        /// 1-based.
        step: u32,
        /// Which of the job's pictures `images[0]` is.
        first: u32,
        images: Vec<RgbImage>,
    },
    /// `images[i]` is candidate i, or column by column ([`GenerateRequest::columns`]).
    StageFinished {
        job: JobId,
        size: u32,
        seconds: f64,
        images: Vec<RgbImage>,
    },
    JobFinished {
        job: JobId,
        seconds: f64,
    },
    JobFailed {
        job: JobId,
        error: EngineError,
    },
    JobCancelled {
        job: JobId,
    },
}

/// x0_hat of the running stage, as it stands after a step.
#[derive(Clone, Debug, PartialEq)]
pub struct Preview {
    pub job: JobId,
    pub size: u32,
    /// 1-based.
    pub step: u32,
    /// Which of the job's pictures `images[0]` is.
    pub first: u32,
    pub images: Vec<RgbImage>,
}
