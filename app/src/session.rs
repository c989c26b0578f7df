//! Runs jobs on an engine, one after the other, and shows its events to whoever watches.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use imagen_protocol::{Command, EngineError, EngineHandle, Event, GenerateRequest, JobId};

use crate::error::AppError;
use crate::interrupt::Interrupt;

/// How often Ctrl+C is looked at while the engine is silent.
const POLL: Duration = Duration::from_millis(50);
/// An engine that has not gone by then is left behind.
const FAREWELL: Duration = Duration::from_secs(5);

/// Sees every event; an error from it cancels the job.
pub type Watch<'a> = dyn FnMut(&Event) -> Result<(), AppError> + 'a;

/// An engine and the jobs it was given.
#[derive(Debug)]
pub struct Session {
    handle: EngineHandle,
    interrupt: Interrupt,
    last: u64,
}

impl Session {
    pub fn new(handle: EngineHandle, interrupt: Interrupt) -> Self {
        Self { handle, interrupt, last: 0 }
    }

    /// Runs one job to its end.
    ///
    /// # Errors
    /// The engine's, the watcher's, or [`AppError::Cancelled`].
    pub fn run(&mut self, request: GenerateRequest, watch: &mut Watch<'_>) -> Result<(), AppError> {
        self.last += 1;
        let job = JobId(self.last);
        // A closed channel has its reason among the events: `Unavailable` is read below.
        let _ = self.handle.commands.send(Command::Generate { job, request: Box::new(request) });
        let mut failure = None;
        loop {
            let Some(event) = self.next_event(failure.is_some())? else { continue };
            let seen = if failure.is_none() { watch(&event) } else { Ok(()) };
            failure = failure.or(seen.err());
            if let Some(end) = ending(&event, job) {
                return failure.map_or(end, Err);
            }
        }
    }

    fn next_event(&self, stop: bool) -> Result<Option<Event>, AppError> {
        // Set again and again: the engine clears the flag when a job starts, and Ctrl+C may come before that.
        if stop || self.interrupt.is_set() {
            self.handle.cancel.cancel();
        }
        match self.handle.events.recv_timeout(POLL) {
            Ok(event) => Ok(Some(event)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => {
                Err(EngineError::Internal { message: "the engine ended without an answer".into() }.into())
            }
        }
    }

    /// Lets the engine free its device before the program ends.
    pub fn close(self) {
        if self.handle.commands.send(Command::Shutdown).is_ok() {
            while self.handle.events.recv_timeout(FAREWELL).is_ok() {}
        }
    }
}

fn ending(event: &Event, ours: JobId) -> Option<Result<(), AppError>> {
    match event {
        Event::Unavailable { error } => Some(Err(error.clone().into())),
        Event::JobFinished { job, .. } if *job == ours => Some(Ok(())),
        Event::JobFailed { job, error } if *job == ours => Some(Err(error.clone().into())),
        Event::JobCancelled { job } if *job == ours => Some(Err(AppError::Cancelled)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    #[allow(clippy::disallowed_methods, reason = "a test's thread ends with the test")]
    fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::thread::JoinHandle<T> {
        std::thread::spawn(work)
    }

    use imagen_protocol::{FakeEngine, engine_channel};

    use super::*;

    fn request() -> GenerateRequest {
        GenerateRequest::new("x")
    }

    #[test]
    fn each_ending_becomes_its_result() {
        let error = EngineError::NotFinite { size: 64, step: 3 };
        let endings = [
            (Event::JobFinished { job: JobId(1), seconds: 1.0 }, None),
            (Event::JobCancelled { job: JobId(1) }, Some(130)),
            (Event::JobFailed { job: JobId(1), error: error.clone() }, Some(1)),
            (Event::Unavailable { error }, Some(1)),
        ];
        for (event, code) in endings {
            let (handle, _engine) = FakeEngine::start(move |_| vec![event.clone()]);
            let result = Session::new(handle, Interrupt::default()).run(request(), &mut |_| Ok(()));
            assert_eq!(result.err().map(|e| e.exit_code()), code);
        }
    }

    #[test]
    fn an_engine_that_dies_is_reported() {
        let (handle, side) = engine_channel();
        drop(side);
        let error = Session::new(handle, Interrupt::default()).run(request(), &mut |_| Ok(())).expect_err("no engine");
        assert!(error.to_string().contains("the engine ended"), "{error}");
    }

    #[test]
    fn ctrl_c_before_the_job_starts_still_cancels_it() {
        let (handle, side) = engine_channel();
        let interrupt = Interrupt::default();
        interrupt.set();
        let engine = spawn(move || {
            let _ = side.commands.recv();
            side.cancel.clear();
            let start = Instant::now();
            while !side.cancel.is_cancelled() {
                assert!(start.elapsed() < Duration::from_secs(10), "never cancelled");
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = side.events.send(Event::JobCancelled { job: JobId(1) });
        });
        let result = Session::new(handle, interrupt).run(request(), &mut |_| Ok(()));
        engine.join().expect("the engine saw the flag");
        assert!(matches!(result, Err(AppError::Cancelled)));
    }

    #[test]
    fn a_watcher_that_fails_cancels_the_job_and_its_error_is_the_result() {
        let (handle, side) = engine_channel();
        let engine = spawn(move || {
            let _ = side.events.send(Event::StageStarted { job: JobId(1), size: 64, steps: 2 });
            let start = Instant::now();
            while !side.cancel.is_cancelled() && start.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(1));
            }
            let _ = side.events.send(Event::JobCancelled { job: JobId(1) });
            side.cancel.is_cancelled()
        });
        let mut full = |_: &Event| Err(AppError::Usage("disk full".into()));
        let result = Session::new(handle, Interrupt::default()).run(request(), &mut full);
        assert!(engine.join().expect("no panic"));
        assert_eq!(result.expect_err("the watcher's").to_string(), "disk full");
    }
}
