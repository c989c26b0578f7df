//! The binary `imagen`: plugs the engine into the command line.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use imagen_app::error::AppError;
use imagen_app::interrupt::Interrupt;
use imagen_app::output::{Output, write_line};
use imagen_app::runtime::Runtime;
use imagen_app::{args, run};
use imagen_protocol::{DeviceChoice, EngineError, EngineHandle, Event, ModelInfo, engine_channel};

fn main() -> ExitCode {
    match args::read(std::env::args_os()) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(task)) => finish(work(task)),
        Err(error) => finish(Err(error)),
    }
}

fn work(task: args::Task) -> Result<(), AppError> {
    let runtime =
        Runtime { start: &start, inspect: &inspect, find_models: &find_models, adapters: &imagen_engine::runtime::adapters };
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    let terminal = err.is_terminal();
    run(task, runtime, &mut Output { out: &mut out, err: &mut err, terminal }, Interrupt::install())
}

fn finish(result: Result<(), AppError>) -> ExitCode {
    let Err(error) = result else { return ExitCode::SUCCESS };
    write_line(&mut std::io::stderr(), &error.line());
    ExitCode::from(error.exit_code())
}

// LEAD: the next three are where the runtime is plugged in: `imagen_engine::runtime::{start, inspect, find_models}` have these
// signatures; name them in `work` and delete these.

fn start(_: DeviceChoice) -> EngineHandle {
    let (handle, side) = engine_channel();
    // The receiver is in `handle`, so this arrives.
    let _ = side.events.send(Event::Unavailable { error: not_yet() });
    handle
}

fn inspect(_: Option<&Path>) -> Result<ModelInfo, EngineError> {
    Err(not_yet())
}

fn find_models() -> Vec<PathBuf> {
    Vec::new()
}

fn not_yet() -> EngineError {
    EngineError::Internal { message: "this build has no runtime".into() }
}
