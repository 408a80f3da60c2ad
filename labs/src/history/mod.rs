//! A run as it can be proved afterwards: what was done to the world, what clients saw on true
//! time, and what every node's signed audit log says.
//!
//! It refuses to hold a node's memory: verdicts rest on audit logs and on what clients heard.
//! Invariant: true time is microseconds since the run's start; a node's clock reads
//! `epoch_us + true time + its skew`.

mod expect;
mod placement;
mod prefix;
mod promised;
mod request;
#[cfg(test)]
pub(crate) mod sample;

use std::collections::BTreeMap;

use services::audit::entry::Entry;

pub use expect::{Expect, FloorSpec, Harm, When};
pub use placement::{Decided, PLACEMENT_SLACK_US, Placed};
pub use promised::Promise;
pub use request::{Outcome, Posing, Request};

/// A node's whole audit log in order of `seq`, or why it does not verify.
pub type AuditLog = Result<Vec<Entry>, String>;

/// What the issuance log says, or why it does not verify; nothing if nobody handed it in.
pub type Issued = Option<Result<BTreeMap<String, u64>, String>>;

/// Everything a verdict may rest on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// How long the run lasted, in microseconds of true time.
    pub duration_us: u64,
    /// What a clock without skew reads at true time 0, in microseconds since the Unix epoch.
    pub epoch_us: u64,
    /// What was done to the network.
    pub faults: Vec<Fault>,
    /// The role that each user held when the run began.
    pub roles: BTreeMap<String, String>,
    /// What administrators did to the policy.
    pub acts: Vec<Act>,
    /// What users and attackers asked, and heard.
    pub requests: Vec<Request>,
    /// Each node's audit log. A node that is absent handed in none.
    pub audits: BTreeMap<String, AuditLog>,
    /// How many entries at the beginning of each node's log are left out here; a whole history
    /// leaves out none.
    pub left_out: BTreeMap<String, u64>,
    /// The first entry of those left out under a policy of each size; none in a whole history.
    pub rooted: BTreeMap<u64, Rooted>,
    /// The certificate's serial behind each permit of those left out that opened a stream; none in
    /// a whole history.
    pub opened: BTreeMap<Stream, String>,
    /// Each node's skew: from this true time on (µs), its clock is this far ahead (µs). A node
    /// that is absent, or a time before the first step, has no skew. In order of time.
    pub clocks: BTreeMap<String, Vec<(u64, i64)>>,
    /// Attempts to renew a leaf.
    pub renewals: Vec<Renewal>,
    /// What the posture promised about the age of the policy, by action.
    pub promised: BTreeMap<String, Promise>,
    /// What it promised about a certificate that is revoked, by action; empty if the scenario
    /// revokes none.
    pub leaf_promised: BTreeMap<String, Promise>,
    /// What it promised about a key that is revoked and what it signed, by action; empty if the
    /// scenario revokes none.
    pub key_promised: BTreeMap<String, Promise>,
    /// What it promised about the tokens of somebody who is logged out, by action; empty if the
    /// scenario logs nobody out.
    pub log_out_promised: BTreeMap<String, Promise>,
    /// What it promised about a certificate and token that have ended, by action; empty if nobody
    /// in the scenario copies any.
    pub end_promised: BTreeMap<String, Promise>,
    /// How far honest clocks and the cosignatures' whole seconds may be off, in microseconds.
    pub tolerance_us: u64,
    /// What it promised about a certificate that nobody issued, by action; empty if nobody in the
    /// scenario makes any.
    pub rogue_promised: BTreeMap<String, Promise>,
    /// When the CA wrote each leaf that it issued into its log, in microseconds on its clock, by
    /// the SHA-256 of the leaf; or why that log is not to be believed.
    pub issued: Issued,
    /// Calls made between nodes, users and administrators among them; a stream is one.
    pub rpcs: u64,
    /// Bytes that went over the network, roughly.
    pub bytes_about: u64,
    /// What the scenario expects of a good posture.
    pub expect: Expect,
}

/// A stream: the node that serves it, whom, and the request that opened it.
pub type Stream = (String, String, String);

/// An entry that says which root a policy of its size has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rooted {
    /// The node that logged it.
    pub node: String,
    /// Its place in that node's log.
    pub seq: u64,
    /// The root, lower-case hex.
    pub root: String,
}

impl Rooted {
    /// What that node's entry says.
    pub fn by(node: &str, entry: &Entry) -> Self {
        Self {
            node: node.to_owned(),
            seq: entry.seq,
            root: entry.policy_root.clone(),
        }
    }
}

/// A fault of the network between groups of regions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// The step's name in the scenario.
    pub name: String,
    /// When it began, in true microseconds.
    pub from_us: u64,
    /// When it ended; `None` if it lasted to the end of the run.
    pub to_us: Option<u64>,
    /// The regions on each side.
    pub groups: Vec<Vec<String>>,
    /// Whether only messages from the first group are lost.
    pub one_way: bool,
}

/// What an administrator did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ActKind {
    /// A role was given.
    Grant,
    /// A role was taken.
    #[default]
    Revoke,
    /// The policy's text was replaced.
    Policy,
    /// Entities were put.
    Entities,
    /// Every certificate that a principal had was revoked.
    Leaf,
    /// An authority was prepared, activated or tainted.
    Rotate,
    /// An authority was revoked.
    Authority,
    /// Every token that a principal had was ended.
    LogOut,
    /// A certificate and token that somebody had copied came to their own end.
    Expiry,
    /// A certificate that nobody had issued opened a door for the first time.
    Rogue,
    /// Somebody asked the CA for a certificate in another's name.
    Enrol,
}

impl ActKind {
    /// The verb, as in a scenario.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Revoke => "revoke",
            Self::Policy => "put_policy",
            Self::Entities => "put_entities",
            Self::Leaf => "revoke_leaf",
            Self::Rotate => "rotate",
            Self::Authority => "revoke_authority",
            Self::LogOut => "log_out",
            Self::Expiry => "expiry",
            Self::Rogue => "rogue_issue",
            Self::Enrol => "enrol",
        }
    }
}

/// One act on the policy, or of the CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Act {
    /// Which.
    pub kind: ActKind,
    /// Whom it is about; for [`ActKind::Policy`], [`ActKind::Entities`] and [`ActKind::Authority`]
    /// whom it revokes, as the scenario says, and empty if nobody.
    pub principal: String,
    /// Which role; what was ordered of which authority; which of the two ended first; whose name
    /// was asked for; empty if it is about none.
    pub role: String,
    /// When it was asked for, in true microseconds.
    pub asked_us: u64,
    /// Serials of the certificates that it revoked, or that ended, lower-case hex; empty unless it
    /// is [`ActKind::Leaf`] or [`ActKind::Expiry`].
    pub serials: Vec<String>,
    /// When it was acknowledged (by a quorum of witnesses, or by the CA once it was durable);
    /// `None` while pending, and then it carries no promise. An end is acknowledged in that it
    /// comes, what nobody had issued in that it is let in, and a name in that the CA certifies it.
    pub acknowledged_us: Option<u64>,
    /// Size of the policy log that holds it; 0 for what the CA did.
    pub policy_size: u64,
}

impl Act {
    /// Whether somebody is to be let in no more once it is acknowledged, or should never have been.
    pub fn revokes(&self) -> bool {
        match self.kind {
            ActKind::Revoke
            | ActKind::Leaf
            | ActKind::LogOut
            | ActKind::Expiry
            | ActKind::Rogue => true,
            ActKind::Policy | ActKind::Entities | ActKind::Authority => !self.principal.is_empty(),
            ActKind::Grant | ActKind::Rotate | ActKind::Enrol => false,
        }
    }
}

/// One attempt to renew a leaf.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Renewal {
    /// Whose leaf.
    pub node: String,
    /// When it ended, in true microseconds.
    pub at_us: u64,
    /// Whether a new leaf was published.
    pub ok: bool,
}

impl Fault {
    /// When it ended, the end of the run at the latest, in true microseconds.
    pub fn end_us(&self, duration_us: u64) -> u64 {
        self.to_us.map_or(duration_us, |to| to.min(duration_us))
    }

    /// Whether it was in force at that true time: its first moment included, its last not.
    pub fn holds_at(&self, at_us: u64) -> bool {
        self.from_us <= at_us && self.to_us.is_none_or(|to| at_us < to)
    }

    /// The side with the fewest regions, the first named of equals: the cut-off regions.
    pub fn cut_off(&self) -> &[String] {
        let smaller = self.groups.iter().min_by_key(|group| group.len());
        smaller.map_or(&[], Vec::as_slice)
    }

    /// Whether a user in that region, asking at that time, was cut off by it.
    pub fn cuts_off(&self, region: &str, at_us: u64) -> bool {
        self.holds_at(at_us) && self.cut_off().iter().any(|cut| cut == region)
    }
}

impl History {
    /// Whose lane a request is drawn in: the one in whose name it was asked; or, where what is
    /// measured is that the two are not the same, whoever sent it.
    pub fn lane<'r>(&self, request: &'r Request) -> &'r str {
        match self.expect.harm() {
            Harm::Impersonation => request.sender(),
            Harm::Exposure | Harm::Outage => &request.principal,
        }
    }

    /// That node's clock error at that true time, in microseconds, positive when it is ahead.
    pub fn skew_us(&self, node: &str, true_us: u64) -> i64 {
        let steps = self.clocks.get(node).map_or(&[][..], Vec::as_slice);
        steps
            .iter()
            .take_while(|(from, _)| *from <= true_us)
            .last()
            .map_or(0, |(_, skew)| *skew)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_side_is_the_one_cut_off() {
        let groups = vec![
            vec!["north".to_owned(), "east".to_owned()],
            vec!["south".to_owned()],
        ];
        let fault = Fault {
            from_us: 10,
            to_us: Some(20),
            groups,
            ..Fault::default()
        };
        assert_eq!(fault.cut_off(), ["south"]);
        assert!(fault.cuts_off("south", 10));
        assert!(!fault.cuts_off("south", 20));
        assert!(!fault.cuts_off("south", 9));
        assert!(!fault.cuts_off("north", 15));
    }

    #[test]
    fn a_skew_holds_from_its_step_on() {
        let clocks = BTreeMap::from([("n".to_owned(), vec![(10, 5), (20, -5)])]);
        let history = History {
            clocks,
            ..History::default()
        };
        let at = |us| history.skew_us("n", us);
        assert_eq!([at(9), at(10), at(19), at(20)], [0, 5, 5, -5]);
        assert_eq!(history.skew_us("other", 15), 0);
    }
}
