//! Every setting of one stage.

use egui::{ComboBox, Ui};
use imagen_protocol::{SamplerKind, StageInfo, StageSettings};

use super::number::{self, Number};
use super::{steps, threshold};
use crate::window::state::State;

pub fn show(ui: &mut Ui, state: &mut State, stage: &StageInfo) {
    let before = state.draft.settings(stage);
    let mut now = before.clone();
    ui.push_id(stage.size, |ui| {
        steps::show(ui, stage, &mut now);
        sampler(ui, &stage.defaults, &mut now);
        if now.sampler == SamplerKind::Ddim {
            let tip = "Noise that DDIM adds at each step; 0 is deterministic";
            Number::share("Eta", tip, stage.defaults.eta).show(ui, &mut now.eta);
        }
        guidance(ui, &stage.defaults, &mut now);
        threshold::show(ui, &stage.defaults, &mut now);
        aug_level(ui, &stage.defaults, &mut now);
    });
    if now != before {
        state.draft.set(stage, &now);
    }
}

fn sampler_name(sampler: SamplerKind) -> &'static str {
    match sampler {
        SamplerKind::Ddpm => "DDPM (ancestral)",
        SamplerKind::Ddim => "DDIM",
        SamplerKind::Dpmpp2m => "DPM-Solver++ 2M",
    }
}

fn sampler(ui: &mut Ui, defaults: &StageSettings, now: &mut StageSettings) {
    ui.horizontal(|ui| {
        let tip = "The rule that takes x_t to the next, less noisy picture";
        let label = number::name(ui, "Sampler", tip, now.sampler != defaults.sampler);
        let combo = ComboBox::from_id_salt("sampler").selected_text(sampler_name(now.sampler)).width(ui.available_width());
        let list = combo.show_ui(ui, |ui| {
            for kind in [SamplerKind::Ddpm, SamplerKind::Ddim, SamplerKind::Dpmpp2m] {
                ui.selectable_value(&mut now.sampler, kind, sampler_name(kind));
            }
        });
        list.response.accessible_name("Sampler").on_hover_text(tip);
        if label.double_clicked() {
            now.sampler = defaults.sampler;
        }
    });
}

fn guidance(ui: &mut Ui, defaults: &StageSettings, now: &mut StageSettings) {
    let number = Number {
        name: "Guidance",
        tip: "Weight w of classifier-free guidance; 1 switches it off, more follows the prompt closer",
        slider: 1.0..=20.0,
        field: 0.0..=100.0,
        decimals: 1,
        suffix: "",
        default: defaults.guidance_weight,
    };
    number.show(ui, &mut now.guidance_weight);
}

/// Only stages that enlarge a picture have one.
fn aug_level(ui: &mut Ui, defaults: &StageSettings, now: &mut StageSettings) {
    let (Some(level), Some(default)) = (now.aug_level.as_mut(), defaults.aug_level) else { return };
    let tip = "Noise on the small picture that this stage enlarges: more lets it invent more";
    Number::share("Aug level", tip, default).show(ui, level);
}
