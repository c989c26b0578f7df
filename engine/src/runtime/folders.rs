//! Where models are looked for.

use std::path::{Path, PathBuf};

use imagen_protocol::EngineError;

use super::card;

/// The folder of the model that ships: beside the program as it is installed, else in the repository it was built from.
///
/// # Errors
/// [`EngineError::Model`] where neither has it.
pub fn default_model() -> Result<PathBuf, EngineError> {
    let candidates = default_candidates();
    let found = candidates.iter().find(|dir| dir.join(card::FILE).is_file());
    found.cloned().ok_or_else(|| EngineError::Model {
        path: candidates.into_iter().next().unwrap_or_default(),
        problem: "the model that ships is not there".into(),
        remedy: "install the program again, or give a folder with --model".into(),
    })
}

fn default_candidates() -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    if let Some(dir) = std::env::var_os("IMAGEN_DEFAULT_MODEL") {
        dirs.push(PathBuf::from(dir));
    }
    if let Some(bin) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
        dirs.extend(["assets", "../share/imagen-wgpu", "../Resources"].map(|at| bin.join(at).join("models/default")));
    }
    dirs.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/models/default"));
    dirs
}

/// The default model, then what lies in the user's folder of models, then what the Hugging Face cache has of DeepFloyd IF.
pub fn find_models() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = default_model().into_iter().collect();
    if let Some(dir) = user_models() {
        found.extend(children(&dir));
    }
    let holds_deepfloyd =
        |cache: &PathBuf| children(cache).iter().filter_map(|dir| hub_repository(dir)).any(|name| is_deepfloyd(&name));
    if let Some(cache) = hub_cache().filter(holds_deepfloyd) {
        found.push(cache);
    }
    found
}

/// `$IMAGEN_MODELS`, else `imagen-wgpu/models` in the user's folder of application data.
fn user_models() -> Option<PathBuf> {
    let data = || {
        let base = std::env::var_os("XDG_DATA_HOME").or_else(|| std::env::var_os("LOCALAPPDATA")).map(PathBuf::from);
        base.or_else(|| std::env::home_dir().map(|home| home.join(".local/share"))).map(|base| base.join("imagen-wgpu/models"))
    };
    std::env::var_os("IMAGEN_MODELS").map(PathBuf::from).or_else(data)
}

fn hub_cache() -> Option<PathBuf> {
    let home = || std::env::home_dir().map(|home| home.join(".cache/huggingface"));
    let hf_home = || std::env::var_os("HF_HOME").map(PathBuf::from).or_else(home).map(|dir| dir.join("hub"));
    std::env::var_os("HF_HUB_CACHE").map(PathBuf::from).or_else(hf_home).filter(|dir| dir.is_dir())
}

/// `owner/name` of a folder that the hub's cache calls `models--owner--name`.
pub fn hub_repository(folder: &Path) -> Option<String> {
    let name = folder.file_name()?.to_str()?.strip_prefix("models--")?;
    Some(name.replacen("--", "/", 1))
}

/// Whether a repository of the hub holds a part of DeepFloyd IF.
pub fn is_deepfloyd(repository: &str) -> bool {
    repository.starts_with("DeepFloyd/IF-")
}

/// The folders in `dir`, by name.
pub fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut dirs: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    dirs.sort();
    dirs
}
