//! The one place that names the families of networks.

use burn::tensor::Tensor;

use super::weights::{Params, WeightError};
use super::{Conditioning, InputError, deepfloyd, imagen};
use crate::ops::CONV_SCRATCH_BYTES;

/// Maps that a residual block holds at a time: its input, what it was joined of, normalised, convolved.
const WORKING_MAPS: u64 = 4;

/// The description of a U-Net of any family.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkConfig {
    Imagen(imagen::UnetConfig),
    DeepFloyd(deepfloyd::UnetConfig),
}

/// A U-Net of any family, loaded.
#[derive(Debug)]
pub enum Network {
    Imagen(imagen::Unet),
    DeepFloyd(deepfloyd::Unet),
}

impl NetworkConfig {
    /// Reads every parameter of the network below `params`.
    ///
    /// # Errors
    /// [`WeightError`]: missing, another shape, another dtype, not finite.
    pub fn load(&self, params: &Params<'_, '_>) -> Result<Network, WeightError> {
        match self {
            Self::Imagen(config) => imagen::Unet::load(config, params).map(Network::Imagen),
            Self::DeepFloyd(config) => deepfloyd::Unet::load(config, params).map(Network::DeepFloyd),
        }
    }

    /// "base", "efficient" or "deepfloyd".
    pub fn name(&self) -> &'static str {
        match self {
            Self::Imagen(imagen::UnetConfig::Base(_)) => "base",
            Self::Imagen(imagen::UnetConfig::Efficient(_)) => "efficient",
            Self::DeepFloyd(_) => "deepfloyd",
        }
    }

    /// Whether the network takes a low-resolution picture.
    pub fn low_res(&self) -> bool {
        match self {
            Self::Imagen(config) => config.common().low_res,
            Self::DeepFloyd(config) => config.noise_level,
        }
    }

    /// Width of the text states that it takes.
    pub fn text_dim(&self) -> usize {
        match self {
            Self::Imagen(config) => config.common().text_dim,
            Self::DeepFloyd(config) => config.text_dim,
        }
    }

    /// Height and width of a picture must be multiples of this many pixels.
    pub fn multiple(&self) -> usize {
        match self {
            Self::Imagen(config) => config.multiple(),
            Self::DeepFloyd(config) => config.multiple(),
        }
    }

    /// Bytes of what is computed at the widest moment of a pass for one `size` x `size` picture: all skips, and the maps that the last
    /// blocks work on, as many as a residual block holds; and what a GPU's convolutions split their sums into.
    pub fn activations(&self, size: usize) -> u64 {
        let skips = match self {
            Self::Imagen(config) => config.skip_values(size),
            Self::DeepFloyd(config) => config.skip_values(size),
        };
        4 * skips as u64 + WORKING_MAPS * self.largest_activation(size) + CONV_SCRATCH_BYTES
    }

    /// Bytes of the largest f32 activation for one `size` x `size` picture: the map at the full resolution of the first level.
    pub fn largest_activation(&self, size: usize) -> u64 {
        let bytes = |channels: usize, side: usize| 4 * channels as u64 * (side as u64).pow(2);
        match self {
            Self::Imagen(config) => {
                let c = config.common();
                let head = if c.patch > 1 { c.refine + c.inputs() } else { c.width };
                bytes(head, size).max(bytes(2 * c.width, size / c.patch))
            }
            // The last level joins its own channels with the skip's.
            Self::DeepFloyd(config) => bytes(config.levels.first().map_or(0, |l| 2 * l.channels), size),
        }
    }
}

impl Network {
    /// Whether [`Network::forward`] takes these.
    ///
    /// # Errors
    /// [`InputError`].
    pub fn check(&self, x_t: [usize; 4], conditioning: &Conditioning) -> Result<(), InputError> {
        match self {
            Self::Imagen(unet) => unet.check(x_t, conditioning),
            Self::DeepFloyd(unet) => unet.check(x_t, conditioning),
        }
    }

    /// # Shapes
    /// x_t [B, C, H, W], time [B] -> [B, out_channels, H, W]
    ///
    /// # Panics
    /// If [`Network::check`] refuses the inputs.
    pub fn forward(&self, x_t: Tensor<4>, time: &[f32], conditioning: &Conditioning) -> Tensor<4> {
        match self {
            Self::Imagen(unet) => unet.forward(x_t, time, conditioning),
            Self::DeepFloyd(unet) => unet.forward(x_t, time, conditioning),
        }
    }
}
