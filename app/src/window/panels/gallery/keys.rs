//! The keyboard in the gallery.

use egui::{Context, EventFilter, Key, Modifiers, Ui};

use super::cell;
use crate::window::action::{Action, Question};
use crate::window::panels::Actions;
use crate::window::state::State;

/// Moves the selection, opens and deletes. Answers with the place of the selected entry among those shown, if it moved.
pub fn read(ui: &Ui, state: &State, actions: &mut Actions, columns: usize, page: usize, count: usize) -> Option<usize> {
    let ctx = ui.ctx();
    if state.full.is_some() || state.question.is_some() || !is_ours(ctx, state) {
        return None;
    }
    if let Some(path) = &state.gallery.selected {
        if pressed(ctx, Key::Enter) {
            actions.push(Action::OpenEntry(path.clone()));
        }
        if pressed(ctx, Key::Delete) || pressed(ctx, Key::Backspace) {
            actions.push(Action::Ask(Question::Trash(path.clone())));
        }
    }
    let path = state.gallery.step(step(ctx, columns, page, count)?)?;
    let from = state.gallery.selected_index();
    if from.is_some() && state.gallery.selected.as_ref() == Some(&path) {
        return None;
    }
    let had_focus = ctx.memory(|m| m.focused()).is_some();
    if had_focus {
        let id = cell::id(&path);
        ctx.memory_mut(|m| m.request_focus(id));
    }
    let index = (0..count).find(|&i| state.gallery.shown(i).is_some_and(|e| e.path == path));
    actions.push(Action::SelectEntry(Some(path)));
    index
}

/// Whether keys are the grid's: nothing else has the focus.
fn is_ours(ctx: &Context, state: &State) -> bool {
    let Some(focused) = ctx.memory(|m| m.focused()) else { return true };
    let selected = state.gallery.selected.as_deref().is_some_and(|path| cell::id(path) == focused);
    if selected {
        let arrows = EventFilter { horizontal_arrows: true, vertical_arrows: true, ..EventFilter::default() };
        ctx.memory_mut(|m| m.set_focus_lock_filter(focused, arrows));
    }
    selected
}

fn step(ctx: &Context, columns: usize, page: usize, count: usize) -> Option<isize> {
    let by = |n: usize| isize::try_from(n).unwrap_or(isize::MAX);
    let steps = [
        (Key::ArrowRight, 1),
        (Key::ArrowLeft, -1),
        (Key::ArrowDown, by(columns)),
        (Key::ArrowUp, -by(columns)),
        (Key::PageDown, by(page)),
        (Key::PageUp, -by(page)),
        (Key::Home, -by(count)),
        (Key::End, by(count)),
    ];
    steps.into_iter().find(|(key, _)| pressed(ctx, *key)).map(|(_, step)| step)
}

fn pressed(ctx: &Context, key: Key) -> bool {
    ctx.input_mut(|i| i.consume_key(Modifiers::NONE, key))
}
