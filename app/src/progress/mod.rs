//! What the user sees while a job runs: bars on a terminal, lines elsewhere, JSON for programs.

mod bars;
mod json;
mod lines;
mod words;

use std::path::Path;

use imagen_protocol::{Event, GenerateRequest, StagePlan};

use crate::error::AppError;
use crate::output::Output;

pub use words::duration;

/// A file that was written.
#[derive(Clone, Copy, Debug)]
pub struct Saved<'a> {
    pub path: &'a Path,
    pub size: u32,
    /// From 1.
    pub candidate: u32,
}

/// Shows how a job goes.
pub trait Progress {
    /// Before anything is computed.
    fn begin(&mut self, request: &GenerateRequest, stages: &[StagePlan]);
    fn event(&mut self, event: &Event);
    fn saved(&mut self, saved: Saved<'_>);
    fn remark(&mut self, line: &str);
    /// The job ended with an error, which `main` prints too.
    fn failed(&mut self, error: &AppError);
}

/// The way that fits.
pub fn choose<'a>(output: &'a mut Output<'_>, json: bool) -> Box<dyn Progress + 'a> {
    if json {
        Box::new(json::Json::new(&mut *output.out))
    } else if output.terminal {
        Box::new(bars::Bars::new(&mut *output.out))
    } else {
        Box::new(lines::Lines::new(&mut *output.out, &mut *output.err))
    }
}
