//! One trial: a scenario under a posture and a policy, run once and judged.
//!
//! It draws nothing and keeps nothing. The same scenario, entrant and seed are the same trial,
//! whatever else runs beside it.

use std::ops::ControlFlow;

use services::policy::danger::Mutation;
use services::posture::Posture;

use crate::report::control::{self, Control};
use crate::report::{RunFacts, RunReport};
use crate::run::{self, Ran, RunError, RunRequest};
use crate::scenario::Scenario;
use crate::trace::trace_hash;

/// What is tried: a posture and a policy under a name.
#[derive(Clone, Debug)]
pub struct Entrant {
    /// What reports call it.
    pub name: String,
    /// The dials of every node.
    pub posture: Posture,
    /// The policy that the log begins with, in Cedar.
    pub policy: String,
}

/// One run, judged.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Where everything random came from.
    pub seed: u64,
    /// What was run: of a check, the variant.
    pub scenario: Scenario,
    /// What the run left behind.
    pub ran: Ran,
    /// What is told of it.
    pub report: RunReport,
}

impl Trial {
    /// Whether the entrant holds: refused by name, every invariant, every floor; and if not, why.
    pub fn verdict(&self) -> Control {
        control::control(std::slice::from_ref(&self.report), &[&self.ran.history])
    }
}

/// Runs the scenario as it is, and judges.
///
/// # Errors
/// When the policy is invalid, a node breaks down, or `progress` says stop.
pub fn trial(
    scenario: &Scenario,
    entrant: &Entrant,
    seed: u64,
    progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Trial, RunError> {
    let request = RunRequest {
        scenario: scenario.clone(),
        posture: entrant.posture.clone(),
        policy: entrant.policy.clone(),
        seed,
        mutation: Mutation::None,
    };
    let ran = run::run(&request, progress)?;
    let facts = RunFacts {
        posture: entrant.name.clone(),
        posture_sha256: entrant.posture.sha256(),
        trace_hash: trace_hash(&ran.trace),
        wall_ms: ran.wall_ms,
    };
    Ok(Trial {
        seed,
        scenario: request.scenario,
        report: RunReport::judge(&ran.history, facts),
        ran,
    })
}
