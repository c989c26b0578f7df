//! What a right click on a picture offers, in words. Dragging a picture out of the window is not possible with winit: copying it, or its
//! file's path, or showing the file where it can be dragged from, is what there is instead.

use std::path::Path;

use egui::{Button, Response, Ui};

use super::action::{Action, Picture};
use super::state::State;

/// Of a picture that a view shows; nothing where there is none yet.
pub fn picture(response: &Response, state: &State, picture: impl FnOnce() -> Option<Picture>, actions: &mut Vec<Action>) {
    response.context_menu(|ui| {
        let Some(picture) = picture() else {
            ui.label("There is no picture yet");
            return;
        };
        let path = state.file_of(&picture.image);
        item(ui, "Show full size", Some(Action::OpenFull(picture.clone())), actions);
        item(ui, "Copy the picture", Some(Action::Copy(picture.image.clone())), actions);
        item(ui, "Save", Some(Action::Save(picture.clone())), actions);
        item(ui, "Save as ...", Some(Action::SaveAs(picture.clone())), actions);
        ui.separator();
        file(ui, path, actions);
    });
}

/// Of a picture's file; `None`: it was not saved.
pub fn file(ui: &mut Ui, path: Option<&Path>, actions: &mut Vec<Action>) {
    item(ui, "Show in the file manager", path.map(|p| Action::Reveal(p.to_owned())), actions);
    item(ui, "Copy the file's path", path.map(|p| Action::CopyPath(p.to_owned())), actions);
}

/// A line of a menu; `None`: it cannot be done, as the picture is no file.
pub fn item(ui: &mut Ui, text: &str, action: Option<Action>, actions: &mut Vec<Action>) {
    let button = ui.add_enabled(action.is_some(), Button::new(text));
    if button.on_disabled_hover_text("This picture is not saved yet").clicked() {
        actions.extend(action);
    }
}
