//! Linear layers by the products of the convolutions: a row is a position.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::panels::Panels;
use super::product::{POSITIONS, QUAD, Tile, VECTORS, multiply};
use super::vector::Isa;
use super::{LANES, Source, filled, host, source, values, weights};

/// Multiplications of a task worth giving to another thread.
const WORTH: usize = 1 << 17;

/// A linear layer's weights [c_in, c_out] as panels.
#[derive(Clone, Debug)]
pub struct Matrix {
    panels: Panels,
}

impl Matrix {
    /// `None` where the weights do not live on the CPU.
    pub fn of(weight: &Tensor<2>, bias: Option<&Tensor<1>>) -> Option<Self> {
        let shape = weight.dims();
        let (weight, bias) = (weights(weight)?, bias.map(|bias| weights(bias).ok_or(())).transpose().ok()?);
        Some(Self::new(Isa::detect(), source(&weight), bias.as_ref().map(values), shape))
    }

    fn new(isa: Isa, weight: Source<'_>, bias: Option<&[f32]>, [c_in, c_out]: [usize; 2]) -> Self {
        let at = |channel: usize, tap: usize| tap * c_out + channel;
        Self { panels: Panels::new(isa, [c_out, c_in], weight, bias, at) }
    }

    /// x W + b.
    ///
    /// # Shapes
    /// [.., c_in] -> [.., c_out]
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mut shape = x.dims();
        let c_in = std::mem::replace(&mut shape[D - 1], self.panels.channels);
        assert_eq!(c_in, self.panels.taps, "width of a linear layer's input");
        let x = host(x);
        // SAFETY: `multiply` writes all rows and all channels.
        unsafe { filled(shape, |out| self.multiply(values(&x), out)) }
    }

    /// `out`: [rows, c_out], unwritten.
    fn multiply(&self, x: &[f32], out: *mut f32) {
        let rows = x.len() / self.panels.taps;
        let pairs = self.panels.count().div_ceil(VECTORS);
        let work = rows * self.panels.taps * LANES;
        let block = rows.div_ceil((work / WORTH).clamp(1, usize::div_ceil(8, pairs))).next_multiple_of(POSITIONS);
        let blocks = rows.div_ceil(block);
        let job = Job { panels: &self.panels, x, rows, out };
        let task = |task: usize| {
            let (panel, first) = (task / blocks * VECTORS, task % blocks * block);
            self.panels.with(panel, |weights, bias| {
                let last = (first + block).min(rows);
                (first..last).step_by(POSITIONS).for_each(|row| job.tile(panel, (weights, bias), row));
            });
        };
        let least = (WORTH / (block * self.panels.taps * LANES).max(1)).max(1);
        (0..pairs * blocks).into_par_iter().with_min_len(least).for_each(task);
    }
}

struct Job<'a> {
    panels: &'a Panels,
    x: &'a [f32],
    rows: usize,
    out: *mut f32,
}

// SAFETY: `out` is written in disjoint parts, by tasks that end before the layer does.
unsafe impl Sync for Job<'_> {}

impl Job<'_> {
    /// Up to [`POSITIONS`] rows from `row` on, the channels of panel `panel` and its neighbour.
    fn tile(&self, panel: usize, (weights, bias): (&[f32], &[f32]), row: usize) {
        let (taps, width, channels) = (self.panels.taps, self.panels.isa.width(), self.panels.channels);
        let vectors = VECTORS.min(self.panels.count() - panel);
        // Four or eight rows are read: where some are missing, those that are there are copied before zeros.
        let count = POSITIONS.min(self.rows - row);
        let rows = &self.x[row * taps..(row + count) * taps];
        let mut padded = Vec::new();
        let input = if count == QUAD || count == POSITIONS {
            rows
        } else {
            padded.extend_from_slice(rows);
            padded.resize(taps * count.next_multiple_of(QUAD), 0.0);
            &padded
        };
        let mut out = [0.0_f32; LANES * POSITIONS];
        let tile = Tile {
            weights: weights.as_ptr(),
            panel: taps * width,
            bias: bias.as_ptr(),
            input: input.as_ptr(),
            position: taps,
            quad: QUAD * taps,
            runs: 1,
            run: taps,
            pitch: 0,
            out: out.as_mut_ptr(),
            out_stride: vectors * width,
        };
        // SAFETY: the panels are whole; `input` has four or eight rows, as many as are computed; `out` holds the largest tile.
        unsafe { multiply(self.panels.isa, vectors, count, &tile) };
        let first = panel * width;
        let written = (vectors * width).min(channels - first);
        for (i, values) in out.chunks(vectors * width).take(count).enumerate() {
            // SAFETY: these channels of this row lie in the result, and no other task writes them.
            unsafe { std::ptr::copy_nonoverlapping(values.as_ptr(), self.out.add((row + i) * channels + first), written) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::models::layers::host::tensor;

    #[test]
    fn every_form_is_a_matrix_product() {
        for (rows, c_in, c_out) in [(1, 3, 5), (2, 64, 40), (5, 7, 16), (8, 30, 8), (77, 9, 33), (300, 50, 70)] {
            let x: Vec<f32> = (0..rows * c_in).map(|i| (i as f32 * 0.37).sin()).collect();
            let weight: Vec<f32> = (0..c_in * c_out).map(|i| (i as f32 * 0.71).cos()).collect();
            let bias: Vec<f32> = (0..c_out).map(|i| i as f32).collect();
            for isa in Isa::supported() {
                let y =
                    Matrix::new(isa, Source::F32(&weight), Some(&bias), [c_in, c_out]).forward(tensor(x.clone(), [rows, c_in]));
                for (at, &value) in values(&host(y)).iter().enumerate() {
                    let (row, channel) = (at / c_out, at % c_out);
                    let products = (0..c_in).map(|k| f64::from(x[row * c_in + k]) * f64::from(weight[k * c_out + channel]));
                    let expected = products.sum::<f64>() + channel as f64;
                    assert!(
                        (f64::from(value) - expected).abs() < 1e-5 * expected.abs().max(4.0),
                        "{isa:?}, {rows} x {c_in} x {c_out}: {at}"
                    );
                }
            }
        }
    }
}
