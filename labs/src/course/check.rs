//! Many trials at once: one a seed, each in its own variant, on threads.
//!
//! Each thread runs whole simulations and shares nothing with the others but the queue, so how
//! many there are cannot show in a verdict or a trace. Results come in the order of the seeds.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::trial::{Entrant, Trial, trial};
use super::variant;
use crate::run::RunError;
use crate::scenario::Scenario;

/// What was tried, and why there is no more.
#[derive(Debug)]
pub struct Checked {
    /// The trials that came to their end, in the order of the seeds.
    pub trials: Vec<Trial>,
    /// What ended the check before its last trial.
    pub ended: Option<RunError>,
}

/// One trial a seed, each in its own variant, on `jobs` threads; in order of seed. `progress` is
/// told how many trials have ended, from every thread and at least ten times a virtual second;
/// `Break` stops them all.
///
/// # Errors
/// What kept the first trial, in order of seed, from coming to its end.
pub fn check(
    scenario: &Scenario,
    entrant: &Entrant,
    seeds: &[u64],
    jobs: usize,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Result<Vec<Trial>, RunError> {
    let checked = check_until(scenario, entrant, seeds, jobs, progress);
    checked.ended.map_or(Ok(checked.trials), Err)
}

/// The same, and what had been tried when it was stopped.
pub fn check_until(
    scenario: &Scenario,
    entrant: &Entrant,
    seeds: &[u64],
    jobs: usize,
    progress: &(dyn Fn(u64) -> ControlFlow<()> + Sync),
) -> Checked {
    let (next, done, stop) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicBool::new(false),
    );
    let results = Mutex::new(BTreeMap::new());
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(seed) = seeds.get(at).copied() else {
                break;
            };
            let mut asked = |_: f64| {
                let told = progress(done.load(Ordering::Relaxed) as u64);
                if told.is_break() {
                    stop.store(true, Ordering::Relaxed);
                }
                if stop.load(Ordering::Relaxed) {
                    return ControlFlow::Break(());
                }
                ControlFlow::Continue(())
            };
            let mut tried = trial(&variant::draw(scenario, seed), entrant, seed, &mut asked);
            if let Ok(trial) = &mut tried {
                // Judged and hashed: many runs are kept at once, and these are the bulk of one.
                trial.ran.audit.clear();
                trial.ran.trace = Vec::new();
            }
            match &tried {
                Ok(_) => {
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => stop.store(true, Ordering::Relaxed),
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.insert(at, tried);
        }
    };
    on_threads(jobs.clamp(1, seeds.len().max(1)), &work);
    let (mut trials, mut ended) = (Vec::new(), None);
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    for tried in results.into_values() {
        match tried {
            Ok(trial) => trials.push(trial),
            // One that broke down stops the others: it is the one to tell.
            Err(RunError::Interrupted) => ended = ended.or(Some(RunError::Interrupted)),
            Err(why) => match ended {
                None | Some(RunError::Interrupted) => ended = Some(why),
                Some(_) => {}
            },
        }
    }
    Checked { trials, ended }
}

/// Does the same work on that many threads, this one among them, until all have ended.
#[expect(
    clippy::disallowed_methods,
    reason = "whole simulations side by side: no thread is inside one"
)]
fn on_threads(jobs: usize, work: &(dyn Fn() + Sync)) {
    std::thread::scope(|scope| {
        for _ in 1..jobs {
            scope.spawn(work);
        }
        work();
    });
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use services::posture::Posture;

    use super::*;
    use crate::catalog;

    /// The flagship's solution on a shorter day: 14 s are enough for the cut and the revocation.
    fn lab() -> (Scenario, Entrant) {
        let lab = catalog::find("stale-acl").unwrap();
        let mut scenario = Scenario::parse("lab.toml", lab.lab_toml).unwrap();
        scenario.world.duration = Duration::from_secs(14);
        let (posture, _) = Posture::parse("posture.toml", lab.solution_posture).unwrap();
        let entrant = Entrant {
            name: "solution".to_owned(),
            posture,
            policy: lab.solution_policy.to_owned(),
        };
        (scenario, entrant)
    }

    fn on(_: u64) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    fn hashes(trials: &[Trial]) -> Vec<(u64, String)> {
        let hash = |trial: &Trial| (trial.seed, trial.report.trace_hash.clone());
        trials.iter().map(hash).collect()
    }

    #[test]
    fn trials_in_threads_are_those_that_run_one_after_another() {
        let (scenario, entrant) = lab();
        let seeds = [3, 1, 2, 1];
        let alone = check(&scenario, &entrant, &seeds, 1, &on).unwrap();
        let beside = check(&scenario, &entrant, &seeds, 4, &on).unwrap();
        assert_eq!(hashes(&alone), hashes(&beside));
        assert_eq!(alone[1].report.trace_hash, alone[3].report.trace_hash);
        assert_ne!(alone[0].report.trace_hash, alone[1].report.trace_hash);
        let order: Vec<u64> = beside.iter().map(|trial| trial.seed).collect();
        assert_eq!(order, seeds, "in the order of the seeds");
        let variants = beside.iter().zip(seeds);
        for (trial, seed) in variants {
            assert_eq!(trial.scenario, variant::draw(&scenario, seed));
        }
    }

    #[test]
    fn what_is_stopped_keeps_what_was_done_and_what_cannot_run_says_why() {
        let (scenario, mut entrant) = lab();
        let after_two = |done| match done {
            0 | 1 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        };
        let checked = check_until(&scenario, &entrant, &[1, 2, 3, 4], 1, &after_two);
        assert_eq!(checked.trials.len(), 2);
        assert!(matches!(checked.ended, Some(RunError::Interrupted)));
        "nonsense".clone_into(&mut entrant.policy);
        let said = check(&scenario, &entrant, &[1, 2, 3], 2, &on).unwrap_err();
        assert!(
            matches!(said, RunError::Policy(_) | RunError::Broke { .. }),
            "{said}"
        );
        assert!(check(&scenario, &entrant, &[], 2, &on).unwrap().is_empty());
    }
}
