//! The demonstration: a service that is right and one that is wrong as ordinary ones are, drilled
//! at the same time in this process.
//!
//! The wrong one has no invented fault: it does what servers do that were set up by the book, and
//! each of its faults names whose. The two reports are told side by side; what the services are
//! is not told to the drill.

use std::time::Duration;

use super::answer::{Answer, Report};
use super::exhibit::{Exhibit, ExhibitError, Setting};
use super::planted::{Fault, Faults};
use super::run::{Options, RunError, Watcher};

/// What is wrong with an ordinary service: it judges a caller once, at the handshake, and reads
/// its roots once, at its start.
pub const ORDINARY: [Fault; 12] = [
    Fault::NewRootBeforeItsLeaves,
    Fault::OldRootResumed,
    Fault::OldRootEstablished,
    Fault::OldRootOpenStream,
    Fault::RevokedLeafResumed,
    Fault::RevokedLeafEstablished,
    Fault::RevokedLeafOpenStream,
    Fault::ExpiresResumed,
    Fault::ExpiresEstablished,
    Fault::ExpiresOpenStream,
    Fault::JwksRemovedKey,
    Fault::OlderCrl,
];

/// The same in a sentence, for who reads the second matrix.
pub const IN_SHORT: &str = "It judges a caller once, when the connection is opened, and its roots \
     once, when it starts: whoever is in stays in, also on a resumed session and on an open stream.";

/// The cases of the demonstration: those that fill the matrix, and what else such a service fails.
const CASES: [&str; 17] = [
    "leaf-swap",
    "new-root-before-its-leaves",
    "old-root-new",
    "old-root-resumed",
    "old-root-established",
    "old-root-open-stream",
    "revoked-leaf-new",
    "revoked-leaf-resumed",
    "revoked-leaf-established",
    "revoked-leaf-open-stream",
    "older-crl",
    "expired-caller",
    "expires-resumed",
    "expires-established",
    "expires-open-stream",
    "jwks-removed-key",
    "expired-token",
];

/// How long a change may take to reach a service that looks at its files twenty times a second.
const SETTLE: Duration = Duration::from_secs(2);

/// The longest exposure that is demanded of the two.
const DEMAND: Duration = Duration::from_millis(1_500);

/// The longest watch: the wrong one is not watched for ever.
const WATCH: Duration = Duration::from_secs(3);

/// How far apart the samples of a watch are.
const STEP: Duration = Duration::from_millis(100);

/// Why there is no demonstration.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// One of the two is not set up.
    #[error(transparent)]
    Exhibit(#[from] ExhibitError),
    /// A run did not come to its end.
    #[error(transparent)]
    Run(#[from] RunError),
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Demo {
    /// The report on the service that does everything right.
    pub good: Report,
    /// The report on the ordinary one.
    pub bad: Report,
}

impl Demo {
    /// Whether the demonstration shows what it should: nothing wrong with the one, and with the
    /// other every fault that it has and that was looked for. Nothing if it cannot be told.
    pub fn stands(&self) -> Option<bool> {
        let rows = || self.good.rows.iter().chain(&self.bad.rows);
        if self.good.rows.is_empty() || rows().any(|row| row.answer == Answer::CannotJudge) {
            return None;
        }
        let has = |word: &str| ORDINARY.iter().any(|fault| fault.word() == word);
        let good = self.good.rows.iter().all(|row| row.answer != Answer::Fail);
        let mut faulty = self.bad.rows.iter().filter(|row| has(&row.word));
        Some(good && faulty.all(|row| row.answer == Answer::Fail))
    }
}

/// Drills both at the same time.
///
/// # Errors
/// When one of them cannot be set up, or a run breaks off.
pub async fn demo(good: &mut dyn Watcher, bad: &mut dyn Watcher) -> Result<Demo, DemoError> {
    let setting = Setting {
        settle: SETTLE,
        demand: DEMAND,
        serves_keys: false,
        is_client: false,
    };
    let right = Exhibit::set_up(Fault::None, setting)?;
    let wrong = Exhibit::set_up(ORDINARY.into_iter().collect::<Faults>(), setting)?;
    let options = options();
    let (good, bad) = tokio::join!(right.run(&options, good), wrong.run(&options, bad));
    let named = |mut report: Report, name: &str| {
        report.target = format!("{name} at {}", report.target);
        report
    };
    Ok(Demo {
        good: named(good?, "the good service"),
        bad: named(bad?, "the ordinary service"),
    })
}

fn options() -> Options {
    Options {
        cases: CASES.map(str::to_owned).to_vec(),
        watch: Some(WATCH),
        step: Some(STEP),
        ..Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn it_looks_for_cases_that_there_are_and_plants_nothing_that_it_does_not_look_for() {
        for word in CASES {
            assert!(file::CASES.contains(&word), "{word}");
        }
        for fault in ORDINARY {
            assert!(CASES.contains(&fault.word()), "{fault}");
        }
    }
}
