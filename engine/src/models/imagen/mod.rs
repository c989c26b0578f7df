//! The paper's U-Nets: the base model (appendix F.1) and the Efficient U-Net of super-resolution (appendix B).

mod attention;
mod base;
mod config;
mod efficient;
mod embedding;
mod ends;
mod resnet;
mod unet;

pub use config::{AttentionKind, BaseConfig, BlockConfig, Common, EfficientConfig, UnetConfig};
pub use unet::Unet;
