//! The two ends of the boundary.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use crate::{Command, Event, Preview};

/// Commands are rare; a full queue means the app is misbehaving.
const COMMANDS: usize = 64;
/// A whole job of 1,000 steps fits, so that a slow reader does not hold up the engine.
const EVENTS: usize = 4096;

/// Holds at most one preview: a new one replaces one that was not fetched.
#[derive(Clone, Debug, Default)]
pub struct PreviewSlot(Arc<Mutex<Option<Preview>>>);

impl PreviewSlot {
    pub fn put(&self, preview: Preview) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(preview);
    }

    pub fn take(&self) -> Option<Preview> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Asks the running job to stop; the engine reads it once a step and clears it when a job starts.
#[derive(Clone, Debug, Default)]
pub struct CancelFlag(Arc<AtomicBool>);

impl CancelFlag {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The app's end.
#[derive(Debug)]
pub struct EngineHandle {
    pub commands: SyncSender<Command>,
    pub events: Receiver<Event>,
    pub previews: PreviewSlot,
    pub cancel: CancelFlag,
}

/// The engine's end.
#[derive(Debug)]
pub struct EngineSide {
    pub commands: Receiver<Command>,
    pub events: SyncSender<Event>,
    pub previews: PreviewSlot,
    pub cancel: CancelFlag,
}

/// Both ends of a fresh boundary.
pub fn engine_channel() -> (EngineHandle, EngineSide) {
    let (command_sender, commands) = sync_channel(COMMANDS);
    let (event_sender, events) = sync_channel(EVENTS);
    let (previews, cancel) = (PreviewSlot::default(), CancelFlag::default());
    let handle = EngineHandle { commands: command_sender, events, previews: previews.clone(), cancel: cancel.clone() };
    (handle, EngineSide { commands, events: event_sender, previews, cancel })
}
