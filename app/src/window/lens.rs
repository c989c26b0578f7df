//! Zoom and pan that several pictures share, and a picture seen through them.

use egui::{Color32, Rect, Response, Sense, TextureId, Ui, Vec2, pos2, vec2};

use super::theme::{self, Palette};

/// Most that a picture is enlarged beyond fitting.
const MAX_ZOOM: f32 = 64.0;

/// What part of every picture is seen, in shares of its sides: so that 64, 256 and 1024 pixels show the same place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lens {
    /// 1: the whole picture fits.
    pub zoom: f32,
    /// The middle of what is seen, in [0, 1].
    pub centre: [f32; 2],
}

impl Default for Lens {
    fn default() -> Self {
        Self { zoom: 1.0, centre: [0.5, 0.5] }
    }
}

impl Lens {
    /// The part of the texture that is seen.
    pub fn uv(&self) -> Rect {
        let half = 0.5 / self.zoom;
        let [x, y] = self.centre;
        Rect::from_min_max(pos2(x - half, y - half), pos2(x + half, y + half))
    }

    /// Enlarges by `factor` around a place of the view, given in [0, 1]: what is there stays there.
    pub fn zoom_at(&mut self, factor: f32, at: Vec2) {
        let before = self.uv();
        let fixed = before.min + at * before.size();
        self.zoom = (self.zoom * factor).clamp(1.0, MAX_ZOOM);
        let size = 1.0 / self.zoom;
        let min = fixed - at * size;
        self.centre = [min.x + 0.5 * size, min.y + 0.5 * size];
        self.keep_inside();
    }

    /// Moves what is seen by a share of the view.
    pub fn pan(&mut self, by: Vec2) {
        self.centre[0] -= by.x / self.zoom;
        self.centre[1] -= by.y / self.zoom;
        self.keep_inside();
    }

    fn keep_inside(&mut self) {
        let half = 0.5 / self.zoom;
        self.centre = self.centre.map(|c| c.clamp(half, 1.0 - half));
    }
}

/// A picture through a lens: scrolling zooms, dragging pans, a double click shows all again. `name` is what a screen reader says.
pub fn show(ui: &mut Ui, lens: &mut Lens, texture: Option<TextureId>, size: Vec2, name: &str) -> Response {
    let (rect, response) = ui.allocate_exact_size(size, Sense::click_and_drag());
    let p = Palette::get(ui.ctx());
    ui.painter().rect_filled(rect, f32::from(theme::RADIUS), p.raised);
    if let Some(texture) = texture {
        ui.painter().image(texture, rect, lens.uv(), Color32::WHITE);
    }
    respond(ui, lens, &response);
    let response =
        response.on_hover_cursor(if lens.zoom > 1.0 { egui::CursorIcon::Grab } else { egui::CursorIcon::PointingHand });
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, name));
    response
}

/// Zoom and pan by what the pointer did over the picture.
pub fn respond(ui: &Ui, lens: &mut Lens, response: &Response) {
    let rect = response.rect;
    if response.dragged() {
        lens.pan(response.drag_delta() / rect.size());
    }
    if response.double_clicked() {
        *lens = Lens::default();
    }
    let Some(at) = response.hover_pos() else { return };
    let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
    let factor = pinch * (scroll * 0.005).exp();
    if factor != 1.0 {
        // The view around the picture stays where it is.
        ui.input_mut(|i| i.smooth_scroll_delta = Vec2::ZERO);
        lens.zoom_at(factor, (at - rect.min) / vec2(rect.width(), rect.height()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zooming_keeps_what_is_under_the_pointer() {
        let mut lens = Lens::default();
        let at = vec2(0.25, 0.75);
        lens.zoom_at(4.0, at);
        let seen = lens.uv();
        let under = seen.min + at * seen.size();
        assert!((under - pos2(0.25, 0.75)).length() < 1e-6, "{under:?}");
        assert_eq!(lens.zoom, 4.0);
    }

    #[test]
    fn nothing_outside_of_the_picture_is_ever_seen() {
        let mut lens = Lens::default();
        lens.zoom_at(8.0, vec2(0.0, 0.0));
        lens.pan(vec2(100.0, -100.0));
        let uv = lens.uv();
        assert!(uv.min.x >= 0.0 && uv.min.y >= 0.0 && uv.max.x <= 1.0 && uv.max.y <= 1.0, "{uv:?}");
        lens.zoom_at(0.0001, vec2(0.9, 0.1));
        assert_eq!(lens, Lens::default());
    }
}
