//! An engine that computes nothing: it answers every command from a script, so that whatever talks to an engine can be tested.

use std::thread::JoinHandle;

use crate::{Command, EngineHandle, EngineSide, Event, engine_channel};

/// Replays events. The script gets each command and returns the events that answer it.
#[derive(Debug)]
pub struct FakeEngine {
    thread: Option<JoinHandle<Vec<Command>>>,
}

impl FakeEngine {
    /// Starts the thread; it ends at [`Command::Shutdown`] or when the handle is dropped.
    pub fn start(script: impl FnMut(&Command) -> Vec<Event> + Send + 'static) -> (EngineHandle, Self) {
        let (handle, side) = engine_channel();
        let thread = std::thread::Builder::new().name("fake engine".into()).spawn(move || replay(side, script));
        (handle, Self { thread: thread.ok() })
    }

    /// The commands it was given, in order; call it after the handle is dropped or `Shutdown` is sent.
    pub fn commands(mut self) -> Vec<Command> {
        self.thread.take().and_then(|t| t.join().ok()).unwrap_or_default()
    }
}

fn replay(side: EngineSide, mut script: impl FnMut(&Command) -> Vec<Event>) -> Vec<Command> {
    let mut seen = Vec::new();
    for command in side.commands.iter() {
        let stop = command == Command::Shutdown;
        for event in script(&command) {
            if side.events.send(event).is_err() {
                return seen;
            }
        }
        seen.push(command);
        if stop {
            break;
        }
    }
    seen
}
