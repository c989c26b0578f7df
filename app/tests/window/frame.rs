//! The frame around the views.

use egui::{Key, Modifiers};
use imagen_app::window::action::View;
use imagen_app::window::prefs::ThemeChoice;
use imagen_protocol::Event;

use crate::harness::Bench;

#[test]
fn keys_and_tabs_change_the_view() {
    let mut bench = Bench::open();
    bench.click("Gallery");
    assert_eq!(bench.state().prefs.view, View::Gallery);
    bench.press(Modifiers::COMMAND, Key::Num2);
    assert_eq!(bench.state().prefs.view, View::Compare);
}

#[test]
fn keys_of_one_slow_frame_count_in_their_order() {
    let mut bench = Bench::open();
    bench.state_mut().draft.prompt = "a red apple".into();
    for (key, view, columns) in [(Key::Num2, View::Compare, true), (Key::Num1, View::Create, false)] {
        for key in [key, Key::Enter] {
            let event = egui::Event::Key { key, physical_key: None, pressed: true, repeat: false, modifiers: Modifiers::COMMAND };
            bench.app.input_mut().events.push(event);
        }
        let (job, request) = bench.start_job();
        assert_eq!((bench.state().prefs.view, !request.columns.is_empty()), (view, columns));
        bench.send([Event::JobCancelled { job }]);
    }
}

#[test]
fn an_engine_at_work_is_seen() {
    let mut bench = Bench::open();
    bench.state_mut().draft.prompt = "a red apple".into();
    bench.click("Generate");
    let (job, request) = bench.start_job();
    assert_eq!(request.prompt, "a red apple");
    bench.run_stage(job, 64, 1, 4);
    assert!(bench.state().create.picture(64).is_some());
}

#[test]
fn theme_and_scale_are_applied_and_kept() {
    let mut bench = Bench::open();
    bench.click("Light");
    assert_eq!(bench.app.ctx.theme(), egui::Theme::Light);
    bench.press(Modifiers::COMMAND, Key::Plus);
    bench.click("Larger: Ctrl and plus");
    assert_eq!(bench.app.ctx.zoom_factor(), 1.5);
    let kept = bench.state().to_keep();
    assert_eq!((kept.theme, kept.scale), (ThemeChoice::Light, 1.5));
    bench.press(Modifiers::COMMAND, Key::Num0);
    assert_eq!(bench.state().prefs.scale, 1.0);
    for _ in 0..9 {
        bench.press(Modifiers::COMMAND, Key::Minus);
    }
    assert_eq!(bench.state().prefs.scale, 0.75);
}
