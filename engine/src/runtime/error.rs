//! From the engine's typed errors to the one that crosses the boundary.

use std::path::Path;

use imagen_protocol::EngineError;

use crate::diffusion::{DiffusionError, NoiseError, SampleError};
use crate::models::InputError;
use crate::models::text::TextError;
use crate::models::weights::WeightError;

/// Why a job did not go through.
#[derive(Debug)]
pub enum Stop {
    /// The user asked for it.
    Cancelled,
    Failed(EngineError),
}

impl From<EngineError> for Stop {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

impl From<WeightError> for Stop {
    fn from(error: WeightError) -> Self {
        if matches!(error, WeightError::Cancelled) { Self::Cancelled } else { Self::Failed(weights(error)) }
    }
}

impl From<TextError> for Stop {
    fn from(error: TextError) -> Self {
        match error {
            TextError::Weights(WeightError::Cancelled) => Self::Cancelled,
            other => Self::Failed(text(other)),
        }
    }
}

/// What should not happen, said.
pub fn internal(message: &str) -> EngineError {
    EngineError::Internal { message: message.into() }
}

/// A message of the form "path: problem; remedy", as all errors about models have it, taken apart.
pub fn model_error(path: &Path, error: impl std::fmt::Display) -> EngineError {
    let text = error.to_string();
    let (path, text) = match text.split_once(": ") {
        Some((at, rest)) if at.contains(std::path::MAIN_SEPARATOR) => (Path::new(at), rest),
        _ => (path, text.as_str()),
    };
    let (problem, remedy) = text.rsplit_once("; ").unwrap_or((text, "get the model again from where it came from"));
    EngineError::Model { path: path.to_owned(), problem: problem.into(), remedy: remedy.into() }
}

/// What a failed read of a tensor means: burn reports failed kernels and allocations only there.
pub fn device_error(error: impl std::fmt::Debug) -> EngineError {
    let text = format!("{error:?}");
    let lower = text.to_lowercase();
    if lower.contains("memory") || lower.contains("bytes were never written") {
        return EngineError::OutOfMemory {
            what: "this step".into(),
            needed: "more".into(),
            available: "less".into(),
            remedy: "make fewer candidates at once, stop at a smaller stage, or use `--device cpu`".into(),
        };
    }
    let problem = format!("the device failed: {}", text.lines().next().unwrap_or_default());
    EngineError::Device { problem, remedy: "run it again, or use another device (`imagen devices`)".into() }
}

pub fn weights(error: WeightError) -> EngineError {
    model_error(Path::new(""), error)
}

pub fn text(error: TextError) -> EngineError {
    model_error(Path::new("text encoder"), error)
}

pub fn setting(error: DiffusionError) -> EngineError {
    match error {
        DiffusionError::Setting { setting, value, allowed } => EngineError::InvalidSetting { setting, value, allowed },
        other => model_error(Path::new("scheduler_config.json"), other),
    }
}

pub fn noise(error: NoiseError) -> EngineError {
    EngineError::Internal { message: error.to_string() }
}

pub fn sampling(error: SampleError<InputError>, path: &Path) -> EngineError {
    match error {
        SampleError::Config(e) => setting(e),
        SampleError::Noise(e) => noise(e),
        other => model_error(path, other),
    }
}
