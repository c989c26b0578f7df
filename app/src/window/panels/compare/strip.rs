//! The guidance strip: a small grid of weights and thresholdings, filled while it is made.

use egui::{Align, Align2, Color32, DragValue, Grid, Layout, Rect, Response, RichText, Role, Sense, Ui, Vec2, WidgetInfo, pos2};

use super::{View, controls};
use crate::window::action::Action;
use crate::window::compare::{MAX_COLUMNS, STRIP_WEIGHTS, Strip, WEIGHTS, threshold_label};
use crate::window::job::{Job, Purpose};
use crate::window::panels::Actions;
use crate::window::stage_view::Progress;
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &mut State, view: &mut View<'_>, actions: &mut Actions) {
    let obstacle = state.strip_request().err();
    widgets::card(ui, |ui| {
        ui.horizontal(|ui| head(ui, state, obstacle.is_none(), actions));
        if !state.compare.look.strip_open {
            return;
        }
        if let Some(error) = &state.compare.strip.error {
            widgets::error(ui, error);
        }
        let beside = ui.horizontal_top(|ui| {
            cells(ui, state, view, actions);
            ui.add_space(theme::PAD);
            let fits = ui.available_width() >= theme::TEXT;
            if fits {
                ui.vertical(super::explanation);
            }
            fits
        });
        if !beside.inner {
            super::explanation(ui);
        }
    });
}

fn head(ui: &mut Ui, state: &mut State, can_run: bool, actions: &mut Actions) {
    let open = &mut state.compare.look.strip_open;
    let (icon, name) = if *open { (icons::CARET_DOWN, "Close the strip") } else { (icons::CARET_RIGHT, "Open the strip") };
    if widgets::icon_button(ui, icon, name).clicked() {
        *open = !*open;
    }
    widgets::head(ui, "Guidance strip");
    widgets::caption(ui, "click a cell to make it a column");
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let (text, action) = match job(state) {
            Some(Action::Cancel) => ("Cancel strip", Action::Cancel),
            Some(remove) => ("Waiting: remove strip", remove),
            None => ("Run strip", Action::RunStrip),
        };
        let button = ui.add_enabled(action != Action::RunStrip || can_run, egui::Button::new(text));
        if button.clicked() {
            actions.push(action);
        }
        if let Some(stage) = &state.compare.strip.stage {
            let done =
                if stage.progress == Progress::Done { "done".into() } else { format!("step {} / {}", stage.step, stage.steps) };
            widgets::caption(ui, format!("{done}, {}", widgets::seconds(stage.seconds)));
        }
        papers(ui, state);
    });
}

/// Takes the paper's weights back, where they were changed.
fn papers(ui: &mut Ui, state: &mut State) {
    let changed = !state.compare.strip.is_papers() && job(state).is_none();
    if changed && widgets::icon_button(ui, icons::ARROW_COUNTER_CLOCKWISE, "The paper's weights: 1, 2, 5, 10, 15").clicked() {
        state.compare.strip.weights = STRIP_WEIGHTS.to_vec();
    }
}

/// What ends the strip's job, running or waiting; `None` where there is none.
fn job(state: &State) -> Option<Action> {
    let is_strip = |job: &&Job| job.purpose == Purpose::Strip;
    let running = state.queue.running.as_ref().filter(is_strip).map(|_| Action::Cancel);
    running.or_else(|| state.queue.waiting.iter().find(is_strip).map(|job| Action::RemoveJob(job.id)))
}

/// A column's guidance weight. Where it is changed, the pictures made with the old one are not shown.
fn weight(ui: &mut Ui, state: &mut State, column: usize, fixed: bool) {
    let Some(weight) = state.compare.strip.weights.get_mut(column) else { return };
    ui.add_enabled_ui(!fixed, |ui| {
        // As narrow as the cells below it.
        ui.spacing_mut().button_padding.x = 0.0;
        let text = |w: f64, _| format!("{}", (w * 10.0).round() / 10.0);
        let drag = DragValue::new(weight).range(WEIGHTS).speed(0.1).max_decimals(1).prefix("w = ").custom_formatter(text);
        let response = ui.add_sized([theme::STRIP_CELL, theme::CONTROL], drag);
        controls::numeric(response, *weight, &format!("Guidance weight of column {} of the strip", column + 1));
    });
}

fn cells(ui: &mut Ui, state: &mut State, view: &mut View<'_>, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let fixed = job(state).is_some();
    Grid::new("guidance strip").spacing(Vec2::splat(theme::GAP / 2.0)).show(ui, |ui| {
        ui.label("");
        for column in 0..state.compare.strip.weights.len() {
            weight(ui, state, column, fixed);
        }
        ui.end_row();
        let strip = &state.compare.strip;
        for (row, threshold) in strip.thresholds.iter().enumerate() {
            ui.label(RichText::new(widgets::threshold_name(threshold)).color(p.threshold(threshold)));
            for column in 0..strip.weights.len() {
                let cell = strip.cell(row, column);
                let response = draw(ui, strip, cell, view);
                if response.clicked() {
                    actions.push(Action::CellToColumn { cell, at: None });
                }
                response.context_menu(|ui| menu(ui, state, cell, actions));
            }
            ui.end_row();
        }
    });
}

fn draw(ui: &mut Ui, strip: &Strip, cell: usize, view: &mut View<'_>) -> Response {
    let p = Palette::get(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(theme::STRIP_CELL), Sense::click());
    let name = name(strip, cell);
    match strip.picture(cell) {
        Some(image) => {
            let texture = view.texture(ui, image);
            let all = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture, rect, all, Color32::WHITE);
        }
        None => drop(ui.painter().rect_filled(rect, 0.0, p.raised)),
    }
    if let Some(stage) = strip.stage.as_ref().filter(|s| s.progress == Progress::Running) {
        let share = strip.steps_done(cell) as f32 / stage.steps.max(1) as f32;
        let mut bar = Rect::from_min_max(pos2(rect.min.x, rect.max.y - theme::CURVE), rect.max);
        bar.set_width(rect.width() * share);
        ui.painter().rect_filled(bar, 0.0, p.accent);
    } else if strip.picture(cell).is_none() {
        ui.painter().text(rect.center(), Align2::CENTER_CENTER, icons::IMAGE, egui::FontId::proportional(theme::HEAD), p.line);
    }
    if response.hovered() || response.has_focus() {
        ui.painter().rect_stroke(rect, 0.0, egui::Stroke::new(theme::CURVE, p.accent), egui::StrokeKind::Inside);
    }
    response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &name));
    response.on_hover_text(format!("{name}: click for a column, right click for more"))
}

fn name(strip: &Strip, cell: usize) -> String {
    strip.setting(cell).map(|(threshold, w)| format!("{}, w = {w}", threshold_label(&threshold))).unwrap_or_default()
}

fn menu(ui: &mut Ui, state: &State, cell: usize, actions: &mut Actions) {
    let count = state.compare.columns.len();
    if ui.add_enabled(count < MAX_COLUMNS, egui::Button::new("Compare as a new column")).clicked() {
        actions.push(Action::CellToColumn { cell, at: Some(count) });
    }
    for at in 0..count {
        let free = !state.columns_are_fixed();
        if ui.add_enabled(free, egui::Button::new(format!("Put into column {}", at + 1))).clicked() {
            actions.push(Action::CellToColumn { cell, at: Some(at) });
        }
    }
    ui.separator();
    if ui.button("Set guidance and thresholding under Stages").clicked() {
        actions.push(Action::CellToDraft(cell));
    }
}
