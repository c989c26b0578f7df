//! What each event of the io threads changes.

use std::path::PathBuf;

use imagen_protocol::EngineError;

use super::{State, Tokens};
use crate::window::action::{Action, Effect};
use crate::window::gallery::Entry;
use crate::window::io::{FolderFor, IoEvent, IoTask};
use crate::window::log::Weight;

impl State {
    pub fn fold_io(&mut self, event: IoEvent) -> Vec<Effect> {
        match event {
            IoEvent::PrefsNotSaved(e) | IoEvent::Failed(e) => self.note(Weight::Error, e.to_string()),
            IoEvent::Saved { picture, entry } => self.saved(&picture, entry),
            IoEvent::NotSaved { picture, error } => self.not_saved(picture, error),
            IoEvent::PlaceChosen { picture, path } => return vec![Effect::Io(IoTask::SaveTo { picture, path })],
            IoEvent::Gallery { folder, result } => self.scanned(&folder, result),
            IoEvent::Thumbnail { path, result } => self.thumbnails.put(path, result),
            IoEvent::EntryRead { path, details } => return self.entry_read(&path, *details),
            IoEvent::WholeRead { path, details } => self.whole_read(&path, &details),
            IoEvent::SheetSaved(path) => {
                self.note(Weight::Info, format!("saved {}, and its table beside it", path.display()));
                return vec![Effect::Io(IoTask::ScanGallery(self.pictures_folder()))];
            }
            IoEvent::InputLoaded { result } => match result {
                Ok((input, remarks)) => {
                    self.input_loaded(input);
                    remarks.into_iter().for_each(|r| self.note(Weight::Info, r));
                }
                Err(e) => self.note(Weight::Error, e.to_string()),
            },
            IoEvent::Examined { path, result } => return self.examined(path, result),
            IoEvent::Trashed { path, result } => return self.trashed(&path, result),
            IoEvent::Inspected { model, result } => drop(self.models.info.insert(model, *result)),
            IoEvent::TokensCounted { text, tokens, max_tokens } => self.tokens = Some(Tokens { text, tokens, max_tokens }),
            IoEvent::ModelsFound(found) => {
                self.models.found = found;
                return self.look_into_found();
            }
            IoEvent::Adapters(adapters) => self.adapters = adapters,
            IoEvent::FolderChosen { purpose, folder } => return self.folder_chosen(purpose, folder),
        }
        vec![]
    }

    /// So that the list of models can say what each is.
    fn look_into_found(&self) -> Vec<Effect> {
        let found = self.models.found.iter().cloned().map(Some);
        let unknown = found.filter(|model| !self.models.info.contains_key(model));
        unknown.map(|model| Effect::Io(IoTask::Inspect(model))).collect()
    }

    fn scanned(&mut self, folder: &std::path::Path, result: Result<Vec<Entry>, EngineError>) {
        if folder != self.pictures_folder() {
            return;
        }
        self.gallery.scanning = false;
        match result {
            Ok(entries) => {
                self.forget_changed(&entries);
                self.gallery.set_entries(entries);
                self.gallery.error = None;
            }
            Err(e) => self.gallery.error = Some(e),
        }
    }

    /// A file that was written anew has another thumbnail.
    fn forget_changed(&mut self, entries: &[Entry]) {
        let now: std::collections::HashMap<_, _> = entries.iter().map(|e| (&e.path, e.modified)).collect();
        for old in self.gallery.entries() {
            if now.get(&old.path) != Some(&old.modified) {
                self.thumbnails.forget(&old.path);
            }
        }
    }

    fn trashed(&mut self, path: &std::path::Path, result: Result<(), EngineError>) -> Vec<Effect> {
        if let Err(e) = result {
            self.note(Weight::Error, e.to_string());
            return vec![];
        }
        self.log.push(self.now, Weight::Info, format!("moved to the trash: {}", path.display()));
        self.thumbnails.forget(path);
        self.files.retain(|(_, file)| file != path);
        match self.gallery.remove(path) {
            Some(next) => self.select_entry(Some(next)),
            None => vec![],
        }
    }

    fn folder_chosen(&mut self, purpose: FolderFor, folder: PathBuf) -> Vec<Effect> {
        match purpose {
            FolderFor::Model => {
                if !self.prefs.model_folders.contains(&folder) {
                    self.prefs.model_folders.push(folder.clone());
                }
                let mut effects = vec![Effect::Io(IoTask::FindModels(self.prefs.model_folders.clone()))];
                effects.extend(self.apply(Action::SetModel(Some(folder))));
                effects
            }
            FolderFor::Gallery => {
                self.prefs.pictures = Some(folder);
                self.gallery.set_entries(Vec::new());
                let mut effects = self.scan_gallery();
                // What the old folder did not take goes to the new one.
                effects.extend(self.save_again());
                effects
            }
        }
    }
}
