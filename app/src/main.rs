//! The binary `imagen`: plugs the engine into the command line and the window.

use std::io::IsTerminal as _;
use std::process::ExitCode;
use std::sync::Arc;

use imagen_app::error::AppError;
use imagen_app::interrupt::Interrupt;
use imagen_app::output::{Output, write_line};
use imagen_app::runtime::Runtime;
use imagen_app::window::ports::{Folders, Ports};
use imagen_app::{args, run, window};
use imagen_engine::runtime as engine;

fn main() -> ExitCode {
    quiet_wayland();
    match args::read(std::env::args_os()) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(task)) => finish(work(task)),
        Err(error) => finish(Err(error)),
    }
}

fn work(task: args::Task) -> Result<(), AppError> {
    if matches!(task, args::Task::Window) {
        return window::run(ports());
    }
    let runtime = Runtime {
        start: &engine::start,
        inspect: &engine::inspect,
        find_models: &engine::find_models,
        adapters: &engine::adapters,
    };
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let terminal = err.is_terminal();
    run(task, runtime, &mut Output { out: &mut out, err: &mut err, terminal }, Interrupt::install())
}

fn ports() -> Ports {
    Ports {
        start: Arc::new(engine::start),
        inspect: Arc::new(engine::inspect),
        find_models: Arc::new(engine::find_models),
        adapters: Arc::new(engine::adapters),
        token_counter: Arc::new(engine::token_counter),
        folders: Folders::of_user(),
    }
}

fn finish(result: Result<(), AppError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    write_line(&mut std::io::stderr(), &error.line());
    ExitCode::from(error.exit_code())
}

/// The Vulkan loader asks Wayland's library for a display even where none is wanted, and that library prints "error: XDG_RUNTIME_DIR
/// is invalid or not set" among our own lines.
fn quiet_wayland() {
    const NAME: &str = "XDG_RUNTIME_DIR";
    if cfg!(target_os = "linux") && std::env::var_os(NAME).is_none() {
        // SAFETY: the first thing in `main`: no other thread reads the environment yet.
        unsafe { std::env::set_var(NAME, std::env::temp_dir()) };
    }
}
