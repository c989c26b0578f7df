//! The stages where three tiles have no room: one at a time, with a switch.

use egui::{Button, Layout, Rect, RichText, Stroke, Ui, Vec2, pos2};

use super::tile;
use crate::window::panels::Actions;
use crate::window::stage_view::StageView;
use crate::window::state::State;
use crate::window::theme::{self, Palette};

/// Between rows.
const BETWEEN: f32 = 4.0;
/// Width of a stage's button, where words and buttons stand beside it.
const TAB: f32 = 48.0;
/// Height of the line that tells how far a stage is.
const LINE: f32 = 2.0;
/// From this width on, all stands in one row.
const ONE_ROW: f32 = 420.0;

/// What it takes of a window that wide.
pub fn height(width: f32) -> f32 {
    if width < ONE_ROW { theme::CONTROL + BETWEEN + theme::BODY + BETWEEN } else { theme::CONTROL }
}

pub fn show(ui: &mut Ui, state: &mut State, sizes: &[u32], actions: &mut Actions) {
    let size = shown(state, sizes);
    let room = ui.available_width();
    ui.spacing_mut().item_spacing = Vec2::splat(BETWEEN);
    if room < ONE_ROW {
        let gaps = BETWEEN * (sizes.len() - 1) as f32;
        ui.horizontal(|ui| tabs(ui, state, sizes, size, (room - gaps) / sizes.len() as f32));
        words(ui, state, size);
        return;
    }
    ui.horizontal(|ui| {
        ui.set_height(theme::CONTROL);
        tabs(ui, state, sizes, size, TAB);
        ui.add_space(BETWEEN);
        ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
            // Its buttons in their own order.
            let width = 4.0 * theme::CONTROL + 3.0 * BETWEEN;
            ui.allocate_ui_with_layout(Vec2::new(width, theme::CONTROL), Layout::left_to_right(egui::Align::Center), |ui| {
                tile::buttons(ui, state, size, actions);
            });
            ui.with_layout(Layout::left_to_right(egui::Align::Center), |ui| words(ui, state, size));
        });
    });
}

/// The chosen stage, else the one that is in progress or failed, else the finest that is finished.
fn shown(state: &State, sizes: &[u32]) -> u32 {
    let create = &state.create;
    let chosen = create.tile.filter(|size| sizes.contains(size));
    let found = chosen.or_else(|| create.running().map(StageView::size)).or_else(|| create.ended());
    let found = found.or_else(|| create.latest().map(StageView::size));
    found.or_else(|| sizes.first().copied()).unwrap_or_default()
}

/// One a stage, with how far it is; the large picture is the chosen stage's.
fn tabs(ui: &mut Ui, state: &mut State, sizes: &[u32], shown: u32, width: f32) {
    let p = Palette::get(ui.ctx());
    for &size in sizes {
        let stroke = Stroke::new(1.0, if size == shown { p.accent } else { p.line });
        let button = Button::selectable(size == shown, size.to_string()).frame_when_inactive(true).stroke(stroke);
        let tab = ui.add(button.min_size(Vec2::new(width, theme::CONTROL)));
        let tip = "Shows this stage; once more: shows the one that is being made";
        let tab = tab.on_hover_text(tip).accessible_name(format!("Show stage {size}"));
        if let Some(stage) = state.create.shown(size) {
            let (left, right) = (tab.rect.left() + theme::GAP, tab.rect.right() - theme::GAP);
            let end = left + (right - left) * stage.share_done();
            let line = Rect::from_min_max(pos2(left, tab.rect.bottom() - 2.0 * LINE), pos2(end, tab.rect.bottom() - LINE));
            ui.painter().rect_filled(line, LINE / 2.0, tile::colour(Some(stage), p));
        }
        if tab.clicked() {
            state.create.tile = (state.create.tile != Some(size)).then_some(size);
        }
    }
}

fn words(ui: &mut Ui, state: &State, size: u32) {
    let p = Palette::get(ui.ctx());
    if tile::is_stale(state, size) {
        let text = RichText::new("older settings").text_style(theme::caption()).color(p.warning);
        ui.label(text).on_hover_text("The settings have changed since this was made");
        return;
    }
    tile::words(ui, state, size, 1);
}
