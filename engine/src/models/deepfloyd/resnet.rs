//! The residual block, which also does the down- and upsampling.

use burn::tensor::Tensor;

use super::config::UnetConfig;
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

/// (x + conv(act(norm(conv(act(norm x))) (1 + scale) + shift))) / out_scale.
#[derive(Debug)]
pub(super) struct Resnet {
    activation: Activation,
    resample: Resample,
    out_scale: f64,
    norm1: GroupNorm,
    conv1: Conv2d,
    emb: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    /// 1 x 1, where the number of channels changes.
    shortcut: Option<Conv2d>,
}

/// Channels in and out, and what else differs between a network's residual blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    pub c_in: usize,
    pub c_out: usize,
    pub resample: Resample,
    pub out_scale: f64,
}

impl Resnet {
    pub fn load(params: &Params<'_, '_>, c: &UnetConfig, shape: Shape) -> Result<Self, WeightError> {
        let Shape { c_in, c_out, resample, out_scale } = shape;
        Ok(Self {
            activation: c.activation,
            resample,
            out_scale,
            norm1: params.at("norm1").group_norm(c.groups, c_in, c.eps)?,
            conv1: params.at("conv1").conv2d(c_in, c_out, 3, 1)?,
            emb: params.at("time_emb_proj").linear(c.emb_dim, 2 * c_out, true)?,
            norm2: params.at("norm2").group_norm(c.groups, c_out, c.eps)?,
            conv2: params.at("conv2").conv2d(c_out, c_out, 3, 1)?,
            shortcut: if c_in == c_out { None } else { Some(params.at("conv_shortcut").conv2d(c_in, c_out, 1, 1)?) },
        })
    }

    /// # Shapes
    /// x [B, c_in, H, W], emb [B, emb_dim] -> [B, c_out, H', W']
    pub fn forward(&self, x: Tensor<4>, emb: &Tensor<2>) -> Tensor<4> {
        let h = self.norm1.activate(x.clone(), None, self.activation);
        let h = self.conv1.forward(self.resample.forward(h));
        let modulation = Modulation::new(self.emb.forward(emb.clone()));
        let h = self.conv2.forward(self.norm2.activate(h, Some(modulation), self.activation));
        let x = self.resample.forward(x);
        let sum = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x) + h,
            None => x + h,
        };
        if self.out_scale == 1.0 { sum } else { sum / self.out_scale }
    }
}
