//! What the user is setting up: the next request, as far as it is known.

use std::collections::BTreeMap;
use std::path::PathBuf;

use imagen_protocol::{
    DeviceChoice, GenerateRequest, ModelInfo, SamplerKind, StageInfo, StageInput, StageOverrides, StageSettings, Steps,
    Threshold, Weights,
};
use serde::{Deserialize, Serialize};

use crate::png::PictureSettings;

/// Ready-made stage settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The model's own.
    Model,
    /// Few steps of DDIM.
    Fast,
    /// Ancestral sampling, dynamic thresholding at 99.5 %, no cap; steps as in the paper.
    Paper,
    /// IF's: ancestral, dynamic at 95 %, cap 1.5.
    DeepFloyd,
}

impl Preset {
    pub const ALL: [Self; 4] = [Self::Model, Self::Fast, Self::Paper, Self::DeepFloyd];

    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model's own",
            Self::Fast => "fast",
            Self::Paper => "paper",
            Self::DeepFloyd => "IF",
        }
    }

    /// What it sets on a stage with these defaults.
    pub fn overrides(self, stage: &StageInfo) -> StageOverrides {
        let first = stage.defaults.aug_level.is_none();
        let of = |steps: u32, sampler, threshold| StageOverrides {
            steps: Some(Steps::Count(steps)),
            sampler: Some(sampler),
            threshold: Some(threshold),
            ..StageOverrides::default()
        };
        match self {
            Self::Model => StageOverrides::default(),
            Self::Fast => StageOverrides {
                steps: Some(Steps::Count(if first { 12 } else { 6 })),
                sampler: Some(SamplerKind::Ddim),
                ..StageOverrides::default()
            },
            Self::Paper => of(if first { 256 } else { 128 }, SamplerKind::Ddpm, Threshold::PAPER),
            Self::DeepFloyd => {
                of(if first { 100 } else { 50 }, SamplerKind::Ddpm, Threshold::Dynamic { percentile: 0.95, cap: Some(1.5) })
            }
        }
    }
}

/// A picture that takes the place of the first stages.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub input: StageInput,
    /// The file that it was read from.
    pub path: PathBuf,
}

/// The next request in the making. Kept between sessions, without the input picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Draft {
    pub prompt: String,
    pub negative_prompt: String,
    pub seed: u64,
    /// Unlocked, each Generate draws a new seed.
    pub seed_locked: bool,
    pub candidates: u32,
    pub model: Option<PathBuf>,
    pub device: DeviceChoice,
    /// What numbers weights are in memory: they decide the picture's digits too, so every request says it.
    pub weights: Weights,
    /// What differs from the model's defaults, by stage size.
    pub stages: BTreeMap<u32, StageOverrides>,
    /// The last stage to run; `None`: all.
    pub until: Option<u32>,
    #[serde(skip)]
    pub input: Option<Input>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            prompt: String::new(),
            negative_prompt: String::new(),
            seed: 7,
            seed_locked: false,
            candidates: 1,
            model: None,
            device: DeviceChoice::Auto,
            weights: Weights::Auto,
            stages: BTreeMap::new(),
            until: None,
            input: None,
        }
    }
}

impl Draft {
    /// The whole request: every stage that runs.
    pub fn request(&self) -> GenerateRequest {
        GenerateRequest {
            prompt: self.prompt.clone(),
            negative_prompt: self.negative_prompt.clone(),
            seed: self.seed,
            count: self.candidates,
            model: self.model.clone(),
            weights: self.weights,
            stages: self.stages.clone(),
            until: self.until,
            from: self.input.as_ref().map(|i| i.input.clone()),
            ..GenerateRequest::new("")
        }
    }

    /// What a stage will run with.
    pub fn settings(&self, stage: &StageInfo) -> StageSettings {
        self.stages.get(&stage.size).map_or_else(|| stage.defaults.clone(), |user| stage.defaults.with(user))
    }

    /// Keeps only what differs from the model's defaults, so that "changed" can be told.
    pub fn set(&mut self, stage: &StageInfo, settings: &StageSettings) {
        let d = &stage.defaults;
        let user = StageOverrides {
            steps: (settings.steps != d.steps).then(|| settings.steps.clone()),
            sampler: (settings.sampler != d.sampler).then_some(settings.sampler),
            eta: (settings.eta != d.eta).then_some(settings.eta),
            guidance_weight: (settings.guidance_weight != d.guidance_weight).then_some(settings.guidance_weight),
            threshold: (settings.threshold != d.threshold).then_some(settings.threshold),
            aug_level: settings.aug_level.filter(|_| settings.aug_level != d.aug_level),
        };
        if user == StageOverrides::default() {
            self.stages.remove(&stage.size);
        } else {
            self.stages.insert(stage.size, user);
        }
    }

    /// Whether a stage's settings differ from the model's.
    pub fn is_changed(&self, size: u32) -> bool {
        self.stages.contains_key(&size)
    }

    pub fn apply(&mut self, preset: Preset, model: &ModelInfo) {
        for stage in &model.stages {
            let settings = stage.defaults.with(&preset.overrides(stage));
            self.set(stage, &settings);
        }
    }

    /// Everything that made a picture, on whatever model is chosen; the input picture cannot come back, its absence is the caller's to say.
    pub fn restore(&mut self, picture: &PictureSettings) {
        let request = &picture.request;
        self.prompt.clone_from(&request.prompt);
        self.negative_prompt.clone_from(&request.negative_prompt);
        self.seed = request.seed;
        self.seed_locked = true;
        // One candidate of many comes again with those before it.
        self.candidates = request.first_candidate.saturating_add(request.count).clamp(1, 64);
        self.model.clone_from(&request.model);
        self.weights = request.weights;
        self.until = request.until;
        self.stages.clone_from(&request.stages);
        self.stages.extend(picture.stages.iter().map(|plan| (plan.size, StageOverrides::from(&plan.settings))));
        self.input = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{model, picture_settings};

    #[test]
    fn only_what_differs_is_kept() {
        let (mut draft, stage) = (Draft::default(), &model().stages[0]);
        let mut settings = stage.defaults.clone();
        settings.guidance_weight = 9.0;
        draft.set(stage, &settings);
        assert_eq!(draft.stages[&64], StageOverrides { guidance_weight: Some(9.0), ..StageOverrides::default() });
        assert_eq!(draft.settings(stage), settings);
        draft.set(stage, &stage.defaults);
        assert!(!draft.is_changed(64));
    }

    #[test]
    fn every_preset_is_a_valid_request() {
        let model = model();
        for preset in Preset::ALL {
            let mut draft = Draft::default();
            draft.apply(preset, &model);
            assert!(draft.request().plan(&model.stages).is_ok(), "{preset:?}");
            assert_eq!(draft.stages.is_empty(), preset == Preset::Model);
        }
    }

    #[test]
    fn a_restored_draft_makes_the_same_plan() {
        let mut picture = picture_settings("a red apple");
        picture.request.seed = 11;
        picture.request.until = Some(64);
        picture.request.weights = Weights::F16;
        picture.stages[0].settings.guidance_weight = 12.5;
        let mut draft = Draft { seed_locked: false, ..Draft::default() };
        draft.restore(&picture);
        assert_eq!(draft.request().plan(&model().stages).expect("valid"), picture.stages);
        assert_eq!((draft.prompt.as_str(), draft.seed, draft.seed_locked), ("a red apple", 11, true));
        assert_eq!((draft.weights, draft.request().weights), (Weights::F16, Weights::F16));
    }
}
