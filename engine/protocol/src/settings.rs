//! The settings of one stage of the cascade.

use serde::{Deserialize, Serialize};

use crate::EngineError;

/// How the predicted picture `x0_hat` is kept in range at every step (section 2.3 of the paper).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Threshold {
    /// `x0_hat` is left as it is.
    None,
    /// `x0_hat` is clamped to [-1, 1].
    Static,
    /// `s` = the `percentile` quantile of |x0_hat| of each image, at least 1 and at most `cap`; clamp to [-s, s], divide by s.
    Dynamic {
        /// In (0, 1]; the paper uses 0.995.
        percentile: f64,
        /// At least 1. `None` is the paper's (no cap), IF uses 1.5.
        cap: Option<f64>,
    },
}

/// Which rule takes x_t to the next, less noisy picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// Ancestral sampling (Ho et al. 2020), the paper's.
    Ddpm,
    /// Deterministic for eta = 0 (Song et al. 2021).
    Ddim,
    /// DPM-Solver++ 2M (Lu et al. 2022).
    #[serde(rename = "dpmpp_2m")]
    Dpmpp2m,
}

/// How many steps a stage takes, or one of IF's named lists of timesteps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Steps {
    /// Evenly spaced as the stage's schedule says; 1 to 1000.
    Count(u32),
    /// `fast27`, `smart27`, `smart50`, `smart100`, `smart185`, `super27`, `super40`, `super100`: discrete schedules only.
    Named(String),
}

/// Everything that decides how one stage is sampled.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageSettings {
    pub steps: Steps,
    pub sampler: SamplerKind,
    /// DDIM's eta, in [0, 1]; 0 is deterministic.
    pub eta: f64,
    /// Classifier-free guidance weight w; 1 switches guidance off.
    pub guidance_weight: f64,
    pub threshold: Threshold,
    /// Noise conditioning augmentation of the low-resolution input, in [0, 1]; `None` for the first stage.
    pub aug_level: Option<f64>,
}

/// What the user said of a stage; what is `None` comes from the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StageOverrides {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Steps>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampler: Option<SamplerKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub eta: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guidance_weight: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<Threshold>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aug_level: Option<f64>,
}

impl StageSettings {
    /// The model's settings with the user's on top.
    pub fn with(&self, user: &StageOverrides) -> Self {
        Self {
            steps: user.steps.clone().unwrap_or_else(|| self.steps.clone()),
            sampler: user.sampler.unwrap_or(self.sampler),
            eta: user.eta.unwrap_or(self.eta),
            guidance_weight: user.guidance_weight.unwrap_or(self.guidance_weight),
            threshold: user.threshold.unwrap_or(self.threshold),
            aug_level: self.aug_level.map(|level| user.aug_level.unwrap_or(level)),
        }
    }

    /// # Errors
    /// [`EngineError::InvalidSetting`] for a value that is not finite or out of its range.
    pub fn validate(&self) -> Result<(), EngineError> {
        if let Steps::Count(n) = self.steps {
            in_range("steps", f64::from(n), 1.0, 1000.0)?;
        }
        in_range("eta", self.eta, 0.0, 1.0)?;
        in_range("guidance", self.guidance_weight, 0.0, 100.0)?;
        if let Some(level) = self.aug_level {
            in_range("aug-level", level, 0.0, 1.0)?;
        }
        if let Threshold::Dynamic { percentile, cap } = self.threshold {
            in_range("percentile", percentile, 0.5, 1.0)?;
            if let Some(cap) = cap {
                in_range("cap", cap, 1.0, 1000.0)?;
            }
        }
        Ok(())
    }
}

fn in_range(setting: &str, value: f64, low: f64, high: f64) -> Result<(), EngineError> {
    if value.is_finite() && (low..=high).contains(&value) {
        return Ok(());
    }
    Err(EngineError::InvalidSetting {
        setting: setting.into(),
        value: value.to_string(),
        allowed: format!("a number from {low} to {high}"),
    })
}
