use imagen_protocol::{Event, Histogram, JobId, StepReport};

use super::*;
use crate::test_support::{flat, model, plans};
use crate::window::action::{Action, Effect};
use crate::window::io::{IoEvent, IoTask};
use crate::window::ports::Folders;
use crate::window::prefs::{Loaded, Prefs};
use crate::window::stage_view::Progress;
use crate::window::state::State;

const PAPER: Threshold = Threshold::PAPER;

/// A window with the test model, ready to run.
fn state() -> State {
    let folders = Folders { config: "c".into(), cache: "k".into(), pictures: "p".into() };
    let (mut state, _) = State::new(folders, Loaded { prefs: Prefs::default(), remark: None });
    state.fold_io(IoEvent::Inspected { model: None, result: Box::new(Ok(model())) });
    state.draft.prompt = "a red apple".into();
    state
}

/// The request of the job that was sent.
fn sent(effects: &[Effect]) -> (JobId, GenerateRequest) {
    match effects {
        [Effect::Send(imagen_protocol::Command::Generate { job, request })] => (*job, (**request).clone()),
        other => panic!("no job: {other:?}"),
    }
}

fn started(state: &mut State, job: JobId, sizes: &[u32]) {
    state.fold(Event::JobStarted { job, model: "test".into(), stages: plans(sizes) });
    state.fold(Event::StageStarted { job, size: sizes[0], steps: 10 });
}

fn report(first: u32, step: u32, s: &[f32]) -> StepReport {
    let histograms = s.iter().map(|&s| Histogram { upper: s, counts: vec![9, 1] }).collect();
    StepReport { size: 64, step, steps: 10, seconds: 0.1, first, s: s.to_vec(), clipped: vec![0.1; s.len()], histograms }
}

#[test]
fn a_run_asks_for_every_column_with_histograms_up_to_the_stage_that_is_set() {
    let mut state = state();
    state.compare.until = 256;
    state.compare.columns[1].guidance_weight = Some(15.0);
    let (_, request) = sent(&state.apply(Action::RunCompare));
    assert_eq!((request.until, request.histograms, request.count), (Some(256), true, 1));
    let of = |column: usize, size: u32| request.columns[column][&size].clone();
    assert_eq!(of(0, 64).threshold, Some(Threshold::None));
    assert_eq!((of(1, 256).threshold, of(1, 256).guidance_weight), (Some(Threshold::Static), Some(15.0)));
    assert_eq!((of(2, 64).threshold, of(2, 64).guidance_weight), (Some(PAPER), None));
    assert!(!request.columns[0].contains_key(&1024));
}

#[test]
fn a_run_that_cannot_be_is_said_and_sends_nothing() {
    let mut state = state();
    state.compare.columns[2].threshold = Threshold::Dynamic { percentile: 0.0, cap: None };
    assert_eq!(state.apply(Action::RunCompare), vec![]);
    let said = &state.notes.last().expect("said").text;
    assert!(said.starts_with("percentile of stage 64 of column 3"), "{said}");
}

#[test]
fn a_last_stage_that_the_model_lacks_becomes_its_nearest_below() {
    let compare = Compare { until: 1024, ..Compare::default() };
    assert_eq!(compare.until(&[64, 256]), Some(256));
    assert_eq!(Compare::default().until(&[128, 256]), Some(128));
    assert_eq!(compare.until(&[]), None);
}

#[test]
fn each_columns_plan_is_its_own() {
    let mut state = state();
    state.compare.columns[0].guidance_weight = Some(2.0);
    let (job, _) = sent(&state.apply(Action::RunCompare));
    started(&mut state, job, &[64]);
    let settings = state.compare.columns.iter().map(|c| &c.stages[&64].plan.settings).collect::<Vec<_>>();
    assert_eq!(settings.iter().map(|s| s.guidance_weight).collect::<Vec<_>>(), [2.0, 4.0, 4.0]);
    assert_eq!(settings[2].threshold, PAPER);
}

#[test]
fn reports_of_a_later_group_go_to_its_columns_alone() {
    let mut state = state();
    let (job, _) = sent(&state.apply(Action::RunCompare));
    started(&mut state, job, &[64]);
    state.fold(Event::StepFinished { job, report: report(0, 9, &[1.0]) });
    state.fold(Event::StepFinished { job, report: report(1, 3, &[1.5, 2.5]) });
    let tracks = state.compare.columns.iter().map(|c| c.stages[&64].track(0)).collect::<Vec<_>>();
    assert_eq!(tracks, [[(1.0, 0.1)], [(1.5, 0.1)], [(2.5, 0.1)]]);
    let steps = state.compare.columns.iter().map(|c| c.stages[&64].step).collect::<Vec<_>>();
    assert_eq!(steps, [9, 3, 3]);
    let uppers = state.compare.columns.iter().map(|c| histogram_at(&c.stages[&64], None).map(|h| h.upper));
    assert_eq!(uppers.collect::<Vec<_>>(), [Some(1.0), Some(1.5), Some(2.5)]);
}

#[test]
fn previews_and_results_go_to_their_columns() {
    let mut state = state();
    let (job, _) = sent(&state.apply(Action::RunCompare));
    started(&mut state, job, &[64]);
    let picture = |i: u8| flat(64, [i, 0, 0]);
    state.preview(&Preview { job, size: 64, step: 1, first: 1, images: vec![picture(1), picture(2)] });
    let shown = |state: &State| state.compare.columns.iter().map(|c| c.picture(64).cloned()).collect::<Vec<_>>();
    assert_eq!(shown(&state), [None, Some(picture(1)), Some(picture(2))]);
    state.fold(Event::StageFinished { job, size: 64, seconds: 1.0, images: vec![picture(7), picture(8), picture(9)] });
    assert_eq!(shown(&state), [7, 8, 9].map(|i| Some(picture(i))));
    assert_eq!(state.compare.columns[2].stages[&64].progress, Progress::Done);
}

#[test]
fn a_cancelled_run_keeps_what_it_made_and_an_error_stays_beside_it() {
    let mut state = state();
    let (job, _) = sent(&state.apply(Action::RunCompare));
    started(&mut state, job, &[64]);
    state.preview(&Preview { job, size: 64, step: 1, first: 0, images: vec![flat(64, [1; 3])] });
    state.fold(Event::JobCancelled { job });
    assert_eq!(state.compare.columns[0].stages[&64].progress, Progress::Cancelled);
    assert!(state.compare.columns[0].picture(64).is_some());
    let (job, _) = sent(&state.apply(Action::RunStrip));
    let error = EngineError::NotFinite { size: 64, step: 1 };
    state.fold(Event::JobFailed { job, error: error.clone() });
    assert_eq!((&state.compare.error, &state.compare.strip.error), (&None, &Some(error)));
}

#[test]
fn columns_are_two_to_four_and_stay_while_their_job_runs() {
    let mut state = state();
    for _ in 0..3 {
        state.apply(Action::AddColumn);
    }
    assert_eq!(state.compare.columns.len(), MAX_COLUMNS);
    let (job, _) = sent(&state.apply(Action::RunCompare));
    state.apply(Action::RemoveColumn(0));
    assert_eq!(state.compare.columns.len(), MAX_COLUMNS);
    state.fold(Event::JobFinished { job, seconds: 1.0 });
    for _ in 0..4 {
        state.apply(Action::RemoveColumn(0));
    }
    assert_eq!(state.compare.columns.len(), MIN_COLUMNS);
}

#[test]
fn the_pair_is_always_of_columns_that_are_there() {
    let mut state = state();
    state.compare.look.pair = [2, 0];
    state.apply(Action::RemoveColumn(0));
    assert_eq!(state.compare.pair(), [1, 0]);
}

/// A strip that was run: cell i is of colour i, with s = i.
fn with_strip() -> State {
    let mut state = state();
    let (job, request) = sent(&state.apply(Action::RunStrip));
    assert_eq!(request.columns.len(), 15);
    started(&mut state, job, &[64]);
    let s: Vec<f32> = (0..15u8).map(f32::from).collect();
    state.fold(Event::StepFinished { job, report: report(0, 10, &s[..8]) });
    state.fold(Event::StepFinished { job, report: report(8, 4, &s[8..]) });
    let images = (0..15).map(|i| flat(64, [i, 0, 0])).collect();
    state.fold(Event::StageFinished { job, size: 64, seconds: 1.0, images });
    state.fold(Event::JobFinished { job, seconds: 1.0 });
    state
}

#[test]
fn a_weight_that_is_changed_hides_what_the_old_one_made_until_it_is_back() {
    let mut state = with_strip();
    state.compare.strip.weights[4] = 20.0;
    let strip = &state.compare.strip;
    assert!(!strip.is_papers() && strip.picture(strip.cell(2, 4)).is_none() && strip.as_stage(4).is_none());
    assert_eq!(strip.picture(3), Some(&flat(64, [3, 0, 0])), "the other columns' pictures stay");
    let sheet = state.apply(Action::SaveSheet);
    let [Effect::Io(IoTask::SaveSheet { sheet, .. })] = sheet.as_slice() else { panic!("{sheet:?}") };
    assert!(sheet.grids.is_empty() && !sheet.table.contains("strip,5,"), "a strip with gaps is not drawn");
    let request = state.strip_request().expect("it can run");
    assert_eq!(request.columns[14][&64].guidance_weight, Some(20.0));
    state.compare.strip.weights[4] = 15.0;
    assert_eq!(state.compare.strip.picture(14), Some(&flat(64, [14, 0, 0])));
}

#[test]
fn settings_of_a_comparison_are_kept_without_their_pictures() {
    let mut state = with_strip();
    state.apply(Action::AddColumn);
    state.compare.columns[0].guidance_weight = Some(2.5);
    let prefs = state.to_keep();
    let folders = Folders { config: "c".into(), cache: "k".into(), pictures: "p".into() };
    let (next, _) = State::new(folders, Loaded { prefs: prefs.clone(), remark: None });
    assert_eq!((next.compare.columns.len(), next.compare.columns[0].guidance_weight), (4, Some(2.5)));
    assert!(next.compare.strip.stage.is_none() && next.compare.columns.iter().all(|c| c.stages.is_empty()));
    assert_eq!(next.to_keep(), prefs);
}

#[test]
fn the_strips_cells_count_row_by_row_as_its_job_does() {
    let state = state();
    let strip = &state.compare.strip;
    assert_eq!(strip.setting(strip.cell(0, 0)), Some((Threshold::None, 1.0)));
    assert_eq!(strip.setting(strip.cell(1, 4)), Some((Threshold::Static, 15.0)));
    assert_eq!(strip.setting(strip.cell(2, 1)), Some((PAPER, 2.0)));
    assert_eq!(strip.setting(15), None);
    let request = state.strip_request().expect("it can run");
    assert_eq!(request.until, Some(64));
    for (cell, column) in request.columns.iter().enumerate() {
        let (threshold, weight) = strip.setting(cell).expect("a cell");
        assert_eq!((column[&64].threshold, column[&64].guidance_weight), (Some(threshold), Some(weight)));
    }
}

#[test]
fn cells_of_a_later_group_are_as_far_as_their_own_reports() {
    let state = with_strip();
    assert_eq!([0, 7, 8, 14].map(|cell| state.compare.strip.steps_done(cell)), [10, 10, 4, 4]);
}

#[test]
fn a_cell_becomes_a_column_with_its_picture() {
    let mut state = with_strip();
    state.apply(Action::CellToColumn { cell: 13, at: None });
    let column = state.compare.columns.last().expect("a column");
    assert_eq!((state.compare.columns.len(), column.guidance_weight, column.threshold), (4, Some(10.0), PAPER));
    assert_eq!(column.picture(64), Some(&flat(64, [13, 0, 0])));
    assert_eq!(column.stages[&64].track(0), [(13.0, 0.1)]);
    assert!(!column.is_stale(64, &state.draft, &model()));
    state.apply(Action::CellToColumn { cell: 5, at: Some(0) });
    assert_eq!(state.compare.columns[0].threshold, Threshold::Static);
    state.apply(Action::CellToColumn { cell: 4, at: None });
    assert_eq!(state.compare.columns.len(), MAX_COLUMNS);
    assert_eq!(state.compare.columns[3].guidance_weight, Some(15.0));
}

#[test]
fn a_cell_becomes_the_drafts_settings() {
    let mut state = with_strip();
    state.apply(Action::CellToDraft(9));
    let settings = state.draft.settings(&model().stages[0]);
    assert_eq!((settings.threshold, settings.guidance_weight), (Threshold::Static, 15.0));
}

#[test]
fn a_column_is_stale_when_it_or_the_draft_changed() {
    let mut state = with_strip();
    state.apply(Action::CellToColumn { cell: 13, at: None });
    let stale = |state: &State| state.compare.columns[3].is_stale(64, &state.draft, &model());
    state.compare.columns[3].threshold = Threshold::Static;
    assert!(stale(&state));
    state.compare.columns[3].threshold = PAPER;
    assert!(!stale(&state));
    state.draft.seed += 1;
    assert!(stale(&state));
}

#[test]
fn axes_are_those_of_the_widest_column() {
    let mut state = with_strip();
    let empty = Axes::of(&state.compare.columns, 64, Some(30), None);
    assert_eq!((empty.steps, empty.s, empty.clipped), (30, 1.5, 0.05));
    state.apply(Action::CellToColumn { cell: 3, at: Some(0) });
    state.apply(Action::CellToColumn { cell: 7, at: Some(1) });
    let axes = Axes::of(&state.compare.columns, 64, Some(30), None);
    assert!(axes.s > 7.0 && axes.s < 8.0 && axes.value > 7.0, "{axes:?}");
    assert_eq!(axes.steps, 10);
}

#[test]
fn marks_lie_at_round_numbers() {
    for (span, expected) in [(30.0, 10.0), (0.55, 0.2), (12.0, 5.0), (4.0, 1.0), (1000.0, 500.0), (7.0, 2.0)] {
        assert!((nice_step(span, 4.0) / expected - 1.0).abs() < 1e-9, "{span}: {}", nice_step(span, 4.0));
    }
}

#[test]
fn the_sheet_has_a_grid_of_the_columns_and_one_of_the_strip_and_a_row_for_every_step() {
    let mut state = with_strip();
    assert_eq!(Sheet::of(&Compare::default(), 64, "", ""), None);
    state.apply(Action::CellToColumn { cell: 3, at: Some(0) });
    let effects = state.apply(Action::SaveSheet);
    let [Effect::Io(IoTask::SaveSheet { sheet, folder })] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(folder, &state.pictures_folder());
    assert_eq!(sheet.slug, "a-red-apple-7");
    assert_eq!(sheet.grids.iter().map(|g| g.cells.len()).collect::<Vec<_>>(), [1, 15]);
    assert_eq!(sheet.grids[0].columns, ["none, w = 10"]);
    assert_eq!(sheet.grids[0].cells[0].width(), 384);
    assert!(sheet.grids.iter().all(|grid| crate::grid::draw(grid).is_some()));
    let lines: Vec<&str> = sheet.table.lines().collect();
    assert_eq!(lines.len(), 1 + 1 + 15);
    assert_eq!(lines[1], "column,1,10,none,,,64,10,10,3,0.1");
    assert_eq!(lines[16], "strip,15,15,dynamic,0.995,,64,4,10,14,0.1");
    assert!(sheet.settings.contains("\"prompt\":\"a red apple\""), "{}", sheet.settings);
}

#[test]
fn nothing_to_save_is_said() {
    let mut state = state();
    assert_eq!(state.apply(Action::SaveSheet), vec![]);
    assert!(state.notes.last().expect("said").text.starts_with("nothing was compared yet"));
}

#[test]
fn labels_say_what_was_set() {
    let dynamic = Threshold::Dynamic { percentile: 0.995, cap: Some(1.5) };
    assert_eq!(
        [Threshold::None, PAPER, dynamic].map(|t| threshold_label(&t)),
        ["none", "dynamic 99.5 %", "dynamic 99.5 %, cap 1.5"]
    );
}

#[test]
fn nothing_takes_the_place_of_a_column_that_is_being_made() {
    let mut state = with_strip();
    let (job, _) = sent(&state.apply(Action::RunCompare));
    started(&mut state, job, &[64]);
    assert_eq!(state.apply(Action::RunCompare), vec![], "one run at a time");
    state.apply(Action::CellToColumn { cell: 13, at: Some(0) });
    assert_eq!(state.compare.columns[0].threshold, Threshold::None);
    state.apply(Action::CellToColumn { cell: 13, at: None });
    assert_eq!(state.compare.columns.len(), 4);
    let images = (1..=3).map(|i| flat(64, [i; 3])).collect();
    state.fold(Event::StageFinished { job, size: 64, seconds: 1.0, images });
    assert_eq!(state.compare.columns[3].picture(64), Some(&flat(64, [13, 0, 0])), "the new column is not the job's");
}
