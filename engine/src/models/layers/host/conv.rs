//! Convolution by direct products: no matrix of neighbourhoods is made, the inner loop walks the padded picture itself.

use std::cell::RefCell;
use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::panels::Panels;
use super::product::{POSITIONS, QUAD, Tile, VECTORS, multiply};
use super::transpose::{Rows, transpose};
use super::vector::Isa;
use super::window::Geometry;
use super::{LANES, Source, filled, host, source, values, weights};

/// Values of padded pictures that stay in a core's cache beside the weights.
const CACHED: usize = 1 << 18;
/// Enough tasks for the threads to end together. Not a function of their number, though no sum depends on the split.
const TASKS: usize = 16;

/// A convolution's weights [c_out, c_in, k, k] as panels with taps (dy, dx, channel).
#[derive(Clone, Debug)]
pub struct Kernel {
    panels: Panels,
    c_in: usize,
    size: usize,
    stride: usize,
}

impl Kernel {
    /// `None` where the weights do not live on the CPU.
    pub fn of(weight: &Tensor<4>, bias: &Tensor<1>, stride: usize) -> Option<Self> {
        let [_, c_in, size, _] = weight.dims();
        let (weight, bias) = (weights(weight)?, weights(bias)?);
        Some(Self::new(Isa::detect(), source(&weight), values(&bias), [c_in, size, stride]))
    }

    fn new(isa: Isa, weight: Source<'_>, bias: &[f32], [c_in, size, stride]: [usize; 3]) -> Self {
        let window = size * size;
        let at = |channel: usize, tap: usize| (channel * c_in + tap % c_in) * window + tap / c_in;
        Self { panels: Panels::new(isa, [bias.len(), window * c_in], weight, Some(bias), at), c_in, size, stride }
    }

    /// x * weight + bias.
    ///
    /// # Shapes
    /// x [B, c_in, H, W] -> [B, c_out, H', W']
    pub fn conv2d(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, c_in, height, width] = x.dims();
        assert_eq!(c_in, self.c_in, "channels of a convolution's input");
        let g = Geometry { c_in, height, width, kernel: self.size, stride: self.stride };
        let (rows, columns) = g.out_size();
        let x = host(x);
        let run = |out| {
            let job = Job { g, panels: &self.panels, images: values(&x), rows, columns, out };
            if batch * g.rows_in(rows) * g.pitch() <= CACHED { job.whole(batch) } else { job.strips(batch) }
        };
        // SAFETY: the tasks of either way cover all channels and positions of all pictures.
        unsafe { filled([batch, self.panels.channels, rows, columns], run) }
    }
}

/// One convolution on its way.
struct Job<'a> {
    g: Geometry,
    panels: &'a Panels,
    images: &'a [f32],
    rows: usize,
    columns: usize,
    /// [B, c_out, rows, columns], unwritten
    out: *mut f32,
}

// SAFETY: `out` is written in disjoint parts, by tasks that end before the convolution does.
unsafe impl Sync for Job<'_> {}

impl Job<'_> {
    /// Small pictures: laid out once, then tasks of some channels and rows each, so that a weight is read by few.
    fn whole(&self, batch: usize) {
        let (padded, pitch) = (self.g.rows_in(self.rows), self.g.pitch());
        let mut laid = vec![0.0; batch * padded * pitch + self.slack()];
        laid.par_chunks_mut(pitch).take(batch * padded).with_min_len(4).enumerate().for_each(|(row, line)| {
            self.g.lay_out(&self.images[row / padded * self.g.image()..], row % padded, line);
        });
        let pairs = self.panels.count().div_ceil(VECTORS);
        let block = self.rows.div_ceil(TASKS.div_ceil(pairs * batch)).next_multiple_of(2);
        let blocks = self.rows.div_ceil(block);
        (0..pairs * batch * blocks).into_par_iter().for_each(|task| {
            let (pair, image, first) = (task / (batch * blocks), task / blocks % batch, task % blocks * block);
            let part = Part { image, laid: &laid[image * padded * pitch..], origin: 0 };
            self.compute(&part, pair * VECTORS, first..(first + block).min(self.rows));
        });
    }

    /// Large pictures: strips of rows, each laid out by the task that computes it.
    fn strips(&self, batch: usize) {
        thread_local! {
            static LAID: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        let pitch = self.g.pitch();
        let most = (CACHED / pitch).saturating_sub(self.g.kernel) / self.g.stride + 1;
        let strip = most.max(QUAD).min(self.rows.div_ceil(TASKS.div_ceil(batch))).max(1);
        let strips = self.rows.div_ceil(strip);
        (0..batch * strips).into_par_iter().for_each(|task| {
            let (image, first) = (task / strips, task % strips * strip);
            let last = (first + strip).min(self.rows);
            let (origin, padded) = (first * self.g.stride, self.g.rows_in(last - first));
            LAID.with_borrow_mut(|laid| {
                let needed = padded * pitch + self.slack();
                laid.resize(needed.max(laid.len()), 0.0);
                for (row, line) in laid.chunks_mut(pitch).take(padded).enumerate() {
                    self.g.lay_out(&self.images[image * self.g.image()..], origin + row, line);
                }
                let part = Part { image, laid, origin };
                (0..self.panels.count()).step_by(VECTORS).for_each(|panel| self.compute(&part, panel, first..last));
            });
        });
    }

    /// Values after a picture that a tile may read, though it drops what it makes of them.
    fn slack(&self) -> usize {
        POSITIONS * self.g.stride * self.g.c_in
    }

    /// Panel `panel` and its neighbour, for rows of the result.
    fn compute(&self, part: &Part<'_>, panel: usize, rows: Range<usize>) {
        self.panels.with(panel, |weights, bias| self.tiles(part, &Pair { first: panel, weights, bias }, rows));
    }

    fn tiles(&self, part: &Part<'_>, panel: &Pair<'_>, rows: Range<usize>) {
        let pairs = self.columns == QUAD;
        let mut y = rows.start;
        while y < rows.end {
            let two = pairs && y + 1 < rows.end;
            if two {
                self.tile(part, panel, y, 0, POSITIONS);
            } else {
                // The last tile of a row covers part of the one before again.
                for x in (0..self.columns).step_by(POSITIONS) {
                    let x = x.min(self.columns.saturating_sub(POSITIONS));
                    self.tile(part, panel, y, x, POSITIONS.min(self.columns - x));
                }
            }
            y += 1 + usize::from(two);
        }
    }

    /// `count` positions of the result from (y, x) on.
    fn tile(&self, part: &Part<'_>, panel: &Pair<'_>, y: usize, x: usize, count: usize) {
        let (g, pitch) = (&self.g, self.g.pitch());
        let width = self.panels.isa.width();
        let vectors = VECTORS.min(self.panels.count() - panel.first);
        let step = g.stride * g.c_in;
        let input = &part.laid[(y * g.stride - part.origin) * pitch + x * step..];
        let mut out = [0.0_f32; LANES * POSITIONS];
        let tile = Tile {
            weights: panel.weights.as_ptr(),
            panel: self.panels.taps * width,
            bias: panel.bias.as_ptr(),
            input: input.as_ptr(),
            position: step,
            quad: if self.columns == QUAD { g.stride * pitch } else { QUAD * step },
            runs: g.kernel,
            run: g.kernel * g.c_in,
            pitch,
            out: out.as_mut_ptr(),
            out_stride: vectors * width,
        };
        let plane = self.rows * self.columns;
        let first = panel.first * width;
        let channels = (vectors * width).min(self.panels.channels - first);
        let offset = (part.image * self.panels.channels + first) * plane + y * self.columns + x;
        let from = Rows { first: out.as_ptr(), stride: vectors * width };
        // SAFETY: the panels are whole; the taps of `count` positions lie in the padded rows, and those of the rest of the tile in the
        // rows or the slack after them; `out` holds the largest tile. The positions of these channels lie in the result, and
        // no other task writes them.
        unsafe {
            multiply(self.panels.isa, vectors, count, &tile);
            transpose(from, Rows { first: self.out.add(offset), stride: plane }, count, channels);
        }
    }
}

/// Weights and bias of a panel and its neighbour.
struct Pair<'a> {
    first: usize,
    weights: &'a [f32],
    bias: &'a [f32],
}

/// Padded rows of one picture.
struct Part<'a> {
    image: usize,
    laid: &'a [f32],
    /// The first of them.
    origin: usize,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::layers::host::tensor;

    fn wave(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * step).sin()).collect()
    }

    /// The definition, in f64.
    fn by_definition(x: &[f32], g: &Geometry, weight: &[f32], bias: &[f32]) -> Vec<f32> {
        let (rows, columns) = g.out_size();
        let pad = g.kernel / 2;
        let pixel = |image: &[f32], c: usize, y: Option<usize>, x: Option<usize>| match (y, x) {
            (Some(y), Some(x)) if y < g.height && x < g.width => f64::from(image[(c * g.height + y) * g.width + x]),
            _ => 0.0,
        };
        let mut out = Vec::new();
        for image in x.chunks(g.image()) {
            for (channel, &bias) in bias.iter().enumerate() {
                for at in 0..rows * columns {
                    let taps = (0..g.c_in * g.kernel * g.kernel).map(|i| {
                        let (c, dy, dx) = (i / (g.kernel * g.kernel), i / g.kernel % g.kernel, i % g.kernel);
                        let y = (at / columns * g.stride + dy).checked_sub(pad);
                        let x = (at % columns * g.stride + dx).checked_sub(pad);
                        f64::from(weight[channel * g.c_in * g.kernel * g.kernel + i]) * pixel(image, c, y, x)
                    });
                    out.push((f64::from(bias) + taps.sum::<f64>()) as f32);
                }
            }
        }
        out
    }

    /// Sizes on both sides of each limit: tiles, fours, panels, pictures laid out whole and in strips.
    #[test]
    fn every_form_follows_the_definition_with_any_number_of_threads() {
        for [batch, c_in, c_out, height, width, kernel, stride] in [
            [2, 3, 5, 7, 9, 3, 1],
            [1, 4, 33, 1, 1, 3, 1],
            [3, 24, 40, 4, 4, 3, 1],
            [2, 5, 17, 5, 4, 3, 1],
            [2, 9, 16, 13, 8, 3, 2],
            [1, 5, 7, 9, 6, 5, 3],
            [2, 20, 48, 9, 3, 1, 1],
            [1, 40, 3, 70, 100, 3, 1],
            [1, 40, 20, 131, 60, 3, 2],
        ] {
            let g = Geometry { c_in, height, width, kernel, stride };
            let (x, bias) = (wave(batch * g.image(), 0.37), wave(c_out, 1.3));
            let weight = wave(c_out * c_in * kernel * kernel, 0.71);
            let expected = by_definition(&x, &g, &weight, &bias);
            let mut fused: Option<Vec<f32>> = None;
            for isa in Isa::supported() {
                let form = Kernel::new(isa, Source::F32(&weight), &bias, [c_in, kernel, stride]);
                let run = |threads| {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("a pool");
                    let x = tensor(x.clone(), [batch, c_in, height, width]);
                    values(&host(pool.install(|| form.conv2d(x)))).to_vec()
                };
                let ours = run(3);
                let scale = expected.iter().fold(1.0_f32, |m, v| m.max(v.abs()));
                for (at, (o, e)) in ours.iter().zip(&expected).enumerate() {
                    assert!((o - e).abs() <= 2e-6 * scale, "{isa:?}, {g:?}: value {at} is {o}, not {e}");
                }
                assert!(ours.len() == expected.len() && ours == run(1), "{isa:?}, {g:?}: one thread");
                if isa != Isa::Plain {
                    assert!(*fused.get_or_insert_with(|| ours.clone()) == ours, "{isa:?}, {g:?}: another form");
                }
            }
        }
    }
}
