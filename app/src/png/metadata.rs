//! What a picture knows of its making.

use std::path::Path;

use imagen_protocol::{EngineError, GenerateRequest, StagePlan};
use serde::{Deserialize, Serialize};

use super::{IMAGEN, read_texts};
use crate::error::{AppError, file_error};

/// Version of the JSON; raised when its meaning changes.
pub const FORMAT: u32 = 1;

/// Everything that it takes to make the picture again, as JSON in the `iTXt` chunk `imagen`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureSettings {
    pub format: u32,
    /// "imagen-wgpu 0.1.0".
    pub app: String,
    pub model: String,
    pub device: String,
    /// Side of this picture: which stage made it.
    pub size: u32,
    /// Which candidate this is, from 1.
    pub candidate: u32,
    pub request: GenerateRequest,
    /// Every stage that ran, with the settings it ran with, the model's defaults included.
    pub stages: Vec<StagePlan>,
}

impl PictureSettings {
    /// # Errors
    /// [`EngineError::Internal`] where the settings have no JSON.
    pub fn to_json(&self) -> Result<String, AppError> {
        serde_json::to_string(self).map_err(|e| EngineError::Internal { message: format!("settings without JSON: {e}") }.into())
    }

    /// The settings that a picture carries.
    ///
    /// # Errors
    /// [`EngineError::File`] where it is no PNG, carries none, or those of a later format.
    pub fn read(path: &Path) -> Result<Self, AppError> {
        let texts = read_texts(path)?;
        let Some((_, json)) = texts.into_iter().find(|(keyword, _)| keyword == IMAGEN) else {
            return Err(file_error(path, "carries no settings of imagen-wgpu", "give a PNG as the program wrote it"));
        };
        let settings: Self = serde_json::from_str(&json)
            .map_err(|e| file_error(path, format!("its settings cannot be read: {e}"), "give a PNG as the program wrote it"))?;
        if settings.format == FORMAT {
            return Ok(settings);
        }
        let problem = format!("its settings have format {}, this program knows {FORMAT}", settings.format);
        Err(file_error(path, problem, "use the version that wrote it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::encode;
    use crate::test_support::{flat, picture_settings};

    fn saved(texts: &[(&str, &str)]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), encode(&flat(4, [9; 3]), texts, false).expect("encoded")).expect("written");
        file
    }

    #[test]
    fn settings_come_back_as_they_were() {
        let mut settings = picture_settings("a \"red\" apple, 赤い\nsecond line: x");
        settings.request.seed = u64::MAX;
        let file = saved(&[(IMAGEN, &settings.to_json().expect("JSON"))]);
        assert_eq!(PictureSettings::read(file.path()).expect("settings"), settings);
    }

    #[test]
    fn foreign_damaged_and_later_settings_are_told_apart() {
        let later = PictureSettings { format: FORMAT + 1, ..picture_settings("x") }.to_json().expect("JSON");
        let cases = [
            (vec![], "carries no settings"),
            (vec![(IMAGEN, "{\"format\": 1")], "cannot be read"),
            (vec![(IMAGEN, "[]")], "cannot be read"),
            (vec![(IMAGEN, later.as_str())], "format 2"),
        ];
        for (texts, part) in cases {
            let error = PictureSettings::read(saved(&texts).path()).expect_err(part).to_string();
            assert!(error.contains(part), "{error} / {part}");
        }
    }
}
