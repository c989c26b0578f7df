//! The guidance strip: every thresholding at every guidance weight, as in the paper's figure A.9.

use std::sync::Arc;

use imagen_protocol::{EngineError, GenerateRequest, RgbImage, StageOverrides, StagePlan, StepReport, Threshold};

use crate::window::stage_view::StageView;

/// As in the paper's figure A.9.
pub const STRIP_WEIGHTS: [f64; 5] = [1.0, 2.0, 5.0, 10.0, 15.0];

/// A row for each thresholding, a cell for each weight; cells count row by row, as the job's columns and pictures do.
#[derive(Clone, Debug, PartialEq)]
pub struct Strip {
    pub thresholds: Vec<Threshold>,
    pub weights: Vec<f64>,
    /// One for all cells.
    pub stage: Option<StageView>,
    /// What went wrong with its last job.
    pub error: Option<EngineError>,
}

impl Default for Strip {
    fn default() -> Self {
        Self {
            thresholds: vec![Threshold::None, Threshold::Static, Threshold::PAPER],
            weights: STRIP_WEIGHTS.to_vec(),
            stage: None,
            error: None,
        }
    }
}

impl Strip {
    /// The settings of every cell, in the cells' order.
    pub fn overrides(&self) -> Vec<StageOverrides> {
        let cells = 0..self.thresholds.len() * self.weights.len();
        let settings = cells.filter_map(|cell| self.setting(cell));
        let of = |(threshold, weight)| StageOverrides {
            guidance_weight: Some(weight),
            threshold: Some(threshold),
            ..StageOverrides::default()
        };
        settings.map(of).collect()
    }

    pub fn cell(&self, row: usize, column: usize) -> usize {
        row * self.weights.len() + column
    }

    /// `None` for a cell that is not there.
    pub fn setting(&self, cell: usize) -> Option<(Threshold, f64)> {
        let row = cell.checked_div(self.weights.len())?;
        Some((*self.thresholds.get(row)?, *self.weights.get(cell % self.weights.len())?))
    }

    /// A cell's picture, live or finished; `None` where it was made with another weight than the cell has now.
    pub fn picture(&self, cell: usize) -> Option<&RgbImage> {
        let stage = self.stage.as_ref()?;
        let made = stage.request.columns.get(cell)?.get(&stage.size())?;
        let now = self.setting(cell)?;
        stage.images.get(cell)?.as_ref().filter(|_| (made.threshold, made.guidance_weight) == (Some(now.0), Some(now.1)))
    }

    /// Whether its weights are the paper's.
    pub fn is_papers(&self) -> bool {
        self.weights == STRIP_WEIGHTS
    }

    pub fn begin(&mut self, plans: &[StagePlan], request: Arc<GenerateRequest>) {
        self.error = None;
        self.stage = plans.first().map(|plan| StageView::new(plan.clone(), request));
    }

    /// Its job ended before it was done.
    pub fn broke_off(&mut self, error: Option<&EngineError>) {
        if let Some(stage) = &mut self.stage {
            stage.broke_off(error);
        }
        self.error = error.cloned();
    }

    /// Finished steps of a cell: cells that do not fit in one batch come one group after another.
    pub fn steps_done(&self, cell: usize) -> u32 {
        let of = |stage: &StageView| stage.reports.iter().rev().find(|r| covers(r, cell)).map(|r| r.step);
        self.stage.as_ref().and_then(of).unwrap_or(0)
    }

    /// A cell as the only picture of a stage.
    pub fn as_stage(&self, cell: usize) -> Option<StageView> {
        let (all, overrides) = (self.stage.as_ref()?, self.overrides().into_iter().nth(cell)?);
        let image = self.picture(cell)?.clone();
        let columns = all.request.columns.get(cell).cloned().into_iter().collect();
        Some(StageView {
            plan: StagePlan { settings: all.plan.settings.with(&overrides), ..all.plan.clone() },
            request: Arc::new(GenerateRequest { columns, ..(*all.request).clone() }),
            reports: all.reports.iter().filter_map(|r| of_picture(r, cell)).collect(),
            images: vec![Some(image)],
            ..all.clone()
        })
    }
}

fn covers(report: &StepReport, picture: usize) -> bool {
    picture.checked_sub(report.first as usize).is_some_and(|i| i < report.s.len())
}

/// What a report says of one picture of the job; `None` where it is of other pictures.
pub(in crate::window) fn of_picture(report: &StepReport, picture: usize) -> Option<StepReport> {
    if !covers(report, picture) {
        return None;
    }
    let at = picture - report.first as usize;
    let one = |values: &[f32]| values.get(at).copied().into_iter().collect();
    let histograms = report.histograms.get(at).cloned().into_iter().collect();
    Some(StepReport { first: 0, s: one(&report.s), clipped: one(&report.clipped), histograms, ..report.clone() })
}
