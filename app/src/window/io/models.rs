//! Models on disk.

use std::path::PathBuf;

use super::IoEvent;
use crate::window::ports::{Ports, TokenCounter};

pub fn inspect(ports: &Ports, model: Option<PathBuf>) -> IoEvent {
    let result = Box::new((ports.inspect)(model.as_deref()));
    IoEvent::Inspected { model, result }
}

/// Those found in the usual places, and the folders that the user added.
pub fn find(ports: &Ports, extra: Vec<PathBuf>) -> IoEvent {
    let mut found = (ports.find_models)();
    for folder in extra {
        if !found.contains(&folder) {
            found.push(folder);
        }
    }
    IoEvent::ModelsFound(found)
}

/// The tokenizer of the model that was asked about last.
#[derive(Default)]
pub struct Counter(Option<(Option<PathBuf>, Option<TokenCounter>)>);

impl Counter {
    /// `None` where the model has no tokenizer that can be read: whoever loads the model says why.
    pub fn count(&mut self, ports: &Ports, model: Option<PathBuf>, text: String) -> Option<IoEvent> {
        if self.0.as_ref().is_none_or(|(of, _)| *of != model) {
            let counter = (ports.token_counter)(model.as_deref()).ok();
            self.0 = Some((model, counter));
        }
        let counter = self.0.as_ref()?.1.as_ref()?;
        let (tokens, max_tokens) = counter(&text);
        Some(IoEvent::TokensCounted { text, tokens, max_tokens })
    }
}
