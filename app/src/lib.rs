//! The command line and the window of imagen-wgpu. It knows the engine by its messages alone (`imagen-protocol`): only `main` knows both sides.
//!
//! Command line: [`args`] -> [`request`] (with [`overrides`], [`picture`]) -> [`session`] -> [`generate`] or [`compare`] -> [`png`], [`grid`]. The
//! window: [`window`].

pub mod args;
mod atomic;
mod compare;
mod devices;
pub mod error;
mod font;
mod generate;
mod grid;
pub mod interrupt;
mod licenses;
mod models;
mod names;
pub mod output;
mod overrides;
mod picture;
pub mod png;
mod progress;
mod request;
pub mod runtime;
mod session;
mod settings;
mod staged;
mod units;
pub mod window;

#[cfg(test)]
mod test_support;

use args::Task;
use error::AppError;
use interrupt::Interrupt;
use output::Output;
use runtime::Runtime;

/// Does what the command line says.
///
/// # Errors
/// Whatever ends the program early; its text is one line.
pub fn run(task: Task, runtime: Runtime<'_>, output: &mut Output<'_>, interrupt: Interrupt) -> Result<(), AppError> {
    match task {
        Task::Generate(args) => generate::run(&args, runtime, output, interrupt),
        Task::Compare(args) => compare::run(&args, runtime, output, interrupt),
        Task::Models(args) => models::run(&args, runtime, output),
        Task::Devices(args) => {
            devices::run(&args, runtime, output);
            Ok(())
        }
        Task::Settings(args) => settings::run(&args, output),
        Task::Window => Err(AppError::Usage("the window needs a program of its own; run `imagen`".into())),
    }
}
