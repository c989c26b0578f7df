//! The residual block (figure A.27, with scale and shift by the embedding).

use burn::tensor::Tensor;

use super::config::Common;
use super::embedding::EPS;
use crate::models::layers::{Activation, Conv2d, GroupNorm, Linear, Modulation, downsample, upsample};
use crate::models::weights::{Params, WeightError};

/// What a block does to the size, before its first convolution.
#[derive(Clone, Copy, Debug)]
pub(super) enum Resample {
    Keep,
    /// Mean of 2 x 2.
    Down,
    /// Nearest neighbour.
    Up,
}

impl Resample {
    fn forward(self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Keep => x,
            Self::Down => downsample(x),
            Self::Up => upsample(x, 2),
        }
    }
}

/// x + conv(silu(norm(conv(silu(norm x))) (1 + scale) + shift)).
#[derive(Debug)]
pub(super) struct ResBlock {
    resample: Resample,
    norm1: GroupNorm,
    conv1: Conv2d,
    emb: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    /// 1 x 1, where the number of channels changes.
    skip: Option<Conv2d>,
}

impl ResBlock {
    pub fn load(params: &Params<'_, '_>, c: &Common, c_in: usize, c_out: usize, resample: Resample) -> Result<Self, WeightError> {
        Ok(Self {
            resample,
            norm1: params.at("norm1").group_norm(c.groups, c_in, EPS)?,
            conv1: params.at("conv1").conv2d(c_in, c_out, 3, 1)?,
            emb: params.at("emb").linear(c.emb_dim, 2 * c_out, true)?,
            norm2: params.at("norm2").group_norm(c.groups, c_out, EPS)?,
            conv2: params.at("conv2").conv2d(c_out, c_out, 3, 1)?,
            skip: if c_in == c_out { None } else { Some(params.at("skip").conv2d(c_in, c_out, 1, 1)?) },
        })
    }

    /// # Shapes
    /// x [B, c_in, H, W], emb [B, emb_dim] after SiLU -> [B, c_out, H', W']
    pub fn forward(&self, x: Tensor<4>, emb: &Tensor<2>) -> Tensor<4> {
        let h = self.norm1.activate(x.clone(), None, Activation::Silu);
        let h = self.conv1.forward(self.resample.forward(h));
        let modulation = Modulation::new(self.emb.forward(emb.clone()));
        let h = self.conv2.forward(self.norm2.activate(h, Some(modulation), Activation::Silu));
        let x = self.resample.forward(x);
        match &self.skip {
            Some(skip) => skip.forward(x) + h,
            None => x + h,
        }
    }
}
