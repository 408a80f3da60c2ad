//! Why a command of the target's was of no use: which it was, and the end of what it said.

use std::process::ExitStatus;
use std::time::Duration;

/// Why a command was of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no such program, or it may not be run.
    #[error("`{what}` could not run `{program}`: {why}; paths start from the drill.toml's folder")]
    NotRun {
        /// Which command.
        what: &'static str,
        /// The program.
        program: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// It said that it failed.
    #[error("`{what}` ran `{program}`, which ended with {status}; it said: {said}")]
    Failed {
        /// Which command.
        what: &'static str,
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// It went on for too long.
    #[error("`{what}` ran `{program}`, which had not ended after {after:?}; it said: {said}")]
    Endless {
        /// Which command.
        what: &'static str,
        /// The program.
        program: String,
        /// How long it was given.
        after: Duration,
        /// The end of what it said.
        said: String,
    },
    /// Somebody is there before the target is started.
    #[error("something answers at {0} already; stop it, or leave `start` out to drill it as it is")]
    Taken(String),
    /// The target runs and cannot be reached.
    #[error(
        "`start` ran `{program}`, and nothing answers at {address} after {after:?}; it said: {said}"
    )]
    Silent {
        /// The program.
        program: String,
        /// Where it should answer.
        address: String,
        /// How long it was given.
        after: Duration,
        /// The end of what it said.
        said: String,
    },
    /// It went to the background, where the drill cannot end it.
    #[error(
        "`start` ran `{0}`, which ended at once with success: if it went to the background, write \
         `stop` as well, or start it in the foreground"
    )]
    Background(String),
}
