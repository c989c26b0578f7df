//! The selected picture: large, with every setting that made it and what can be done with it.

use std::path::Path;

use egui::{Image, ScrollArea, Sense, TextureId, Ui, Vec2, load::SizedTexture};
use imagen_protocol::{EngineError, RgbImage};

use crate::picture::Scaled;
use crate::settings;
use crate::window::action::{Action, Question};
use crate::window::gallery::{self, Details};
use crate::window::io::Found;
use crate::window::panels::Actions;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme;
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &State, textures: &mut Textures, actions: &mut Actions) {
    let Some(path) = &state.gallery.selected else {
        if !state.gallery.entries().is_empty() {
            widgets::empty(ui, icons::INFO, "Nothing selected", "Select a picture to see what made it");
        }
        return;
    };
    ScrollArea::vertical().id_salt("details").auto_shrink(false).show(ui, |ui| match &state.gallery.details {
        Some(details) => {
            picture(ui, textures, details, path, actions);
            buttons(ui, path, details, actions);
            about(ui, details, path);
        }
        None => widgets::empty(ui, icons::HOURGLASS, "Reading", &gallery::name(path)),
    });
}

fn picture(ui: &mut Ui, textures: &mut Textures, details: &Details, path: &Path, actions: &mut Actions) {
    // What made it is in sight too, in a low window.
    let room = Vec2::new(ui.available_width(), ui.available_width().min(0.5 * ui.clip_rect().height()));
    match &details.image {
        Ok(Scaled { image, .. }) => {
            let size = widgets::fit(image, room);
            let texture = texture(ui, textures, image, size);
            ui.vertical_centered(|ui| {
                let image = Image::new(SizedTexture::new(texture, size)).sense(Sense::click());
                let response = ui.add(image.corner_radius(theme::RADIUS));
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "Selected picture"));
                if response.on_hover_text("Show full size").clicked() {
                    actions.push(Action::OpenEntry(path.to_owned()));
                }
            });
        }
        Err(e) => widgets::error(ui, e),
    }
}

fn texture(ui: &Ui, textures: &mut Textures, image: &RgbImage, size: Vec2) -> TextureId {
    let filter = if (image.width() as f32) < size.x { Filter::Nearest } else { Filter::Smooth };
    textures.get(ui.ctx(), image, filter)
}

fn buttons(ui: &mut Ui, path: &Path, details: &Details, actions: &mut Actions) {
    let restore = details.about.as_ref().ok().and_then(Found::restoring);
    if widgets::primary_button(ui, "Use these settings", restore.is_some()).clicked() {
        actions.extend(restore);
    }
    ui.horizontal(|ui| {
        let readable = details.image.is_ok();
        if ui.add_enabled(readable, egui::Button::new("Use as input")).on_hover_text(widgets::INPUT_HINT).clicked() {
            actions.push(Action::UseAsInput(path.to_owned()));
        }
        ui.add_enabled_ui(readable, |ui| {
            if widgets::icon_button(ui, icons::ARROWS_OUT, "Show full size").clicked() {
                actions.push(Action::OpenEntry(path.to_owned()));
            }
        });
        ui.add_enabled_ui(readable, |ui| {
            if widgets::icon_button(ui, icons::COPY, "Copy the picture").clicked() {
                actions.extend(details.image.clone().ok().map(|scaled| Action::Copy(scaled.image)));
            }
        });
        if widgets::icon_button(ui, icons::FOLDER_OPEN, "Show in the file manager").clicked() {
            actions.push(Action::Reveal(path.to_owned()));
        }
        if widgets::icon_button(ui, icons::LINK, "Copy the file's path").clicked() {
            actions.push(Action::CopyPath(path.to_owned()));
        }
        if widgets::icon_button(ui, icons::TRASH, "Move to the trash").clicked() {
            actions.push(Action::Ask(Question::Trash(path.to_owned())));
        }
    });
}

fn about(ui: &mut Ui, details: &Details, path: &Path) {
    row(ui, "file", &gallery::name(path));
    if let Ok(Scaled { size: [width, height], .. }) = &details.image {
        row(ui, "size", &format!("{width} x {height} pixels"));
    }
    match &details.about {
        Ok(Found::Ours(settings)) => settings::rows(settings).iter().for_each(|(name, value)| row(ui, name, value)),
        Ok(Found::Parameters(text)) => {
            widgets::caption(ui, "Written by another program:");
            ui.add(egui::Label::new(text).wrap().selectable(true));
        }
        Ok(Found::Plain) => drop(widgets::caption(ui, "The file carries no settings.")),
        Err(e) => unreadable(ui, e, details),
    }
}

/// Said once: a file that cannot be read at all is said where its picture would be.
fn unreadable(ui: &mut Ui, error: &EngineError, details: &Details) {
    if details.image.is_ok() {
        widgets::error(ui, error);
    }
}

fn row(ui: &mut Ui, name: &str, value: &str) {
    widgets::row(ui, theme::NAMES, name, value);
}
