//! A setting that is a number: its name, a slider over what a person would choose, a field over all that is allowed.

use std::ops::RangeInclusive;

use egui::{DragValue, Label, Response, Sense, Slider, SliderClamping, Ui, Vec2};

use crate::window::theme;
use crate::window::widgets;

pub struct Number<'a> {
    pub name: &'a str,
    pub tip: &'a str,
    pub slider: RangeInclusive<f64>,
    pub field: RangeInclusive<f64>,
    pub decimals: usize,
    pub suffix: &'a str,
    pub default: f64,
}

/// The name of a setting in a column of its own, a dot before it where it was changed.
pub fn name(ui: &mut Ui, text: &str, tip: &str, changed: bool) -> Response {
    let size = Vec2::new(theme::NAME, theme::CONTROL);
    let (rect, _) = ui.allocate_exact_size(size, Sense::hover());
    if changed {
        widgets::changed_dot(ui, egui::pos2(rect.min.x + theme::DOT, rect.center().y));
    }
    let words = rect.with_min_x(rect.min.x + theme::GAP + 2.0);
    let label = Label::new(text).sense(Sense::click()).halign(egui::Align::Min);
    let layout = egui::Layout::left_to_right(egui::Align::Center);
    // A child of its own: the row goes on where the column ends, not the words.
    ui.new_child(egui::UiBuilder::new().max_rect(words).layout(layout)).add(label).on_hover_text(tip)
}

impl<'a> Number<'a> {
    /// In [0, 1], by 0.01.
    pub fn share(name: &'a str, tip: &'a str, default: f64) -> Self {
        Self { name, tip, slider: 0.0..=1.0, field: 0.0..=1.0, decimals: 2, suffix: "", default }
    }

    fn rounded(&self, value: f64) -> f64 {
        let unit = 10_f64.powi(i32::try_from(self.decimals).unwrap_or(0));
        (value * unit).round() / unit
    }

    /// `true` where it was changed. A double click on the name or the slider takes the model's value back.
    pub fn show(&self, ui: &mut Ui, value: &mut f64) -> bool {
        let before = *value;
        ui.horizontal(|ui| {
            let range = format!("{} to {}{}", self.field.start(), self.field.end(), self.suffix);
            let tip = format!("{}\n{range}; a double click takes the model's value", self.tip);
            let label = name(ui, self.name, &tip, (*value - self.default).abs() > 1e-9);
            let slider = self.slider(ui, value, &tip);
            self.typed(ui, value, &tip);
            let over = ui.interact(slider.rect, slider.id.with("reset"), Sense::click());
            if label.double_clicked() || over.double_clicked() {
                *value = self.default;
            }
        });
        if *value != before && *value != self.default {
            *value = self.rounded(*value);
        }
        *value != before
    }

    fn slider(&self, ui: &mut Ui, value: &mut f64, tip: &str) -> Response {
        ui.spacing_mut().slider_width = ui.available_width() - theme::NUMBER - theme::GAP;
        let step = 10_f64.powi(-i32::try_from(self.decimals).unwrap_or(0));
        let slider = Slider::new(value, self.slider.clone()).show_value(false).step_by(step).clamping(SliderClamping::Edits);
        ui.add(slider).on_hover_text(tip).accessible_name(format!("{} slider", self.name))
    }

    fn typed(&self, ui: &mut Ui, value: &mut f64, tip: &str) {
        let speed = (self.slider.end() - self.slider.start()) / 400.0;
        let field =
            DragValue::new(value).range(self.field.clone()).speed(speed).fixed_decimals(self.decimals).suffix(self.suffix);
        let field = ui.add_sized([theme::NUMBER, theme::CONTROL], field);
        field.on_hover_text(tip).accessible_name(self.name);
    }
}
