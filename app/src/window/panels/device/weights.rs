//! What numbers weights are while they wait in memory: half the memory, or every digit.

use egui::{Button, Stroke, Ui, Vec2};
use imagen_protocol::Weights;

use crate::window::action::Action;
use crate::window::panels::Actions;
use crate::window::precision;
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::widgets;

/// Between the three buttons.
const BETWEEN: f32 = 4.0;

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL);
        widgets::column(ui, theme::NAMES, egui::RichText::new("Weights").color(p.muted));
        let width = (ui.available_width() - 2.0 * BETWEEN) / 3.0;
        ui.spacing_mut().item_spacing.x = BETWEEN;
        for weights in precision::ALL {
            let chosen = state.draft.weights == weights;
            let stroke = Stroke::new(1.0, if chosen { p.accent } else { p.line });
            let button = Button::selectable(chosen, precision::name(weights)).frame_when_inactive(true).stroke(stroke);
            let possible = weights != Weights::F16 || state.device_has_f16();
            let button = ui.add_enabled(possible, button.min_size(Vec2::new(width, theme::CONTROL)));
            let button =
                button.on_hover_text(tip(state, weights)).on_disabled_hover_text("This device has no f16; weights stay f32");
            if button.accessible_name(format!("Weights {}", precision::name(weights))).clicked() {
                actions.push(Action::SetWeights(weights));
            }
        }
    });
}

/// What it saves, what it costs, and what the chosen model takes with it.
fn tip(state: &State, weights: Weights) -> String {
    let what = match weights {
        Weights::Auto => "f16 for networks whose weights take more than 2 GiB, f32 for all others",
        Weights::F32 => "Weights wait in memory with all their digits: takes the most memory",
        Weights::F16 => {
            "Weights wait in memory as half-precision numbers, which takes about half; sums are made in f32 all the same. \
             It costs digits: weights are rounded to about three, and a picture may come out a little different"
        }
    };
    let Some(model) = state.model() else { return what.into() };
    let same = weights == Weights::F16 && precision::is_stored_as_f16(model);
    let same = if same { " (not with this model: its files are f16 already)" } else { "" };
    let needs = widgets::bytes(model.memory(state.at_rest(weights)));
    format!("{what}{same}. {} needs {needs} at once", model.name)
}
