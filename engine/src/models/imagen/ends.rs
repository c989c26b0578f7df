//! Where pictures become features and features become a picture.

use burn::tensor::Tensor;

use super::config::Common;
use super::embedding::EPS;
use crate::models::layers::{Activation, Conv2d, GroupNorm, pixel_shuffle_beside, pixel_unshuffle, silu};
use crate::models::weights::{Params, WeightError};

/// [x_t, low_res] -> pixel unshuffle -> conv 3x3.
#[derive(Debug)]
pub(super) struct Stem {
    patch: usize,
    conv: Conv2d,
}

impl Stem {
    pub fn load(params: &Params<'_, '_>, c: &Common) -> Result<Self, WeightError> {
        let conv = params.at("conv").conv2d(c.inputs() * c.patch * c.patch, c.width, 3, 1)?;
        Ok(Self { patch: c.patch, conv })
    }

    /// # Shapes
    /// [B, inputs, H, W] -> [B, width, H / patch, W / patch]
    pub fn forward(&self, inputs: Tensor<4>) -> Tensor<4> {
        self.conv.forward(pixel_unshuffle(inputs, self.patch))
    }
}

/// Group norm, SiLU, then conv 3x3 (patch 1), or conv 1x1, pixel shuffle, and two 3x3 convolutions at full resolution that see the
/// inputs again: without them the patches' edges show.
#[derive(Debug)]
pub(super) struct Head {
    patch: usize,
    norm: GroupNorm,
    conv: Conv2d,
    refine: Option<(Conv2d, Conv2d)>,
}

impl Head {
    pub fn load(params: &Params<'_, '_>, c: &Common, width: usize) -> Result<Self, WeightError> {
        let norm = params.at("norm").group_norm(c.groups, width, EPS)?;
        if c.patch == 1 {
            return Ok(Self { patch: 1, norm, conv: params.at("conv").conv2d(width, c.out_channels, 3, 1)?, refine: None });
        }
        let refine_1 = params.at("refine_1").conv2d(c.refine + c.inputs(), c.refine, 3, 1)?;
        let refine_2 = params.at("refine_2").conv2d(c.refine, c.out_channels, 3, 1)?;
        let conv = params.at("conv").conv2d(width, c.refine * c.patch * c.patch, 1, 1)?;
        Ok(Self { patch: c.patch, norm, conv, refine: Some((refine_1, refine_2)) })
    }

    /// # Shapes
    /// h [B, width, H / patch, W / patch], inputs [B, inputs, H, W] -> [B, out_channels, H, W]
    pub fn forward(&self, h: Tensor<4>, inputs: Tensor<4>) -> Tensor<4> {
        let h = self.conv.forward(self.norm.activate(h, None, Activation::Silu));
        let Some((refine_1, refine_2)) = &self.refine else { return h };
        let h = pixel_shuffle_beside(h, self.patch, inputs);
        refine_2.forward(silu(refine_1.forward(h)))
    }
}
