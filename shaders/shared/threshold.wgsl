// What the passes of dynamic thresholding share: their settings, and the state that they keep of each image.

const NONE = 0u;
const STATIC = 1u;
const DYNAMIC = 2u;

struct Threshold {
    images: u32,
    values: u32,            // C * H * W of an image, n
    groups_per_image: u32,
    mode: u32,
    rank: vec2<u32>,        // of the two order statistics around percentile * (n - 1)
    fraction: f32,          // how far the percentile lies from the first to the second
    cap: f32,
    nan: f32,               // WGSL has no literal for it
}

// Bits of a finite or infinite |x| are at most this; a NaN's are more. Tests on bits hold under fast-math compilers too.
const INFINITY = 0x7f800000u;

// One image's state, in words. The launcher clears it.
const PREFIX = 0u;          // 2 words: the leading bits known so far of each order statistic
const RANK = 2u;            // 2 words: the rank left among the values that share those bits
const HAS_NAN = 4u;
const CLIPPED = 5u;
const SCALE = 6u;           // bits of s
const BINS = 8u;            // 2,048 bins of the first digit, or 1,024 for each of the two statistics
const BIN_COUNT = 2048u;
const STATE_WORDS = 2056u;

// |x| has 31 bits, which order as the values do: digits of 11, 10 and 10 bits, the leading one first.
override SHIFT: u32 = 20u;
const DIGIT_BITS = 10u;
const DIGIT_MASK = 1023u;
const FIRST_SHIFT = 20u;

fn magnitude_bits(x: f32) -> u32 {
    return bitcast<u32>(x) & 0x7fffffffu;
}
