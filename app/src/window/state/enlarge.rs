//! Candidates of the first stage, enlarged alone: which of them would get a picture that is not there yet.

use imagen_protocol::{GenerateRequest, ModelInfo, StageInput, StagePlan};

use super::State;
use crate::window::action::Effect;
use crate::window::job::Purpose;
use crate::window::precision;
use crate::window::stage_view::{Progress, StageView};

impl State {
    /// Each of these candidates, on to the end of the cascade, as a job of its own: its noise is that of its own number.
    pub(super) fn enlarge(&mut self, candidates: &[u32]) -> Vec<Effect> {
        let requests: Vec<_> = candidates.iter().filter_map(|&candidate| self.enlargement(candidate)).collect();
        if requests.is_empty() {
            return vec![];
        }
        self.create.picked.clear();
        requests.into_iter().flat_map(|request| self.enqueue(Purpose::Create, request)).collect()
    }

    /// The marked candidates, or the shown one where none is marked, that enlarging would make a picture of.
    ///
    /// # Errors
    /// Why there is nothing to make.
    pub fn to_enlarge(&self) -> Result<Vec<u32>, String> {
        let picked = &self.create.picked;
        let chosen: Vec<u32> = if picked.is_empty() { vec![self.create.selected] } else { picked.iter().copied().collect() };
        let first = self.create.stages.keys().next().copied().unwrap_or_default();
        if !self.has_later(first) {
            return Err("This model has no stage that enlarges".into());
        }
        if self.create.input(first).is_none() {
            return Err(format!("Needs finished {first}-pixel pictures"));
        }
        let mut left = Vec::new();
        for candidate in chosen {
            if self.lacks_enlargement(candidate)? {
                left.push(candidate);
            }
        }
        if !left.is_empty() {
            return Ok(left);
        }
        let all = if picked.len() > 1 { format!("All {} are", picked.len()) } else { "It is".into() };
        let remedy = "a change of a later stage's settings makes another";
        Err(format!("{all} there, or on the way, with these settings; {remedy}"))
    }

    /// Whether a candidate's later stages are missing, or were made with other settings than the draft has now, and no job makes them.
    ///
    /// # Errors
    /// What the plan refuses.
    fn lacks_enlargement(&self, candidate: u32) -> Result<bool, String> {
        let Some(request) = self.enlargement(candidate) else { return Ok(false) };
        let Some(Ok(model)) = self.models.info.get(&request.model) else {
            return Err("The model of these pictures is not known any more; choose it on the left".into());
        };
        let plans = request.plan(&model.stages).map_err(|e| e.to_string())?;
        let jobs = self.queue.running.iter().chain(&self.queue.waiting);
        let asked_for = jobs.into_iter().any(|job| job.purpose == Purpose::Create && job.request == request);
        Ok(!asked_for && !plans.iter().all(|plan| self.is_there(candidate, plan, model)))
    }

    /// Whether a stage of a candidate is made, or being made, just so.
    fn is_there(&self, candidate: u32, plan: &StagePlan, model: &ModelInfo) -> bool {
        let weights = self.draft.weights;
        let comes = |stage: &StageView| match stage.progress {
            Progress::Done => true,
            Progress::Waiting | Progress::Running => self.create.is_at_work(),
            Progress::Cancelled | Progress::Failed(_) => false,
        };
        let same = |stage: &StageView| stage.plan == *plan && precision::agree(stage.request.weights, weights, model, plan.size);
        self.create.stage_of(plan.size, candidate).is_some_and(|stage| same(stage) && comes(stage))
    }

    /// The job that enlarges a candidate of the finished first stage.
    fn enlargement(&self, candidate: u32) -> Option<GenerateRequest> {
        let (&size, stage) = self.create.stages.iter().next()?;
        let image = stage.images.get(candidate as usize).filter(|_| stage.progress == Progress::Done)?.clone()?;
        let made = &stage.request;
        let input = StageInput { size, images: vec![image] };
        let first_candidate = made.first_candidate + candidate;
        Some(GenerateRequest { count: 1, first_candidate, until: None, ..self.follow(made, input) })
    }
}
