//! Saving and loading.

use std::path::{Path, PathBuf};

use imagen_protocol::EngineError;

use super::gallery::entry_of;
use super::{Found, IoEvent};
use crate::atomic::{self, Existing};
use crate::error::AppError;
use crate::names::slug;
use crate::picture;
use crate::png::{self, IMAGEN, PARAMETERS, PictureSettings};
use crate::window::action::Picture;
use crate::window::draft::Input;
use crate::window::prefs::{self, Prefs};

/// The engine's kind of error, which can be kept and compared.
pub fn engine_error(error: AppError) -> EngineError {
    match error {
        AppError::Engine(e) => e,
        other => EngineError::Internal { message: other.to_string() },
    }
}

pub fn save_prefs(folder: &Path, prefs: &Prefs) -> Option<IoEvent> {
    prefs::save(folder, prefs).err().map(|e| IoEvent::PrefsNotSaved(engine_error(e)))
}

/// Into the folder, under a name that is free.
pub fn save(picture: Picture, folder: &Path) -> IoEvent {
    let result = atomic::prepare_folder(folder).and_then(|()| {
        let path = free_name(folder, &picture.settings);
        write(&picture, &path, Existing::Keep).map(|()| path)
    });
    answer(picture, result)
}

/// Where the user said; the dialog has asked about a file of that name.
pub fn save_to(picture: Picture, path: &Path) -> IoEvent {
    let result = write(&picture, path, Existing::Replace).map(|()| path.to_owned());
    answer(picture, result)
}

fn answer(picture: Picture, result: Result<PathBuf, AppError>) -> IoEvent {
    match result {
        Ok(path) => IoEvent::Saved { entry: entry_of(&path, &picture.settings.request.prompt), picture },
        Err(e) => IoEvent::NotSaved { picture, error: engine_error(e) },
    }
}

/// `None`: the user thought better of it.
pub fn choose_place(picture: Picture, folder: &Path) -> Option<IoEvent> {
    let name = free_name(folder, &picture.settings);
    let name = name.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let dialog = rfd::FileDialog::new().set_title("Save picture").add_filter("PNG", &["png"]).set_file_name(name);
    let path = as_png(dialog.set_directory(folder).save_file()?);
    Some(IoEvent::PlaceChosen { picture, path })
}

/// "apple v1.5" keeps its ".5".
fn as_png(path: PathBuf) -> PathBuf {
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return path;
    }
    let mut name = path.into_os_string();
    name.push(".png");
    name.into()
}

/// The bytes of the PNG, settings inside.
pub fn encode(picture: &Picture) -> Result<Vec<u8>, AppError> {
    let (json, text) = (picture.settings.to_json()?, png::parameters(&picture.settings));
    png::encode(&picture.image, &[(PARAMETERS, &text), (IMAGEN, &json)], false)
}

fn write(picture: &Picture, path: &Path, existing: Existing) -> Result<(), AppError> {
    atomic::write(path, &encode(picture)?, existing)
}

/// `a-red-apple-7-1024.png`, candidates after the first numbered; `-2`, `-3` ... where that exists.
fn free_name(folder: &Path, settings: &PictureSettings) -> PathBuf {
    let request = &settings.request;
    let candidate = if settings.candidate > 1 { format!("-{}", settings.candidate) } else { String::new() };
    let base = format!("{}{candidate}-{}", slug(&request.prompt, request.seed), settings.size);
    let name = |i: u32| folder.join(if i == 1 { format!("{base}.png") } else { format!("{base}-{i}.png") });
    (1..).map(name).find(|p| p.symlink_metadata().is_err()).unwrap_or_else(|| name(1))
}

pub fn load_input(path: &Path, sizes: &[u32]) -> IoEvent {
    let path_of = |input| Input { input, path: path.to_owned() };
    let result = picture::load(path, sizes).map(|loaded| (path_of(loaded.input), loaded.remarks));
    IoEvent::InputLoaded { result: result.map_err(engine_error) }
}

/// What a dropped file is. A PNG with settings of ours restores them; what is wrong with those is said.
pub fn examine(path: PathBuf) -> IoEvent {
    let result = look_into(&path).map_err(engine_error);
    IoEvent::Examined { path, result }
}

/// What a file carries besides its pixels.
pub fn look_into(path: &Path) -> Result<Found, AppError> {
    let Ok(texts) = png::read_texts(path) else { return Ok(Found::Plain) };
    if texts.iter().any(|(keyword, _)| keyword == IMAGEN) {
        return PictureSettings::read(path).map(|s| Found::Ours(Box::new(s)));
    }
    let parameters = texts.into_iter().find(|(keyword, _)| keyword == PARAMETERS);
    Ok(parameters.map_or(Found::Plain, |(_, text)| Found::Parameters(text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::{flat, picture_settings};

    fn picture() -> Picture {
        Picture { image: flat(64, [1, 2, 3]), settings: Box::new(picture_settings("A red apple")) }
    }

    #[test]
    fn saving_twice_keeps_both_and_the_settings_are_inside() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().join("new/folder");
        for name in ["a-red-apple-0-64.png", "a-red-apple-0-64-2.png"] {
            let path = folder.join(name);
            let IoEvent::Saved { entry, picture: saved } = save(picture(), &folder) else { panic!("saved") };
            assert_eq!((entry.path.clone(), entry.prompt.as_deref()), (path.clone(), Some("A red apple")));
            assert_eq!(saved, picture());
            let IoEvent::Examined { result: Ok(Found::Ours(settings)), .. } = examine(path) else { panic!("ours") };
            assert_eq!(settings, picture().settings);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_written_to_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        std::fs::write(&file, "").expect("written");
        for event in [save(picture(), &file.join("below")), save_to(picture(), &file.join("below/a.png"))] {
            assert!(matches!(&event, IoEvent::NotSaved { picture: back, error: EngineError::File { .. } } if *back == picture()));
        }
    }

    #[test]
    fn a_chosen_name_becomes_a_png_and_keeps_its_dots() {
        for (given, expected) in [("a", "a.png"), ("a.PNG", "a.PNG"), ("apple v1.5", "apple v1.5.png"), ("a.jpg", "a.jpg.png")] {
            assert_eq!(as_png(given.into()), PathBuf::from(expected));
        }
    }

    #[test]
    fn texts_that_are_huge_or_broken_do_no_harm() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.png");
        let huge = "x".repeat(9 << 20);
        let mut bytes = png::encode(&flat(64, [9; 3]), &[(IMAGEN, &huge)], true).expect("encoded");
        for cut in [bytes.len(), 60, 33] {
            bytes.truncate(cut);
            std::fs::write(&path, &bytes).expect("written");
            assert_eq!(look_into(&path).expect("no settings"), Found::Plain, "{cut}");
        }
        let mut bytes = png::encode(&flat(64, [9; 3]), &[(IMAGEN, "{\"format\": 1}"), (PARAMETERS, "x")], true).expect("encoded");
        let at = bytes.windows(4).position(|w| w == b"iTXt").expect("a chunk");
        bytes[at + 4..at + 40].fill(0xff);
        std::fs::write(&path, &bytes).expect("written");
        assert!(look_into(&path).is_ok());
    }

    #[test]
    fn dropped_files_are_told_apart() {
        let dir = tempfile::tempdir().expect("a folder");
        let put = |name: &str, texts: &[(&str, &str)]| {
            let path = dir.path().join(name);
            std::fs::write(&path, png::encode(&flat(64, [9; 3]), texts, false).expect("encoded")).expect("written");
            path
        };
        let found = |path: PathBuf| match examine(path) {
            IoEvent::Examined { result, .. } => result,
            other => panic!("{other:?}"),
        };
        assert_eq!(found(put("plain.png", &[])), Ok(Found::Plain));
        assert_eq!(
            found(put("other.png", &[(PARAMETERS, "a cat\nSteps: 20")])),
            Ok(Found::Parameters("a cat\nSteps: 20".into()))
        );
        assert!(matches!(found(put("broken.png", &[(IMAGEN, "{")])), Err(EngineError::File { .. })));
    }
}
