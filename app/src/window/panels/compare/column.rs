//! One setting: its head with small controls, its picture, its plots.

use egui::{Align, Layout, Rect, RichText, ScrollArea, Ui, Vec2, pos2};

use super::{View, controls, plots};
use crate::window::action::Action;
use crate::window::compare::{MIN_COLUMNS, threshold_label};
use crate::window::panels::Actions;
use crate::window::stage_view::{Progress, StageView};
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, lens, widgets};

/// All columns, side by side; sideways scrolling where they would get too narrow.
pub fn show_all(ui: &mut Ui, state: &mut State, view: &mut View<'_>, actions: &mut Actions) {
    let count = state.compare.columns.len();
    let gaps = theme::GAP * count.saturating_sub(1) as f32;
    let width = ((ui.available_width() - gaps) / count as f32).floor().max(theme::COLUMN);
    ScrollArea::horizontal().auto_shrink([false, true]).show(ui, |ui| {
        ui.horizontal_top(|ui| {
            for index in 0..count {
                ui.allocate_ui_with_layout(Vec2::new(width, 0.0), Layout::top_down(Align::Min), |ui| {
                    ui.push_id(("column", index), |ui| show(ui, state, index, width, view, actions));
                });
            }
        });
    });
}

fn show(ui: &mut Ui, state: &mut State, index: usize, width: f32, view: &mut View<'_>, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let Some(column) = state.compare.columns.get(index) else { return };
    let colour = p.threshold(&column.threshold);
    let top = ui.cursor().min;
    widgets::card(ui, |ui| {
        ui.set_width(width - 2.0 * theme::PAD - 2.0);
        head(ui, state, index, view.size, actions);
        picture(ui, state, index, view);
        foot(ui, state, index, view.size);
        let series = plots::Series::of(&state.compare.columns, &[index], view.size, &p);
        plots::show(ui, view, &series, state.compare.look.step);
    });
    // The thresholding's colour, along the top edge.
    let edge = Rect::from_min_max(top, pos2(top.x + width, top.y + 2.0 * theme::CURVE));
    ui.painter().rect_filled(edge, theme::CURVE, colour);
}

fn head(ui: &mut Ui, state: &mut State, index: usize, size: u32, actions: &mut Actions) {
    let number = index + 1;
    let removable = state.compare.columns.len() > MIN_COLUMNS && !state.columns_are_fixed();
    let drafts = state.stage_info(size).map(|info| state.draft.settings(info).guidance_weight);
    let Some(column) = state.compare.columns.get_mut(index) else { return };
    controls::threshold_kind(ui, column, number);
    ui.horizontal(|ui| {
        controls::threshold_values(ui, column, number);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.add_enabled_ui(removable, |ui| {
                if widgets::icon_button(ui, icons::X, &format!("Remove column {number}")).clicked() {
                    actions.push(Action::RemoveColumn(index));
                }
            });
        });
    });
    controls::guidance(ui, column, number, drafts);
}

fn picture(ui: &mut Ui, state: &State, index: usize, view: &mut View<'_>) {
    let Some(column) = state.compare.columns.get(index) else { return };
    let texture = column.picture(view.size).map(|image| view.texture(ui, image));
    let name = format!("Picture of column {}: {}", index + 1, threshold_label(&column.threshold));
    let side = ui.available_width().min(picture_room(ui));
    let response = ui.vertical_centered(|ui| lens::show(ui, view.lens, texture, Vec2::splat(side), &name)).inner;
    if texture.is_none() {
        waiting(ui, response.rect, column.stages.contains_key(&view.size));
    }
}

/// The side of a picture that leaves the plots below it in sight.
fn picture_room(ui: &Ui) -> f32 {
    let head = 3.0 * (theme::CONTROL + theme::GAP);
    let plots = 3.0 * (theme::PLOT + theme::CAPTION + 2.0 * theme::GAP);
    let strip = theme::CONTROL + theme::GAP + 2.0 * theme::PAD;
    let around = 2.0 * theme::PAD + theme::CAPTION + 3.0 * theme::GAP + strip;
    (ui.clip_rect().height() - head - plots - around).max(theme::COLUMN - 2.0 * theme::PAD)
}

/// What to do, where a picture is going to be.
fn waiting(ui: &Ui, rect: Rect, begun: bool) {
    let p = Palette::get(ui.ctx());
    let text = if begun { "waits for its first step" } else { "press Run columns" };
    let font = |size| egui::FontId::proportional(size);
    let centre = rect.center();
    ui.painter().text(centre, egui::Align2::CENTER_BOTTOM, icons::IMAGE, font(2.0 * theme::HEAD), p.muted);
    ui.painter().text(centre + Vec2::new(0.0, theme::GAP), egui::Align2::CENTER_TOP, text, font(theme::BODY), p.muted);
}

/// How far it is; always one line and one bar.
fn foot(ui: &mut Ui, state: &State, index: usize, size: u32) {
    let p = Palette::get(ui.ctx());
    let Some(column) = state.compare.columns.get(index) else { return };
    let stage = column.stages.get(&size);
    widgets::progress(ui, stage.map_or(0.0, StageView::share_done), p.threshold(&column.threshold), ui.available_width());
    super::small_row(ui, |ui| {
        widgets::caption(ui, stage.map_or_else(|| format!("{size} px, not run"), words));
        let stale = state.model().is_some_and(|model| column.is_stale(size, &state.draft, model));
        if stale && stage.is_some_and(|s| s.progress != Progress::Running) {
            let text = RichText::new("older settings").text_style(theme::caption()).color(p.warning);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.label(text));
        }
    });
}

fn words(stage: &StageView) -> String {
    let seconds = widgets::seconds(stage.seconds);
    match &stage.progress {
        Progress::Waiting => format!("{} px, waiting", stage.size()),
        Progress::Running => format!("step {} / {}, {seconds}", stage.step, stage.steps),
        Progress::Done => format!("{} steps, {seconds}", stage.steps),
        Progress::Cancelled => format!("cancelled at step {} / {}", stage.step, stage.steps),
        Progress::Failed(_) => format!("failed at step {} / {}", stage.step, stage.steps),
    }
}
