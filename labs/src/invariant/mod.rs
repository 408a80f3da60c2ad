//! What must hold of every history, one file each: `no-permit-after-revoke` and its kin.
//!
//! A check is a pure function of a [`History`]. It never passes what it cannot see: a log that
//! does not verify, an act that was never acknowledged, a group without requests, or nothing to
//! judge at all make the verdict unknown, and unknown is not a pass. Checks run over the whole
//! sorted history at the end, or, with [`check_prefix`], over what had happened by a moment.

pub mod every_leaf_was_issued;
pub mod exposure;
pub mod impersonation;
pub mod legitimate_users_served;
pub mod monotone_policy;
pub mod no_expired_credential;
pub mod no_foreign_identity;
pub mod no_forged_token;
pub mod no_permit_after_revoke;
pub mod no_permit_on_stale_policy;
pub mod no_retired_key;
pub mod no_revoked_credential;
pub mod no_unlogged_decision;
pub mod outage;
pub mod revocation;
pub mod seamless_rotation;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::history::{Harm, History, Placed};

/// The most violations that a finding keeps; it counts all of them.
pub const VIOLATIONS_MAX: usize = 32;

/// The most reasons for doubt that a finding keeps.
pub const DOUBTS_MAX: usize = 8;

/// How an invariant fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It held.
    Kept,
    /// It did not, with evidence.
    Broken,
    /// The evidence does not say.
    Unknown,
}

impl Verdict {
    /// The word in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Unknown => "unknown",
        }
    }

    /// The verdict on both: one broken breaks both, and a doubt on either is a doubt on both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Broken, _) | (_, Self::Broken) => Self::Broken,
            (Self::Unknown, _) | (_, Self::Unknown) => Self::Unknown,
            (Self::Kept, Self::Kept) => Self::Kept,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// One moment at which an invariant did not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// When, in true microseconds.
    pub at_us: u64,
    /// Where: the node that decided, or that was asked.
    pub node: String,
    /// Which request, if it was one.
    pub request: Option<String>,
    /// Which entry of that node's audit log, if there is one.
    pub seq: Option<u64>,
    /// What was seen, in one sentence without a full stop.
    pub evidence: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The invariant's name.
    pub name: &'static str,
    /// How it fared.
    pub verdict: Verdict,
    /// The earliest violations, in order of time, at most [`VIOLATIONS_MAX`].
    pub violations: Vec<Violation>,
    /// How many violations there were.
    pub broken: u64,
    /// Why it cannot be told, at most [`DOUBTS_MAX`].
    pub doubts: Vec<String>,
    /// How many decisions, requests or groups it judged. Never 0 if it was kept.
    pub judged: u64,
    /// What it had to leave out of a verdict on the rest, each in one sentence without a full stop.
    pub left_out: Vec<String>,
}

impl Finding {
    fn new(name: &'static str, judged: u64, found: Vec<Violation>, doubts: Vec<String>) -> Self {
        let (mut violations, mut doubts) = (found, doubts);
        let broken = violations.len() as u64;
        if judged == 0 && violations.is_empty() && doubts.is_empty() {
            doubts.push("there was nothing to judge".to_owned());
        }
        let verdict = match (violations.is_empty(), doubts.is_empty()) {
            (false, _) => Verdict::Broken,
            (true, false) => Verdict::Unknown,
            (true, true) => Verdict::Kept,
        };
        in_order(&mut violations);
        doubts.dedup();
        doubts.truncate(DOUBTS_MAX);
        Self {
            name,
            verdict,
            violations,
            broken,
            doubts,
            judged,
            left_out: Vec::new(),
        }
    }

    /// The same with more that was found.
    fn with(mut self, found: Vec<Violation>) -> Self {
        if found.is_empty() {
            return self;
        }
        self.judged += found.len() as u64;
        self.broken += found.len() as u64;
        self.violations.extend(found);
        in_order(&mut self.violations);
        self.verdict = Verdict::Broken;
        self
    }
}

/// The earliest, in order of time.
fn in_order(violations: &mut Vec<Violation>) {
    violations.sort_by(|a, b| (a.at_us, &a.node, a.seq).cmp(&(b.at_us, &b.node, b.seq)));
    violations.truncate(VIOLATIONS_MAX);
}

/// An invariant: its name, what it says, and its check.
#[derive(Clone, Copy, Debug)]
pub struct Invariant {
    /// The name in scenarios and reports.
    pub name: &'static str,
    /// What it says, in one sentence without a full stop.
    pub words: &'static str,
    /// The check over a history.
    pub check: fn(&Placed<'_>) -> Finding,
    /// Whether a violation seen early stays one. A floor missed so far may yet be reached.
    pub settles_early: bool,
}

/// Every invariant there is, in order of name.
pub const ALL: [Invariant; 12] = [
    Invariant {
        name: every_leaf_was_issued::NAME,
        words: "no certificate that no log has opens a door later than was promised",
        check: every_leaf_was_issued::check,
        settles_early: false,
    },
    Invariant {
        name: legitimate_users_served::NAME,
        words: "each group of legitimate users is served above its own floor",
        check: legitimate_users_served::check,
        settles_early: false,
    },
    Invariant {
        name: monotone_policy::NAME,
        words: "no node goes back to an older policy, and one size has one root",
        check: monotone_policy::check,
        settles_early: true,
    },
    Invariant {
        name: no_expired_credential::NAME,
        words: "no expired certificate or token opens a door later than was promised",
        check: no_expired_credential::check,
        settles_early: true,
    },
    Invariant {
        name: no_foreign_identity::NAME,
        words: "nobody is let in under a name that was not given to them",
        check: no_foreign_identity::check,
        settles_early: true,
    },
    Invariant {
        name: no_forged_token::NAME,
        words: "no token by a withdrawn key opens a door later than was promised",
        check: no_forged_token::check,
        settles_early: true,
    },
    Invariant {
        name: no_permit_after_revoke::NAME,
        words: "nobody revoked is let in later than was promised",
        check: no_permit_after_revoke::check,
        settles_early: true,
    },
    Invariant {
        name: no_permit_on_stale_policy::NAME,
        words: "no permit rests on a policy older than its action's bound",
        check: no_permit_on_stale_policy::check,
        settles_early: true,
    },
    Invariant {
        name: no_retired_key::NAME,
        words: "nothing is taken under a version of a secret that was withdrawn",
        check: no_retired_key::check,
        settles_early: true,
    },
    Invariant {
        name: no_revoked_credential::NAME,
        words: "no revoked certificate opens a door later than was promised",
        check: no_revoked_credential::check,
        settles_early: true,
    },
    Invariant {
        name: no_unlogged_decision::NAME,
        words: "no answer without its durable audit entry",
        check: no_unlogged_decision::check,
        settles_early: true,
    },
    Invariant {
        name: seamless_rotation::NAME,
        words: "every order is carried out, and nobody goes without for longer than is allowed",
        check: seamless_rotation::check,
        settles_early: false,
    },
];

/// The invariant of that name.
pub fn by_name(name: &str) -> Option<Invariant> {
    ALL.into_iter().find(|invariant| invariant.name == name)
}

/// What the scenario lists, and `legitimate-users-served` if it states floors, in order of name.
/// A listed name that is none of [`ALL`] is passed over: the scenario's parser refuses it.
pub fn expected(history: &History) -> impl Iterator<Item = Invariant> + use<'_> {
    let expect = &history.expect;
    ALL.into_iter().filter(|invariant| {
        let floors = !expect.floors.is_empty() && invariant.name == legitimate_users_served::NAME;
        floors
            || expect
                .invariants
                .iter()
                .any(|wanted| wanted == invariant.name)
    })
}

/// Checks what is [`expected`].
pub fn check_expected(history: &History) -> Vec<Finding> {
    let placed = history.placed();
    let found = expected(history).map(|invariant| (invariant.check)(&placed));
    found.collect()
}

/// Whether a break of that invariant is the harm that the scenario measures, seen once more.
pub fn is_the_harm(history: &History, name: &str) -> bool {
    match history.expect.harm() {
        Harm::Exposure => revocation::is_about_revocation(name),
        Harm::Outage => [legitimate_users_served::NAME, seamless_rotation::NAME].contains(&name),
        Harm::Impersonation => name == no_foreign_identity::NAME,
    }
}

/// The first permit that should not have been, by what the scenario measures.
pub fn first_wrongful(placed: &Placed<'_>) -> Option<Violation> {
    match placed.history.expect.harm() {
        Harm::Exposure | Harm::Outage => revocation::first_violation(placed),
        Harm::Impersonation => no_foreign_identity::check(placed)
            .violations
            .into_iter()
            .next(),
    }
}

/// What could be said of the invariant at that true time (µs), from what had happened by then.
pub fn check_prefix(invariant: &Invariant, history: &History, until_us: u64) -> Finding {
    let finding = (invariant.check)(&history.prefix(until_us).placed());
    if invariant.settles_early || until_us >= history.duration_us {
        return finding;
    }
    let doubt = "the run is not over".to_owned();
    Finding {
        verdict: Verdict::Unknown,
        doubts: vec![doubt],
        ..finding
    }
}

/// Microseconds as seconds with three decimals: for evidence, which must be exact enough to find.
fn seconds(us: u64) -> String {
    format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000)
}

/// Why the logs that a check reads cannot be read.
fn unverified(history: &History) -> Vec<String> {
    let broken = |(node, log): (&String, &crate::history::AuditLog)| {
        let why = log.as_ref().err()?;
        Some(format!("the audit log of {node} does not verify: {why}"))
    };
    history.audits.iter().filter_map(broken).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::sample::Sample;

    #[test]
    fn a_violation_is_seen_from_its_moment_on_and_never_unseen() {
        let mut sample = Sample::new(60);
        sample.revoke("mallory", 12_000_000, Some(12_100_000));
        sample.served("m-1", "attack", "mallory", "read", 13_000_000);
        sample.served("m-2", "attack", "mallory", "read", 30_000_000);
        let invariant = by_name(no_permit_after_revoke::NAME).expect("it is listed");
        let verdict = |at| check_prefix(&invariant, &sample.history, at).verdict;
        assert_eq!(verdict(12_050_000), Verdict::Unknown);
        assert_eq!(verdict(29_000_000), Verdict::Kept);
        assert_eq!(verdict(30_020_000), Verdict::Broken);
        assert_eq!(verdict(60_000_000), Verdict::Broken);
    }

    #[test]
    fn what_had_nothing_to_judge_is_not_kept() {
        let mut empty = Sample::new(60).history;
        empty
            .audits
            .insert("records.south".to_owned(), Ok(Vec::new()));
        for invariant in ALL {
            let finding = (invariant.check)(&empty.placed());
            let verdict = (finding.judged, finding.verdict);
            assert_ne!(verdict, (0, Verdict::Kept), "{finding:?}");
            assert!(!finding.doubts.is_empty(), "{finding:?}");
        }
        let bare = Finding::new(monotone_policy::NAME, 0, Vec::new(), Vec::new());
        assert_eq!(bare.verdict, Verdict::Unknown);
    }

    #[test]
    fn a_floor_is_not_judged_before_the_end() {
        let sample = Sample::new(60);
        let invariant = by_name(legitimate_users_served::NAME).expect("it is listed");
        let finding = check_prefix(&invariant, &sample.history, 30_000_000);
        assert_eq!(finding.verdict, Verdict::Unknown);
        assert_eq!(finding.doubts, ["the run is not over"]);
    }

    #[test]
    fn names_are_in_order_and_lead_back() {
        assert!(ALL.windows(2).all(|pair| pair[0].name < pair[1].name));
        assert!(
            ALL.iter()
                .all(|i| by_name(i.name).is_some_and(|found| found.words == i.words))
        );
    }

    #[test]
    fn a_doubt_never_hides_a_break_and_is_never_a_pass() {
        assert_eq!(Verdict::Unknown.and(Verdict::Broken), Verdict::Broken);
        assert_eq!(Verdict::Unknown.and(Verdict::Kept), Verdict::Unknown);
        assert_eq!(Verdict::Kept.and(Verdict::Kept), Verdict::Kept);
    }
}
