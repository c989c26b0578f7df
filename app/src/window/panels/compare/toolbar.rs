//! What to run, up to which stage, and how to look at it.

use egui::{Align, Button, Layout, RichText, Ui, Vec2};

use super::{EXPLANATION, controls};
use crate::window::action::Action;
use crate::window::compare::{MAX_COLUMNS, Mode};
use crate::window::job::Purpose;
use crate::window::panels::Actions;
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    let obstacle = state.compare_request().err();
    let row = Vec2::new(ui.available_width(), theme::PRIMARY);
    ui.allocate_ui_with_layout(row, Layout::left_to_right(Align::Center), |ui| {
        run(ui, state, obstacle.is_none(), actions);
        until(ui, state);
        widgets::caption(ui, format!("seed {}", state.draft.seed));
        if widgets::icon_button(ui, icons::DICE_FIVE, "New seed for all columns").clicked() {
            actions.push(Action::NewSeed);
        }
        if widgets::icon_button(ui, icons::INFO, EXPLANATION).clicked() {
            state.compare.look.strip_open = true;
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| kept(ui, state, actions));
    });
    ui.horizontal(|ui| {
        let modes = Mode::ALL.map(|m| (m, m.name().to_owned(), m.name().to_owned(), None));
        controls::choice(ui, &mut state.compare.look.mode, &modes);
        shown(ui, state);
    });
    if let Some(obstacle) = obstacle {
        let p = Palette::get(ui.ctx());
        let text = RichText::new(format!("{}  {obstacle}", icons::WARNING)).color(p.warning);
        ui.add(egui::Label::new(text).wrap());
    }
    if let Some(error) = &state.compare.error {
        widgets::error(ui, error);
    }
}

/// Run, or Cancel in the same place while the columns' job runs.
fn run(ui: &mut Ui, state: &State, can_run: bool, actions: &mut Actions) {
    ui.allocate_ui_with_layout(Vec2::new(theme::RUN, theme::PRIMARY), Layout::top_down(Align::Center), |ui| {
        let compares = |purpose: &Purpose| matches!(purpose, Purpose::Compare);
        if let Some(action) = start_or_stop(ui, state, "Run columns", compares, can_run, Action::RunCompare) {
            actions.push(action);
        }
    });
}

/// The button of a job: starts it, takes it out of the queue, or stops it.
fn start_or_stop(
    ui: &mut Ui,
    state: &State,
    name: &str,
    is_own: impl Fn(&Purpose) -> bool,
    can_run: bool,
    start: Action,
) -> Option<Action> {
    if state.queue.running.as_ref().is_some_and(|job| is_own(&job.purpose)) {
        let cancel =
            widgets::primary_button(ui, "Cancel columns", true).on_hover_text("Esc; finished steps stay to be looked at");
        return cancel.clicked().then_some(Action::Cancel);
    }
    if let Some(job) = state.queue.waiting.iter().find(|job| is_own(&job.purpose)) {
        return widgets::primary_button(ui, "Waiting: remove", true).clicked().then_some(Action::RemoveJob(job.id));
    }
    let button = widgets::primary_button(ui, name, can_run).on_hover_text("Ctrl+Enter: all columns with the same seed and noise");
    button.clicked().then_some(start)
}

fn until(ui: &mut Ui, state: &mut State) {
    let sizes = state.sizes();
    widgets::caption(ui, "up to");
    let options: Vec<_> = sizes.iter().map(|&s| (s, s.to_string(), format!("Run up to {s} pixels"), None)).collect();
    let mut until = state.compare.until(&sizes).unwrap_or(state.compare.until);
    if controls::choice(ui, &mut until, &options) {
        state.compare.until = until;
    }
}

/// Which stage is looked at.
fn shown(ui: &mut Ui, state: &mut State) {
    let sizes = state.sizes();
    widgets::caption(ui, "show");
    let options: Vec<_> = sizes.iter().map(|&s| (s, format!("{s} px"), format!("Show {s} pixels"), None)).collect();
    let mut shown = state.compare.shown(&sizes);
    if controls::choice(ui, &mut shown, &options) {
        state.compare.look.shown = Some(shown);
    }
}

/// From the right: save, add.
fn kept(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let made = state.compare.strip.stage.is_some() || state.compare.columns.iter().any(|c| !c.stages.is_empty());
    let save = ui.add_enabled(made, Button::new(format!("{}  Save grid", icons::FLOPPY_DISK)));
    let save = widgets::named(save, "Save grid")
        .on_hover_text("Columns and strip as one labelled picture, and a table of s and clipped");
    if save.clicked() {
        actions.push(Action::SaveSheet);
    }
    let room = state.compare.columns.len() < MAX_COLUMNS;
    let add = ui.add_enabled(room, Button::new(format!("{}  Column", icons::PLUS)));
    if widgets::named(add, "Add a column").clicked() {
        actions.push(Action::AddColumn);
    }
}
