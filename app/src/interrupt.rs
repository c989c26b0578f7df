//! Ctrl+C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by Ctrl+C; whoever runs a job looks at it and cancels.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Catches Ctrl+C from now on: the first asks the job to stop, the second ends the program at once.
    pub fn install() -> Self {
        let interrupt = Self::default();
        let flag = interrupt.clone();
        // Without a handler Ctrl+C ends the program as it always did, so a failure here is no reason to stop.
        #[allow(clippy::disallowed_methods, reason = "the second Ctrl+C is a person who will not wait")]
        let _ = ctrlc::set_handler(move || {
            if flag.0.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
        });
        interrupt
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// As Ctrl+C does.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
