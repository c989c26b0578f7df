//! `unet/config.json` of a diffusers folder: what it says, and which of it is supported.

use std::fmt::Display;

use serde::Deserialize;
use serde_json::Value;

use crate::models::config::{ConfigError, MAX_WIDTH, divides, in_range, require};
use crate::models::layers::Activation;

const DOWN_PLAIN: &str = "ResnetDownsampleBlock2D";
const DOWN_ATTENTION: &str = "SimpleCrossAttnDownBlock2D";
const UP_PLAIN: &str = "ResnetUpsampleBlock2D";
const UP_ATTENTION: &str = "SimpleCrossAttnUpBlock2D";
const MID: &str = "UNetMidBlock2DSimpleCrossAttn";
const MAX_LEVELS: usize = 16;
const MAX_LAYERS: usize = 64;

/// One resolution of the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    pub channels: usize,
    /// Residual blocks on the way down; one more on the way up.
    pub layers: usize,
    /// Channels an attention head.
    pub head_dim: usize,
    pub down_attention: bool,
    pub up_attention: bool,
    /// Whether the picture attends to the text alone.
    pub only_cross: bool,
}

/// A U-Net of DeepFloyd IF. Made from a config file, whose every field is checked.
#[derive(Clone, Debug, PartialEq)]
pub struct UnetConfig {
    pub sample_size: Option<usize>,
    pub in_channels: usize,
    pub out_channels: usize,
    pub levels: Vec<Level>,
    pub mid_only_cross: bool,
    pub cross_dim: usize,
    /// Whether the text's states are normalised before the attention.
    pub cross_norm: bool,
    pub text_dim: usize,
    pub text_heads: usize,
    /// Width of the time embedding.
    pub emb_dim: usize,
    /// Whether it hears how noisy the low-resolution picture is: stage II.
    pub noise_level: bool,
    pub activation: Activation,
    /// Applied once to the whole embedding.
    pub emb_activation: Option<Activation>,
    /// Whether the residual blocks leave the embedding as it is.
    pub skip_time_act: bool,
    pub resnet_scale: f64,
    pub mid_scale: f64,
    pub groups: usize,
    pub eps: f64,
    pub conv_in_kernel: usize,
    pub conv_out_kernel: usize,
    pub cos_first: bool,
    pub freq_shift: f64,
}

/// A number for every level or one for all.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum PerLevel<T> {
    One(T),
    Each(Vec<T>),
}

impl<T: Copy> PerLevel<T> {
    fn expand(&self, field: &str, levels: usize) -> Result<Vec<T>, ConfigError> {
        match self {
            Self::One(value) => Ok(vec![*value; levels]),
            Self::Each(values) => {
                let found = values.len();
                require(found == levels, &format!("the length of {field}"), found, &format!("{levels}, the number of blocks"))?;
                Ok(values.clone())
            }
        }
    }
}

/// The fields that shape the network, under diffusers' names; where a file leaves one out, diffusers' default holds.
#[derive(Debug, Deserialize)]
struct Fields {
    sample_size: Option<usize>,
    in_channels: usize,
    out_channels: usize,
    block_out_channels: Vec<usize>,
    layers_per_block: PerLevel<usize>,
    attention_head_dim: PerLevel<usize>,
    down_block_types: Vec<String>,
    up_block_types: Vec<String>,
    mid_block_type: String,
    only_cross_attention: Option<PerLevel<bool>>,
    mid_block_only_cross_attention: Option<bool>,
    cross_attention_dim: usize,
    cross_attention_norm: Option<String>,
    encoder_hid_dim: usize,
    encoder_hid_dim_type: Option<String>,
    addition_embed_type: String,
    addition_embed_type_num_heads: Option<usize>,
    class_embed_type: Option<String>,
    time_embedding_dim: Option<usize>,
    time_embedding_act_fn: Option<String>,
    act_fn: String,
    norm_num_groups: usize,
    norm_eps: f64,
    resnet_time_scale_shift: String,
    resnet_skip_time_act: Option<bool>,
    resnet_out_scale_factor: Option<f64>,
    mid_block_scale_factor: Option<f64>,
    conv_in_kernel: Option<usize>,
    conv_out_kernel: Option<usize>,
    flip_sin_to_cos: Option<bool>,
    freq_shift: Option<f64>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

/// Fields that other networks use, with the values that mean "not here".
fn unused_values(field: &str) -> Option<&'static [&'static str]> {
    Some(match field {
        "center_input_sample" | "class_embeddings_concat" | "dual_cross_attention" | "use_linear_projection" => {
            &["false", "null"]
        }
        "time_embedding_type" => &["\"positional\""],
        "attention_type" => &["\"default\""],
        "addition_time_embed_dim"
        | "num_attention_heads"
        | "num_class_embeds"
        | "projection_class_embeddings_input_dim"
        | "reverse_transformer_layers_per_block"
        | "time_cond_proj_dim"
        | "timestep_post_act" => &["null"],
        "transformer_layers_per_block" => &["1", "null"],
        _ => return None,
    })
}

/// Fields without effect on these networks: the softmax is in f32 anyway, nothing is dropped out, samplers are residual blocks.
const WITHOUT_EFFECT: [&str; 3] = ["upcast_attention", "dropout", "downsample_padding"];

impl UnetConfig {
    /// # Errors
    /// [`ConfigError`]: a field is missing, unknown, or has a value that is not supported.
    pub fn from_json(json: &str) -> Result<Self, ConfigError> {
        let fields: Fields = serde_json::from_str(json).map_err(|e| ConfigError::Json(e.to_string()))?;
        fields.check_others()?;
        fields.check_kinds()?;
        let config = fields.resolve()?;
        config.check()?;
        Ok(config)
    }

    /// Number of values that the way down keeps for the way up, for a picture of `size` x `size`.
    pub fn skip_values(&self, size: usize) -> usize {
        let level = |(i, level): (usize, &Level)| level.channels * (level.layers + 1) * (size >> i).pow(2);
        self.levels.iter().enumerate().map(level).sum()
    }

    /// Height and width of a picture must be multiples of this many pixels.
    pub fn multiple(&self) -> usize {
        1 << (self.levels.len() - 1)
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (field, value) in [
            ("in_channels", self.in_channels),
            ("out_channels", self.out_channels),
            ("cross_attention_dim", self.cross_dim),
            ("encoder_hid_dim", self.text_dim),
            ("addition_embed_type_num_heads", self.text_heads),
            ("time_embedding_dim", self.emb_dim),
            ("norm_num_groups", self.groups),
        ] {
            in_range(field, value, MAX_WIDTH)?;
        }
        for (field, kernel) in [("conv_in_kernel", self.conv_in_kernel), ("conv_out_kernel", self.conv_out_kernel)] {
            require(matches!(kernel, 1 | 3 | 5 | 7), field, kernel, "1, 3, 5, 7")?;
        }
        for (field, value) in [("resnet_out_scale_factor", self.resnet_scale), ("mid_block_scale_factor", self.mid_scale)] {
            require(value.is_finite() && value > 0.0, field, value, "a positive number")?;
        }
        require(self.eps.is_finite() && self.eps > 0.0, "norm_eps", self.eps, "a positive number")?;
        divides("addition_embed_type_num_heads", self.text_heads, "encoder_hid_dim", self.text_dim)?;
        if self.cross_norm {
            divides("cross_attention_norm's groups", Self::CROSS_GROUPS, "cross_attention_dim", self.cross_dim)?;
        }
        self.levels.iter().try_for_each(|level| self.check_level(level))?;
        let half = self.levels.first().map_or(0, |l| l.channels) / 2;
        let shift = self.freq_shift;
        require(shift.is_finite() && shift < half as f64, "freq_shift", shift, "less than half of block_out_channels[0]")
    }

    fn check_level(&self, level: &Level) -> Result<(), ConfigError> {
        let channels = level.channels;
        in_range("block_out_channels", channels, MAX_WIDTH)?;
        in_range("layers_per_block", level.layers, MAX_LAYERS)?;
        in_range("attention_head_dim", level.head_dim, MAX_WIDTH)?;
        require(channels.is_multiple_of(2), "block_out_channels", channels, "even numbers")?;
        divides("norm_num_groups", self.groups, "block_out_channels", channels)?;
        let last = self.levels.last().is_some_and(|l| l == level); // the middle always attends
        if level.down_attention || level.up_attention || last {
            divides("attention_head_dim", level.head_dim, "block_out_channels", channels)?;
        }
        Ok(())
    }

    /// Groups of `norm_cross`: diffusers fixes them, whatever `norm_num_groups` says.
    pub(crate) const CROSS_GROUPS: usize = 32;
}

impl Fields {
    fn check_others(&self) -> Result<(), ConfigError> {
        for (field, value) in &self.others {
            if field.starts_with('_') || WITHOUT_EFFECT.contains(&field.as_str()) {
                continue;
            }
            let Some(supported) = unused_values(field) else {
                return Err(ConfigError::field(field, value, "no such field in DeepFloyd IF's U-Nets"));
            };
            require(supported.contains(&value.to_string().as_str()), field, value, &supported.join(", "))?;
        }
        Ok(())
    }

    fn check_kinds(&self) -> Result<(), ConfigError> {
        one_of("mid_block_type", &self.mid_block_type, &[MID])?;
        one_of("addition_embed_type", &self.addition_embed_type, &["text"])?;
        one_of("resnet_time_scale_shift", &self.resnet_time_scale_shift, &["scale_shift"])?;
        for (field, value, supported) in [
            ("encoder_hid_dim_type", &self.encoder_hid_dim_type, "text_proj"),
            ("class_embed_type", &self.class_embed_type, "timestep"),
            ("cross_attention_norm", &self.cross_attention_norm, "group_norm"),
        ] {
            if let Some(value) = value {
                require(value == supported, field, quoted(value), &format!("null, {}", quoted(supported)))?;
            }
        }
        Ok(())
    }

    fn resolve(&self) -> Result<UnetConfig, ConfigError> {
        let levels = self.levels()?;
        let first = levels.first().map_or(0, |l| l.channels);
        // diffusers: one flag for all levels holds for the middle too, a list does not.
        let mid_default = matches!(self.only_cross_attention, Some(PerLevel::One(true)));
        Ok(UnetConfig {
            sample_size: self.sample_size,
            in_channels: self.in_channels,
            out_channels: self.out_channels,
            levels,
            mid_only_cross: self.mid_block_only_cross_attention.unwrap_or(mid_default),
            cross_dim: self.cross_attention_dim,
            cross_norm: self.cross_attention_norm.is_some(),
            text_dim: self.encoder_hid_dim,
            text_heads: self.addition_embed_type_num_heads.unwrap_or(64),
            emb_dim: self.time_embedding_dim.unwrap_or(first.saturating_mul(4)),
            noise_level: self.class_embed_type.is_some(),
            activation: activation("act_fn", &self.act_fn)?,
            emb_activation: self.time_embedding_act_fn.as_ref().map(|a| activation("time_embedding_act_fn", a)).transpose()?,
            skip_time_act: self.resnet_skip_time_act.unwrap_or(false),
            resnet_scale: self.resnet_out_scale_factor.unwrap_or(1.0),
            mid_scale: self.mid_block_scale_factor.unwrap_or(1.0),
            groups: self.norm_num_groups,
            eps: self.norm_eps,
            conv_in_kernel: self.conv_in_kernel.unwrap_or(3),
            conv_out_kernel: self.conv_out_kernel.unwrap_or(3),
            cos_first: self.flip_sin_to_cos.unwrap_or(true),
            freq_shift: self.freq_shift.unwrap_or(0.0),
        })
    }

    fn levels(&self) -> Result<Vec<Level>, ConfigError> {
        let n = self.block_out_channels.len();
        in_range("the number of block_out_channels", n, MAX_LEVELS)?;
        for (field, types) in [("down_block_types", &self.down_block_types), ("up_block_types", &self.up_block_types)] {
            let found = types.len();
            require(found == n, &format!("the length of {field}"), found, &format!("{n}, the number of block_out_channels"))?;
        }
        let layers = self.layers_per_block.expand("layers_per_block", n)?;
        let heads = self.attention_head_dim.expand("attention_head_dim", n)?;
        let cross = match &self.only_cross_attention {
            Some(cross) => cross.expand("only_cross_attention", n)?,
            None => vec![false; n],
        };
        let ups = self.up_block_types.iter().rev();
        let types = self.down_block_types.iter().zip(ups);
        let numbers = self.block_out_channels.iter().zip(layers).zip(heads.into_iter().zip(cross));
        #[allow(clippy::type_complexity, reason = "the shape of the zipped columns")]
        let level = |(((&channels, layers), (head_dim, only_cross)), (down, up)): (
            ((&usize, usize), (usize, bool)),
            (&String, &String),
        )| {
            one_of("down_block_types", down, &[DOWN_PLAIN, DOWN_ATTENTION])?;
            one_of("up_block_types", up, &[UP_PLAIN, UP_ATTENTION])?;
            let (down_attention, up_attention) = (down == DOWN_ATTENTION, up == UP_ATTENTION);
            Ok(Level { channels, layers, head_dim, down_attention, up_attention, only_cross })
        };
        numbers.zip(types).map(level).collect()
    }
}

fn activation(field: &str, name: &str) -> Result<Activation, ConfigError> {
    match name {
        "gelu" => Ok(Activation::Gelu),
        "silu" | "swish" => Ok(Activation::Silu),
        _ => Err(ConfigError::field(field, quoted(name), "\"gelu\", \"silu\", \"swish\"")),
    }
}

fn one_of(field: &str, value: &str, supported: &[&str]) -> Result<(), ConfigError> {
    let names = supported.iter().map(quoted).collect::<Vec<_>>().join(", ");
    require(supported.contains(&value), field, quoted(value), &names)
}

fn quoted(value: impl Display) -> String {
    format!("\"{value}\"")
}
