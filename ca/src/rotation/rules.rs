//! The rules of rotation: what a command means, and when it is no step at all.
//!
//! A rule looks at the slots and the time alone, and no reason overrides it. Invariants: there is
//! always a signer; a signer's root always verifies; a step back happens at most once.

use crate::clock::Time;
use crate::profile::Validity;
use crate::rotation::gate::Gate;
use crate::rotation::{Act, AuthorityKind, Birth, KeyRef, Phase, Refused, Slot, Slots};

/// One step of a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) kind: AuthorityKind,
    pub(super) id: u64,
    pub(super) from: Option<Phase>,
    pub(super) to: Phase,
    pub(super) birth: Option<Birth>,
}

impl Step {
    const fn of(slot: &Slot, to: Phase) -> Self {
        Self {
            kind: slot.kind,
            id: slot.id,
            from: Some(slot.phase),
            to,
            birth: None,
        }
    }
}

/// What a command comes to. The gate stands before the last of the steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    pub(super) gate: Gate,
}

/// What a command comes to under these slots.
pub(super) fn plan(slots: &Slots, act: &Act, now: Time) -> Result<Plan, Refused> {
    match act {
        Act::Prepare {
            kind,
            validity,
            key,
        } => prepare(slots, *kind, validity, key.as_ref(), now),
        Act::Activate { kind, id: None } => {
            let slot = slots.prepared(*kind);
            activate(slots, slot.ok_or(Refused::NothingPrepared(*kind))?, now)
        }
        Act::Activate { kind, id: Some(id) } => {
            let slot = found(slots, *kind, *id)?;
            if slot.phase != Phase::Prepared {
                return Err(wrong(slot, act));
            }
            activate(slots, slot, now)
        }
        Act::Retire { kind, id } => {
            let slot = found(slots, *kind, *id)?;
            if slot.phase != Phase::Active {
                return Err(wrong(slot, act));
            }
            let successor = slots.prepared(*kind);
            activate(
                slots,
                successor.ok_or(Refused::NothingPrepared(*kind))?,
                now,
            )
        }
        Act::Taint { kind, id } => {
            let slot = found(slots, *kind, *id)?;
            end(slots, slot, Phase::Tainted, act)
        }
        Act::Revoke { kind, id } => {
            let slot = found(slots, *kind, *id)?;
            end(slots, slot, Phase::Revoked, act)
        }
        Act::RollBack { kind } => roll_back(slots, *kind, act, now),
    }
}

/// The root that signs an issuer must be active. A prepared one could still be withdrawn, and
/// there is never a need: after the first set-up one is active, and before it the first root may
/// be activated at once.
fn prepare(
    slots: &Slots,
    kind: AuthorityKind,
    validity: &Validity,
    key: Option<&KeyRef>,
    now: Time,
) -> Result<Plan, Refused> {
    if let Some(slot) = slots.prepared(kind) {
        let id = slot.id;
        return Err(Refused::AlreadyPrepared { kind, id });
    }
    let (validity, parent) = if kind == AuthorityKind::X509 {
        let root = slots.signer(AuthorityKind::Root);
        let root = root.ok_or(Refused::NoActiveRoot)?;
        let inside = validity.inside(&Validity::new(root.not_before, root.not_after));
        (inside, Some(root.id))
    } else {
        (*validity, None)
    };
    let (not_before, not_after) = (validity.not_before(), validity.not_after());
    if not_after <= now || not_after <= not_before {
        return Err(Refused::Lifeless { kind, not_after });
    }
    let birth = Birth {
        not_before,
        not_after,
        parent,
        key: key.cloned(),
    };
    let step = Step {
        kind,
        id: slots.next_id(kind),
        from: None,
        to: Phase::Prepared,
        birth: Some(birth),
    };
    Ok(Plan {
        steps: vec![step],
        gate: Gate::Open,
    })
}

/// `slot` is prepared. Whoever can verify an issuer's publication can verify its root, which was
/// published before it.
fn activate(slots: &Slots, slot: &Slot, now: Time) -> Result<Plan, Refused> {
    timely(slot, now)?;
    let last = slots.signer(slot.kind);
    let mut steps: Vec<Step> = last
        .map(|last| Step::of(last, Phase::Retired))
        .into_iter()
        .collect();
    steps.push(Step::of(slot, Phase::Active));
    Ok(Plan {
        steps,
        gate: Gate::Acknowledged(slot.published_in),
    })
}

/// Taints or revokes.
fn end(slots: &Slots, slot: &Slot, to: Phase, act: &Act) -> Result<Plan, Refused> {
    if slot.phase == Phase::Active {
        let (kind, id) = (slot.kind, slot.id);
        return Err(Refused::ActiveNeedsSuccessor { kind, id });
    }
    if !slot.phase.leads_to(to) {
        return Err(wrong(slot, act));
    }
    if slot.kind == AuthorityKind::Root {
        unused(slots, slot.id)?;
    }
    let gate = match to {
        Phase::Revoked => Gate::Converged(slot.kind, slot.id),
        _ => Gate::Open,
    };
    Ok(Plan {
        steps: vec![Step::of(slot, to)],
        gate,
    })
}

fn roll_back(slots: &Slots, kind: AuthorityKind, act: &Act, now: Time) -> Result<Plan, Refused> {
    if let Some(slot) = slots.prepared(kind) {
        return end(slots, slot, Phase::Revoked, act);
    }
    let pair = slots.signer(kind).zip(slots.predecessor(kind));
    let (active, predecessor) = pair.ok_or(Refused::NothingToRollBack(kind))?;
    // A secret has no end of its own: nothing that verifies it looks at one.
    if kind != AuthorityKind::Secret {
        timely(predecessor, now)?;
    }
    Ok(Plan {
        steps: vec![
            Step::of(active, Phase::Prepared),
            Step::of(predecessor, Phase::Active),
        ],
        gate: Gate::Open,
    })
}

/// A root that no issuer in use stands on. Tainting it would taint the signer, and every leaf
/// would be renewed from one tainted issuer to the same.
fn unused(slots: &Slots, root: u64) -> Result<(), Refused> {
    let signers = [
        slots.signer(AuthorityKind::X509),
        slots.prepared(AuthorityKind::X509),
    ];
    let user = signers
        .into_iter()
        .flatten()
        .find(|issuer| issuer.parent == Some(root));
    user.map_or(Ok(()), |issuer| {
        Err(Refused::RootInUse {
            root,
            issuer: issuer.id,
            phase: issuer.phase,
        })
    })
}

fn timely(slot: &Slot, now: Time) -> Result<(), Refused> {
    let (kind, id) = (slot.kind, slot.id);
    if slot.expired(now) {
        let not_after = slot.not_after;
        return Err(Refused::Expired {
            kind,
            id,
            not_after,
        });
    }
    if now < slot.not_before {
        let not_before = slot.not_before;
        return Err(Refused::NotYetValid {
            kind,
            id,
            not_before,
        });
    }
    Ok(())
}

fn found(slots: &Slots, kind: AuthorityKind, id: u64) -> Result<&Slot, Refused> {
    let slot = slots.get(kind, id);
    slot.ok_or(Refused::NoSuchAuthority { kind, id })
}

const fn wrong(slot: &Slot, act: &Act) -> Refused {
    Refused::WrongPhase {
        kind: slot.kind,
        id: slot.id,
        phase: slot.phase,
        act: act.word(),
    }
}
