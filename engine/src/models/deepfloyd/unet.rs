//! DeepFloyd IF's U-Net.

use burn::tensor::Tensor;

use super::blocks::{Block, Context, Middle, down_blocks, up_blocks};
use super::config::UnetConfig;
use super::embedding::Embedding;
use crate::models::conditioning::{Expected, check_inputs};
use crate::models::layers::{Conv2d, GroupNorm, Linear};
use crate::models::weights::{Params, WeightError};
use crate::models::{Conditioning, InputError};

/// Stage I or II; the config says which.
#[derive(Debug)]
pub struct Unet {
    config: UnetConfig,
    conv_in: Conv2d,
    embedding: Embedding,
    text: Linear,
    down: Vec<Block>,
    middle: Middle,
    up: Vec<Block>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

impl Unet {
    /// Reads every parameter of the network below `params`.
    ///
    /// # Errors
    /// [`WeightError`]: missing, another shape, another dtype, not finite.
    pub fn load(config: &UnetConfig, params: &Params<'_, '_>) -> Result<Self, WeightError> {
        let c = config;
        let width = c.levels.first().map_or(0, |l| l.channels);
        Ok(Self {
            conv_in: params.at("conv_in").conv2d(c.in_channels, width, c.conv_in_kernel, 1)?,
            embedding: Embedding::load(params, c)?,
            text: params.at("encoder_hid_proj").linear(c.text_dim, c.cross_dim, true)?,
            down: down_blocks(params, c)?,
            middle: Middle::load(&params.at("mid_block"), c)?,
            up: up_blocks(params, c)?,
            norm_out: params.at("conv_norm_out").group_norm(c.groups, width, c.eps)?,
            conv_out: params.at("conv_out").conv2d(width, c.out_channels, c.conv_out_kernel, 1)?,
            config: config.clone(),
        })
    }

    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Whether [`Unet::forward`] takes these: call it once a stage. `x_t` alone counts, without the low-resolution channels.
    ///
    /// # Errors
    /// [`InputError`]: a shape that does not fit, or no `low_res` for stage II.
    pub fn check(&self, x_t: [usize; 4], conditioning: &Conditioning) -> Result<(), InputError> {
        let c = &self.config;
        let low_res = c.noise_level;
        let channels = if low_res { c.in_channels / 2 } else { c.in_channels };
        let expected = Expected { channels, text_dim: c.text_dim, low_res, aug_level: low_res, multiple: c.multiple() };
        check_inputs(x_t, conditioning, &expected)
    }

    /// eps, then the variance's interpolation where `out_channels` is twice the picture's.
    ///
    /// # Shapes
    /// x_t [B, C, H, W], time [B] (the timestep) -> [B, out_channels, H, W]; `conditioning.low_res` is appended to x_t
    ///
    /// # Panics
    /// If [`Unet::check`] refuses the inputs.
    pub fn forward(&self, x_t: Tensor<4>, time: &[f32], conditioning: &Conditioning) -> Tensor<4> {
        let input = match &conditioning.low_res {
            Some(low_res) if self.config.noise_level => Tensor::cat(vec![x_t, low_res.clone()], 1),
            _ => x_t,
        };
        let emb = self.embedding.forward(time, conditioning);
        let context = Context { emb, text: self.text.forward(conditioning.text.clone()) };
        let mut h = self.conv_in.forward(input);
        let mut skips = vec![h.clone()];
        for block in &self.down {
            h = block.descend(h, &context, &mut skips);
        }
        h = self.middle.forward(h, &context);
        for block in &self.up {
            h = block.ascend(h, &context, &mut skips);
        }
        self.conv_out.forward(self.norm_out.activate(h, None, self.config.activation))
    }
}
