//! The three views, and the rails of a narrow window.

use egui::Ui;

use super::Actions;
use crate::window::action::{Action, Rail, View};
use crate::window::state::State;
use crate::window::{icons, theme, widgets};

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_height(theme::ROW);
        views(ui, state, actions);
    });
}

/// With a button for each rail on its side, and what else has to be in reach beside the right one.
pub fn show_narrow(ui: &mut Ui, state: &State, actions: &mut Actions, add: impl FnOnce(&mut Ui, &mut Actions)) {
    ui.horizontal(|ui| {
        ui.set_height(theme::ROW);
        rail(ui, icons::TEXT_T, "Prompt rail", Rail::Prompt, actions);
        views(ui, state, actions);
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if state.prefs.view != View::Gallery {
                rail(ui, icons::SLIDERS_HORIZONTAL, "Stages rail", Rail::Stages, actions);
            }
            if !state.drawers.prompt {
                add(ui, actions);
            }
        });
    });
}

fn rail(ui: &mut Ui, icon: &str, name: &str, rail: Rail, actions: &mut Actions) {
    if widgets::icon_button(ui, icon, name).clicked() {
        actions.push(Action::ToggleDrawer(rail));
    }
}

fn views(ui: &mut Ui, state: &State, actions: &mut Actions) {
    for (view, name, key) in [(View::Create, "Create", 1), (View::Compare, "Compare", 2), (View::Gallery, "Gallery", 3)] {
        let tab = ui.selectable_label(state.prefs.view == view, name).on_hover_text(format!("Ctrl+{key}"));
        if tab.clicked() {
            actions.push(Action::Show(view));
        }
    }
}
