//! What happened, line by line, the latest below.

use egui::{Align, Layout, RichText, ScrollArea, TextStyle, Ui};

use super::Actions;
use crate::window::action::Action;
use crate::window::log::{Line, Weight};
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let lines = &state.log.lines;
    ui.horizontal(|ui| {
        widgets::head(ui, "Log");
        widgets::caption(ui, if lines.is_empty() { "nothing happened yet".into() } else { format!("{} lines", lines.len()) });
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let buttons = [
                (icons::X, "Close the log", Action::ToggleLog),
                (icons::ERASER, "Clear the log", Action::ClearLog),
                (icons::COPY, "Copy the log", Action::CopyLog),
            ];
            for (icon, name, action) in buttons {
                if widgets::icon_button(ui, icon, name).clicked() {
                    actions.push(action);
                }
            }
        });
    });
    let height = ui.text_style_height(&TextStyle::Body);
    let area = ScrollArea::both().id_salt("log").auto_shrink(false).stick_to_bottom(true);
    ui.spacing_mut().item_spacing.y = 2.0;
    area.show_rows(ui, height, lines.len(), |ui, rows| {
        for line in lines.range(rows) {
            show_line(ui, line);
        }
    });
}

fn show_line(ui: &mut Ui, line: &Line) {
    let p = Palette::get(ui.ctx());
    let colour = match line.weight {
        Weight::Info => p.text,
        Weight::Warning => p.warning,
        Weight::Error => p.error,
    };
    ui.horizontal(|ui| {
        ui.set_height(ui.text_style_height(&TextStyle::Body));
        widgets::column(ui, theme::CLOCK, RichText::new(clock(line.at)).color(p.muted));
        let text = RichText::new(crate::error::one_line(&line.text)).color(colour);
        ui.add(egui::Label::new(text).extend().selectable(true));
    });
}

/// Since the window opened: "0:07", "12:34", "1:02:03".
fn clock(seconds: f64) -> String {
    // Whole seconds are shown; a clock that is not finite shows 0.
    let all = seconds.max(0.0) as u64;
    let (hours, minutes, seconds) = (all / 3600, all / 60 % 60, all % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_counts_from_the_opening() {
        for (seconds, expected) in [(0.4, "0:00"), (7.9, "0:07"), (754.0, "12:34"), (3723.0, "1:02:03"), (f64::NAN, "0:00")] {
            assert_eq!(clock(seconds), expected);
        }
    }
}
