//! The pictures' folder.

use std::collections::HashMap;
use std::fs::Metadata;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use imagen_protocol::EngineError;

use super::IoEvent;
use super::files::{engine_error, look_into};
use crate::error::file_error;
use crate::picture;
use crate::png::PictureSettings;
use crate::window::gallery::{Details, Entry};

/// Longest side that the details show, pixels: that of the last stage.
const DETAILS: u32 = 1024;
/// Longest side that is shown over everything, pixels: what graphics cards take, and as much as a screen shows.
const WHOLE: u32 = 4096;

/// What a file was when it was read last.
#[derive(Debug)]
struct Known {
    modified: SystemTime,
    bytes: u64,
    /// `None`: no picture.
    entry: Option<Entry>,
}

/// Looks through the folder, and remembers what it read: a file is read again only when it changed.
#[derive(Debug, Default)]
pub struct Scanner {
    known: HashMap<PathBuf, Known>,
}

impl Scanner {
    pub fn scan(&mut self, folder: PathBuf) -> IoEvent {
        let result = self.entries(&folder);
        IoEvent::Gallery { folder, result }
    }

    fn entries(&mut self, folder: &Path) -> Result<Vec<Entry>, EngineError> {
        let listing = match std::fs::read_dir(folder) {
            Ok(listing) => listing,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => {
                return Err(engine_error(file_error(folder, format!("cannot be listed: {e}"), "choose another folder")));
            }
        };
        let before = std::mem::take(&mut self.known);
        self.known = listing.filter_map(|file| known(file.ok()?.path(), &before)).collect();
        Ok(self.known.values().filter_map(|known| known.entry.clone()).collect())
    }
}

fn known(path: PathBuf, before: &HashMap<PathBuf, Known>) -> Option<(PathBuf, Known)> {
    let is_png = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png"));
    let meta = is_png.then(|| path.metadata().ok()).flatten().filter(Metadata::is_file)?;
    let (modified, bytes) = (meta.modified().ok()?, meta.len());
    let same = before.get(&path).filter(|known| known.modified == modified && known.bytes == bytes);
    let entry = match same {
        Some(known) => known.entry.clone(),
        None => read_entry(&path, modified, bytes),
    };
    Some((path, Known { modified, bytes, entry }))
}

fn read_entry(path: &Path, modified: SystemTime, bytes: u64) -> Option<Entry> {
    let prompt = PictureSettings::read(path).ok().map(|settings| settings.request.prompt);
    (prompt.is_some() || begins_as_png(path)).then(|| Entry::new(path.to_owned(), modified, bytes, prompt))
}

/// Whether the file's first bytes are a PNG's: what only has the name is no picture.
fn begins_as_png(path: &Path) -> bool {
    let mut head = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut head));
    read.is_ok() && head.starts_with(b"\x89PNG\r\n\x1a\n") && head.ends_with(b"IHDR")
}

/// The entry of a file that was just written.
pub fn entry_of(path: &Path, prompt: &str) -> Entry {
    let meta = path.metadata().ok();
    let modified = meta.as_ref().and_then(|m| m.modified().ok()).unwrap_or_else(SystemTime::now);
    Entry::new(path.to_owned(), modified, meta.map_or(0, |m| m.len()), Some(prompt.to_owned()))
}

/// The picture and everything it knows of its making.
pub fn details(path: PathBuf) -> IoEvent {
    let details = Box::new(read(&path, DETAILS));
    IoEvent::EntryRead { path, details }
}

/// The same, with as many pixels as can be shown.
pub fn whole(path: PathBuf) -> IoEvent {
    let details = Box::new(read(&path, WHOLE));
    IoEvent::WholeRead { path, details }
}

fn read(path: &Path, side: u32) -> Details {
    Details { image: picture::load_scaled(path, side).map_err(engine_error), about: look_into(path).map_err(engine_error) }
}

pub fn trash(path: PathBuf) -> IoEvent {
    let problem = |e: trash::Error| engine_error(file_error(&path, format!("not moved to the trash: {e}"), "delete it by hand"));
    let result = trash::delete(&path).map_err(problem);
    IoEvent::Trashed { path, result }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::png::{self, IMAGEN, PARAMETERS};
    use crate::test_support::{flat, picture_settings};
    use crate::window::io::Found;

    fn put(folder: &Path, name: &str, texts: &[png::Text<'_>]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, png::encode(&flat(64, [9; 3]), texts, true).expect("encoded")).expect("written");
        path
    }

    fn scan(scanner: &mut Scanner, folder: &Path) -> Vec<(String, Option<String>)> {
        let IoEvent::Gallery { result: Ok(entries), .. } = scanner.scan(folder.to_owned()) else { panic!("a list") };
        let mut names: Vec<_> =
            entries.into_iter().map(|e| (crate::window::gallery::name(&e.path).into_owned(), e.prompt)).collect();
        names.sort();
        names
    }

    #[test]
    fn pictures_are_listed_ours_with_their_prompt_and_other_files_are_not() {
        let dir = tempfile::tempdir().expect("a folder");
        let json = picture_settings("a pear").to_json().expect("JSON");
        let later = json.replacen("\"format\":1", "\"format\":2", 1);
        put(dir.path(), "ours.PNG", &[(IMAGEN, &json)]);
        put(dir.path(), "later.png", &[(IMAGEN, &later)]);
        put(dir.path(), "other.png", &[(PARAMETERS, "x")]);
        std::fs::write(dir.path().join("text.png"), "no picture").expect("written");
        std::fs::write(dir.path().join("empty.png"), "").expect("written");
        std::fs::write(dir.path().join("notes.txt"), "x").expect("written");
        std::fs::create_dir(dir.path().join("folder.png")).expect("made");
        let expected = [("later.png", None), ("other.png", None), ("ours.PNG", Some("a pear"))];
        let expected = expected.map(|(name, prompt)| (name.to_owned(), prompt.map(str::to_owned)));
        assert_eq!(scan(&mut Scanner::default(), dir.path()), expected);
    }

    #[test]
    fn a_file_is_read_again_only_when_it_changed() {
        let dir = tempfile::tempdir().expect("a folder");
        let [first, second] = ["a pear", "a plum"].map(|prompt| picture_settings(prompt).to_json().expect("JSON"));
        let path = put(dir.path(), "a.png", &[(IMAGEN, &first)]);
        let mut scanner = Scanner::default();
        let prompt = |scanner: &mut Scanner| scan(scanner, dir.path())[0].1.clone();
        assert_eq!(prompt(&mut scanner).as_deref(), Some("a pear"));
        let modified = path.metadata().and_then(|m| m.modified()).expect("a time");
        put(dir.path(), "a.png", &[(IMAGEN, &second)]);
        let touch = |time| std::fs::File::options().write(true).open(&path).and_then(|f| f.set_modified(time)).expect("set");
        touch(modified);
        assert_eq!(prompt(&mut scanner).as_deref(), Some("a pear"), "same time and length: not read");
        touch(modified + std::time::Duration::from_secs(2));
        assert_eq!(prompt(&mut scanner).as_deref(), Some("a plum"));
    }

    #[test]
    fn ten_thousand_foreign_files_are_passed_over() {
        let dir = tempfile::tempdir().expect("a folder");
        for i in 0..10_000 {
            std::fs::write(dir.path().join(format!("{i}.txt")), "").expect("written");
        }
        put(dir.path(), "one.png", &[]);
        let begun = std::time::Instant::now();
        assert_eq!(scan(&mut Scanner::default(), dir.path()).len(), 1);
        assert!(begun.elapsed().as_secs() < 5, "{:?}", begun.elapsed());
    }

    #[test]
    fn a_folder_that_is_not_there_is_empty_and_a_file_in_its_place_is_an_error() {
        let dir = tempfile::tempdir().expect("a folder");
        assert!(scan(&mut Scanner::default(), &dir.path().join("none")).is_empty());
        let file = put(dir.path(), "a.png", &[]);
        let IoEvent::Gallery { result: Err(e), .. } = Scanner::default().scan(file) else { panic!("an error") };
        assert!(e.to_string().contains("cannot be listed"), "{e}");
    }

    #[test]
    fn details_tell_a_damaged_picture_and_later_settings() {
        let dir = tempfile::tempdir().expect("a folder");
        let read = |path: PathBuf| match details(path) {
            IoEvent::EntryRead { details, .. } => *details,
            other => panic!("{other:?}"),
        };
        let json = picture_settings("x").to_json().expect("JSON");
        let ours = read(put(dir.path(), "ours.png", &[(IMAGEN, &json)]));
        let shown = ours.shown(Path::new("ours.png")).expect("a picture");
        assert_eq!(shown.settings().map(|s| s.request.prompt.as_str()), Some("x"));
        assert_eq!((shown.image.width(), shown.is_whole()), (64, true), "small ones are not enlarged");
        let later = read(put(dir.path(), "later.png", &[(IMAGEN, &json.replacen("\"format\":1", "\"format\":2", 1))]));
        assert!(later.image.is_ok() && later.about.expect_err("later").to_string().contains("format 2"));
        let whole = std::fs::read(put(dir.path(), "cut.png", &[])).expect("read");
        std::fs::write(dir.path().join("cut.png"), &whole[..60]).expect("written");
        let cut = read(dir.path().join("cut.png"));
        assert!(cut.image.is_err() && cut.about == Ok(Found::Plain));
    }

    #[test]
    fn a_large_picture_is_small_in_the_details_and_whole_over_everything() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("wide.png");
        image::RgbImage::new(2000, 500).save(&path).expect("saved");
        let (IoEvent::EntryRead { details, .. }, IoEvent::WholeRead { details: all, .. }) =
            (details(path.clone()), whole(path.clone()))
        else {
            panic!("two answers")
        };
        let [small, large] = [*details, *all].map(|d| d.shown(&path).expect("a picture"));
        assert_eq!((small.image.width(), small.image.height(), small.size, small.is_whole()), (1024, 256, [2000, 500], false));
        assert_eq!((large.image.width(), large.is_whole()), (2000, true));
    }

    #[test]
    fn what_is_gone_cannot_go_to_the_trash() {
        let IoEvent::Trashed { result: Err(e), .. } = trash("/no/such/file.png".into()) else { panic!("an error") };
        assert!(e.to_string().contains("not moved to the trash"), "{e}");
    }
}
