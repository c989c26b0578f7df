//! The create view in windows that have no room for all of it: drawers, and one stage with a switch.

use egui_kittest::kittest::{NodeT as _, Queryable as _};
use imagen_app::window::prefs::ThemeChoice;
use imagen_protocol::Event;

use crate::create::{finished, setup};

#[test]
fn a_narrow_window_has_drawers() {
    let mut narrow = setup([1024.0, 640.0], ThemeChoice::Dark, 1.0);
    finished(&mut narrow, 4);
    narrow.snapshot("create_narrow");
    narrow.click("Stages rail");
    assert!(narrow.sees("Presets") && !narrow.sees("Seed"));
    narrow.snapshot("create_narrow_stages");
    narrow.click("Generate");
    let (job, _) = narrow.start_job();
    narrow.run_steps(job, 64, 4, 3, 30);
    narrow.click("Cancel");
    assert!(narrow.engine.cancel.is_cancelled());
}

#[test]
fn generate_is_in_reach_in_the_smallest_window_at_the_largest_scale_whichever_rail_is_open() {
    // The least window, 1024 x 640, with an interface of 200 %.
    let mut least = setup([512.0, 320.0], ThemeChoice::Dark, 2.0);
    let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(512.0, 320.0));
    for rail in [None, Some("Stages rail"), Some("Stages rail")] {
        rail.into_iter().for_each(|rail| least.click(rail));
        for view in ["Create", "Compare", "Gallery"] {
            least.click(view);
            let button = least.app.get_by_label("Generate").rect();
            assert!(screen.contains_rect(button), "{view}, {rail:?}: {button:?}");
        }
        least.click("Create");
    }
    least.click("Stages rail");
    least.snapshot("create_least_stages");
}

#[test]
fn the_smallest_window_at_the_largest_scale_keeps_one_stage_with_a_switch() {
    let mut least = setup([512.0, 320.0], ThemeChoice::Dark, 2.0);
    least.snapshot("create_least_prompt");
    least.click("Prompt rail");
    least.state_mut().draft.candidates = 4;
    least.click("Generate");
    let (job, _) = least.start_job();
    least.run_stage(job, 64, 4, 30);
    least.run_steps(job, 256, 4, 9, 15);
    assert!(least.reads("9/15 · "), "the stage in progress");
    least.snapshot("create_least_running");
    least.click("Show stage 64");
    assert!(least.reads("30 steps · ") && !least.reads("9/15 · "));
    least.click("Show stage 64");
    assert!(least.reads("9/15 · "), "once more follows the one that runs");
    least.run_stage(job, 256, 4, 15);
    least.run_stage(job, 1024, 4, 15);
    least.send([Event::JobFinished { job, seconds: 31.0 }]);
    assert!(!least.app.get_by_label("Save the 1024-pixel picture").accesskit_node().is_disabled(), "the finest");
    let screen = egui::Rect::from_min_size(egui::Pos2::ZERO, egui::vec2(512.0, 320.0));
    for name in ["Show stage 64", "Show stage 1024", "Save the 1024-pixel picture", "Candidate 1", "The picture being made"] {
        let rect = least.app.get_by_label(name).rect();
        assert!(screen.contains_rect(rect), "{name}: {rect:?}");
    }
    least.click("Prompt rail");
    assert!(least.sees("Show stage 256"));
    least.snapshot("create_least_done");
}

#[test]
fn a_narrow_window_at_125_percent_keeps_one_stage_with_a_switch() {
    let mut narrow = setup([819.0, 512.0], ThemeChoice::Light, 1.25);
    finished(&mut narrow, 4);
    narrow.click("Show stage 256");
    narrow.snapshot("create_narrow_125");
    narrow.click("Generate");
    let (job, _) = narrow.start_job();
    narrow.run_steps(job, 64, 4, 3, 30);
    assert_eq!(narrow.state().create.tile, None, "another job is looked at from its beginning");
}
