//! Plain lines, for logs and pipes.

use std::io::Write;

use imagen_protocol::{Event, GenerateRequest, StagePlan, StepReport};

use super::{Progress, Saved, words};
use crate::error::AppError;
use crate::output::write_line;

/// About this many lines a stage.
const LINES: u32 = 10;

/// Paths of pictures on `out`, the rest on `err`.
pub struct Lines<'a> {
    out: &'a mut dyn Write,
    err: &'a mut dyn Write,
    /// Seconds of the running stage so far.
    spent: f64,
    loading: String,
}

impl<'a> Lines<'a> {
    pub fn new(out: &'a mut dyn Write, err: &'a mut dyn Write) -> Self {
        Self { out, err, spent: 0.0, loading: String::new() }
    }

    fn step(&mut self, report: &StepReport) {
        self.spent += report.seconds;
        let tenth = |step: u32| u64::from(step) * u64::from(LINES) / u64::from(report.steps.max(1));
        if tenth(report.step) == tenth(report.step.saturating_sub(1)) {
            return;
        }
        let left = self.spent / f64::from(report.step.max(1)) * f64::from(report.steps.saturating_sub(report.step));
        let text = format!(
            "{} pixels: step {}/{}, {}, {} left",
            report.size,
            report.step,
            report.steps,
            words::clipping(report),
            words::duration(left)
        );
        write_line(self.err, &text);
    }
}

impl Progress for Lines<'_> {
    fn begin(&mut self, request: &GenerateRequest, stages: &[StagePlan]) {
        write_line(self.err, &words::opening(request, stages));
    }

    fn event(&mut self, event: &Event) {
        match event {
            Event::StageStarted { .. } => self.spent = 0.0,
            Event::StepFinished { report, .. } => self.step(report),
            Event::Loading { part, .. } if *part != self.loading => {
                self.loading.clone_from(part);
                write_line(self.err, &format!("loading: {part}"));
            }
            other => {
                if let Some(text) = words::line(other) {
                    write_line(self.err, &text);
                }
            }
        }
    }

    fn saved(&mut self, saved: Saved<'_>) {
        write_line(self.out, &saved.path.display().to_string());
    }

    fn remark(&mut self, line: &str) {
        write_line(self.err, line);
    }

    fn failed(&mut self, _: &AppError) {}
}

#[cfg(test)]
mod tests {
    use imagen_protocol::JobId;

    use super::*;
    use crate::test_support::report;

    #[test]
    fn a_long_stage_makes_ten_lines_with_the_time_left() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut lines = Lines::new(&mut out, &mut err);
        for step in 1..=1000 {
            let report = StepReport { seconds: 0.5, s: vec![1.0], clipped: vec![0.0], ..report(step, 1000) };
            lines.event(&Event::StepFinished { job: JobId(1), report });
        }
        let text = String::from_utf8(err).expect("UTF-8");
        assert_eq!(text.lines().count(), 10);
        assert!(text.starts_with("64 pixels: step 100/1000, s 1.00, clipped 0.0 %, 7 min 30 s left"), "{text}");
    }

    #[test]
    fn a_short_stage_makes_a_line_a_step() {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut lines = Lines::new(&mut out, &mut err);
        for step in 1..=3 {
            let report = StepReport { seconds: 1.0, s: vec![1.0], clipped: vec![0.0], ..report(step, 3) };
            lines.event(&Event::StepFinished { job: JobId(1), report });
        }
        assert_eq!(String::from_utf8(err).expect("UTF-8").lines().count(), 3);
    }
}
