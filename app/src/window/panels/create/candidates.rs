//! Every candidate of the first stage: one is shown, several can be marked and enlarged.

use egui::{Align2, Color32, FontId, Rect, RichText, ScrollArea, Stroke, StrokeKind, Ui, Vec2, pos2};

use super::tile;
use crate::window::action::Action;
use crate::window::panels::Actions;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

/// Between squares.
const BETWEEN: f32 = 4.0;

pub fn show(ui: &mut Ui, state: &State, textures: &mut Textures, actions: &mut Actions) {
    let count = state.create.candidates();
    ui.horizontal(|ui| {
        ui.set_height(theme::ROW);
        ui.label("Candidates");
        let picked = state.create.picked.len();
        let said = if picked > 0 { format!("{picked} of {count} marked") } else { count.to_string() };
        widgets::caption(ui, said);
    });
    super::error(ui, state, actions);
    if count > 1 {
        enlarge(ui, state, actions);
        ScrollArea::vertical().auto_shrink(false).show(ui, |ui| grid(ui, state, count, textures, actions));
    } else {
        let text = "There is one. More candidates, set on the left, make several pictures of one prompt to choose from.";
        let p = Palette::get(ui.ctx());
        ui.add(egui::Label::new(RichText::new(text).color(p.muted)).wrap());
    }
}

/// Offers what is not there yet, and says why where nothing is left to make.
fn enlarge(ui: &mut Ui, state: &State, actions: &mut Actions) {
    // In a low window the candidates themselves need the room.
    if ui.available_height() > 2.0 * theme::CANDIDATE {
        widgets::caption(ui, "Click to see, tick to enlarge");
    }
    let last = state.sizes().last().copied().unwrap_or_default();
    let marked = state.create.picked.len();
    let left = state.to_enlarge();
    let count = left.as_ref().map_or(marked, Vec::len);
    let text = if marked == 0 { format!("Enlarge this to {last}") } else { format!("Enlarge {count} to {last}") };
    let tip = match &left {
        Err(reason) => reason.clone(),
        Ok(_) if count < marked => format!("The others of the {marked} marked are there, or on their way, with these settings"),
        Ok(_) => "Runs the later stages on each, one after the other; the rest costs nothing more".into(),
    };
    let button = ui.add_enabled(left.is_ok(), egui::Button::new(text)).on_hover_text(&tip).on_disabled_hover_text(&tip);
    if button.clicked() {
        actions.extend(left.ok().map(Action::Enlarge));
    }
}

fn grid(ui: &mut Ui, state: &State, count: u32, textures: &mut Textures, actions: &mut Actions) {
    ui.spacing_mut().item_spacing = Vec2::splat(BETWEEN);
    let across = ((ui.available_width() + BETWEEN) / (theme::CANDIDATE + BETWEEN)).floor().max(1.0) as u32;
    for first in (0..count).step_by(across as usize) {
        ui.horizontal(|ui| {
            for candidate in first..(first + across).min(count) {
                cell(ui, state, candidate, textures, actions);
            }
        });
    }
}

fn cell(ui: &mut Ui, state: &State, candidate: u32, textures: &mut Textures, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let (rect, response) = tile::square(ui, theme::CANDIDATE);
    let selected = state.create.selected == candidate;
    response
        .widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, selected, format!("Candidate {}", candidate + 1)));
    let size = state.create.stages.keys().next().copied().unwrap_or(0);
    let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
    ui.painter().rect_filled(rect, f32::from(theme::RADIUS), p.raised);
    match state.create.picture_of(size, candidate) {
        Some(image) => drop(ui.painter().image(textures.get(ui.ctx(), image, Filter::Nearest), rect, whole, Color32::WHITE)),
        None => {
            let font = FontId::proportional(theme::CAPTION);
            ui.painter().text(rect.center(), Align2::CENTER_CENTER, (candidate + 1).to_string(), font, p.muted);
        }
    }
    if selected || response.has_focus() || response.hovered() {
        let stroke = Stroke::new(2.0, if selected { p.accent } else { p.muted });
        ui.painter().rect_stroke(rect, f32::from(theme::RADIUS), stroke, StrokeKind::Inside);
    }
    mark(ui, state, candidate, rect, actions);
    let many = ui.input(|i| i.modifiers.command);
    if response.on_hover_text("Click: show. Ctrl+click: mark").clicked() {
        actions.push(if many { Action::Pick(candidate) } else { Action::SelectCandidate(candidate) });
    }
}

/// The box that marks a candidate, and a sign where it has been enlarged.
fn mark(ui: &mut Ui, state: &State, candidate: u32, rect: Rect, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let side = theme::HEAD;
    let corner = Rect::from_min_size(pos2(rect.max.x - side - BETWEEN, rect.min.y + BETWEEN), Vec2::splat(side));
    let response = ui.interact(corner, ui.scope_id().with(("mark", candidate)), egui::Sense::click());
    let marked = state.create.picked.contains(&candidate);
    let name = format!("Mark candidate {}", candidate + 1);
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::CheckBox, true, marked, &name));
    let fill = if marked { p.accent } else { p.surface.gamma_multiply(0.8) };
    let border = if response.has_focus() || response.hovered() { p.accent } else { p.muted };
    ui.painter().rect(corner, 3.0, fill, Stroke::new(1.0, border), StrokeKind::Inside);
    let sign = |at: egui::Pos2, icon: &str, colour| {
        ui.painter().text(at, Align2::CENTER_CENTER, icon, FontId::proportional(theme::CAPTION), colour);
    };
    if marked {
        sign(corner.center(), icons::CHECK, p.on_accent);
    }
    if state.create.enlarged.contains_key(&candidate) {
        let at = pos2(rect.max.x - side / 2.0 - BETWEEN, rect.max.y - side / 2.0 - BETWEEN);
        ui.painter().circle_filled(at, side / 2.0, p.good);
        sign(at, icons::ARROWS_OUT, p.surface);
    }
    if response.on_hover_text("Marks it to be enlarged").clicked() {
        actions.push(Action::Pick(candidate));
    }
}
