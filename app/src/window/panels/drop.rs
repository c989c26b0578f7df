//! What would happen to the files that hover over the window.

use std::path::{Path, PathBuf};

use egui::{Align2, Context, FontId, Id, LayerId, Order, Rect, Stroke, StrokeKind, Vec2, vec2};

use crate::window::theme::{self, Palette};
use crate::window::{fonts, gallery, icons};

/// Of the card that the words stand on, at most.
const CARD: Vec2 = vec2(560.0, 4.0 * theme::LARGE_ICON);
/// How much of the window is hidden behind it.
const VEIL: f32 = 0.85;

pub fn show(ctx: &Context) {
    let hovered: Vec<Option<PathBuf>> = ctx.input(|i| i.raw.hovered_files.iter().map(|f| f.path.clone()).collect());
    let Some(first) = hovered.first() else { return };
    let p = Palette::get(ctx);
    let painter = ctx.layer_painter(LayerId::new(Order::Tooltip, Id::unique("drop")));
    let room = ctx.content_rect();
    let takes = first.as_deref().is_none_or(may_be_picture);
    let colour = if takes { p.accent } else { p.warning };
    painter.rect_filled(room, 0.0, p.background.gamma_multiply(VEIL));
    let card = Rect::from_center_size(room.center(), CARD.min(room.size() - Vec2::splat(4.0 * theme::PAD)));
    painter.rect_filled(card, f32::from(theme::RADIUS), p.surface);
    painter.rect_stroke(room.shrink(theme::GAP / 2.0), f32::from(theme::RADIUS), Stroke::new(2.0, colour), StrokeKind::Inside);
    let line = |y: f32, text: &str, font: FontId, colour| {
        painter.text(room.center() + vec2(0.0, y), Align2::CENTER_CENTER, text, font, colour);
    };
    let title = if takes { "Drop to restore its settings, or to enlarge it" } else { "This is no PNG, JPEG or WebP picture" };
    line(-theme::LARGE_ICON, icons::DOWNLOAD_SIMPLE, FontId::proportional(theme::LARGE_ICON), colour);
    line(theme::GAP, title, FontId::new(theme::TITLE, fonts::bold()), p.text);
    line(theme::LARGE_ICON, &names(&hovered), FontId::proportional(theme::BODY), p.muted);
}

/// By its name: the file is read when it is dropped.
fn may_be_picture(path: &Path) -> bool {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    extension.is_some_and(|e| ["png", "jpg", "jpeg", "webp"].iter().any(|known| e == *known))
}

fn names(hovered: &[Option<PathBuf>]) -> String {
    let first = hovered.iter().flatten().next().map(|path| gallery::name(path).into_owned()).unwrap_or_default();
    match hovered.len() {
        1 => first,
        n => format!("{first} - {n} files: the first is used"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_are_known_by_their_name() {
        for (name, expected) in [("a.png", true), ("b.JPEG", true), ("c.webp", true), ("d.txt", false), ("png", false)] {
            assert_eq!(may_be_picture(Path::new(name)), expected, "{name}");
        }
    }

    #[test]
    fn several_files_are_said_to_be_too_many() {
        assert_eq!(names(&[Some("x/a.png".into())]), "a.png");
        assert_eq!(names(&[Some("a.png".into()), None, Some("c.png".into())]), "a.png - 3 files: the first is used");
    }
}
