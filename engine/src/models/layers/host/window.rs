//! Pictures as products read them: a pixel's channels side by side, with a border of zeros.

use super::transpose::{Rows, transpose};

/// A convolution's sizes; square kernel, padding kernel / 2.
#[derive(Clone, Copy, Debug)]
pub struct Geometry {
    pub c_in: usize,
    pub height: usize,
    pub width: usize,
    pub kernel: usize,
    pub stride: usize,
}

impl Geometry {
    /// (rows, columns) of the result.
    pub fn out_size(&self) -> (usize, usize) {
        let size = |n: usize| (n + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1;
        (size(self.height), size(self.width))
    }

    /// Values of one padded row.
    pub fn pitch(&self) -> usize {
        let (_, columns) = self.out_size();
        ((columns - 1) * self.stride + self.kernel) * self.c_in
    }

    /// Padded rows that `rows` rows of the result are made of.
    pub fn rows_in(&self, rows: usize) -> usize {
        (rows - 1) * self.stride + self.kernel
    }

    /// Values of one picture.
    pub fn image(&self) -> usize {
        self.c_in * self.height * self.width
    }

    /// Padded row `y` of a picture [c_in, H, W], where row kernel / 2 is the picture's first: [padded width, c_in].
    pub fn lay_out(&self, image: &[f32], y: usize, line: &mut [f32]) {
        let pad = self.kernel / 2;
        let Some(y) = y.checked_sub(pad).filter(|&y| y < self.height) else { return line.fill(0.0) };
        let count = self.width.min(line.len() / self.c_in - pad);
        let (before, rest) = line.split_at_mut(pad * self.c_in);
        let (inside, after) = rest.split_at_mut(count * self.c_in);
        before.fill(0.0);
        after.fill(0.0);
        let source = &image[y * self.width..self.image()];
        let from = Rows { first: source.as_ptr(), stride: self.height * self.width };
        let to = Rows { first: inside.as_mut_ptr(), stride: self.c_in };
        // SAFETY: `source` begins at the row in the first channel's plane and reaches to the end of the last one's; `inside` has
        // `count` pixels of c_in values.
        unsafe { transpose(from, to, self.c_in, count) }
    }
}
