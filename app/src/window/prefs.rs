//! What is kept between sessions, in one file that is replaced whole.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::action::View;
use super::compare::Kept;
use super::draft::Draft;
use crate::atomic::{self, Existing};
use crate::error::AppError;

/// Raised when the file's meaning changes.
pub const FORMAT: u32 = 1;
const FILE: &str = "window.json";
/// Of the interface.
pub const LEAST_SCALE: f32 = 0.75;
pub const MOST_SCALE: f32 = 2.0;
/// No settings file of ours is this long.
const MAX_BYTES: u64 = 4 << 20;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThemeChoice {
    #[default]
    System,
    Light,
    Dark,
}

/// Place and size of the window, in points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub position: Option<[f32; 2]>,
    pub size: [f32; 2],
    #[serde(default)]
    pub maximized: bool,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prefs {
    pub format: u32,
    pub theme: ThemeChoice,
    /// Interface scale on top of the system's, [`LEAST_SCALE`] to [`MOST_SCALE`].
    pub scale: f32,
    pub view: View,
    pub show_log: bool,
    /// Where pictures go; `None`: the system's folder for pictures.
    pub pictures: Option<PathBuf>,
    /// Folders of models that the user added.
    pub model_folders: Vec<PathBuf>,
    pub place: Option<Place>,
    pub draft: Draft,
    pub compare: Kept,
}

impl Default for Prefs {
    fn default() -> Self {
        Self {
            format: FORMAT,
            theme: ThemeChoice::System,
            scale: 1.0,
            view: View::Create,
            show_log: false,
            pictures: None,
            model_folders: Vec::new(),
            place: None,
            draft: Draft::default(),
            compare: Kept::default(),
        }
    }
}

/// What was read, and what to tell the user of it.
#[derive(Debug, PartialEq)]
pub struct Loaded {
    pub prefs: Prefs,
    pub remark: Option<String>,
}

/// Reads the file. A damaged one, or one of a later version, is set aside (kept under another name) and replaced by the defaults.
pub fn load(folder: &Path) -> Loaded {
    let path = folder.join(FILE);
    let problem = match read(&path) {
        Ok(None) => return Loaded { prefs: Prefs::default(), remark: None },
        Ok(Some(prefs)) => return Loaded { prefs: sane(prefs), remark: None },
        Err(problem) => problem,
    };
    Loaded { prefs: Prefs::default(), remark: Some(set_aside(&path, &problem)) }
}

/// The window's place alone, before there is a window; a damaged file is [`load`]'s to say.
pub fn load_place(folder: &Path) -> Option<Place> {
    read(&folder.join(FILE)).ok().flatten().and_then(|prefs| sane(prefs).place)
}

/// # Errors
/// [`imagen_protocol::EngineError::File`]; the old file stays.
pub fn save(folder: &Path, prefs: &Prefs) -> Result<(), AppError> {
    atomic::prepare_folder(folder)?;
    let json = serde_json::to_vec_pretty(prefs)
        .map_err(|e| imagen_protocol::EngineError::Internal { message: format!("settings without JSON: {e}") })?;
    atomic::write(&folder.join(FILE), &json, Existing::Replace)
}

fn read(path: &Path) -> Result<Option<Prefs>, String> {
    match std::fs::metadata(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(format!("cannot be read ({e})")),
        Ok(meta) if meta.len() > MAX_BYTES => return Err(format!("is {} bytes long", meta.len())),
        Ok(_) => {}
    }
    let bytes = std::fs::read(path).map_err(|e| format!("cannot be read ({e})"))?;
    let damaged = |e: serde_json::Error| format!("is damaged ({e})");
    // The version first: a later one may have settings that this one cannot read.
    let value: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&bytes).map_err(damaged)?;
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(format) if format == u64::from(FORMAT) => serde_json::from_value(value.into()).map(Some).map_err(damaged),
        Some(format) => Err(format!("comes from another version (format {format}, this one knows {FORMAT})")),
        None => Err("is damaged (it names no format)".into()),
    }
}

/// Values that a hand may have written.
fn sane(mut prefs: Prefs) -> Prefs {
    prefs.scale = if prefs.scale.is_finite() { prefs.scale.clamp(LEAST_SCALE, MOST_SCALE) } else { 1.0 };
    prefs.draft.candidates = prefs.draft.candidates.clamp(1, 64);
    prefs.place = prefs.place.filter(|p| p.size.iter().chain(p.position.iter().flatten()).all(|v| v.is_finite()));
    prefs
}

fn set_aside(path: &Path, problem: &str) -> String {
    let aside = (0..1000).map(|i| path.with_extension(format!("damaged-{i}.json"))).find(|p| p.symlink_metadata().is_err());
    let kept = aside.filter(|to| std::fs::rename(path, to).is_ok());
    let tail = kept.map_or_else(|| "it could not be set aside".into(), |to| format!("it is kept as {}", to.display()));
    format!("the settings file {} {problem}; the defaults are used, and {tail}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_comes_back() {
        let dir = tempfile::tempdir().expect("a folder");
        let mut prefs = Prefs { scale: 1.5, theme: ThemeChoice::Dark, show_log: true, ..Prefs::default() };
        prefs.draft.prompt = "赤い apple".into();
        prefs.draft.weights = imagen_protocol::Weights::F16;
        prefs.compare.columns[1].guidance_weight = Some(15.0);
        let folder = dir.path().join("new");
        save(&folder, &prefs).expect("saved");
        assert_eq!(load(&folder), Loaded { prefs, remark: None });
    }

    #[test]
    fn without_a_file_the_defaults_are_used_and_nothing_is_said() {
        let dir = tempfile::tempdir().expect("a folder");
        assert_eq!(load(dir.path()), Loaded { prefs: Prefs::default(), remark: None });
    }

    #[test]
    fn a_damaged_file_and_a_later_one_are_kept_aside_and_said() {
        let dir = tempfile::tempdir().expect("a folder");
        for (i, text) in
            ["{\"format\": 1,", "{\"format\": 2, \"theme\": {\"new\": 1}}", "[]", "{\"format\": 1, \"draft\": {\"seed\": -1}}"]
                .iter()
                .enumerate()
        {
            std::fs::write(dir.path().join(FILE), text).expect("written");
            let loaded = load(dir.path());
            assert_eq!(loaded.prefs, Prefs::default());
            let remark = loaded.remark.expect("said");
            let aside = dir.path().join(format!("window.damaged-{i}.json"));
            assert!(remark.contains(&aside.display().to_string()), "{remark}");
            assert_eq!(&std::fs::read_to_string(aside).expect("kept"), text);
        }
        assert!(!dir.path().join(FILE).exists());
    }

    #[test]
    fn a_file_from_before_the_weights_could_be_chosen_is_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let text = r#"{"format": 1, "draft": {"prompt": "a kite", "seed": 3, "device": "cpu"}}"#;
        std::fs::write(dir.path().join(FILE), text).expect("written");
        let Loaded { prefs, remark } = load(dir.path());
        assert_eq!((prefs.draft.prompt.as_str(), prefs.draft.seed, remark), ("a kite", 3, None));
        assert_eq!(prefs.draft.weights, imagen_protocol::Weights::Auto);
    }

    #[test]
    fn a_damaged_comparison_costs_nothing_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let text =
            "{\"format\": 1, \"scale\": 1.5, \"compare\": {\"columns\": [{\"threshold\": {\"kind\": 7}}], \"until\": 256}}";
        std::fs::write(dir.path().join(FILE), text).expect("written");
        let Loaded { prefs, remark } = load(dir.path());
        assert_eq!((prefs.scale, remark), (1.5, None));
        assert_eq!(prefs.compare, Kept { until: 256, ..Kept::default() });
    }

    #[test]
    fn impossible_values_become_possible_ones() {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join(FILE), "{\"format\": 1, \"scale\": 1e9, \"draft\": {\"candidates\": 0}}")
            .expect("written");
        let prefs = load(dir.path()).prefs;
        assert_eq!((prefs.scale, prefs.draft.candidates), (MOST_SCALE, 1));
    }
}
