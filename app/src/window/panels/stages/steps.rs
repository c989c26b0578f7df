//! How many steps, or which of IF's lists of timesteps.

use egui::Ui;
use imagen_protocol::{StageInfo, StageSettings, Steps};

use super::number::Number;
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, stage: &StageInfo, now: &mut StageSettings) {
    let default = f64::from(stage.defaults.steps.count().unwrap_or(1));
    let mut count = f64::from(now.steps.count().unwrap_or(1));
    let number = Number {
        name: "Steps",
        tip: "More steps: slower, and usually better up to a point",
        slider: 1.0..=100.0,
        field: 1.0..=1000.0,
        decimals: 0,
        suffix: "",
        default,
    };
    if number.show(ui, &mut count) {
        // Rounded, and the field keeps it from 1 to 1000.
        let typed = Steps::Count(count as u32);
        now.steps = if count == default { stage.defaults.steps.clone() } else { typed };
    }
    if takes_lists(stage) {
        lists(ui, now);
    }
}

/// IF's lists name timesteps of a discrete schedule, which its own networks have.
fn takes_lists(stage: &StageInfo) -> bool {
    stage.network == "deepfloyd" || matches!(stage.defaults.steps, Steps::Named(_))
}

fn lists(ui: &mut Ui, now: &mut StageSettings) {
    let chosen = match &now.steps {
        Steps::Named(name) => name.clone(),
        Steps::Count(_) => "evenly spaced".into(),
    };
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        let menu = ui.menu_button(format!("{chosen} {}", icons::CARET_DOWN), |ui| {
            for (name, _) in Steps::NAMED {
                if ui.button(name).clicked() {
                    now.steps = Steps::Named(name.into());
                    ui.close();
                }
            }
        });
        menu.response.accessible_name("List of timesteps").on_hover_text("IF's own lists of timesteps");
        widgets::caption(ui, "timesteps");
    });
}
