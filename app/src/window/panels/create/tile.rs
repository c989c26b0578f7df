//! One stage: its latest picture, how far it is, and what can be done with it.

use egui::{Color32, Context, Rect, RichText, TextureId, Ui, Vec2};

use imagen_protocol::Threshold;

use crate::window::action::Action;
use crate::window::lens;
use crate::window::panels::Actions;
use crate::window::stage_view::{Progress, StageView};
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme::{self, Palette};
use crate::window::{icons, menu, widgets};

/// Between buttons.
const BETWEEN: f32 = 4.0;
/// Four buttons stand beside the picture.
const BESIDE: f32 = 4.0 * theme::CONTROL + 3.0 * BETWEEN + theme::GAP;
/// A narrower tile would have no room for both.
pub const LEAST: f32 = BESIDE + theme::THUMB / 3.0 + 2.0 * (theme::PAD + 1.0);
/// Pictures up to this side are shown as squares.
const SQUARES: u32 = 256;

pub fn show(ui: &mut Ui, state: &mut State, size: u32, textures: &mut Textures, actions: &mut Actions) {
    widgets::card(ui, |ui| {
        ui.set_min_size(ui.available_size());
        ui.horizontal_top(|ui| {
            thumb(ui, state, size, textures, actions);
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 4.0;
                title(ui, state, size);
                // So that every state has the same height.
                words(ui, state, size, 2);
                ui.with_layout(egui::Layout::bottom_up(egui::Align::Min), |ui| {
                    ui.horizontal(|ui| buttons(ui, state, size, actions));
                });
            });
        });
    });
}

/// The selected candidate's picture on the GPU.
pub fn texture(ctx: &Context, state: &State, size: u32, textures: &mut Textures) -> Option<TextureId> {
    let image = state.create.picture(size)?;
    // From near, pixels are what one looks for.
    let squares = size <= SQUARES || state.create.lens.zoom > 2.0;
    Some(textures.get(ctx, image, if squares { Filter::Nearest } else { Filter::Smooth }))
}

/// Whether the finished picture of a stage is older than the settings.
pub fn is_stale(state: &State, size: u32) -> bool {
    let done = state.create.shown(size).is_some_and(|s| s.progress == Progress::Done);
    done && state.model().is_some_and(|model| state.create.is_stale(size, &state.draft, model))
}

/// Dims what is older than the settings.
pub fn veil(ui: &Ui, rect: Rect) {
    let p = Palette::get(ui.ctx());
    ui.painter().rect_filled(rect, 0.0, p.background.gamma_multiply(1.0 - theme::STALE));
}

fn thumb(ui: &mut Ui, state: &mut State, size: u32, textures: &mut Textures, actions: &mut Actions) {
    let texture = texture(ui.ctx(), state, size, textures);
    let side = (ui.available_width() - BESIDE).clamp(theme::THUMB / 3.0, theme::THUMB);
    let mut lens = state.create.lens;
    let thumb = lens::show(ui, &mut lens, texture, Vec2::splat(side), &format!("The {size}-pixel picture"));
    state.create.lens = lens;
    if is_stale(state, size) {
        veil(ui, thumb.rect);
    }
    menu::picture(&thumb, state, || state.tile(size), actions);
    if thumb.on_hover_text(format!("The {size}-pixel picture; click: full size; right click: more")).clicked()
        && let Some(picture) = state.tile(size)
    {
        actions.push(Action::OpenFull(picture));
    }
}

fn title(ui: &mut Ui, state: &State, size: u32) {
    let p = Palette::get(ui.ctx());
    ui.horizontal(|ui| {
        ui.set_height(theme::HEAD + 4.0);
        widgets::head(ui, &size.to_string());
        if is_stale(state, size) {
            ui.label(RichText::new("older settings").text_style(theme::caption()).color(p.warning))
                .on_hover_text("The settings have changed since this was made; Continue or Generate makes it again");
        } else if let Some(s) = state.create.shown(size).and_then(|stage| last_s(stage, state.create.index(size))) {
            widgets::caption(ui, format!("s {s:.2}")).on_hover_text("The dynamic threshold of the last step: 1 changes nothing");
        }
    });
    let stage = state.create.shown(size);
    widgets::progress(ui, stage.map_or(0.0, StageView::share_done), colour(stage, p), ui.available_width());
}

/// Of the bar that tells how far a stage is.
pub fn colour(stage: Option<&StageView>, p: Palette) -> Color32 {
    match stage.map(|s| &s.progress) {
        Some(Progress::Done) => p.good,
        Some(Progress::Failed(_)) => p.error,
        Some(Progress::Cancelled) => p.warning,
        _ => p.accent,
    }
}

/// Only the dynamic threshold has one.
fn last_s(stage: &StageView, index: usize) -> Option<f32> {
    if !matches!(stage.plan.settings.threshold, Threshold::Dynamic { .. }) {
        return None;
    }
    stage.track(index).last().map(|&(s, _)| s)
}

/// How far it is, in at most so many lines.
pub fn words(ui: &mut Ui, state: &State, size: u32, lines: usize) {
    let p = Palette::get(ui.ctx());
    let (text, colour) = match state.create.shown(size) {
        None => (planned(state, size), p.muted),
        Some(stage) => progress_words(state, stage, p),
    };
    widgets::clipped(ui, &text, colour, lines);
}

/// What Generate would do with it.
fn planned(state: &State, size: u32) -> String {
    let runs = state.model().and_then(|m| state.draft.request().plan(&m.stages).ok());
    match runs.and_then(|plans| plans.into_iter().find(|plan| plan.size == size)) {
        Some(plan) => format!("{} steps", plan.steps),
        None => "not run".into(),
    }
}

fn progress_words(state: &State, stage: &StageView, p: Palette) -> (String, Color32) {
    let (step, steps) = (stage.step, stage.steps);
    let spent = widgets::seconds(stage.seconds);
    match &stage.progress {
        Progress::Waiting if state.create.is_at_work() => (format!("waiting, {steps} steps"), p.muted),
        Progress::Waiting => ("not run".into(), p.muted),
        Progress::Running => {
            let left = stage.seconds_left().map(|s| format!(", {} left", widgets::seconds(s))).unwrap_or_default();
            (format!("{step}/{steps} · {spent}{left}"), p.text)
        }
        Progress::Done => (format!("{steps} steps · {spent}"), p.muted),
        Progress::Cancelled => (format!("cancelled at {step}/{steps} · {spent}"), p.warning),
        Progress::Failed(error) => (error.to_string(), p.error),
    }
}

pub fn buttons(ui: &mut Ui, state: &State, size: u32, actions: &mut Actions) {
    ui.spacing_mut().item_spacing.x = BETWEEN;
    let done = state.create.shown(size).is_some_and(|s| s.progress == Progress::Done);
    let seen = state.create.picture(size).is_some();
    ui.add_enabled_ui(seen, |ui| {
        if widgets::icon_button(ui, icons::FLOPPY_DISK, &format!("Save the {size}-pixel picture")).clicked() {
            actions.extend(state.tile(size).map(Action::Save));
        }
        let name = format!("Save the {size}-pixel picture as ...");
        if widgets::icon_button(ui, icons::DOWNLOAD_SIMPLE, &name).clicked() {
            actions.extend(state.tile(size).map(Action::SaveAs));
        }
        if widgets::icon_button(ui, icons::COPY, &format!("Copy the {size}-pixel picture")).clicked() {
            actions.extend(state.tile(size).map(|picture| Action::Copy(picture.image)));
        }
    });
    if !state.has_later(size) {
        return;
    }
    let name = format!("Continue from {size}: makes the later stages again");
    let go = ui.add_enabled_ui(done, |ui| widgets::icon_button(ui, icons::FAST_FORWARD, &name)).inner;
    if go.clicked() {
        actions.push(Action::ContinueFrom(size));
    }
}

/// A square of that side, for candidates.
pub fn square(ui: &mut Ui, side: f32) -> (Rect, egui::Response) {
    ui.allocate_exact_size(Vec2::splat(side), egui::Sense::click())
}
