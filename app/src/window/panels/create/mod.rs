//! The create view: the picture being made, the candidates beside it, and a tile for each stage below.

mod candidates;
mod hero;
mod start;
mod tile;

use egui::{Rect, Ui, UiBuilder, Vec2, vec2};

use super::Actions;
use crate::window::state::State;
use crate::window::textures::Textures;
use crate::window::theme;
use crate::window::widgets;

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    let sizes = state.tile_sizes();
    if sizes.is_empty() {
        start::no_model(ui, state);
        return;
    }
    if state.create.stages.is_empty() {
        error(ui, state);
    }
    let room = ui.available_rect_before_wrap();
    // A card's border is a point on each side.
    let row_height = theme::THUMB + 2.0 * theme::PAD + theme::GAP + 2.0;
    // A window as low as its least, at a large scale, has room for the picture alone.
    let below = if room.height() < 2.0 * row_height { 0.0 } else { row_height };
    let (above, tiles) = room.split_top_bottom_at_y(room.max.y - below);
    if state.create.stages.is_empty() {
        inside(ui, above, |ui| start::show(ui, state, actions));
    } else {
        inside(ui, above, |ui| upper(ui, state, textures, actions));
    }
    if below > 0.0 {
        let tiles = Rect::from_min_max(tiles.min + vec2(0.0, theme::GAP), tiles.max);
        inside(ui, tiles, |ui| row(ui, state, &sizes, textures, actions));
    }
    ui.advance_cursor_after_rect(room);
}

/// What went wrong with the last job, whole.
fn error(ui: &mut Ui, state: &State) {
    let Some(error) = &state.create.error else { return };
    widgets::card(ui, |ui| {
        ui.set_width(ui.available_width());
        widgets::error(ui, error);
    });
}

fn inside(ui: &mut Ui, rect: Rect, add: impl FnOnce(&mut Ui)) {
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.set_clip_rect(rect.expand(1.0).intersect(ui.clip_rect()));
        add(ui);
    });
}

/// The picture, as large as leaves room for what stands beside it.
fn upper(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    let room = ui.available_rect_before_wrap();
    let side = (room.height() - theme::ROW - theme::GAP).min(room.width() - theme::SIDE - theme::GAP).max(theme::THUMB);
    let left = Rect::from_min_size(room.min, Vec2::new(side, room.height()));
    let right = Rect::from_min_max(room.min + vec2(side + theme::GAP, 0.0), room.max);
    inside(ui, left, |ui| hero::show(ui, state, side, textures, actions));
    inside(ui, right, |ui| candidates::show(ui, state, textures, actions));
}

fn row(ui: &mut Ui, state: &mut State, sizes: &[u32], textures: &mut Textures, actions: &mut Actions) {
    let room = ui.available_rect_before_wrap();
    let gaps = theme::GAP * (sizes.len() - 1) as f32;
    let width = (room.width() - gaps) / sizes.len() as f32;
    for (i, &size) in sizes.iter().enumerate() {
        let at = room.min + vec2((width + theme::GAP) * i as f32, 0.0);
        inside(ui, Rect::from_min_size(at, Vec2::new(width, room.height())), |ui| {
            tile::show(ui, state, size, textures, actions);
        });
    }
}
