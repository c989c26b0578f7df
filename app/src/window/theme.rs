//! Every colour and every size of the window. No other file names one.

use egui::{
    Color32, Context, CornerRadius, FontFamily, FontId, Margin, Shadow, Stroke, Style, TextStyle, Theme, Vec2, Visuals, vec2,
};
use imagen_protocol::Threshold;

use super::fonts;
use super::prefs::ThemeChoice;

/// Between cards and between widgets, points.
pub const GAP: f32 = 8.0;
/// Inside cards.
pub const PAD: f32 = 12.0;
/// Least height of what can be clicked.
pub const CONTROL: f32 = 26.0;
pub const RADIUS: u8 = 6;
pub const LEFT_RAIL: f32 = 288.0;
pub const RIGHT_RAIL: f32 = 312.0;
/// Below this width of the window the rails become drawers.
pub const NARROW: f32 = 1200.0;
/// Least side of a picture in the gallery's grid.
pub const CELL: f32 = 152.0;
/// Of the title below it.
pub const CELL_TITLE: f32 = 22.0;
/// Between a picture and the border around it.
pub const FRAME: f32 = 3.0;
/// Width of the field that filters.
pub const FILTER: f32 = 240.0;
/// Width of "100:00:00".
pub const CLOCK: f32 = 60.0;
/// Width of the gallery's details.
pub const DETAILS: f32 = 320.0;
/// Width of notes.
pub const NOTE: f32 = 380.0;
/// Width of a question.
pub const DIALOG: f32 = 400.0;
/// Width of the names before values.
pub const NAMES: f32 = 72.0;
/// Of an empty view.
pub const LARGE_ICON: f32 = 40.0;
/// One press of Ctrl and plus.
pub const SCALE_STEP: f32 = 0.25;
/// The button of a screen's one action.
pub const PRIMARY: f32 = 36.0;
/// Width of that button in a row of others.
pub const SMALL_PRIMARY: f32 = 92.0;
/// Lines of words under it.
pub const WORDS: f32 = 48.0;
/// The status line and the row of tabs.
pub const ROW: f32 = 28.0;
/// Names before settings.
pub const NAME: f32 = 84.0;
/// Numbers that can be typed.
pub const NUMBER: f32 = 62.0;
/// The small picture of a stage's tile.
pub const THUMB: f32 = 96.0;
/// A candidate to choose from.
pub const CANDIDATE: f32 = 72.0;
/// Least width of what stands beside the large picture.
pub const SIDE: f32 = 176.0;
/// Whether candidates, or what went wrong, have room beside the large picture.
pub fn has_side(width: f32) -> bool {
    width >= THUMB + GAP + SIDE
}

/// Mark of what was changed.
pub const DOT: f32 = 3.0;
/// How much of an older picture is left to see.
pub const STALE: f32 = 0.4;
pub const BODY: f32 = 13.0;
pub const CAPTION: f32 = 11.0;
pub const HEAD: f32 = 16.0;
pub const TITLE: f32 = 20.0;

/// Height of one plot of the compare view, its axis included.
pub const PLOT: f32 = 72.0;
/// Least width of a plot's vertical axis, so that plots lie in step below each other.
pub const PLOT_AXIS: f32 = 30.0;
/// Width of curves and marks in plots.
pub const CURVE: f32 = 1.5;
/// Opacity of bars that nothing is cut of.
pub const FAINT: f32 = 0.45;
/// Side of a picture of the guidance strip.
pub const STRIP_CELL: f32 = 56.0;
/// Columns are not narrower: they scroll sideways instead.
pub const COLUMN: f32 = 192.0;
/// The column of numbers and plots beside a wiped picture.
pub const PAIR: f32 = 296.0;
/// Width in which the wipe's line can be taken.
pub const GRIP: f32 = 16.0;
/// Width of a button that starts something beside other controls.
pub const RUN: f32 = 148.0;
/// Width in which text beside pictures reads well.
pub const TEXT: f32 = 300.0;

/// Captions: smaller than the body.
pub fn caption() -> TextStyle {
    TextStyle::Small
}

/// Heads of cards.
pub fn head() -> TextStyle {
    TextStyle::Name("head".into())
}

/// The window's colours in one theme.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Palette {
    pub background: Color32,
    pub surface: Color32,
    pub raised: Color32,
    pub line: Color32,
    pub text: Color32,
    pub muted: Color32,
    pub accent: Color32,
    pub good: Color32,
    pub warning: Color32,
    pub error: Color32,
    /// Text on the accent.
    pub on_accent: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

pub const DARK: Palette = Palette {
    background: rgb(0x0014_161A),
    surface: rgb(0x001B_1E24),
    raised: rgb(0x0023_272F),
    line: rgb(0x002E_333D),
    text: rgb(0x00E7_EAF0),
    muted: rgb(0x0098_A1B2),
    accent: rgb(0x005B_9DFF),
    good: rgb(0x003F_B68B),
    warning: rgb(0x00E0_A340),
    error: rgb(0x00E5_646E),
    on_accent: rgb(0x000B_1526),
};

pub const LIGHT: Palette = Palette {
    background: rgb(0x00F6_F7F9),
    surface: rgb(0x00FF_FFFF),
    raised: rgb(0x00F0_F2F5),
    line: rgb(0x00DD_E1E8),
    text: rgb(0x001C_2028),
    muted: rgb(0x005D_6675),
    accent: rgb(0x0024_69D6),
    good: rgb(0x0018_7A54),
    warning: rgb(0x0096_5E00),
    error: rgb(0x00C0_392F),
    on_accent: rgb(0x00FF_FFFF),
};

impl Palette {
    pub fn of(theme: Theme) -> Self {
        if theme == Theme::Dark { DARK } else { LIGHT }
    }

    /// That of the theme in use.
    pub fn get(ctx: &Context) -> Self {
        Self::of(ctx.theme())
    }

    /// One colour for each thresholding, everywhere.
    pub fn threshold(&self, threshold: &Threshold) -> Color32 {
        match threshold {
            Threshold::None => self.muted,
            Threshold::Static => self.warning,
            Threshold::Dynamic { .. } => self.accent,
        }
    }
}

/// Fonts, sizes and colours; once, at the start.
pub fn install(ctx: &Context) {
    fonts::install(ctx);
    for theme in [Theme::Dark, Theme::Light] {
        ctx.style_mut_of(theme, |style| shape(style, Palette::of(theme), theme));
    }
}

pub fn choose(ctx: &Context, choice: ThemeChoice) {
    ctx.set_theme(match choice {
        ThemeChoice::System => egui::ThemePreference::System,
        ThemeChoice::Light => egui::ThemePreference::Light,
        ThemeChoice::Dark => egui::ThemePreference::Dark,
    });
}

fn shape(style: &mut Style, p: Palette, theme: Theme) {
    let text = |size| FontId::new(size, FontFamily::Proportional);
    style.text_styles = [
        (TextStyle::Small, text(CAPTION)),
        (TextStyle::Body, text(BODY)),
        (TextStyle::Button, text(BODY)),
        (TextStyle::Monospace, text(BODY)),
        (TextStyle::Heading, FontId::new(TITLE, fonts::bold())),
        (head(), FontId::new(HEAD, fonts::bold())),
    ]
    .into();
    let spacing = &mut style.spacing;
    spacing.item_spacing = Vec2::splat(GAP);
    spacing.button_padding = vec2(GAP, 4.0);
    spacing.interact_size = vec2(CONTROL, CONTROL);
    spacing.window_margin = Margin::same(PAD as i8);
    spacing.menu_margin = Margin::same(GAP as i8);
    spacing.slider_width = 140.0;
    style.visuals = visuals(p, theme);
}

fn visuals(p: Palette, theme: Theme) -> Visuals {
    let mut v = if theme == Theme::Dark { Visuals::dark() } else { Visuals::light() };
    let line = Stroke::new(1.0, p.line);
    let radius = CornerRadius::same(RADIUS);
    v.override_text_color = Some(p.text);
    v.weak_text_color = Some(p.muted);
    v.panel_fill = p.background;
    v.window_fill = p.surface;
    v.window_stroke = line;
    v.window_corner_radius = radius;
    v.menu_corner_radius = radius;
    v.window_shadow = Shadow::NONE;
    v.popup_shadow = Shadow::NONE;
    v.extreme_bg_color = p.raised;
    v.text_edit_bg_color = Some(p.raised);
    v.faint_bg_color = p.raised;
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.warning;
    v.error_fg_color = p.error;
    v.selection.bg_fill = p.accent.gamma_multiply(0.35);
    v.selection.stroke = Stroke::new(1.0, p.accent);
    v.slider_trailing_fill = true;
    let widgets = &mut v.widgets;
    for (state, fill, border) in [
        (&mut widgets.noninteractive, p.surface, line),
        (&mut widgets.inactive, p.raised, line),
        (&mut widgets.hovered, p.raised, Stroke::new(1.0, p.muted)),
        (&mut widgets.active, p.raised, Stroke::new(1.0, p.accent)),
        (&mut widgets.open, p.raised, Stroke::new(1.0, p.accent)),
    ] {
        state.bg_fill = fill;
        state.weak_bg_fill = fill;
        state.bg_stroke = border;
        state.fg_stroke = Stroke::new(1.0, p.text);
        state.corner_radius = radius;
        state.expansion = 0.0;
    }
    v
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance, as WCAG 2.1 defines it.
    fn luminance(c: Color32) -> f64 {
        let channel = |v: u8| {
            let v = f64::from(v) / 255.0;
            if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * channel(c.r()) + 0.7152 * channel(c.g()) + 0.0722 * channel(c.b())
    }

    fn contrast(a: Color32, b: Color32) -> f64 {
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn every_text_colour_reads_on_every_surface() {
        for (name, p) in [("dark", DARK), ("light", LIGHT)] {
            for (what, colour) in [
                ("text", p.text),
                ("muted", p.muted),
                ("accent", p.accent),
                ("good", p.good),
                ("warning", p.warning),
                ("error", p.error),
            ] {
                for (on, surface) in [("background", p.background), ("surface", p.surface), ("raised", p.raised)] {
                    let ratio = contrast(colour, surface);
                    assert!(ratio >= 4.5, "{name}: {what} on {on} is {ratio:.2} : 1");
                }
            }
            assert!(contrast(p.on_accent, p.accent) >= 4.5, "{name}: text on the accent");
        }
    }
}
