//! Things worth saying, until they are dismissed: over the view's upper right corner, so that nothing moves.

use egui::{Align, Align2, Area, Color32, Id, Layout, Order, RichText, Ui, vec2};

use super::Actions;
use crate::window::action::{Action, Question, View};
use crate::window::log::Weight;
use crate::window::state::{Note, State, Unsaved};
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

/// Most that are shown at once; the log has them all.
const SHOWN: usize = 3;

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let room = ui.max_rect().width();
    let notes: Vec<&Note> = state.notes.iter().filter(|note| !is_in_view(state, note, room)).collect();
    if notes.is_empty() && state.unsaved.is_empty() {
        return;
    }
    let corner = ui.max_rect().right_top() + vec2(0.0, theme::CONTROL + theme::GAP);
    let area = Area::new(Id::unique("notes")).order(Order::Middle).pivot(Align2::RIGHT_TOP).fixed_pos(corner).fade_in(false);
    area.show(ui.ctx(), |ui| {
        ui.set_width(theme::NOTE.min(room));
        if let Some(first) = state.unsaved.first() {
            unsaved(ui, first, &state.unsaved, actions);
        }
        for note in notes.into_iter().rev().take(SHOWN) {
            show_note(ui, note, actions);
        }
    });
}

/// Whether the create view says it itself, beside its pictures: a note would cover that, and say it twice.
fn is_in_view(state: &State, note: &Note, room: f32) -> bool {
    let said = state.create.error.as_ref().is_some_and(|error| error.to_string() == note.text);
    let has_room = theme::has_side(room) || state.create.stages.is_empty();
    said && state.prefs.view == View::Create && has_room && !state.tile_sizes().is_empty()
}

fn show_note(ui: &mut Ui, note: &Note, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let (icon, colour) = match note.weight {
        Weight::Info => (icons::INFO, p.accent),
        Weight::Warning => (icons::WARNING, p.warning),
        Weight::Error => (icons::X_CIRCLE, p.error),
    };
    card(ui, icon, colour, &note.text, Some(note.id), actions, |ui, actions| {
        for offer in &note.offers {
            if ui.button(&offer.label).clicked() {
                actions.extend([offer.action.clone(), Action::Dismiss(note.id)]);
            }
        }
    });
}

/// Stays until the pictures are saved or let go.
fn unsaved(ui: &mut Ui, first: &Unsaved, all: &[Unsaved], actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let count = all.len();
    let what = if count == 1 { "1 picture is not saved".to_owned() } else { format!("{count} pictures are not saved") };
    let text = format!("{what}: {}", first.error);
    card(ui, icons::FLOPPY_DISK, p.error, &text, None, actions, |ui, actions| {
        let again = if first.saving { "Saving..." } else { "Save again" };
        if ui.add_enabled(!first.saving, egui::Button::new(again)).clicked() {
            actions.push(Action::SaveAgain);
        }
        let save_as = if count == 1 { "Save as..." } else { "Save first as..." };
        if ui.button(save_as).clicked() {
            actions.push(Action::SaveAs(first.picture.clone()));
        }
        if ui.button("Other folder...").clicked() {
            actions.push(Action::ChooseGalleryFolder);
        }
        if ui.button("Discard").clicked() {
            actions.push(Action::Ask(Question::Discard));
        }
    });
}

fn card(
    ui: &mut Ui,
    icon: &str,
    colour: Color32,
    text: &str,
    dismissed: Option<u64>,
    actions: &mut Actions,
    buttons: impl FnOnce(&mut Ui, &mut Actions),
) {
    widgets::card(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| {
            if let Some(id) = dismissed
                && widgets::icon_button(ui, icons::X, "Dismiss").clicked()
            {
                actions.push(Action::Dismiss(id));
            }
            ui.with_layout(Layout::left_to_right(Align::Min), |ui| {
                ui.label(RichText::new(icon).color(colour).size(theme::HEAD));
                ui.vertical(|ui| {
                    ui.add(egui::Label::new(text).wrap());
                    ui.horizontal_wrapped(|ui| buttons(ui, actions));
                });
            });
        });
    });
}
