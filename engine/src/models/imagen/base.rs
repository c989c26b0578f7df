//! The base model's levels (appendix F.1).

use burn::tensor::Tensor;

use super::attention::Attention;
use super::config::{AttentionKind, BaseConfig, Common};
use super::resnet::{ResBlock, Resample};
use crate::models::Conditioning;
use crate::models::layers::beside;
use crate::models::weights::{Params, WeightError};

/// Residual blocks, each followed by attention where the level has it, then a block that changes the size.
#[derive(Debug)]
struct Level {
    blocks: Vec<(ResBlock, Option<Attention>)>,
    resample: Option<ResBlock>,
}

impl Level {
    /// `widths`: channels into and out of each block.
    fn load(
        params: &Params<'_, '_>,
        c: &Common,
        widths: &[(usize, usize)],
        kind: AttentionKind,
        resample: Option<Resample>,
    ) -> Result<Self, WeightError> {
        let block = |(i, &(c_in, c_out)): (usize, &(usize, usize))| {
            let res = ResBlock::load(&params.at("res").at(i), c, c_in, c_out, Resample::Keep)?;
            Ok((res, Attention::load(&params.at("attn").at(i), c, c_out, kind)?))
        };
        let blocks = widths.iter().enumerate().map(block).collect::<Result<_, WeightError>>()?;
        let width = widths.last().map_or(c.width, |w| w.1);
        let resample = resample.map(|r| ResBlock::load(&params.at("resample"), c, width, width, r)).transpose()?;
        Ok(Self { blocks, resample })
    }
}

/// One block with its attention.
fn stage((res, attention): &(ResBlock, Option<Attention>), h: Tensor<4>, emb: &Tensor<2>, c: &Conditioning) -> Tensor<4> {
    let h = res.forward(h, emb);
    match attention {
        Some(attention) => attention.forward(h, c),
        None => h,
    }
}

/// Levels down, the middle, levels up; skips are concatenated.
#[derive(Debug)]
pub(super) struct Base {
    down: Vec<Level>,
    mid: (ResBlock, Option<Attention>),
    mid_end: ResBlock,
    /// The lowest resolution first.
    up: Vec<Level>,
}

impl Base {
    pub fn load(params: &Params<'_, '_>, config: &BaseConfig) -> Result<Self, WeightError> {
        let c = &config.common;
        let levels = config.channel_mult.len();
        let kind = |level| if config.attends(level) { AttentionKind::SelfText } else { AttentionKind::None };
        let mut width = c.width;
        let mut skips = vec![width];
        let mut down = Vec::with_capacity(levels);
        for level in 0..levels {
            let channels = config.channels(level);
            let widths: Vec<_> =
                (0..config.num_res_blocks[level]).map(|i| (if i == 0 { width } else { channels }, channels)).collect();
            let resample = (level + 1 < levels).then_some(Resample::Down);
            down.push(Level::load(&params.at("down").at(level), c, &widths, kind(level), resample)?);
            skips.extend(std::iter::repeat_n(channels, widths.len() + usize::from(resample.is_some())));
            width = channels;
        }
        let mid = params.at("mid");
        let res1 = ResBlock::load(&mid.at("res1"), c, width, width, Resample::Keep)?;
        let attention = Attention::load(&mid.at("attn"), c, width, AttentionKind::SelfText)?;
        let mid_end = ResBlock::load(&mid.at("res2"), c, width, width, Resample::Keep)?;
        let mut up = Vec::with_capacity(levels);
        for (i, level) in (0..levels).rev().enumerate() {
            let channels = config.channels(level);
            let mut widths = Vec::new();
            for skip in skips.split_off(skips.len() - config.num_res_blocks[level] - 1).into_iter().rev() {
                widths.push((width + skip, channels));
                width = channels;
            }
            let resample = (level > 0).then_some(Resample::Up);
            up.push(Level::load(&params.at("up").at(i), c, &widths, kind(level), resample)?);
        }
        Ok(Self { down, mid: (res1, attention), mid_end, up })
    }

    /// # Shapes
    /// h [B, width, H, W], emb [B, emb_dim] -> the same as h
    pub fn forward(&self, h: Tensor<4>, emb: &Tensor<2>, c: &Conditioning) -> Tensor<4> {
        let (mut h, mut skips) = self.descend(h, emb, c);
        h = self.mid_end.forward(stage(&self.mid, h, emb, c), emb);
        for level in &self.up {
            for block in &level.blocks {
                // One skip a block: `load` made the list from the same counts.
                #[allow(clippy::expect_used, reason = "a list made of the same counts")]
                let skip = skips.pop().expect("as many skips as blocks on the way up");
                h = stage(block, beside(h, skip), emb, c);
            }
            if let Some(resample) = &level.resample {
                h = resample.forward(h, emb);
            }
        }
        h
    }

    fn descend(&self, mut h: Tensor<4>, emb: &Tensor<2>, c: &Conditioning) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut skips = vec![h.clone()];
        for level in &self.down {
            for block in &level.blocks {
                h = stage(block, h, emb, c);
                skips.push(h.clone());
            }
            if let Some(resample) = &level.resample {
                h = resample.forward(h, emb);
                skips.push(h.clone());
            }
        }
        (h, skips)
    }
}
