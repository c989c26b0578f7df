//! Device, engine thread, cascade, memory policy: what makes pictures of the parts.

mod card;
mod cascade;
mod conditioning;
mod device;
mod error;
mod folders;
mod if_folder;
mod model;
mod pictures;
mod resize;
mod stage;
mod worker;

pub use conditioning::{PromptStates, TextCache};
pub use device::{OpenDevice, adapters, open_device};
pub use folders::{default_model, find_models};
pub use model::{LowRes, Model, PromptStyle, Stage, TextPart};
pub use pictures::{from_pictures, to_pictures};
pub use resize::{Resize, resize};
pub use stage::{StagePredictor, load_network};
pub use worker::{inspect, start};
