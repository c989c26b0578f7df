//! A request through the stages of a model.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use imagen_protocol::{EngineError, EngineSide, Event, GenerateRequest, JobId, Notice, Preview, RgbImage, StagePlan, StepReport};

use super::OpenDevice;
use super::conditioning::{PromptStates, TextCache};
use super::error::{model_error, noise, sampling, setting};
use super::model::{Model, Stage};
use super::pictures::{from_pictures, read, to_pictures};
use super::resize::resize;
use super::stage::{StagePredictor, load_network};
use crate::diffusion::{AugLevel, Draw, NoiseSource, Outcome, Seeded, StepView, augment, sample};
use crate::models::Network;

/// Candidates are sampled in groups of at most this many pixels: 16 of 64 x 64, one of 256 x 256 or more. A picture does not
/// depend on the group it is in; memory does.
const GROUP_PIXELS: usize = 16 * 64 * 64;
/// Models whose parts fit together in this much memory stay loaded; of larger ones, one part is loaded at a time.
const KEEP_BYTES: u64 = 6 << 30;

/// What stays between jobs.
#[derive(Debug, Default)]
pub struct Resident {
    pub texts: TextCache,
    /// By the stage's first file.
    networks: BTreeMap<PathBuf, Network>,
}

/// How a job ended.
#[derive(Debug, PartialEq)]
pub enum Ending {
    Finished,
    Cancelled,
}

/// A running job and where it reports to.
pub struct Job<'a> {
    pub id: JobId,
    pub request: &'a GenerateRequest,
    pub model: &'a Model,
    pub device: &'a OpenDevice,
    pub side: &'a EngineSide,
}

impl Job<'_> {
    /// Runs every stage of the request's plan.
    ///
    /// # Errors
    /// [`EngineError`], each kind.
    pub fn run(&self, resident: &mut Resident) -> Result<Ending, EngineError> {
        let info = self.model.info()?;
        let plans = self.request.plan(&info.stages)?;
        let keep = 4 * (info.text_encoder.parameters + info.stages.iter().map(|s| s.parameters).sum::<u64>()) < KEEP_BYTES;
        self.send(Event::JobStarted { job: self.id, model: info.name, stages: plans.clone() });
        let mut pictures: Option<Vec<RgbImage>> = self.request.from.as_ref().map(|input| input.images.clone());
        for plan in &plans {
            let stage = self.stage(plan)?;
            self.check_size(stage)?;
            let prompt = self.encode(stage, resident, keep)?;
            if self.side.cancel.is_cancelled() {
                return Ok(Ending::Cancelled);
            }
            self.load(stage, resident, keep)?;
            let network = resident.networks.get(&key(stage)).ok_or_else(|| internal("a network was not kept"))?;
            match (StageRun { job: self, stage, plan, network, prompt: &prompt }).run(pictures.as_deref())? {
                Some(made) => pictures = Some(made),
                None => return Ok(Ending::Cancelled),
            }
        }
        Ok(Ending::Finished)
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

    fn encode(&self, stage: &Stage, resident: &mut Resident, keep: bool) -> Result<PromptStates, EngineError> {
        let part = self.model.texts.get(stage.text).ok_or_else(|| internal("a stage has no text encoder"))?;
        if !keep {
            resident.networks.clear();
        }
        let total = part.encoder.model().file_bytes();
        let progress = self.loading("text encoder".into(), total);
        let prompts = [self.request.prompt.as_str(), self.request.negative_prompt.as_str()];
        let states = resident.texts.encode(part, prompts, self.device, &progress)?;
        if !keep {
            resident.texts.unload();
        }
        let (tokens, max_tokens) = states.tokens;
        if tokens > max_tokens {
            self.send(Event::Notice { notice: Notice::PromptCut { tokens, max_tokens } });
        }
        Ok(states)
    }

    fn load(&self, stage: &Stage, resident: &mut Resident, keep: bool) -> Result<(), EngineError> {
        let key = key(stage);
        if resident.networks.contains_key(&key) {
            return Ok(());
        }
        if !keep {
            resident.networks.clear();
            self.device.device.memory_cleanup();
        }
        let total = stage.files.iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum();
        let progress = self.loading(stage.size.to_string(), total);
        resident.networks.insert(key, load_network(stage, self.device, &progress)?);
        Ok(())
    }

    /// Reports loading a hundred times at most.
    fn loading(&self, part: String, total_bytes: u64) -> impl Fn(u64) + '_ {
        let done = std::cell::Cell::new((0_u64, 0_u64));
        move |bytes| {
            let (before, said) = done.get();
            let now = before + bytes;
            let percent = 100 * now / total_bytes.max(1);
            if percent > said {
                self.send(Event::Loading { part: part.clone(), done_bytes: now, total_bytes });
            }
            done.set((now, percent.max(said)));
        }
    }

    fn send(&self, event: Event) {
        // A reader that is gone is noticed by the worker at its next command.
        let _ = self.side.events.send(event);
    }
}

fn key(stage: &Stage) -> PathBuf {
    stage.files.first().cloned().unwrap_or_default()
}

fn internal(message: &str) -> EngineError {
    EngineError::Internal { message: message.into() }
}

/// One stage of a job.
struct StageRun<'a> {
    job: &'a Job<'a>,
    stage: &'a Stage,
    plan: &'a StagePlan,
    network: &'a Network,
    prompt: &'a PromptStates,
}

/// Where a group of candidates is in its stage.
struct Group {
    first: usize,
    len: usize,
    steps_before: u32,
    steps_total: u32,
}

impl StageRun<'_> {
    /// The pictures of every candidate; `None` if the job was cancelled.
    fn run(&self, before: Option<&[RgbImage]>) -> Result<Option<Vec<RgbImage>>, EngineError> {
        let (count, size) = (self.job.request.count as usize, self.plan.size);
        let group = (GROUP_PIXELS / (size as usize).pow(2)).clamp(1, count.max(1));
        let groups = count.div_ceil(group);
        let steps_total = self.plan.steps * u32::try_from(groups).unwrap_or(u32::MAX);
        let started = Instant::now();
        self.job.send(Event::StageStarted { job: self.job.id, size, steps: steps_total });
        let mut images = Vec::with_capacity(count);
        for (i, first) in (0..count).step_by(group).enumerate() {
            let steps_before = self.plan.steps * u32::try_from(i).unwrap_or(u32::MAX);
            let group = Group { first, len: group.min(count - first), steps_before, steps_total };
            match self.run_group(&group, before)? {
                Some(made) => images.extend(made),
                None => return Ok(None),
            }
        }
        let seconds = started.elapsed().as_secs_f64();
        self.job.send(Event::StageFinished { job: self.job.id, size, seconds, images: images.clone() });
        Ok(Some(images))
    }

    fn run_group(&self, group: &Group, before: Option<&[RgbImage]>) -> Result<Option<Vec<RgbImage>>, EngineError> {
        let size = self.plan.size as usize;
        let device = &self.job.device.device;
        let shape = [group.len, 3, size, size];
        let first_image = u32::try_from(group.first).map_err(|_| internal("too many candidates"))?;
        let mut source = Seeded { seed: self.job.request.seed, stage: self.plan.size, first_image };
        let low_res = self.low_res(group, before, &mut source)?;
        let mut predictor = StagePredictor::new(self.network, &self.stage.network, self.prompt, low_res, shape)
            .map_err(|e| model_error(&self.job.model.path, e))?;
        let config = self.stage.sampler.with(&self.plan.settings);
        let start = source.draw(Draw::Start, shape, device).map_err(noise)?;
        let mut watch = Watch { run: self, group, last: Instant::now(), failed: None };
        let outcome = sample(&config, &mut predictor, start, &mut source, &mut |view| watch.step(&view));
        if let Some(error) = watch.failed {
            return Err(error);
        }
        match outcome.map_err(|e| sampling(e, &self.job.model.path))? {
            Outcome::Cancelled => Ok(None),
            Outcome::Finished(x) => {
                let not_finite = EngineError::NotFinite { size: self.plan.size, step: self.plan.steps };
                to_pictures(x)?.ok_or(not_finite).map(Some)
            }
        }
    }

    /// The pictures of the stage before, enlarged and augmented, with what the network is told of it.
    fn low_res(
        &self,
        group: &Group,
        before: Option<&[RgbImage]>,
        source: &mut Seeded,
    ) -> Result<Option<(Tensor<4>, AugLevel, f64)>, EngineError> {
        let Some(low_res) = &self.stage.low_res else { return Ok(None) };
        let before = before.ok_or_else(|| internal("a super-resolution stage got no picture"))?;
        let inputs: Vec<RgbImage> = (group.first..group.first + group.len)
            .filter_map(|i| before.get(if before.len() == 1 { 0 } else { i }))
            .cloned()
            .collect();
        let from = inputs.first().map_or(0, |i| i.width() as usize);
        if inputs.len() != group.len || from == 0 {
            return Err(internal("a candidate has no picture of the stage before"));
        }
        let size = self.plan.size as usize;
        let values = resize(&from_pictures(&inputs), from, size, low_res.resize);
        let x = Tensor::<4>::from_data(TensorData::new(values, [group.len, 3, size, size]), &self.job.device.device);
        let aug_level = self.plan.settings.aug_level.unwrap_or(0.0);
        let aug = AugLevel::new(&low_res.augmentation, aug_level).map_err(setting)?;
        Ok(Some((augment(x, aug, source).map_err(noise)?, aug, aug_level)))
    }
}

/// Looks at each step: reports it, shows it, and breaks off.
struct Watch<'a> {
    run: &'a StageRun<'a>,
    group: &'a Group,
    last: Instant,
    failed: Option<EngineError>,
}

impl Watch<'_> {
    fn step(&mut self, view: &StepView<'_>) -> ControlFlow<()> {
        let cancelled = self.run.job.side.cancel.is_cancelled();
        match self.report(view) {
            Ok(()) if !cancelled => ControlFlow::Continue(()),
            Ok(()) => ControlFlow::Break(()),
            Err(error) => {
                self.failed = Some(error);
                ControlFlow::Break(())
            }
        }
    }

    fn report(&mut self, view: &StepView<'_>) -> Result<(), EngineError> {
        let job = self.run.job;
        let size = self.run.plan.size;
        let step = self.group.steps_before + u32::try_from(view.index + 1).unwrap_or(u32::MAX);
        let (s, clipped) = (read(view.s.clone())?, read(view.clipped.clone())?);
        let not_finite = EngineError::NotFinite { size, step };
        let images = to_pictures(view.x0_hat.clone())?.ok_or(not_finite)?;
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let report = StepReport { size, step, steps: self.group.steps_total, seconds, s, clipped };
        job.send(Event::StepFinished { job: job.id, report });
        if job.request.every_step {
            job.send(Event::StepImages { job: job.id, size, step, images: images.clone() });
        }
        job.side.previews.put(Preview { job: job.id, size, step, images });
        Ok(())
    }
}
