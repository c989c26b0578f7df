//! The Efficient U-Net's blocks (appendix B).

use burn::tensor::Tensor;

use super::attention::Attention;
use super::config::{BlockConfig, Common, EfficientConfig};
use super::resnet::{ResBlock, Resample};
use crate::models::Conditioning;
use crate::models::layers::{Conv2d, upsample};
use crate::models::weights::{Params, WeightError};

/// Residual blocks and attention: what a `DBlock` has after its convolution and a `UBlock` before its own.
#[derive(Debug)]
struct Body {
    res: Vec<ResBlock>,
    attention: Option<Attention>,
}

impl Body {
    fn load(params: &Params<'_, '_>, c: &Common, block: &BlockConfig) -> Result<Self, WeightError> {
        let width = block.channels;
        let res = (0..block.num_res_blocks).map(|i| ResBlock::load(&params.at("res").at(i), c, width, width, Resample::Keep));
        Ok(Self {
            res: res.collect::<Result<_, _>>()?,
            attention: Attention::load(&params.at("attn"), c, width, block.attention)?,
        })
    }

    fn forward(&self, h: Tensor<4>, emb: &Tensor<2>, c: &Conditioning) -> Tensor<4> {
        let h = self.res.iter().fold(h, |h, res| res.forward(h, emb));
        match &self.attention {
            Some(attention) => attention.forward(h, c),
            None => h,
        }
    }
}

/// Figure A.28: downsampling convolution first.
#[derive(Debug)]
struct DBlock {
    conv: Conv2d,
    body: Body,
}

/// Figure A.29: upsampling convolution last.
#[derive(Debug)]
struct UBlock {
    body: Body,
    stride: usize,
    conv: Conv2d,
}

/// Blocks down, blocks up; skips are scaled by 1 / sqrt 2 and added.
#[derive(Debug)]
pub(super) struct Efficient {
    down: Vec<DBlock>,
    /// The lowest resolution first.
    up: Vec<UBlock>,
}

impl Efficient {
    pub fn load(params: &Params<'_, '_>, config: &EfficientConfig) -> Result<Self, WeightError> {
        let c = &config.common;
        let mut width = c.width;
        let (mut down, mut outer) = (Vec::new(), Vec::new());
        for (i, block) in config.blocks.iter().enumerate() {
            let params = params.at("down").at(i);
            let conv = params.at("conv").conv2d(width, block.channels, 3, block.stride)?;
            down.push(DBlock { conv, body: Body::load(&params, c, block)? });
            outer.push(width);
            width = block.channels;
        }
        let mut up = Vec::new();
        for (i, (block, &outer)) in config.blocks.iter().zip(&outer).rev().enumerate() {
            let params = params.at("up").at(i);
            let conv = params.at("conv").conv2d(block.channels, outer, 3, 1)?;
            up.push(UBlock { body: Body::load(&params, c, block)?, stride: block.stride, conv });
        }
        Ok(Self { down, up })
    }

    /// # Shapes
    /// h [B, width, H, W], emb [B, emb_dim] -> the same as h
    pub fn forward(&self, mut h: Tensor<4>, emb: &Tensor<2>, c: &Conditioning) -> Tensor<4> {
        let mut skips = Vec::with_capacity(self.down.len());
        for block in &self.down {
            skips.push(h.clone());
            h = block.body.forward(block.conv.forward(h), emb, c);
        }
        for block in &self.up {
            h = block.body.forward(h, emb, c);
            if block.stride > 1 {
                h = upsample(h, block.stride);
            }
            #[allow(clippy::expect_used, reason = "a list made of the same counts")]
            let skip = skips.pop().expect("as many blocks up as down");
            h = block.conv.forward(h) + skip * std::f32::consts::FRAC_1_SQRT_2;
        }
        h
    }
}
