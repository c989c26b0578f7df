//! What can go wrong, said so that a person knows what to do next.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An error of the engine. Each variant's text is one line: what was wrong, then what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum EngineError {
    #[error("{setting} is {value}: give {allowed}")]
    InvalidSetting { setting: String, value: String, allowed: String },
    #[error("{}: {problem}; {remedy}", path.display())]
    Model { path: PathBuf, problem: String, remedy: String },
    #[error("{}: {problem}; {remedy}", path.display())]
    File { path: PathBuf, problem: String, remedy: String },
    #[error("{problem}; {remedy}")]
    Device { problem: String, remedy: String },
    #[error("{needed} of memory are needed for {what}, and the device can give {available}; {remedy}")]
    OutOfMemory { what: String, needed: String, available: String, remedy: String },
    #[error(
        "the {size}-pixel stage gave a value that is not a number at step {step}; lower the guidance weight, use dynamic thresholding or another device"
    )]
    NotFinite { size: u32, step: u32 },
    #[error("internal error: {message}; please report it with the prompt and settings")]
    Internal { message: String },
}
