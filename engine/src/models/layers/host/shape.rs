//! Patches, double and half size, and channels side by side: burn's CPU backend copies these value by value on one thread.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::transpose::{Rows, transpose};
use super::{filled, host, values};

/// Values of a task: a few microseconds of copying.
const CHUNK: usize = 1 << 13;

/// Where tasks write apart from each other.
#[derive(Clone, Copy)]
struct Target(*mut f32);

// SAFETY: only used to write disjoint parts of a buffer that outlives the tasks.
unsafe impl Send for Target {}
unsafe impl Sync for Target {}

impl Target {
    /// # Safety
    /// The place lies in the buffer.
    unsafe fn at(self, first: usize) -> *mut f32 {
        // SAFETY: the caller's promise.
        unsafe { self.0.add(first) }
    }

    /// `count` values from `first` on, unwritten.
    ///
    /// # Safety
    /// They lie in the buffer, and nobody else has them.
    #[allow(clippy::mut_from_ref, reason = "the caller vouches that the parts are disjoint")]
    unsafe fn part<'a>(self, first: usize, count: usize) -> &'a mut [f32] {
        // SAFETY: the caller's promise; the buffer is of plain numbers and was touched when it was made.
        unsafe { std::slice::from_raw_parts_mut(self.at(first), count) }
    }
}

/// Runs `task` for 0..count, several to a thread's turn where each has few values.
fn each(count: usize, values: usize, task: impl Fn(usize) + Sync + Send) {
    (0..count).into_par_iter().with_min_len((CHUNK / values.max(1)).max(1)).for_each(task);
}

/// As [`crate::models::layers::pixel_unshuffle`].
pub fn pixel_unshuffle(x: Tensor<4>, patch: usize) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let (rows, columns) = (h / patch, w / patch);
    let x = host(x);
    let x = values(&x);
    let run = |out: *mut f32| {
        let out = Target(out);
        each(b * c * h, w, |line| {
            let (channel, y) = (line / h, line % h);
            let first = ((channel * patch + y % patch) * patch * rows + y / patch) * columns;
            let from = Rows { first: x[line * w..][..w].as_ptr(), stride: patch };
            // SAFETY: the line has `columns` patches; each of the `patch` planes has a row of so many values, which is this line's alone.
            unsafe {
                let to = Rows { first: out.at(first), stride: rows * columns };
                transpose(from, to, columns, patch);
            }
        });
    };
    // SAFETY: each value of the picture goes to a place of its own, and there are as many.
    unsafe { filled([b, c * patch * patch, rows, columns], run) }
}

/// The inverse of [`pixel_unshuffle`], then the channels of `beside`, if any, which has the result's size.
pub fn pixel_shuffle(x: Tensor<4>, patch: usize, beside: Option<Tensor<4>>) -> Tensor<4> {
    let [b, c, rows, columns] = x.dims();
    let (h, w) = (rows * patch, columns * patch);
    let own = c / (patch * patch);
    let more = beside.as_ref().map_or(0, |beside| beside.dims()[1]);
    let (x, beside) = (host(x), beside.map(host));
    let (x, beside) = (values(&x), beside.as_ref().map_or(&[][..], values));
    let run = |out: *mut f32| {
        let out = Target(out);
        each(b * (own + more) * h, w, |line| {
            let (image, channel, y) = (line / h / (own + more), line / h % (own + more), line % h);
            if channel >= own {
                let from = &beside[((image * more + channel - own) * h + y) * w..][..w];
                // SAFETY: one line of the result, which is this task's.
                return unsafe { out.part(line * w, w) }.copy_from_slice(from);
            }
            let plane = ((image * own + channel) * patch + y % patch) * patch;
            let from = &x[(plane * rows + y / patch) * columns..(plane + patch) * rows * columns];
            // SAFETY: `from` begins at the row in the first of `patch` planes and reaches to the end of the last; the line is this task's.
            unsafe {
                let to = Rows { first: out.at(line * w), stride: patch };
                transpose(Rows { first: from.as_ptr(), stride: rows * columns }, to, patch, columns);
            }
        });
    };
    // SAFETY: all lines of the result are written.
    unsafe { filled([b, own + more, h, w], run) }
}

/// As [`crate::models::layers::upsample`].
pub fn upsample(x: Tensor<4>, factor: usize) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let x = host(x);
    let x = values(&x);
    let run = |out: *mut f32| {
        let out = Target(out);
        each(b * c * h, w * factor * factor, |line| {
            // SAFETY: `factor` lines of the result, which are this task's.
            let lines = unsafe { out.part(line * factor * w * factor, factor * w * factor) };
            let (first, rest) = lines.split_at_mut(w * factor);
            for (pixels, value) in first.chunks_mut(factor).zip(&x[line * w..][..w]) {
                pixels.fill(*value);
            }
            rest.chunks_mut(w * factor).for_each(|copy| copy.copy_from_slice(first));
        });
    };
    // SAFETY: all lines of the result are written.
    unsafe { filled([b, c, h * factor, w * factor], run) }
}

/// As [`crate::models::layers::downsample`].
pub fn downsample(x: Tensor<4>) -> Tensor<4> {
    let [b, c, h, w] = x.dims();
    let x = host(x);
    let x = values(&x);
    let run = |out: *mut f32| {
        let out = Target(out);
        each(b * c * h / 2, w * 2, |line| {
            let (above, below) = x[line * 2 * w..][..2 * w].split_at(w);
            // SAFETY: one line of the result, which is this task's.
            let means = unsafe { out.part(line * (w / 2), w / 2) };
            for ((mean, a), b) in means.iter_mut().zip(above.as_chunks::<2>().0).zip(below.as_chunks::<2>().0) {
                *mean = (a[0] + a[1] + b[0] + b[1]) * 0.25;
            }
        });
    };
    // SAFETY: all lines of the result are written.
    unsafe { filled([b, c, h / 2, w / 2], run) }
}

/// The channels of `x`, then those of `y`.
pub fn beside(x: Tensor<4>, y: Tensor<4>) -> Tensor<4> {
    let ([b, left, h, w], [_, right, ..]) = (x.dims(), y.dims());
    let (left, right, plane) = (left * h * w, right * h * w, h * w);
    let (x, y) = (host(x), host(y));
    let (x, y) = (values(&x), values(&y));
    let run = |out: *mut f32| {
        let out = Target(out);
        each((left + right) / plane * b, plane, |at| {
            let (image, at) = (at * plane / (left + right), at * plane % (left + right));
            let from = if at < left { &x[image * left + at..] } else { &y[image * right + at - left..] };
            // SAFETY: one plane of the result, which is this task's.
            unsafe { out.part(image * (left + right) + at, plane) }.copy_from_slice(&from[..plane]);
        });
    };
    // SAFETY: all planes of the result are written.
    unsafe { filled([b, (left + right) / plane, h, w], run) }
}
