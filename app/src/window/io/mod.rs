//! Everything that waits for a disk or a dialog, on threads of its own: the window never does.

mod files;
mod gallery;
mod models;
mod reveal;
mod sheet;
mod thumbnails;
mod worker;

use std::path::PathBuf;

use imagen_protocol::{Adapter, EngineError, ModelInfo, RgbImage};

use super::action::{Action, Picture};
use super::compare::Sheet;
use super::draft::Input;
use super::gallery::{Details, Entry};
use super::prefs::Prefs;
use crate::png::{Parameters, PictureSettings};

pub use worker::Io;

/// What is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum IoTask {
    SavePrefs(Box<Prefs>),
    /// Into the folder, under a name of its own.
    Save {
        picture: Picture,
        folder: PathBuf,
    },
    /// Asks where to; answered by [`IoEvent::PlaceChosen`].
    SaveAs {
        picture: Picture,
        folder: PathBuf,
    },
    /// What was compared: a picture and a table, under a name of their own.
    SaveSheet {
        sheet: Box<Sheet>,
        folder: PathBuf,
    },
    SaveTo {
        picture: Picture,
        path: PathBuf,
    },
    ScanGallery(PathBuf),
    Thumbnail(PathBuf),
    ReadEntry(PathBuf),
    /// With as many pixels as a window can show.
    ReadWhole(PathBuf),
    /// A picture for the stages after the largest of `sizes` that it fills.
    LoadInput {
        path: PathBuf,
        sizes: Vec<u32>,
    },
    /// What a dropped file is.
    Examine(PathBuf),
    Trash(PathBuf),
    Reveal(PathBuf),
    Inspect(Option<PathBuf>),
    CountTokens {
        model: Option<PathBuf>,
        text: String,
    },
    FindModels(Vec<PathBuf>),
    ListAdapters,
    ChooseFolder(FolderFor),
}

impl IoTask {
    /// What it is called where it went wrong.
    pub fn name(&self) -> String {
        let of = |what: &str, path: &std::path::Path| format!("{what} {}", path.display());
        match self {
            Self::SavePrefs(_) => "saving the settings".into(),
            Self::Save { folder, .. } | Self::SaveAs { folder, .. } => of("saving a picture to", folder),
            Self::SaveSheet { folder, .. } => of("saving a comparison to", folder),
            Self::SaveTo { path, .. } => of("saving", path),
            Self::ScanGallery(path) => of("listing", path),
            Self::Thumbnail(path) | Self::ReadEntry(path) | Self::ReadWhole(path) | Self::Examine(path) => of("reading", path),
            Self::LoadInput { path, .. } => of("reading", path),
            Self::Trash(path) => of("deleting", path),
            Self::Reveal(path) => of("showing", path),
            Self::Inspect(_) | Self::FindModels(_) => "looking for models".into(),
            Self::CountTokens { .. } => "counting tokens".into(),
            Self::ListAdapters => "listing devices".into(),
            Self::ChooseFolder(_) => "choosing a folder".into(),
        }
    }
}

impl IoTask {
    /// The answer to a task that could not be done at all, or broke off.
    pub fn failed(self, error: EngineError) -> IoEvent {
        match self {
            Self::Save { picture, .. } | Self::SaveAs { picture, .. } | Self::SaveTo { picture, .. } => {
                IoEvent::NotSaved { picture, error }
            }
            Self::Thumbnail(path) => IoEvent::Thumbnail { path, result: Err(error) },
            Self::ReadEntry(path) => IoEvent::EntryRead { path, details: Box::new(Details::failed(error)) },
            Self::ReadWhole(path) => IoEvent::WholeRead { path, details: Box::new(Details::failed(error)) },
            Self::ScanGallery(folder) => IoEvent::Gallery { folder, result: Err(error) },
            Self::Inspect(model) => IoEvent::Inspected { model, result: Box::new(Err(error)) },
            _ => IoEvent::Failed(error),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FolderFor {
    Model,
    Gallery,
}

/// What a dropped file turned out to be.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One of ours: restores its settings.
    Ours(Box<PictureSettings>),
    /// Another program's, with A1111's `parameters` text.
    Parameters(String),
    /// A picture without settings: becomes the input of a stage.
    Plain,
}

impl Found {
    /// What takes the settings over, where there are any.
    pub fn restoring(&self) -> Option<Action> {
        match self {
            Self::Ours(settings) => Some(Action::UseSettings(settings.clone())),
            Self::Parameters(text) => Some(Action::UseParameters(Box::new(Parameters::read(text)))),
            Self::Plain => None,
        }
    }
}

/// What was done.
#[derive(Clone, Debug, PartialEq)]
pub enum IoEvent {
    PrefsNotSaved(EngineError),
    Saved {
        picture: Picture,
        entry: Entry,
    },
    /// The picture comes back, so that it can be saved elsewhere.
    NotSaved {
        picture: Picture,
        error: EngineError,
    },
    /// Where the user wants a picture saved.
    PlaceChosen {
        picture: Picture,
        path: PathBuf,
    },
    /// The picture of a comparison; its table lies beside it.
    SheetSaved(PathBuf),
    Gallery {
        folder: PathBuf,
        result: Result<Vec<Entry>, EngineError>,
    },
    Thumbnail {
        path: PathBuf,
        result: Result<RgbImage, EngineError>,
    },
    EntryRead {
        path: PathBuf,
        details: Box<Details>,
    },
    WholeRead {
        path: PathBuf,
        details: Box<Details>,
    },
    InputLoaded {
        result: Result<(Input, Vec<String>), EngineError>,
    },
    Examined {
        path: PathBuf,
        result: Result<Found, EngineError>,
    },
    Trashed {
        path: PathBuf,
        result: Result<(), EngineError>,
    },
    /// Something that needs nothing but saying.
    Failed(EngineError),
    Inspected {
        model: Option<PathBuf>,
        result: Box<Result<ModelInfo, EngineError>>,
    },
    /// Tokens of the text, and how many the text encoder reads.
    TokensCounted {
        text: String,
        tokens: usize,
        max_tokens: usize,
    },
    ModelsFound(Vec<PathBuf>),
    Adapters(Vec<Adapter>),
    FolderChosen {
        purpose: FolderFor,
        folder: PathBuf,
    },
}
