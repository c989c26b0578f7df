//! A question before something is lost.

use egui::{Context, Id, Modal, RichText, Ui};

use super::Actions;
use crate::window::action::{Action, Question};
use crate::window::state::State;
use crate::window::theme::{self, Palette};
use crate::window::{gallery, widgets};

/// What is asked, and what its two answers are called.
struct Words {
    title: String,
    text: String,
    yes: String,
    no: &'static str,
}

pub fn show(ctx: &Context, state: &State, actions: &mut Actions) {
    let Some(question) = &state.question else { return };
    let words = words(question, state);
    let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(egui::Margin::same(theme::PAD as i8));
    let modal = Modal::new(Id::unique("question")).frame(frame).show(ctx, |ui| {
        ui.set_width(theme::DIALOG);
        widgets::head(ui, &words.title);
        ui.add(egui::Label::new(&words.text).wrap());
        ui.add_space(theme::GAP);
        answers(ui, &words)
    });
    if let Some(answer) = modal.inner {
        actions.push(Action::Answer(answer));
    } else if modal.should_close() {
        actions.push(Action::Answer(false));
    }
}

/// The safe answer has the focus: a stray Enter loses nothing.
fn answers(ui: &mut Ui, words: &Words) -> Option<bool> {
    let p = Palette::get(ui.ctx());
    let mut answer = None;
    ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
        let yes = egui::Button::new(RichText::new(&words.yes).color(p.error));
        if ui.add(yes).clicked() {
            answer = Some(true);
        }
        let no = ui.button(words.no);
        if ui.memory(|m| m.focused()).is_none() {
            no.request_focus();
        }
        if no.clicked() {
            answer = Some(false);
        }
    });
    answer
}

fn words(question: &Question, state: &State) -> Words {
    let pictures = match state.unsaved.len() {
        1 => "1 picture that is".to_owned(),
        n => format!("{n} pictures that are"),
    };
    match question {
        Question::Trash(path) => Words {
            title: "Move to the trash?".into(),
            text: gallery::name(path).into_owned(),
            yes: "Move to the trash".into(),
            no: "Keep",
        },
        Question::Discard => Words {
            title: "Let the pictures go?".into(),
            text: format!("{pictures} not saved cannot be brought back."),
            yes: "Discard".into(),
            no: "Keep",
        },
        Question::Close => Words {
            title: "Close without saving?".into(),
            text: format!("There {}{pictures} not saved.", if state.unsaved.len() == 1 { "is " } else { "are " }),
            yes: "Close".into(),
            no: "Stay",
        },
    }
}
