//! What thresholding did, step by step: s, clipped share, and how |x0_hat| is distributed.

use egui::{Align, Color32, FontId, Id, Layout, Rangef, Response, RichText, Role, Sense, Stroke, Ui, WidgetInfo};
use egui_plot::{AxisHints, Bar, BarChart, GridMark, Line, LineStyle, Plot, PlotPoints, PlotUi, Points, VLine};
use imagen_protocol::{Histogram, StepReport, Threshold};

use super::View;
use crate::window::compare::{Axes, Column, histogram_at, log_count, nice_step};
use crate::window::stage_view::StageView;
use crate::window::theme::{self, Palette};
use crate::window::widgets;

/// Of a point of a curve, in points.
const DOT: f32 = 2.0;
/// About as many marks on an axis as there is room for.
const MARKS: f64 = 4.0;

/// A column as the plots show it.
pub struct Series<'a> {
    pub colour: Color32,
    stage: Option<&'a StageView>,
}

impl<'a> Series<'a> {
    /// The columns `of`, in that order.
    pub fn of(columns: &'a [Column], of: &[usize], size: u32, p: &Palette) -> Vec<Self> {
        let make = |column: &'a Column| Self { colour: p.threshold(&column.threshold), stage: column.stages.get(&size) };
        of.iter().filter_map(|&i| columns.get(i)).map(make).collect()
    }

    /// The report of a step, or the latest.
    fn report(&self, step: Option<u32>) -> Option<&'a StepReport> {
        self.stage?.reports.iter().rev().find(|r| step.is_none_or(|s| r.step == s))
    }

    fn s(&self, step: Option<u32>) -> Option<f32> {
        self.report(step)?.s.first().copied()
    }

    fn clipped(&self, step: Option<u32>) -> Option<f32> {
        self.report(step)?.clipped.first().copied()
    }

    /// Where |x0_hat| was cut off at a step; `None`: nowhere.
    fn limit(&self, step: Option<u32>) -> Option<f64> {
        match self.stage?.plan.settings.threshold {
            Threshold::None => None,
            Threshold::Static => Some(1.0),
            Threshold::Dynamic { .. } => self.s(step).map(f64::from),
        }
    }

    fn points(&self, value: impl Fn(&StepReport) -> Option<f64>) -> Vec<[f64; 2]> {
        let reports = self.stage.map(|s| s.reports.as_slice()).unwrap_or_default();
        reports.iter().filter_map(|r| Some([f64::from(r.step), value(r)?])).collect()
    }
}

/// The three plots, each with the numbers of the step that the pointer is at, or of the latest.
pub fn show(ui: &mut Ui, view: &mut View<'_>, series: &[Series<'_>], step: Option<u32>) {
    let percent = |v: f32| format!("{:.1} %", 100.0 * v);
    caption(ui, "threshold s", series.iter().map(|s| (s.colour, s.s(step).map(|v| format!("{v:.2}")))));
    let s = steps_plot(ui, "s", view.axes, [1.0 - 0.1 * (view.axes.s - 1.0), view.axes.s], series, step, |r| {
        r.s.first().map(|&v| f64::from(v))
    });
    caption(ui, "clipped", series.iter().map(|s| (s.colour, s.clipped(step).map(percent))));
    let clipped = steps_plot(ui, "clipped %", view.axes, [0.0, 100.0 * view.axes.clipped], series, step, |r| {
        r.clipped.first().map(|&v| 100.0 * f64::from(v))
    });
    let at = step.map_or_else(|| "|x0_hat|, values".into(), |s| format!("|x0_hat|, values at step {s}"));
    let cut = |s: &Series<'_>| (s.colour, s.limit(step).map(|v| format!("cut at {v:.2}")));
    caption(ui, &at, series.iter().map(cut));
    histogram_plot(ui, view.axes, series, step);
    view.step = view.step.or(s).or(clipped);
}

/// What a plot shows, and its latest numbers at the right.
fn caption(ui: &mut Ui, text: &str, values: impl DoubleEndedIterator<Item = (Color32, Option<String>)>) {
    super::small_row(ui, |ui| {
        widgets::caption(ui, text);
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            for (colour, value) in values.rev() {
                let text = value.unwrap_or_else(|| "\u{2013}".into());
                ui.label(RichText::new(text).text_style(theme::caption()).color(colour));
            }
        });
    });
}

/// A curve for each series over the steps; answers the step that the pointer is at.
fn steps_plot(
    ui: &mut Ui,
    name: &'static str,
    axes: Axes,
    [low, high]: [f64; 2],
    series: &[Series<'_>],
    step: Option<u32>,
    value: impl Fn(&StepReport) -> Option<f64> + Copy,
) -> Option<u32> {
    let p = Palette::get(ui.ctx());
    let whole = |mark: GridMark, _: &_| if mark.value.fract() == 0.0 { format!("{}", mark.value) } else { String::new() };
    let (steps, span) = (f64::from(axes.steps), high - low);
    let plot = frame(ui.scope_id().with(name), &p)
        .custom_x_axes(vec![axis(AxisHints::new_x(), &p).formatter(whole)])
        .x_grid_spacer(move |_| marks(0.5, steps + 0.5, nice_step(steps, MARKS).max(1.0)))
        .y_grid_spacer(move |_| marks(low, high, nice_step(span, MARKS)));
    let inner = plot.show(ui, |plot| {
        bounds(plot, [0.5, steps + 0.5], [low, high]);
        for one in series {
            curve(plot, one.points(value), one.colour);
        }
        if let Some(step) = step {
            plot.vline(VLine::new("", f64::from(step)).color(p.muted).width(1.0).allow_hover(false));
        }
        let at = plot.pointer_coordinate().filter(|_| plot.response().hovered())?;
        // In the plot's range, so it fits.
        Some(at.x.round().clamp(1.0, steps) as u32)
    });
    named(&inner.response, &format!("Plot of {name} by step"));
    inner.inner
}

fn named(plot: &Response, name: &str) {
    plot.widget_info(|| WidgetInfo::labeled(Role::Image, true, name));
}

fn curve(plot: &mut PlotUi<'_>, points: Vec<[f64; 2]>, colour: Color32) {
    plot.line(Line::new("", PlotPoints::from(points.clone())).stroke(Stroke::new(theme::CURVE, colour)).allow_hover(false));
    plot.points(Points::new("", PlotPoints::from(points)).color(colour).radius(DOT).allow_hover(false));
}

/// Bars of log(1 + count); those that are cut off stand out, the cut is a line.
fn histogram_plot(ui: &mut Ui, axes: Axes, series: &[Series<'_>], step: Option<u32>) {
    let p = Palette::get(ui.ctx());
    let powers = |mark: GridMark, _: &_| match mark.value {
        // None at the origin, where the other axis begins: no values, whose height is 0.
        v if v.fract() != 0.0 || v <= 0.0 => String::new(),
        v if v < 3.0 => format!("{}", 10_f64.powf(v)),
        v => format!("{}k", 10_f64.powf(v - 3.0)),
    };
    let y = axis(AxisHints::new_y(), &p).formatter(powers).min_thickness(theme::PLOT_AXIS).label_spacing(Rangef::new(10.0, 12.0));
    let plot = frame(ui.scope_id().with("histogram"), &p)
        .custom_y_axes(vec![y])
        .x_grid_spacer(|_| marks(0.0, axes.value, nice_step(axes.value, MARKS)))
        .y_grid_spacer(|_| marks(0.0, axes.log_count, 1.0));
    let inner = plot.show(ui, |plot| {
        bounds(plot, [0.0, axes.value], [0.0, axes.log_count]);
        plot.vline(VLine::new("", 1.0).color(p.line).style(LineStyle::dashed_dense()).width(1.0).allow_hover(false));
        for one in series {
            let limit = one.limit(step);
            if let Some(histogram) = one.stage.and_then(|stage| histogram_at(stage, step)) {
                plot.bar_chart(BarChart::new("", bars(histogram, limit, one.colour)).allow_hover(false));
            }
            if let Some(limit) = limit {
                plot.vline(VLine::new("", limit).color(one.colour).width(theme::CURVE).allow_hover(false));
            }
        }
    });
    named(&inner.response, "Histogram of |x0_hat|");
}

fn bars(histogram: &Histogram, limit: Option<f64>, colour: Color32) -> Vec<Bar> {
    let width = f64::from(histogram.upper) / histogram.counts.len().max(1) as f64;
    let bar = |(i, &count): (usize, &u32)| {
        let middle = (i as f64 + 0.5) * width;
        let fill = if limit.is_some_and(|l| middle > l) { colour } else { colour.gamma_multiply(theme::FAINT) };
        Bar::new(middle, log_count(count)).width(width).fill(fill).stroke(Stroke::NONE)
    };
    histogram.counts.iter().enumerate().filter(|(_, count)| **count > 0).map(bar).collect()
}

/// Every multiple of `step` in a range.
fn marks(low: f64, high: f64, step: f64) -> Vec<GridMark> {
    let (first, last) = ((low / step).ceil() as i64, (high / step).floor() as i64);
    (first..=last).map(|i| GridMark { value: i as f64 * step, step_size: step }).collect()
}

fn bounds(plot: &mut PlotUi<'_>, x: [f64; 2], y: [f64; 2]) {
    plot.set_plot_bounds_x(x[0]..=x[1]);
    plot.set_plot_bounds_y(y[0]..=y[1]);
}

/// A plot that is looked at only: its ranges are those of all columns.
fn frame<'a>(id: Id, p: &Palette) -> Plot<'a> {
    Plot::new(id)
        .height(theme::PLOT)
        .allow_drag(false)
        .allow_zoom(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_axis_zoom_drag(false)
        .allow_double_click_reset(false)
        .label_formatter(|_| None)
        .show_x(false)
        .show_y(false)
        .show_crosshair(false)
        .sense(Sense::hover())
        .grid_color(p.line)
        .grid_fade(0.0)
        .custom_x_axes(vec![axis(AxisHints::new_x(), p)])
        .custom_y_axes(vec![axis(AxisHints::new_y(), p).min_thickness(theme::PLOT_AXIS).label_spacing(Rangef::new(14.0, 18.0))])
}

fn axis<'a>(hints: AxisHints<'a>, p: &Palette) -> AxisHints<'a> {
    // The plot's own text drops decimals: 1.5 would read 2.
    let text = |mark: GridMark, _: &std::ops::RangeInclusive<f64>| format!("{}", (mark.value * 1e4).round() / 1e4);
    hints
        .formatter(text)
        .tick_label_color(p.muted)
        .tick_label_font(FontId::proportional(theme::CAPTION))
        .label_spacing(Rangef::new(24.0, 32.0))
}
