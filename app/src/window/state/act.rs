//! What each action of a panel does.

use super::{Drawers, EngineStatus, State};
use crate::request::draw_seed;
use crate::window::action::{Action, Effect, Rail};
use crate::window::compare::{Column, MAX_COLUMNS, MIN_COLUMNS};
use crate::window::io::{FolderFor, IoTask};
use crate::window::prefs;
use imagen_protocol::{Command, DeviceChoice, Threshold};

impl State {
    /// Does what a panel asked for.
    pub fn apply(&mut self, action: Action) -> Vec<Effect> {
        let action = match self.apply_files(action) {
            Ok(effects) => return effects,
            Err(other) => other,
        };
        match action {
            Action::Generate => self.generate(),
            Action::ContinueFrom(size) => self.continue_from(size),
            Action::Enlarge(candidates) => self.enlarge(&candidates),
            Action::RunCompare => self.run_compare(),
            Action::RunStrip => self.run_strip(),
            Action::SaveSheet => self.save_sheet(),
            Action::Cancel => vec![Effect::CancelJob],
            Action::SetDevice(device) => self.set_device(device),
            Action::RestartEngine => self.restart_engine(),
            Action::UnloadModels => vec![Effect::Send(Command::Unload)],
            Action::CopyLog => vec![Effect::CopyText(self.log.text())],
            Action::Copy(image) => vec![Effect::CopyImage(image)],
            other => self.apply_io(other),
        }
    }

    /// Actions that the io thread does, or looks something up for.
    fn apply_io(&mut self, action: Action) -> Vec<Effect> {
        let task = match action {
            Action::SetModel(model) => return self.set_model(model),
            Action::RefreshModels => IoTask::FindModels(self.prefs.model_folders.clone()),
            Action::ChooseModelFolder => IoTask::ChooseFolder(FolderFor::Model),
            other => {
                self.apply_here(other);
                return vec![];
            }
        };
        vec![Effect::Io(task)]
    }

    /// Actions that only change the state.
    fn apply_here(&mut self, action: Action) {
        match action {
            Action::SelectCandidate(candidate) => self.create.selected = candidate,
            Action::Pick(candidate) => self.create.pick(candidate),
            Action::SetWeights(weights) => self.draft.weights = weights,
            Action::FirstOnly(on) => self.draft.until = self.sizes().first().copied().filter(|_| on),
            Action::Theme(theme) => self.prefs.theme = theme,
            Action::Scale(scale) => self.prefs.scale = scale.clamp(prefs::LEAST_SCALE, prefs::MOST_SCALE),
            // One at a time: both would leave no room for the pictures.
            Action::ToggleDrawer(Rail::Prompt) => self.drawers = Drawers { prompt: !self.drawers.prompt, stages: false },
            Action::ToggleDrawer(Rail::Stages) => self.drawers = Drawers { prompt: false, stages: !self.drawers.stages },
            Action::NewSeed => self.draft.seed = draw_seed(),
            Action::ApplyPreset(preset) => {
                if let Some(model) = self.model().cloned() {
                    self.draft.apply(preset, &model);
                }
            }
            Action::ResetStage(size) => drop(self.draft.stages.remove(&size)),
            Action::RemoveInput => self.draft.input = None,
            Action::OpenFull(picture) => self.open_full(picture),
            Action::CloseFull => self.close_full(),
            Action::AddColumn if self.compare.columns.len() < MAX_COLUMNS => {
                self.compare.columns.push(Column::new(Threshold::PAPER));
            }
            Action::RemoveColumn(index) => self.remove_column(index),
            Action::CellToColumn { cell, at } => self.cell_to_column(cell, at),
            Action::CellToDraft(cell) => self.cell_to_draft(cell),
            Action::MoveJob { job, up } => self.queue.shift(job, up),
            Action::RemoveJob(job) => self.queue.remove(job),
            Action::Show(view) => self.show(view),
            Action::ToggleLog => self.prefs.show_log = !self.prefs.show_log,
            Action::ClearLog => self.log.lines.clear(),
            Action::Dismiss(id) => self.notes.retain(|note| note.id != id),
            _ => {}
        }
    }

    fn remove_column(&mut self, index: usize) {
        let count = self.compare.columns.len();
        if count > MIN_COLUMNS && index < count && !self.columns_are_fixed() {
            self.compare.columns.remove(index);
        }
    }

    fn set_model(&mut self, model: Option<std::path::PathBuf>) -> Vec<Effect> {
        self.draft.model.clone_from(&model);
        self.counted = None;
        vec![Effect::Io(IoTask::Inspect(model))]
    }

    fn set_device(&mut self, device: DeviceChoice) -> Vec<Effect> {
        if self.draft.device == device && matches!(self.engine, EngineStatus::Ready(_)) {
            return vec![];
        }
        self.draft.device = device;
        self.restart_engine()
    }

    /// The running job is lost, and said to be; waiting ones go on with the new engine.
    fn restart_engine(&mut self) -> Vec<Effect> {
        self.engine = EngineStatus::Starting;
        self.notes.retain(|note| note.offers.iter().all(|offer| offer.action != Action::RestartEngine));
        (self.loading, self.memory) = (None, super::Memory::default());
        self.end_running(None);
        vec![Effect::StartEngine(self.draft.device)]
    }
}
