//! A picture's neighbourhoods as the columns of a matrix.

use std::ops::Range;

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

    /// Rows of the matrix: (channel, dy, dx).
    pub fn depth(&self) -> usize {
        self.c_in * self.kernel * self.kernel
    }
}

/// Fills row (c, dy, dx) of the matrix with picture[c][y stride + dy - pad][x stride + dx - pad] for the result's `rows`, all x; zero outside.
///
/// # Shapes
/// image [c_in, H, W], matrix [depth, leading], of which the first `rows` * columns columns are written
pub fn im2col(g: &Geometry, image: &[f32], rows: Range<usize>, matrix: &mut [f32], leading: usize) {
    let (_, columns) = g.out_size();
    let window = g.kernel * g.kernel;
    for (index, line) in matrix.chunks_mut(leading).take(g.depth()).enumerate() {
        let (c, dy, dx) = (index / window, index % window / g.kernel, index % g.kernel);
        let plane = &image[c * g.height * g.width..][..g.height * g.width];
        for (y, out) in rows.clone().zip(line.chunks_mut(columns)) {
            let source = (y * g.stride + dy).checked_sub(g.kernel / 2).filter(|&y| y < g.height);
            match source {
                Some(y) => copy_row(g, &plane[y * g.width..][..g.width], dx, out),
                None => out.fill(0.0),
            }
        }
    }
}

/// out[x] = row[x stride + dx - pad], zero outside.
fn copy_row(g: &Geometry, row: &[f32], dx: usize, out: &mut [f32]) {
    let pad = g.kernel / 2;
    if g.stride == 1 {
        let from = pad.saturating_sub(dx).min(out.len());
        let skip = dx.saturating_sub(pad).min(row.len());
        let count = (row.len() - skip).min(out.len() - from);
        out[..from].fill(0.0);
        out[from..from + count].copy_from_slice(&row[skip..skip + count]);
        out[from + count..].fill(0.0);
        return;
    }
    for (x, out) in out.iter_mut().enumerate() {
        *out = (x * g.stride + dx).checked_sub(pad).and_then(|x| row.get(x)).copied().unwrap_or(0.0);
    }
}
