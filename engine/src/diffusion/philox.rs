//! Philox 4x32-10 (Salmon et al. 2011) and Box-Muller: normal noise as a function of a counter, the same on every machine.
//!
//! All arithmetic is integer or f32 in software (`libm`) or IEEE-exact (`+ * /`, square root), so no platform's maths library decides a bit.

use std::f32::consts::TAU;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const ROUNDS: u32 = 10;

/// Four random words of a 128-bit `counter` under a 64-bit `key`.
pub fn philox4x32(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let [mut a, mut b, mut c, mut d] = counter;
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        let (high_a, low_a) = product(MULTIPLIERS[0], a);
        let (high_c, low_c) = product(MULTIPLIERS[1], c);
        [a, b, c, d] = [high_c ^ b ^ k0, low_c, high_a ^ d ^ k1, low_a];
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    [a, b, c, d]
}

/// High and low word of x * y.
fn product(x: u32, y: u32) -> (u32, u32) {
    let wide = u64::from(x) * u64::from(y);
    // Taking the two halves of a 64-bit word is what the truncation is for.
    ((wide >> 32) as u32, wide as u32)
}

/// `out` filled with N(0, 1): values 4b..4b + 4 come from the counter `[b, tail]`.
///
/// Box-Muller: `sqrt(-2 ln u) (cos, sin)(2 pi w)` with u, w uniform in (0, 1], (0, 1]. At most 2^34 values.
pub fn normals(tail: [u32; 3], key: [u32; 2], out: &mut [f32]) {
    let [x, y, z] = tail;
    for (block, four) in (0_u32..).zip(out.chunks_mut(4)) {
        let [r0, r1, r2, r3] = philox4x32([block, x, y, z], key);
        let ((a, b), (c, d)) = (box_muller(r0, r1), box_muller(r2, r3));
        four.iter_mut().zip([a, b, c, d]).for_each(|(slot, value)| *slot = value);
    }
}

fn box_muller(first: u32, second: u32) -> (f32, f32) {
    let radius = (-2.0 * libm::logf(uniform(first))).max(0.0).sqrt();
    let (sin, cos) = libm::sincosf(TAU * uniform(second));
    (radius * cos, radius * sin)
}

/// (x + 1/2) / 2^32, rounded to f32: in (0, 1].
fn uniform(x: u32) -> f32 {
    (x as f32 + 0.5) * 2.0_f32.powi(-32)
}
