//! The grid: only the rows in view are laid out.

use egui::{Id, ScrollArea, Ui, Vec2};

use super::{cell, keys};
use crate::window::panels::Actions;
use crate::window::state::State;
use crate::window::textures::Textures;
use crate::window::theme;

/// How the grid is divided.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    pub columns: usize,
    /// Of a cell: its picture is square, its title below.
    pub size: Vec2,
}

impl Plan {
    pub fn of_width(width: f32) -> Self {
        // Truncation is meant: a column more would be too narrow.
        let columns = (((width + theme::GAP) / (theme::CELL + theme::GAP)) as usize).max(1);
        let side = ((width + theme::GAP) / columns as f32 - theme::GAP).floor().max(1.0);
        Self { columns, size: Vec2::new(side, side + theme::CELL_TITLE) }
    }

    pub fn rows(&self, count: usize) -> usize {
        count.div_ceil(self.columns)
    }

    /// Where the scroll has to stand so that the row of an entry is seen; `None` where it is.
    pub fn scroll_to(&self, index: usize, offset: f32, height: f32) -> Option<f32> {
        let top = (index / self.columns) as f32 * (self.size.y + theme::GAP);
        let bottom = top + self.size.y;
        if top < offset {
            Some(top)
        } else if bottom > offset + height {
            Some(bottom - height)
        } else {
            None
        }
    }
}

/// What the last frame's grid looked like, for keys that come before the next one is drawn.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    offset: f32,
    height: f32,
}

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions, count: usize) {
    let bar = ui.spacing().scroll.bar_width + ui.spacing().scroll.bar_inner_margin;
    let plan = Plan::of_width(ui.available_width() - bar);
    let id = Id::unique("gallery grid");
    let seen: Seen = ui.data(|d| d.get_temp(id)).unwrap_or_default();
    let page = ((seen.height / (plan.size.y + theme::GAP)) as usize).max(1) * plan.columns;
    let moved = keys::read(ui, state, actions, plan.columns, page, count);
    let mut area = ScrollArea::vertical().id_salt("gallery").auto_shrink(false);
    if let Some(offset) = moved.and_then(|index| plan.scroll_to(index, seen.offset, seen.height)) {
        area = area.vertical_scroll_offset(offset);
    }
    let output = area.show_rows(ui, plan.size.y, plan.rows(count), |ui, rows| {
        for row in rows {
            ui.horizontal(|ui| {
                for index in (row * plan.columns..count).take(plan.columns) {
                    cell::show(ui, state, textures, actions, index, plan.size);
                }
            });
        }
    });
    let now = Seen { offset: output.state.clamped_offset().y, height: output.inner_rect.height() };
    ui.data_mut(|d| d.insert_temp(id, now));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_fill_the_width_and_are_never_too_narrow() {
        for width in [100.0, 152.0, 400.0, 777.0, 1600.0] {
            let plan = Plan::of_width(width);
            let used = plan.columns as f32 * (plan.size.x + theme::GAP) - theme::GAP;
            assert!(used <= width && used > width - plan.columns as f32, "{width}: {plan:?}");
            assert!(plan.columns == 1 || plan.size.x >= theme::CELL, "{width}: {plan:?}");
        }
        assert_eq!(Plan::of_width(0.0).columns, 1);
    }

    #[test]
    fn scrolling_goes_no_further_than_needed() {
        let plan = Plan { columns: 3, size: Vec2::new(92.0, 92.0) };
        assert_eq!(plan.rows(7), 3);
        assert_eq!(plan.scroll_to(4, 100.0, 150.0), None);
        assert_eq!(plan.scroll_to(0, 100.0, 150.0), Some(0.0));
        assert_eq!(plan.scroll_to(6, 0.0, 150.0), Some(142.0));
    }
}
