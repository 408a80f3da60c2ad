//! Rotation by lifetime: what is due, when to look again, and what nobody will do in time.
//!
//! A successor is prepared at half of the active one's life and activated when a sixth is left; a
//! retired one is revoked once nothing depends on it. It asks and never overrides: an authority
//! that nears its end behind a shut gate is an alarm. Invariant: what was rolled back by hand goes
//! forward by hand alone.

use std::time::Duration;

use serde::Serialize;

use crate::clock::Time;
use crate::profile::Validity;
use crate::rotation::{
    Act, AuthorityKind, Command, Facts, Obstacle, Phase, Refused, Slot, Slots, decide, rules,
};

/// How long before an authority's end something happens: a part of its life, but no more than a
/// span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lead {
    /// One this-many-th of the life; with zero, at the end itself.
    pub part: u32,
    /// At most this long before the end.
    pub at_most: Duration,
}

impl Lead {
    /// One `part`-th of the life, however long.
    pub const fn part(part: u32) -> Self {
        Self {
            part,
            at_most: Duration::MAX,
        }
    }

    /// The moment for an authority. Its life counts from when it was made: back-dating is none.
    pub fn before_end_of(&self, slot: &Slot) -> Time {
        let life = slot.not_after.since(slot.made);
        let lead = life.checked_div(self.part).unwrap_or_default();
        slot.not_after - lead.min(self.at_most)
    }
}

/// Who moves authorities of a kind on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The schedule.
    ByLifetime,
    /// An operator, as with a root whose key is kept apart.
    ByHand,
}

/// The times of one kind of authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Who moves them on.
    pub pace: Pace,
    /// How long a new one lives.
    pub life: Duration,
    /// How much earlier than its making its validity begins.
    pub backdate: Duration,
    /// When the active one's successor is prepared.
    pub prepare: Lead,
    /// When it takes over.
    pub activate: Lead,
    /// When an active one without a successor is an alarm.
    pub alarm: Lead,
    /// How long a retired one is kept for a roll-back before it is revoked.
    pub keep: Duration,
}

impl Timing {
    /// Prepared at half of life, activated when a sixth is left, alarmed about and revoked at the
    /// middle of that sixth.
    pub fn by_lifetime(life: Duration, backdate: Duration) -> Self {
        Self {
            pace: Pace::ByLifetime,
            life,
            backdate,
            prepare: Lead::part(2),
            activate: Lead::part(6),
            alarm: Lead::part(12),
            keep: life / 12,
        }
    }

    /// The same times, for an operator to keep.
    pub fn by_hand(life: Duration, backdate: Duration) -> Self {
        Self {
            pace: Pace::ByHand,
            ..Self::by_lifetime(life, backdate)
        }
    }

    /// When the successor of `active` is prepared: not before it could outlive it. Ends are whole
    /// seconds.
    fn prepare_at(&self, active: &Slot) -> Time {
        let outlives = active.not_after - self.life + Duration::from_secs(1);
        self.prepare.before_end_of(active).max(outlives)
    }

    fn validity(&self, now: Time) -> Validity {
        Validity::new(now - self.backdate, now + self.life)
    }
}

/// The times of all authorities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Roots.
    pub root: Timing,
    /// X.509 issuers.
    pub x509: Timing,
    /// JWT keys.
    pub jwt: Timing,
}

impl Schedule {
    /// The times of one kind.
    pub const fn of(&self, kind: AuthorityKind) -> &Timing {
        match kind {
            AuthorityKind::Root => &self.root,
            AuthorityKind::X509 => &self.x509,
            // No schedule moves a secret: it is rotated by hand.
            AuthorityKind::Jwt | AuthorityKind::Secret => &self.jwt,
        }
    }

    fn by_lifetime(&self) -> impl Iterator<Item = (AuthorityKind, &Timing)> {
        let kinds = AuthorityKind::OWN.into_iter();
        kinds
            .map(|kind| (kind, self.of(kind)))
            .filter(|(_, timing)| timing.pace == Pace::ByLifetime)
    }
}

/// What the schedule asks for at `now`, roots first. No rule is against any of it; gates may be,
/// and then it is due again until they open. What is to be prepared has no key yet.
///
/// The first authority of each kind is due at once, so that the schedule also sets a CA up.
pub fn due(slots: &Slots, schedule: &Schedule, now: Time) -> Vec<Command> {
    let kinds = schedule.by_lifetime();
    let acts = kinds.flat_map(|(kind, timing)| {
        let onward = onward(slots, kind, timing, now);
        onward.into_iter().chain(endings(slots, kind, timing, now))
    });
    acts.filter(|act| rules::plan(slots, act, now).is_ok())
        .map(Command::from)
        .collect()
}

/// What brings the next signer.
fn onward(slots: &Slots, kind: AuthorityKind, timing: &Timing, now: Time) -> Option<Act> {
    let active = slots.signer(kind);
    let Some(prepared) = slots.prepared(kind) else {
        let validity = timing.validity(now);
        let ripe = active.is_none_or(|active| {
            now >= timing.prepare_at(active) && root_end(slots, kind) > active.not_after
        });
        return ripe.then_some(Act::Prepare {
            kind,
            validity,
            key: None,
        });
    };
    let ripe = active.is_none_or(|active| now >= timing.activate.before_end_of(active));
    let id = prepared.id;
    if prepared.expired(now) {
        Some(Act::Revoke { kind, id })
    } else {
        (ripe && !prepared.rolled_back()).then_some(Act::Activate { kind, id: Some(id) })
    }
}

/// No issuer outlives its root, so under a root at its end no successor would outlive the last.
fn root_end(slots: &Slots, kind: AuthorityKind) -> Time {
    let root = match kind {
        AuthorityKind::X509 => slots.signer(AuthorityKind::Root),
        AuthorityKind::Root | AuthorityKind::Jwt | AuthorityKind::Secret => None,
    };
    root.map_or(Time::from_micros(u64::MAX), |root| root.not_after)
}

/// What has done its work.
fn endings(slots: &Slots, kind: AuthorityKind, timing: &Timing, now: Time) -> Vec<Act> {
    let over = slots.of(kind).filter(|slot| match slot.phase {
        Phase::Retired => now >= slot.since + timing.keep || slot.expired(now),
        Phase::Tainted => true,
        Phase::Prepared | Phase::Active | Phase::Revoked => false,
    });
    over.map(|slot| Act::Revoke { kind, id: slot.id }).collect()
}

/// The next moment at which more may be due, if the slots stay as they are. What is due and blocked
/// is to be asked again when a member changes; see [`Refused::clears_after`] for when none does.
pub fn next_look(slots: &Slots, schedule: &Schedule, now: Time) -> Option<Time> {
    let instant = Duration::from_micros(1);
    let moments = schedule.by_lifetime().flat_map(|(kind, timing)| {
        let (active, prepared) = (slots.signer(kind), slots.prepared(kind));
        let onward = match (active, prepared) {
            (Some(active), None) => Some(timing.prepare_at(active)),
            (Some(active), Some(_)) => Some(timing.activate.before_end_of(active)),
            (None, _) => None,
        };
        let retired = slots
            .of(kind)
            .filter(|slot| slot.phase == Phase::Retired)
            .map(|slot| (slot.since + timing.keep).min(slot.not_after + instant));
        let expiry = prepared.map(|prepared| prepared.not_after + instant);
        onward.into_iter().chain(expiry).chain(retired)
    });
    moments.filter(|moment| *moment > now).min()
}

/// An authority that nears its end and that nothing will relieve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alarm {
    /// What it signs.
    #[serde(rename = "authority")]
    pub kind: AuthorityKind,
    /// Which one.
    pub id: u64,
    /// Its last moment, which may have passed.
    #[serde(rename = "not_after_us")]
    pub not_after: Time,
    /// What keeps its successor.
    pub obstacle: Obstacle,
}

/// Every active authority whose end is near at `now` and whose successor will not take over.
pub fn alarms(slots: &Slots, schedule: &Schedule, facts: &Facts, now: Time) -> Vec<Alarm> {
    let near = AuthorityKind::OWN.into_iter().filter_map(|kind| {
        let active = slots.signer(kind)?;
        let timing = schedule.of(kind);
        if now < timing.alarm.before_end_of(active) {
            return None;
        }
        let obstacle = obstacle(slots, kind, timing.pace, facts, now)?;
        Some(Alarm {
            kind,
            id: active.id,
            not_after: active.not_after,
            obstacle,
        })
    });
    near.collect()
}

fn obstacle(
    slots: &Slots,
    kind: AuthorityKind,
    pace: Pace,
    facts: &Facts,
    now: Time,
) -> Option<Obstacle> {
    let Some(prepared) = slots.prepared(kind) else {
        return Some(Refused::NothingPrepared(kind).into());
    };
    let id = prepared.id;
    let activate = Act::Activate { kind, id: Some(id) };
    if let Err(refused) = decide(slots, &activate.into(), facts, now) {
        return Some(refused.into());
    }
    let by_hand = prepared.rolled_back() || pace == Pace::ByHand;
    by_hand.then(|| Obstacle {
        refusal: "by-hand",
        message: format!("{kind} authority {id} is prepared: activate it by hand"),
        blocked_by: Vec::new(),
    })
}

#[cfg(test)]
#[path = "due_tests.rs"]
mod tests;
