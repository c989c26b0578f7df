//! The window.
//!
//! Data flows one way. The engine's [`Event`](imagen_protocol::Event)s, the io thread's [`IoEvent`](io::IoEvent)s and the panels'
//! [`Action`](action::Action)s go into [`State`](state::State), which is plain data and knows neither egui nor threads; it answers with
//! [`Effect`](action::Effect)s, which [`app`] carries out. Panels read the state, edit the draft and push actions; they do not know each
//! other. So everything but the drawing is tested without a window, and every panel is drawn in tests by a state that a script made.

pub mod action;
pub mod app;
pub mod compare;
pub mod create;
pub mod doing;
pub mod draft;
pub mod fonts;
pub mod gallery;
pub mod icons;
pub mod io;
pub mod job;
pub mod lens;
pub mod link;
pub mod log;
pub mod menu;
pub mod panels;
pub mod ports;
mod precision;
pub mod prefs;
pub mod shown;
pub mod stage_view;
pub mod state;
pub mod textures;
pub mod theme;
pub mod thumbnails;
pub mod widgets;

use crate::error::AppError;
use ports::Ports;

/// Opens the window and stays until it is closed.
///
/// # Errors
/// No display, or no adapter that can draw a window.
pub fn run(ports: Ports) -> Result<(), AppError> {
    app::run(ports)
}
