//! The device, the queue and the log.

use egui_kittest::kittest::Queryable;
use imagen_app::window::prefs::{Prefs, ThemeChoice};
use imagen_protocol::{DeviceChoice, EngineError, Event};

use crate::harness::{Bench, Setup};

fn lost() -> EngineError {
    EngineError::Device { problem: "the device failed: it was lost".into(), remedy: "run it again, or use another device".into() }
}

fn queue(bench: &mut Bench, prompts: &[&str]) {
    for prompt in prompts {
        // A seed that is drawn would change the picture each time.
        bench.state_mut().draft.seed_locked = true;
        bench.state_mut().draft.prompt = (*prompt).into();
        let effects = bench.state_mut().apply(imagen_app::window::action::Action::Generate);
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
    for text in ["98.0 MB", "1.3 GB", "discrete", "148 MB at once for the model"] {
        assert!(bench.reads(text), "{text}");
    }
    bench.snapshot("device_open");
    bench.click("Compute on");
    assert!(bench.reads("Old adapter"));
    bench.click("CPU");
    bench.next_engine();
    assert_eq!(bench.device, DeviceChoice::Cpu);
    assert_eq!(bench.state().draft.device, DeviceChoice::Cpu);
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
