//! The judge's half of a scenario: what a good posture does, and what it allows to nobody.

use std::collections::{BTreeMap, BTreeSet};

/// What a scenario measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Somebody revoked is let in.
    Exposure,
    /// Somebody who is owed an answer goes without.
    Outage,
    /// Somebody is let in under a name that is not theirs.
    Impersonation,
}

impl Harm {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Exposure, Self::Outage, Self::Impersonation];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Exposure => "exposure",
            Self::Outage => "outage",
            Self::Impersonation => "impersonation",
        }
    }
}

impl Expect {
    /// What the scenario measures.
    pub fn harm(&self) -> Harm {
        if !self.impersonation.is_empty() {
            Harm::Impersonation
        } else if self.outage_us.is_empty() {
            Harm::Exposure
        } else {
            Harm::Outage
        }
    }
}

/// What the scenario expects: the judge's half of `lab.toml`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expect {
    /// The tag of the attacker's requests.
    pub attack_tag: String,
    /// The refusal that a good posture answers to the attack; of an outage, what was heard in it.
    pub refusal: String,
    /// No success later than this after the acknowledgement, in microseconds, by action.
    pub exposure_us: BTreeMap<String, u64>,
    /// Nobody who is owed it goes without for longer, in microseconds, by action; empty unless
    /// that is what the scenario is about.
    pub outage_us: BTreeMap<String, u64>,
    /// The actions to which nobody is let in under a name that is not theirs; empty unless that is
    /// what the scenario is about.
    pub impersonation: BTreeSet<String>,
    /// The invariants that must be kept; `legitimate-users-served` always is.
    pub invariants: Vec<String>,
    /// What is owed to whom.
    pub floors: Vec<FloorSpec>,
}

/// The least share of a group's requests that must be served.
#[derive(Clone, Debug, PartialEq)]
pub struct FloorSpec {
    /// The group's tag.
    pub tag: String,
    /// Which of its requests.
    pub when: When,
    /// Only this action, if set.
    pub action: Option<String>,
    /// From 0 to 1.
    pub floor: f64,
}

/// Which requests a floor counts, by when and where they started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum When {
    /// During this fault, by users on its smaller side.
    Inside(String),
    /// All others: before or after it, or on its larger side.
    Outside(String),
    /// All of them.
    Throughout,
}
