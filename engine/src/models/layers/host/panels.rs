//! Weights in the order that products read them.

use std::cell::RefCell;
use std::sync::Arc;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use super::Source;
use super::product::VECTORS;
use super::vector::Isa;

/// Weights as panels of one vector of output channels, [panels][taps][width], and the bias; what is missing to whole panels is zero.
#[derive(Clone)]
pub struct Panels {
    pub isa: Isa,
    pub channels: usize,
    /// Values of an input that one output is made of.
    pub taps: usize,
    weights: Values,
    bias: Arc<[f32]>,
}

/// At rest; products read f32.
#[derive(Clone)]
enum Values {
    F32(Arc<[f32]>),
    F16(Arc<[f16]>),
}

impl std::fmt::Debug for Panels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { isa, channels, taps, .. } = self;
        f.debug_struct("Panels").field("isa", isa).field("channels", channels).field("taps", taps).finish_non_exhaustive()
    }
}

impl Panels {
    /// The weight of an output channel and a tap is `weights[at(channel, tap)]`; no bias is zero.
    pub fn new(
        isa: Isa,
        [channels, taps]: [usize; 2],
        weights: Source<'_>,
        bias: Option<&[f32]>,
        at: impl Fn(usize, usize) -> usize + Sync,
    ) -> Self {
        let width = isa.width();
        let shape = [channels, taps, width];
        let weights = match weights {
            Source::F32(values) => Values::F32(arrange(values, shape, at).into()),
            Source::F16(values) => Values::F16(arrange(values, shape, at).into()),
        };
        let mut padded = bias.map_or_else(|| vec![0.0; channels], <[f32]>::to_vec);
        padded.resize(channels.next_multiple_of(width), 0.0);
        Self { isa, channels, taps, weights, bias: padded.into() }
    }

    /// Panels of one vector.
    pub fn count(&self) -> usize {
        self.bias.len() / self.isa.width()
    }

    /// `f` on weights and bias of panel `first` and its neighbour. Weights that lie as f16 are made f32 for the time of the call, so a caller
    /// does all that it has to do with them in one.
    pub fn with<R>(&self, first: usize, f: impl FnOnce(&[f32], &[f32]) -> R) -> R {
        thread_local! {
            static WIDE: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
        }
        let (width, panel) = (self.isa.width(), self.isa.width() * self.taps);
        let bias = &self.bias[first * width..];
        match &self.weights {
            Values::F32(weights) => f(&weights[first * panel..], bias),
            Values::F16(weights) => WIDE.with_borrow_mut(|wide| {
                let weights = &weights[first * panel..(first + VECTORS).min(self.count()) * panel];
                wide.resize(weights.len().max(wide.len()), 0.0);
                weights.convert_to_f32_slice(&mut wide[..weights.len()]);
                f(wide, bias)
            }),
        }
    }
}

fn arrange<T: Copy + Default + Send + Sync>(
    values: &[T],
    [channels, taps, width]: [usize; 3],
    at: impl Fn(usize, usize) -> usize + Sync,
) -> Vec<T> {
    let mut panels = vec![T::default(); channels.div_ceil(width) * taps * width];
    panels.par_chunks_mut((taps * width).max(1)).enumerate().for_each(|(panel, weights)| {
        for (tap, lanes) in weights.chunks_mut(width).enumerate() {
            for (lane, channel) in lanes.iter_mut().zip(panel * width..channels) {
                *lane = values[at(channel, tap)];
            }
        }
    });
    panels
}
