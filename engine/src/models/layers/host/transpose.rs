//! Matrices turned: pictures keep a channel's pixels together, products want a pixel's channels.

/// Side of the block that is turned in registers.
const BLOCK: usize = 8;

/// A matrix in memory: where its first value is, and how far apart rows are.
#[derive(Clone, Copy, Debug)]
pub struct Rows<P> {
    pub first: P,
    pub stride: usize,
}

/// to[j][i] = from[i][j] for i < rows, j < columns.
///
/// # Safety
/// `from` can be read as `rows` rows of `columns` values, `to` written as `columns` rows of `rows` values; they do not overlap.
pub unsafe fn transpose(from: Rows<*const f32>, to: Rows<*mut f32>, rows: usize, columns: usize) {
    #[cfg(target_arch = "x86_64")]
    if rows >= BLOCK && columns >= BLOCK && std::arch::is_x86_feature_detected!("avx") {
        // SAFETY: the caller's promise; the processor has AVX.
        return unsafe { blocks(from, to, rows, columns) };
    }
    // SAFETY: the caller's promise.
    unsafe { values(from, to, rows, columns) }
}

/// One value after the other.
unsafe fn values(from: Rows<*const f32>, to: Rows<*mut f32>, rows: usize, columns: usize) {
    for j in 0..columns {
        for i in 0..rows {
            // SAFETY: i < rows and j < columns, which the caller vouches for.
            unsafe { *to.first.add(j * to.stride + i) = *from.first.add(i * from.stride + j) };
        }
    }
}

/// Whole blocks; the last of a row or column covers part of the one before again.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn blocks(from: Rows<*const f32>, to: Rows<*mut f32>, rows: usize, columns: usize) {
    for i in (0..rows).step_by(BLOCK).map(|i| i.min(rows - BLOCK)) {
        for j in (0..columns).step_by(BLOCK).map(|j| j.min(columns - BLOCK)) {
            // SAFETY: i + 8 <= rows and j + 8 <= columns, which the caller vouches for.
            unsafe {
                let from = Rows { first: from.first.add(i * from.stride + j), ..from };
                block(from, Rows { first: to.first.add(j * to.stride + i), ..to });
            }
        }
    }
}

/// 8 x 8 values: pairs, then fours, then halves change places.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx")]
unsafe fn block(from: Rows<*const f32>, to: Rows<*mut f32>) {
    use std::arch::x86_64::*;
    // SAFETY: the caller vouches for 8 rows of 8 values on both sides.
    unsafe {
        let mut r = [_mm256_setzero_ps(); BLOCK];
        for (i, r) in r.iter_mut().enumerate() {
            *r = _mm256_loadu_ps(from.first.add(i * from.stride));
        }
        let mut pairs = r;
        for i in (0..BLOCK).step_by(2) {
            pairs[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
        }
        let mut fours = pairs;
        for i in [0, 1, 4, 5] {
            let at = i / 4 * 4 + i % 4 * 2;
            fours[at] = _mm256_shuffle_ps::<0b01_00_01_00>(pairs[i], pairs[i + 2]);
            fours[at + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(pairs[i], pairs[i + 2]);
        }
        for i in 0..BLOCK / 2 {
            let (low, high) = (fours[i], fours[i + 4]);
            _mm256_storeu_ps(to.first.add(i * to.stride), _mm256_permute2f128_ps::<0x20>(low, high));
            _mm256_storeu_ps(to.first.add((i + 4) * to.stride), _mm256_permute2f128_ps::<0x31>(low, high));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_is_turned() {
        for (rows, columns) in [(1, 1), (3, 5), (8, 8), (8, 7), (9, 8), (16, 24), (22, 13), (64, 9)] {
            let from: Vec<f32> = (0..rows * (columns + 3)).map(|i| i as f32).collect();
            let mut to = vec![-1.0; columns * (rows + 2)];
            let (source, target) =
                (Rows { first: from.as_ptr(), stride: columns + 3 }, Rows { first: to.as_mut_ptr(), stride: rows + 2 });
            // SAFETY: both hold the rows.
            unsafe { transpose(source, target, rows, columns) };
            for (at, &value) in to.iter().enumerate() {
                let (j, i) = (at / (rows + 2), at % (rows + 2));
                let expected = if i < rows { from[i * (columns + 3) + j] } else { -1.0 };
                assert_eq!(value, expected, "{rows} x {columns}, row {j}, column {i}");
            }
        }
    }
}
