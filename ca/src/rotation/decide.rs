//! The decision: what a command changes, or why it changes nothing.
//!
//! A pure function. The caller journals all transitions of one decision as one, before any of them
//! takes effect. Invariant: a reason is written down if and only if a gate was skipped for it.

use crate::clock::Time;
use crate::rotation::{Command, Facts, Refused, Slots, Transition, rules};

/// What `command` changes, in order.
///
/// # Errors
/// The rule that it breaks; or, without a reason to override it, the gate that is shut.
pub fn decide(
    slots: &Slots,
    command: &Command,
    facts: &Facts,
    now: Time,
) -> Result<Vec<Transition>, Refused> {
    let plan = rules::plan(slots, &command.act, now)?;
    let by = plan.gate.blockers(slots, facts, now);
    let mut skipped = None;
    if !by.is_empty() {
        skipped = command.override_reason.clone();
        if skipped.is_none() {
            return Err(Refused::Blocked { by });
        }
    }
    let mut generation = slots.generation();
    let transitions = plan.steps.into_iter().map(|step| {
        generation += u64::from(Transition::raises(step.from, step.to));
        Transition {
            kind: step.kind,
            id: step.id,
            from: step.from,
            to: step.to,
            generation,
            at: now,
            override_reason: None,
            birth: step.birth,
        }
    });
    let mut transitions: Vec<Transition> = transitions.collect();
    if let Some(gated) = transitions.last_mut() {
        gated.override_reason = skipped;
    }
    Ok(transitions)
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
