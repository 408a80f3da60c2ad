//! Gates: would this step cut anybody off, and whom?
//!
//! A gate knows the members as the caller describes them, and names each one that blocks. A member
//! that cannot be placed blocks. Invariant: an open gate means that no living leaf and no living
//! token of a member depends on what is taken away, and that every live member can verify what is
//! to sign. Who stands apart is no member.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::clock::Time;
use crate::identity::SpiffeId;
use crate::rotation::{AuthorityKind, Slot, Slots};

/// One leaf that a member has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LiveLeaf {
    /// Number of the issuer that signed it.
    pub issuer: u64,
    /// Its last moment, with whatever tolerance verifiers allow already added.
    pub not_after: Time,
}

/// One workload. It is live while one of its leaves is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// The newest generation of the trust state that it says it holds; a first leaf comes with
    /// the generation of that moment.
    pub acknowledged: Option<u64>,
    /// Its leaves; expired ones may be among them.
    pub leaves: Vec<LiveLeaf>,
    /// What it signs tokens with, if it signs any.
    pub signs: Option<Signs>,
    /// What it uses of a secret, if it makes anything with it.
    pub uses: Option<Uses>,
}

/// What a member that makes something with a secret says of its versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    /// Those that something there is under, or is being made with, and since when it is these;
    /// nothing: it has said nothing.
    pub versions: Option<(BTreeSet<u64>, Time)>,
}

/// What a member that signs tokens says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signs {
    /// The number of the key that it last said it signs with, and when it said so first; nothing:
    /// it has said nothing.
    pub with: Option<(u64, Time)>,
    /// When its last leaf ends, or has ended: nobody asks it for tokens after that.
    pub until: Time,
}

/// What is known of those who depend on the authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Every workload that has a leaf.
    pub members: BTreeMap<SpiffeId, Member>,
    /// The longest life of a token, with what a signer needs to learn that its key is retired; of
    /// a secret, how long what was made with it counts, zero where that is asked of its users.
    pub token_life: Duration,
    /// How far past its end a token is taken at most.
    pub token_leeway: Duration,
}

/// Who or what keeps a gate shut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Blocker {
    /// A live member does not hold what will be signed with.
    NotAcknowledged {
        /// Who.
        member: SpiffeId,
        /// The generation that it holds, as far as it has said.
        held: Option<u64>,
        /// The generation that it must hold.
        needs: u64,
        /// When its last leaf ends, and it blocks no more.
        #[serde(rename = "until_us")]
        until: Time,
    },
    /// A member has leaves that would verify no more.
    LivingLeaves {
        /// Who.
        member: SpiffeId,
        /// How many.
        leaves: usize,
        /// When the last of them ends.
        #[serde(rename = "until_us")]
        until: Time,
    },
    /// A member signs tokens with it, as far as is known.
    StillSigns {
        /// Who.
        member: SpiffeId,
        /// When the last token ends that it may have signed: a token's life after its last leaf.
        #[serde(rename = "until_us")]
        until: Time,
    },
    /// There may be tokens that would verify no more.
    LivingTokens {
        /// When the last of them ends.
        #[serde(rename = "until_us")]
        until: Time,
    },
    /// Something at a member is under this version of a secret, as far as is known. No time ends
    /// that.
    StillUses {
        /// Who.
        member: SpiffeId,
    },
    /// What was made with this version of a secret still counts.
    StillCounts {
        /// When the last of it ends.
        #[serde(rename = "until_us")]
        until: Time,
    },
}

impl Blocker {
    /// Until when it blocks if nobody does anything; its last moment belongs to it.
    pub const fn until(&self) -> Time {
        match self {
            Self::NotAcknowledged { until, .. }
            | Self::LivingLeaves { until, .. }
            | Self::StillSigns { until, .. }
            | Self::LivingTokens { until }
            | Self::StillCounts { until } => *until,
            Self::StillUses { .. } => Time::from_micros(u64::MAX),
        }
    }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAcknowledged {
                member,
                held: Some(held),
                needs,
                ..
            } => write!(f, "`{member}` holds generation {held} and needs {needs}"),
            Self::NotAcknowledged { member, needs, .. } => {
                write!(
                    f,
                    "`{member}` has acknowledged nothing and needs generation {needs}"
                )
            }
            Self::LivingLeaves {
                member,
                leaves,
                until,
            } => {
                let noun = if *leaves == 1 { "leaf" } else { "leaves" };
                write!(f, "`{member}` has {leaves} {noun} from it, until {until}")
            }
            Self::StillSigns { member, .. } => {
                write!(f, "`{member}` has not said that it signs with another key")
            }
            Self::LivingTokens { until } => write!(f, "tokens signed with it live until {until}"),
            Self::StillUses { member } => {
                write!(f, "`{member}` has not said that nothing there is under it")
            }
            Self::StillCounts { until } => write!(f, "what was made with it counts until {until}"),
        }
    }
}

/// What must hold before a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Nothing.
    Open,
    /// Every live member has acknowledged this generation.
    Acknowledged(u64),
    /// Nothing alive depends on this authority.
    Converged(AuthorityKind, u64),
}

impl Gate {
    /// Who blocks, by name; nobody if it is open.
    pub(super) fn blockers(self, slots: &Slots, facts: &Facts, now: Time) -> Vec<Blocker> {
        match self {
            Self::Open => Vec::new(),
            Self::Acknowledged(needs) => unacknowledged(facts, needs, now),
            Self::Converged(AuthorityKind::Jwt, id) => {
                let mut blockers = still_signing(facts, id, now);
                let key = slots.get(AuthorityKind::Jwt, id);
                let until = key.and_then(|key| tokens_end(key, facts));
                let until = until.filter(|until| now <= *until);
                blockers.extend(until.map(|until| Blocker::LivingTokens { until }));
                blockers
            }
            Self::Converged(AuthorityKind::Secret, id) => {
                let version = slots.get(AuthorityKind::Secret, id);
                // What nothing was ever made with, nothing is under.
                let stopped = version.and_then(|version| version.stopped);
                stopped.map_or_else(Vec::new, |stopped| in_use(facts, id, stopped, now))
            }
            Self::Converged(kind, id) => dependent(slots, facts, now, kind, id),
        }
    }
}

fn alive(member: &Member, now: Time) -> impl Iterator<Item = &LiveLeaf> {
    member
        .leaves
        .iter()
        .filter(move |leaf| now <= leaf.not_after)
}

fn last_end<'a>(leaves: impl Iterator<Item = &'a LiveLeaf>) -> Option<Time> {
    leaves.map(|leaf| leaf.not_after).max()
}

fn unacknowledged(facts: &Facts, needs: u64, now: Time) -> Vec<Blocker> {
    let behind = facts.members.iter().filter_map(|(id, member)| {
        let until = last_end(alive(member, now))?;
        let held = member.acknowledged;
        (held < Some(needs)).then(|| Blocker::NotAcknowledged {
            member: id.clone(),
            held,
            needs,
            until,
        })
    });
    behind.collect()
}

fn dependent(
    slots: &Slots,
    facts: &Facts,
    now: Time,
    kind: AuthorityKind,
    id: u64,
) -> Vec<Blocker> {
    let chains = |leaf: &LiveLeaf| match kind {
        AuthorityKind::X509 => leaf.issuer == id,
        // A leaf whose issuer nobody knows may be anyone's.
        _ => slots
            .get(AuthorityKind::X509, leaf.issuer)
            .is_none_or(|issuer| issuer.parent == Some(id)),
    };
    let blocking = facts.members.iter().filter_map(|(member, facts)| {
        let leaves = || alive(facts, now).filter(|leaf| chains(leaf));
        Some(Blocker::LivingLeaves {
            member: member.clone(),
            leaves: leaves().count(),
            until: last_end(leaves())?,
        })
    });
    blocking.collect()
}

/// The signers that may have signed with this key: those that have not said otherwise.
fn still_signing(facts: &Facts, id: u64, now: Time) -> Vec<Blocker> {
    let signing = facts.members.iter().filter_map(|(member, it)| {
        let Signs { with, until } = it.signs?;
        let until = until + facts.token_life + facts.token_leeway;
        let may = with.is_none_or(|(with, _)| with == id) && now <= until;
        may.then(|| Blocker::StillSigns {
            member: member.clone(),
            until,
        })
    });
    signing.collect()
}

/// Who uses a version of a secret that is not the newest any more, and whether what was made with
/// it still counts. Whoever has not said what it uses may use any.
fn in_use(facts: &Facts, id: u64, stopped: Time, now: Time) -> Vec<Blocker> {
    let users = || {
        let members = facts.members.iter();
        members.filter_map(|(member, it)| Some((member, it.uses.as_ref()?.versions.as_ref())))
    };
    let under = users().filter(|(_, said)| said.is_none_or(|(using, _)| using.contains(&id)));
    let mut blockers: Vec<Blocker> = under
        .map(|(member, _)| Blocker::StillUses {
            member: member.clone(),
        })
        .collect();
    let moved = users().filter_map(|(_, said)| said.map(|(_, since)| *since));
    let until = moved.fold(stopped, Time::max) + facts.token_life + facts.token_leeway;
    if !facts.token_life.is_zero() && now <= until {
        blockers.push(Blocker::StillCounts { until });
    }
    blockers
}

/// When the last token of a key that stopped signing ends; nothing if it never signed. A signer
/// elsewhere stopped when it said that it signs with another.
fn tokens_end(key: &Slot, facts: &Facts) -> Option<Time> {
    let stopped = key.stopped?;
    let moved = facts.members.values();
    let moved = moved.filter_map(|member| member.signs?.with);
    let last = moved
        .filter(|(with, _)| *with != key.id)
        .map(|(_, since)| since)
        .fold(stopped, Time::max);
    Some(last + facts.token_life + facts.token_leeway)
}

/// The members that are live at `now`.
pub(super) fn live_members(facts: &Facts, now: Time) -> impl Iterator<Item = &Member> {
    let members = facts.members.values();
    members.filter(move |member| alive(member, now).next().is_some())
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
