//! The status line: the device, what it does, how the window looks.

use egui::{RichText, Ui};

use super::Actions;
use crate::window::action::Action;
use crate::window::doing::doing;
use crate::window::prefs::ThemeChoice;
use crate::window::state::{EngineStatus, State};
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_height(theme::CONTROL);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            controls(ui, state, actions);
            // What is left of the line is the words': they are cut, and never lie under the controls.
            ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| words(ui, state));
        });
    });
}

fn words(ui: &mut Ui, state: &State) {
    let p = Palette::get(ui.ctx());
    let say = |ui: &mut Ui, text: String, colour| ui.add(egui::Label::new(RichText::new(text).color(colour)).truncate());
    let parts = parts(state);
    // Where there is room for one thing, it is what happens now.
    if ui.available_width() < theme::TEXT
        && let Some(now) = parts.last()
    {
        say(ui, now.clone(), p.muted);
        return;
    }
    let (name, colour) = match &state.engine {
        EngineStatus::Starting => ("starting the engine ...".into(), p.muted),
        EngineStatus::Ready(device) => (device.name.clone(), p.text),
        EngineStatus::Unavailable(_) => ("no engine".into(), p.error),
    };
    say(ui, name, colour).on_hover_text("Where pictures are computed");
    for part in parts {
        say(ui, "·".into(), p.muted);
        say(ui, part, p.muted);
    }
}

/// From right to left.
fn controls(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let caret = if state.prefs.show_log { icons::CARET_DOWN } else { icons::CARET_UP };
    let log = ui.selectable_label(state.prefs.show_log, format!("Log {caret}"));
    if log.on_hover_text("What happened, line by line").accessible_name("Log").clicked() {
        actions.push(Action::ToggleLog);
    }
    ui.separator();
    let scale = state.prefs.scale;
    if widgets::icon_button(ui, icons::PLUS, "Larger: Ctrl and plus").clicked() {
        actions.push(Action::Scale(scale + theme::SCALE_STEP));
    }
    let size = ui.button(format!("{:.0} %", scale * 100.0)).on_hover_text("The size of everything; click for 100 %: Ctrl and 0");
    if size.accessible_name("Normal size").clicked() {
        actions.push(Action::Scale(1.0));
    }
    if widgets::icon_button(ui, icons::MINUS, "Smaller: Ctrl and minus").clicked() {
        actions.push(Action::Scale(scale - theme::SCALE_STEP));
    }
    ui.separator();
    let themes = [
        (ThemeChoice::Dark, icons::MOON, "Dark"),
        (ThemeChoice::Light, icons::SUN, "Light"),
        (ThemeChoice::System, icons::CIRCLE_HALF, "As the system: light or dark"),
    ];
    for (choice, icon, name) in themes {
        let button = ui.selectable_label(state.prefs.theme == choice, RichText::new(icon).size(theme::HEAD));
        if button.on_hover_text(name).accessible_name(name).clicked() {
            actions.push(Action::Theme(choice));
        }
    }
}

fn parts(state: &State) -> Vec<String> {
    let mut parts = Vec::new();
    if state.memory.model_bytes > 0 || state.memory.used_bytes.is_some() {
        let models = format!("models {}", widgets::bytes(state.memory.model_bytes));
        parts.push(state.memory.used_bytes.map_or(models.clone(), |used| format!("{} used, {models}", widgets::bytes(used))));
    }
    let waiting = state.queue.waiting.len();
    if waiting > 0 {
        parts.push(format!("{waiting} waiting"));
    }
    if state.is_busy() {
        parts.push(doing(state));
    }
    parts
}
