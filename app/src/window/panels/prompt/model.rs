//! Which model makes the pictures.

use std::path::{Path, PathBuf};

use egui::{ComboBox, RichText, Ui};
use imagen_protocol::{EngineError, ModelInfo};

use super::Actions;
use crate::window::action::Action;
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let chosen = state.draft.model.as_deref();
    ui.label("Model");
    let combo = ComboBox::from_id_salt("model").selected_text(name(state, chosen)).width(ui.available_width()).truncate();
    let list = combo.show_ui(ui, |ui| choices(ui, state, actions));
    list.response.accessible_name("Model").on_hover_text("Which model makes the pictures");
    match state.models.info.get(&state.draft.model) {
        None => drop(widgets::caption(ui, "looking into it ...")),
        Some(Ok(model)) => {
            widgets::caption(ui, format!("{} · {}", summary(model), need(state, model)))
                .on_hover_text("Family, size on disk, licence, and the memory that its largest part needs");
        }
        Some(Err(e)) => widgets::error(ui, e),
    }
}

fn choices(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let found = state.models.found.iter().cloned().map(Some);
    for model in std::iter::once(None).chain(found) {
        choice(ui, state, model, actions);
    }
    ui.separator();
    if ui.button(format!("{}  Add folder...", icons::FOLDER_OPEN)).on_hover_text("A model somewhere else").clicked() {
        actions.push(Action::ChooseModelFolder);
    }
    if ui.button(format!("{}  Look again", icons::ARROW_CLOCKWISE)).on_hover_text("For models in the usual folders").clicked() {
        actions.push(Action::RefreshModels);
    }
}

fn choice(ui: &mut Ui, state: &State, model: Option<PathBuf>, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let info = state.models.info.get(&model);
    let item = ui.selectable_label(state.draft.model == model, name(state, model.as_deref()));
    match info {
        Some(Ok(info)) => drop(widgets::caption(ui, format!("{} · {}", summary(info), need(state, info)))),
        Some(Err(e)) => drop(ui.label(RichText::new(remark(e)).text_style(theme::caption()).color(p.error))),
        None => drop(widgets::caption(ui, model.as_ref().map_or_else(String::new, |path| path.display().to_string()))),
    }
    if item.clicked() {
        actions.push(Action::SetModel(model));
    }
}

/// "imagen · 152 MB · Apache-2.0".
fn summary(model: &ModelInfo) -> String {
    let files = model.text_encoder.file_bytes + model.stages.iter().map(|s| s.file_bytes).sum::<u64>();
    format!("{} · {} · {}", model.family, widgets::bytes(files), model.license)
}

fn need(state: &State, model: &ModelInfo) -> String {
    format!("needs {}", widgets::bytes(state.memory_needed(model)))
}

fn remark(error: &EngineError) -> String {
    match error {
        EngineError::Model { problem, .. } => problem.clone(),
        other => other.to_string(),
    }
}

/// What a model calls itself, or its folder's name.
fn name(state: &State, model: Option<&Path>) -> String {
    let info = state.models.info.get(&model.map(Path::to_owned)).and_then(|i| i.as_ref().ok());
    match (info, model) {
        (Some(info), Some(_)) => info.name.clone(),
        (Some(info), None) => format!("{} (default)", info.name),
        (None, Some(path)) => path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned(),
        (None, None) => "default".into(),
    }
}
