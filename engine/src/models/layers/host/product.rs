//! The inner loop of convolutions and linear layers: a tile of output channels times positions, kept in registers.

use super::vector::{Isa, Plain, Vector};

/// Vectors of output channels in the largest tile.
pub const VECTORS: usize = 2;
/// Positions of the largest tile.
pub const POSITIONS: usize = 8;
/// Positions of the small tile.
pub const QUAD: usize = 4;

/// out[p][c] = bias[c] + sum over taps t of weights[t][c] input[p][t], for the channels of one or two vectors and a few positions.
///
/// The taps of a position are `runs` pieces of memory, `run` values each, `pitch` values apart: the rows of a convolution's window over a
/// picture whose channels lie side by side, or the one row of a linear layer's input.
#[derive(Clone, Copy, Debug)]
pub struct Tile {
    /// [taps][width] of the first vector of channels
    pub weights: *const f32,
    /// Values from there to the second vector's.
    pub panel: usize,
    pub bias: *const f32,
    /// The first tap of position 0.
    pub input: *const f32,
    /// Values from one position to the next within four.
    pub position: usize,
    /// Values from four positions to the next four.
    pub quad: usize,
    pub runs: usize,
    pub run: usize,
    pub pitch: usize,
    /// [positions][vectors * width]
    pub out: *mut f32,
    /// Values from one position's outputs to the next's.
    pub out_stride: usize,
}

/// Computes a tile of `vectors` (1 or 2) by `positions` (up to [`QUAD`] are computed as so many, more as [`POSITIONS`]).
///
/// # Safety
/// The processor has `isa`; all that the tile names, for all positions that are computed, can be read and written.
pub unsafe fn multiply(isa: Isa, vectors: usize, positions: usize, tile: &Tile) {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        match isa {
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => avx512(vectors, positions, tile),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => avx2(vectors, positions, tile),
            Isa::Plain => any::<Plain>(vectors, positions, tile),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(vectors: usize, positions: usize, tile: &Tile) {
    // SAFETY: the caller's promise, handed on.
    unsafe {
        match (vectors, positions <= QUAD) {
            (1, true) => run::<std::arch::x86_64::__m512, 1, QUAD>(tile),
            (1, false) => run::<std::arch::x86_64::__m512, 1, POSITIONS>(tile),
            (_, true) => run::<std::arch::x86_64::__m512, VECTORS, QUAD>(tile),
            (_, false) => run::<std::arch::x86_64::__m512, VECTORS, POSITIONS>(tile),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(vectors: usize, positions: usize, tile: &Tile) {
    // SAFETY: the caller's promise, handed on.
    unsafe { any::<std::arch::x86_64::__m256>(vectors, positions, tile) }
}

/// For 16 registers: two quads after each other where two vectors of eight positions would not fit.
#[inline(always)]
unsafe fn any<V: Vector>(vectors: usize, positions: usize, tile: &Tile) {
    // SAFETY: the caller's promise, handed on; the second half of a tile is a tile.
    unsafe {
        if vectors == 1 && positions > QUAD {
            return run::<V, 1, POSITIONS>(tile);
        }
        let second = Tile { input: tile.input.add(tile.quad), out: tile.out.add(QUAD * tile.out_stride), ..*tile };
        for half in [tile, &second].into_iter().take(positions.div_ceil(QUAD)) {
            if vectors == 1 { run::<V, 1, QUAD>(half) } else { run::<V, VECTORS, QUAD>(half) }
        }
    }
}

/// `R` vectors by `P` positions.
#[inline(always)]
unsafe fn run<V: Vector, const R: usize, const P: usize>(tile: &Tile) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::load(tile.bias); R]; P];
        for sum in &mut sums {
            for (r, sum) in sum.iter_mut().enumerate() {
                *sum = V::load(tile.bias.add(r * V::WIDTH));
            }
        }
        let mut weights = tile.weights;
        for row in 0..tile.runs {
            let start = tile.input.add(row * tile.pitch);
            for tap in 0..tile.run {
                let mut w = [V::load(weights); R];
                for (r, w) in w.iter_mut().enumerate() {
                    *w = V::load(weights.add(r * tile.panel));
                }
                weights = weights.add(V::WIDTH);
                for (p, sum) in sums.iter_mut().enumerate() {
                    let x = V::splat(start.add(tap + p / QUAD * tile.quad + p % QUAD * tile.position));
                    for (sum, w) in sum.iter_mut().zip(w) {
                        *sum = sum.add_product(w, x);
                    }
                }
            }
        }
        for (p, sum) in sums.iter().enumerate() {
            for (r, sum) in sum.iter().enumerate() {
                sum.store(tile.out.add(p * tile.out_stride + r * V::WIDTH));
            }
        }
    }
}
