//! Every authority of a CA, and the generation of the trust state that members hold.
//!
//! It changes by transitions alone. What a member must trust, hold or renew follows from here and
//! from nothing else, and never changes without the generation: one generation has one content.
//! Invariants: at most one authority of a kind is prepared and at most one active; no id is given
//! twice; a transition that does not fit changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::rotation::{AuthorityKind, Phase, Slot, Transition, Unfit};

/// How long past its end a revoked authority is remembered at least. A revoked certificate must
/// stand in one list that was made after its end (RFC 5280, 3.3).
pub const REMEMBERED: Duration = Duration::from_secs(24 * 60 * 60);

/// What outlives the authorities of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    /// The last number given.
    last: u64,
    /// Which one the last activation retired, until a roll-back has used it.
    predecessor: Option<u64>,
}

/// Every authority of one CA.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Slots {
    generation: u64,
    lines: BTreeMap<AuthorityKind, Line>,
    slots: Vec<Slot>,
}

/// Slots as they are read back, before they are believed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    generation: u64,
    lines: BTreeMap<AuthorityKind, Line>,
    slots: Vec<Slot>,
}

impl Slots {
    /// Folds one transition.
    ///
    /// # Errors
    /// When it does not follow from these slots; then nothing has changed.
    pub fn apply(&mut self, transition: &Transition) -> Result<(), Unfit> {
        let raises = Transition::raises(transition.from, transition.to);
        let due = self.generation.saturating_add(u64::from(raises));
        if transition.generation != due {
            let found = transition.generation;
            return Err(Unfit::Generation { found, due });
        }
        match transition.from {
            None => self.make(transition)?,
            Some(from) => self.step(transition, from)?,
        }
        self.generation = due;
        if raises {
            self.forget(transition.at);
        }
        Ok(())
    }

    /// The slots after all transitions of one decision.
    ///
    /// # Errors
    /// When one does not follow, or together they are half of a decision.
    pub fn after(&self, transitions: &[Transition]) -> Result<Self, Unfit> {
        let mut after = self.clone();
        for transition in transitions {
            after.apply(transition)?;
        }
        after.check()?;
        Ok(after)
    }

    /// The slots that a whole journal leads to.
    ///
    /// # Errors
    /// When it is no journal of this state machine, or ends amid a decision.
    pub fn replay<'a>(journal: impl IntoIterator<Item = &'a Transition>) -> Result<Self, Unfit> {
        let mut slots = Self::default();
        for transition in journal {
            slots.apply(transition)?;
        }
        slots.check()?;
        Ok(slots)
    }

    fn make(&mut self, transition: &Transition) -> Result<(), Unfit> {
        let (kind, id) = (transition.kind, transition.id);
        let next = self.next_id(kind);
        if id != next {
            return Err(Unfit::Numbered { kind, id, next });
        }
        let birth = transition.birth.as_ref();
        let birth = birth.filter(|_| transition.to == Phase::Prepared);
        let birth = birth.ok_or(Unfit::Born { kind, id })?;
        self.room(kind, Phase::Prepared)?;
        let slot = Slot {
            kind,
            id,
            phase: Phase::Prepared,
            since: transition.at,
            made: transition.at,
            not_before: birth.not_before,
            not_after: birth.not_after,
            parent: birth.parent,
            published_in: transition.generation,
            stopped: None,
            key: birth.key.clone(),
        };
        self.check_parent(&slot)?;
        self.lines.entry(kind).or_default().last = id;
        let after = self.slots.partition_point(|other| other.kind <= kind);
        self.slots.insert(after, slot);
        Ok(())
    }

    fn step(&mut self, transition: &Transition, from: Phase) -> Result<(), Unfit> {
        let (kind, id, to) = (transition.kind, transition.id, transition.to);
        if transition.birth.is_some() {
            return Err(Unfit::Born { kind, id });
        }
        let found = self.get(kind, id).map(|slot| slot.phase);
        let found = found.ok_or(Unfit::Unknown { kind, id })?;
        if found != from || !from.leads_to(to) {
            return Err(Unfit::Step {
                kind,
                id,
                found,
                to,
            });
        }
        self.room(kind, to)?;
        let slot = self
            .slots
            .iter_mut()
            .find(|slot| slot.kind == kind && slot.id == id);
        let slot = slot.ok_or(Unfit::Unknown { kind, id })?;
        slot.phase = to;
        slot.since = transition.at;
        if from == Phase::Active {
            slot.stopped = Some(transition.at);
        } else if to == Phase::Active {
            slot.stopped = None;
        }
        let line = self.lines.entry(kind).or_default();
        if to == Phase::Retired {
            line.predecessor = Some(id);
        } else if from == Phase::Retired && to == Phase::Active {
            line.predecessor = None;
        }
        Ok(())
    }

    /// Whether one more authority may enter this phase.
    fn room(&self, kind: AuthorityKind, phase: Phase) -> Result<(), Unfit> {
        let single = matches!(phase, Phase::Prepared | Phase::Active);
        if single && self.the(kind, phase).is_some() {
            return Err(Unfit::Crowded { kind, phase });
        }
        Ok(())
    }

    /// Forgets what was revoked and has long ended: nothing can refer to it any more. Only when the
    /// generation rises, since one generation has one content.
    fn forget(&mut self, at: Time) {
        let over = |slot: &Slot| slot.phase == Phase::Revoked && at > slot.not_after + REMEMBERED;
        self.slots
            .retain(|slot| slot.kind == AuthorityKind::Root || !over(slot));
        let parents: Vec<u64> = self.slots.iter().filter_map(|slot| slot.parent).collect();
        self.slots.retain(|slot| {
            slot.kind != AuthorityKind::Root || !over(slot) || parents.contains(&slot.id)
        });
    }

    fn check_parent(&self, slot: &Slot) -> Result<(), Unfit> {
        let known = |root| self.get(AuthorityKind::Root, root).is_some();
        let right = match slot.kind {
            AuthorityKind::X509 => slot.parent.is_some_and(known),
            AuthorityKind::Root | AuthorityKind::Jwt | AuthorityKind::Secret => {
                slot.parent.is_none()
            }
        };
        let (kind, id) = (slot.kind, slot.id);
        right.then_some(()).ok_or(Unfit::Parent { kind, id })
    }

    /// What holds between decisions, whoever wrote the slots.
    fn check(&self) -> Result<(), Unfit> {
        let mut before = None;
        for slot in &self.slots {
            let (kind, id) = (slot.kind, slot.id);
            let place = Some((kind, id));
            if id == 0 || id >= self.next_id(kind) || place <= before {
                return Err(Unfit::Disorder { kind, id });
            }
            before = place;
            if slot.published_in > self.generation {
                return Err(Unfit::Generation {
                    found: slot.published_in,
                    due: self.generation,
                });
            }
            self.check_parent(slot)?;
        }
        for kind in AuthorityKind::ALL {
            for phase in [Phase::Prepared, Phase::Active] {
                let all = self.of(kind).filter(|slot| slot.phase == phase);
                if all.count() > 1 {
                    return Err(Unfit::Crowded { kind, phase });
                }
            }
            let signed = self.of(kind).any(|slot| slot.stopped.is_some());
            if signed && self.signer(kind).is_none() {
                return Err(Unfit::Headless { kind });
            }
        }
        Ok(())
    }
}

/// What follows from the slots.
impl Slots {
    /// Generation of the trust state: zero before anything was made.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// Every authority, by kind and number.
    pub fn iter(&self) -> impl Iterator<Item = &Slot> {
        self.slots.iter()
    }

    /// The authorities of one kind, by number.
    pub fn of(&self, kind: AuthorityKind) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.kind == kind)
    }

    /// One authority.
    pub fn get(&self, kind: AuthorityKind, id: u64) -> Option<&Slot> {
        self.of(kind).find(|slot| slot.id == id)
    }

    /// The one that signs.
    pub fn signer(&self, kind: AuthorityKind) -> Option<&Slot> {
        self.the(kind, Phase::Active)
    }

    /// The one that waits to sign.
    pub fn prepared(&self, kind: AuthorityKind) -> Option<&Slot> {
        self.the(kind, Phase::Prepared)
    }

    /// The one that the last activation retired, while a roll-back may bring it back: not once it
    /// is tainted, and not a second time.
    pub fn predecessor(&self, kind: AuthorityKind) -> Option<&Slot> {
        let id = self.lines.get(&kind)?.predecessor?;
        self.get(kind, id)
            .filter(|slot| slot.phase == Phase::Retired && !self.counts_as_tainted(slot))
    }

    /// The number that the next authority of a kind is given.
    pub fn next_id(&self, kind: AuthorityKind) -> u64 {
        let last = self.lines.get(&kind).map_or(0, |line| line.last);
        last.saturating_add(1)
    }

    /// True if it is tainted or worse, or an issuer whose root is.
    pub fn counts_as_tainted(&self, slot: &Slot) -> bool {
        let root = slot.parent.and_then(|id| self.get(AuthorityKind::Root, id));
        slot.phase >= Phase::Tainted || root.is_some_and(|root| root.phase >= Phase::Tainted)
    }

    /// The roots that members trust: all but revoked ones, prepared ones included.
    pub fn trusted_roots(&self) -> impl Iterator<Item = &Slot> {
        self.verifying(AuthorityKind::Root)
    }

    /// The keys that members verify tokens with: all but revoked ones, prepared ones included.
    pub fn jwt_keys(&self) -> impl Iterator<Item = &Slot> {
        self.verifying(AuthorityKind::Jwt)
    }

    /// The issuers whose leaves verify, and whose revocation lists members must therefore hold:
    /// neither revoked themselves nor under a revoked root. Prepared ones are included, so that a
    /// list is everywhere before the first leaf.
    pub fn issuers(&self) -> impl Iterator<Item = &Slot> {
        self.verifying(AuthorityKind::X509)
            .filter(|slot| self.under_trusted_root(slot))
    }

    /// The issuers whose leaves must be renewed now.
    pub fn tainted_issuers(&self) -> impl Iterator<Item = &Slot> {
        self.of(AuthorityKind::X509)
            .filter(|slot| self.counts_as_tainted(slot))
    }

    /// The revoked issuers that must stand in their root's revocation list. They are remembered
    /// for [`REMEMBERED`] past their end. Under a revoked root nothing needs a list.
    pub fn listed_issuers(&self) -> impl Iterator<Item = &Slot> {
        self.of(AuthorityKind::X509)
            .filter(|slot| slot.phase == Phase::Revoked && self.under_trusted_root(slot))
    }

    fn under_trusted_root(&self, slot: &Slot) -> bool {
        self.trusted_roots()
            .any(|root| slot.parent == Some(root.id))
    }

    fn verifying(&self, kind: AuthorityKind) -> impl Iterator<Item = &Slot> {
        self.of(kind).filter(|slot| slot.phase != Phase::Revoked)
    }

    fn the(&self, kind: AuthorityKind, phase: Phase) -> Option<&Slot> {
        self.of(kind).find(|slot| slot.phase == phase)
    }
}

impl TryFrom<Written> for Slots {
    type Error = Unfit;

    fn try_from(written: Written) -> Result<Self, Unfit> {
        let slots = Self {
            generation: written.generation,
            lines: written.lines,
            slots: written.slots,
        };
        slots.check()?;
        Ok(slots)
    }
}

#[cfg(test)]
#[path = "slots_tests.rs"]
mod tests;
