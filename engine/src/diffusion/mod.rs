//! Section 2 of the paper: schedules, samplers, guidance, thresholding, the sampling loop. No network in sight.
//!
//! Symbols: `x_t` = alpha_t `x0` + sigma_t `eps`, `log_snr` = ln(alpha_t^2 / sigma_t^2), `v` = alpha_t `eps` - sigma_t `x0`;
//! a step goes from time t to a less noisy time s. Schedules and coefficients are f64; tensors are what the device computes in.
//!
//! [`sample`](sample()) is the one loop. It knows the network as [`Predict`], the randomness as [`NoiseSource`] and the caller as
//! an observer; it never reads a tensor back.

mod augment;
mod config;
mod diffusers;
mod error;
mod guidance;
mod noise;
mod parameterization;
mod philox;
mod python_json;
mod respaced;
mod runs;
mod sample;
pub mod samplers;
mod schedule;
mod schedule_card;
mod steps;
mod threshold;
mod variance;

pub use augment::{AugLevel, augment, diffuse};
pub use config::{ImageSettings, SamplerConfig};
pub use diffusers::from_diffusers;
pub use error::{DiffusionError, NoiseError, SampleError};
pub use guidance::{Guided, Raw, guide};
pub use noise::{Draw, NoiseSource, Recorded, Seeded, SeededColumns};
pub use parameterization::Prediction;
pub use philox::{normals, philox4x32};
pub use python_json::parse_python_json;
pub use respaced::{RESPACED_NAMES, respaced};
pub use sample::{Outcome, Predict, StepView, sample};
pub use schedule::{Betas, CosineSchedule, DiscreteSchedule, End, Grid, Level, NoiseSchedule, Spacing};
pub use steps::{Step, plan};
pub use threshold::keep_in_range;
pub use variance::{Deviation, Variance};
