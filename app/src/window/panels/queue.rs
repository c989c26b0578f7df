//! The job that runs and those that wait.

use egui::{Align, Layout, Ui};

use super::Actions;
use crate::window::action::Action;
use crate::window::job::{Job, Purpose};
use crate::window::stage_view::StageView;
use crate::window::state::State;
use crate::window::theme::Palette;
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let waiting = state.queue.waiting.len();
    ui.horizontal(|ui| {
        widgets::head(ui, "Queue");
        let text = match (waiting, &state.queue.running) {
            (0, None) => "empty".into(),
            (0, Some(_)) => "none waiting".into(),
            (n, _) => format!("{n} waiting"),
        };
        widgets::caption(ui, text);
    });
    if let Some(job) = &state.queue.running {
        running(ui, state, job, actions);
    }
    for (index, job) in state.queue.waiting.iter().enumerate() {
        show_waiting(ui, job, index, waiting, actions);
    }
}

fn running(ui: &mut Ui, state: &State, job: &Job, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let stage = state.running_stage();
    widgets::card(ui, |ui| {
        line(ui, |ui| {
            if widgets::icon_button(ui, icons::STOP, "Cancel the running job").clicked() {
                actions.push(Action::Cancel);
            }
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| name(ui, job));
        });
        let share = stage.map_or(0.0, StageView::share_done);
        widgets::progress(ui, share, p.accent, ui.available_width());
        widgets::caption(ui, stage.map_or_else(|| "getting ready".into(), progress));
    });
}

fn progress(stage: &StageView) -> String {
    let left = stage.seconds_left().map(|s| format!(", {} left", widgets::seconds(s))).unwrap_or_default();
    format!("{} px: step {} of {}{left}", stage.size(), stage.step, stage.steps)
}

fn show_waiting(ui: &mut Ui, job: &Job, index: usize, count: usize, actions: &mut Actions) {
    line(ui, |ui| {
        let what = title(job);
        if widgets::icon_button(ui, icons::X, &format!("Remove {what}")).clicked() {
            actions.push(Action::RemoveJob(job.id));
        }
        for (icon, way, up, possible) in
            [(icons::ARROW_DOWN, "later", false, index + 1 < count), (icons::ARROW_UP, "sooner", true, index > 0)]
        {
            ui.add_enabled_ui(possible, |ui| {
                if widgets::icon_button(ui, icon, &format!("{what} {way}")).clicked() {
                    actions.push(Action::MoveJob { job: job.id, up });
                }
            });
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| name(ui, job));
    });
}

/// Buttons from the right, what they are for in the room that is left.
fn line(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| ui.with_layout(Layout::right_to_left(Align::Center), add));
}

fn name(ui: &mut Ui, job: &Job) {
    let title = title(job);
    let more = match job.purpose {
        Purpose::Create if job.request.count > 1 => format!("{} candidates, seed {}", job.request.count, job.request.seed),
        Purpose::Create => format!("seed {}", job.request.seed),
        Purpose::Compare => format!("compare: {} columns", job.request.columns.len()),
        Purpose::Strip => format!("guidance strip: {} cells", job.request.columns.len()),
    };
    ui.add(egui::Label::new(&title).truncate()).on_hover_text(format!("{title}\n{more}"));
}

fn title(job: &Job) -> String {
    let prompt = crate::error::one_line(&job.request.prompt);
    if prompt.is_empty() { "(no prompt)".into() } else { prompt }
}
