//! The card of a U-Net: every width and depth.

use serde::{Deserialize, Serialize};

use crate::models::config::{ConfigError, MAX_WIDTH, divides, in_range, require};

/// What both kinds have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Pixels a side that it was trained for; it runs at other sizes too.
    pub image_size: usize,
    pub in_channels: usize,
    pub out_channels: usize,
    /// Whether it sees a low-resolution picture and its augmentation level.
    pub low_res: bool,
    /// Pixels a side of one position of the network; 1 is the paper's.
    pub patch: usize,
    /// Channels of the stem.
    pub width: usize,
    /// Channels an attention head.
    pub head_dim: usize,
    /// Groups of the group normalisations.
    pub groups: usize,
    /// Width of the embedding of time and pooled text.
    pub emb_dim: usize,
    /// Width of the text encoder's states.
    pub text_dim: usize,
    /// Heads of the attention pooling of the text.
    pub pool_heads: usize,
    /// Channels at full resolution, where `patch` > 1.
    pub refine: usize,
}

/// The base model, 64 x 64 in the paper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseConfig {
    pub common: Common,
    /// Channels of each level as a multiple of `width`.
    pub channel_mult: Vec<usize>,
    /// Residual blocks of each level.
    pub num_res_blocks: Vec<usize>,
    /// Sizes in positions (`image_size` / `patch` / 2^level) at which there is attention.
    pub attn_resolutions: Vec<usize>,
}

/// The Efficient U-Net.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EfficientConfig {
    pub common: Common,
    pub blocks: Vec<BlockConfig>,
}

/// One `DBlock` and the `UBlock` that mirrors it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlockConfig {
    pub channels: usize,
    pub stride: usize,
    pub num_res_blocks: usize,
    pub attention: AttentionKind,
}

/// What the picture attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    None,
    /// Text and picture in one softmax (base and 64 -> 256 in the paper).
    SelfText,
    /// The text alone (256 -> 1024 in the paper).
    Cross,
}

/// A U-Net's card. Deserialising one checks it, so every value of this type can be built.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Card")]
pub enum UnetConfig {
    Base(BaseConfig),
    Efficient(EfficientConfig),
}

/// The card as it is written; which of the optional fields belong depends on `kind`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Card {
    kind: String,
    image_size: usize,
    in_channels: usize,
    out_channels: usize,
    low_res: bool,
    patch: usize,
    width: usize,
    head_dim: usize,
    groups: usize,
    emb_dim: usize,
    text_dim: usize,
    pool_heads: usize,
    refine: usize,
    channel_mult: Option<Vec<usize>>,
    num_res_blocks: Option<Vec<usize>>,
    attn_resolutions: Option<Vec<usize>>,
    blocks: Option<Vec<BlockConfig>>,
}

const MAX_LEVELS: usize = 16;
const MAX_BLOCKS: usize = 64;

impl UnetConfig {
    /// # Errors
    /// [`ConfigError`]: a field is unknown, missing, of another type, or has a value that no network can have.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let card: Card = serde_json::from_str(json).map_err(|e| ConfigError::Json(e.to_string()))?;
        card.try_into()
    }

    pub fn common(&self) -> &Common {
        match self {
            Self::Base(c) => &c.common,
            Self::Efficient(c) => &c.common,
        }
    }

    /// Number of values that the way down keeps for the way up, for a picture of `size` x `size`.
    pub fn skip_values(&self, size: usize) -> usize {
        let mut side = size / self.common().patch;
        match self {
            Self::Base(c) => {
                let level = |(level, blocks): (usize, &usize)| c.channels(level) * (blocks + 1) * (side >> level).pow(2);
                c.num_res_blocks.iter().enumerate().map(level).sum()
            }
            Self::Efficient(c) => {
                let mut width = c.common.width;
                let skips = c.blocks.iter().map(|block| {
                    let skip = std::mem::replace(&mut width, block.channels) * side * side;
                    side /= block.stride.max(1);
                    skip
                });
                skips.sum()
            }
        }
    }

    /// Height and width of a picture must be multiples of this many pixels.
    pub fn multiple(&self) -> usize {
        self.common().patch
            * match self {
                Self::Base(c) => 1 << (c.channel_mult.len() - 1),
                Self::Efficient(c) => c.blocks.iter().map(|b| b.stride).product(),
            }
    }
}

impl TryFrom<Card> for UnetConfig {
    type Error = ConfigError;

    fn try_from(card: Card) -> Result<Self, ConfigError> {
        let common = card.common();
        common.check()?;
        let config = match card.kind.as_str() {
            "base" => Self::Base(card.base(common)?),
            "efficient" => Self::Efficient(card.efficient(common)?),
            kind => return Err(ConfigError::field("kind", format!("{kind:?}"), "\"base\", \"efficient\"")),
        };
        Ok(config)
    }
}

impl Card {
    fn common(&self) -> Common {
        Common {
            image_size: self.image_size,
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            low_res: self.low_res,
            patch: self.patch,
            width: self.width,
            head_dim: self.head_dim,
            groups: self.groups,
            emb_dim: self.emb_dim,
            text_dim: self.text_dim,
            pool_heads: self.pool_heads,
            refine: self.refine,
        }
    }

    fn base(self, common: Common) -> Result<BaseConfig, ConfigError> {
        require(self.blocks.is_none(), "blocks", "given", "no such field for kind \"base\"")?;
        let config = BaseConfig {
            common,
            channel_mult: given("channel_mult", self.channel_mult)?,
            num_res_blocks: given("num_res_blocks", self.num_res_blocks)?,
            attn_resolutions: given("attn_resolutions", self.attn_resolutions)?,
        };
        config.check()?;
        Ok(config)
    }

    fn efficient(self, common: Common) -> Result<EfficientConfig, ConfigError> {
        let foreign = [("channel_mult", &self.channel_mult), ("num_res_blocks", &self.num_res_blocks)];
        for (field, value) in foreign.into_iter().chain([("attn_resolutions", &self.attn_resolutions)]) {
            require(value.is_none(), field, "given", "no such field for kind \"efficient\"")?;
        }
        let config = EfficientConfig { common, blocks: given("blocks", self.blocks)? };
        config.check()?;
        Ok(config)
    }
}

fn given<T>(field: &str, value: Option<T>) -> Result<T, ConfigError> {
    value.ok_or_else(|| ConfigError::field(field, "missing", "a list"))
}

impl Common {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("image_size", self.image_size, MAX_WIDTH)?;
        in_range("in_channels", self.in_channels, 64)?;
        in_range("out_channels", self.out_channels, 64)?;
        in_range("patch", self.patch, 64)?;
        for (field, value) in [
            ("width", self.width),
            ("head_dim", self.head_dim),
            ("groups", self.groups),
            ("emb_dim", self.emb_dim),
            ("text_dim", self.text_dim),
            ("pool_heads", self.pool_heads),
            ("refine", self.refine),
        ] {
            in_range(field, value, MAX_WIDTH)?;
        }
        require(self.width.is_multiple_of(2), "width", self.width, "an even number: half of the time's features are sines")?;
        divides("patch", self.patch, "image_size", self.image_size)?;
        divides("groups", self.groups, "width", self.width)?;
        divides("pool_heads", self.pool_heads, "emb_dim", self.emb_dim)
    }

    /// A level of `channels`, with attention or without.
    fn check_level(&self, channels: usize, attention: bool) -> Result<(), ConfigError> {
        in_range("a level's channels", channels, MAX_WIDTH)?;
        divides("groups", self.groups, "a level's channels", channels)?;
        if attention { divides("head_dim", self.head_dim, "a level's channels", channels) } else { Ok(()) }
    }

    /// Channels that enter the stem.
    pub(crate) fn inputs(&self) -> usize {
        self.in_channels * if self.low_res { 2 } else { 1 }
    }
}

impl BaseConfig {
    fn check(&self) -> Result<(), ConfigError> {
        let levels = self.channel_mult.len();
        in_range("the number of levels in channel_mult", levels, MAX_LEVELS)?;
        let counts = self.num_res_blocks.len();
        require(counts == levels, "the length of num_res_blocks", counts, &format!("{levels}, the length of channel_mult"))?;
        divides("patch * 2^(levels - 1)", self.common.patch << (levels - 1), "image_size", self.common.image_size)?;
        for (level, (&mult, &blocks)) in self.channel_mult.iter().zip(&self.num_res_blocks).enumerate() {
            in_range("channel_mult", mult, MAX_WIDTH)?;
            in_range("num_res_blocks", blocks, MAX_BLOCKS)?;
            let last = level + 1 == levels; // the middle always attends
            self.common.check_level(self.channels(level), last || self.attends(level))?;
        }
        let sizes: Vec<usize> = (0..levels).map(|level| self.size(level)).collect();
        match self.attn_resolutions.iter().find(|r| !sizes.contains(r)) {
            Some(r) => Err(ConfigError::field("attn_resolutions", r, format!("the levels' sizes {sizes:?}"))),
            None => Ok(()),
        }
    }

    pub(crate) fn channels(&self, level: usize) -> usize {
        self.common.width * self.channel_mult[level]
    }

    fn size(&self, level: usize) -> usize {
        (self.common.image_size / self.common.patch) >> level
    }

    pub(crate) fn attends(&self, level: usize) -> bool {
        self.attn_resolutions.contains(&self.size(level))
    }
}

impl EfficientConfig {
    fn check(&self) -> Result<(), ConfigError> {
        in_range("the number of blocks", self.blocks.len(), MAX_LEVELS)?;
        let mut multiple = self.common.patch;
        for block in &self.blocks {
            in_range("stride", block.stride, 8)?;
            in_range("num_res_blocks", block.num_res_blocks, MAX_BLOCKS)?;
            self.common.check_level(block.channels, block.attention != AttentionKind::None)?;
            multiple *= block.stride;
            divides("patch * strides", multiple, "image_size", self.common.image_size)?;
        }
        Ok(())
    }
}
