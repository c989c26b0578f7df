//! The right rail: how each stage samples.

mod number;
mod settings;
mod steps;
mod threshold;

use egui::{Button, RichText, Ui, Vec2};
use imagen_protocol::StageInfo;

use super::Actions;
use crate::window::action::Action;
use crate::window::draft::Preset;
use crate::window::stage_view::Progress;
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_height(theme::ROW);
        widgets::head(ui, "Stages");
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| presets(ui, state, actions));
    });
    let sizes = state.sizes();
    let Some(size) = state.tab.filter(|size| sizes.contains(size)).or_else(|| sizes.first().copied()) else {
        widgets::caption(ui, "The stages of a model show here once it is known.");
        return;
    };
    tabs(ui, state, &sizes, size);
    let Some(stage) = state.stage_info(size).cloned() else { return };
    settings::show(ui, state, &stage);
    if let Some(refusal) = state.refusal(size) {
        let p = Palette::get(ui.ctx());
        ui.add(egui::Label::new(RichText::new(format!("{}  {refusal}", icons::WARNING)).color(p.error)).wrap());
    }
    ui.separator();
    bottom(ui, state, &stage, &sizes, actions);
}

/// One a stage; a dot where something differs from the model's.
fn tabs(ui: &mut Ui, state: &mut State, sizes: &[u32], chosen: u32) {
    let p = Palette::get(ui.ctx());
    let width = (ui.available_width() - theme::GAP * (sizes.len() - 1) as f32) / sizes.len() as f32;
    ui.horizontal(|ui| {
        for &size in sizes {
            let button = Button::selectable(size == chosen, size.to_string()).min_size(Vec2::new(width, theme::CONTROL));
            let button =
                button.frame_when_inactive(true).stroke(egui::Stroke::new(1.0, if size == chosen { p.accent } else { p.line }));
            let changed = state.draft.is_changed(size);
            let tip = if changed { "Differs from the model's defaults" } else { "As the model has it" };
            let tab = ui.add(button).on_hover_text(tip).accessible_name(format!("Settings of stage {size}"));
            if changed {
                widgets::changed_dot(ui, tab.rect.right_top() + egui::vec2(-theme::GAP, theme::GAP));
            }
            if tab.clicked() {
                state.tab = Some(size);
            }
        }
    });
}

fn presets(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let menu = ui.menu_button(format!("Presets {}", icons::CARET_DOWN), |ui| {
        for preset in Preset::ALL {
            if ui.button(preset.name()).on_hover_text(meaning(preset)).clicked() {
                actions.push(Action::ApplyPreset(preset));
                ui.close();
            }
        }
    });
    let enabled = state.model().is_some();
    menu.response.accessible_name("Presets").on_hover_text(if enabled {
        "Ready-made settings of all stages"
    } else {
        "Needs a model"
    });
}

fn meaning(preset: Preset) -> &'static str {
    match preset {
        Preset::Model => "Everything as the model has it",
        Preset::Fast => "Few steps of DDIM",
        Preset::Paper => "256 and 128 ancestral steps, dynamic thresholding at 99.5 % without a cap",
        Preset::DeepFloyd => "100 and 50 ancestral steps, dynamic thresholding at 95 % with a cap of 1.5",
    }
}

fn bottom(ui: &mut Ui, state: &State, stage: &StageInfo, sizes: &[u32], actions: &mut Actions) {
    let size = stage.size;
    let changed = state.draft.is_changed(size);
    let wide = Vec2::new(ui.available_width(), theme::CONTROL);
    let text = format!("{}  Reset to the model's defaults", icons::ARROW_COUNTER_CLOCKWISE);
    let reset = ui.add_enabled(changed, Button::new(text).min_size(wide)).on_hover_text(format!("Every setting of stage {size}"));
    if reset.accessible_name("Reset to the model's defaults").clicked() {
        actions.push(Action::ResetStage(size));
    }
    let Some(before) = sizes.iter().copied().filter(|&s| s < size).max() else { return };
    let done = state.create.shown(before).is_some_and(|s| s.progress == Progress::Done);
    let text = format!("{}  Continue from {before}", icons::FAST_FORWARD);
    let tip = if done {
        format!("Keeps the {before}-pixel picture and makes the later stages with these settings")
    } else {
        format!("Needs a finished {before}-pixel picture")
    };
    let go = ui.add_enabled(done, Button::new(text).min_size(wide));
    let go = go.accessible_name(format!("Continue from {before}")).on_hover_text(&tip).on_disabled_hover_text(&tip);
    if go.clicked() {
        actions.push(Action::ContinueFrom(before));
    }
}
