//! One picture over everything.

use egui::{Align, Frame, Id, Label, Layout, Margin, Modal, RichText, Ui, Vec2};

use super::Actions;
use crate::window::action::Action;
use crate::window::lens;
use crate::window::shown::Shown;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    let Some(shown) = state.full.clone() else { return };
    let ctx = ui.ctx().clone();
    let p = Palette::get(&ctx);
    let frame = Frame::new().fill(p.background).inner_margin(Margin::same(theme::PAD as i8));
    let modal = Modal::new(Id::unique("full")).frame(frame).backdrop_color(p.background);
    let room = ctx.content_rect().size() - Vec2::splat(2.0 * theme::PAD);
    let below = Vec2::new(room.x, room.y - theme::ROW - theme::GAP).max(Vec2::splat(theme::THUMB));
    let response = modal.show(&ctx, |ui| {
        ui.set_width(room.x);
        ui.set_height(room.y);
        ui.horizontal(|ui| bar(ui, &shown, actions));
        let size = widgets::fit(&shown.image, below);
        ui.add_space((below.y - size.y) / 2.0);
        ui.vertical_centered(|ui| {
            let sharp = shown.image.width() <= 256 || state.full_lens.zoom > 2.0;
            let filter = if sharp { Filter::Nearest } else { Filter::Smooth };
            let texture = textures.get(ui.ctx(), &shown.image, filter);
            lens::show(ui, &mut state.full_lens, Some(texture), size, "The picture, full size");
        });
    });
    if response.backdrop_response.clicked() {
        actions.push(Action::CloseFull);
    }
}

/// From the right: what can be done; what it is, in the room that is left.
fn bar(ui: &mut Ui, shown: &Shown, actions: &mut Actions) {
    ui.set_height(theme::ROW);
    let p = Palette::get(ui.ctx());
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        if widgets::icon_button(ui, icons::X, "Close: Esc").clicked() {
            actions.push(Action::CloseFull);
        }
        if widgets::icon_button(ui, icons::COPY, "Copy this picture").clicked() {
            actions.push(Action::Copy(shown.image.clone()));
        }
        saving(ui, shown, actions);
        file(ui, shown, actions);
        if let Some(restore) = shown.restoring() {
            let button = ui.button("Use its settings").on_hover_text("Puts prompt, seed and every setting of it into the rails");
            if button.clicked() {
                actions.extend([restore, Action::CloseFull]);
            }
        }
        ui.label(RichText::new(shown.words()).color(p.muted));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| ui.add(Label::new(shown.title()).truncate()));
    });
}

/// Only what carries its settings: anybody else's picture is a file already.
fn saving(ui: &mut Ui, shown: &Shown, actions: &mut Actions) {
    let Some(picture) = shown.picture() else { return };
    if widgets::icon_button(ui, icons::DOWNLOAD_SIMPLE, "Save this picture as ...").clicked() {
        actions.push(Action::SaveAs(picture.clone()));
    }
    if widgets::icon_button(ui, icons::FLOPPY_DISK, "Save this picture").clicked() {
        actions.push(Action::Save(picture));
    }
}

fn file(ui: &mut Ui, shown: &Shown, actions: &mut Actions) {
    let Some(path) = &shown.path else { return };
    if widgets::icon_button(ui, icons::FOLDER_OPEN, "Show in the file manager").clicked() {
        actions.push(Action::Reveal(path.clone()));
    }
    if widgets::icon_button(ui, icons::LINK, "Copy the file's path").clicked() {
        actions.push(Action::CopyPath(path.clone()));
    }
    if ui.button("Use as input").on_hover_text(widgets::INPUT_HINT).clicked() {
        actions.extend([Action::UseAsInput(path.clone()), Action::CloseFull]);
    }
}
