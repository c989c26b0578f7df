//! The gallery: everything that was made, newest first, and the details of the selected picture.

mod cell;
mod details;
mod grid;
mod keys;

use egui::{Align, Layout, Panel, TextEdit, Ui, Vec2};

use super::Actions;
use crate::window::action::Action;
use crate::window::state::State;
use crate::window::textures::Textures;
use crate::window::{icons, theme, widgets};

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    toolbar(ui, state, actions);
    let count = state.gallery.refresh();
    if !state.gallery.entries().is_empty() {
        let frame = egui::Frame::new().inner_margin(egui::Margin { left: theme::GAP as i8, ..egui::Margin::ZERO });
        let details = Panel::right("gallery details").resizable(false).exact_size(theme::DETAILS).frame(frame);
        details.show(ui, |ui| details::show(ui, state, textures, actions));
    }
    if count == 0 {
        nothing(ui, state, actions);
    } else {
        grid::show(ui, state, textures, actions, count);
    }
}

fn toolbar(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    let folder = state.pictures_folder();
    let gallery = &mut state.gallery;
    let count = gallery.refresh();
    ui.horizontal(|ui| {
        filter(ui, &mut gallery.filter);
        let all = gallery.entries().len();
        widgets::caption(ui, if count == all { format!("{all} pictures") } else { format!("{count} of {all} pictures") });
        if gallery.scanning {
            ui.add(egui::Spinner::new().size(theme::BODY));
        }
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            if widgets::icon_button(ui, icons::FOLDER_OPEN, "Choose another folder").clicked() {
                actions.push(Action::ChooseGalleryFolder);
            }
            if widgets::icon_button(ui, icons::ARROW_CLOCKWISE, "Look through the folder again").clicked() {
                actions.push(Action::RefreshGallery);
            }
            let path = folder.display().to_string();
            let text = egui::RichText::new(&path).text_style(theme::caption()).weak();
            ui.add(egui::Label::new(text).truncate()).on_hover_text(path);
        });
    });
}

fn filter(ui: &mut Ui, filter: &mut String) {
    let edit = TextEdit::singleline(filter).hint_text(format!("{}  Filter by prompt", icons::MAGNIFYING_GLASS));
    let response = ui.add_sized(Vec2::new(theme::FILTER, theme::CONTROL), edit.align(egui::Align2::LEFT_CENTER));
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::SearchInput, true, "Filter by prompt"));
    ui.add_enabled_ui(!filter.is_empty(), |ui| {
        if widgets::icon_button(ui, icons::X, "Clear the filter").clicked() {
            filter.clear();
        }
    });
}

/// Why there is nothing, and what to do.
fn nothing(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let gallery = &state.gallery;
    if let Some(error) = &gallery.error {
        widgets::empty(ui, icons::WARNING, "The folder cannot be read", &error.to_string());
        centred_button(ui, "Choose another folder", Action::ChooseGalleryFolder, actions);
    } else if !gallery.entries().is_empty() {
        let text = format!("No prompt and no file name holds \"{}\"", gallery.filter.trim());
        widgets::empty(ui, icons::MAGNIFYING_GLASS, "No picture fits", &text);
    } else if gallery.scanning {
        widgets::empty(ui, icons::HOURGLASS, "Reading the folder", &state.pictures_folder().display().to_string());
    } else {
        widgets::empty(ui, icons::IMAGES, "No pictures yet", "What you generate is saved and appears here, its settings inside");
    }
}

fn centred_button(ui: &mut Ui, text: &str, action: Action, actions: &mut Actions) {
    ui.vertical_centered(|ui| {
        if ui.button(text).clicked() {
            actions.push(action);
        }
    });
}
