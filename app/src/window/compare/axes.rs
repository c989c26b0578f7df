//! One range of every axis for all columns, so that they compare.

use imagen_protocol::Histogram;

use super::Column;
use crate::window::stage_view::StageView;

/// Of a stage of which nothing is known yet.
const EMPTY_STEPS: u32 = 10;
/// Least upper ends: an axis of nothing, or of almost nothing, still has a scale.
const LEAST_S: f64 = 1.5;
const LEAST_CLIPPED: f64 = 0.05;
const LEAST_VALUE: f64 = 1.5;
const LEAST_COUNT: f64 = 4.0;
/// Room above the highest value.
const HEADROOM: f64 = 1.08;

/// Upper ends of the plots' axes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Axes {
    pub steps: u32,
    /// Of the threshold s; the lower end is 1 less its headroom.
    pub s: f64,
    /// Of the clipped share, in (0, 1].
    pub clipped: f64,
    /// Of |x0_hat|.
    pub value: f64,
    /// Of log10(1 + count).
    pub log_count: f64,
}

impl Axes {
    /// `planned`: steps that a run would take, where nothing ran yet. `step`: the one whose histograms are shown; `None`, the latest.
    pub fn of(columns: &[Column], size: u32, planned: Option<u32>, step: Option<u32>) -> Self {
        let stages = || columns.iter().filter_map(move |c| c.stages.get(&size));
        let tracks = || stages().flat_map(|s| s.track(0));
        let histograms = || stages().filter_map(move |s| histogram_at(s, step));
        let above = |least: f64, values: &mut dyn Iterator<Item = f64>| {
            let most = values.filter(|v| v.is_finite()).fold(0.0, f64::max);
            least.max(HEADROOM * most)
        };
        Self {
            steps: stages().map(|s| s.steps).max().or(planned).unwrap_or(EMPTY_STEPS).max(1),
            s: above(LEAST_S, &mut tracks().map(|(s, _)| f64::from(s))),
            clipped: above(LEAST_CLIPPED, &mut tracks().map(|(_, clipped)| f64::from(clipped))).min(1.0),
            value: above(LEAST_VALUE, &mut histograms().map(|h| f64::from(h.upper))),
            log_count: above(LEAST_COUNT, &mut histograms().flat_map(|h| h.counts.iter().map(|&c| log_count(c)))),
        }
    }
}

/// The height of a bar: counts span four decades, most of which lie in the first few bins.
pub fn log_count(count: u32) -> f64 {
    (1.0 + f64::from(count)).log10()
}

/// The histogram of a step of a column's stage; of the latest that has one where `step` is `None`.
pub fn histogram_at(stage: &StageView, step: Option<u32>) -> Option<&Histogram> {
    let report = stage.reports.iter().rev().find(|r| step.is_none_or(|s| r.step == s) && !r.histograms.is_empty())?;
    report.histograms.first()
}

/// 1, 2 or 5 times a power of ten: the distance of marks that divide `span` into about `parts`, at most.
pub fn nice_step(span: f64, parts: f64) -> f64 {
    let raw = (span / parts).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(raw.log10().floor());
    let nice = [1.0, 2.0, 5.0, 10.0].into_iter().find(|m| m * power >= raw * 0.999).unwrap_or(10.0);
    nice * power
}
