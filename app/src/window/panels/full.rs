//! One picture over everything.

use egui::{Frame, Id, Margin, Modal, RichText, Ui};

use super::Actions;
use crate::window::action::{Action, Picture};
use crate::window::lens;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    let Some(picture) = state.full.clone() else { return };
    let ctx = ui.ctx().clone();
    let p = Palette::get(&ctx);
    let frame = Frame::new().fill(p.background).inner_margin(Margin::same(theme::PAD as i8));
    let modal = Modal::new(Id::unique("full")).frame(frame).backdrop_color(p.background);
    let room = ctx.content_rect().size() - egui::Vec2::splat(2.0 * theme::PAD);
    let side = room.x.min(room.y - theme::ROW - theme::GAP).max(theme::THUMB);
    let shown = modal.show(&ctx, |ui| {
        ui.set_width(room.x);
        ui.set_height(room.y);
        ui.horizontal(|ui| bar(ui, &picture, actions));
        ui.vertical_centered(|ui| {
            let near = picture.image.width() <= 256 || state.full_lens.zoom > 2.0;
            let filter = if near { Filter::Nearest } else { Filter::Smooth };
            let texture = textures.get(ui.ctx(), &picture.image, filter);
            lens::show(ui, &mut state.full_lens, Some(texture), side, "The picture, full size");
        });
    });
    if shown.backdrop_response.clicked() {
        actions.push(Action::CloseFull);
    }
}

fn bar(ui: &mut Ui, picture: &Picture, actions: &mut Actions) {
    ui.set_height(theme::ROW);
    let p = Palette::get(ui.ctx());
    let settings = &picture.settings;
    let said = format!("{} pixels · seed {}", settings.size, settings.request.seed);
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        if widgets::icon_button(ui, icons::X, "Close: Esc").clicked() {
            actions.push(Action::CloseFull);
        }
        if widgets::icon_button(ui, icons::COPY, "Copy this picture").clicked() {
            actions.push(Action::Copy(picture.image.clone()));
        }
        if widgets::icon_button(ui, icons::DOWNLOAD_SIMPLE, "Save this picture as ...").clicked() {
            actions.push(Action::SaveAs(picture.clone()));
        }
        if widgets::icon_button(ui, icons::FLOPPY_DISK, "Save this picture").clicked() {
            actions.push(Action::Save(picture.clone()));
        }
        let settings = ui.button("Use its settings").on_hover_text("Puts prompt, seed and every setting of it into the rails");
        if settings.clicked() {
            actions.extend([Action::UseSettings(picture.settings.clone()), Action::CloseFull]);
        }
        ui.label(RichText::new(said).color(p.muted));
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.add(egui::Label::new(&picture.settings.request.prompt).truncate());
        });
    });
}
