//! What differs between two pictures.

use imagen_protocol::RgbImage;

/// Amplifications to choose from.
pub const GAINS: [u32; 3] = [1, 4, 16];

/// |A - B|, amplified, and in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// `min(gain |A - B|, 255)` in each channel.
    pub image: RgbImage,
    /// Of |A - B| over all channels of all pixels, in levels of 0 to 255.
    pub mean: f64,
    /// The largest |A - B|, in levels of 0 to 255.
    pub max: u8,
}

/// `None` where the pictures are not of one size.
pub fn difference(a: &RgbImage, b: &RgbImage, gain: u32) -> Option<Difference> {
    if (a.width(), a.height()) != (b.width(), b.height()) {
        return None;
    }
    let apart = || a.pixels().iter().zip(b.pixels()).map(|(&a, &b)| a.abs_diff(b));
    let amplified: Vec<u8> =
        apart().map(|d| u8::try_from(u32::from(d).saturating_mul(gain).min(255)).unwrap_or(u8::MAX)).collect();
    let sum: u64 = apart().map(u64::from).sum();
    let mean = sum as f64 / a.pixels().len() as f64;
    let max = apart().max().unwrap_or(0);
    Some(Difference { image: RgbImage::new(a.width(), a.height(), amplified)?, mean, max })
}

/// The difference that was asked for last: computed once for two pictures, not once a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cache {
    /// The pictures are held, so that their address stays theirs.
    of: Option<(RgbImage, RgbImage, u32)>,
    result: Option<Difference>,
}

impl Cache {
    pub fn get(&mut self, a: &RgbImage, b: &RgbImage, gain: u32) -> Option<&Difference> {
        let same = |x: &RgbImage, y: &RgbImage| std::ptr::eq(x.pixels(), y.pixels());
        let known = self.of.as_ref().is_some_and(|(x, y, g)| same(x, a) && same(y, b) && *g == gain);
        if !known {
            self.result = difference(a, b, gain);
            self.of = Some((a.clone(), b.clone(), gain));
        }
        self.result.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::flat;

    fn picture(pixels: &[u8]) -> RgbImage {
        RgbImage::new(2, 1, pixels.to_vec()).expect("two pixels")
    }

    #[test]
    fn it_is_amplified_and_its_numbers_are_not() {
        let (a, b) = (picture(&[0, 10, 200, 7, 7, 7]), picture(&[6, 10, 180, 7, 7, 7]));
        let d = difference(&a, &b, 4).expect("of one size");
        assert_eq!(d.image.pixels(), [24, 0, 80, 0, 0, 0]);
        assert_eq!((d.max, d.mean), (20, 26.0 / 6.0));
        assert_eq!(difference(&b, &a, 4), Some(d), "the order does not matter");
    }

    #[test]
    fn the_brightest_stays_within_a_byte() {
        let d = difference(&flat(4, [0; 3]), &flat(4, [255, 20, 0]), 16).expect("of one size");
        assert_eq!(&d.image.pixels()[..3], [255, 255, 0]);
        assert_eq!(d.max, 255);
    }

    #[test]
    fn pictures_of_two_sizes_have_none() {
        assert_eq!(difference(&flat(4, [0; 3]), &flat(8, [0; 3]), 1), None);
    }

    #[test]
    fn the_cache_computes_again_only_for_other_pictures_or_another_gain() {
        let (a, b) = (flat(4, [1; 3]), flat(4, [3; 3]));
        let mut cache = Cache::default();
        let first = cache.get(&a, &b, 1).expect("of one size").image.clone();
        let again = cache.get(&a, &b, 1).expect("of one size").image.clone();
        assert!(std::ptr::eq(first.pixels(), again.pixels()));
        assert_eq!(cache.get(&a, &b, 16).expect("of one size").image.pixels()[0], 32);
        assert_eq!(cache.get(&a, &a, 16).expect("of one size").max, 0);
    }
}
