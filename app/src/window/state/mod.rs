//! Everything the window knows: plain data, no egui, no thread, no clock. It changes by actions of the panels ([`act`]), events of the
//! engine ([`fold`]) and of the io thread ([`fold_io`]), and answers each with effects.

mod act;
mod act_files;
mod enlarge;
mod fold;
mod fold_io;
mod full;
mod make;
mod notes;
mod unsaved;

#[cfg(test)]
mod enlarge_tests;
#[cfg(test)]
mod files_tests;

use std::collections::HashMap;
use std::path::PathBuf;

use imagen_protocol::{Adapter, DeviceChoice, DeviceInfo, EngineError, ModelInfo, RgbImage, StageInfo, Weights};

use super::action::{Effect, Picture, Question, View};
use super::compare::Compare;
use super::create::Create;
use super::draft::Draft;
use super::gallery::Gallery;
use super::io::IoTask;
use super::job::Queue;
use super::lens::Lens;
use super::log::{Log, Weight};
use super::ports::Folders;
use super::prefs::{Loaded, Prefs};
use super::shown::Shown;
use super::stage_view::{Progress, StageView};
use super::thumbnails::Thumbnails;
use crate::png::PictureSettings;

pub use notes::{Note, Offer};
pub use unsaved::Unsaved;

#[derive(Clone, Debug, PartialEq)]
pub enum EngineStatus {
    Starting,
    Ready(DeviceInfo),
    /// Nothing can run until it is started again.
    Unavailable(EngineError),
}

/// A part that is being read.
#[derive(Clone, Debug, PartialEq)]
pub struct Loading {
    pub part: String,
    pub done_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    pub model_bytes: u64,
    pub used_bytes: Option<u64>,
}

/// Models that can be chosen, and the chosen one's description.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Models {
    pub found: Vec<PathBuf>,
    /// Of every model that was looked into; `None` is the default model.
    pub info: HashMap<Option<PathBuf>, Result<ModelInfo, EngineError>>,
}

/// Of the prompt as it was counted last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tokens {
    pub text: String,
    pub tokens: usize,
    pub max_tokens: usize,
}

/// Which rail of a narrow window is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drawers {
    pub prompt: bool,
    pub stages: bool,
}

impl Default for Drawers {
    fn default() -> Self {
        Self { prompt: true, stages: false }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Seconds since the window opened; set once a frame.
    pub now: f64,
    pub folders: Folders,
    pub prefs: Prefs,
    pub draft: Draft,
    pub engine: EngineStatus,
    pub loading: Option<Loading>,
    pub memory: Memory,
    pub adapters: Vec<Adapter>,
    pub models: Models,
    pub tokens: Option<Tokens>,
    pub queue: Queue,
    pub create: Create,
    pub compare: Compare,
    pub gallery: Gallery,
    pub thumbnails: Thumbnails,
    pub log: Log,
    pub notes: Vec<Note>,
    /// Pictures that could not be saved: kept until they are, or until the user lets them go.
    pub unsaved: Vec<Unsaved>,
    /// What the user is being asked.
    pub question: Option<Question>,
    /// The user said that the window may close.
    pub closing: bool,
    /// The picture that is shown over everything, and what part of it is seen.
    pub full: Option<Shown>,
    pub full_lens: Lens,
    /// The file that is being read to be shown there.
    opening: Option<PathBuf>,
    /// Where pictures of the create view were saved.
    files: Vec<(RgbImage, PathBuf)>,
    /// The rails, where the window is too narrow to show them always.
    pub drawers: Drawers,
    /// The stage whose settings the right rail shows.
    pub tab: Option<u32>,
    /// The model's name of running jobs, for the settings inside their pictures.
    running_model: String,
    /// The text whose tokens were asked for last.
    counted: Option<String>,
    last_note: u64,
}

impl State {
    /// The state of a window that opens, and what it asks for first.
    pub fn new(folders: Folders, loaded: Loaded) -> (Self, Vec<Effect>) {
        let draft = loaded.prefs.draft.clone();
        let mut state = Self {
            now: 0.0,
            folders,
            draft,
            engine: EngineStatus::Starting,
            loading: None,
            memory: Memory::default(),
            adapters: Vec::new(),
            models: Models::default(),
            tokens: None,
            queue: Queue::default(),
            create: Create::default(),
            compare: Compare::restored(&loaded.prefs.compare),
            prefs: loaded.prefs,
            gallery: Gallery::scanning(),
            thumbnails: Thumbnails::default(),
            log: Log::default(),
            notes: Vec::new(),
            unsaved: Vec::new(),
            question: None,
            closing: false,
            full: None,
            full_lens: Lens::default(),
            opening: None,
            files: Vec::new(),
            drawers: Drawers::default(),
            tab: None,
            running_model: String::new(),
            counted: None,
            last_note: 0,
        };
        if let Some(remark) = loaded.remark {
            state.note(Weight::Warning, remark);
        }
        let effects = vec![
            Effect::StartEngine(state.draft.device),
            Effect::Io(IoTask::Inspect(state.draft.model.clone())),
            Effect::Io(IoTask::FindModels(state.prefs.model_folders.clone())),
            Effect::Io(IoTask::ListAdapters),
            Effect::Io(IoTask::ScanGallery(state.pictures_folder())),
        ];
        (state, effects)
    }

    /// What changes by itself: called once a frame.
    pub fn tick(&mut self, now: f64) -> Vec<Effect> {
        self.now = now;
        self.forget_old_notes();
        if self.counted.as_deref() == Some(self.draft.prompt.as_str()) {
            return vec![];
        }
        self.counted = Some(self.draft.prompt.clone());
        vec![Effect::Io(IoTask::CountTokens { model: self.draft.model.clone(), text: self.draft.prompt.clone() })]
    }

    /// What is to be kept between sessions.
    pub fn to_keep(&self) -> Prefs {
        // The input picture is not kept, and comparing its pixels once a frame would be for nothing.
        let draft = Draft { input: None, ..self.draft.clone() };
        Prefs { draft, compare: self.compare.kept(), ..self.prefs.clone() }
    }

    /// The stages that the create view has a tile for: the model's, or those of kept pictures where no model is known.
    pub fn tile_sizes(&self) -> Vec<u32> {
        let sizes = self.sizes();
        if sizes.is_empty() { self.create.sizes().into_iter().collect() } else { sizes }
    }

    /// Whether the model has a stage after this one.
    pub fn has_later(&self, size: u32) -> bool {
        self.sizes().into_iter().any(|s| s > size)
    }

    /// Only the first stage runs, so that candidates can be chosen from.
    pub fn is_first_only(&self) -> bool {
        self.draft.until.is_some() && self.draft.until == self.sizes().first().copied()
    }

    /// What the plan refuses of a stage, in its words.
    pub fn refusal(&self, size: u32) -> Option<String> {
        let stage = self.stage_info(size)?;
        self.draft.settings(stage).validate().err().map(|e| e.to_string())
    }

    /// Where pictures go.
    pub fn pictures_folder(&self) -> PathBuf {
        self.prefs.pictures.clone().unwrap_or_else(|| self.folders.pictures.clone())
    }

    /// The chosen model, once it was looked into and is sound.
    pub fn model(&self) -> Option<&ModelInfo> {
        self.models.info.get(&self.draft.model)?.as_ref().ok()
    }

    /// Why the chosen model cannot be used.
    pub fn model_error(&self) -> Option<&EngineError> {
        self.models.info.get(&self.draft.model)?.as_ref().err()
    }

    /// The adapter behind the chosen device; `None` on the CPU.
    pub fn adapter(&self) -> Option<&Adapter> {
        match self.draft.device {
            DeviceChoice::Auto => crate::devices::best(&self.adapters),
            DeviceChoice::Cpu => None,
            DeviceChoice::Gpu(index) => self.adapters.iter().find(|a| a.index == index),
        }
    }

    /// Whether weights can lie there as f16; the CPU packs them itself.
    pub fn device_has_f16(&self) -> bool {
        self.adapter().is_none_or(|a| a.shader_f16)
    }

    /// What weights are with that choice on the chosen device.
    pub fn at_rest(&self, weights: Weights) -> Weights {
        if self.device_has_f16() { weights } else { Weights::F32 }
    }

    /// Bytes that a model takes at once, as weights and device are chosen now.
    pub fn memory_needed(&self, model: &ModelInfo) -> u64 {
        model.memory(self.at_rest(self.draft.weights))
    }

    pub fn stage_info(&self, size: u32) -> Option<&StageInfo> {
        self.model()?.stages.iter().find(|s| s.size == size)
    }

    /// The stage sizes of the chosen model.
    pub fn sizes(&self) -> Vec<u32> {
        self.model().map(|m| m.stages.iter().map(|s| s.size).collect()).unwrap_or_default()
    }

    pub fn is_busy(&self) -> bool {
        self.queue.running.is_some()
    }

    /// The stage that runs, of whichever view asked for it.
    pub fn running_stage(&self) -> Option<&StageView> {
        let columns = self.compare.columns.iter().flat_map(|column| column.stages.values());
        let all = columns.chain(&self.compare.strip.stage);
        self.create.running().or(all.into_iter().find(|stage| stage.progress == Progress::Running))
    }

    /// Why Generate cannot be pressed; `None` when it can.
    pub fn obstacle(&self) -> Option<String> {
        match (&self.engine, self.models.info.get(&self.draft.model)) {
            (EngineStatus::Unavailable(e), _) => Some(e.to_string()),
            (_, Some(Err(e))) => Some(e.to_string()),
            (_, None) => Some("the model is being looked into".into()),
            (_, Some(Ok(model))) => self.draft.request().plan(&model.stages).err().map(|e| e.to_string()),
        }
    }

    /// What the window's title says: the running job's stage and share.
    pub fn title(&self) -> String {
        match (self.create.running(), self.queue.running.is_some()) {
            (Some(stage), true) => format!("{} px {}/{} - imagen", stage.size(), stage.step, stage.steps),
            (None, true) => "working - imagen".into(),
            _ => "imagen".into(),
        }
    }

    /// The settings inside a picture of a job.
    pub fn settings_of(
        &self,
        request: &imagen_protocol::GenerateRequest,
        plans: &[imagen_protocol::StagePlan],
        size: u32,
        index: u32,
    ) -> PictureSettings {
        let device = match &self.engine {
            EngineStatus::Ready(device) => device.name.clone(),
            _ => String::new(),
        };
        let mut request = request.clone();
        // What was made from a kept picture of this cascade comes again from the prompt alone: its stage is among the plans.
        request.from.take_if(|input| plans.iter().any(|plan| plan.size == input.size));
        PictureSettings {
            format: crate::png::FORMAT,
            app: crate::generate::APP.into(),
            model: self.running_model.clone(),
            device,
            size,
            candidate: request.first_candidate + index + 1,
            request,
            stages: plans.to_vec(),
        }
    }

    /// The picture that a tile of the create view shows, with its settings.
    pub fn tile(&self, size: u32) -> Option<Picture> {
        let image = self.create.picture(size)?.clone();
        let stage = self.create.shown(size)?;
        let shown = self.create.sizes().into_iter().filter(|&s| s <= size).filter_map(|s| self.create.shown(s));
        let plans: Vec<_> = shown.map(|stage| stage.plan.clone()).collect();
        let index = u32::try_from(self.create.index(size)).unwrap_or(0);
        let settings = self.settings_of(&stage.request, &plans, size, index);
        Some(Picture { image, settings: Box::new(settings) })
    }

    pub fn show(&mut self, view: View) {
        self.prefs.view = view;
    }
}

#[cfg(test)]
mod tests_create;
