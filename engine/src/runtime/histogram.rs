//! How |x0_hat| is distributed.

use imagen_protocol::Histogram;

const BINS: usize = 64;

/// `BINS` equal bins of |value| from 0 to the largest finite one; infinities count in the last. `None` where a value is NaN.
pub fn histogram(values: &[f32]) -> Option<Histogram> {
    if values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let upper = values.iter().map(|v| v.abs()).filter(|v| v.is_finite()).fold(0.0, f32::max);
    let mut counts = vec![0_u32; BINS];
    for value in values {
        // A share beyond the last bin, and that of an infinity, saturates.
        let share = if upper > 0.0 { value.abs() / upper } else { 0.0 };
        let bin = ((share * BINS as f32) as usize).min(BINS - 1);
        counts[bin] += 1;
    }
    Some(Histogram { upper, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_their_bins_whatever_their_sign() {
        let values = [0.0, 0.01, -0.02, 1.0, -2.0, 3.999, 4.0];
        let Histogram { upper, counts } = histogram(&values).expect("no NaN");
        assert_eq!((upper, counts.len(), counts.iter().sum::<u32>()), (4.0, 64, 7));
        assert_eq!([counts[0], counts[16], counts[32], counts[63]], [3, 1, 1, 2]);
    }

    #[test]
    fn extremes_are_counted_and_not_a_number_is_refused() {
        let zeros = histogram(&[0.0; 5]).expect("no NaN");
        assert_eq!((zeros.upper, zeros.counts[0]), (0.0, 5));
        let far = histogram(&[1.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX]).expect("no NaN");
        assert_eq!((far.upper, far.counts[0], far.counts[63]), (f32::MAX, 1, 3));
        assert_eq!(histogram(&[0.5, f32::NAN]), None);
    }
}
