//! The panels, and where each is. They know the state and the actions, not each other.

mod ask;
mod compare;
mod create;
mod device;
mod drop;
mod full;
mod gallery;
mod log;
mod notes;
mod prompt;
mod queue;
mod stages;
mod status;
mod tabs;

use egui::{CentralPanel, Frame, Margin, Panel, ScrollArea, Ui};

use super::action::{Action, View};
use super::state::State;
use super::textures::Textures;
use super::theme::{self, Palette};

/// Everything that a panel asked for in this frame.
pub type Actions = Vec<Action>;

/// Lays the window out: rails left and right, tabs and the view between them, the status line below.
pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let rail = Frame::new().fill(p.background).inner_margin(Margin::same(theme::PAD as i8));
    Panel::bottom("status").resizable(false).frame(rail).show(ui, |ui| status::show(ui, state, actions));
    if state.prefs.show_log {
        Panel::bottom("log").resizable(true).default_size(160.0).frame(rail).show(ui, |ui| log::show(ui, state, actions));
    }
    let narrow = ui.ctx().content_rect().width() < theme::NARROW;
    if narrow {
        // Above the rails: there, the views, the rails and Generate are in reach whichever rail is open.
        Panel::top("tabs").resizable(false).frame(rail).show(ui, |ui| {
            tabs::show_narrow(ui, state, actions, |ui, actions| prompt::go_narrow(ui, state, actions));
        });
    }
    if !narrow || state.drawers.prompt {
        Panel::left("prompt").resizable(false).exact_size(theme::LEFT_RAIL).frame(rail).show(ui, |ui| {
            Panel::bottom("go").resizable(false).show_separator_line(false).frame(Frame::new()).show(ui, |ui| {
                ui.add_space(theme::GAP);
                prompt::go(ui, state, actions);
            });
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                prompt::show(ui, state, textures, actions);
                device::show(ui, state, actions);
                queue::show(ui, state, actions);
            });
        });
    }
    if state.prefs.view != View::Gallery && (!narrow || state.drawers.stages) {
        Panel::right("stages").resizable(false).exact_size(theme::RIGHT_RAIL).frame(rail).show(ui, |ui| {
            ScrollArea::vertical().auto_shrink(false).show(ui, |ui| stages::show(ui, state, actions));
        });
    }
    CentralPanel::default().frame(rail).show(ui, |ui| {
        if !narrow {
            tabs::show(ui, state, actions);
        }
        notes::show(ui, state, actions);
        match state.prefs.view {
            View::Create => create::show(ui, state, textures, actions),
            View::Compare => compare::show(ui, state, textures, actions),
            View::Gallery => gallery::show(ui, state, textures, actions),
        }
    });
    full::show(ui, state, textures, actions);
    ask::show(ui.ctx(), state, actions);
    drop::show(ui.ctx());
}
