//! The compare view.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use imagen_app::window::action::View;
use imagen_app::window::compare::Mode;
use imagen_app::window::prefs::{Prefs, ThemeChoice};
use imagen_protocol::{Command, EngineError, Event, GenerateRequest, Histogram, JobId, Preview, RgbImage, StepReport, Threshold};

use crate::harness::{Bench, Setup};

const STEPS: u32 = 30;
const BINS: usize = 96;

fn open_with(size: [f32; 2], theme: ThemeChoice) -> Bench {
    let mut prefs = Prefs { theme, view: View::Compare, ..Prefs::default() };
    prefs.draft.prompt = "a photo of a red apple on a blue table".into();
    prefs.draft.seed_locked = true;
    let mut bench = Bench::with(Setup { size, prefs, ..Setup::default() });
    bench.app.ctx.set_theme(if theme == ThemeChoice::Light { egui::Theme::Light } else { egui::Theme::Dark });
    bench.ready();
    bench
}

fn open() -> Bench {
    open_with([1440.0, 900.0], ThemeChoice::Dark)
}

/// What a column of a request is set to.
fn settings(request: &GenerateRequest) -> Vec<(Threshold, f64)> {
    let of = |column: &std::collections::BTreeMap<u32, imagen_protocol::StageOverrides>| {
        let user = &column[&64];
        (user.threshold.expect("set"), user.guidance_weight.unwrap_or(5.0))
    };
    request.columns.iter().map(of).collect()
}

/// How far guidance pushes x0_hat beyond 1, at a step.
fn excess(weight: f64, step: u32) -> f64 {
    let done = f64::from(step) / f64::from(STEPS);
    0.5 * (1.0 + weight).ln() * (0.35 + 0.65 * (1.0 - done).powi(2) + 0.25 * (std::f64::consts::PI * done).sin())
}

/// |x0_hat| falls off evenly up to 1, fast above.
fn histogram(upper: f64) -> Histogram {
    let density = |v: f64| if v < 1.0 { 1.0 - 0.35 * v } else { 0.65 * (-4.5 * (v - 1.0) / (upper - 0.95)).exp() };
    let middle = |i: usize| (i as f64 + 0.5) * upper / BINS as f64;
    let sum: f64 = (0..BINS).map(|i| density(middle(i))).sum();
    let counts = (0..BINS).map(|i| (12288.0 * density(middle(i)) / sum) as u32).collect();
    Histogram { upper: upper as f32, counts }
}

/// The share of a histogram's values beyond `limit`.
fn beyond(h: &Histogram, limit: f64) -> f32 {
    let width = f64::from(h.upper) / BINS as f64;
    let over: u32 = h.counts.iter().enumerate().filter(|(i, _)| (*i as f64 + 0.5) * width > limit).map(|(_, c)| c).sum();
    over as f32 / h.counts.iter().sum::<u32>() as f32
}

fn quantile(h: &Histogram, percentile: f64) -> f64 {
    let total = f64::from(h.counts.iter().sum::<u32>());
    let mut seen = 0.0;
    let at = h.counts.iter().position(|&c| {
        seen += f64::from(c);
        seen >= percentile * total
    });
    at.map_or(1.0, |i| (i as f64 + 0.5) * f64::from(h.upper) / BINS as f64)
}

fn report(settings: &[(Threshold, f64)], size: u32, step: u32) -> StepReport {
    let all: Vec<_> = settings.iter().map(|&(threshold, w)| (threshold, histogram(1.05 + excess(w, step)))).collect();
    let limit = |(threshold, h): &(Threshold, Histogram)| match threshold {
        Threshold::Dynamic { percentile, cap } => quantile(h, *percentile).clamp(1.0, cap.unwrap_or(f64::MAX)),
        _ => 1.0,
    };
    let clipped = |one: &(Threshold, Histogram)| if one.0 == Threshold::None { 0.0 } else { beyond(&one.1, limit(one)) };
    StepReport {
        size,
        step,
        steps: STEPS,
        seconds: 0.4,
        first: 0,
        s: all.iter().map(|one| limit(one) as f32).collect(),
        clipped: all.iter().map(clipped).collect(),
        histograms: all.into_iter().map(|(_, h)| h).collect(),
    }
}

/// An apple on a table: the stronger the guidance, the harder its colours, unless they are thresholded dynamically.
fn apple(side: u32, (threshold, weight): (Threshold, f64), noise: f32) -> RgbImage {
    let hard = match threshold {
        Threshold::Dynamic { .. } => 1.0 + 0.1 * (weight as f32).ln(),
        Threshold::Static => 1.0 + 0.45 * (weight as f32).ln(),
        Threshold::None => 1.0 + 0.75 * (weight as f32).ln(),
    };
    let drift = if threshold == Threshold::None { [0.22, -0.12, -0.05].map(|d| d * (weight as f32).ln()) } else { [0.0; 3] };
    let mut random = 7u32;
    let mut pixels = Vec::with_capacity(3 * (side * side) as usize);
    for (y, x) in (0..side).flat_map(|y| (0..side).map(move |x| (y, x))) {
        let [dx, dy] = [x, y].map(|v| (v as f32 + 0.5) / side as f32 - 0.5);
        let colour = if (dx.powi(2) + (dy - 0.04).powi(2)).sqrt() < 0.27 + 0.02 * (9.0 * dx).cos() {
            let light = 1.0 - 1.6 * (dx + 0.09).hypot(dy + 0.05);
            [0.75, 0.16, 0.14].map(|c: f32| c * (0.45 + 0.75 * light))
        } else if dy > 0.12 {
            [0.3, 0.42, 0.62].map(|c| c - 0.25 * dy)
        } else {
            [0.7, 0.68, 0.64].map(|c| c + 0.2 * dy)
        };
        for (c, d) in colour.into_iter().zip(drift) {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let grain = (random >> 8) as f32 / (1 << 24) as f32 - 0.5;
            pixels.push((255.0 * (0.5 + hard * (c - 0.5) + d + noise * grain)).clamp(0.0, 255.0) as u8);
        }
    }
    RgbImage::new(side, side, pixels).expect("a square")
}

/// The first `done` steps of a job, and its pictures as they are then.
fn run_steps(bench: &mut Bench, job: JobId, request: &GenerateRequest, size: u32, done: u32) {
    let settings = settings(request);
    bench.send([Event::StageStarted { job, size, steps: STEPS }]);
    bench.send((1..=done).map(|step| Event::StepFinished { job, report: report(&settings, size, step) }));
    let noise = 1.2 * (1.0 - done as f32 / STEPS as f32);
    let images = settings.iter().map(|&one| apple(size, one, noise)).collect();
    bench.preview(Preview { job, size, step: done, first: 0, images });
}

fn run_stage(bench: &mut Bench, job: JobId, request: &GenerateRequest, size: u32) {
    run_steps(bench, job, request, size, STEPS);
    let images = settings(request).into_iter().map(|one| apple(size, one, 0.0)).collect();
    bench.send([Event::StageFinished { job, size, seconds: 12.0, images }]);
}

/// The strip and the columns, both run to their end.
fn run_all(bench: &mut Bench) {
    bench.click("Run strip");
    let (job, request) = bench.start_job();
    run_stage(bench, job, &request, 64);
    bench.send([Event::JobFinished { job, seconds: 12.5 }]);
    bench.click("Run columns");
    let (job, request) = bench.start_job();
    run_stage(bench, job, &request, 64);
    bench.send([Event::JobFinished { job, seconds: 12.5 }]);
}

#[test]
fn before_anything_was_run_it_says_what_to_do() {
    let mut bench = open();
    assert!(bench.sees("Run columns") && bench.sees("Run strip"));
    assert!(bench.app.get_by_label("Save grid").accesskit_node().is_disabled());
    bench.snapshot("compare_empty");
}

#[test]
fn columns_run_together_and_live() {
    let mut bench = open();
    bench.state_mut().compare.columns[1].guidance_weight = Some(15.0);
    bench.click("Run columns");
    let (job, request) = bench.start_job();
    assert_eq!(settings(&request), [(Threshold::None, 5.0), (Threshold::Static, 15.0), (Threshold::PAPER, 5.0)]);
    assert!(request.histograms && request.until == Some(64) && request.count == 1);
    run_steps(&mut bench, job, &request, 64, STEPS / 2);
    assert!(bench.reads("step 15 / 30"));
    bench.snapshot("compare_running");
    bench.click("Cancel columns");
    assert!(bench.engine.cancel.is_cancelled());
    bench.send([Event::JobCancelled { job }]);
    assert!(bench.sees("Run columns") && bench.reads("cancelled at step 15 / 30"));
}

#[test]
fn what_was_run_is_shown_and_saved() {
    let mut bench = open();
    run_all(&mut bench);
    bench.state_mut().compare.look.strip_open = false;
    bench.snapshot("compare_done");
    bench.click("Save grid");
    let folder = bench.state().pictures_folder();
    bench.until("the grid is saved", |s| s.log.lines.iter().any(|l| l.text.contains("-compare.png")));
    let names: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").file_name()).collect();
    assert_eq!(names.iter().filter(|n| n.to_string_lossy().contains("-compare.")).count(), 2, "{names:?}");
}

#[test]
fn a_percentile_that_is_typed_is_the_columns() {
    let mut bench = open();
    bench.click("Percentile of column 3");
    bench.app.event(egui::Event::Text("97.5".into()));
    bench.settle();
    bench.press(egui::Modifiers::NONE, egui::Key::Enter);
    assert_eq!(bench.state().compare.columns[2].threshold, Threshold::Dynamic { percentile: 0.975, cap: None });
    bench.click("Column 3: static");
    bench.click("Column 3: dynamic");
    assert_eq!(bench.state().compare.columns[2].threshold, Threshold::Dynamic { percentile: 0.975, cap: None }, "it is kept");
}

#[test]
fn columns_are_added_and_removed() {
    let mut bench = open();
    bench.click("Add a column");
    assert_eq!(bench.state().compare.columns.len(), 4);
    assert!(bench.app.get_by_label("Add a column").accesskit_node().is_disabled());
    bench.snapshot("compare_four_columns");
    bench.click("Remove column 1");
    bench.click("Remove column 1");
    assert_eq!(bench.state().compare.columns.len(), 2);
    assert!(bench.app.get_by_label("Remove column 1").accesskit_node().is_disabled());
}

#[test]
fn two_columns_are_wiped_and_subtracted() {
    let mut bench = open();
    run_all(&mut bench);
    bench.state_mut().compare.look.strip_open = false;
    bench.state_mut().compare.look.pair = [1, 2];
    bench.click("Wipe");
    assert_eq!(bench.state().compare.look.mode, Mode::Wipe);
    bench.snapshot("compare_wipe");
    bench.click("Difference");
    bench.click("Amplified 4 times");
    assert!(bench.reads("of 255 levels"));
    bench.snapshot("compare_difference");
    bench.click("Swap A and B");
    assert_eq!(bench.state().compare.look.pair, [2, 1]);
}

/// Drags from one place to another, as a hand does.
fn drag(bench: &mut Bench, from: egui::Pos2, to: egui::Pos2) {
    bench.app.hover_at(from);
    bench.app.step();
    bench.app.drag_at(from);
    bench.app.step();
    bench.app.hover_at(from.lerp(to, 0.5));
    bench.app.step();
    bench.app.hover_at(to);
    bench.app.step();
    bench.app.drop_at(to);
    bench.settle();
}

#[test]
fn the_line_of_the_wipe_is_dragged_and_stays_in_the_picture() {
    let mut bench = open();
    run_all(&mut bench);
    bench.click("Wipe");
    let picture = bench.app.get_by_label("A left of the line, B right of it").rect();
    let place = |share: f32| egui::pos2(picture.left() + share * picture.width(), picture.center().y);
    for (from, to, expected) in [(0.5, 0.2, 0.2), (0.2, 0.75, 0.75), (0.75, 1.5, 1.0), (1.0, -0.5, 0.0)] {
        drag(&mut bench, place(from), place(to));
        let wipe = bench.state().compare.look.wipe;
        assert!((wipe - expected).abs() < 0.01, "{from} to {to}: {wipe}");
    }
    bench.state_mut().compare.look.wipe = 0.5;
    drag(&mut bench, place(0.2), place(0.4));
    assert_eq!(bench.state().compare.look.wipe, 0.5, "beside the line, the picture is moved, not the line");
}

#[test]
fn pointing_at_a_plot_shows_the_numbers_of_that_step_in_every_column() {
    let mut bench = open();
    run_all(&mut bench);
    bench.state_mut().compare.look.strip_open = false;
    bench.settle();
    let last = report(&[(Threshold::PAPER, 5.0)], 64, STEPS);
    assert!(bench.sees(&format!("{:.2}", last.s[0])));
    let plot = bench.app.get_all_by_label("Plot of s by step").next().expect("a plot").rect();
    // The axis at the left has its own room.
    bench.app.hover_at(plot.left_center() + egui::vec2(0.4 * plot.width(), 0.0));
    bench.settle();
    let step = bench.state().compare.look.step.expect("a step");
    assert!((8..=13).contains(&step), "{step}");
    let then = report(&[(Threshold::PAPER, 5.0)], 64, step);
    assert!(bench.sees(&format!("{:.2}", then.s[0])), "s of step {step}");
    assert!(bench.sees(&format!("{:.1} %", 100.0 * then.clipped[0])));
    let heads = bench.app.query_all_by_label(&format!("|x0_hat|, values at step {step}")).count();
    assert_eq!(heads, 3, "every column's histogram is that step's");
    bench.app.remove_cursor();
    bench.settle();
    assert_eq!(bench.state().compare.look.step, None);
}

#[test]
fn a_weight_of_the_strip_is_typed_and_the_papers_come_back() {
    let mut bench = open();
    bench.click("Open the strip");
    bench.click("Guidance weight of column 5 of the strip");
    bench.app.event(egui::Event::Text("30".into()));
    bench.settle();
    bench.press(egui::Modifiers::NONE, egui::Key::Enter);
    assert_eq!(bench.state().compare.strip.weights, [1.0, 2.0, 5.0, 10.0, 30.0]);
    assert_eq!(bench.state().to_keep().compare.strip_weights[4], 30.0);
    bench.click("The paper's weights: 1, 2, 5, 10, 15");
    assert!(bench.state().compare.strip.is_papers() && !bench.sees("The paper's weights: 1, 2, 5, 10, 15"));
}

#[test]
fn a_cell_of_the_strip_becomes_a_column() {
    let mut bench = open();
    run_all(&mut bench);
    bench.click("static, w = 15");
    let columns = &bench.state().compare.columns;
    assert_eq!((columns.len(), columns[3].guidance_weight, columns[3].threshold), (4, Some(15.0), Threshold::Static));
    assert_eq!(columns[3].picture(64), Some(&apple(64, (Threshold::Static, 15.0), 0.0)));
    bench.app.get_by_label("dynamic 99.5 %, w = 2").click_secondary();
    bench.settle();
    bench.click("Set guidance and thresholding under Stages");
    assert_eq!(bench.state().draft.stages[&64].guidance_weight, Some(2.0));
}

#[test]
fn ctrl_enter_runs_the_columns_and_a_failure_is_said_beside_them() {
    let mut bench = open();
    bench.press(egui::Modifiers::COMMAND, egui::Key::Enter);
    let (job, _) = bench.start_job();
    let error = EngineError::NotFinite { size: 64, step: 3 };
    bench.send([Event::JobFailed { job, error: error.clone() }]);
    assert!(bench.reads(&error.to_string()));
    assert!(!matches!(bench.command(), Some(Command::Generate { .. })));
}

#[test]
fn it_reads_in_light() {
    let mut bench = open_with([1440.0, 900.0], ThemeChoice::Light);
    run_all(&mut bench);
    bench.snapshot("compare_light");
}

#[test]
fn it_fits_on_a_screen_of_1280_by_720() {
    let mut bench = open_with([1280.0, 720.0], ThemeChoice::Dark);
    run_all(&mut bench);
    bench.snapshot("compare_1280");
}

#[test]
fn it_fits_in_a_small_window_beside_the_stages() {
    let mut bench = open_with([1024.0, 640.0], ThemeChoice::Light);
    run_all(&mut bench);
    bench.click("Wipe");
    bench.click("Stages rail");
    assert!(bench.sees("Presets") && bench.sees("Generate"));
    bench.snapshot("compare_small_stages");
}

#[test]
fn it_fits_in_a_small_window() {
    let mut bench = open_with([1024.0, 640.0], ThemeChoice::Dark);
    run_all(&mut bench);
    bench.state_mut().compare.look.strip_open = false;
    bench.snapshot("compare_small");
}
