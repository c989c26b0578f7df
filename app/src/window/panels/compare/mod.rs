//! The compare view: the paper's figures A.9 and A.10, alive.

mod column;
mod controls;
mod pair;
mod plots;
mod strip;
mod toolbar;

use egui::{Id, ScrollArea, TextureId, Ui};
use imagen_protocol::RgbImage;

use super::Actions;
use crate::window::compare::{Axes, Mode};
use crate::window::lens::Lens;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme;

/// Larger pictures are smoothed when they are made smaller.
const SHARP_UP_TO: u32 = 256;

/// What one sees, in plain words.
const EXPLANATION: &str = "At every step the network guesses the finished picture: x0_hat. Guidance with a weight w well above 1 pushes \
    its values beyond [-1, 1], the range that pictures have. none leaves them there: colours burn out or drift. static cuts what is beyond \
    off: colours saturate. dynamic takes s, the chosen percentile of |x0_hat| and at least 1, cuts off what is beyond s and divides \
    everything by s: strong guidance, natural colours. Clipped is the share of values that was cut off. Paper: section 2.3, figures A.9 \
    and A.10.";

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    let lens_id = Id::unique("compare lens");
    let mut lens = ui.data(|d| d.get_temp::<Lens>(lens_id)).unwrap_or_default();
    toolbar::show(ui, state, actions);
    let size = state.compare.shown(&state.sizes());
    let planned = state.stage_info(size).and_then(|info| state.draft.settings(info).steps.count());
    let axes = Axes::of(&state.compare.columns, size, planned, state.compare.look.step);
    let mut view = View { size, axes, lens: &mut lens, textures, step: None };
    ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        strip::show(ui, state, &mut view, actions);
        match state.compare.look.mode {
            Mode::SideBySide => column::show_all(ui, state, &mut view, actions),
            Mode::Wipe | Mode::Difference => pair::show(ui, state, &mut view),
        }
        if !state.compare.look.strip_open {
            explanation(ui);
        }
    });
    let step = view.step;
    if step != state.compare.look.step {
        // The other columns' plots follow at once.
        ui.ctx().request_repaint();
    }
    state.compare.look.step = step;
    ui.data_mut(|d| d.insert_temp(lens_id, lens));
}

/// What the parts of the view share in one frame.
struct View<'a> {
    /// The stage that is shown.
    size: u32,
    axes: Axes,
    /// One for all pictures.
    lens: &'a mut Lens,
    textures: &'a mut Textures,
    /// The step that the pointer is at.
    step: Option<u32>,
}

impl View<'_> {
    fn texture(&mut self, ui: &Ui, image: &RgbImage) -> TextureId {
        let filter = if image.width() <= SHARP_UP_TO || self.lens.zoom > 1.0 { Filter::Nearest } else { Filter::Smooth };
        self.textures.get(ui.ctx(), image, filter)
    }
}

/// A row no higher than the small text in it.
fn small_row(ui: &mut Ui, add: impl FnOnce(&mut Ui)) {
    ui.scope(|ui| {
        ui.spacing_mut().interact_size.y = theme::CAPTION;
        ui.horizontal(add);
    });
}

/// Beside the open strip, below the columns otherwise.
fn explanation(ui: &mut Ui) {
    let p = theme::Palette::get(ui.ctx());
    let text = egui::RichText::new(EXPLANATION).text_style(theme::caption()).color(p.muted);
    ui.add(egui::Label::new(text).wrap());
}
