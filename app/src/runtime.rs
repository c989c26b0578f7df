//! What the app needs of the engine, so that tests can put another in its place. `main` plugs in the real one.

use std::path::{Path, PathBuf};

use imagen_protocol::{Adapter, DeviceChoice, EngineError, EngineHandle, ModelInfo};

/// The engine's entry points.
#[derive(Clone, Copy)]
pub struct Runtime<'a> {
    /// Starts an engine; what goes wrong comes as [`imagen_protocol::Event::Unavailable`].
    pub start: &'a dyn Fn(DeviceChoice) -> EngineHandle,
    /// Reads a model's card and headers; `None` is the default model.
    pub inspect: &'a dyn Fn(Option<&Path>) -> Result<ModelInfo, EngineError>,
    /// Folders where models were found, the default among them.
    pub find_models: &'a dyn Fn() -> Vec<PathBuf>,
    /// The graphics adapters of this machine.
    pub adapters: &'a dyn Fn() -> Vec<Adapter>,
}

impl std::fmt::Debug for Runtime<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}
