//! `imagen compare`: what guidance and thresholding do, on the same noise.

use std::fmt::Write as _;
use std::path::PathBuf;

use imagen_protocol::{EngineError, Event, GenerateRequest, ModelInfo, RgbImage, StageOverrides, StagePlan, StepReport};

use crate::args::CompareArgs;
use crate::atomic::{self, Existing};
use crate::error::{AppError, file_error, one_line, setting_error};
use crate::generate::APP;
use crate::grid::{self, Grid};
use crate::interrupt::Interrupt;
use crate::licenses;
use crate::names::slug;
use crate::output::Output;
use crate::overrides::{Overrides, StageOptions, resolve, with_mode};
use crate::png;
use crate::progress::{self, Saved};
use crate::request::draw_seed;
use crate::runtime::Runtime;
use crate::session::Session;
use crate::staged::Mode;

/// Most cells of a grid.
const MAX_CELLS: usize = 64;
const CSV_HEADER: &str = "guidance,threshold,size,step,steps,s,clipped\n";

/// Draws every cell's picture in one job, then writes the grid and the table beside it.
///
/// # Errors
/// Wrong settings or paths, before any work; then the engine's, or a file that cannot be written.
pub fn run(args: &CompareArgs, runtime: Runtime<'_>, output: &mut Output<'_>, interrupt: Interrupt) -> Result<(), AppError> {
    let model = (runtime.inspect)(args.job.model.as_deref())?;
    let plan = Plan::new(args, &model)?;
    let files = Files::new(args, &plan)?;
    let mut progress = progress::choose(output, false);
    progress.begin(&plan.request, &plan.stages);
    let mut session = Session::new((runtime.start)(args.job.device), interrupt);
    let mut result = Collected { tables: vec![String::new(); plan.cells.len()], ..Collected::default() };
    let outcome = session.run(plan.request.clone(), &mut |event| {
        if !licenses::shown_before(event) {
            progress.event(event);
        }
        result.event(&plan, event);
        Ok(())
    });
    session.close();
    if let Err(error) = &outcome {
        progress.failed(error);
    }
    outcome?;
    files.write(&plan, result)?;
    for path in [&files.grid, &files.table] {
        progress.saved(Saved { path, size: plan.size, candidate: 1 });
    }
    Ok(())
}

/// One picture of the grid: a column of the request.
#[derive(Debug)]
struct Cell {
    guidance: f64,
    mode: Mode,
}

#[derive(Debug)]
struct Plan {
    request: GenerateRequest,
    stages: Vec<StagePlan>,
    /// Row by row.
    cells: Vec<Cell>,
    columns: Vec<String>,
    rows: Vec<String>,
    /// The stage that varies.
    stage: u32,
    /// The stage that is shown.
    size: u32,
}

impl Plan {
    fn new(args: &CompareArgs, model: &ModelInfo) -> Result<Self, AppError> {
        let first = model.stages.first().ok_or_else(|| no_stages(model))?;
        let stage = args.stage.unwrap_or(first.size);
        let mut request = base_request(args, model, stage)?;
        let stages = request.plan(&model.stages)?;
        let varied = stages
            .iter()
            .find(|s| s.size == stage)
            .ok_or_else(|| setting_error("stage", stage, "one that runs: at most --until"))?;
        let default = model.stages.iter().find(|s| s.size == stage).map_or(varied.settings.threshold, |s| s.defaults.threshold);
        check_size(args)?;
        let cells = args.threshold.iter().flat_map(|&mode| args.guidance.iter().map(move |&guidance| Cell { mode, guidance }));
        let cells: Vec<Cell> = cells.collect();
        let column = |cell: &Cell| {
            let threshold = Some(with_mode(Some(cell.mode), varied.settings.threshold, default));
            let overrides = StageOverrides { guidance_weight: Some(cell.guidance), threshold, ..StageOverrides::default() };
            [(stage, overrides)].into()
        };
        request.columns = cells.iter().map(column).collect();
        let size = stages.last().map_or(stage, |s| s.size);
        request.plan(&model.stages)?;
        let columns = args.guidance.iter().map(|w| format!("w = {w}")).collect();
        let rows = args.threshold.iter().map(|m| m.name().to_owned()).collect();
        Ok(Self { request, stages, cells, columns, rows, stage, size })
    }

    fn titles(&self) -> [String; 2] {
        let made = format!("seed {}, {} pixels, stage {} varies", self.request.seed, self.size, self.stage);
        [format!("\"{}\"", one_line(&self.request.prompt)), made]
    }
}

/// The request that all cells share. Percentile and cap belong to the rows that threshold dynamically, so they are resolved as if
/// the varied stage did.
fn base_request(args: &CompareArgs, model: &ModelInfo, stage: u32) -> Result<GenerateRequest, AppError> {
    let mut request = GenerateRequest::new(args.prompt.clone());
    request.negative_prompt = args.job.negative.clone().unwrap_or_default();
    request.seed = args.job.seed.unwrap_or_else(draw_seed);
    request.model.clone_from(&args.job.model);
    request.weights = args.job.weights.unwrap_or_default();
    request.until = Some(args.job.until.unwrap_or(stage));
    let dynamic = args
        .threshold
        .contains(&Mode::Dynamic)
        .then(|| crate::staged::Staged { all: None, each: [(stage, Mode::Dynamic)].into() });
    let options = StageOptions { job: &args.job, guidance: None, threshold: dynamic.as_ref() };
    request.stages = resolve(options, &model.stages, Overrides::new())?;
    Ok(request)
}

fn check_size(args: &CompareArgs) -> Result<(), AppError> {
    let cells = args.guidance.len() * args.threshold.len();
    if cells <= MAX_CELLS {
        return Ok(());
    }
    Err(setting_error(
        "compare",
        format!("{cells} cells"),
        &format!("at most {MAX_CELLS}: fewer guidance weights or thresholdings"),
    ))
}

fn no_stages(model: &ModelInfo) -> AppError {
    EngineError::Model { path: model.path.clone(), problem: "it has no stages".into(), remedy: "give another model".into() }
        .into()
}

/// What the engine has told so far.
#[derive(Debug, Default)]
struct Collected {
    /// Lines of each cell: cells run together, the table tells one after the other.
    tables: Vec<String>,
    device: String,
    model: String,
    /// Of the last finished stage, a picture a cell.
    pictures: Vec<RgbImage>,
}

impl Collected {
    fn event(&mut self, plan: &Plan, event: &Event) {
        match event {
            Event::Ready { device } => self.device.clone_from(&device.name),
            Event::JobStarted { model, .. } => self.model.clone_from(model),
            Event::StepFinished { report, .. } => self.rows(plan, report),
            Event::StageFinished { images, .. } => self.pictures.clone_from(images),
            _ => {}
        }
    }

    /// A report's steps count on where one group of cells follows another; the table counts each cell's own.
    fn rows(&mut self, plan: &Plan, report: &StepReport) {
        let size = report.size;
        let steps = plan.stages.iter().find(|s| s.size == size).map_or(report.steps, |s| s.steps);
        let step = report.step.saturating_sub(1) % steps.max(1) + 1;
        let cells = plan.cells.iter().zip(&mut self.tables).skip(report.first as usize);
        for ((cell, table), (s, clipped)) in cells.zip(report.s.iter().zip(&report.clipped)) {
            // Writing to a String cannot fail.
            let _ = writeln!(table, "{},{},{size},{step},{steps},{s},{clipped}", cell.guidance, cell.mode.name());
        }
    }
}

/// Where the result goes.
#[derive(Debug)]
struct Files {
    grid: PathBuf,
    table: PathBuf,
    existing: Existing,
}

impl Files {
    fn new(args: &CompareArgs, plan: &Plan) -> Result<Self, AppError> {
        let default = || PathBuf::from(format!("{}-compare.png", slug(&plan.request.prompt, plan.request.seed)));
        let grid = with_png(args.out.clone().unwrap_or_else(default));
        if grid.is_dir() {
            return Err(file_error(&grid, "is a folder", "give a file name such as grid.png"));
        }
        let table = grid.with_extension("csv");
        let existing = if args.job.force { Existing::Replace } else { Existing::Keep };
        atomic::check_free([&grid, &table], existing)?;
        atomic::prepare_folder(&atomic::folder(&grid))?;
        Ok(Self { grid, table, existing })
    }

    fn write(&self, plan: &Plan, result: Collected) -> Result<(), AppError> {
        let settings = serde_json::json!({
            "app": APP, "model": result.model, "device": result.device, "request": plan.request, "stages": plan.stages,
            "stage": plan.stage, "columns": plan.columns, "rows": plan.rows,
        });
        let titles = plan.titles();
        let title = titles.join(", ");
        let grid = Grid { titles, columns: plan.columns.clone(), rows: plan.rows.clone(), cells: result.pictures };
        let drawn = grid::draw(&grid).ok_or(EngineError::Internal { message: "pictures of different sizes in a grid".into() })?;
        let texts = [("Title", title.as_str()), ("imagen-compare", &settings.to_string())];
        atomic::write(&self.grid, &png::encode(&drawn, &texts, false)?, self.existing)?;
        atomic::write(&self.table, format!("{CSV_HEADER}{}", result.tables.concat()).as_bytes(), self.existing)
    }
}

/// `grid` becomes `grid.png`; another extension is part of the name.
fn with_png(path: PathBuf) -> PathBuf {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".png");
    PathBuf::from(name)
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
