//! Device, engine thread, cascade, memory policy: what makes pictures of the parts.

mod card;
mod cascade;
mod conditioning;
mod device;
mod error;
mod folders;
mod group;
mod histogram;
mod if_folder;
mod model;
mod pictures;
mod resident;
mod resize;
mod stage;
mod stage_run;
mod worker;

pub use conditioning::{PromptStates, TextCache};
pub use device::{OpenDevice, adapters, open_device};
pub use error::Stop;
pub use folders::{default_model, find_models};
pub use group::{Pictures, Room};
pub use model::{LowRes, Model, PromptStyle, Stage, TextPart};
pub use pictures::{from_pictures, to_pictures};
pub use resize::{Resize, resize};
pub use stage::{LoadedNetwork, StagePredictor, footprint, load_network};
pub use worker::{TokenCounter, inspect, start, start_on, token_counter};
