//! What can go wrong in the diffusion core. One line each: what was wrong, then what to do.

use super::Draw;

/// A setting or a file that the diffusion core cannot work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DiffusionError {
    /// A value out of its range; infinite and NaN values among them.
    #[error("{setting} is {value}: give {allowed}")]
    Setting { setting: String, value: String, allowed: String },
    /// A field of a diffusers `scheduler_config.json` that asks for what is not here.
    #[error("scheduler_config.json: {field} is {value}, which is not supported; supported: {supported}")]
    Unsupported { field: String, value: String, supported: String },
    #[error("scheduler_config.json cannot be read: {problem}; give the file as diffusers writes it")]
    Json { problem: String },
}

impl DiffusionError {
    pub(super) fn setting(setting: &str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Self::Setting { setting: setting.into(), value: value.to_string(), allowed: allowed.into() }
    }

    pub(super) fn unsupported(field: &str, value: impl ToString, supported: impl Into<String>) -> Self {
        Self::Unsupported { field: field.into(), value: value.to_string(), supported: supported.into() }
    }
}

/// `value` if it is finite and from `low` to `high`.
pub(super) fn in_range(setting: &str, value: f64, low: f64, high: f64) -> Result<f64, DiffusionError> {
    if value.is_finite() && (low..=high).contains(&value) {
        return Ok(value);
    }
    Err(DiffusionError::setting(setting, value, format!("a number from {low} to {high}")))
}

/// Noise that cannot be given.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoiseError {
    #[error("no noise was recorded for {draw:?}; record one tensor for each draw")]
    Missing { draw: Draw },
    #[error("the noise recorded for {draw:?} has shape {found:?}, not {wanted:?}; record it at the stage's size")]
    Shape { draw: Draw, wanted: Vec<usize>, found: Vec<usize> },
    #[error("{what} is beyond the 32 bits that a noise counter has; ask for less")]
    Range { what: String },
}

/// Why sampling stopped. `E` is the network's own error.
#[derive(Debug, thiserror::Error)]
pub enum SampleError<E> {
    #[error(transparent)]
    Config(#[from] DiffusionError),
    #[error(transparent)]
    Noise(#[from] NoiseError),
    #[error("the network's {what} has shape {found:?}, not {wanted}; check that the weights and the card belong together")]
    Shape { what: &'static str, found: Vec<usize>, wanted: String },
    #[error("{0}")]
    Predict(E),
}
