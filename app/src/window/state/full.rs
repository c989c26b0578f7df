//! One picture over everything: from the views, from the gallery, or from any file.

use std::path::{Path, PathBuf};

use imagen_protocol::RgbImage;

use super::State;
use crate::window::action::{Effect, Picture};
use crate::window::gallery::Details;
use crate::window::io::IoTask;
use crate::window::lens::Lens;
use crate::window::log::Weight;
use crate::window::shown::Shown;

impl State {
    /// A picture of the views, which is a file too if it was saved.
    pub(super) fn open_full(&mut self, picture: Picture) {
        let path = self.file_of(&picture.image).map(Path::to_owned);
        self.open(Shown::ours(picture, path));
    }

    fn open(&mut self, shown: Shown) {
        (self.full, self.full_lens, self.opening) = (Some(shown), Lens::default(), None);
    }

    pub(super) fn close_full(&mut self) {
        (self.full, self.opening) = (None, None);
    }

    /// An entry of the gallery: what the details have at once, all of its pixels as soon as they are read.
    pub(super) fn open_entry(&mut self, path: PathBuf) -> Vec<Effect> {
        let mut effects = self.select_entry(Some(path.clone()));
        match self.gallery.details.as_ref().map(|details| details.shown(&path)) {
            Some(Some(shown)) => effects.extend(self.open_details(shown)),
            // What is wrong with it is said in the details.
            Some(None) => {}
            None => self.gallery.opening = true,
        }
        effects
    }

    /// The details of the selected entry were read.
    pub(super) fn entry_read(&mut self, path: &Path, details: Details) -> Vec<Effect> {
        if self.gallery.selected.as_deref() != Some(path) {
            return vec![];
        }
        let opening = std::mem::take(&mut self.gallery.opening);
        let shown = details.shown(path).filter(|_| opening);
        self.gallery.details = Some(details);
        shown.map(|shown| self.open_details(shown)).unwrap_or_default()
    }

    fn open_details(&mut self, shown: Shown) -> Vec<Effect> {
        let rest = shown.path.clone().filter(|_| !shown.is_whole());
        self.open(shown);
        rest.map(|path| Effect::Io(IoTask::ReadWhole(path))).into_iter().collect()
    }

    /// Any file, of the gallery or not.
    pub(super) fn show_file(&mut self, path: PathBuf) -> Vec<Effect> {
        self.opening = Some(path.clone());
        vec![Effect::Io(IoTask::ReadWhole(path))]
    }

    /// A file was read whole: it opens, or its pixels take the place of the smaller ones, whatever part of them is being looked at.
    pub(super) fn whole_read(&mut self, path: &Path, details: &Details) {
        let asked = self.opening.as_deref() == Some(path);
        let open = self.full.as_ref().is_some_and(|full| full.path.as_deref() == Some(path));
        match (details.shown(path), &details.image) {
            (Some(shown), _) if asked => self.open(shown),
            (Some(shown), _) if open => self.full = Some(shown),
            (None, Err(e)) if asked => {
                self.opening = None;
                self.note(Weight::Error, e.to_string());
            }
            // The user has gone on to something else.
            _ => {}
        }
    }

    /// Where a picture of the views was saved.
    pub fn file_of(&self, image: &RgbImage) -> Option<&Path> {
        // Pictures are shared, never changed: the same pixels are at the same address.
        let same = |kept: &&(RgbImage, PathBuf)| std::ptr::eq(kept.0.pixels(), image.pixels());
        self.files.iter().rev().find(same).map(|(_, path)| path.as_path())
    }

    /// Remembers where a picture is, as long as a view has it.
    pub(super) fn remember_file(&mut self, image: &RgbImage, path: &Path) {
        let create = &self.create;
        let stages = || create.stages.values().chain(create.enlarged.values().flat_map(|stages| stages.values()));
        let kept =
            |image: &RgbImage| stages().any(|s| s.images.iter().flatten().any(|i| std::ptr::eq(i.pixels(), image.pixels())));
        self.files.retain(|(image, _)| kept(image));
        if kept(image) {
            self.files.push((image.clone(), path.to_owned()));
        }
    }
}
