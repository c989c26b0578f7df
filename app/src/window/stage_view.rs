//! One stage of one job, as views show it: live while it runs, kept when it is done.

use std::sync::Arc;

use imagen_protocol::{EngineError, GenerateRequest, Preview, RgbImage, StagePlan, StepReport};

/// How far a stage is.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Progress {
    #[default]
    Waiting,
    Running,
    Done,
    Cancelled,
    Failed(EngineError),
}

impl Progress {
    /// Whether nothing more comes.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Done | Self::Cancelled | Self::Failed(_))
    }
}

/// A stage's steps and pictures. Index `i` of the vectors is picture i of the job (column * count + candidate).
#[derive(Clone, Debug, PartialEq)]
pub struct StageView {
    pub plan: StagePlan,
    pub progress: Progress,
    /// The request that makes or made it, and how each stage up to this one was set: what tells whether the draft still agrees.
    pub request: Arc<GenerateRequest>,
    /// Finished steps of `steps`.
    pub step: u32,
    pub steps: u32,
    /// Spent so far.
    pub seconds: f64,
    pub reports: Vec<StepReport>,
    /// The latest x0_hat while it runs, the result afterwards; `None` for a picture that has not begun.
    pub images: Vec<Option<RgbImage>>,
}

impl StageView {
    pub fn new(plan: StagePlan, request: Arc<GenerateRequest>) -> Self {
        let pictures = request.count as usize * request.columns.len().max(1);
        let steps = plan.steps;
        Self {
            plan,
            progress: Progress::Waiting,
            request,
            step: 0,
            steps,
            seconds: 0.0,
            reports: Vec::new(),
            images: vec![None; pictures],
        }
    }

    pub fn size(&self) -> u32 {
        self.plan.size
    }

    pub fn started(&mut self, steps: u32) {
        self.progress = Progress::Running;
        self.steps = steps;
    }

    pub fn stepped(&mut self, report: StepReport) {
        self.step = report.step;
        self.steps = report.steps;
        self.seconds += report.seconds;
        self.reports.push(report);
    }

    pub fn previewed(&mut self, preview: &Preview) {
        if self.progress != Progress::Running {
            return;
        }
        for (slot, image) in self.images.iter_mut().skip(preview.first as usize).zip(&preview.images) {
            *slot = Some(image.clone());
        }
    }

    pub fn finished(&mut self, seconds: f64, images: Vec<RgbImage>) {
        self.progress = Progress::Done;
        self.step = self.steps;
        self.seconds = seconds;
        self.images = images.into_iter().map(Some).collect();
    }

    /// The job ended before this stage did.
    pub fn broke_off(&mut self, error: Option<&EngineError>) {
        if self.progress == Progress::Running {
            self.progress = error.map_or(Progress::Cancelled, |e| Progress::Failed(e.clone()));
        }
    }

    /// Of its steps, in [0, 1].
    pub fn share_done(&self) -> f32 {
        if self.steps == 0 { 0.0 } else { self.step as f32 / self.steps as f32 }
    }

    /// From the mean of the last steps; `None` before the first is done.
    pub fn seconds_left(&self) -> Option<f64> {
        const RECENT: usize = 8;
        let recent = &self.reports[self.reports.len().saturating_sub(RECENT)..];
        let mean = recent.iter().map(|r| r.seconds).sum::<f64>() / recent.len() as f64;
        (!recent.is_empty()).then(|| mean * f64::from(self.steps - self.step.min(self.steps)))
    }

    /// Step number, s and clipped share of picture `index`, in the order of its steps.
    pub fn track(&self, index: usize) -> Vec<(f32, f32)> {
        let of = |r: &StepReport| {
            let at = index.checked_sub(r.first as usize)?;
            Some((*r.s.get(at)?, *r.clipped.get(at)?))
        };
        self.reports.iter().filter_map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{flat, plans};

    fn view(count: u32) -> StageView {
        let request = GenerateRequest { count, ..GenerateRequest::new("x") };
        let mut view = StageView::new(plans(&[64]).remove(0), Arc::new(request));
        view.started(10);
        view
    }

    fn step(step: u32, seconds: f64, first: u32, s: &[f32]) -> StepReport {
        let clipped = vec![0.5; s.len()];
        StepReport { size: 64, step, steps: 10, seconds, first, s: s.to_vec(), clipped, histograms: vec![] }
    }

    #[test]
    fn the_time_left_comes_from_the_last_steps() {
        let mut view = view(1);
        assert_eq!(view.seconds_left(), None);
        view.stepped(step(1, 100.0, 0, &[1.0]));
        for i in 2..=9 {
            view.stepped(step(i, 2.0, 0, &[1.0]));
        }
        assert_eq!((view.seconds_left(), view.seconds, view.share_done()), (Some(2.0), 116.0, 0.9));
    }

    #[test]
    fn a_group_of_pictures_has_its_own_track() {
        let mut view = view(3);
        view.stepped(step(1, 1.0, 0, &[1.0, 1.5]));
        view.stepped(step(1, 1.0, 2, &[2.0]));
        assert_eq!((view.track(1), view.track(2)), (vec![(1.5, 0.5)], vec![(2.0, 0.5)]));
        view.previewed(&Preview { job: imagen_protocol::JobId(1), size: 64, step: 1, first: 2, images: vec![flat(64, [9; 3])] });
        assert_eq!(view.images, [None, None, Some(flat(64, [9; 3]))]);
    }

    #[test]
    fn a_late_preview_does_not_replace_a_result() {
        let mut view = view(1);
        view.finished(1.0, vec![flat(64, [1; 3])]);
        view.previewed(&Preview { job: imagen_protocol::JobId(1), size: 64, step: 9, first: 0, images: vec![flat(64, [2; 3])] });
        assert_eq!(view.images, [Some(flat(64, [1; 3]))]);
        view.broke_off(None);
        assert_eq!(view.progress, Progress::Done);
    }
}
