//! Ctrl-C as a question that a run asks itself: should I stop?
//!
//! The first Ctrl-C is heard at the next such question, so nothing is left half-written.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::stop::Stop;

/// Whether someone asked the program to stop.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens from now on, once in a process.
    pub(super) fn listen() -> Result<Self, Stop> {
        let interrupt = Self::default();
        let heard = Arc::clone(&interrupt.0);
        ctrlc::set_handler(move || heard.store(true, Ordering::Relaxed))
            .map_err(|why| Stop::Usage(format!("cannot listen for Ctrl-C: {why}")))?;
        Ok(interrupt)
    }

    /// True from the first Ctrl-C on.
    pub(super) fn heard(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
