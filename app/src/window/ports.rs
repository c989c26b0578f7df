//! What the window needs of the rest of the program, so that tests can put another in its place.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use imagen_protocol::{Adapter, DeviceChoice, EngineError, EngineHandle, ModelInfo};

/// Tokens of a text, and how many of them the text encoder reads.
pub type TokenCounter = Box<dyn Fn(&str) -> (usize, usize) + Send>;

pub type Inspect = dyn Fn(Option<&Path>) -> Result<ModelInfo, EngineError> + Send + Sync;
pub type FindCounter = dyn Fn(Option<&Path>) -> Result<TokenCounter, EngineError> + Send + Sync;

/// The engine's entry points and the folders of this user. Cloned into threads.
#[derive(Clone)]
pub struct Ports {
    pub start: Arc<dyn Fn(DeviceChoice) -> EngineHandle + Send + Sync>,
    pub inspect: Arc<Inspect>,
    pub find_models: Arc<dyn Fn() -> Vec<PathBuf> + Send + Sync>,
    pub adapters: Arc<dyn Fn() -> Vec<Adapter> + Send + Sync>,
    pub token_counter: Arc<FindCounter>,
    pub folders: Folders,
}

/// Where the window keeps things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folders {
    /// The settings file.
    pub config: PathBuf,
    /// Thumbnails.
    pub cache: PathBuf,
    /// Pictures, where the user has not chosen another folder.
    pub pictures: PathBuf,
}

impl Folders {
    /// This user's, as the system names them; the working folder where it names none.
    pub fn of_user() -> Self {
        let project = directories::ProjectDirs::from("", "", "imagen-wgpu");
        let user = directories::UserDirs::new();
        let pictures = user.as_ref().map(|u| u.picture_dir().map_or_else(|| u.home_dir().join("Pictures"), Path::to_owned));
        Self {
            config: project.as_ref().map_or_else(|| PathBuf::from("."), |p| p.config_dir().to_owned()),
            cache: project.as_ref().map_or_else(|| PathBuf::from("."), |p| p.cache_dir().to_owned()),
            pictures: pictures.unwrap_or_default().join("imagen-wgpu"),
        }
    }
}

impl std::fmt::Debug for Ports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ports").field("folders", &self.folders).finish_non_exhaustive()
    }
}
