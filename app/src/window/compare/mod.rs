//! The compare view's data: settings side by side on the same seed and noise, and the guidance strip.

mod axes;
mod difference;
mod kept;
mod look;
mod sheet;
mod strip;

use std::collections::BTreeMap;
use std::sync::Arc;

use imagen_protocol::{EngineError, GenerateRequest, ModelInfo, Preview, RgbImage, StageOverrides, StagePlan, Threshold};

use super::draft::Draft;
use super::precision;
use super::stage_view::StageView;

pub use axes::{Axes, histogram_at, log_count, nice_step};
pub use difference::{Cache as DifferenceCache, Difference, GAINS, difference};
pub use kept::{CAPS, Kept, KeptColumn, PERCENTILES, WEIGHTS};
pub use look::{Look, Mode};
pub use sheet::Sheet;
pub(super) use strip::of_picture;
pub use strip::{STRIP_WEIGHTS, Strip};

/// Most columns side by side.
pub const MAX_COLUMNS: usize = 4;
/// Fewer are no comparison.
pub const MIN_COLUMNS: usize = 2;

/// "dynamic 99.5 %, cap 1.5": short enough for a head or a label.
pub fn threshold_label(threshold: &Threshold) -> String {
    match threshold {
        Threshold::None => "none".into(),
        Threshold::Static => "static".into(),
        Threshold::Dynamic { percentile, cap } => {
            let cap = cap.map(|c| format!(", cap {c}")).unwrap_or_default();
            // Rounded to hide what the division by 100 left behind.
            format!("dynamic {} %{cap}", (percentile * 1e6).round() / 1e4)
        }
    }
}

/// One setting, compared with others.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// On top of the draft's.
    pub guidance_weight: Option<f64>,
    pub threshold: Threshold,
    /// What it made last, by stage; index 0 of every vector is this column's.
    pub stages: BTreeMap<u32, StageView>,
}

impl Column {
    pub fn new(threshold: Threshold) -> Self {
        Self { guidance_weight: None, threshold, stages: BTreeMap::new() }
    }

    /// What it changes of a stage.
    pub fn overrides(&self) -> StageOverrides {
        StageOverrides { guidance_weight: self.guidance_weight, threshold: Some(self.threshold), ..StageOverrides::default() }
    }

    /// The picture of a stage, live or finished.
    pub fn picture(&self, size: u32) -> Option<&RgbImage> {
        self.stages.get(&size)?.images.first()?.as_ref()
    }

    /// Whether what it shows of a stage was made with other settings than the next run would have.
    pub fn is_stale(&self, size: u32, draft: &Draft, model: &ModelInfo) -> bool {
        let Some(shown) = self.stages.get(&size) else { return false };
        let made = &shown.request;
        let same_text = made.prompt == draft.prompt && made.negative_prompt == draft.negative_prompt;
        let same_source = made.seed == draft.seed && made.model == draft.model;
        let same_stages = self.stages.values().filter(|s| s.size() <= size).all(|s| {
            let info = model.stages.iter().find(|info| info.size == s.size());
            info.is_none_or(|info| draft.settings(info).with(&self.overrides()) == s.plan.settings)
                && precision::agree(s.request.weights, draft.weights, model, s.size())
        });
        !(same_text && same_source && same_stages)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Compare {
    pub columns: Vec<Column>,
    pub strip: Strip,
    /// Last stage to run.
    pub until: u32,
    /// What went wrong with the columns' last job.
    pub error: Option<EngineError>,
    pub look: Look,
    pub difference: DifferenceCache,
}

impl Default for Compare {
    fn default() -> Self {
        let modes = [Threshold::None, Threshold::Static, Threshold::PAPER];
        Self {
            columns: modes.into_iter().map(Column::new).collect(),
            strip: Strip::default(),
            until: 64,
            error: None,
            look: Look::default(),
            difference: DifferenceCache::default(),
        }
    }
}

impl Compare {
    /// The columns' job begins: each column gets its own stages.
    pub fn begin(&mut self, plans: &[StagePlan], request: &Arc<GenerateRequest>) {
        (self.error, self.look.shown) = (None, None);
        for (column, overrides) in self.columns.iter_mut().zip(&request.columns) {
            let one = Arc::new(GenerateRequest { columns: vec![overrides.clone()], count: 1, ..(**request).clone() });
            let of = |plan: &StagePlan| {
                let user = overrides.get(&plan.size).cloned().unwrap_or_default();
                let plan = StagePlan { settings: plan.settings.with(&user), ..plan.clone() };
                (plan.size, StageView::new(plan, Arc::clone(&one)))
            };
            column.stages = plans.iter().map(of).collect();
        }
    }

    pub fn preview(&mut self, preview: &Preview) {
        for (i, image) in preview.images.iter().enumerate() {
            let at = preview.first as usize + i;
            let Some(stage) = self.columns.get_mut(at).and_then(|c| c.stages.get_mut(&preview.size)) else { continue };
            stage.previewed(&Preview { first: 0, images: vec![image.clone()], ..preview.clone() });
        }
    }

    /// The columns' job ended before all stages were done.
    pub fn broke_off(&mut self, error: Option<&EngineError>) {
        for stage in self.columns.iter_mut().flat_map(|c| c.stages.values_mut()) {
            stage.broke_off(error);
        }
        self.error = error.cloned();
    }

    /// The last stage to run on a model of these sizes.
    pub fn until(&self, sizes: &[u32]) -> Option<u32> {
        sizes.iter().copied().filter(|&size| size <= self.until).max().or(sizes.first().copied())
    }

    /// The stage that is shown: the chosen one, or the largest that has a picture.
    pub fn shown(&self, sizes: &[u32]) -> u32 {
        let made = |size: &u32| self.columns.iter().any(|c| c.picture(*size).is_some());
        let latest = sizes.iter().copied().filter(made).max();
        self.look.shown.filter(|s| sizes.contains(s)).or(latest).or(sizes.first().copied()).unwrap_or(self.until)
    }

    /// The columns that the wipe and the difference show: always two that exist.
    pub fn pair(&self) -> [usize; 2] {
        self.look.pair.map(|i| i.min(self.columns.len().saturating_sub(1)))
    }

    /// The difference of the pair at a stage; `None` before both have a picture of one size.
    pub fn pair_difference(&mut self, size: u32) -> Option<&Difference> {
        let [a, b] = self.pair();
        let (a, b) = (self.columns.get(a)?.picture(size)?, self.columns.get(b)?.picture(size)?);
        self.difference.get(a, b, self.look.gain)
    }

    /// A cell of the strip as a column, which begins with the cell's picture: it was drawn with the same noise.
    pub fn column_of_cell(&self, cell: usize) -> Option<Column> {
        let (threshold, weight) = self.strip.setting(cell)?;
        let mut column = Column { guidance_weight: Some(weight), ..Column::new(threshold) };
        column.stages.extend(self.strip.as_stage(cell).map(|stage| (stage.size(), stage)));
        Some(column)
    }
}

#[cfg(test)]
mod tests;
