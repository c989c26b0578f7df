//! Small pictures of files, kept while they are looked at.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use imagen_protocol::{EngineError, RgbImage};

/// Most that are kept: some screens full.
pub const KEPT: usize = 512;
/// Most that are asked for at a time. What scrolls out of view is not asked for any more, so that what is in view never waits for it.
pub const ASKED: usize = 64;

#[derive(Clone, Debug, PartialEq)]
struct Slot {
    /// `None`: asked for.
    picture: Option<Result<RgbImage, EngineError>>,
    used: u64,
}

/// By file; those that were not used for longest go first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thumbnails {
    slots: HashMap<PathBuf, Slot>,
    asked: usize,
    clock: u64,
}

impl Thumbnails {
    /// The thumbnail of a file that is in view.
    pub fn look(&mut self, path: &Path) -> Option<&Result<RgbImage, EngineError>> {
        self.clock += 1;
        let slot = self.slots.get_mut(path)?;
        slot.used = self.clock;
        slot.picture.as_ref()
    }

    /// Whether it is to be asked for now: it neither is nor was, and not too many are.
    pub fn wants(&self, path: &Path) -> bool {
        self.asked < ASKED && !self.slots.contains_key(path)
    }

    /// `true` where the caller is to fetch it.
    pub fn ask(&mut self, path: &Path) -> bool {
        if !self.wants(path) {
            return false;
        }
        self.clock += 1;
        self.asked += 1;
        self.slots.insert(path.to_owned(), Slot { picture: None, used: self.clock });
        true
    }

    /// What was asked for has come.
    pub fn put(&mut self, path: PathBuf, picture: Result<RgbImage, EngineError>) {
        self.clock += 1;
        let used = self.clock;
        let before = self.slots.insert(path, Slot { picture: Some(picture), used });
        if before.is_some_and(|slot| slot.picture.is_none()) {
            self.asked -= 1;
        }
        self.shrink();
    }

    /// The file changed or is gone, or could not be asked for.
    pub fn forget(&mut self, path: &Path) {
        if self.slots.remove(path).is_some_and(|slot| slot.picture.is_none()) {
            self.asked -= 1;
        }
    }

    /// Those that are kept or asked for.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many are asked for and not yet there.
    pub fn awaited(&self) -> usize {
        self.asked
    }

    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    fn shrink(&mut self) {
        while self.slots.len() > KEPT {
            let ready = self.slots.iter().filter(|(_, slot)| slot.picture.is_some());
            let Some(oldest) = ready.min_by_key(|(_, slot)| slot.used).map(|(path, _)| path.clone()) else { return };
            self.slots.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_support::flat;

    fn path(i: usize) -> PathBuf {
        format!("{i}.png").into()
    }

    #[test]
    fn nothing_is_asked_for_twice_nor_too_much_at_a_time() {
        let mut thumbnails = Thumbnails::default();
        assert!(thumbnails.ask(&path(0)));
        assert!(!thumbnails.ask(&path(0)));
        assert_eq!((1..1000).filter(|&i| thumbnails.ask(&path(i))).count(), ASKED - 1);
        thumbnails.put(path(0), Ok(flat(4, [0; 3])));
        assert!(!thumbnails.ask(&path(0)));
        assert!(thumbnails.ask(&path(999)));
    }

    #[test]
    fn those_unused_for_longest_go() {
        let mut thumbnails = Thumbnails::default();
        for i in 0..KEPT {
            thumbnails.put(path(i), Ok(flat(4, [0; 3])));
        }
        assert!(thumbnails.look(&path(0)).is_some());
        thumbnails.put(path(KEPT), Ok(flat(4, [0; 3])));
        assert_eq!(thumbnails.len(), KEPT);
        assert!(thumbnails.look(&path(0)).is_some());
        assert!(thumbnails.look(&path(1)).is_none());
    }

    #[test]
    fn a_file_that_changed_is_asked_for_again() {
        let mut thumbnails = Thumbnails::default();
        thumbnails.ask(&path(0));
        thumbnails.forget(&path(0));
        assert!(thumbnails.ask(&path(0)));
        assert_eq!(thumbnails.asked, 1);
    }
}
