//! Pictures that could not be saved: a full disk costs time, never a picture.

use imagen_protocol::EngineError;

use super::State;
use crate::window::action::{Effect, Picture};
use crate::window::gallery::Entry;
use crate::window::io::IoTask;
use crate::window::log::Weight;

/// A picture that could not be saved, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Unsaved {
    pub picture: Picture,
    pub error: EngineError,
    /// It is being tried again.
    pub saving: bool,
}

impl State {
    pub(super) fn not_saved(&mut self, picture: Picture, error: EngineError) {
        self.log.push(self.now, Weight::Error, format!("not saved: {error}"));
        match self.unsaved.iter_mut().find(|u| u.picture == picture) {
            Some(known) => (known.error, known.saving) = (error, false),
            None => self.unsaved.push(Unsaved { picture, error, saving: false }),
        }
    }

    /// The gallery gets the new file without looking through its folder again.
    pub(super) fn saved(&mut self, picture: &Picture, entry: Entry) {
        self.log.push(self.now, Weight::Info, format!("saved {}", entry.path.display()));
        self.unsaved.retain(|u| u.picture != *picture);
        self.thumbnails.forget(&entry.path);
        self.remember_file(&picture.image, &entry.path);
        if entry.path.parent() == Some(self.pictures_folder().as_path()) {
            self.gallery.add(entry);
        }
    }

    /// Into the pictures' folder as it is now: it may be another one by now, or have room again.
    pub(super) fn save_again(&mut self) -> Vec<Effect> {
        let folder = self.pictures_folder();
        let waiting = self.unsaved.iter_mut().filter(|u| !u.saving);
        let again = waiting.map(|u| {
            u.saving = true;
            Effect::Io(IoTask::Save { picture: u.picture.clone(), folder: folder.clone() })
        });
        again.collect()
    }
}
