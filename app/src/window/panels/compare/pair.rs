//! Two columns set against each other: a wipe, or their difference.

use egui::{
    Align, Color32, ComboBox, CursorIcon, Layout, Rect, Response, Role, Sense, Slider, Stroke, Ui, Vec2, WidgetInfo, pos2, vec2,
};
use imagen_protocol::RgbImage;

use super::{View, controls, plots};
use crate::window::compare::{Compare, GAINS, Mode, threshold_label};
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, lens, widgets};

pub fn show(ui: &mut Ui, state: &mut State, view: &mut View<'_>) {
    let room = ui.available_width();
    let beside = room >= theme::COLUMN + theme::GAP + theme::PAIR;
    let frame = 2.0 * theme::PAD + 2.0;
    let width = if beside { room - theme::GAP - theme::PAIR } else { room } - frame;
    let side = width.min(ui.clip_rect().height() - frame).max(theme::COLUMN);
    let layout = if beside { Layout::left_to_right(Align::Min) } else { Layout::top_down(Align::Min) };
    ui.with_layout(layout, |ui| {
        ui.allocate_ui_with_layout(Vec2::splat(side), Layout::top_down(Align::Min), |ui| {
            widgets::card(ui, |ui| picture(ui, &mut state.compare, view, side));
        });
        ui.vertical(|ui| {
            widgets::card(ui, |ui| {
                ui.set_width(ui.available_width());
                settings(ui, &mut state.compare);
                numbers(ui, &mut state.compare, view.size);
                let p = Palette::get(ui.ctx());
                let compare = &state.compare;
                let series = plots::Series::of(&compare.columns, &compare.pair(), view.size, &p);
                plots::show(ui, view, &series, compare.look.step);
            });
        });
    });
}

fn picture(ui: &mut Ui, compare: &mut Compare, view: &mut View<'_>, side: f32) {
    if compare.look.mode == Mode::Difference {
        let image = compare.pair_difference(view.size).map(|d| d.image.clone());
        let texture = image.as_ref().map(|image| view.texture(ui, image));
        let response = lens::show(ui, view.lens, texture, Vec2::splat(side), "Difference of A and B");
        if texture.is_none() {
            nothing_yet(ui, response.rect);
        }
        return;
    }
    let images = compare.pair().map(|i| compare.columns.get(i).and_then(|c| c.picture(view.size)).cloned());
    wipe(ui, &mut compare.look.wipe, images, view, side);
}

fn nothing_yet(ui: &Ui, rect: Rect) {
    let p = Palette::get(ui.ctx());
    let font = egui::FontId::proportional(theme::BODY);
    let text = "A and B have no picture of this stage yet: press Run columns";
    ui.painter().text(rect.center(), egui::Align2::CENTER_CENTER, text, font, p.muted);
}

/// A left of the line, B right of it.
fn wipe(ui: &mut Ui, share: &mut f32, images: [Option<RgbImage>; 2], view: &mut View<'_>, side: f32) {
    let response = lens::show(ui, view.lens, None, Vec2::splat(side), "A left of the line, B right of it");
    let rect = response.rect;
    if images.iter().all(Option::is_none) {
        nothing_yet(ui, rect);
    }
    drag_line(ui, share, &response);
    let line = rect.left() + rect.width() * *share;
    let parts =
        [Rect::from_x_y_ranges(rect.left()..=line, rect.y_range()), Rect::from_x_y_ranges(line..=rect.right(), rect.y_range())];
    for (image, part) in images.iter().zip(parts) {
        let Some(image) = image else { continue };
        let texture = view.texture(ui, image);
        ui.painter().with_clip_rect(part.intersect(ui.clip_rect())).image(texture, rect, view.lens.uv(), Color32::WHITE);
    }
    let p = Palette::get(ui.ctx());
    ui.painter().vline(line, rect.y_range(), Stroke::new(2.0 * theme::CURVE, p.on_accent));
    ui.painter().vline(line, rect.y_range(), Stroke::new(theme::CURVE, p.accent));
    ui.painter().circle(pos2(line, rect.center().y), theme::GRIP / 2.0, p.accent, Stroke::new(theme::CURVE, p.on_accent));
    tag(ui, rect.left_top() + vec2(theme::GAP, theme::GAP), "A", egui::Align2::LEFT_TOP);
    tag(ui, rect.right_top() + vec2(-theme::GAP, theme::GAP), "B", egui::Align2::RIGHT_TOP);
}

fn drag_line(ui: &Ui, share: &mut f32, picture: &Response) {
    let rect = picture.rect;
    let line = rect.left() + rect.width() * *share;
    let grip = Rect::from_x_y_ranges(line - theme::GRIP / 2.0..=line + theme::GRIP / 2.0, rect.y_range());
    let response = ui.interact(grip, picture.id.with("line"), Sense::drag()).on_hover_cursor(CursorIcon::ResizeHorizontal);
    if let Some(at) = response.interact_pointer_pos().filter(|_| response.dragged()) {
        *share = ((at.x - rect.left()) / rect.width()).clamp(0.0, 1.0);
    }
}

fn tag(ui: &Ui, at: egui::Pos2, text: &str, align: egui::Align2) {
    let p = Palette::get(ui.ctx());
    let galley = ui.painter().layout_no_wrap(text.into(), egui::FontId::new(theme::BODY, crate::window::fonts::bold()), p.text);
    let rect = align.anchor_size(at, galley.size() + vec2(theme::PAD, theme::GAP / 2.0));
    ui.painter().rect_filled(rect, f32::from(theme::RADIUS), p.surface);
    ui.painter().galley(rect.center() - galley.size() / 2.0, galley, p.text);
}

/// Which two, and how they are shown.
fn settings(ui: &mut Ui, compare: &mut Compare) {
    ui.horizontal(|ui| {
        ui.vertical(|ui| {
            for (place, name) in ["A", "B"].into_iter().enumerate() {
                pick(ui, compare, place, name);
            }
        });
        if widgets::icon_button(ui, icons::SWAP, "Swap A and B").clicked() {
            compare.look.pair.reverse();
        }
    });
    ui.horizontal(|ui| {
        ui.set_min_height(theme::CONTROL);
        if compare.look.mode == Mode::Wipe {
            widgets::caption(ui, "A");
            let slider = ui.add(Slider::new(&mut compare.look.wipe, 0.0..=1.0).show_value(false));
            let value = f64::from(compare.look.wipe);
            slider.widget_info(|| WidgetInfo::slider(true, value, "Wipe"));
            widgets::caption(ui, "B");
        } else {
            widgets::caption(ui, "|A - B|");
            let gains = GAINS.map(|g| (g, format!("x{g}"), format!("Amplified {g} times"), None));
            controls::choice(ui, &mut compare.look.gain, &gains);
        }
    });
}

fn pick(ui: &mut Ui, compare: &mut Compare, place: usize, name: &str) {
    let p = Palette::get(ui.ctx());
    let mut chosen = compare.pair()[place];
    let label =
        |i: usize| compare.columns.get(i).map(|c| format!("{}: {}", i + 1, threshold_label(&c.threshold))).unwrap_or_default();
    ui.horizontal(|ui| {
        // A is wider than B: both lists begin at one place.
        ui.add_sized([theme::PAD, theme::CONTROL], egui::Label::new(name));
        let colour = compare.columns.get(chosen).map_or(p.text, |c| p.threshold(&c.threshold));
        let selected = egui::RichText::new(label(chosen)).color(colour);
        let combo = ComboBox::from_id_salt(("pair", place)).selected_text(selected).width(theme::COLUMN - theme::GAP);
        let shown = combo.show_ui(ui, |ui| {
            for i in 0..compare.columns.len() {
                ui.selectable_value(&mut chosen, i, label(i));
            }
        });
        shown.response.widget_info(|| WidgetInfo::labeled(Role::ComboBox, true, format!("{name} is column {}", label(chosen))));
    });
    compare.look.pair[place] = chosen;
}

/// How far apart they are; always in its place.
fn numbers(ui: &mut Ui, compare: &mut Compare, size: u32) {
    let text = match compare.pair_difference(size) {
        Some(d) => format!("mean {:.1}, largest {} of 255 levels", d.mean, d.max),
        None => "mean \u{2013}, largest \u{2013} of 255 levels".into(),
    };
    widgets::caption(ui, format!("|A - B|: {text}"));
}
