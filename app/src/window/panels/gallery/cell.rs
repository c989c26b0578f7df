//! One picture of the grid.

use std::path::Path;

use egui::{Color32, CornerRadius, Id, Rect, Response, Sense, Stroke, StrokeKind, TextStyle, TextWrapMode, Ui, Vec2, pos2};
use imagen_protocol::{EngineError, RgbImage};

use crate::window::action::{Action, Question};
use crate::window::gallery::Entry;
use crate::window::panels::Actions;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme::{self, Palette};
use crate::window::{icons, menu, widgets};

/// A cell is its file's, wherever it stands.
pub fn id(path: &Path) -> Id {
    Id::unique(("gallery", path))
}

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions, index: usize, size: Vec2) {
    let (_, rect) = ui.allocate_space(size);
    let State { gallery, thumbnails, .. } = state;
    let Some(entry) = gallery.shown(index) else { return };
    let response = ui.interact(rect, id(&entry.path), Sense::click());
    if !ui.is_rect_visible(rect) {
        return;
    }
    let selected = gallery.selected.as_ref() == Some(&entry.path);
    let title = entry.title();
    response.widget_info(|| egui::WidgetInfo::selected(egui::Role::Button, true, selected, &title));
    if thumbnails.wants(&entry.path) {
        actions.push(Action::NeedThumbnail(entry.path.clone()));
    }
    let square = Rect::from_min_size(rect.min, Vec2::splat(size.x));
    frame(ui, square, &response, selected);
    picture(ui, textures, thumbnails.look(&entry.path), square.shrink(theme::FRAME));
    write_title(ui, &title, Rect::from_min_max(pos2(rect.min.x, square.max.y), rect.max), selected);
    clicks(&response, entry, actions);
}

fn clicks(response: &Response, entry: &Entry, actions: &mut Actions) {
    if response.double_clicked() {
        actions.push(Action::OpenEntry(entry.path.clone()));
    } else if response.clicked() {
        actions.push(Action::SelectEntry(Some(entry.path.clone())));
    }
    menu(response, entry, actions);
    if response.hovered() {
        response.clone().on_hover_text(entry.title());
    }
}

fn menu(response: &Response, entry: &Entry, actions: &mut Actions) {
    response.context_menu(|ui| {
        let path = &entry.path;
        menu::item(ui, "Show full size", Some(Action::OpenEntry(path.clone())), actions);
        menu::item(ui, "Use as input", Some(Action::UseAsInput(path.clone())), actions);
        ui.separator();
        menu::file(ui, Some(path), actions);
        ui.separator();
        menu::item(ui, "Move to the trash ...", Some(Action::Ask(Question::Trash(path.clone()))), actions);
    });
}

fn frame(ui: &Ui, square: Rect, response: &Response, selected: bool) {
    let p = Palette::get(ui.ctx());
    let stroke = if selected || response.has_focus() {
        Stroke::new(2.0, p.accent)
    } else if response.hovered() {
        Stroke::new(1.0, p.muted)
    } else {
        Stroke::new(1.0, p.line)
    };
    ui.painter().rect(square, CornerRadius::same(theme::RADIUS), p.surface, stroke, StrokeKind::Inside);
}

fn picture(ui: &Ui, textures: &mut Textures, thumbnail: Option<&Result<RgbImage, EngineError>>, room: Rect) {
    let p = Palette::get(ui.ctx());
    let icon = |icon, colour| {
        let font = egui::FontId::proportional(theme::TITLE);
        ui.painter().text(room.center(), egui::Align2::CENTER_CENTER, icon, font, colour);
    };
    match thumbnail {
        Some(Ok(image)) => {
            let size = widgets::fit(image, room.size());
            // Pictures of 64 pixels show their pixels; larger ones are smaller here than they are.
            let filter = if (image.width() as f32) < size.x { Filter::Nearest } else { Filter::Smooth };
            let texture = textures.get(ui.ctx(), image, filter);
            let uv = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
            ui.painter().image(texture, Rect::from_center_size(room.center(), size), uv, Color32::WHITE);
        }
        Some(Err(_)) => icon(icons::IMAGE_BROKEN, p.warning),
        None => icon(icons::IMAGE, p.line),
    }
}

fn write_title(ui: &Ui, title: &str, rect: Rect, selected: bool) {
    let p = Palette::get(ui.ctx());
    let text = egui::RichText::new(crate::error::one_line(title)).text_style(theme::caption());
    let galley = egui::WidgetText::from(text).into_galley(ui, Some(TextWrapMode::Truncate), rect.width(), TextStyle::Small);
    let at = pos2(rect.min.x, rect.center().y - 0.5 * galley.size().y);
    ui.painter().galley(at, galley, if selected { p.text } else { p.muted });
}
