//! What is live, what comes next, and who blocks it: the picture that `schism ca status` shows.
//!
//! It asks the same rules and gates that decide, so that it cannot promise what would be refused.

use serde::Serialize;

use crate::clock::Time;
use crate::rotation::gate::live_members;
use crate::rotation::{Act, Facts, Obstacle, Phase, Slot, Slots, decide};

/// Every authority, and what comes next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Generation of the trust state.
    pub generation: u64,
    /// How many members are live.
    pub members: usize,
    /// How many of them hold that generation.
    pub up_to_date: usize,
    /// Every authority, by kind and number.
    pub slots: Vec<SlotStatus>,
}

/// One authority.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SlotStatus {
    /// What stands in its slot.
    #[serde(flatten)]
    pub slot: Slot,
    /// True if it is tainted or worse, or its root is.
    pub counts_as_tainted: bool,
    /// True if its end has passed.
    pub expired: bool,
    /// Its next step in order; nothing for one that is revoked.
    pub next: Option<Next>,
}

/// A step that would come next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Next {
    /// The phase that it would enter.
    pub to: Phase,
    /// What is in the way; nothing if it could be done now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<Obstacle>,
}

/// The state of all authorities at `now`.
pub fn status(slots: &Slots, facts: &Facts, now: Time) -> Status {
    let each = slots.iter().map(|slot| SlotStatus {
        slot: slot.clone(),
        counts_as_tainted: slots.counts_as_tainted(slot),
        expired: slot.expired(now),
        next: next(slots, slot, facts, now),
    });
    let generation = slots.generation();
    Status {
        generation,
        members: live_members(facts, now).count(),
        up_to_date: live_members(facts, now)
            .filter(|member| member.acknowledged >= Some(generation))
            .count(),
        slots: each.collect(),
    }
}

fn next(slots: &Slots, slot: &Slot, facts: &Facts, now: Time) -> Option<Next> {
    let (kind, id) = (slot.kind, slot.id);
    let (act, to) = match slot.phase {
        Phase::Prepared => (Act::Activate { kind, id: Some(id) }, Phase::Active),
        Phase::Active => (Act::Retire { kind, id }, Phase::Retired),
        Phase::Retired | Phase::Tainted => (Act::Revoke { kind, id }, Phase::Revoked),
        Phase::Revoked => return None,
    };
    let obstacle = decide(slots, &act.into(), facts, now).err();
    Some(Next {
        to,
        obstacle: obstacle.map(Obstacle::from),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rotation::sample::{Sample, member};
    use crate::rotation::{AuthorityKind, LiveLeaf};

    #[test]
    fn status_says_of_each_authority_what_comes_next_and_who_blocks_it() {
        let mut sample = Sample::set_up();
        sample.joins("records", 1);
        sample.joins("sts", 1);
        sample.rotate(AuthorityKind::Jwt);
        sample.prepare(AuthorityKind::X509);
        sample.acknowledges("sts");
        let status = status(&sample.slots, &sample.facts, sample.now);
        assert_eq!(status.generation, sample.slots.generation());
        assert_eq!((status.members, status.up_to_date), (2, 1));
        let next: Vec<String> = status.slots.iter().map(told).collect();
        assert_eq!(
            next,
            [
                "root 1 active -> retired: nothing-prepared",
                "x509 1 active -> retired: blocked",
                "x509 2 prepared -> active: blocked",
                "jwt 1 retired -> revoked: blocked",
                "jwt 2 active -> retired: nothing-prepared",
            ]
        );
        let shown = serde_json::to_value(&status).unwrap();
        let prepared = &shown["slots"][2];
        assert_eq!(prepared["authority"], "x509");
        assert_eq!(prepared["phase"], "prepared");
        let blocker = &prepared["next"]["obstacle"]["blocked_by"][0];
        assert_eq!(blocker["why"], "not-acknowledged");
        assert_eq!(blocker["member"], member("records").to_string());
        assert_eq!(blocker["needs"], status.generation);
    }

    fn told(status: &SlotStatus) -> String {
        let slot = &status.slot;
        let next = status.next.as_ref().map_or_else(String::new, |next| {
            let obstacle = next.obstacle.as_ref();
            let refusal = obstacle.map_or("ready", |obstacle| obstacle.refusal);
            format!(" -> {}: {refusal}", next.to)
        });
        format!("{} {} {}{next}", slot.kind, slot.id, slot.phase)
    }

    #[test]
    fn status_promises_what_decide_would_do() {
        let mut sample = Sample::set_up();
        sample.joins("records", 1);
        sample.rotate(AuthorityKind::X509);
        let next = |sample: &Sample| {
            let status = status(&sample.slots, &sample.facts, sample.now);
            let retired = status
                .slots
                .into_iter()
                .find(|s| s.slot.phase == Phase::Retired);
            retired.and_then(|retired| retired.next).unwrap()
        };
        assert!(next(&sample).obstacle.is_some(), "its leaf lives");
        let leaf = LiveLeaf {
            issuer: 2,
            not_after: sample.now,
        };
        sample
            .facts
            .members
            .get_mut(&member("records"))
            .unwrap()
            .leaves = vec![leaf];
        assert_eq!(next(&sample).obstacle, None);
        sample.act(Act::Revoke {
            kind: AuthorityKind::X509,
            id: 1,
        });
    }
}
