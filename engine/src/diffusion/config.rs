//! Everything that decides how one stage is sampled.

use imagen_protocol::{SamplerKind, StageSettings, Steps, Threshold};

use super::error::{DiffusionError, in_range};
use super::runs::{Run, runs};
use super::{NoiseSchedule, Prediction, Step, Variance, plan};

/// What may differ between the images of one batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ImageSettings {
    pub guidance_weight: f64,
    pub threshold: Threshold,
}

impl ImageSettings {
    /// Whether there is an unconditional half: w = 1 is the conditional prediction alone.
    pub fn is_guided(&self) -> bool {
        (self.guidance_weight - 1.0).abs() > f64::EPSILON
    }

    fn check(&self) -> Result<(), DiffusionError> {
        in_range("guidance", self.guidance_weight, -1000.0, 1000.0)?;
        if let Threshold::Dynamic { percentile, cap } = self.threshold {
            in_range("percentile", percentile, f64::MIN_POSITIVE, 1.0)?;
            in_range("cap", cap.unwrap_or(1.0), 1.0, f64::MAX)?;
        }
        Ok(())
    }
}

impl From<&StageSettings> for ImageSettings {
    fn from(settings: &StageSettings) -> Self {
        Self { guidance_weight: settings.guidance_weight, threshold: settings.threshold }
    }
}

/// How one stage is sampled: what the model is made for, and what the user chose.
#[derive(Clone, Debug, PartialEq)]
pub struct SamplerConfig {
    pub schedule: NoiseSchedule,
    pub prediction: Prediction,
    /// Of the ancestral sampler.
    pub variance: Variance,
    pub steps: Steps,
    pub sampler: SamplerKind,
    /// DDIM's eta, in [0, 1].
    pub eta: f64,
    /// w of classifier-free guidance, applied to the network's own prediction; 1 means one forward pass a step.
    pub guidance_weight: f64,
    pub threshold: Threshold,
    /// Guidance and threshold of each image of the batch, in place of the two above; empty where all images have those.
    pub images: Vec<ImageSettings>,
    /// Bound of static thresholding, above 0; 1 is the paper's.
    pub clip_range: f64,
    /// DDIM: true takes eps from the thresholded x0_hat, so that x_s is what the picture on show says (the paper's x0_hat form);
    /// false keeps the network's eps, as diffusers does by default.
    pub recompute_eps: bool,
    /// DPM-Solver++: times with ln(alpha / sigma) below this are left out; -infinity leaves out none.
    pub lambda_min_clipped: f64,
    /// DPM-Solver++: below 15 steps the last step is of first order; one to a clean picture always is.
    pub lower_order_final: bool,
    /// Index of the first step to take: above 0 starts in the middle, from an x_t of that step's level.
    pub start_step: usize,
}

impl SamplerConfig {
    /// A model's configuration with the paper's sampler: 50 ancestral steps, no guidance, dynamic thresholding at 99.5 %.
    pub fn new(schedule: NoiseSchedule, prediction: Prediction) -> Self {
        Self {
            schedule,
            prediction,
            variance: Variance::FixedSmall,
            steps: Steps::Count(50),
            sampler: SamplerKind::Ddpm,
            eta: 0.0,
            guidance_weight: 1.0,
            threshold: Threshold::Dynamic { percentile: 0.995, cap: None },
            images: Vec::new(),
            clip_range: 1.0,
            recompute_eps: true,
            lambda_min_clipped: f64::NEG_INFINITY,
            lower_order_final: true,
            start_step: 0,
        }
    }

    /// The same model under a stage's settings.
    #[must_use]
    pub fn with(&self, settings: &StageSettings) -> Self {
        Self {
            steps: settings.steps.clone(),
            sampler: settings.sampler,
            eta: settings.eta,
            guidance_weight: settings.guidance_weight,
            threshold: settings.threshold,
            ..self.clone()
        }
    }

    /// Guidance and threshold of each of `batch` images.
    ///
    /// # Errors
    /// [`DiffusionError::Setting`] where [`SamplerConfig::images`] are not as many.
    fn settings_of(&self, batch: usize) -> Result<Vec<ImageSettings>, DiffusionError> {
        if self.images.is_empty() {
            return Ok(vec![ImageSettings { guidance_weight: self.guidance_weight, threshold: self.threshold }; batch]);
        }
        if self.images.len() == batch {
            return Ok(self.images.clone());
        }
        Err(DiffusionError::setting("images", self.images.len(), format!("settings for each of the batch's {batch} images")))
    }

    /// The batch's guidance weights, `None` where w is 1 and the conditional prediction is the result; and its thresholds.
    #[expect(clippy::type_complexity, reason = "two lists of runs, taken apart at once")]
    pub(super) fn runs(&self, batch: usize) -> Result<(Vec<Run<Option<f64>>>, Vec<Run<Threshold>>), DiffusionError> {
        let settings = self.settings_of(batch)?;
        let weight = |s: &ImageSettings| s.is_guided().then_some(s.guidance_weight);
        Ok((runs(settings.iter().map(weight)), runs(settings.iter().map(|s| s.threshold))))
    }

    /// All steps of a whole run; sampling takes those from `start_step` on.
    ///
    /// # Errors
    /// [`DiffusionError::Setting`] for a value that is not finite or out of its range.
    pub fn plan(&self) -> Result<Vec<Step>, DiffusionError> {
        self.check()?;
        let steps = plan(&self.schedule, &self.steps, self.sampler, self.lambda_min_clipped)?;
        if self.start_step < steps.len() {
            return Ok(steps);
        }
        Err(DiffusionError::setting("start step", self.start_step, format!("less than the number of steps, {}", steps.len())))
    }

    pub(super) fn check(&self) -> Result<(), DiffusionError> {
        in_range("eta", self.eta, 0.0, 1.0)?;
        in_range("clip range", self.clip_range, 1e-3, 1e6)?;
        let of_all = ImageSettings { guidance_weight: self.guidance_weight, threshold: self.threshold };
        self.images.iter().chain([&of_all]).try_for_each(ImageSettings::check)?;
        if self.lambda_min_clipped < f64::INFINITY {
            return Ok(());
        }
        Err(DiffusionError::setting("lambda_min_clipped", self.lambda_min_clipped, "a number, or -infinity for none"))
    }
}
