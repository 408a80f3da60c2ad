//! The journal seam: what a node says aloud about itself.
//!
//! A real node's journal is its log output; a laboratory's is stamped with true time and becomes
//! the timeline and the trace hash. No verdict rests on it: verdicts rest on signed audit logs
//! and on what clients saw. An event never holds key bytes, serials, hashes, paths or times.

use std::fmt;

/// One thing that happened, in the closed set of fields that a trace may hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Event {
    /// What kind of thing: `decision`, `renewed`, `renewal-failed`, `acknowledged`, ...
    pub kind: &'static str,
    /// Who it is about.
    pub principal: String,
    /// What they did.
    pub action: String,
    /// What they did it to.
    pub resource: String,
    /// How it ended.
    pub decision: String,
    /// Which refusal, if it was refused.
    pub refusal: String,
    /// Size of the policy log it was decided under.
    pub policy_size: u64,
    /// Request identifier, if there is one.
    pub request: String,
}

/// Where a node's events go.
pub trait Journal: Send + Sync + fmt::Debug {
    /// Takes one event.
    fn note(&self, event: Event);
}

/// Events as `tracing` output.
#[derive(Clone, Copy, Debug, Default)]
pub struct LogJournal;

impl Journal for LogJournal {
    fn note(&self, event: Event) {
        tracing::info!(?event);
    }
}
