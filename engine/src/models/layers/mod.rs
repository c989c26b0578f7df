//! Layers whose maths and layout all families share.

mod activation;
mod conv;
mod embedding;
mod host;
mod linear;
mod norm;
mod shape;

pub use activation::{Activation, silu};
pub use conv::Conv2d;
pub use embedding::{Sinusoid, TimeEmbedding};
pub use linear::Linear;
pub use norm::{GroupNorm, LayerNorm, Modulation};
pub use shape::{
    beside, downsample, merge_heads, pixel_shuffle, pixel_shuffle_beside, pixel_unshuffle, split_heads, to_picture, to_tokens,
    upsample,
};
