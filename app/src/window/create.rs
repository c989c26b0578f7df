//! The create view's data: the cascade as it was last run, stage by stage, candidates that were enlarged alone, and which of it is older
//! than the draft.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use imagen_protocol::{EngineError, GenerateRequest, ModelInfo, Preview, RgbImage, StageInput, StagePlan};

use super::draft::Draft;
use super::lens::Lens;
use super::precision;
use super::stage_view::{Progress, StageView};

/// Stages by the side of their pictures.
pub type Stages = BTreeMap<u32, StageView>;

/// Results stay until something takes their place: going on from a stage keeps those before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Create {
    /// Of all candidates together.
    pub stages: Stages,
    /// Later stages of candidates that were enlarged alone, by the candidate's place in the first stage.
    pub enlarged: BTreeMap<u32, Stages>,
    /// Which candidate the tiles show.
    pub selected: u32,
    /// The stage whose tile is shown where there is room for one; `None`: that which is being made. The next job resets it.
    pub tile: Option<u32>,
    /// Candidates that are marked to be enlarged.
    pub picked: BTreeSet<u32>,
    /// What went wrong with the last job; cleared by the next.
    pub error: Option<EngineError>,
    /// Of the last job, once it is over.
    pub seconds: Option<f64>,
    /// What part of every picture is seen.
    pub lens: Lens,
    /// The candidate that the last job enlarges; `None`: all.
    active: Option<u32>,
    /// A job began and has not ended.
    at_work: bool,
}

impl Create {
    /// A job begins: its stages take the place of what was there, later ones that do not run again go.
    pub fn begin(&mut self, plans: &[StagePlan], request: &Arc<GenerateRequest>) {
        let first = plans.iter().map(|p| p.size).min().unwrap_or(0);
        self.active = self.candidate_of(request);
        let goes_on = self.goes_on(request);
        let stages = match self.active {
            Some(candidate) => {
                // Whoever looks at another enlarged candidate is left in peace.
                if !self.enlarged.contains_key(&self.selected) {
                    self.selected = candidate;
                }
                self.enlarged.entry(candidate).or_default()
            }
            None => {
                self.enlarged.clear();
                &mut self.stages
            }
        };
        stages.retain(|&size, _| size < first && goes_on);
        stages.extend(plans.iter().map(|plan| (plan.size, StageView::new(plan.clone(), Arc::clone(request)))));
        let candidates = self.candidates();
        self.selected = self.selected.min(candidates.saturating_sub(1));
        self.picked.retain(|&candidate| candidate < candidates);
        (self.error, self.seconds, self.tile, self.at_work) = (None, None, None, true);
    }

    /// Whether a job starts from pictures that are kept here.
    fn goes_on(&self, request: &GenerateRequest) -> bool {
        let Some(from) = &request.from else { return false };
        let kept = |s: &StageView| from.images.iter().all(|image| s.images.iter().flatten().any(|kept| kept == image));
        self.stages.get(&from.size).is_some_and(kept)
            || self.enlarged.values().filter_map(|stages| stages.get(&from.size)).any(kept)
    }

    /// The candidate of several that a job enlarges alone.
    fn candidate_of(&self, request: &GenerateRequest) -> Option<u32> {
        let from = request.from.as_ref().filter(|_| request.count == 1)?;
        let [image] = from.images.as_slice() else { return None };
        let made = &self.stages.values().next()?.request;
        let candidate = request.first_candidate.checked_sub(made.first_candidate)?;
        let same = self.candidates() > 1 && self.picture_of(from.size, candidate) == Some(image);
        same.then_some(candidate)
    }

    /// Marks a candidate, or takes its mark away.
    pub fn pick(&mut self, candidate: u32) {
        if !self.picked.remove(&candidate) {
            self.picked.insert(candidate);
        }
    }

    /// How many pictures the first stage has.
    pub fn candidates(&self) -> u32 {
        self.stages.values().next().map_or(0, |stage| u32::try_from(stage.images.len()).unwrap_or(u32::MAX))
    }

    /// What runs, or ran last: a stage of all candidates or of one.
    pub fn stage_mut(&mut self, size: u32) -> Option<&mut StageView> {
        match self.active {
            Some(candidate) => self.enlarged.get_mut(&candidate)?.get_mut(&size),
            None => self.stages.get_mut(&size),
        }
    }

    pub fn preview(&mut self, preview: &Preview) {
        if let Some(stage) = self.stage_mut(preview.size) {
            stage.previewed(preview);
        }
    }

    /// The job did everything.
    pub fn finished(&mut self, seconds: f64) {
        (self.seconds, self.at_work) = (Some(seconds), false);
    }

    /// The job ended before all stages were done. An error belongs to the stage that ran, or to the one that was about to.
    pub fn broke_off(&mut self, error: Option<&EngineError>) {
        self.error = error.cloned();
        if !std::mem::take(&mut self.at_work) {
            return;
        }
        let mut stages: Vec<&mut StageView> = match self.active {
            Some(candidate) => self.enlarged.get_mut(&candidate).into_iter().flat_map(BTreeMap::values_mut).collect(),
            None => self.stages.values_mut().collect(),
        };
        if let Some(stage) = stages.iter_mut().find(|s| !s.progress.is_over()) {
            stage.progress = Progress::Running;
            stage.broke_off(error);
        }
    }

    /// Whether a job began and has not ended.
    pub fn is_at_work(&self) -> bool {
        self.at_work
    }

    /// A stage as it is for a candidate: its own, or that of all.
    pub fn stage_of(&self, size: u32, candidate: u32) -> Option<&StageView> {
        self.enlarged.get(&candidate).and_then(|stages| stages.get(&size)).or_else(|| self.stages.get(&size))
    }

    /// A candidate's picture of a stage, live or finished.
    pub fn picture_of(&self, size: u32, candidate: u32) -> Option<&RgbImage> {
        let stage = self.stage_of(size, candidate)?;
        stage.images.get(index_in(stage, candidate))?.as_ref()
    }

    /// A stage of the selected candidate.
    pub fn shown(&self, size: u32) -> Option<&StageView> {
        self.stage_of(size, self.selected)
    }

    /// The selected candidate's picture of a stage.
    pub fn picture(&self, size: u32) -> Option<&RgbImage> {
        self.picture_of(size, self.selected)
    }

    /// Where the selected candidate is among the pictures of a stage.
    pub fn index(&self, size: u32) -> usize {
        self.shown(size).map_or(0, |stage| index_in(stage, self.selected))
    }

    /// What the last job made, with the stages before it.
    pub fn active_stages(&self) -> Stages {
        let own = self.active.and_then(|candidate| self.enlarged.get(&candidate)).cloned();
        let Some(own) = own else { return self.stages.clone() };
        let first = own.keys().next().copied().unwrap_or(u32::MAX);
        let before = self.stages.iter().filter(|(size, _)| **size < first).map(|(size, stage)| (*size, stage.clone()));
        before.chain(own).collect()
    }

    /// Sizes of the selected candidate's stages, smallest first.
    pub fn sizes(&self) -> BTreeSet<u32> {
        let own = self.enlarged.get(&self.selected).into_iter().flat_map(BTreeMap::keys);
        self.stages.keys().chain(own).copied().collect()
    }

    /// The selected candidate's largest stage that has something to show.
    pub fn latest(&self) -> Option<&StageView> {
        self.sizes().into_iter().rev().find(|&size| self.picture(size).is_some()).and_then(|size| self.shown(size))
    }

    /// The selected candidate's stage at which its job failed or was cancelled.
    pub fn ended(&self) -> Option<u32> {
        let over = |stage: &StageView| matches!(stage.progress, Progress::Cancelled | Progress::Failed(_));
        self.sizes().into_iter().find(|&size| self.shown(size).is_some_and(over))
    }

    /// The stage that runs, of whichever candidate.
    pub fn running(&self) -> Option<&StageView> {
        let all = self.stages.values().chain(self.enlarged.values().flat_map(BTreeMap::values));
        all.into_iter().find(|s| s.progress == Progress::Running)
    }

    /// Whether the selected candidate's stage was made with other settings than the draft has now, itself or in a stage before it.
    pub fn is_stale(&self, size: u32, draft: &Draft, model: &ModelInfo) -> bool {
        let Some(stage) = self.shown(size) else { return false };
        let made = &stage.request;
        let same_text = made.prompt == draft.prompt && made.negative_prompt == draft.negative_prompt && made.model == draft.model;
        let same_seed = made.seed == draft.seed;
        let same_stages = self.sizes().into_iter().filter(|&s| s <= size).filter_map(|s| self.shown(s)).all(|s| {
            let now = model.stages.iter().find(|info| info.size == s.size()).map(|info| draft.settings(info));
            now.is_none_or(|settings| settings == s.plan.settings)
                && precision::agree(s.request.weights, draft.weights, model, s.size())
        });
        !(same_text && same_seed && same_stages)
    }

    /// The kept pictures of a finished stage, as the input of those after it: of all candidates, or of the one that was enlarged alone.
    pub fn input(&self, size: u32) -> Option<StageInput> {
        let stage = self.shown(size).filter(|s| s.progress == Progress::Done)?;
        let images: Option<Vec<RgbImage>> = stage.images.iter().cloned().collect();
        Some(StageInput { size, images: images? })
    }
}

/// A stage that ran for one candidate alone has one picture.
fn index_in(stage: &StageView, candidate: u32) -> usize {
    if stage.images.len() == 1 { 0 } else { candidate as usize }
}

#[cfg(test)]
#[path = "create_tests.rs"]
mod tests;
