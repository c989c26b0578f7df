//! A U-Net of the paper: stem, embedding, levels, head.

use burn::tensor::Tensor;

use super::base::Base;
use super::config::UnetConfig;
use super::efficient::Efficient;
use super::embedding::Embedding;
use super::ends::{Head, Stem};
use crate::models::conditioning::{Expected, check_inputs};
use crate::models::layers::beside;
use crate::models::weights::{Params, WeightError};
use crate::models::{Conditioning, InputError};

#[derive(Debug)]
enum Levels {
    Base(Base),
    Efficient(Efficient),
}

/// The paper's U-Net, either kind.
#[derive(Debug)]
pub struct Unet {
    config: UnetConfig,
    stem: Stem,
    embedding: Embedding,
    levels: Levels,
    head: Head,
}

impl Unet {
    /// Reads every parameter of the network below `params`.
    ///
    /// # Errors
    /// [`WeightError`]: missing, another shape, another dtype, not finite.
    pub fn load(config: &UnetConfig, params: &Params<'_, '_>) -> Result<Self, WeightError> {
        let c = config.common();
        let (levels, width) = match config {
            UnetConfig::Base(base) => (Levels::Base(Base::load(params, base)?), base.channels(0)),
            UnetConfig::Efficient(efficient) => (Levels::Efficient(Efficient::load(params, efficient)?), c.width),
        };
        Ok(Self {
            stem: Stem::load(&params.at("stem"), c)?,
            embedding: Embedding::load(&params.at("cond"), c)?,
            levels,
            head: Head::load(&params.at("head"), c, width)?,
            config: config.clone(),
        })
    }

    pub fn config(&self) -> &UnetConfig {
        &self.config
    }

    /// Whether [`Unet::forward`] takes these: call it once a stage.
    ///
    /// # Errors
    /// [`InputError`]: a shape that does not fit, or no `low_res` for a super-resolution model.
    pub fn check(&self, x_t: [usize; 4], conditioning: &Conditioning) -> Result<(), InputError> {
        let c = self.config.common();
        let expected = Expected {
            channels: c.in_channels,
            text_dim: c.text_dim,
            low_res: c.low_res,
            aug_level: c.low_res,
            multiple: self.config.multiple(),
        };
        check_inputs(x_t, conditioning, &expected)
    }

    /// What the stage card's `prediction` says: eps, v or x0.
    ///
    /// # Shapes
    /// x_t [B, in_channels, H, W], time [B] (1000 t for a continuous schedule, the timestep for a discrete one)
    /// -> [B, out_channels, H, W]
    ///
    /// # Panics
    /// If [`Unet::check`] refuses the inputs.
    pub fn forward(&self, x_t: Tensor<4>, time: &[f32], conditioning: &Conditioning) -> Tensor<4> {
        let inputs = match &conditioning.low_res {
            Some(low_res) if self.config.common().low_res => beside(x_t, low_res.clone()),
            _ => x_t,
        };
        let emb = self.embedding.forward(time, conditioning);
        let h = self.stem.forward(inputs.clone());
        let h = match &self.levels {
            Levels::Base(base) => base.forward(h, &emb, conditioning),
            Levels::Efficient(efficient) => efficient.forward(h, &emb, conditioning),
        };
        self.head.forward(h, inputs)
    }
}
