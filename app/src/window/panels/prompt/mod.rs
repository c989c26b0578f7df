//! The left rail: what to make.

mod model;

use egui::{DragValue, Key, RichText, TextEdit, Ui, Vec2};

use super::Actions;
use crate::window::action::{Action, View};
use crate::window::doing::doing;
use crate::window::state::State;
use crate::window::textures::{Filter, Textures};
use crate::window::theme::{self, Palette};
use crate::window::{gallery, icons, widgets};

pub fn show(ui: &mut Ui, state: &mut State, textures: &mut Textures, actions: &mut Actions) {
    prompt(ui, state);
    negative(ui, state);
    ui.separator();
    seed(ui, state, actions);
    candidates(ui, state, actions);
    ui.separator();
    model::show(ui, state, actions);
    input(ui, state, textures, actions);
}

fn prompt(ui: &mut Ui, state: &mut State) {
    let title = widgets::head(ui, "Prompt");
    let edit = TextEdit::multiline(&mut state.draft.prompt).desired_rows(4).desired_width(f32::INFINITY);
    let edit = edit.hint_text("What the picture shows").id_salt("prompt");
    ui.add(edit).labelled_by(title.id).on_hover_text("What the picture shows; Ctrl+Enter generates");
    tokens(ui, state);
}

/// "12 / 64 tokens"; the line is there before anything is counted.
fn tokens(ui: &mut Ui, state: &State) {
    let p = Palette::get(ui.ctx());
    let Some(tokens) = &state.tokens else {
        widgets::caption(ui, " ");
        return;
    };
    let (count, most) = (tokens.tokens, tokens.max_tokens);
    if count > most {
        let text = format!("{} {count} / {most} tokens: the end is not read", icons::WARNING);
        ui.label(RichText::new(text).text_style(theme::caption()).color(p.warning));
    } else {
        widgets::caption(ui, format!("{count} / {most} tokens"))
            .on_hover_text("Parts of words, as the text encoder counts them, and how many it reads");
    }
}

fn negative(ui: &mut Ui, state: &mut State) {
    let open = (!state.draft.negative_prompt.is_empty()).then_some(true);
    let header = egui::CollapsingHeader::new("Negative prompt").id_salt("negative").open(open);
    let shown = header.show(ui, |ui| {
        let edit = TextEdit::multiline(&mut state.draft.negative_prompt).desired_rows(2).desired_width(f32::INFINITY);
        let edit = edit.hint_text("What it does not show").id_salt("negative text");
        ui.add(edit).accessible_name("Negative prompt text").on_hover_text("Guidance leads away from this");
    });
    shown.header_response.on_hover_text("What the picture does not show");
}

/// A name, then its control in the rest of the row.
fn row<R>(ui: &mut Ui, name: &str, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.horizontal(|ui| {
        let size = Vec2::new(theme::NAME, theme::CONTROL);
        ui.allocate_ui_with_layout(size, egui::Layout::left_to_right(egui::Align::Center), |ui| {
            ui.set_min_size(size);
            ui.label(name);
        });
        add(ui)
    })
    .inner
}

fn seed(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    row(ui, "Seed", |ui| {
        let buttons = 2.0 * (theme::CONTROL + theme::GAP);
        seed_field(ui, &mut state.draft.seed, ui.available_width() - buttons);
        let (icon, name) = if state.draft.seed_locked {
            (icons::LOCK, "Unlock the seed: each picture gets a new one")
        } else {
            (icons::LOCK_OPEN, "Lock the seed: every picture gets this one")
        };
        if widgets::icon_button(ui, icon, name).clicked() {
            state.draft.seed_locked = !state.draft.seed_locked;
        }
        if widgets::icon_button(ui, icons::DICE_FIVE, "Draw another seed").clicked() {
            actions.push(Action::NewSeed);
        }
    });
}

/// Seeds have 64 bits, more than a number field of egui holds. What is no number is put back.
fn seed_field(ui: &mut Ui, seed: &mut u64, width: f32) {
    let id = ui.make_persistent_id("seed");
    let mut text = ui.data_mut(|d| d.get_temp::<String>(id)).unwrap_or_else(|| seed.to_string());
    let size = Vec2::new(width, theme::CONTROL);
    let field = TextEdit::singleline(&mut text).id(id).min_size(size).desired_width(width - 2.0 * theme::GAP).char_limit(20);
    let field = ui.add(field.align(egui::Align2::LEFT_CENTER)).accessible_name("Seed");
    let field = field.on_hover_text("The same seed and settings give the same picture; a whole number");
    if field.has_focus() && !ui.input(|i| i.key_pressed(Key::Enter)) {
        ui.data_mut(|d| d.insert_temp(id, text.clone()));
    } else {
        ui.data_mut(|d| d.remove_temp::<String>(id));
    }
    if let Ok(typed) = text.trim().parse()
        && field.changed()
    {
        *seed = typed;
    }
}

fn candidates(ui: &mut Ui, state: &mut State, actions: &mut Actions) {
    row(ui, "Candidates", |ui| {
        let field = DragValue::new(&mut state.draft.candidates).range(1..=64).speed(0.1);
        ui.add_sized([theme::NUMBER, theme::CONTROL], field)
            .accessible_name("Candidates")
            .on_hover_text("Pictures of one prompt and seed, 1 to 64, each with noise of its own");
    });
    let Some(first) = state.sizes().first().copied().filter(|_| state.sizes().len() > 1) else { return };
    let mut on = state.is_first_only();
    let switch = ui.checkbox(&mut on, format!("{first}s first, to choose from"));
    if switch.on_hover_text(format!("Stops after the {first}-pixel pictures, so that you choose which to enlarge")).changed() {
        actions.push(Action::FirstOnly(on));
    }
}

/// The picture that stands for the first stages.
fn input(ui: &mut Ui, state: &State, textures: &mut Textures, actions: &mut Actions) {
    let Some(input) = &state.draft.input else { return };
    ui.separator();
    ui.label("Starts from a picture");
    ui.horizontal(|ui| {
        if let Some(image) = input.input.images.first() {
            let texture = textures.get(ui.ctx(), image, Filter::Smooth);
            let button = egui::Button::image((texture, Vec2::splat(theme::PRIMARY))).frame(false);
            let button = ui.add(button).on_hover_text("Stands for the stages up to its size; click: the whole file, full size");
            button.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, "Show the input picture"));
            if button.clicked() {
                actions.push(Action::ShowFile(input.path.clone()));
            }
        }
        ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
            if widgets::icon_button(ui, icons::X, "Remove the input picture").clicked() {
                actions.push(Action::RemoveInput);
            }
            ui.vertical(|ui| {
                ui.spacing_mut().item_spacing.y = 0.0;
                ui.add(egui::Label::new(gallery::name(&input.path)).truncate());
                widgets::caption(ui, format!("{0} x {0} pixels", input.input.size));
            });
        });
    });
}

/// Generate, or Cancel in its place, and what hinders or happens in words below: always of the same height.
pub fn go(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let p = Palette::get(ui.ctx());
    let obstacle = state.obstacle();
    // One primary action a screen, and the key is its own.
    let create = state.prefs.view == View::Create;
    let button = if create { widgets::primary_button } else { widgets::wide_button };
    start_or_cancel(ui, state, obstacle.as_deref(), button, actions);
    let (text, colour) = match (state.is_busy(), obstacle) {
        (true, _) => (doing(state), p.muted),
        (false, Some(obstacle)) => (obstacle, p.error),
        (false, None) => (hint(state).into(), p.muted),
    };
    let width = ui.available_width();
    ui.allocate_ui(Vec2::new(width, theme::WORDS), |ui| {
        ui.set_min_size(Vec2::new(width, theme::WORDS));
        widgets::clipped(ui, &text, colour, 3);
    });
}

/// The button alone, where the rail is closed.
pub fn go_narrow(ui: &mut Ui, state: &State, actions: &mut Actions) {
    let obstacle = state.obstacle();
    let button = if state.prefs.view == View::Create { widgets::small_primary_button } else { widgets::small_button };
    start_or_cancel(ui, state, obstacle.as_deref(), button, actions);
}

fn hint(state: &State) -> &'static str {
    if state.prefs.view == View::Compare { "Makes one picture; Ctrl+Enter runs the columns" } else { "Ctrl+Enter" }
}

fn start_or_cancel(
    ui: &mut Ui,
    state: &State,
    obstacle: Option<&str>,
    button: fn(&mut Ui, &str, bool) -> egui::Response,
    actions: &mut Actions,
) {
    let (text, tip, action) = if state.is_busy() {
        ("Cancel", "Stops the running job; Esc", Action::Cancel)
    } else {
        ("Generate", hint(state), Action::Generate)
    };
    let button = button(ui, text, state.is_busy() || obstacle.is_none()).on_hover_text(tip);
    if button.on_disabled_hover_text(obstacle.unwrap_or_default()).clicked() {
        actions.push(action);
    }
}
