//! What crosses the boundary between the app and the engine: plain data, no tensor, no GPU handle, no UI type.
//!
//! Facts travel as messages ([`Command`] in, [`Event`] out, both over bounded channels); heavy and perishable data, the live
//! previews, travel through a latest-wins [`PreviewSlot`]; cancelling is a flag ([`CancelFlag`]) read once a step.

mod channel;
mod error;
mod event;
mod fake;
mod image;
mod info;
mod memory;
mod plan;
mod request;
mod settings;

pub use channel::{CancelFlag, EngineHandle, EngineSide, PreviewSlot, engine_channel};
pub use error::EngineError;
pub use event::{Command, Event, Histogram, JobId, Notice, Preview, StagePlan, StepReport};
pub use fake::FakeEngine;
pub use image::RgbImage;
pub use info::{Adapter, AdapterKind, DeviceChoice, DeviceInfo, ModelInfo, StageInfo, TextEncoderInfo};
pub use memory::{Footprint, Weights};
pub use request::{GenerateRequest, StageInput};
pub use settings::{SamplerKind, StageOverrides, StageSettings, Steps, Threshold};
