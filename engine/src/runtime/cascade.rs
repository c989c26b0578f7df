//! A request through the stages of a model.

use std::ops::ControlFlow;

use imagen_protocol::{EngineError, EngineSide, Event, GenerateRequest, JobId, ModelInfo, Notice, RgbImage, StagePlan};

use super::OpenDevice;
use super::conditioning::PromptStates;
use super::error::{Stop, internal};
use super::model::{Model, Stage};
use super::resident::Resident;
use super::stage::load_network;
use super::stage_run::StageRun;
use crate::diffusion::ImageSettings;

/// A running job and where it reports to.
pub struct Job<'a> {
    pub id: JobId,
    pub request: &'a GenerateRequest,
    pub model: &'a Model,
    pub info: &'a ModelInfo,
    pub device: &'a OpenDevice,
    pub side: &'a EngineSide,
}

impl Job<'_> {
    /// Runs every stage of the request's plan.
    ///
    /// # Errors
    /// [`Stop::Cancelled`], or [`EngineError`], each kind.
    pub fn run(&self, resident: &mut Resident) -> Result<(), Stop> {
        let plans = self.request.plan(&self.info.stages)?;
        let columns = self.request.column_plans(&self.info.stages)?;
        self.send(Event::JobStarted { job: self.id, model: self.info.name.clone(), stages: plans.clone() });
        let mut pictures: Option<Vec<RgbImage>> = self.request.from.as_ref().map(|input| input.images.clone());
        for (index, plan) in plans.iter().enumerate() {
            let stage = self.stage(plan)?;
            self.check_size(stage)?;
            let prompt = self.encode(stage, resident)?;
            self.check_cancel()?;
            self.load(stage, resident)?;
            let network = resident.network(stage).ok_or_else(|| internal("a network was not kept"))?;
            let columns = columns.iter().filter_map(|plans| plans.get(index)).map(|plan| ImageSettings::from(&plan.settings));
            let run = StageRun { job: self, stage, plan, columns: columns.collect(), network, prompt: &prompt };
            pictures = Some(run.run(pictures.as_deref())?);
            self.send(resident.memory(self.device));
        }
        Ok(())
    }

    /// # Errors
    /// [`Stop::Cancelled`] where the user asked for it.
    pub fn check_cancel(&self) -> Result<(), Stop> {
        if self.side.cancel.is_cancelled() { Err(Stop::Cancelled) } else { Ok(()) }
    }

    fn keeps(&self) -> bool {
        self.info.is_kept(self.request.weights)
    }

    fn stage(&self, plan: &StagePlan) -> Result<&Stage, EngineError> {
        self.model.stages.iter().find(|s| s.size == plan.size).ok_or_else(|| internal("a planned stage is not in the model"))
    }

    /// A tensor beyond the adapter's limit would fail late and without a reason.
    fn check_size(&self, stage: &Stage) -> Result<(), EngineError> {
        let needed = stage.network.largest_activation(stage.size as usize);
        match self.device.info.max_binding_bytes {
            Some(limit) if needed > limit => Err(EngineError::OutOfMemory {
                what: format!("one tensor of the {}-pixel stage", stage.size),
                needed: format!("{} MiB", needed >> 20),
                available: format!("{} MiB a tensor", limit >> 20),
                remedy: "stop at a smaller stage with --until, or use `--device cpu` or another adapter".into(),
            }),
            _ => Ok(()),
        }
    }

    fn encode(&self, stage: &Stage, resident: &mut Resident) -> Result<PromptStates, Stop> {
        let part = self.model.texts.get(stage.text).ok_or_else(|| internal("a stage has no text encoder"))?;
        let prompts = [self.request.prompt.as_str(), self.request.negative_prompt.as_str()];
        let states = match resident.texts.known(part, prompts) {
            Some(states) => states,
            None => {
                if !self.keeps() {
                    self.free_networks(resident);
                }
                let progress = self.loading("text encoder".into(), part.encoder.model().file_bytes());
                let states = resident.texts.encode(part, prompts, self.device, self.request.weights, &progress)?;
                self.send(resident.memory(self.device));
                if !self.keeps() {
                    resident.free_encoder(self.device);
                    self.send(resident.memory(self.device));
                }
                states
            }
        };
        let (tokens, max_tokens) = states.tokens;
        if tokens > max_tokens {
            self.send(Event::Notice { notice: Notice::PromptCut { tokens, max_tokens } });
        }
        Ok(states)
    }

    fn load(&self, stage: &Stage, resident: &mut Resident) -> Result<(), Stop> {
        if resident.network(stage).is_some() {
            return Ok(());
        }
        if !self.keeps() {
            self.free_networks(resident);
        }
        let total = stage.files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
        let progress = self.loading(stage.size.to_string(), total);
        resident.insert(stage, load_network(stage, self.device, self.request.weights, &progress)?);
        self.send(resident.memory(self.device));
        Ok(())
    }

    fn free_networks(&self, resident: &mut Resident) {
        resident.free_networks(self.device);
        self.send(resident.memory(self.device));
    }

    /// Reports loading a hundred times at most, and breaks it off where the job is cancelled.
    fn loading(&self, part: String, total_bytes: u64) -> impl Fn(u64) -> ControlFlow<()> + '_ {
        let done = std::cell::Cell::new((0_u64, 0_u64));
        move |bytes| {
            let (before, said) = done.get();
            let now = before + bytes;
            let percent = 100 * now / total_bytes.max(1);
            if percent > said {
                self.send(Event::Loading { part: part.clone(), done_bytes: now, total_bytes });
            }
            done.set((now, percent.max(said)));
            if self.side.cancel.is_cancelled() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        }
    }

    pub fn send(&self, event: Event) {
        // A reader that is gone is noticed by the worker at its next command.
        let _ = self.side.events.send(event);
    }
}

#[cfg(test)]
mod tests {
    use imagen_protocol::{DeviceChoice, EngineHandle, engine_channel};

    use super::*;
    use crate::runtime::open_device;

    /// A job on the default model's first stage.
    fn with_job(test: impl FnOnce(&Job<'_>, &Stage, &EngineHandle)) {
        let (handle, side) = engine_channel();
        let device = open_device(DeviceChoice::Cpu).expect("the CPU");
        let model = Model::open(None).expect("the model that ships");
        let (info, request) = (model.info().expect("its headers"), GenerateRequest::new("a red apple"));
        let job = Job { id: JobId(1), request: &request, model: &model, info: &info, device: &device, side: &side };
        test(&job, &model.stages[0], &handle);
    }

    fn loading_events(handle: &EngineHandle) -> usize {
        handle.events.try_iter().filter(|event| matches!(event, Event::Loading { .. })).count()
    }

    #[test]
    fn a_cancel_ends_loading_within_a_tensor_and_leaves_nothing() {
        with_job(|job, stage, handle| {
            let mut resident = Resident::default();
            handle.cancel.cancel();
            assert!(matches!(job.encode(stage, &mut resident), Err(Stop::Cancelled)));
            assert!(matches!(job.load(stage, &mut resident), Err(Stop::Cancelled)));
            assert_eq!(resident.bytes(), 0);
            assert!(loading_events(handle) <= 2, "one tensor each");
            handle.cancel.clear();
            job.load(stage, &mut resident).expect("it loads when nobody cancels");
            assert_eq!(resident.bytes(), 4 * job.info.stages[0].parameters);
            assert!(loading_events(handle) > 10);
        });
    }
}
