//! Where to compute: the device, its memory, and what to do when it fails.

mod weights;

use egui::{CollapsingHeader, ComboBox, RichText, Ui};
use imagen_protocol::{Adapter, AdapterKind, DeviceChoice, EngineError};

use super::Actions;
use crate::devices;
use crate::window::action::Action;
use crate::window::state::{EngineStatus, State};
use crate::window::theme::{self, Palette};
use crate::window::{icons, widgets};

pub fn show(ui: &mut Ui, state: &State, actions: &mut Actions) {
    if let EngineStatus::Unavailable(error) = &state.engine {
        unavailable(ui, state, error, actions);
    }
    CollapsingHeader::new("Device").id_salt("device").show_unindented(ui, |ui| {
        choice(ui, state, actions);
        facts(ui, state);
        weights::show(ui, state, actions);
        memory(ui, state);
        buttons(ui, state, actions);
    });
}

/// The error in words, and the two ways on.
fn unavailable(ui: &mut Ui, state: &State, error: &EngineError, actions: &mut Actions) {
    widgets::card(ui, |ui| {
        ui.set_width(ui.available_width());
        widgets::error(ui, error);
        ui.horizontal(|ui| {
            if ui.button("Restart").on_hover_text("Start the engine again on the same device").clicked() {
                actions.push(Action::RestartEngine);
            }
            let on_cpu = state.draft.device == DeviceChoice::Cpu;
            if ui.add_enabled(!on_cpu, egui::Button::new("Use the CPU")).clicked() {
                actions.push(Action::SetDevice(DeviceChoice::Cpu));
            }
        });
    });
}

fn choice(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let chosen = state.draft.device;
    let automatic = devices::best(&state.adapters).map_or_else(|| "CPU".into(), |a| a.name.clone());
    let mut pick = |ui: &mut Ui, device: DeviceChoice, text: String, unusable: Option<&String>| {
        let button = egui::Button::selectable(chosen == device, text);
        let response = ui.add_enabled(unusable.is_none(), button);
        let response = match unusable {
            Some(reason) => response.on_disabled_hover_text(reason),
            None => response,
        };
        if response.clicked() {
            actions.push(Action::SetDevice(device));
            ui.close();
        }
    };
    // A running job would be lost by a slip of the mouse.
    ui.add_enabled_ui(!state.is_busy(), |ui| {
        let combo = ComboBox::from_id_salt("compute on").selected_text(chosen_name(state, &automatic)).truncate();
        let combo = combo.width(ui.available_width()).show_ui(ui, |ui| {
            pick(ui, DeviceChoice::Auto, format!("Automatic: {automatic}"), None);
            pick(ui, DeviceChoice::Cpu, "CPU".into(), None);
            for adapter in &state.adapters {
                pick(ui, DeviceChoice::Gpu(adapter.index), adapter_name(adapter), adapter.unusable.as_ref());
            }
        });
        let response = combo.response.on_disabled_hover_text("A job runs; cancel it first");
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::ComboBox, true, "Compute on"));
    });
}

fn chosen_name(state: &State, automatic: &str) -> String {
    match state.draft.device {
        DeviceChoice::Auto => format!("Automatic: {automatic}"),
        DeviceChoice::Cpu => "CPU".into(),
        DeviceChoice::Gpu(index) => {
            let adapter = state.adapters.iter().find(|a| a.index == index);
            adapter.map_or_else(|| format!("adapter {index} (not there)"), adapter_name)
        }
    }
}

/// One adapter can be there once for each of its interfaces.
fn adapter_name(adapter: &Adapter) -> String {
    let slow = if adapter.kind == AdapterKind::Software { ", software" } else { "" };
    let refused = if adapter.unusable.is_some() { ", cannot be used" } else { "" };
    format!("{} ({}{slow}{refused})", adapter.name, adapter.api)
}

fn facts(ui: &mut Ui, state: &State) {
    let status = match &state.engine {
        EngineStatus::Starting => "starting",
        EngineStatus::Ready(_) => "ready",
        EngineStatus::Unavailable(_) => "stopped",
    };
    row(ui, "Engine", status);
    if let EngineStatus::Ready(device) = &state.engine {
        row(ui, "Runs on", &device.name);
    }
    if let Some(adapter) = state.adapter() {
        row(ui, "Kind", devices::kind(adapter.kind));
        row(ui, "Driver", if adapter.driver.is_empty() { "not said" } else { &adapter.driver });
        row(ui, "Interface", &adapter.api);
        row(ui, "Buffers", &format!("up to {}", widgets::bytes(adapter.max_buffer_bytes)));
    }
}

fn memory(ui: &mut Ui, state: &State) {
    let p = Palette::get(ui.ctx());
    let (models, used) = (state.memory.model_bytes, state.memory.used_bytes);
    row(ui, "Models", &if models == 0 { "none loaded".into() } else { widgets::bytes(models) });
    match used {
        Some(used) => row(ui, "Activations", &widgets::bytes(used.saturating_sub(models))),
        None => row(ui, "Activations", "not counted here"),
    }
    let Some(model) = state.model() else { return };
    let needed = state.memory_needed(model);
    row(ui, "Needs", &format!("{} at once for the model", widgets::bytes(needed)));
    if state.adapter().is_some_and(|a| a.max_buffer_bytes < needed) {
        let text = format!("{}  more than one buffer of this device holds: it may not fit", icons::WARNING);
        ui.add(egui::Label::new(RichText::new(text).color(p.warning).text_style(theme::caption())).wrap());
    }
}

fn buttons(ui: &mut Ui, state: &State, actions: &mut Actions) {
    ui.horizontal_wrapped(|ui| {
        let hint = if state.is_busy() { "The running job is lost" } else { "Start the engine again on this device" };
        if ui.button("Restart engine").on_hover_text(hint).clicked() {
            actions.push(Action::RestartEngine);
        }
        let possible = state.memory.model_bytes > 0 && !state.is_busy();
        if ui.add_enabled(possible, egui::Button::new("Unload models")).on_hover_text("Frees their memory").clicked() {
            actions.push(Action::UnloadModels);
        }
    });
}

fn row(ui: &mut Ui, name: &str, value: &str) {
    widgets::row(ui, theme::NAMES, name, value);
}
