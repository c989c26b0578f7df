//! What panels ask for, and what the state asks of the outside.

use std::path::PathBuf;

use imagen_protocol::{Command, DeviceChoice, RgbImage, Weights};
use serde::{Deserialize, Serialize};

use super::draft::Preset;
use super::io::IoTask;
use super::job::JobId;
use super::prefs::ThemeChoice;
use crate::png::{Parameters, PictureSettings};

/// The three views of the centre.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    #[default]
    Create,
    Compare,
    Gallery,
}

/// The columns left and right of the view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rail {
    Prompt,
    Stages,
}

/// A picture with everything that made it: what can be saved, copied, opened or gone on from.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    pub image: RgbImage,
    pub settings: Box<PictureSettings>,
}

/// What is asked before it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether a file goes to the trash.
    Trash(PathBuf),
    /// Whether pictures that could not be saved are let go.
    Discard,
    /// Whether the window closes although pictures are not saved.
    Close,
}

/// What a panel asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    // Create
    Generate,
    /// Stops the running job; waiting ones stay.
    Cancel,
    /// Runs the stages after `size` again, from the kept pictures of `size`.
    ContinueFrom(u32),
    /// Enlarges these candidates of the first stage that was run, each to the end of the cascade.
    Enlarge(Vec<u32>),
    SelectCandidate(u32),
    /// Marks a candidate to be enlarged, or no longer.
    Pick(u32),
    /// Runs only the first stage, or the whole cascade.
    FirstOnly(bool),
    NewSeed,
    ApplyPreset(Preset),
    ResetStage(u32),
    /// Lets go of the picture that stands for the first stages.
    RemoveInput,
    // models and devices
    SetModel(Option<PathBuf>),
    ChooseModelFolder,
    SetDevice(DeviceChoice),
    SetWeights(Weights),
    /// Ends the engine and starts it again on the chosen device.
    RestartEngine,
    UnloadModels,
    RefreshModels,
    // pictures
    Save(Picture),
    SaveAs(Picture),
    Copy(RgbImage),
    OpenFull(Picture),
    /// Any picture file, over everything.
    ShowFile(PathBuf),
    CloseFull,
    /// Saves the pictures that could not be saved, once more.
    SaveAgain,
    // compare
    RunCompare,
    RunStrip,
    AddColumn,
    RemoveColumn(usize),
    /// A cell of the strip becomes a column: the given one, or a new one.
    CellToColumn {
        cell: usize,
        at: Option<usize>,
    },
    /// A cell of the strip becomes the draft's guidance and thresholding.
    CellToDraft(usize),
    /// Columns and strip as one labelled picture with a table beside it.
    SaveSheet,
    // gallery
    RefreshGallery,
    ChooseGalleryFolder,
    SelectEntry(Option<PathBuf>),
    /// Selects it and shows it over everything.
    OpenEntry(PathBuf),
    /// A thumbnail that is in view is missing.
    NeedThumbnail(PathBuf),
    /// Restores every setting of a picture into the draft.
    UseSettings(Box<PictureSettings>),
    /// Takes over what another program's picture says, as far as it has a meaning here.
    UseParameters(Box<Parameters>),
    /// The file becomes the input of a stage.
    UseAsInput(PathBuf),
    Trash(PathBuf),
    /// Shows the file in the system's file manager.
    Reveal(PathBuf),
    CopyPath(PathBuf),
    /// Files dropped on the window.
    Dropped(Vec<PathBuf>),
    // queue
    MoveJob {
        job: JobId,
        up: bool,
    },
    RemoveJob(JobId),
    // app
    Ask(Question),
    /// To the question that is asked.
    Answer(bool),
    Theme(ThemeChoice),
    /// Of the whole window, 1 for the system's own.
    Scale(f32),
    /// Opens or closes a rail of a narrow window.
    ToggleDrawer(Rail),
    Show(View),
    CopyLog,
    ClearLog,
    ToggleLog,
    Dismiss(u64),
}

/// What the state asks of the outside; carried out by `app.rs`.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// To the engine.
    Send(Command),
    /// The engine's cancel flag.
    CancelJob,
    StartEngine(DeviceChoice),
    /// To the io thread.
    Io(IoTask),
    CopyImage(RgbImage),
    CopyText(String),
    /// Closes the window.
    Close,
}
