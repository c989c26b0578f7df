//! How x0_hat is kept in range: the three thresholdings in their colours, and the dynamic one's settings.

use egui::{Button, RichText, Stroke, Ui, Vec2};
use imagen_protocol::{StageSettings, Threshold};

use super::number::{self, Number};
use crate::window::theme::{self, Palette};
use crate::window::widgets;

/// Where the cap stands when it is switched on: IF's.
const CAP: f64 = 1.5;
/// Between the three buttons, and inside them.
const BETWEEN: f32 = 4.0;

pub fn show(ui: &mut Ui, defaults: &StageSettings, now: &mut StageSettings) {
    modes(ui, defaults, now);
    let Threshold::Dynamic { percentile, cap } = &mut now.threshold else { return };
    let (default_percentile, default_cap) = dynamic(defaults.threshold);
    let mut percent = *percentile * 100.0;
    let number = Number {
        name: "Percentile",
        tip: "s is this percentile of |x0_hat|: what lies beyond it is clipped, and all is divided by s",
        slider: 90.0..=100.0,
        field: 50.0..=100.0,
        decimals: 1,
        suffix: " %",
        default: default_percentile * 100.0,
    };
    if number.show(ui, &mut percent) {
        *percentile = (percent * 10.0).round() / 1000.0;
    }
    cap_row(ui, cap, default_cap);
}

/// What a dynamic threshold has before anyone sets it.
fn dynamic(threshold: Threshold) -> (f64, Option<f64>) {
    match threshold {
        Threshold::Dynamic { percentile, cap } => (percentile, cap),
        Threshold::None | Threshold::Static => (0.995, None),
    }
}

fn modes(ui: &mut Ui, defaults: &StageSettings, now: &mut StageSettings) {
    let p = Palette::get(ui.ctx());
    let (percentile, cap) = dynamic(defaults.threshold);
    ui.horizontal(|ui| {
        let changed = widgets::threshold_name(&now.threshold) != widgets::threshold_name(&defaults.threshold);
        let label = number::name(ui, "Threshold", "How x0_hat is kept in range at every step", changed);
        if label.double_clicked() {
            now.threshold = defaults.threshold;
        }
        ui.spacing_mut().item_spacing.x = BETWEEN;
        ui.spacing_mut().button_padding.x = BETWEEN;
        let width = (ui.available_width() - 2.0 * BETWEEN) / 3.0;
        for mode in [Threshold::None, Threshold::Static, Threshold::Dynamic { percentile, cap }] {
            let name = widgets::threshold_name(&mode);
            let chosen = name == widgets::threshold_name(&now.threshold);
            let colour = p.threshold(&mode);
            let text = RichText::new(name).color(if chosen { colour } else { p.text });
            let stroke = Stroke::new(1.0, if chosen { colour } else { p.line });
            let button = Button::new(text).fill(if chosen { p.surface } else { p.raised }).stroke(stroke);
            let button = ui.add(button.selected(chosen).min_size(Vec2::new(width, theme::CONTROL)));
            let button = button.on_hover_text(meaning(&mode)).accessible_name(format!("Threshold {name}"));
            if button.clicked() && !chosen {
                now.threshold = mode;
            }
        }
    });
}

fn meaning(threshold: &Threshold) -> &'static str {
    match threshold {
        Threshold::None => "x0_hat is left as it is",
        Threshold::Static => "x0_hat is clamped to [-1, 1]",
        Threshold::Dynamic { .. } => "x0_hat is clamped to [-s, s] and divided by s",
    }
}

/// Off, or at least 1.
fn cap_row(ui: &mut Ui, cap: &mut Option<f64>, default: Option<f64>) {
    ui.horizontal(|ui| {
        let tip = "Most that s may be; off, as in the paper, s is as large as the percentile says";
        let label = number::name(ui, "Cap", tip, *cap != default);
        if label.double_clicked() {
            *cap = default;
        }
        let mut on = cap.is_some();
        let words = if on { "on" } else { "off" };
        if ui.checkbox(&mut on, words).on_hover_text(tip).accessible_name("Cap on").changed() {
            *cap = on.then_some(default.unwrap_or(CAP));
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            let Some(cap) = cap else { return };
            let field = egui::DragValue::new(cap).range(1.0..=1000.0).speed(0.01).max_decimals(2);
            ui.add_sized([theme::NUMBER, theme::CONTROL], field).on_hover_text("1 to 1000").accessible_name("Cap");
        });
    });
}
