//! Files appear whole or not at all: written beside their place, flushed, then renamed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::{AppError, file_error};

/// What may happen to a file of that name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    Keep,
    Replace,
}

/// Flushes to the disk before the name appears, so that a crash leaves the old file or the new one.
///
/// # Errors
/// [`imagen_protocol::EngineError::File`]; nothing is left behind.
pub fn write(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), AppError> {
    write_then(path, bytes, existing, File::sync_all)?;
    sync_folder(&folder(path));
    Ok(())
}

/// As [`write`], but left to the system to flush: for files that come by the hundred and that a crash may take.
///
/// # Errors
/// As [`write`].
pub fn write_unflushed(path: &Path, bytes: &[u8], existing: Existing) -> Result<(), AppError> {
    write_then(path, bytes, existing, |_| Ok(()))
}

fn write_then(path: &Path, bytes: &[u8], existing: Existing, flush: fn(&File) -> io::Result<()>) -> Result<(), AppError> {
    let result = temporary(&folder(path)).and_then(|mut file| {
        file.write_all(bytes)?;
        flush(file.as_file())?;
        place(file, path, existing)
    });
    result.map_err(|e| file_error(path, format!("not written: {e}"), remedy(&e)))
}

/// Makes the folder if need be and tries to write in it, before hours of work depend on it.
///
/// # Errors
/// [`imagen_protocol::EngineError::File`].
pub fn prepare_folder(dir: &Path) -> Result<(), AppError> {
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let cannot = |e: io::Error| file_error(dir, format!("cannot be written to: {e}"), "give a folder that can");
    fs::create_dir_all(dir).map_err(cannot)?;
    temporary(dir).and_then(|mut file| file.write_all(b"imagen")).map_err(cannot)
}

/// # Errors
/// Where one of `paths` exists and must be kept.
pub fn check_free<'a>(paths: impl IntoIterator<Item = &'a PathBuf>, existing: Existing) -> Result<(), AppError> {
    if existing == Existing::Replace {
        return Ok(());
    }
    match paths.into_iter().find(|p| p.symlink_metadata().is_ok()) {
        Some(path) => Err(file_error(path, "exists", "give another --out, or --force to overwrite")),
        None => Ok(()),
    }
}

/// The folder that holds `path`; "." for a bare name.
pub fn folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn temporary(dir: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".imagen-").suffix(".part");
    // tempfile's own default is for secrets; these are pictures: the umask decides.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(dir)
}

fn place(file: NamedTempFile, path: &Path, existing: Existing) -> io::Result<()> {
    if existing == Existing::Replace {
        return file.persist(path).map(drop).map_err(|e| e.error);
    }
    match file.persist_noclobber(path) {
        Ok(_) => Ok(()),
        // Some file systems (exFAT, network shares) know neither a rename that keeps nor hard links.
        Err(e) if e.error.kind() != io::ErrorKind::AlreadyExists && path.symlink_metadata().is_err() => {
            e.file.persist(path).map(drop).map_err(|e| e.error)
        }
        Err(e) => Err(e.error),
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge | io::ErrorKind::QuotaExceeded => {
            "free space, or give another folder"
        }
        io::ErrorKind::AlreadyExists => "give another name, or --force to overwrite",
        _ => "give a folder that can be written to",
    }
}

/// The rename itself is on the disk only when its folder is. Not every system lets a folder be opened, and the file is whole anyway.
fn sync_folder(dir: &Path) {
    let _ = File::open(dir).and_then(|d| d.sync_all());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).expect("the folder is there");
        entries.map(|e| e.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn an_existing_file_is_kept_unless_it_may_go() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.png");
        write(&path, b"old", Existing::Keep).expect("written");
        let error = write(&path, b"new", Existing::Keep).expect_err("it exists").to_string();
        assert!(error.contains("--force"), "{error}");
        assert_eq!(fs::read(&path).expect("there"), b"old");
        write(&path, b"new", Existing::Replace).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"new");
        assert_eq!(names(dir.path()), ["a.png"]);
    }

    #[test]
    fn a_failed_write_leaves_nothing() {
        let dir = tempfile::tempdir().expect("a folder");
        let target = dir.path().join("taken");
        fs::create_dir(&target).expect("made");
        assert!(write(&target, b"x", Existing::Replace).is_err());
        assert!(write(&dir.path().join("no/such/folder.png"), b"x", Existing::Keep).is_err());
        assert_eq!(names(dir.path()), ["taken"]);
    }

    #[test]
    fn a_folder_that_cannot_be_is_found_out_early() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("file");
        fs::write(&file, b"").expect("written");
        assert!(prepare_folder(&file.join("below")).is_err());
        prepare_folder(&dir.path().join("new/one")).expect("made");
        assert!(names(&dir.path().join("new/one")).is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn the_umask_decides_who_may_read() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a folder");
        let (ours, plain) = (dir.path().join("ours"), dir.path().join("plain"));
        write(&ours, b"x", Existing::Keep).expect("written");
        fs::write(&plain, b"x").expect("written");
        let mode = |p: &Path| fs::metadata(p).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&ours), mode(&plain));
    }
}
