//! The proof that every case can fail: each is run on the good service and on its own bad twin.
//!
//! It knows of a service only what a drill tells. Every case stands alone, with a pair of services
//! of its own, so that no answer rests on what another case left behind.

use std::time::Duration;

use tokio::task::JoinSet;

use super::answer::{Answer, Group};
use super::exhibit::{Exhibit, ExhibitError, Setting};
use super::planted::Fault;
use super::report::markdown::PlantedRow;
use super::run::{Options, RunError, Unwatched};

/// How long a change may take to reach a service.
const SETTLE: Duration = Duration::from_secs(4);

/// The longest exposure that is demanded.
const DEMAND: Duration = Duration::from_secs(2);

/// The longest watch.
const WATCH: Duration = Duration::from_secs(5);

/// How far apart the samples of a watch are.
const STEP: Duration = Duration::from_millis(200);

/// Why a case has no row.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// A service is not set up.
    #[error("`{0}`: {1}")]
    Exhibit(Fault, ExhibitError),
    /// A run did not come to its end.
    #[error("`{0}`: {1}")]
    Run(Fault, RunError),
    /// A task of this program ended before its time.
    #[error("a run of the proof ended before its time: {0}")]
    Task(#[from] tokio::task::JoinError),
}

/// A case's row, and what the drill said of both services.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proven {
    /// The row.
    pub row: PlantedRow,
    /// What it said of the good one.
    pub good: String,
    /// What it said of the bad one.
    pub bad: String,
}

/// Runs the cases of these faults, so many at a time; `told` hears of each when it is done.
///
/// # Errors
/// When a service cannot be set up, or a run breaks off.
pub async fn prove(
    faults: &[Fault],
    at_once: usize,
    mut told: impl FnMut(&Proven),
) -> Result<Vec<Proven>, ProofError> {
    let mut waiting = faults.iter().copied();
    let mut running = JoinSet::new();
    let mut proven = Vec::new();
    for fault in waiting.by_ref().take(at_once.max(1)) {
        running.spawn(pair(fault));
    }
    while let Some(ended) = running.join_next().await {
        let one = ended??;
        told(&one);
        proven.push(one);
        if let Some(fault) = waiting.next() {
            running.spawn(pair(fault));
        }
    }
    proven.sort_by_key(|it| it.row.fault);
    Ok(proven)
}

/// A case on both services.
async fn pair(fault: Fault) -> Result<Proven, ProofError> {
    let (good, bad) = tokio::join!(one(fault, Fault::None), one(fault, fault));
    let ((good, good_says), (bad, bad_says)) = (good?, bad?);
    Ok(Proven {
        row: PlantedRow { fault, good, bad },
        good: good_says,
        bad: bad_says,
    })
}

/// What the case of `about` says of a service with `has`.
async fn one(about: Fault, has: Fault) -> Result<(Answer, String), ProofError> {
    let is_client = about.group() == Some(Group::Client);
    let setting = Setting {
        settle: SETTLE,
        demand: DEMAND,
        serves_keys: about.group() == Some(Group::Tokens),
        is_client,
    };
    let exhibit = Exhibit::set_up(has, setting).map_err(|why| ProofError::Exhibit(about, why))?;
    let options = Options {
        cases: vec![about.word().to_owned()],
        longest: Some(WATCH),
        step: Some(STEP),
        ..Options::default()
    };
    let report = exhibit.run(&options, &mut Unwatched).await;
    let report = report.map_err(|why| ProofError::Run(about, why))?;
    let row = report.rows.into_iter().find(|row| row.word == about.word());
    let silent = || (Answer::CannotJudge, "it was not run".to_owned());
    Ok(row.map_or_else(silent, |row| (row.answer, row.says)))
}
