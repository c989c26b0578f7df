//! What was compared, as one labelled picture and a table.

use std::fmt::Write as _;

use imagen_protocol::{GenerateRequest, RgbImage, StagePlan, Threshold};

use super::{Column, Compare, threshold_label};
use crate::error::one_line;
use crate::grid::Grid;
use crate::names::slug;
use crate::window::stage_view::StageView;

/// Columns are enlarged until their side is at least this, so that their labels fit.
const LEAST_CELL: u32 = 384;
const HEADER: &str = "part,number,guidance,threshold,percentile,cap,size,step,steps,s,clipped\n";

/// Everything of it, ready to be drawn and written.
#[derive(Clone, Debug, PartialEq)]
pub struct Sheet {
    /// Beginning of the files' names.
    pub slug: String,
    /// One below the other: the columns, the strip.
    pub grids: Vec<Grid>,
    /// s and clipped share of every step, as CSV.
    pub table: String,
    /// Written into the picture, as JSON.
    pub settings: String,
}

impl Sheet {
    /// `None` where nothing was made yet.
    pub fn of(compare: &Compare, size: u32, model: &str, device: &str) -> Option<Self> {
        let shown: Vec<&Column> = compare.columns.iter().filter(|c| c.picture(size).is_some()).collect();
        let columns = shown.iter().filter_map(|c| c.stages.get(&size)).collect::<Vec<_>>();
        let first = columns.first().copied().or(compare.strip.stage.as_ref().filter(|s| s.images.iter().any(Option::is_some)))?;
        let (request, mut table) = (&first.request, HEADER.to_owned());
        shown.iter().zip(1..).for_each(|(column, n)| column_rows(&mut table, column, n));
        strip_rows(&mut table, compare);
        let plans: Vec<&StagePlan> = columns.iter().map(|s| &s.plan).collect();
        let strip = compare.strip.stage.as_ref().map(|s| (&s.plan, compare.strip.overrides()));
        let settings = serde_json::json!({
            "app": crate::generate::APP, "model": model, "device": device, "request": **request, "columns": plans, "strip": strip,
        });
        Some(Self {
            slug: slug(&request.prompt, request.seed),
            grids: [columns_grid(&columns, size), strip_grid(compare)].into_iter().flatten().collect(),
            table,
            settings: settings.to_string(),
        })
    }
}

/// "dynamic 99.5 %, cap 1.5, w = 5".
fn label(plan: &StagePlan) -> String {
    format!("{}, w = {}", threshold_label(&plan.settings.threshold), plan.settings.guidance_weight)
}

fn titles(request: &GenerateRequest, what: &str) -> [String; 2] {
    [format!("\"{}\"", one_line(&request.prompt)), format!("seed {}, {what}", request.seed)]
}

fn columns_grid(columns: &[&StageView], size: u32) -> Option<Grid> {
    let request = &columns.first()?.request;
    let cells: Vec<RgbImage> = columns.iter().filter_map(|s| s.images.first()?.as_ref()).filter_map(enlarged).collect();
    let columns = columns.iter().map(|s| label(&s.plan)).collect();
    Some(Grid { titles: titles(request, "the same noise in every column"), columns, rows: vec![format!("{size} px")], cells })
}

fn strip_grid(compare: &Compare) -> Option<Grid> {
    let strip = &compare.strip;
    let stage = strip.stage.as_ref()?;
    // A strip that was broken off has no picture in some cells: it is drawn when it is whole.
    let cells: Vec<RgbImage> = (0..stage.images.len()).map(|cell| strip.picture(cell).cloned()).collect::<Option<_>>()?;
    let rows = strip.thresholds.iter().map(threshold_label).collect();
    let columns = strip.weights.iter().map(|w| format!("w = {w}")).collect();
    Some(Grid { titles: titles(&stage.request, "guidance weight w and thresholding"), columns, rows, cells })
}

/// Each pixel becomes a square, until the side is at least [`LEAST_CELL`].
fn enlarged(image: &RgbImage) -> Option<RgbImage> {
    let zoom = LEAST_CELL.div_ceil(image.width()) as usize;
    let (width, pixels) = (image.width() as usize, image.pixels().as_chunks::<3>().0);
    let wide = |row: &[[u8; 3]]| row.iter().flat_map(|p| std::iter::repeat_n(*p, zoom)).collect::<Vec<_>>();
    let rows = pixels.chunks(width).flat_map(|row| std::iter::repeat_n(wide(row), zoom));
    let all: Vec<u8> = rows.flatten().flatten().collect();
    let zoom = u32::try_from(zoom).ok()?;
    RgbImage::new(image.width() * zoom, image.height() * zoom, all)
}

fn column_rows(table: &mut String, column: &Column, number: usize) {
    for stage in column.stages.values() {
        rows(table, &format!("column,{number}"), &stage.plan, stage);
    }
}

fn strip_rows(table: &mut String, compare: &Compare) {
    let cells = compare.strip.stage.as_ref().map_or(0, |s| s.images.len());
    for cell in 0..cells {
        let Some(stage) = compare.strip.as_stage(cell) else { continue };
        rows(table, &format!("strip,{}", cell + 1), &stage.plan, &stage);
    }
}

fn rows(table: &mut String, name: &str, plan: &StagePlan, stage: &StageView) {
    let settings = &plan.settings;
    let threshold = match settings.threshold {
        Threshold::None => "none,,".into(),
        Threshold::Static => "static,,".into(),
        Threshold::Dynamic { percentile, cap } => {
            format!("dynamic,{percentile},{}", cap.map(|c| c.to_string()).unwrap_or_default())
        }
    };
    for report in &stage.reports {
        let value = |values: &[f32]| values.first().map(f32::to_string).unwrap_or_default();
        let (s, clipped) = (value(&report.s), value(&report.clipped));
        let (w, size, step, steps) = (settings.guidance_weight, report.size, report.step, report.steps);
        // Writing to a String cannot fail.
        let _ = writeln!(table, "{name},{w},{threshold},{size},{step},{steps},{s},{clipped}");
    }
}
