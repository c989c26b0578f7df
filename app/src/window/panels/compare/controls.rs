//! Small controls of the compare view.

use egui::{Button, Color32, DragValue, Response, RichText, Role, Stroke, Ui, WidgetInfo};
use imagen_protocol::Threshold;

use crate::window::compare::{self, Column, WEIGHTS};
use crate::window::icons;
use crate::window::theme::{self, Palette};
use crate::window::widgets;

/// Between the parts of one control.
const TIGHT: f32 = theme::GAP / 4.0;
/// What stands for no cap.
const NO_CAP: f64 = 0.9;

/// One of several: a row of buttons of which one is pressed. `name` is what a screen reader says of each.
pub fn choice<T: Copy + PartialEq>(ui: &mut Ui, value: &mut T, options: &[(T, String, String, Option<Color32>)]) -> bool {
    let before = *value;
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = TIGHT;
        for (option, text, name, colour) in options {
            if segment(ui, *value == *option, text, name, *colour).clicked() {
                *value = *option;
            }
        }
    });
    *value != before
}

fn segment(ui: &mut Ui, selected: bool, text: &str, name: &str, colour: Option<Color32>) -> Response {
    let p = Palette::get(ui.ctx());
    let text = RichText::new(text).color(if selected { colour.unwrap_or(p.text) } else { p.muted });
    let button = Button::new(text);
    // An outline keeps the colours of text on its ground: on a filled ground they would not read.
    let outline = Stroke::new(1.0, colour.unwrap_or(p.accent));
    let response = ui.add(if selected { button.stroke(outline) } else { button });
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo::selected(Role::RadioButton, enabled, selected, name));
    response
}

/// Which thresholding; percentile and cap are kept while another is chosen for a moment.
pub fn threshold_kind(ui: &mut Ui, column: &mut Column, number: usize) {
    let p = Palette::get(ui.ctx());
    let kept = ui.scope_id().with(("dynamic", number));
    if let Threshold::Dynamic { .. } = column.threshold {
        ui.data_mut(|d| d.insert_temp(kept, column.threshold));
    }
    let dynamic = ui.data(|d| d.get_temp::<Threshold>(kept)).unwrap_or(Threshold::PAPER);
    let options = [Threshold::None, Threshold::Static, dynamic].map(|t| {
        let name = widgets::threshold_name(&t);
        (t, name.to_owned(), format!("Column {number}: {name}"), Some(p.threshold(&t)))
    });
    choice(ui, &mut column.threshold, &options);
}

/// Percentile and cap; what the others do to x0_hat in their place, so that nothing jumps.
pub fn threshold_values(ui: &mut Ui, column: &mut Column, number: usize) {
    match &mut column.threshold {
        Threshold::None => drop(widgets::caption(ui, "x0_hat stays as it is")),
        Threshold::Static => drop(widgets::caption(ui, "x0_hat is cut off at -1 and 1")),
        Threshold::Dynamic { percentile, cap } => {
            percentile_value(ui, percentile, number);
            cap_value(ui, cap, number);
        }
    }
}

fn percentile_value(ui: &mut Ui, percentile: &mut f64, number: usize) {
    let mut percent = *percentile * 100.0;
    let drag = DragValue::new(&mut percent)
        .range(100.0 * compare::PERCENTILES.start()..=100.0 * compare::PERCENTILES.end())
        .speed(0.1)
        .max_decimals(2)
        .suffix(" %");
    let response = numeric(ui.add(drag), percent, &format!("Percentile of column {number}"));
    if response.changed() {
        // Percent have two decimals: what the multiplication adds goes.
        *percentile = (percent * 100.0).round() / 1e4;
    }
}

fn cap_value(ui: &mut Ui, cap: &mut Option<f64>, number: usize) {
    let mut value = cap.unwrap_or(NO_CAP);
    let text = |v: f64| if v < 1.0 { "no cap".into() } else { format!("cap {}", (v * 100.0).round() / 100.0) };
    let read = |text: &str| match text.trim().trim_start_matches("cap").trim() {
        "no" | "none" | "off" | "no cap" | "" => Some(NO_CAP),
        number => number.parse().ok(),
    };
    let drag = DragValue::new(&mut value)
        .range(NO_CAP..=*compare::CAPS.end())
        .speed(0.05)
        .custom_formatter(|v, _| text(v))
        .custom_parser(read);
    let response = numeric(ui.add(drag), value, &format!("Cap of s of column {number}, below 1: none"));
    if response.changed() {
        *cap = (value >= 1.0).then(|| (value * 100.0).round() / 100.0);
    }
}

/// The column's own guidance weight, or the draft's until it is changed.
pub fn guidance(ui: &mut Ui, column: &mut Column, number: usize, drafts: Option<f64>) {
    ui.horizontal(|ui| {
        // As high as with the button, so that nothing jumps.
        ui.set_min_height(theme::CONTROL + TIGHT);
        let mut weight = column.guidance_weight.or(drafts).unwrap_or(1.0);
        let drag = DragValue::new(&mut weight).range(WEIGHTS).speed(0.1).max_decimals(1).prefix("w = ");
        if numeric(ui.add(drag), weight, &format!("Guidance weight of column {number}")).changed() {
            column.guidance_weight = Some((weight * 10.0).round() / 10.0);
        }
        if column.guidance_weight.is_none() {
            widgets::caption(ui, "as under Stages");
        } else if widgets::icon_button(ui, icons::ARROW_COUNTER_CLOCKWISE, &format!("Column {number}: guidance as under Stages"))
            .clicked()
        {
            column.guidance_weight = None;
        }
    });
}

/// A number's accessible name, and its tooltip.
pub fn numeric(response: Response, value: f64, name: &str) -> Response {
    let enabled = response.enabled();
    response.widget_info(|| WidgetInfo { label: Some(name.to_owned()), ..WidgetInfo::drag_value(enabled, value) });
    response.on_hover_text(name)
}
