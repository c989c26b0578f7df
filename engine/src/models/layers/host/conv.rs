//! Convolution as matrix products: W [c_out, depth] times the neighbourhoods [depth, positions], written where they belong.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::im2col::{Geometry, im2col};
use super::{host, tensor, values};

/// Positions of one product: enough for the product to run at full speed, few enough for its neighbourhoods to stay in the cache.
const TILE: usize = 512;

/// x * weight + bias.
///
/// # Shapes
/// x [B, c_in, H, W], weight [c_out, c_in, k, k], bias [c_out] -> [B, c_out, H', W']
pub fn conv2d(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, stride: usize) -> Tensor<4> {
    let [batch, c_in, height, width] = x.dims();
    let [c_out, _, kernel, _] = weight.dims();
    let g = Geometry { c_in, height, width, kernel, stride };
    let (rows, columns) = g.out_size();
    let (x, weight, bias) = (host(x), host(weight), host(bias));
    let (x, weight, bias) = (values(&x), values(&weight), values(&bias));
    let mut out: Vec<f32> = (0..batch).flat_map(|_| bias.iter()).flat_map(|&b| std::iter::repeat_n(b, rows * columns)).collect();
    if kernel == 1 && stride == 1 {
        pointwise(&g, x, weight, &mut out, c_out);
    } else if batch * rows * columns < 2 * TILE * rayon::current_num_threads() {
        whole(&g, x, weight, &mut out, c_out);
    } else {
        tiled(&g, x, weight, &mut out, c_out);
    }
    tensor(out, [batch, c_out, rows, columns])
}

/// A 1 x 1 convolution: the picture is the matrix.
fn pointwise(g: &Geometry, x: &[f32], weight: &[f32], out: &mut [f32], c_out: usize) {
    let positions = g.height * g.width;
    let share = c_out.div_ceil(rayon::current_num_threads()).next_multiple_of(8);
    let images = out.par_chunks_mut(c_out * positions).zip(x.par_chunks(g.c_in * positions));
    images.for_each(|(out, image)| {
        out.par_chunks_mut(share * positions).zip(weight.par_chunks(share * g.c_in)).for_each(|(out, weight)| {
            let m = weight.len() / g.c_in;
            let product = Product { m, n: positions, k: g.c_in, lhs: weight, rhs: image, rhs_stride: positions };
            // SAFETY: `out` holds m rows of n values, and nobody else has it.
            unsafe { product.add_to(out.as_mut_ptr(), positions) }
        });
    });
}

/// Small pictures: all neighbourhoods of the batch at once, the output channels shared between threads.
fn whole(g: &Geometry, x: &[f32], weight: &[f32], out: &mut [f32], c_out: usize) {
    let (rows, columns) = g.out_size();
    let (positions, depth) = (rows * columns, g.depth());
    let images = x.len() / (g.c_in * g.height * g.width);
    let mut matrices = vec![0.0; images * depth * positions];
    matrices.par_chunks_mut(depth * positions).zip(x.par_chunks(g.c_in * g.height * g.width)).for_each(|(matrix, image)| {
        im2col(g, image, 0..rows, matrix, positions);
    });
    let share = c_out.div_ceil(rayon::current_num_threads()).next_multiple_of(8);
    let shares: Vec<_> = out.chunks_mut(c_out * positions).map(|image| image.chunks_mut(share * positions)).collect();
    let mut work: Vec<Vec<&mut [f32]>> = (0..c_out.div_ceil(share)).map(|_| Vec::new()).collect();
    for image in shares {
        image.zip(&mut work).for_each(|(part, work)| work.push(part));
    }
    work.into_par_iter().zip(weight.par_chunks(share * depth)).for_each(|(parts, weight)| {
        for (out, rhs) in parts.into_iter().zip(matrices.chunks(depth * positions)) {
            let m = weight.len() / depth;
            let product = Product { m, n: positions, k: depth, lhs: weight, rhs, rhs_stride: positions };
            // SAFETY: `out` holds m rows of n values, and nobody else has it.
            unsafe { product.add_to(out.as_mut_ptr(), positions) }
        }
    });
}

/// Large pictures: strips of rows shared between threads, each with its own neighbourhoods.
fn tiled(g: &Geometry, x: &[f32], weight: &[f32], out: &mut [f32], c_out: usize) {
    let (rows, columns) = g.out_size();
    let strip = TILE.div_ceil(columns).min(rows);
    let strips = rows.div_ceil(strip);
    let images = x.len() / (g.c_in * g.height * g.width);
    let base = SendPtr(out.as_mut_ptr());
    let depth = g.depth();
    (0..images * strips).into_par_iter().for_each_init(
        || vec![0.0; depth * strip * columns],
        |matrix, task| {
            let (image, first) = (task / strips, task % strips * strip);
            let last = (first + strip).min(rows);
            let positions = (last - first) * columns;
            im2col(g, &x[image * g.c_in * g.height * g.width..], first..last, matrix, positions);
            let product = Product { m: c_out, n: positions, k: depth, lhs: weight, rhs: matrix, rhs_stride: positions };
            let offset = image * c_out * rows * columns + first * columns;
            // SAFETY: rows `first..last` of each of this image's c_out planes lie inside `out`, and no other task writes them.
            unsafe { product.add_to(base.get().add(offset), rows * columns) }
        },
    );
}

/// One pointer for tasks that write apart from each other.
#[derive(Clone, Copy)]
struct SendPtr(*mut f32);

// SAFETY: only used to write disjoint parts of a buffer that outlives the tasks.
unsafe impl Send for SendPtr {}
unsafe impl Sync for SendPtr {}

impl SendPtr {
    fn get(self) -> *mut f32 {
        self.0
    }
}

/// lhs [m, k] times rhs [k, n], whose rows lie `rhs_stride` apart.
struct Product<'a> {
    m: usize,
    n: usize,
    k: usize,
    lhs: &'a [f32],
    rhs: &'a [f32],
    rhs_stride: usize,
}

impl Product<'_> {
    /// Adds the product to `m` rows of `n` values that lie `stride` apart.
    ///
    /// # Safety
    /// The rows belong to one allocation that nobody else touches meanwhile.
    unsafe fn add_to(&self, out: *mut f32, stride: usize) {
        let Self { m, n, k, lhs, rhs, rhs_stride } = *self;
        if m == 0 || n == 0 || k == 0 {
            return;
        }
        assert!(lhs.len() >= m * k && rhs.len() >= (k - 1) * rhs_stride + n, "operands of a product");
        // Strides are far below isize::MAX: they are lengths of slices.
        let [k_stride, rhs_stride, stride] = [k, rhs_stride, stride].map(usize::cast_signed);
        let (lhs, rhs) = (lhs.as_ptr(), rhs.as_ptr());
        let serial = gemm::Parallelism::None;
        // SAFETY: the lengths were checked above, the output is the caller's promise.
        unsafe {
            gemm::gemm(
                m, n, k, out, 1, stride, true, lhs, 1, k_stride, rhs, 1, rhs_stride, 1.0_f32, 1.0_f32, false, false, false,
                serial,
            );
        }
    }
}
