//! What is told of a run: the report that tools read, and from it the page that people read.
//!
//! Every figure is computed from a [`History`]; nothing here runs anything, and nothing is
//! rounded in favour of a verdict: verdicts are reached before rounding. The shape is format 1
//! and only grows.

pub(crate) mod balance;
pub mod control;
mod evidence;
pub mod figure;
pub mod html;
pub mod json;
mod lesson;
pub(crate) mod markup;
pub mod measure;
mod svg;
pub mod text;
pub(crate) mod timeline;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::history::{Harm, History};
use crate::invariant::{self, Verdict};

pub use control::{Attack, Control};
pub use measure::{Availability, Cost, Latency, Renewals};

/// The number of the report's shape.
pub const FORMAT: u32 = 1;

/// A demonstration: one lab, one seed, one or more runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DemoReport {
    /// [`FORMAT`].
    pub format: u32,
    /// Schism's own version.
    pub version: String,
    /// The lab's id.
    pub lab: String,
    /// The seed of every run.
    pub seed: u64,
    /// What the runs ran on.
    pub fabric: String,
    /// SHA-256 of the scenario, lower-case hex.
    pub scenario_sha256: String,
    /// Whether the lesson stands; of a single run, its own verdict.
    pub control: Verdict,
    /// The exposed run first, the solution last; or the only one.
    pub runs: Vec<RunReport>,
    /// The lab's title, for people only.
    #[serde(skip)]
    pub title: String,
    /// How the seed's world differs from the lab, for people only; empty if it does not.
    #[serde(skip)]
    pub drawn: String,
    /// Commands to type next, for people only.
    #[serde(skip)]
    pub next: Vec<String>,
}

/// One run under one posture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The posture's name.
    pub posture: String,
    /// SHA-256 of the posture, lower-case hex.
    pub posture_sha256: String,
    /// How the attack ended.
    pub attack: Attack,
    /// How often clients heard each refusal.
    pub refusals: BTreeMap<String, u64>,
    /// From the acknowledgement to the last success, by action, in ms, rounded up.
    pub exposure_ms: BTreeMap<String, u64>,
    /// Of a scenario that measures outages, the longest by action, in ms, rounded up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub outage_ms: BTreeMap<String, u64>,
    /// Of a scenario that measures impersonation, from the first request that was let in under
    /// another's name to the answer to the last, by action, in ms, rounded up.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub impersonation_ms: BTreeMap<String, u64>,
    /// How many were let in so, by action.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub impersonations: BTreeMap<String, u64>,
    /// What the posture promised, by action, in ms; an action without promise is absent.
    pub promised_ms: BTreeMap<String, u64>,
    /// Broken if the attack succeeded or any invariant was broken.
    pub verdict: Verdict,
    /// The earliest violations of each invariant, in order of name.
    pub violations: Vec<ReportedViolation>,
    /// Each floor in each region.
    pub availability: Vec<Availability>,
    /// How long answers took.
    pub latency_ms: Latency,
    /// What went over the network.
    pub cost: Cost,
    /// Leaf renewals around the cut.
    pub renewals: Renewals,
    /// The hash of the run's trace.
    pub trace_hash: String,
    /// How long the run lasted in its own time.
    pub virtual_ms: u64,
    /// How long it took to run.
    pub wall_ms: u64,
}

/// One violation, as tools read it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedViolation {
    /// The invariant's name.
    pub invariant: String,
    /// When, in true microseconds.
    pub at_us: u64,
    /// Where.
    pub node: String,
    /// What was seen.
    pub evidence: String,
}

/// What a history does not know of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFacts {
    /// The posture's name.
    pub posture: String,
    /// SHA-256 of the posture, lower-case hex.
    pub posture_sha256: String,
    /// The hash of the run's trace.
    pub trace_hash: String,
    /// How long it took to run.
    pub wall_ms: u64,
}

/// What the histories do not know of the demonstration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DemoFacts {
    /// Schism's own version.
    pub version: String,
    /// The lab's id.
    pub lab: String,
    /// The lab's title.
    pub title: String,
    /// The seed.
    pub seed: u64,
    /// How its world differs from the lab; empty if it does not.
    pub drawn: String,
    /// What the runs ran on.
    pub fabric: String,
    /// SHA-256 of the scenario, lower-case hex.
    pub scenario_sha256: String,
    /// Commands to type next.
    pub next: Vec<String>,
}

impl RunReport {
    /// Judges one run.
    pub fn judge(history: &History, facts: RunFacts) -> Self {
        let findings = invariant::check_expected(history);
        let attack = control::attack(history);
        let verdict = findings
            .iter()
            .fold(attack.verdict(), |all, one| all.and(one.verdict));
        let violations = findings.iter().flat_map(|finding| {
            finding
                .violations
                .iter()
                .map(|violation| ReportedViolation {
                    invariant: finding.name.to_owned(),
                    at_us: violation.at_us,
                    node: violation.node.clone(),
                    evidence: violation.evidence.clone(),
                })
        });
        Self {
            posture: facts.posture,
            posture_sha256: facts.posture_sha256,
            attack,
            refusals: measure::refusals(history),
            exposure_ms: measure::exposure_ms(history),
            outage_ms: measure::outage_ms(history),
            impersonation_ms: measure::impersonation_ms(history),
            impersonations: measure::impersonations(history),
            promised_ms: measure::promised_ms(history),
            verdict,
            violations: violations.collect(),
            availability: measure::availability(history),
            latency_ms: measure::latency(history),
            cost: Cost {
                rpcs: history.rpcs,
                bytes_about: history.bytes_about,
            },
            renewals: measure::renewals(history),
            trace_hash: facts.trace_hash,
            virtual_ms: history.duration_us / 1_000,
            wall_ms: facts.wall_ms,
        }
    }
}

impl RunReport {
    /// What the scenario measures, by action, in ms.
    pub fn harm_ms(&self) -> &BTreeMap<String, u64> {
        match self.harm() {
            Harm::Exposure => &self.exposure_ms,
            Harm::Outage => &self.outage_ms,
            Harm::Impersonation => &self.impersonation_ms,
        }
    }

    /// Which of the three that is.
    pub fn harm(&self) -> Harm {
        if !self.impersonation_ms.is_empty() {
            Harm::Impersonation
        } else if self.outage_ms.is_empty() {
            Harm::Exposure
        } else {
            Harm::Outage
        }
    }
}

impl DemoReport {
    /// Judges the whole from its runs and their histories, in the same order.
    pub fn judge(facts: DemoFacts, runs: Vec<RunReport>, histories: &[&History]) -> Self {
        Self {
            format: FORMAT,
            version: facts.version,
            lab: facts.lab,
            seed: facts.seed,
            fabric: facts.fabric,
            scenario_sha256: facts.scenario_sha256,
            control: control::control(&runs, histories).verdict,
            runs,
            title: facts.title,
            drawn: facts.drawn,
            next: facts.next,
        }
    }
}
