//! The device, the queue and the log.

use egui_kittest::kittest::{NodeT as _, Queryable};
use imagen_app::window::action::Action;
use imagen_app::window::job::Queue;
use imagen_app::window::prefs::{Prefs, ThemeChoice};
use imagen_protocol::{DeviceChoice, EngineError, Event, Weights};

use crate::harness::{Bench, Setup};

fn lost() -> EngineError {
    EngineError::Device { problem: "the device failed: it was lost".into(), remedy: "run it again, or use another device".into() }
}

fn queue(bench: &mut Bench, prompts: &[&str]) {
    for prompt in prompts {
        // A seed that is drawn would change the picture each time.
        bench.state_mut().draft.seed_locked = true;
        bench.state_mut().draft.prompt = (*prompt).into();
        let effects = bench.state_mut().apply(Action::Generate);
        let ctx = bench.app.ctx.clone();
        bench.app.state_mut().carry_out(&ctx, effects);
    }
    bench.settle();
}

fn waiting(bench: &Bench) -> Vec<String> {
    bench.state().queue.waiting.iter().map(|job| job.request.prompt.clone()).collect()
}

#[test]
fn the_device_and_its_memory_are_shown_and_can_be_changed() {
    let mut bench = Bench::open();
    bench.send([Event::Memory { model_bytes: 98_000_000, used_bytes: Some(1_398_000_000) }]);
    bench.click("Device");
    for text in ["98.0 MB", "1.3 GB", "discrete", "316 MB at once for the model"] {
        assert!(bench.reads(text), "{text}");
    }
    bench.snapshot("device_open");
    weights_are_chosen_told_and_asked_for(&mut bench);
    bench.click("Compute on");
    assert!(bench.reads("Old adapter"));
    bench.click("CPU");
    bench.next_engine();
    assert_eq!(bench.device, DeviceChoice::Cpu);
    assert_eq!(bench.state().draft.device, DeviceChoice::Cpu);
}

/// Every job from then on says them; the memory that is told follows.
fn weights_are_chosen_told_and_asked_for(bench: &mut Bench) {
    bench.click("Weights f16");
    assert!(bench.reads("185 MB at once for the model") && !bench.reads("316 MB"));
    assert_eq!(bench.state().to_keep().draft.weights, Weights::F16);
    queue(bench, &["a red apple"]);
    let (job, request) = bench.start_job();
    assert_eq!(request.weights, Weights::F16);
    for purpose in [Action::RunCompare, Action::RunStrip] {
        let effects = bench.state_mut().apply(purpose);
        assert_eq!(effects, [], "it waits");
    }
    assert!(bench.state().queue.waiting.iter().all(|job| job.request.weights == Weights::F16));
    bench.state_mut().queue.waiting.clear();
    bench.run_stage(job, 64, 1, 3);
    bench.send([Event::JobCancelled { job }]);
    bench.click("Weights f32");
    for action in [Action::ContinueFrom(64), Action::Enlarge(vec![0])] {
        bench.state_mut().apply(action);
    }
    let jobs = bench.state().queue.running.iter().chain(&bench.state().queue.waiting);
    let asked: Vec<_> = jobs.map(|job| (job.request.weights, job.request.from.is_some())).collect();
    assert_eq!(asked, [(Weights::F32, true); 2]);
    bench.state_mut().queue = Queue::default();
    bench.app.get_by_label("Weights f16").hover();
    bench.app.run_steps(60);
    assert!(bench.reads("not with this model: its files are f16 already"));
    assert!(bench.reads("imagen-small needs 185 MB at once"));
    bench.app.remove_cursor();
    bench.settle();
}

#[test]
fn a_device_without_f16_keeps_f32_and_says_so() {
    let mut bench = Bench::open();
    bench.click("Device");
    bench.click("Weights f16");
    bench.state_mut().adapters[0].shader_f16 = false;
    bench.settle();
    assert!(bench.reads("316 MB at once for the model"));
    assert!(bench.app.get_by_label("Weights f16").accesskit_node().is_disabled());
}

#[test]
fn a_lost_device_is_said_and_the_pictures_survive_its_restart() {
    let mut bench = Bench::open();
    queue(&mut bench, &["a red apple"]);
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 1, 3);
    bench.send([Event::JobFailed { job, error: lost() }]);
    assert!(bench.state().create.picture(64).is_some());
    bench.snapshot("engine_unavailable");
    bench.app.get_all_by_label("Use the CPU").next().expect("a button").click();
    bench.settle();
    bench.next_engine();
    assert_eq!(bench.device, DeviceChoice::Cpu);
    bench.ready();
    assert!(bench.state().create.picture(64).is_some() && !bench.sees("Use the CPU"));
}

#[test]
fn what_is_said_beside_the_candidates_is_not_covered_by_a_note() {
    let mut bench = Bench::open();
    bench.state_mut().draft.candidates = 4;
    queue(&mut bench, &["a red apple"]);
    let (job, _) = bench.start_job();
    bench.run_stage(job, 64, 4, 3);
    bench.run_steps(job, 256, 4, 2, 15);
    bench.send([Event::JobFailed { job, error: lost() }]);
    assert!(!bench.sees("Dismiss"), "the note would say the same over it");
    bench.snapshot("engine_lost_candidates");
    bench.click("Gallery");
    assert!(bench.sees("Dismiss"), "elsewhere it is a note");
    bench.click("Create");
    let ways_on: Vec<_> = bench.app.get_all_by_label("Use the CPU").map(|button| button.rect()).collect();
    let candidate = bench.app.get_by_label("Candidate 1").rect();
    let own = ways_on.iter().find(|rect| (candidate.left() - 1.0..candidate.left() + 200.0).contains(&rect.left()));
    assert!(own.is_some_and(|rect| rect.bottom() < candidate.top()), "{ways_on:?} over {candidate:?}");
}

#[test]
fn an_engine_whose_thread_ends_is_restarted_by_choice() {
    let mut bench = Bench::open();
    let (_, side) = imagen_protocol::engine_channel();
    drop(std::mem::replace(&mut bench.engine, side));
    bench.until("it is known to be gone", |s| matches!(s.engine, imagen_app::window::state::EngineStatus::Unavailable(_)));
    bench.app.get_all_by_label("Restart").next().expect("a button").click();
    bench.settle();
    bench.next_engine();
    bench.ready();
    assert!(!bench.sees("Restart"));
}

#[test]
fn waiting_jobs_are_moved_and_removed() {
    let mut bench = Bench::open();
    queue(&mut bench, &["a running fox", "a pear", "a kite", "a cup"]);
    let (job, _) = bench.start_job();
    bench.run_steps(job, 64, 1, 12, 30);
    assert!(bench.sees("3 waiting"));
    bench.snapshot("queue_three_waiting");
    bench.click("a cup sooner");
    assert_eq!(waiting(&bench), ["a pear", "a cup", "a kite"]);
    bench.click("a pear later");
    assert_eq!(waiting(&bench), ["a cup", "a pear", "a kite"]);
    bench.click("Remove a pear");
    assert_eq!(waiting(&bench), ["a cup", "a kite"]);
    bench.click("Cancel the running job");
    assert!(bench.engine.cancel.is_cancelled());
}

#[test]
fn the_log_is_read_copied_cleared_and_closed() {
    let prefs = Prefs { theme: ThemeChoice::Light, show_log: true, ..Prefs::default() };
    let mut bench = Bench::with(Setup { prefs, ..Setup::default() });
    bench.ready();
    queue(&mut bench, &["a red apple"]);
    let (job, _) = bench.start_job();
    bench.send([Event::JobFailed { job, error: EngineError::NotFinite { size: 64, step: 3 } }]);
    assert!(bench.reads("not a number"));
    bench.snapshot("log_open");
    bench.click("Copy the log");
    bench.click("Clear the log");
    assert!(bench.state().log.lines.is_empty() && bench.sees("nothing happened yet"));
    bench.click("Close the log");
    assert!(!bench.state().prefs.show_log);
}
