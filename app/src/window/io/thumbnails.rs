//! Small pictures on disk: made once, found again by the file's path, time and length.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use imagen_protocol::RgbImage;

use super::IoEvent;
use super::files::engine_error;
use crate::atomic::{self, Existing};
use crate::error::{AppError, file_error};
use crate::{picture, png};

/// Longest side of a thumbnail, pixels.
pub const THUMBNAIL: u32 = 192;
/// Most files that are kept; beyond, those made first go until `KEPT_AFTER` are left.
const KEPT: usize = 4096;
const KEPT_AFTER: usize = 3072;
/// Says what a thumbnail is of: names are hashes, and two could be the same.
const SOURCE: &str = "source";

/// One folder of thumbnails.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
    /// Files in the folder; counted when the first is written.
    files: Option<usize>,
}

impl Cache {
    pub fn new(cache: &Path) -> Self {
        Self { folder: cache.join("thumbnails"), files: None }
    }

    pub fn thumbnail(&mut self, path: PathBuf) -> IoEvent {
        let result = self.find_or_make(&path).map_err(engine_error);
        IoEvent::Thumbnail { path, result }
    }

    fn find_or_make(&mut self, path: &Path) -> Result<RgbImage, AppError> {
        let source = source(path)?;
        let file = self.folder.join(file_name(&source));
        if let Some(kept) = read(&file, &source) {
            return Ok(kept);
        }
        let image = picture::load_scaled(path, THUMBNAIL)?.image;
        // A thumbnail that cannot be kept is made again next time: nothing to tell.
        if self.keep(&file, &source, &image).is_ok() {
            self.prune();
        }
        Ok(image)
    }

    fn keep(&mut self, file: &Path, source: &str, image: &RgbImage) -> Result<(), AppError> {
        if self.files.is_none() {
            atomic::prepare_folder(&self.folder)?;
            self.files = Some(std::fs::read_dir(&self.folder).map_or(0, Iterator::count));
        }
        atomic::write_unflushed(file, &png::encode(image, &[(SOURCE, source)], true)?, Existing::Replace)?;
        self.files = self.files.map(|n| n + 1);
        Ok(())
    }

    fn prune(&mut self) {
        if self.files.is_none_or(|n| n <= KEPT) {
            return;
        }
        let Ok(listing) = std::fs::read_dir(&self.folder) else { return };
        let mut files: Vec<(SystemTime, PathBuf)> =
            listing.filter_map(|f| f.ok().and_then(|f| Some((f.metadata().ok()?.modified().ok()?, f.path())))).collect();
        files.sort();
        let surplus = files.len().saturating_sub(KEPT_AFTER);
        let removed = files.iter().take(surplus).filter(|(_, path)| std::fs::remove_file(path).is_ok()).count();
        self.files = Some(files.len() - removed);
    }
}

/// Path, time and length: another one where the file changed.
fn source(path: &Path) -> Result<String, AppError> {
    let meta = path.metadata().map_err(|e| file_error(path, format!("cannot be read: {e}"), "refresh the gallery"))?;
    let modified = meta.modified().ok().and_then(|t| t.duration_since(SystemTime::UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{}\n{}\n{}", path.display(), modified.as_nanos(), meta.len()))
}

/// The hash may differ in another build of this program: then thumbnails are made again.
fn file_name(source: &str) -> String {
    let mut hasher = DefaultHasher::new();
    source.hash(&mut hasher);
    format!("{:016x}.png", hasher.finish())
}

/// `None`: not there, damaged, or of another file.
fn read(file: &Path, source: &str) -> Option<RgbImage> {
    let texts = png::read_texts(file).ok()?;
    let same = texts.iter().any(|(keyword, text)| keyword == SOURCE && text == source);
    same.then(|| picture::load_scaled(file, THUMBNAIL).ok()).flatten().map(|scaled| scaled.image)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::flat;

    struct Folders {
        dir: tempfile::TempDir,
        cache: Cache,
    }

    impl Folders {
        fn new() -> Self {
            let dir = tempfile::tempdir().expect("a folder");
            let cache = Cache::new(&dir.path().join("cache"));
            Self { dir, cache }
        }

        fn picture(&self, side: u32, colour: u8) -> PathBuf {
            let path = self.dir.path().join("a.png");
            std::fs::write(&path, png::encode(&flat(side, [colour; 3]), &[], true).expect("encoded")).expect("written");
            path
        }

        fn kept(&self) -> Vec<PathBuf> {
            let listing = std::fs::read_dir(&self.cache.folder).map(|l| l.filter_map(|f| Some(f.ok()?.path())).collect());
            listing.unwrap_or_default()
        }

        fn colour(&mut self, path: &Path) -> u8 {
            match self.cache.thumbnail(path.to_owned()) {
                IoEvent::Thumbnail { result: Ok(image), .. } => image.pixels()[0],
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_thumbnail_is_made_once() {
        let mut folders = Folders::new();
        let path = folders.picture(512, 7);
        assert_eq!(folders.colour(&path), 7);
        let [kept] = folders.kept().try_into().expect("one file");
        let source = source(&path).expect("a source");
        let marked = png::encode(&flat(8, [99; 3]), &[(SOURCE, &source)], true).expect("encoded");
        std::fs::write(kept, marked).expect("written");
        assert_eq!(folders.colour(&path), 99, "it comes from the cache");
    }

    #[test]
    fn a_damaged_one_and_one_of_a_changed_file_are_made_again() {
        let mut folders = Folders::new();
        let path = folders.picture(512, 7);
        folders.colour(&path);
        let [kept] = folders.kept().try_into().expect("one file");
        for damage in [&b""[..], b"\x89PNG\r\n\x1a\n garbage"] {
            std::fs::write(&kept, damage).expect("written");
            assert_eq!(folders.colour(&path), 7);
        }
        let path = folders.picture(500, 8);
        assert_eq!(folders.colour(&path), 8);
        assert_eq!(folders.kept().len(), 2);
    }

    #[test]
    fn a_cache_that_cannot_be_written_costs_nothing_but_time() {
        let mut folders = Folders::new();
        let path = folders.picture(64, 5);
        folders.cache = Cache::new(&path);
        assert_eq!(folders.colour(&path), 5);
    }

    #[test]
    fn those_made_first_go_when_there_are_too_many() {
        let mut folders = Folders::new();
        let path = folders.picture(64, 5);
        std::fs::create_dir_all(&folders.cache.folder).expect("made");
        for i in 0..KEPT {
            std::fs::write(folders.cache.folder.join(format!("{i:05}.png")), "").expect("written");
        }
        folders.colour(&path);
        assert_eq!(folders.kept().len(), KEPT_AFTER);
        assert!(folders.kept().contains(&folders.cache.folder.join(file_name(&source(&path).expect("a source")))));
    }

    #[test]
    fn what_is_no_picture_is_an_error() {
        let mut folders = Folders::new();
        for path in [PathBuf::from("/no/such.png"), folders.dir.path().to_owned()] {
            assert!(matches!(folders.cache.thumbnail(path), IoEvent::Thumbnail { result: Err(_), .. }));
        }
        assert!(folders.kept().is_empty());
    }
}
