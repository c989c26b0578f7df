//! Weights in the order that products read them.

use std::sync::Arc;

use rayon::prelude::*;

use super::vector::Isa;

/// Weights as panels of one vector of output channels, [panels][taps][width], and the bias; what is missing to whole panels is zero.
#[derive(Clone)]
pub struct Panels {
    pub isa: Isa,
    pub channels: usize,
    /// Values of an input that one output is made of.
    pub taps: usize,
    weights: Arc<[f32]>,
    bias: Arc<[f32]>,
}

impl std::fmt::Debug for Panels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { isa, channels, taps, .. } = self;
        f.debug_struct("Panels").field("isa", isa).field("channels", channels).field("taps", taps).finish_non_exhaustive()
    }
}

impl Panels {
    /// `weight(channel, tap)` for each output channel and tap; no bias is zero.
    pub fn new(
        isa: Isa,
        channels: usize,
        taps: usize,
        bias: Option<&[f32]>,
        weight: impl Fn(usize, usize) -> f32 + Sync,
    ) -> Self {
        let width = isa.width();
        let panels = channels.div_ceil(width);
        let mut weights = vec![0.0; panels * taps * width];
        weights.par_chunks_mut((taps * width).max(1)).enumerate().for_each(|(panel, weights)| {
            for (tap, lanes) in weights.chunks_mut(width).enumerate() {
                for (lane, channel) in lanes.iter_mut().zip(panel * width..channels) {
                    *lane = weight(channel, tap);
                }
            }
        });
        let mut padded = bias.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
        padded.resize(panels * width, 0.0);
        Self { isa, channels, taps, weights: weights.into(), bias: padded.into() }
    }

    /// Panels of one vector.
    pub fn count(&self) -> usize {
        self.bias.len() / self.isa.width()
    }

    /// Weights and bias from panel `first` on.
    pub fn from(&self, first: usize) -> (&[f32], &[f32]) {
        let width = self.isa.width();
        (&self.weights[first * self.taps * width..], &self.bias[first * width..])
    }
}
