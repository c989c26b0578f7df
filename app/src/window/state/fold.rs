//! What each event of the engine changes.

use std::sync::Arc;

use imagen_protocol::{DeviceChoice, EngineError, Event, JobId, Notice, Preview, RgbImage, StagePlan, StepReport};

use super::{EngineStatus, Loading, Memory, Offer, State};
use crate::window::action::{Action, Effect, Picture};
use crate::window::compare::of_picture;
use crate::window::io::IoTask;
use crate::window::job::{Job, Purpose};
use crate::window::log::Weight;
use crate::window::stage_view::StageView;

impl State {
    pub fn fold(&mut self, event: Event) -> Vec<Effect> {
        match event {
            Event::Ready { device } => {
                self.log.push(self.now, Weight::Info, format!("device: {}", device.name));
                self.engine = EngineStatus::Ready(device);
                return self.start_next();
            }
            Event::Unavailable { error } => self.unavailable(error),
            Event::Notice { notice } => self.notice(notice),
            Event::Loading { part, done_bytes, total_bytes } => self.loading = Some(Loading { part, done_bytes, total_bytes }),
            Event::Memory { model_bytes, used_bytes } => self.memory = Memory { model_bytes, used_bytes },
            Event::JobStarted { job, model, stages } => self.job_started(job, model, &stages),
            Event::StageStarted { job, size, steps } => {
                self.loading = None;
                self.each_stage(job, size, |stage, _| stage.started(steps));
            }
            Event::StepFinished { job, report } => self.stepped(job, &report),
            Event::StageFinished { job, size, seconds, images } => return self.stage_finished(job, size, seconds, images),
            Event::JobFinished { job, seconds } => return self.job_finished(job, seconds),
            Event::JobFailed { job, error } => return self.job_ended(job, Some(error)),
            Event::JobCancelled { job } => return self.job_ended(job, None),
            Event::ModelInspected { .. } | Event::StepImages { .. } => {}
        }
        vec![]
    }

    /// A live preview.
    pub fn preview(&mut self, preview: &Preview) {
        let Some(job) = self.queue.running.as_ref().filter(|job| job.id == preview.job) else { return };
        match job.purpose {
            Purpose::Create => self.create.preview(preview),
            Purpose::Compare => self.compare.preview(preview),
            Purpose::Strip => {
                if let Some(strip) = &mut self.compare.strip.stage {
                    strip.previewed(preview);
                }
            }
        }
    }

    /// The engine ended without a word: its thread died.
    pub fn engine_gone(&mut self) {
        if !matches!(self.engine, EngineStatus::Unavailable(_)) {
            self.unavailable(EngineError::Device {
                problem: "the engine stopped unexpectedly".into(),
                remedy: "start it again, or choose another device".into(),
            });
        }
    }

    fn unavailable(&mut self, error: EngineError) {
        let mut offers = vec![Offer::new("Restart", Action::RestartEngine)];
        if self.draft.device != DeviceChoice::Cpu {
            offers.push(Offer::new("Use the CPU", Action::SetDevice(DeviceChoice::Cpu)));
        }
        self.offer(Weight::Error, error.to_string(), offers);
        self.end_running(Some(&error));
        self.engine = EngineStatus::Unavailable(error);
    }

    /// The running job is over without its own ending.
    pub(super) fn end_running(&mut self, error: Option<&EngineError>) {
        let Some(job) = self.queue.running.take() else { return };
        self.broke_off(&job, error);
    }

    fn notice(&mut self, notice: Notice) {
        match notice {
            Notice::PromptCut { tokens, max_tokens } => {
                let text = format!("the prompt has {tokens} tokens, the text encoder reads {max_tokens}: the rest is not seen");
                self.note(Weight::Warning, text);
            }
            Notice::Device { remark, .. } => {
                if let Some(remark) = remark {
                    self.log.push(self.now, Weight::Info, remark);
                }
            }
            Notice::License { model, license } => {
                self.log.push(self.now, Weight::Info, format!("model {model}: licence {license}"));
            }
            Notice::Other { message } => self.note(Weight::Info, message),
        }
    }

    fn job_started(&mut self, id: JobId, model: String, plans: &[StagePlan]) {
        self.running_model = model;
        let Some(job) = self.queue.running.as_ref().filter(|job| job.id == id) else { return };
        let request = Arc::new(job.request.clone());
        match job.purpose {
            Purpose::Create => self.create.begin(plans, &request),
            Purpose::Compare => self.compare.begin(plans, &request),
            Purpose::Strip => self.compare.strip.begin(plans, request),
        }
    }

    /// Every view of a stage of the running job, with the number of the job's picture it begins at.
    fn each_stage(&mut self, id: JobId, size: u32, mut change: impl FnMut(&mut StageView, usize)) {
        let Some(job) = self.queue.running.as_ref().filter(|job| job.id == id) else { return };
        match job.purpose {
            Purpose::Create => {
                if let Some(stage) = self.create.stage_mut(size) {
                    change(stage, 0);
                }
            }
            Purpose::Compare => {
                let own = self.compare.columns.iter_mut().take(job.request.columns.len());
                for (index, column) in own.enumerate() {
                    if let Some(stage) = column.stages.get_mut(&size) {
                        change(stage, index);
                    }
                }
            }
            Purpose::Strip => {
                if let Some(strip) = &mut self.compare.strip.stage {
                    change(strip, 0);
                }
            }
        }
    }

    fn runs_columns(&self) -> bool {
        self.queue.running.as_ref().is_some_and(|job| job.purpose == Purpose::Compare)
    }

    fn stepped(&mut self, id: JobId, report: &StepReport) {
        let columns = self.runs_columns();
        self.each_stage(id, report.size, |stage, index| {
            // Columns that do not fit in one batch come later: a report is of some of them.
            let own = if columns { of_picture(report, index) } else { Some(report.clone()) };
            own.into_iter().for_each(|report| stage.stepped(report));
        });
    }

    fn stage_finished(&mut self, id: JobId, size: u32, seconds: f64, images: Vec<RgbImage>) -> Vec<Effect> {
        let columns = self.runs_columns();
        self.each_stage(id, size, |stage, index| {
            let own = if columns { images.get(index).cloned().into_iter().collect() } else { images.clone() };
            stage.finished(seconds, own);
        });
        self.log.push(self.now, Weight::Info, format!("{size} pixels: done in {seconds:.1} s"));
        vec![]
    }

    fn job_finished(&mut self, id: JobId, seconds: f64) -> Vec<Effect> {
        let Some(job) = self.queue.finish(id) else { return vec![] };
        self.log.push(self.now, Weight::Info, format!("\"{}\": finished in {seconds:.1} s", job.request.prompt));
        let mut effects = Vec::new();
        if job.purpose == Purpose::Create {
            self.create.finished(seconds);
            effects.extend(self.keep_pictures());
        }
        effects.extend(self.start_next());
        effects
    }

    /// The last stage's pictures, every candidate, into the pictures' folder.
    fn keep_pictures(&self) -> Vec<Effect> {
        let stages = self.create.active_stages();
        let Some((&size, stage)) = stages.iter().next_back() else { return vec![] };
        let plans: Vec<StagePlan> = stages.values().map(|s| s.plan.clone()).collect();
        let pictures = stage.images.iter().flatten().zip(0..).map(|(image, index)| {
            let settings = Box::new(self.settings_of(&stage.request, &plans, size, index));
            Picture { image: image.clone(), settings }
        });
        pictures.map(|picture| Effect::Io(IoTask::Save { picture, folder: self.pictures_folder() })).collect()
    }

    fn job_ended(&mut self, id: JobId, error: Option<EngineError>) -> Vec<Effect> {
        let Some(job) = self.queue.finish(id) else { return vec![] };
        self.broke_off(&job, error.as_ref());
        match error {
            // A device that failed fails the waiting jobs too: they wait for the user's choice of what comes next.
            Some(error @ EngineError::Device { .. }) => {
                self.unavailable(error);
                vec![]
            }
            // Files may have gone or changed: the model is looked into again, so that its picker tells.
            Some(EngineError::Model { .. } | EngineError::File { .. }) => {
                let mut effects = vec![Effect::Io(IoTask::Inspect(job.request.model))];
                effects.extend(self.start_next());
                effects
            }
            _ => self.start_next(),
        }
    }

    fn broke_off(&mut self, job: &Job, error: Option<&EngineError>) {
        self.loading = None;
        let text = error.map_or_else(|| "cancelled".into(), ToString::to_string);
        let weight = if error.is_some() { Weight::Error } else { Weight::Info };
        self.log.push(self.now, weight, format!("\"{}\": {text}", job.request.prompt));
        match job.purpose {
            Purpose::Create => self.create.broke_off(error),
            Purpose::Compare => self.compare.broke_off(error),
            Purpose::Strip => self.compare.strip.broke_off(error),
        }
    }
}
