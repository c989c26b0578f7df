//! The three views, and the rails of a narrow window.

use egui::Ui;

use super::Actions;
use crate::window::action::{Action, Rail, View};
use crate::window::state::State;
use crate::window::{icons, theme, widgets};

pub fn show(ui: &mut Ui, state: &State, narrow: bool, actions: &mut Actions) {
    ui.horizontal(|ui| {
        ui.set_height(theme::ROW);
        if narrow && widgets::icon_button(ui, icons::TEXT_T, "Prompt rail").clicked() {
            actions.push(Action::ToggleDrawer(Rail::Prompt));
        }
        for (view, name, key) in [(View::Create, "Create", 1), (View::Compare, "Compare", 2), (View::Gallery, "Gallery", 3)] {
            let tab = ui.selectable_label(state.prefs.view == view, name).on_hover_text(format!("Ctrl+{key}"));
            if tab.clicked() {
                actions.push(Action::Show(view));
            }
        }
        if narrow && state.prefs.view != View::Gallery {
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                if widgets::icon_button(ui, icons::SLIDERS_HORIZONTAL, "Stages rail").clicked() {
                    actions.push(Action::ToggleDrawer(Rail::Stages));
                }
            });
        }
    });
}
