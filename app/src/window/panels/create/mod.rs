//! The create view: the picture being made, the candidates beside it, and a tile for each stage below.

mod candidates;
mod compact;
mod hero;
mod start;
mod tile;

use egui::{Rect, Ui, UiBuilder, Vec2, vec2};

use self::hero::Head;
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
        error(ui, state, actions);
    }
    let room = ui.available_rect_before_wrap();
    let tiles = Tiles::that_fit(room.size(), sizes.len());
    let (above, below) = room.split_top_bottom_at_y(room.max.y - tiles.height - theme::GAP);
    if state.create.stages.is_empty() {
        inside(ui, above, |ui| start::show(ui, state, actions));
    } else {
        inside(ui, above, |ui| upper(ui, state, tiles, textures, actions));
    }
    let below = Rect::from_min_max(below.min + vec2(0.0, theme::GAP), below.max);
    inside(ui, below, |ui| match tiles.head {
        Head::Latest => row(ui, state, &sizes, textures, actions),
        Head::Chosen => compact::show(ui, state, &sizes, actions),
    });
    ui.advance_cursor_after_rect(room);
}

/// A tile for each stage, or one with a switch where there is no room for all.
#[derive(Clone, Copy)]
struct Tiles {
    height: f32,
    head: Head,
}

impl Tiles {
    fn that_fit(room: Vec2, count: usize) -> Self {
        // A card's border is a point on each side.
        let height = theme::THUMB + 2.0 * theme::PAD + 2.0;
        let width = (room.x - theme::GAP * (count - 1) as f32) / count as f32;
        if room.y < 2.0 * (height + theme::GAP) || width < tile::LEAST {
            return Self { height: compact::height(room.x), head: Head::Chosen };
        }
        Self { height, head: Head::Latest }
    }
}

/// What went wrong with the last job, whole, and the ways on where the engine is lost.
fn error(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let Some(error) = &state.create.error else { return };
    widgets::card(ui, |ui| {
        ui.set_width(ui.available_width());
        widgets::error(ui, error);
        let Some(note) = state.notes.iter().find(|note| note.text == error.to_string()) else { return };
        ui.horizontal_wrapped(|ui| {
            for offer in &note.offers {
                if ui.button(&offer.label).clicked() {
                    actions.push(offer.action.clone());
                }
            }
        });
    });
}

fn inside(ui: &mut Ui, rect: Rect, add: impl FnOnce(&mut Ui)) {
    ui.scope_builder(UiBuilder::new().max_rect(rect), |ui| {
        ui.set_clip_rect(rect.expand(1.0).intersect(ui.clip_rect()));
        add(ui);
    });
}

/// The picture, as large as leaves room for what stands beside it.
fn upper(ui: &mut Ui, state: &mut State, tiles: Tiles, textures: &mut Textures, actions: &mut Actions) {
    let room = ui.available_rect_before_wrap();
    let head = if tiles.head == Head::Latest { theme::ROW + theme::GAP } else { 0.0 };
    let beside = if theme::has_side(room.width()) { theme::SIDE + theme::GAP } else { 0.0 };
    let side = (room.height() - head).min(room.width() - beside).max(theme::THUMB);
    // Alone, it is in the middle.
    let indent = if beside > 0.0 { 0.0 } else { (room.width() - side) / 2.0 };
    let left = Rect::from_min_size(room.min + vec2(indent, 0.0), Vec2::new(side, room.height()));
    inside(ui, left, |ui| hero::show(ui, state, side, tiles.head, textures, actions));
    if beside > 0.0 {
        let right = Rect::from_min_max(room.min + vec2(side + theme::GAP, 0.0), room.max);
        inside(ui, right, |ui| candidates::show(ui, state, textures, actions));
    }
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
