//! `imagen generate`.

use std::path::{Path, PathBuf};

use imagen_protocol::{Event, RgbImage};

use crate::args::GenerateArgs;
use crate::atomic::{self, Existing};
use crate::error::AppError;
use crate::interrupt::Interrupt;
use crate::licenses;
use crate::names::{Names, slug};
use crate::output::Output;
use crate::png::{self, FORMAT, IMAGEN, PARAMETERS, PictureSettings};
use crate::progress::{self, Progress, Saved};
use crate::request::{self, Prepared};
use crate::runtime::Runtime;
use crate::session::Session;

/// The program and its version, as pictures name it.
pub const APP: &str = concat!("imagen-wgpu ", env!("CARGO_PKG_VERSION"));

/// Makes pictures and writes each as soon as its stage is done.
///
/// # Errors
/// Wrong settings or paths, before any work; then the engine's, or a file that cannot be written. Stages that were finished stay.
pub fn run(args: &GenerateArgs, runtime: Runtime<'_>, output: &mut Output<'_>, interrupt: Interrupt) -> Result<(), AppError> {
    let stored = request::stored(args)?;
    let model = (runtime.inspect)(request::model_folder(args, stored.as_ref()).as_deref())?;
    let prepared = request::prepare(args, stored.as_ref(), &model)?;
    let mut writer = Writer::new(args, &prepared, model.name);
    writer.check()?;
    let mut progress = progress::choose(output, args.json);
    progress.begin(&prepared.request, &prepared.stages);
    for remark in &prepared.remarks {
        progress.remark(remark);
    }
    let mut session = Session::new((runtime.start)(args.job.device), interrupt);
    let result = session.run(prepared.request, &mut |event| {
        if args.json || !licenses::shown_before(event) {
            progress.event(event);
        }
        writer.event(event, progress.as_mut())
    });
    session.close();
    if let Err(error) = &result {
        progress.failed(error);
    }
    result
}

/// Writes what comes: finished stages, and every step where asked for.
struct Writer {
    names: Names,
    steps: Option<PathBuf>,
    existing: Existing,
    /// Those of the picture being written; model, device and stages are the engine's own once it tells them.
    settings: PictureSettings,
}

impl Writer {
    fn new(args: &GenerateArgs, prepared: &Prepared, model: String) -> Self {
        let request = prepared.request.clone();
        let names = Names::new(args.out.as_deref(), &slug(&request.prompt, request.seed), request.count);
        let settings = PictureSettings {
            format: FORMAT,
            app: APP.into(),
            model,
            device: String::new(),
            size: 0,
            candidate: 1,
            request,
            stages: prepared.stages.clone(),
        };
        let existing = if args.job.force { Existing::Replace } else { Existing::Keep };
        Self { names, steps: args.save_steps.clone(), existing, settings }
    }

    /// Nothing is in the way and every folder takes files: checked before the work, not after it.
    fn check(&self) -> Result<(), AppError> {
        let sizes: Vec<u32> = self.settings.stages.iter().map(|s| s.size).collect();
        let mut files = self.names.all(&sizes);
        if let Some(dir) = &self.steps {
            files.extend(self.step_files(dir));
        }
        atomic::check_free(&files, self.existing)?;
        atomic::prepare_folder(&atomic::folder(&self.names.picture(0, 0)))?;
        let Some(dir) = &self.steps else { return Ok(()) };
        sizes.iter().try_for_each(|size| atomic::prepare_folder(&dir.join(size.to_string())))
    }

    fn step_files(&self, dir: &Path) -> Vec<PathBuf> {
        let candidates = 0..self.settings.request.count as usize;
        let of_stage = |candidate: usize| {
            let all = self.settings.stages.iter();
            all.flat_map(move |s| (1..=s.steps).map(move |step| self.names.step(dir, candidate, s.size, step)))
        };
        candidates.flat_map(of_stage).collect()
    }

    fn event(&mut self, event: &Event, progress: &mut dyn Progress) -> Result<(), AppError> {
        match event {
            Event::Ready { device } => self.settings.device.clone_from(&device.name),
            Event::JobStarted { model, stages, .. } => {
                self.settings.model.clone_from(model);
                self.settings.stages.clone_from(stages);
            }
            Event::StepImages { size, step, first, images, .. } => return self.write_step(*size, *step, *first, images),
            Event::StageFinished { size, images, .. } => return self.write_stage(*size, images, progress),
            _ => {}
        }
        Ok(())
    }

    fn write_stage(&mut self, size: u32, images: &[RgbImage], progress: &mut dyn Progress) -> Result<(), AppError> {
        for (index, image) in images.iter().enumerate() {
            // Counts end at 64.
            let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
            let candidate = number.saturating_add(self.settings.request.first_candidate);
            (self.settings.size, self.settings.candidate) = (size, candidate);
            let json = self.settings.to_json()?;
            let text = png::parameters(&self.settings);
            let bytes = png::encode(image, &[(PARAMETERS, &text), (IMAGEN, &json)], false)?;
            let path = self.names.picture(index, size);
            atomic::write(&path, &bytes, self.existing)?;
            progress.saved(Saved { path: &path, size, candidate });
        }
        Ok(())
    }

    /// `step` counts on where one group of candidates follows another; files count each candidate's own.
    fn write_step(&self, size: u32, step: u32, first: u32, images: &[RgbImage]) -> Result<(), AppError> {
        let Some(dir) = &self.steps else { return Ok(()) };
        let steps = self.settings.stages.iter().find(|plan| plan.size == size).map_or(step, |plan| plan.steps);
        let step = step.saturating_sub(1) % steps.max(1) + 1;
        images.iter().zip(first as usize..).try_for_each(|(image, candidate)| {
            let bytes = png::encode(image, &[], true)?;
            atomic::write_unflushed(&self.names.step(dir, candidate, size, step), &bytes, self.existing)
        })
    }
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
