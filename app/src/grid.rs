//! A labelled grid of pictures, as the paper's figure A.9.

use imagen_protocol::RgbImage;

use crate::font;

/// Cells are enlarged, each pixel to a square, until their side is at least this.
const MIN_CELL: u32 = 128;
const GAP: u32 = 8;
/// Dots of the font are squares of this many pixels.
const DOT: u32 = 2;
const TEXT: u32 = font::HEIGHT * DOT;
const ADVANCE: u32 = (font::WIDTH + 1) * DOT;
const WHITE: u8 = 255;
const BLACK: u8 = 16;

/// What the grid shows. `cells` are squares of one size, row by row, as many as rows x columns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grid {
    pub titles: [String; 2],
    pub columns: Vec<String>,
    pub rows: Vec<String>,
    pub cells: Vec<RgbImage>,
}

/// Where things lie, in pixels.
struct Layout {
    zoom: u32,
    cell: u32,
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

/// `None` where the number of cells does not fit, or a cell is not as large as the others.
pub fn draw(grid: &Grid) -> Option<RgbImage> {
    let layout = layout(grid)?;
    let mut canvas = Canvas::new(layout.width, layout.height);
    for (line, title) in (0..).zip(&grid.titles) {
        canvas.text(GAP, GAP + line * (TEXT + GAP), &fit(title, layout.width - 2 * GAP));
    }
    for (x, column) in (0..).zip(&grid.columns) {
        let label = fit(column, layout.cell);
        let indent = (layout.cell - text_width(&label)) / 2;
        canvas.text(layout.left + x * (layout.cell + GAP) + indent, layout.top - GAP - TEXT, &label);
    }
    for (y, row) in (0..).zip(&grid.rows) {
        let middle = layout.top + y * (layout.cell + GAP) + (layout.cell - TEXT) / 2;
        canvas.text(GAP, middle, row);
        let cells = grid.cells.iter().skip(y as usize * grid.columns.len());
        for (x, cell) in (0..).zip(cells.take(grid.columns.len())) {
            canvas.picture(layout.left + x * (layout.cell + GAP), layout.top + y * (layout.cell + GAP), cell, layout.zoom);
        }
    }
    RgbImage::new(layout.width, layout.height, canvas.pixels)
}

fn layout(grid: &Grid) -> Option<Layout> {
    let side = grid.cells.first()?.width();
    let fits = grid.cells.len() == grid.columns.len() * grid.rows.len();
    if !fits || grid.cells.iter().any(|c| (c.width(), c.height()) != (side, side)) {
        return None;
    }
    let zoom = MIN_CELL.div_ceil(side);
    let cell = side.checked_mul(zoom)?;
    let left = 2 * GAP + grid.rows.iter().map(|r| text_width(r)).max()?;
    let top = 4 * GAP + 3 * TEXT;
    let along = |start: u32, count: usize| u32::try_from(count).ok()?.checked_mul(cell + GAP)?.checked_add(start);
    Some(Layout { zoom, cell, left, top, width: along(left, grid.columns.len())?, height: along(top, grid.rows.len())? })
}

fn text_width(text: &str) -> u32 {
    // Labels are short; a title is cut to the picture's width by `fit`.
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX).saturating_mul(ADVANCE)
}

/// The text, or its beginning and "..." where it is wider than `width`.
fn fit(text: &str, width: u32) -> String {
    if text_width(text) <= width {
        return text.to_owned();
    }
    let room = (width / ADVANCE).saturating_sub(3) as usize;
    text.chars().take(room).chain("...".chars()).take((width / ADVANCE) as usize).collect()
}

struct Canvas {
    width: u32,
    pixels: Vec<u8>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self { width, pixels: vec![WHITE; 3 * width as usize * height as usize] }
    }

    fn square(&mut self, x: u32, y: u32, side: u32, colour: [u8; 3]) {
        for row in y..y + side {
            let start = 3 * (row as usize * self.width as usize + x as usize);
            let Some(line) = self.pixels.get_mut(start..start + 3 * side as usize) else { return };
            line.as_chunks_mut::<3>().0.fill(colour);
        }
    }

    fn text(&mut self, x: u32, y: u32, text: &str) {
        for (i, character) in (0..).zip(text.chars()) {
            for (dx, dy) in dots().filter(|&(dx, dy)| font::dot(character, dx, dy)) {
                self.square(x + i * ADVANCE + dx * DOT, y + dy * DOT, DOT, [BLACK; 3]);
            }
        }
    }

    fn picture(&mut self, x: u32, y: u32, picture: &RgbImage, zoom: u32) {
        for (i, &colour) in (0..).zip(picture.pixels().as_chunks::<3>().0) {
            let (px, py) = (i % picture.width(), i / picture.width());
            self.square(x + px * zoom, y + py * zoom, zoom, colour);
        }
    }
}

fn dots() -> impl Iterator<Item = (u32, u32)> {
    (0..font::HEIGHT).flat_map(|y| (0..font::WIDTH).map(move |x| (x, y)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::flat;

    fn grid(columns: usize, rows: usize, side: u32) -> Grid {
        let names = |n: usize, what: &str| (0..n).map(|i| format!("{what} {i}")).collect::<Vec<_>>();
        let cells = (0..columns * rows).map(|i| flat(side, [u8::try_from(i).expect("small"), 100, 200])).collect();
        Grid { titles: ["a red apple".into(), "seed 7".into()], columns: names(columns, "w"), rows: names(rows, "row"), cells }
    }

    fn pixel(image: &RgbImage, x: u32, y: u32) -> &[u8] {
        let start = 3 * (y * image.width() + x) as usize;
        &image.pixels()[start..start + 3]
    }

    #[test]
    fn cells_lie_row_by_row_where_the_layout_says() {
        let grid = grid(3, 2, 64);
        let (image, layout) = (draw(&grid).expect("it fits"), layout(&grid).expect("it fits"));
        assert_eq!((layout.cell, layout.zoom), (128, 2));
        for (i, (x, y)) in [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)].into_iter().enumerate() {
            for corner in [0, 127] {
                let at = |start: u32, n: u32| start + n * (layout.cell + GAP) + corner;
                assert_eq!(pixel(&image, at(layout.left, x), at(layout.top, y)), [u8::try_from(i).expect("small"), 100, 200]);
            }
        }
    }

    #[test]
    fn there_are_labels_and_a_margin() {
        let image = draw(&grid(2, 2, 256)).expect("it fits");
        let dark = |x: std::ops::Range<u32>, y: std::ops::Range<u32>| {
            y.flat_map(|y| x.clone().map(move |x| (x, y))).filter(|&(x, y)| pixel(&image, x, y) == [BLACK; 3]).count()
        };
        let layout = layout(&grid(2, 2, 256)).expect("it fits");
        assert!(dark(0..image.width(), 0..GAP + TEXT) > 50, "the title");
        assert!(dark(layout.left..image.width(), layout.top - GAP - TEXT..layout.top) > 20, "the columns");
        assert!(dark(0..layout.left, layout.top..image.height()) > 50, "the rows");
        assert_eq!(dark(0..GAP, 0..image.height()), 0);
    }

    #[test]
    fn long_titles_are_cut_and_wrong_cells_refused() {
        assert_eq!(fit("abcdefghij", 6 * ADVANCE), "abc...");
        assert_eq!(fit("abc", 3 * ADVANCE), "abc");
        assert!(draw(&Grid { titles: ["very long ".repeat(100), String::new()], ..grid(1, 1, 64) }).is_some());
        let mut wrong = grid(2, 2, 64);
        wrong.cells.pop();
        assert!(draw(&wrong).is_none());
        wrong.cells.push(flat(65, [0; 3]));
        assert!(draw(&wrong).is_none());
    }
}
