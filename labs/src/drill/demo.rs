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
     once, when it starts: whoever is in stays in, also on a resumed session and an open stream.";

/// The cases of the demonstration: those that fill the matrix, and what else such a service fails.
/// Each part has a service of its own, so that all are drilled at the same time.
const PARTS: [&[&str]; 4] = [
    &[
        "leaf-swap",
        "new-root-before-its-leaves",
        "old-root-new",
        "old-root-resumed",
        "old-root-established",
        "old-root-open-stream",
    ],
    &[
        "revoked-leaf-new",
        "revoked-leaf-resumed",
        "revoked-leaf-established",
        "revoked-leaf-open-stream",
        "older-crl",
    ],
    &[
        "expired-caller",
        "expires-resumed",
        "expires-established",
        "expires-open-stream",
    ],
    &["jwks-removed-key", "expired-token"],
];

/// How many answers there are in all.
pub fn answers() -> usize {
    2 * PARTS.iter().map(|part| part.len()).sum::<usize>()
}

/// How long a change may take to reach a service that looks at its files twenty times a second.
const SETTLE: Duration = Duration::from_secs(2);

/// The longest exposure that is demanded of the two.
const DEMAND: Duration = Duration::from_secs(1);

/// The longest watch: longer than any that decides, however busy the machine is.
const WATCH: Duration = Duration::from_secs(10);

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

/// Drills both at the same time; each run has a watcher of its own.
///
/// # Errors
/// When a service cannot be set up, or a run breaks off.
pub async fn demo<W: Watcher>(watcher: impl Fn() -> W) -> Result<Demo, DemoError> {
    let ordinary: Faults = ORDINARY.into_iter().collect();
    let (good, bad) = tokio::join!(
        drilled("the good service", Fault::None.into(), &watcher),
        drilled("the ordinary service", ordinary, &watcher),
    );
    Ok(Demo {
        good: good?,
        bad: bad?,
    })
}

/// All parts on a service with these faults, as one report.
async fn drilled<W: Watcher>(
    name: &str,
    faults: Faults,
    watcher: &impl Fn() -> W,
) -> Result<Report, DemoError> {
    let [a, b, c, d] = PARTS.map(|cases| part(faults, cases, watcher()));
    let (a, b, c, d) = tokio::join!(a, b, c, d);
    let mut whole = a?;
    for report in [b?, c?, d?] {
        whole.took_ms = whole.took_ms.max(report.took_ms);
        whole.rows.extend(report.rows);
        let told = report.notes.into_iter();
        let new: Vec<String> = told.filter(|note| !whole.notes.contains(note)).collect();
        whole.notes.extend(new);
    }
    whole.target = name.to_owned();
    Ok(whole)
}

async fn part(
    faults: Faults,
    cases: &[&str],
    mut watcher: impl Watcher,
) -> Result<Report, DemoError> {
    let setting = Setting {
        settle: SETTLE,
        demand: DEMAND,
        serves_keys: false,
        is_client: false,
    };
    let exhibit = Exhibit::set_up(faults, setting)?;
    let options = Options {
        cases: cases.iter().map(|case| (*case).to_owned()).collect(),
        longest: Some(WATCH),
        step: Some(STEP),
        ..Options::default()
    };
    Ok(exhibit.run(&options, &mut watcher).await?)
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn it_looks_for_cases_that_there_are_and_plants_nothing_that_it_does_not_look_for() {
        let cases = PARTS.concat();
        for word in &cases {
            assert!(file::CASES.contains(word), "{word}");
        }
        for fault in ORDINARY {
            assert!(cases.contains(&fault.word()), "{fault}");
        }
        assert_eq!(answers(), 2 * cases.len());
    }
}
