//! Every test in one program: linking burn once is faster than twenty times. Names begin with their file's: `parity_` is a suite.

mod diffusion_config;
mod diffusion_identities;
mod diffusion_images;
mod diffusion_loop;
mod diffusion_noise;
mod diffusion_schedule;
mod diffusion_steps;
mod layers;
mod memory;
mod ops_attention;
mod ops_support;
mod ops_threshold;
mod paper_cards;
mod parity_cascade;
mod parity_scheduler;
mod parity_text;
mod parity_unet;
mod repository;
mod runtime;
mod runtime_columns;
mod runtime_if_folders;
mod shaders;
mod text_encoder;
mod tokenizer;
mod unet;
mod weights;
