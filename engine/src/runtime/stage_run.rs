//! One stage of a job: its pictures in groups, and what is told of each step.

use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use imagen_protocol::{EngineError, Event, Histogram, Preview, RgbImage, StagePlan, StepReport};

use super::cascade::Job;
use super::conditioning::PromptStates;
use super::error::{Stop, internal, model_error, noise, sampling, setting};
use super::group::{Pictures, Room};
use super::histogram::histogram;
use super::model::Stage;
use super::pictures::{from_pictures, read, to_pictures};
use super::resize::resize;
use super::stage::StagePredictor;
use crate::diffusion::{AugLevel, Draw, ImageSettings, NoiseSource, Outcome, SeededColumns, StepView, augment, sample};
use crate::models::Network;

/// One stage of a job.
pub struct StageRun<'a> {
    pub job: &'a Job<'a>,
    pub stage: &'a Stage,
    pub plan: &'a StagePlan,
    /// What the columns do not share, at least one.
    pub columns: Vec<ImageSettings>,
    pub network: &'a Network,
    pub prompt: &'a PromptStates,
}

/// Which of the stage's pictures run together, and where that is in the stage. Pictures are numbered column by column.
struct Group {
    first: usize,
    len: usize,
    /// Of the network's batch, in one pass.
    rows: usize,
    steps_before: u32,
    steps_total: u32,
}

impl StageRun<'_> {
    /// The pictures of every column and candidate.
    ///
    /// # Errors
    /// As [`Job::run`].
    pub fn run(&self, before: Option<&[RgbImage]>) -> Result<Vec<RgbImage>, Stop> {
        let (count, size) = (self.candidates() * self.columns.len(), self.plan.size);
        let (pictures, room) = (self.pictures(count), Room::on(self.job.device));
        let group = pictures.group(room);
        let groups = count.div_ceil(group);
        let steps_total = self.plan.steps * u32::try_from(groups).unwrap_or(u32::MAX);
        let started = Instant::now();
        self.job.send(Event::StageStarted { job: self.job.id, size, steps: steps_total });
        let mut images = Vec::with_capacity(count);
        for (i, first) in (0..count).step_by(group).enumerate() {
            let steps_before = self.plan.steps * u32::try_from(i).unwrap_or(u32::MAX);
            let len = group.min(count - first);
            let group = Group { first, len, rows: pictures.rows(len, room), steps_before, steps_total };
            images.extend(self.run_group(&group, before)?);
        }
        let seconds = started.elapsed().as_secs_f64();
        self.job.send(Event::StageFinished { job: self.job.id, size, seconds, images: images.clone() });
        Ok(images)
    }

    /// Of a column.
    fn candidates(&self) -> usize {
        self.job.request.count as usize
    }

    fn pictures(&self, count: usize) -> Pictures<'_> {
        Pictures {
            network: &self.stage.network,
            size: self.plan.size as usize,
            count: count.max(1),
            columns: self.columns.len(),
            guided: self.columns.iter().any(ImageSettings::is_guided),
        }
    }

    fn run_group(&self, group: &Group, before: Option<&[RgbImage]>) -> Result<Vec<RgbImage>, Stop> {
        let size = self.plan.size as usize;
        let device = &self.job.device.device;
        let shape = [group.len, 3, size, size];
        let mut source = self.noise(group)?;
        let low_res = self.low_res(group, before, &mut source)?;
        let mut predictor = StagePredictor::new(self.network, &self.stage.network, self.prompt, low_res, shape, group.rows)
            .map_err(|e| model_error(&self.job.model.path, e))?;
        let mut config = self.stage.sampler.with(&self.plan.settings);
        let rows = group.first..group.first + group.len;
        config.images = rows.filter_map(|row| self.columns.get(row / self.candidates()).copied()).collect();
        let start = source.draw(Draw::Start, shape, device).map_err(noise)?;
        let mut watch = Watch { run: self, group, last: Instant::now(), failed: None };
        let outcome = sample(&config, &mut predictor, start, &mut source, &mut |view| watch.step(&view));
        if let Some(error) = watch.failed {
            return Err(error.into());
        }
        match outcome.map_err(|e| sampling(e, &self.job.model.path))? {
            Outcome::Cancelled => Err(Stop::Cancelled),
            Outcome::Finished(x) => {
                let not_finite = EngineError::NotFinite { size: self.plan.size, step: self.plan.steps };
                Ok(to_pictures(x)?.ok_or(not_finite)?)
            }
        }
    }

    fn noise(&self, group: &Group) -> Result<SeededColumns, EngineError> {
        let request = self.job.request;
        let first_row = u32::try_from(group.first).map_err(|_| internal("too many pictures"))?;
        let (seed, first_image, count) = (request.seed, request.first_candidate, request.count);
        Ok(SeededColumns { seed, stage: self.plan.size, first_image, count, first_row })
    }

    /// The pictures of the stage before, enlarged and augmented, with what the network is told of it.
    fn low_res(
        &self,
        group: &Group,
        before: Option<&[RgbImage]>,
        source: &mut SeededColumns,
    ) -> Result<Option<(Tensor<4>, AugLevel, f64)>, EngineError> {
        let Some(low_res) = &self.stage.low_res else { return Ok(None) };
        let before = before.ok_or_else(|| internal("a super-resolution stage got no picture"))?;
        let inputs: Vec<RgbImage> = (group.first..group.first + group.len)
            // One picture for all, one a candidate, or one of this picture's own.
            .filter_map(|i| before.get(i % before.len().max(1)))
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
        let first = u32::try_from(self.group.first).unwrap_or(u32::MAX);
        let (s, clipped) = (read(view.s.clone())?, read(view.clipped.clone())?);
        let not_finite = EngineError::NotFinite { size, step };
        let images = to_pictures(view.x0_hat.clone())?.ok_or(not_finite)?;
        let histograms = if job.request.histograms { histograms(view, size, step)? } else { Vec::new() };
        let seconds = self.last.elapsed().as_secs_f64();
        self.last = Instant::now();
        let report = StepReport { size, step, steps: self.group.steps_total, seconds, first, s, clipped, histograms };
        job.send(Event::StepFinished { job: job.id, report });
        if job.request.every_step {
            job.send(Event::StepImages { job: job.id, size, step, first, images: images.clone() });
        }
        job.side.previews.put(Preview { job: job.id, size, step, first, images });
        Ok(())
    }
}

fn histograms(view: &StepView<'_>, size: u32, step: u32) -> Result<Vec<Histogram>, EngineError> {
    let values = read(view.raw_x0_hat.clone())?;
    let images = values.chunks(values.len() / view.raw_x0_hat.dims()[0].max(1));
    images.map(histogram).collect::<Option<_>>().ok_or(EngineError::NotFinite { size, step })
}
