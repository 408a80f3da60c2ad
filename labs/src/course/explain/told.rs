//! What an explanation is made of. Nothing here is found out; it is only told.

use serde::Serialize;

/// One request that should have gone otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When, in true microseconds.
    pub at_us: u64,
    /// Where.
    pub node: String,
    /// Which request.
    pub request: Option<String>,
    /// What was seen.
    pub evidence: String,
    /// What the client lived.
    pub record: Option<String>,
    /// What the node's own audit log says.
    pub entry: Option<String>,
}

/// A dial that decides it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Governing {
    /// Its name.
    pub dial: String,
    /// Its value.
    pub value: String,
    /// Where it was set.
    pub set_at: String,
    /// What that value did here; empty if the value alone says it.
    pub effect: String,
}

/// A group of users who were served less than they are owed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockedOut {
    /// The group's tag.
    pub tag: String,
    /// Where its users are.
    pub region: String,
    /// When its requests count.
    pub when: String,
    /// Requests served.
    pub ok: u64,
    /// Requests asked.
    pub total: u64,
    /// The least share owed, in words: `15 %`.
    pub floor: String,
    /// What was heard most instead.
    pub heard: String,
    /// What the nodes' logs say most of the unserved, where the clients heard no refusal by name.
    pub logged: Option<String>,
}

/// The least of the schedule that still shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Smallest {
    /// Its steps in words.
    pub steps: Vec<String>,
    /// How many steps the schedule had.
    pub of: usize,
    /// How many runs it took to find.
    pub runs: usize,
}

/// Why a trial failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// Which trial.
    pub seed: u64,
    /// How its variant differs from the lab.
    pub variant: String,
    /// The rule that is broken, by name.
    pub rule: String,
    /// What the rule says.
    pub words: String,
    /// The first moment of it.
    pub first: Option<Moment>,
    /// The dials that govern it.
    pub dials: Vec<Governing>,
    /// Whom the posture locked out.
    pub locked_out: Vec<LockedOut>,
    /// What else is broken, each with its words.
    pub also: Vec<String>,
    /// The smallest schedule, once it was looked for.
    pub smallest: Option<Smallest>,
    /// The kept run of it, by its folder's name, if it was kept.
    pub run: Option<String>,
}
