//! Enlarging pictures on the host, so that every device gets the same input.

use serde::{Deserialize, Serialize};

/// How the low-resolution picture is enlarged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// Cubic convolution with a = -0.75 and half-pixel centres, as PyTorch's "bicubic".
    Bicubic,
    /// Linear, corner pixels on corner pixels, as DeepFloyd IF's pipelines do it.
    BilinearAligned,
}

/// One output coordinate: the first input it reads and the weights of the inputs from there.
struct Taps {
    first: isize,
    weights: Vec<f32>,
}

impl Resize {
    fn taps(self, from: usize, to: usize) -> Vec<Taps> {
        (0..to).map(|i| self.tap(i, from, to)).collect()
    }

    fn tap(self, i: usize, from: usize, to: usize) -> Taps {
        match self {
            Self::Bicubic => {
                let position = (i as f64 + 0.5) * from as f64 / to as f64 - 0.5;
                let floor = position.floor();
                let t = position - floor;
                let weights = [t + 1.0, t, 1.0 - t, 2.0 - t].map(|d| cubic(d) as f32).to_vec();
                Taps { first: floor as isize - 1, weights }
            }
            Self::BilinearAligned => {
                let position = if to > 1 { i as f64 * (from as f64 - 1.0) / (to as f64 - 1.0) } else { 0.0 };
                let t = (position - position.floor()) as f32;
                Taps { first: position.floor() as isize, weights: vec![1.0 - t, t] }
            }
        }
    }
}

/// Keys' kernel at distance d in [0, 2].
fn cubic(d: f64) -> f64 {
    const A: f64 = -0.75;
    if d <= 1.0 { ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0 } else { ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A }
}

/// # Shapes
/// `planes` holds any number of `from` x `from` planes; the result as many of `to` x `to`. Beyond the edge the edge repeats.
pub fn resize(planes: &[f32], from: usize, to: usize, how: Resize) -> Vec<f32> {
    if from == to {
        return planes.to_vec();
    }
    let taps = how.taps(from, to);
    let mut out = Vec::with_capacity(planes.len() / (from * from).max(1) * to * to);
    for plane in planes.chunks_exact(from * from) {
        let rows: Vec<f32> = plane.chunks_exact(from).flat_map(|row| taps.iter().map(|t| t.sum(|x| row[x], from))).collect();
        for tap in &taps {
            out.extend((0..to).map(|x| tap.sum(|y| rows[y * to + x], from)));
        }
    }
    out
}

impl Taps {
    fn sum(&self, read: impl Fn(usize) -> f32, length: usize) -> f32 {
        let clamp = |i: isize| i.clamp(0, length as isize - 1) as usize;
        self.weights.iter().zip(self.first..).map(|(w, i)| w * read(clamp(i))).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// torch.nn.functional.interpolate(torch.tensor([[0., 1.], [2., 4.]])[None, None], 4, mode=...)
    #[test]
    fn agrees_with_pytorch() {
        let plane = [0.0, 1.0, 2.0, 4.0];
        let aligned = resize(&plane, 2, 4, Resize::BilinearAligned);
        let expected = [0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0, 2.0 / 3.0, 10.0 / 9.0, 14.0 / 9.0, 2.0];
        for (ours, expected) in aligned.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-6, "{aligned:?}");
        }
        let bicubic = resize(&plane, 2, 4, Resize::Bicubic);
        let expected = [-0.3053, -0.0083, 0.4809, 0.7779, 0.3238, 0.7310, 1.4018, 1.8091];
        for (ours, expected) in bicubic.iter().zip(expected) {
            assert!((ours - expected).abs() < 1e-4, "{bicubic:?}");
        }
    }

    #[test]
    fn keeps_constants_and_sizes() {
        for how in [Resize::Bicubic, Resize::BilinearAligned] {
            let out = resize(&[0.25; 2 * 9], 3, 7, how);
            assert_eq!(out.len(), 2 * 49);
            assert!(out.iter().all(|v| (v - 0.25).abs() < 1e-6));
        }
    }
}
