//! What stands where no picture is yet.

use egui::{RichText, Ui, Vec2};

use crate::window::action::Action;
use crate::window::panels::Actions;
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

/// Prompts that the model which ships was trained for.
const EXAMPLES: [&str; 6] =
    ["a red apple", "a penguin on a blue background", "two apples", "a sunflower", "a castle", "a blue balloon"];

const DROP: &str = "Drop a picture anywhere: one that was made here brings its settings back, any other can be enlarged";

pub fn no_model(ui: &mut Ui, state: &State) {
    match state.model_error() {
        Some(e) => {
            widgets::empty(ui, icons::WARNING, "This model cannot be used", "");
            widgets::error(ui, e);
        }
        None => widgets::empty(ui, icons::HOURGLASS, "Looking into the model", ""),
    }
}

pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    let text = if state.draft.prompt.trim().is_empty() { "Type a prompt and press Generate" } else { "Press Generate" };
    let busy = state.is_busy();
    let title = if busy { "Getting ready" } else { "No picture yet" };
    widgets::empty(ui, icons::IMAGE, title, if busy { "The first steps show here" } else { text });
    // A low window has no room for more.
    if !busy && ui.available_height() > theme::LARGE_ICON {
        if state.draft.model.is_none() {
            suggestions(ui, state, actions);
        }
        ui.add_space(theme::PAD);
        ui.vertical_centered(|ui| widgets::caption(ui, DROP));
    }
}

fn suggestions(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    ui.add_space(theme::PAD);
    let p = Palette::get(ui.ctx());
    ui.vertical_centered(|ui| ui.label(RichText::new("or try").color(p.muted)));
    let width = row_width(ui);
    ui.horizontal(|ui| {
        ui.add_space(((ui.available_width() - width) / 2.0).max(0.0));
        ui.allocate_ui(Vec2::new(width.min(ui.available_width()), theme::CONTROL), |ui| {
            ui.horizontal_wrapped(|ui| examples(ui, state, actions));
        });
    });
}

fn examples(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    let ready = |state: &State| state.obstacle().is_none();
    for example in EXAMPLES {
        if ui.button(example).on_hover_text("Takes this prompt and generates").clicked() {
            state.draft.prompt = example.into();
            if ready(state) {
                actions.push(Action::Generate);
            }
        }
    }
}

/// Of all examples in one row.
fn row_width(ui: &Ui) -> f32 {
    let font = egui::TextStyle::Button.resolve(ui.style());
    let text = |t: &str| ui.painter().layout_no_wrap(t.into(), font.clone(), egui::Color32::PLACEHOLDER).size().x;
    let one = |t: &&str| text(t) + 2.0 * ui.spacing().button_padding.x + theme::GAP;
    EXAMPLES.iter().map(one).sum::<f32>() + theme::GAP
}
