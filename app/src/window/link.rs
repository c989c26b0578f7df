//! The engine as the window holds it: events are forwarded by a thread that wakes the window, so that nothing is polled.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use imagen_protocol::{CancelFlag, Command, DeviceChoice, Event, Preview, PreviewSlot};

use super::ports::Ports;

/// A whole job's events fit.
const EVENTS: usize = 4096;

/// One engine; dropping it asks the engine to stop and does not wait.
#[derive(Debug)]
pub struct EngineLink {
    commands: std::sync::mpsc::SyncSender<Command>,
    events: Receiver<Event>,
    previews: PreviewSlot,
    cancel: CancelFlag,
    forwarder: Option<JoinHandle<()>>,
}

impl EngineLink {
    /// `wake` is called after each event, from another thread.
    pub fn start(ports: &Ports, device: DeviceChoice, wake: impl Fn() + Send + 'static) -> Self {
        let handle = (ports.start)(device);
        let (sender, events) = sync_channel(EVENTS);
        let source = handle.events;
        let forward = move || {
            for event in source {
                if sender.send(event).is_err() {
                    return;
                }
                wake();
            }
            wake();
        };
        let forwarder = std::thread::Builder::new().name("engine events".into()).spawn(forward).ok();
        Self { commands: handle.commands, events, previews: handle.previews, cancel: handle.cancel, forwarder }
    }

    /// `false` where the engine is gone or its queue is full.
    pub fn send(&self, command: Command) -> bool {
        self.commands.try_send(command).is_ok()
    }

    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// What came since the last call.
    pub fn events(&self) -> Vec<Event> {
        self.events.try_iter().collect()
    }

    pub fn preview(&self) -> Option<Preview> {
        self.previews.take()
    }

    /// The engine's thread has ended.
    pub fn is_gone(&self) -> bool {
        self.forwarder.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for EngineLink {
    fn drop(&mut self) {
        self.cancel.cancel();
        // A full queue means that the engine is about to notice the closed channel anyway.
        let _ = self.commands.try_send(Command::Shutdown);
    }
}
