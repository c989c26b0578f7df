//! From the draft to jobs.

use std::collections::BTreeMap;

use imagen_protocol::{Command, GenerateRequest, ModelInfo, StageInput, StageSettings};

use super::{EngineStatus, State};
use crate::request::draw_seed;
use crate::window::action::Effect;
use crate::window::compare::{Column, MAX_COLUMNS, Sheet};
use crate::window::draft::Draft;
use crate::window::io::IoTask;
use crate::window::job::Purpose;
use crate::window::log::Weight;

impl State {
    pub(super) fn generate(&mut self) -> Vec<Effect> {
        if let Some(obstacle) = self.obstacle() {
            self.note(Weight::Error, obstacle);
            return vec![];
        }
        if !self.draft.seed_locked {
            self.draft.seed = draw_seed();
        }
        self.enqueue(Purpose::Create, self.draft.request())
    }

    /// The stages after `size`, from its kept pictures.
    pub(super) fn continue_from(&mut self, size: u32) -> Vec<Effect> {
        let Some(stage) = self.create.shown(size) else { return vec![] };
        let (made, first) = (stage.request.clone(), stage.request.first_candidate);
        let Some(input) = self.create.input(size) else { return vec![] };
        let count = u32::try_from(input.images.len()).unwrap_or(1);
        let request = GenerateRequest { count, first_candidate: first, until: None, ..self.follow(&made, input) };
        self.enqueue(Purpose::Create, request)
    }

    /// What was said and drawn stays that of the kept pictures; the later stages are set as the draft says now.
    pub(super) fn follow(&self, made: &GenerateRequest, input: StageInput) -> GenerateRequest {
        GenerateRequest {
            prompt: made.prompt.clone(),
            negative_prompt: made.negative_prompt.clone(),
            seed: made.seed,
            model: made.model.clone(),
            from: Some(input),
            ..Draft { input: None, ..self.draft.clone() }.request()
        }
    }

    /// What running the columns asks for: all of them on one seed. Columns share steps and sampler, so they are one batch.
    ///
    /// # Errors
    /// Why they cannot run.
    pub fn compare_request(&self) -> Result<GenerateRequest, String> {
        let model = self.ready()?;
        let until = self.compare.until(&self.sizes());
        let columns: Vec<_> = self.compare.columns.iter().map(|column| self.on_every_stage(column, until)).collect();
        let request = GenerateRequest { count: 1, columns, until, histograms: true, ..self.draft.request() };
        request.plan(&model.stages).map_err(|e| e.to_string())?;
        Ok(request)
    }

    /// What the strip asks for: every thresholding at every weight, on the first stage.
    ///
    /// # Errors
    /// Why it cannot run.
    pub fn strip_request(&self) -> Result<GenerateRequest, String> {
        let model = self.ready()?;
        let first = model.stages.first().map(|s| s.size).ok_or("the model has no stages: choose another")?;
        let columns = self.compare.strip.overrides().into_iter().map(|cell| BTreeMap::from([(first, cell)])).collect();
        let request = GenerateRequest { count: 1, columns, until: Some(first), from: None, ..self.draft.request() };
        request.plan(&model.stages).map_err(|e| e.to_string())?;
        Ok(request)
    }

    /// One run at a time: the button is Cancel until it is over.
    pub(super) fn run_compare(&mut self) -> Vec<Effect> {
        if self.columns_are_fixed() {
            return vec![];
        }
        self.enqueue_if(Purpose::Compare, self.compare_request())
    }

    pub(super) fn run_strip(&mut self) -> Vec<Effect> {
        self.compare.look.strip_open = true;
        self.enqueue_if(Purpose::Strip, self.strip_request())
    }

    fn enqueue_if(&mut self, purpose: Purpose, request: Result<GenerateRequest, String>) -> Vec<Effect> {
        match request {
            Ok(request) => self.enqueue(purpose, request),
            Err(obstacle) => {
                self.note(Weight::Error, obstacle);
                vec![]
            }
        }
    }

    /// The chosen model, where it can run.
    fn ready(&self) -> Result<&ModelInfo, String> {
        match (&self.engine, self.models.info.get(&self.draft.model)) {
            (EngineStatus::Unavailable(e), _) | (_, Some(Err(e))) => Err(e.to_string()),
            (_, None) => Err("the model is being looked into".into()),
            (_, Some(Ok(model))) => Ok(model),
        }
    }

    fn on_every_stage(&self, column: &Column, until: Option<u32>) -> BTreeMap<u32, imagen_protocol::StageOverrides> {
        let running = self.sizes().into_iter().filter(|&size| Some(size) <= until);
        running.map(|size| (size, column.overrides())).collect()
    }

    /// The columns and the strip as they stand, as one picture and a table, into the pictures' folder.
    pub(super) fn save_sheet(&mut self) -> Vec<Effect> {
        let device = match &self.engine {
            EngineStatus::Ready(device) => device.name.clone(),
            _ => String::new(),
        };
        let size = self.compare.shown(&self.sizes());
        match Sheet::of(&self.compare, size, &self.running_model, &device) {
            Some(sheet) => vec![Effect::Io(IoTask::SaveSheet { sheet: Box::new(sheet), folder: self.pictures_folder() })],
            None => {
                self.note(Weight::Warning, "nothing was compared yet: run the columns or the strip first");
                vec![]
            }
        }
    }

    /// A cell of the strip becomes column `at`, or a new one where there is room; the last otherwise.
    pub(super) fn cell_to_column(&mut self, cell: usize, at: Option<usize>) {
        let fixed = self.columns_are_fixed();
        let compare = &mut self.compare;
        let Some(column) = compare.column_of_cell(cell) else { return };
        let at = at.unwrap_or(compare.columns.len()).min(MAX_COLUMNS - 1);
        match compare.columns.get_mut(at) {
            Some(_) if fixed => {
                self.note(Weight::Warning, "the columns are being made: wait for them, or cancel, to replace one");
            }
            Some(place) => *place = column,
            None => compare.columns.push(column),
        }
    }

    /// A cell of the strip becomes the draft's guidance and thresholding on the first stage.
    pub(super) fn cell_to_draft(&mut self, cell: usize) {
        let Some((threshold, guidance_weight)) = self.compare.strip.setting(cell) else { return };
        let Some(first) = self.model().and_then(|m| m.stages.first()).cloned() else { return };
        let settings = StageSettings { threshold, guidance_weight, ..self.draft.settings(&first) };
        self.draft.set(&first, &settings);
    }

    /// Columns cannot go or be replaced while a job of theirs runs or waits: its pictures come by the columns' numbers.
    pub fn columns_are_fixed(&self) -> bool {
        let jobs = self.queue.running.iter().chain(&self.queue.waiting);
        jobs.into_iter().any(|job| matches!(job.purpose, Purpose::Compare))
    }

    pub(super) fn enqueue(&mut self, purpose: Purpose, request: GenerateRequest) -> Vec<Effect> {
        self.queue.push(purpose, request);
        self.start_next()
    }

    /// Sends the next waiting job, if none runs.
    pub(super) fn start_next(&mut self) -> Vec<Effect> {
        let Some(job) = self.queue.start_next() else { return vec![] };
        vec![Effect::Send(Command::Generate { job: job.id, request: Box::new(job.request) })]
    }
}
