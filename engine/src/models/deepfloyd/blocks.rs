//! The levels on the way down, the middle, the levels on the way up.

use burn::tensor::Tensor;

use super::attention::Attention;
use super::config::{Level, UnetConfig};
use super::resnet::{Resample, Resnet, Shape};
use crate::models::weights::{Params, WeightError};

/// What every block is told.
pub(super) struct Context {
    /// [B, emb_dim]
    pub emb: Tensor<2>,
    /// [B, L, cross_dim]
    pub text: Tensor<3>,
}

/// Residual blocks, each followed by attention where the level has it, then a block that changes the size.
#[derive(Debug)]
pub(super) struct Block {
    layers: Vec<(Resnet, Option<Attention>)>,
    sampler: Option<Resnet>,
}

/// A block's place: parameter names, level, channels into each of its layers.
struct Plan<'a> {
    level: &'a Level,
    widths: Vec<usize>,
    attention: bool,
    sampler: Option<(&'static str, Resample)>,
}

impl Block {
    fn load(params: &Params<'_, '_>, c: &UnetConfig, plan: &Plan<'_>) -> Result<Self, WeightError> {
        let Level { channels, head_dim, only_cross, .. } = *plan.level;
        let shape = |c_in, resample| Shape { c_in, c_out: channels, resample, out_scale: c.resnet_scale };
        let layer = |(i, &c_in): (usize, &usize)| {
            let resnet = Resnet::load(&params.at("resnets").at(i), c, shape(c_in, Resample::Keep))?;
            let attention = || Attention::load(&params.at("attentions").at(i), c, channels, head_dim, only_cross);
            Ok((resnet, if plan.attention { Some(attention()?) } else { None }))
        };
        let sampler = |(name, resample)| Resnet::load(&params.at(name).at(0), c, shape(channels, resample));
        Ok(Self {
            layers: plan.widths.iter().enumerate().map(layer).collect::<Result<_, WeightError>>()?,
            sampler: plan.sampler.map(sampler).transpose()?,
        })
    }

    /// Adds every result to `skips`.
    pub fn descend(&self, mut h: Tensor<4>, context: &Context, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
        for layer in &self.layers {
            h = run(layer, h, context);
            skips.push(h.clone());
        }
        if let Some(sampler) = &self.sampler {
            h = sampler.forward(h, &context.emb);
            skips.push(h.clone());
        }
        h
    }

    /// Takes one skip a layer, the latest first.
    pub fn ascend(&self, mut h: Tensor<4>, context: &Context, skips: &mut Vec<Tensor<4>>) -> Tensor<4> {
        for layer in &self.layers {
            // `up_blocks` made the layers from the same counts as `down_blocks`.
            #[allow(clippy::expect_used, reason = "a list made of the same counts")]
            let skip = skips.pop().expect("as many skips as layers on the way up");
            h = run(layer, Tensor::cat(vec![h, skip], 1), context);
        }
        match &self.sampler {
            Some(sampler) => sampler.forward(h, &context.emb),
            None => h,
        }
    }
}

fn run((resnet, attention): &(Resnet, Option<Attention>), h: Tensor<4>, context: &Context) -> Tensor<4> {
    let h = resnet.forward(h, &context.emb);
    match attention {
        Some(attention) => attention.forward(h, &context.text),
        None => h,
    }
}

pub(super) fn down_blocks(params: &Params<'_, '_>, c: &UnetConfig) -> Result<Vec<Block>, WeightError> {
    let mut width = c.levels.first().map_or(0, |l| l.channels);
    let mut blocks = Vec::with_capacity(c.levels.len());
    for (i, level) in c.levels.iter().enumerate() {
        let mut widths = vec![level.channels; level.layers];
        if let Some(first) = widths.first_mut() {
            *first = width;
        }
        let sampler = (i + 1 < c.levels.len()).then_some(("downsamplers", Resample::Down));
        let plan = Plan { level, widths, attention: level.down_attention, sampler };
        blocks.push(Block::load(&params.at("down_blocks").at(i), c, &plan)?);
        width = level.channels;
    }
    Ok(blocks)
}

pub(super) fn up_blocks(params: &Params<'_, '_>, c: &UnetConfig) -> Result<Vec<Block>, WeightError> {
    let mut width = c.levels.last().map_or(0, |l| l.channels);
    let mut blocks = Vec::with_capacity(c.levels.len());
    for (i, (at, level)) in c.levels.iter().enumerate().rev().enumerate() {
        // The last skip of a level comes from the level above it, or from the first convolution.
        let above = c.levels.get(at.saturating_sub(1)).map_or(level.channels, |l| l.channels);
        let skip = |layer| if layer == level.layers { above } else { level.channels };
        let input = |layer| if layer == 0 { width } else { level.channels };
        let widths = (0..=level.layers).map(|layer| input(layer) + skip(layer)).collect();
        let sampler = (at > 0).then_some(("upsamplers", Resample::Up));
        let plan = Plan { level, widths, attention: level.up_attention, sampler };
        blocks.push(Block::load(&params.at("up_blocks").at(i), c, &plan)?);
        width = level.channels;
    }
    Ok(blocks)
}

/// Residual block, attention, residual block at the lowest resolution.
#[derive(Debug)]
pub(super) struct Middle {
    first: (Resnet, Option<Attention>),
    second: Resnet,
}

impl Middle {
    pub fn load(params: &Params<'_, '_>, c: &UnetConfig) -> Result<Self, WeightError> {
        let (width, head_dim) = c.levels.last().map_or((0, 1), |l| (l.channels, l.head_dim));
        let shape = Shape { c_in: width, c_out: width, resample: Resample::Keep, out_scale: c.mid_scale };
        let resnet = |i| Resnet::load(&params.at("resnets").at(i), c, shape);
        let attention = Attention::load(&params.at("attentions").at(0), c, width, head_dim, c.mid_only_cross)?;
        Ok(Self { first: (resnet(0)?, Some(attention)), second: resnet(1)? })
    }

    pub fn forward(&self, h: Tensor<4>, context: &Context) -> Tensor<4> {
        self.second.forward(run(&self.first, h, context), &context.emb)
    }
}
