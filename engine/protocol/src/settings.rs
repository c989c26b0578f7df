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

impl Threshold {
    /// The paper's: 99.5th percentile, no cap.
    pub const PAPER: Self = Self::Dynamic { percentile: 0.995, cap: None };
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

impl Steps {
    /// IF's lists and their lengths.
    pub const NAMED: [(&str, u32); 8] = [
        ("fast27", 27),
        ("smart27", 27),
        ("smart50", 50),
        ("smart100", 100),
        ("smart185", 185),
        ("super27", 27),
        ("super40", 40),
        ("super100", 100),
    ];

    /// How many steps these are; `None` for a name that is not in [`Steps::NAMED`].
    pub fn count(&self) -> Option<u32> {
        match self {
            Self::Count(n) => Some(*n),
            Self::Named(name) => Self::NAMED.iter().find(|(known, _)| known == name).map(|&(_, n)| n),
        }
    }
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

impl From<&StageSettings> for StageOverrides {
    /// Every setting said, so that nothing is left to a model's defaults.
    fn from(settings: &StageSettings) -> Self {
        Self {
            steps: Some(settings.steps.clone()),
            sampler: Some(settings.sampler),
            eta: Some(settings.eta),
            guidance_weight: Some(settings.guidance_weight),
            threshold: Some(settings.threshold),
            aug_level: settings.aug_level,
        }
    }
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
        self.steps.validate()?;
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

impl Steps {
    fn validate(&self) -> Result<(), EngineError> {
        let Self::Named(name) = self else {
            return in_range("steps", f64::from(self.count().unwrap_or(0)), 1.0, 1000.0);
        };
        if self.count().is_some() {
            return Ok(());
        }
        let names = Self::NAMED.map(|(known, _)| known).join(", ");
        let allowed = format!("a number from 1 to 1000, or one of {names}");
        Err(EngineError::InvalidSetting { setting: "steps".into(), value: name.clone(), allowed })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> StageSettings {
        StageSettings {
            steps: Steps::Count(20),
            sampler: SamplerKind::Ddpm,
            eta: 0.0,
            guidance_weight: 4.0,
            threshold: Threshold::PAPER,
            aug_level: Some(0.1),
        }
    }

    #[test]
    fn overrides_replace_what_they_name_and_nothing_else() {
        let user = StageOverrides { guidance_weight: Some(1.0), ..StageOverrides::default() };
        assert_eq!(settings().with(&user), StageSettings { guidance_weight: 1.0, ..settings() });
    }

    #[test]
    fn an_aug_level_does_not_appear_on_a_first_stage() {
        let first = StageSettings { aug_level: None, ..settings() };
        assert_eq!(first.with(&StageOverrides { aug_level: Some(0.2), ..StageOverrides::default() }).aug_level, None);
    }

    #[test]
    fn full_overrides_reproduce_the_settings_on_any_defaults() {
        let other = StageSettings { steps: Steps::Named("smart50".into()), sampler: SamplerKind::Ddim, eta: 1.0, ..settings() };
        assert_eq!(other.with(&StageOverrides::from(&settings())), settings());
    }

    #[test]
    fn values_out_of_range_are_refused_with_the_setting_named() {
        let cases: [(&str, StageSettings); 10] = [
            ("steps", StageSettings { steps: Steps::Count(0), ..settings() }),
            ("steps", StageSettings { steps: Steps::Count(1001), ..settings() }),
            ("steps", StageSettings { steps: Steps::Named("smart51".into()), ..settings() }),
            ("eta", StageSettings { eta: -0.1, ..settings() }),
            ("guidance", StageSettings { guidance_weight: f64::NAN, ..settings() }),
            ("guidance", StageSettings { guidance_weight: f64::INFINITY, ..settings() }),
            ("aug-level", StageSettings { aug_level: Some(1.5), ..settings() }),
            ("percentile", StageSettings { threshold: Threshold::Dynamic { percentile: 0.0, cap: None }, ..settings() }),
            ("cap", StageSettings { threshold: Threshold::Dynamic { percentile: 0.9, cap: Some(0.5) }, ..settings() }),
            ("cap", StageSettings { threshold: Threshold::Dynamic { percentile: 0.9, cap: Some(f64::NAN) }, ..settings() }),
        ];
        for (name, bad) in cases {
            let error = bad.validate().expect_err(name);
            assert!(matches!(&error, EngineError::InvalidSetting { setting, .. } if setting == name), "{name}: {error}");
        }
        assert_eq!(settings().validate(), Ok(()));
    }

    #[test]
    fn the_lists_of_if_have_the_length_that_their_name_says() {
        for (name, count) in Steps::NAMED {
            assert!(name.ends_with(&count.to_string()), "{name} {count}");
            assert_eq!(Steps::Named(name.into()).count(), Some(count));
        }
    }
}
