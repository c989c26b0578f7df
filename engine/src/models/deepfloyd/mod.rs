//! DeepFloyd IF's U-Nets, stages I and II, in the layout that diffusers publishes them in.

mod attention;
mod blocks;
mod config;
mod embedding;
mod resnet;
mod unet;

pub use config::{Level, UnetConfig};
pub use unet::Unet;
