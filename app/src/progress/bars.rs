//! A bar a stage, with the time left.

use std::io::Write;

use imagen_protocol::{Event, GenerateRequest, StagePlan};
use indicatif::{ProgressBar, ProgressStyle};

use super::{Progress, Saved, words};
use crate::error::AppError;
use crate::output::write_line;

const STAGE: &str = "{prefix:>12} {wide_bar} {pos}/{len}, {msg}, {eta} left";
const LOADING: &str = "{prefix:>12} {wide_bar} {bytes} of {total_bytes}";

/// Bars on stderr, paths of pictures on `out`.
pub struct Bars<'a> {
    out: &'a mut dyn Write,
    bar: ProgressBar,
    loading: Option<String>,
}

impl<'a> Bars<'a> {
    pub fn new(out: &'a mut dyn Write) -> Self {
        Self { out, bar: ProgressBar::hidden(), loading: None }
    }

    fn replace(&mut self, template: &str, prefix: String, length: u64) {
        self.bar.finish_and_clear();
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        self.bar = ProgressBar::new(length).with_style(style).with_prefix(prefix);
    }

    fn load(&mut self, part: &str, done: u64, total: u64) {
        if self.loading.as_deref() != Some(part) {
            self.replace(LOADING, format!("load {part}"), total);
            self.loading = Some(part.to_owned());
        }
        self.bar.set_position(done);
    }

    fn line(&mut self, text: &str) {
        self.bar.suspend(|| write_line(&mut std::io::stderr(), text));
    }
}

impl Progress for Bars<'_> {
    fn begin(&mut self, request: &GenerateRequest, stages: &[StagePlan]) {
        self.line(&words::opening(request, stages));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::Loading { part, done_bytes, total_bytes } => self.load(part, *done_bytes, *total_bytes),
            Event::StageStarted { size, steps, .. } => {
                self.loading = None;
                self.replace(STAGE, format!("{size} pixels"), u64::from(*steps));
            }
            Event::StepFinished { report, .. } => {
                self.bar.set_message(words::clipping(report));
                self.bar.set_position(u64::from(report.step));
            }
            Event::StageFinished { .. } | Event::JobFinished { .. } | Event::JobFailed { .. } | Event::JobCancelled { .. } => {
                self.bar.finish_and_clear();
            }
            _ => {}
        }
        if let Some(text) = words::line(event) {
            self.line(&text);
        }
    }

    fn saved(&mut self, saved: Saved<'_>) {
        let out = &mut *self.out;
        self.bar.suspend(|| write_line(out, &saved.path.display().to_string()));
    }

    fn remark(&mut self, line: &str) {
        self.line(line);
    }

    fn failed(&mut self, _: &AppError) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_templates_are_valid() {
        for template in [STAGE, LOADING] {
            assert!(ProgressStyle::with_template(template).is_ok(), "{template}");
        }
    }
}
