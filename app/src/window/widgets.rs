//! What several panels draw with.

use egui::{Color32, CornerRadius, Frame, Margin, Response, RichText, Sense, Stroke, Ui, Vec2};
use imagen_protocol::{EngineError, RgbImage, Threshold};

use super::theme::{self, Palette};

/// What a picture does as an input.
pub const INPUT_HINT: &str = "The picture takes the place of the first stages; the later ones enlarge it";

/// A bordered box on the surface colour.
pub fn card<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let p = Palette::get(ui.ctx());
    let frame = Frame::new().fill(p.surface).stroke(Stroke::new(1.0, p.line)).corner_radius(theme::RADIUS);
    frame.inner_margin(Margin::same(theme::PAD as i8)).show(ui, add).inner
}

/// A button of one icon; `name` is its tooltip and what a screen reader says.
pub fn icon_button(ui: &mut Ui, icon: &str, name: &str) -> Response {
    let button = egui::Button::new(RichText::new(icon).size(theme::HEAD)).min_size(Vec2::splat(theme::CONTROL));
    let response = ui.scope(|ui| {
        ui.spacing_mut().button_padding.x = 0.0;
        ui.add(button)
    });
    named(response.inner, name)
}

/// As wide and high as the primary one, where another view has that.
pub fn wide_button(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    sized(ui, Vec2::new(ui.available_width(), theme::PRIMARY), egui::Button::new(text), enabled)
}

/// The one action of a screen.
pub fn primary_button(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    let button = primary(ui, text, enabled);
    sized(ui, Vec2::new(ui.available_width(), theme::PRIMARY), button, enabled)
}

/// The same in a row of other controls.
pub fn small_primary_button(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    let button = primary(ui, text, enabled);
    sized(ui, Vec2::new(theme::SMALL_PRIMARY, theme::CONTROL), button, enabled)
}

/// As wide as that, where another view has it.
pub fn small_button(ui: &mut Ui, text: &str, enabled: bool) -> Response {
    sized(ui, Vec2::new(theme::SMALL_PRIMARY, theme::CONTROL), egui::Button::new(text), enabled)
}

fn primary<'a>(ui: &Ui, text: &str, enabled: bool) -> egui::Button<'a> {
    let p = Palette::get(ui.ctx());
    let label = RichText::new(text).color(if enabled { p.on_accent } else { p.muted }).family(super::fonts::bold());
    egui::Button::new(label).fill(if enabled { p.accent } else { p.raised })
}

fn sized(ui: &mut Ui, size: Vec2, button: egui::Button<'_>, enabled: bool) -> Response {
    // `add_sized` centres its words.
    ui.add_enabled_ui(enabled, |ui| ui.add_sized(size, button.min_size(size))).inner
}

/// Gives a control its tooltip and its accessible name.
pub fn named(response: Response, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, enabled, name));
    response.on_hover_text(name)
}

/// Small and muted.
pub fn caption(ui: &mut Ui, text: impl Into<String>) -> Response {
    let p = Palette::get(ui.ctx());
    ui.label(RichText::new(text).text_style(theme::caption()).color(p.muted))
}

/// Bold head of a card or section.
pub fn head(ui: &mut Ui, text: &str) -> Response {
    ui.label(RichText::new(text).text_style(theme::head()))
}

/// An error beside what caused it: what was wrong and what to do.
pub fn error(ui: &mut Ui, error: &EngineError) {
    let p = Palette::get(ui.ctx());
    let text = format!("{}  {error}", super::icons::WARNING);
    ui.add(egui::Label::new(RichText::new(text).color(p.error)).wrap());
}

/// What a thresholding is called everywhere.
pub fn threshold_name(threshold: &Threshold) -> &'static str {
    match threshold {
        Threshold::None => "none",
        Threshold::Static => "static",
        Threshold::Dynamic { .. } => "dynamic",
    }
}

/// A small label on a colour of its own.
pub fn chip(ui: &mut Ui, text: &str, colour: Color32) -> Response {
    let frame = Frame::new().stroke(Stroke::new(1.0, colour)).corner_radius(CornerRadius::same(theme::RADIUS));
    frame
        .inner_margin(Margin::symmetric(6, 1))
        .show(ui, |ui| ui.label(RichText::new(text).text_style(theme::caption()).color(colour)))
        .response
}

/// A small dot beside what differs from the model's own.
pub fn changed_dot(ui: &Ui, at: egui::Pos2) {
    let p = Palette::get(ui.ctx());
    ui.painter().circle_filled(at, theme::DOT, p.accent);
}

/// Words in at most `rows` lines, all of them on hovering.
pub fn clipped(ui: &mut Ui, text: &str, colour: Color32, rows: usize) -> Response {
    let font = theme::caption().resolve(ui.style());
    let mut job = egui::text::LayoutJob::simple(text.into(), font, colour, ui.available_width());
    job.wrap.max_rows = rows;
    ui.add(egui::Label::new(job)).on_hover_text(text)
}

/// In the middle of an empty view: what is missing and what to do.
pub fn empty(ui: &mut Ui, icon: &str, title: &str, text: &str) {
    let p = Palette::get(ui.ctx());
    ui.vertical_centered(|ui| {
        let own = theme::LARGE_ICON + theme::HEAD + theme::BODY + 4.0 * theme::GAP;
        let (room, low) = (ui.available_height(), (ui.available_height() - own) / 2.0);
        ui.add_space((room * 0.35).min(low).max(0.0));
        ui.label(RichText::new(icon).size(theme::LARGE_ICON).color(p.muted));
        head(ui, title);
        ui.label(RichText::new(text).color(p.muted));
    });
}

/// A bar that keeps its height in every state.
pub fn progress(ui: &mut Ui, share: f32, colour: Color32, width: f32) -> Response {
    let p = Palette::get(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(Vec2::new(width, 6.0), Sense::hover());
    ui.painter().rect_filled(rect, 3.0, p.line);
    let mut done = rect;
    done.set_width(rect.width() * share.clamp(0.0, 1.0));
    ui.painter().rect_filled(done, 3.0, colour);
    response
}

/// "4.2 s", "3 min 20 s".
pub fn seconds(seconds: f64) -> String {
    crate::progress::duration(seconds)
}

/// "2.1 GB".
pub fn bytes(bytes: u64) -> String {
    crate::units::bytes(bytes)
}

/// The size of a picture that fills the room as far as its shape lets it.
pub fn fit(image: &RgbImage, room: Vec2) -> Vec2 {
    let size = Vec2::new(image.width() as f32, image.height() as f32);
    size * (room.x / size.x).min(room.y / size.y)
}

/// A muted name and its value, which wraps beside it.
pub fn row(ui: &mut Ui, width: f32, name: &str, value: &str) {
    let p = Palette::get(ui.ctx());
    ui.horizontal_top(|ui| {
        column(ui, width, RichText::new(name).color(p.muted));
        ui.add(egui::Label::new(value).wrap().selectable(true));
    });
}

/// Text at the left of a column of that width, a line high.
pub fn column(ui: &mut Ui, width: f32, text: RichText) {
    let (_, rect) = ui.allocate_space(Vec2::new(width, ui.text_style_height(&egui::TextStyle::Body)));
    let place = egui::UiBuilder::new().max_rect(rect).layout(egui::Layout::left_to_right(egui::Align::Min));
    // A child of its own: the room is taken whatever the text needs of it.
    ui.new_child(place).add(egui::Label::new(text).truncate());
}
