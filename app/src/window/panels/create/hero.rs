//! The picture being made, large: x0_hat of the stage that runs, or the last result.

use egui::{Color32, Layout, RichText, Ui, Vec2};

use super::tile;
use crate::window::action::Action;
use crate::window::lens::{self, Lens};
use crate::window::panels::Actions;
use crate::window::stage_view::{Progress, StageView};
use crate::window::state::State;
use crate::window::textures::Textures;
use crate::window::theme::{self, Palette};
use crate::window::{icons, menu, widgets};

/// What stands over the picture.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The latest stage's picture, and words that say so.
    Latest,
    /// The picture of the stage that was chosen, the latest where none was: a switch below says which.
    Chosen,
}

pub fn show(ui: &mut Ui, state: &mut State, side: f32, over: Head, textures: &mut Textures, actions: &mut Actions) {
    let chosen = state.create.tile.filter(|_| over == Head::Chosen);
    let latest = chosen.or_else(|| state.create.latest().map(StageView::size));
    if over == Head::Latest {
        ui.allocate_ui(Vec2::new(side, theme::ROW), |ui| {
            ui.set_min_size(Vec2::new(side, theme::ROW));
            ui.horizontal(|ui| head(ui, state, latest));
        });
    }
    let texture = latest.and_then(|size| tile::texture(ui.ctx(), state, size, textures));
    let mut lens = state.create.lens;
    let picture = lens::show(ui, &mut lens, texture, Vec2::splat(side), "The picture being made");
    state.create.lens = lens;
    if texture.is_none() {
        nothing(ui, state, picture.rect);
    }
    if latest.is_some_and(|size| tile::is_stale(state, size)) {
        tile::veil(ui, picture.rect);
    }
    menu::picture(&picture, state, || latest.and_then(|size| state.tile(size)), actions);
    if picture.on_hover_text("Click: full size. Scroll: zoom. Drag: move. Right click: more").clicked()
        && let Some(picture) = latest.and_then(|size| state.tile(size))
    {
        actions.push(Action::OpenFull(picture));
    }
}

/// What is seen, and how near.
fn head(ui: &mut Ui, state: &mut State, latest: Option<u32>) {
    let p = Palette::get(ui.ctx());
    let told = latest.or_else(|| state.create.ended()).and_then(|size| state.create.shown(size));
    let (text, colour) = told.map_or(("Preparing".into(), p.muted), |s| words(s, p));
    ui.label(RichText::new(text).color(colour));
    if latest.is_some_and(|size| tile::is_stale(state, size)) {
        widgets::chip(ui, "older settings", p.warning).on_hover_text("The settings have changed since this was made");
    }
    ui.with_layout(Layout::right_to_left(egui::Align::Center), |ui| {
        let zoom = state.create.lens.zoom;
        let reset = ui.add_enabled_ui(zoom > 1.0, |ui| widgets::icon_button(ui, icons::FRAME_CORNERS, "Show all of the picture"));
        if reset.inner.clicked() {
            state.create.lens = Lens::default();
        }
        if zoom > 1.0 {
            widgets::caption(ui, format!("{zoom:.1} x"));
        }
        if let Some(seconds) = state.create.seconds {
            widgets::caption(ui, format!("{} in all", widgets::seconds(seconds)));
        }
    });
}

/// Where a picture would be.
fn nothing(ui: &Ui, state: &State, rect: egui::Rect) {
    let p = Palette::get(ui.ctx());
    let icon = if state.create.ended().is_some() { icons::IMAGE_BROKEN } else { icons::HOURGLASS };
    let font = egui::FontId::proportional(theme::LARGE_ICON);
    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, icon, font, p.muted);
}

fn words(stage: &StageView, p: Palette) -> (String, Color32) {
    let size = stage.size();
    match &stage.progress {
        Progress::Running => (format!("{size} pixels, step {} of {}", stage.step, stage.steps), p.text),
        Progress::Cancelled => (format!("{size} pixels, cancelled at step {} of {}", stage.step, stage.steps), p.warning),
        Progress::Failed(_) => (format!("{size} pixels, failed at step {} of {}", stage.step, stage.steps), p.error),
        Progress::Done | Progress::Waiting => (format!("{size} pixels"), p.text),
    }
}
