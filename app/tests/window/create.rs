//! The create view, driven as a person drives it.

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use imagen_app::window::draft::Input;
use imagen_app::window::prefs::{Prefs, ThemeChoice};
use imagen_app::window::stage_view::Progress;
use imagen_protocol::{Command, EngineError, Event, GenerateRequest, JobId, Preview, StageInput, Steps, Threshold};

use crate::harness::{Bench, Setup, painting};

pub fn with_prompt(mut bench: Bench) -> Bench {
    bench.state_mut().draft.prompt = "a red apple on a wooden table".into();
    bench.state_mut().draft.seed_locked = true;
    bench.until("counted", |s| s.tokens.as_ref().is_some_and(|t| t.tokens == 7));
    bench
}

/// A job of these candidates, all of its stages.
pub fn finished(bench: &mut Bench, candidates: u32) -> (JobId, GenerateRequest) {
    bench.state_mut().draft.candidates = candidates;
    bench.click("Generate");
    let (job, request) = bench.start_job();
    for (size, steps) in [(64, 30), (256, 15), (1024, 15)] {
        if request.until.is_none_or(|until| size <= until) {
            bench.run_stage(job, size, candidates, steps);
        }
    }
    bench.send([Event::JobFinished { job, seconds: 31.0 }]);
    (job, request)
}

pub fn setup(size: [f32; 2], theme: ThemeChoice, pixels_per_point: f32) -> Bench {
    let mut bench = Bench::with(Setup { size, pixels_per_point, prefs: Prefs { theme, ..Prefs::default() } });
    bench.ready();
    with_prompt(bench)
}

#[test]
fn before_anything_was_made() {
    Bench::open().snapshot("create_empty");
}

#[test]
fn an_example_is_one_click() {
    let mut bench = Bench::open();
    bench.click("two apples");
    let (_, request) = bench.job();
    assert_eq!((request.prompt.as_str(), request.until), ("two apples", None));
}

#[test]
fn a_job_at_work() {
    let mut bench = with_prompt(Bench::open());
    bench.state_mut().draft.candidates = 4;
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 4, 30);
    bench.run_steps(job, 256, 4, 9, 15);
    assert!(bench.reads("step 9/15 of 256"));
    assert_eq!(bench.state().title(), "256 px 9/15 - imagen");
    bench.snapshot("create_running");
}

#[test]
fn a_finished_cascade() {
    let mut bench = with_prompt(Bench::open());
    finished(&mut bench, 1);
    bench.snapshot("create_done");
}

#[test]
fn an_error_stands_in_the_tile_that_caused_it() {
    let mut bench = with_prompt(Bench::open());
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 1, 30);
    bench.run_steps(job, 256, 1, 3, 15);
    bench.send([Event::JobFailed { job, error: EngineError::NotFinite { size: 256, step: 4 } }]);
    assert!(bench.sees("Generate"));
    assert!(matches!(bench.state().create.shown(256).map(|s| &s.progress), Some(Progress::Failed(_))));
    bench.snapshot("create_error");
}

#[test]
fn an_older_picture_is_dimmed_and_said_to_be() {
    let mut bench = with_prompt(Bench::open());
    finished(&mut bench, 1);
    assert!(!bench.reads("older settings"));
    bench.click("Settings of stage 256");
    bench.app.get_by_role_and_label(egui::accesskit::Role::SpinButton, "Guidance").click();
    bench.settle();
    bench.press(Modifiers::COMMAND, Key::A);
    bench.app.get_by_role_and_label(egui::accesskit::Role::SpinButton, "Guidance").type_text("7.5");
    bench.settle();
    bench.press(Modifiers::NONE, Key::Enter);
    assert_eq!(bench.state().draft.stages[&256].guidance_weight, Some(7.5));
    bench.snapshot("create_stale");
    bench.click("Continue from 64");
    let (_, request) = bench.job();
    assert_eq!(request.from.as_ref().map(|f| (f.size, f.images.clone())), Some((64, vec![painting(64, 0, 0.0)])));
    assert_eq!(request.stages[&256].guidance_weight, Some(7.5));
}

#[test]
fn candidates_are_picked_and_enlarged_one_after_the_other() {
    let mut bench = with_prompt(Bench::open());
    bench.click("64s first, to choose from");
    finished(&mut bench, 16);
    assert_eq!(bench.state().create.candidates(), 16);
    bench.click("Mark candidate 3");
    bench.click("Mark candidate 6");
    bench.snapshot("create_candidates");
    bench.click("Enlarge 2 to 1024");
    for (candidate, painted) in [(2, 1), (5, 2)] {
        let (job, request) = bench.start_job();
        assert_eq!((request.first_candidate, request.count, request.until), (candidate, 1, None));
        for (size, steps) in [(256, 2), (1024, 2)] {
            bench.send([Event::StageStarted { job, size, steps }]);
            bench.send([Event::StageFinished { job, size, seconds: 1.0, images: vec![painting(size, painted, 0.0)] }]);
        }
        bench.send([Event::JobFinished { job, seconds: 2.0 }]);
    }
    for (name, painted) in [("Candidate 3", 1), ("Candidate 6", 2)] {
        bench.click(name);
        assert_eq!(bench.state().create.picture(1024), Some(&painting(1024, painted, 0.0)), "{name}");
    }
    bench.snapshot("create_enlarged");
    enlarging_is_offered_where_something_is_left(&mut bench);
}

/// Candidates 3 and 6 are there, and 6 is seen.
fn enlarging_is_offered_where_something_is_left(bench: &mut Bench) {
    let disabled = |bench: &Bench, name: &str| bench.app.get_by_label(name).accesskit_node().is_disabled();
    assert!(disabled(bench, "Enlarge this to 1024"));
    bench.app.get_by_label("Enlarge this to 1024").hover();
    bench.app.run_steps(60);
    assert!(bench.reads("It is there, or on the way, with these settings"));
    bench.click("Mark candidate 3");
    bench.click("Mark candidate 7");
    assert!(!disabled(bench, "Enlarge 1 to 1024"));
    bench.click("Mark candidate 3");
    bench.click("Mark candidate 7");
    bench.click("Settings of stage 1024");
    bench.app.get_by_label("Guidance slider").set_value_accesskit(9.0);
    bench.settle();
    bench.click("Enlarge this to 1024");
    let (_, request) = bench.job();
    assert_eq!((request.first_candidate, request.stages[&1024].guidance_weight), (5, Some(9.0)));
    assert!(disabled(bench, "Enlarge this to 1024"), "it is on the way");
}

#[test]
fn cancel_is_where_generate_was() {
    let mut bench = with_prompt(Bench::open());
    let generate = bench.app.get_by_label("Generate").rect();
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.run_steps(job, 64, 1, 5, 30);
    assert_eq!(bench.app.get_by_label("Cancel").rect(), generate);
    bench.click("Cancel");
    assert!(bench.engine.cancel.is_cancelled());
    bench.send([Event::JobCancelled { job }]);
    assert!(bench.sees("Generate") && bench.reads("cancelled at 5/30"));
}

#[test]
fn the_keyboard_alone_is_enough() {
    let mut bench = Bench::open();
    let focused = |bench: &Bench| bench.app.ctx.memory(|m| m.focused());
    while focused(&bench).is_none() || !bench.app.query_all_by_label("Prompt").any(|n| n.is_focused()) {
        bench.press(Modifiers::NONE, Key::Tab);
    }
    bench.app.event(egui::Event::Text("a dog".into()));
    bench.settle();
    bench.press(Modifiers::COMMAND, Key::Enter);
    let (job, request) = bench.start_job();
    assert_eq!(request.prompt, "a dog");
    bench.press(Modifiers::NONE, Key::Escape);
    assert!(bench.engine.cancel.is_cancelled());
    bench.send([Event::JobCancelled { job }]);
}

#[test]
fn full_size_opens_and_closes() {
    let mut bench = with_prompt(Bench::open());
    finished(&mut bench, 1);
    bench.click("The 256-pixel picture");
    assert_eq!(bench.state().full.as_ref().map(|p| p.image.width()), Some(256));
    bench.snapshot("create_full");
    bench.press(Modifiers::NONE, Key::Escape);
    assert_eq!(bench.state().full, None);
}

#[test]
fn what_hinders_is_said_under_the_button() {
    let mut bench = Bench::open();
    bench.state_mut().draft.model = Some("models/missing".into());
    bench.until("not there", |s| s.models.info.contains_key(&s.draft.model));
    assert!(bench.reads("is not there"));
    bench.click("Generate");
    assert_eq!(bench.command(), None);
}

#[test]
fn a_preview_of_another_job_changes_nothing() {
    let mut bench = with_prompt(Bench::open());
    bench.click("Generate");
    let (job, _) = bench.start_job();
    bench.send([Event::StageStarted { job, size: 64, steps: 30 }]);
    bench.preview(Preview { job: JobId(job.0 + 1), size: 64, step: 1, first: 0, images: vec![painting(64, 0, 0.5)] });
    assert_eq!(bench.state().create.picture(64), None);
    assert!(!matches!(bench.command(), Some(Command::Generate { .. })));
}

#[test]
fn a_double_click_takes_the_models_value_back() {
    let mut bench = with_prompt(Bench::open());
    bench.app.get_by_label("Guidance slider").set_value_accesskit(12.0);
    bench.settle();
    assert_eq!(bench.state().draft.stages[&64].guidance_weight, Some(12.0));
    let label = bench.app.get_by_role_and_label(egui::accesskit::Role::Label, "Guidance").rect().center();
    click_twice(&mut bench, label);
    assert!(!bench.state().draft.is_changed(64));
}

fn click_twice(bench: &mut Bench, at: egui::Pos2) {
    bench.app.hover_at(at);
    for _ in 0..2 {
        for pressed in [true, false] {
            let (button, modifiers) = (egui::PointerButton::Primary, Modifiers::NONE);
            bench.app.event(egui::Event::PointerButton { pos: at, button, pressed, modifiers });
        }
    }
    bench.settle();
}

#[test]
fn a_slider_is_dragged_and_a_double_click_on_it_resets() {
    let mut bench = with_prompt(Bench::open());
    let slider = bench.app.get_by_label("Guidance slider").rect();
    let at = |share: f32| egui::pos2(slider.left() + share * slider.width(), slider.center().y);
    bench.app.drag_at(at(0.3));
    bench.app.step();
    bench.app.hover_at(at(0.9));
    bench.app.step();
    bench.app.drop_at(at(0.9));
    bench.settle();
    let weight = bench.state().draft.stages[&64].guidance_weight.expect("changed");
    assert!((17.0..20.0).contains(&weight), "{weight}");
    click_twice(&mut bench, at(0.9));
    assert!(!bench.state().draft.is_changed(64), "the model's value is back");
}

#[test]
fn the_light_theme() {
    let mut light = setup([1440.0, 900.0], ThemeChoice::Light, 1.0);
    finished(&mut light, 4);
    light.snapshot("create_light");
}

#[test]
fn a_screen_of_1280_by_720() {
    let mut common = setup([1280.0, 720.0], ThemeChoice::Light, 1.0);
    finished(&mut common, 4);
    common.snapshot("create_1280");
}

#[test]
fn twice_as_large() {
    let mut large = setup([1200.0, 720.0], ThemeChoice::Dark, 2.0);
    finished(&mut large, 4);
    large.snapshot("create_large");
}

#[test]
fn an_input_picture_is_shown_used_and_removed() {
    let mut bench = with_prompt(Bench::open());
    let input = StageInput { size: 64, images: vec![painting(64, 1, 0.0)] };
    bench.state_mut().draft.input = Some(Input { input: input.clone(), path: "a photograph of an orange on a table.png".into() });
    bench.settle();
    bench.snapshot("create_input");
    bench.click("Generate");
    let (_, request) = bench.job();
    assert_eq!(request.from, Some(input));
    bench.click("Remove the input picture");
    assert_eq!(bench.state().draft.input, None);
}

#[test]
fn thresholding_presets_and_lists_are_set_by_name() {
    let mut bench = with_prompt(Bench::open());
    bench.click("Threshold static");
    assert_eq!(bench.state().draft.stages[&64].threshold, Some(Threshold::Static));
    bench.click("Threshold dynamic");
    bench.click("Cap on");
    assert_eq!(bench.state().draft.stages[&64].threshold, Some(Threshold::Dynamic { percentile: 0.995, cap: Some(1.5) }));
    bench.click("Reset to the model's defaults");
    assert!(!bench.state().draft.is_changed(64));
    bench.click("Presets");
    bench.click("IF");
    assert_eq!(bench.state().draft.stages[&64].steps, Some(Steps::Count(100)));
    assert!(!bench.sees("List of timesteps"));
    let model = bench.state().draft.model.clone();
    if let Some(Ok(info)) = bench.state_mut().models.info.get_mut(&model) {
        info.stages[0].network = "deepfloyd".into();
    }
    bench.settle();
    bench.click("List of timesteps");
    bench.click("smart50");
    assert_eq!(bench.state().draft.stages[&64].steps, Some(Steps::Named("smart50".into())));
}

#[test]
fn prompts_of_many_scripts_are_shown() {
    let mut bench = Bench::open();
    let prompt =
        "赤いリンゴ 写真\n빨간 사과 사진\n红苹果，照片 紅蘋果\nкрасное яблоко\nένα κόκκινο μήλο\na 🍎, a 🦊 and a 🪑 ❤\u{FE0F}!";
    bench.state_mut().draft.prompt = prompt.into();
    bench.until("counted", |s| s.tokens.as_ref().is_some_and(|t| t.tokens > 7));
    bench.snapshot("create_scripts");
}

#[test]
fn a_prompt_that_is_cut_says_so() {
    let mut bench = Bench::open();
    bench.state_mut().draft.prompt = "word ".repeat(70);
    bench.until("counted", |s| s.tokens.as_ref().is_some_and(|t| t.tokens == 70));
    assert!(bench.reads("70 / 64 tokens: the end is not read"));
}

#[test]
fn a_seed_is_typed_and_what_is_no_number_is_put_back() {
    let mut bench = with_prompt(Bench::open());
    for (typed, seed) in [("18446744073709551615", u64::MAX), ("seven", u64::MAX)] {
        bench.app.get_by_role_and_label(egui::accesskit::Role::TextInput, "Seed").focus();
        bench.settle();
        bench.press(Modifiers::COMMAND, Key::A);
        bench.app.event(egui::Event::Text(typed.into()));
        bench.settle();
        bench.press(Modifiers::NONE, Key::Enter);
        assert_eq!(bench.state().draft.seed, seed);
        let shown = bench.app.get_by_role_and_label(egui::accesskit::Role::TextInput, "Seed").value();
        assert_eq!(shown, Some(u64::MAX.to_string()));
    }
}
