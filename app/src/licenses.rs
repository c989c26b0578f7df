//! A model's licence is shown when the model is used for the first time on this machine.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use imagen_protocol::{Event, Notice};

use crate::error::one_line;

/// Whether the event is a licence that was shown before; a new one is noted.
pub fn shown_before(event: &Event) -> bool {
    match event {
        Event::Notice { notice: Notice::License { model, license } } => note(&record(), model, license),
        _ => false,
    }
}

/// Where it is noted: a line a model and licence. Nowhere on a system without a home, and then it is shown each time.
fn record() -> Option<PathBuf> {
    directories::ProjectDirs::from("", "", "imagen-wgpu").map(|dirs| dirs.data_local_dir().join("licenses-shown"))
}

fn note(file: &Option<PathBuf>, model: &str, license: &str) -> bool {
    let Some(file) = file else { return false };
    let line = format!("{}: {}", one_line(model), one_line(license));
    let known = fs::read_to_string(file).is_ok_and(|text| text.lines().any(|l| l == line));
    if !known {
        // Shown once more than needed is better than a job that fails for it.
        let _ = append(file, &line);
    }
    known
}

fn append(file: &Path, line: &str) -> std::io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    writeln!(OpenOptions::new().create(true).append(true).open(file)?, "{line}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_is_new_once_and_again_when_it_changes() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = Some(dir.path().join("new/licenses-shown"));
        let seen = [("a", "MIT"), ("a", "MIT"), ("b", "MIT"), ("a", "research\nonly"), ("a", "research\nonly")];
        assert_eq!(seen.map(|(model, license)| note(&file, model, license)), [false, true, false, false, true]);
    }

    #[test]
    fn without_a_place_to_note_it_is_always_shown() {
        assert!(!note(&None, "a", "MIT"));
        let dir = tempfile::tempdir().expect("a folder");
        fs::write(dir.path().join("file"), "").expect("written");
        assert!(!note(&Some(dir.path().join("file/below")), "a", "MIT"));
    }
}
