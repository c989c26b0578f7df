//! Things worth saying: shown until they are dismissed, and in the log.

use super::State;
use crate::window::action::Action;
use crate::window::log::Weight;

/// How long a note that asks nothing of anybody stays, seconds.
const STAYS: f64 = 8.0;

/// A next step, offered as a button.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub label: String,
    pub action: Action,
}

impl Offer {
    pub fn new(label: impl Into<String>, action: Action) -> Self {
        Self { label: label.into(), action }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Note {
    pub id: u64,
    pub weight: Weight,
    pub text: String,
    /// Seconds since the window opened.
    pub at: f64,
    pub offers: Vec<Offer>,
}

impl State {
    /// Says it in a note and in the log.
    pub fn note(&mut self, weight: Weight, text: impl Into<String>) {
        self.offer(weight, text, vec![]);
    }

    /// A note with next steps. What is said already is not said twice.
    pub fn offer(&mut self, weight: Weight, text: impl Into<String>, offers: Vec<Offer>) {
        let text = text.into();
        self.log.push(self.now, weight, text.clone());
        self.notes.retain(|note| note.text != text);
        self.last_note += 1;
        self.notes.push(Note { id: self.last_note, weight, text, at: self.now, offers });
    }

    /// Notes that only inform go by themselves; the log has them.
    pub(super) fn forget_old_notes(&mut self) {
        let now = self.now;
        self.notes.retain(|note| note.weight != Weight::Info || !note.offers.is_empty() || now - note.at < STAYS);
    }

    /// When the next note goes, in seconds from now.
    pub fn next_note_goes(&self) -> Option<f64> {
        let going = self.notes.iter().filter(|note| note.weight == Weight::Info && note.offers.is_empty());
        going.map(|note| note.at + STAYS - self.now).min_by(f64::total_cmp)
    }
}
