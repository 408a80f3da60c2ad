//! `no-permit-after-revoke`: nobody revoked is let in later than was promised.
//!
//! Measured at the deciding node on true time, from the revocation's acknowledgement: by the audit
//! logs, and by a client that was served when nothing was logged. A pending revocation carries no
//! promise. It judges the loss of a principal's only role: only a grant of the same role ends it,
//! and whether another role held meanwhile let somebody in is not known. A policy or entities that
//! a scenario says revoke somebody do so from *their* acknowledgement to the end of the run; no
//! policy is evaluated here. A posture that promises nothing is held to the exposure that the
//! scenario expects; a success for which neither says anything is measured, and leaves the verdict
//! unknown, as does a run in which nobody revoked asked again.

use std::collections::{BTreeMap, BTreeSet};

use services::audit::entry::Decision;

use super::{Finding, Violation, seconds};
use crate::history::{Act, ActKind, Decided, History, Placed, Promise, Request};

/// The invariant's name.
pub const NAME: &str = "no-permit-after-revoke";

/// One success after a revocation's acknowledgement, late or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// Who was let in.
    pub principal: String,
    /// To do what.
    pub action: String,
    /// Where.
    pub node: String,
    /// On which request.
    pub request: String,
    /// The entry that allowed it, if one was logged.
    pub seq: Option<u64>,
    /// When at the earliest, in true microseconds.
    pub earliest_us: u64,
    /// When at the latest, in true microseconds.
    pub latest_us: u64,
    /// When the revocation was acknowledged, in true microseconds.
    pub acknowledged_us: u64,
}

impl Late {
    /// How long after the acknowledgement, at the least, in microseconds.
    pub const fn after_us(&self) -> u64 {
        self.earliest_us.saturating_sub(self.acknowledged_us)
    }
}

/// Judges the history.
pub fn check(placed: &Placed<'_>) -> Finding {
    let history = placed.history;
    let mut violations = Vec::new();
    let mut doubts = doubts(history);
    let mut judged = refusals(history);
    for Possible {
        late,
        until_us,
        another,
    } in &possible(placed)
    {
        let Some(bound) = bound_us(history, &late.action) else {
            doubts.push(format!(
                "{} of {} came after the revocation, and nothing says how long {} may go on",
                late.request, late.principal, late.action,
            ));
            continue;
        };
        judged += 1;
        let limit = late.acknowledged_us.saturating_add(bound);
        let limit = limit.saturating_add(history.tolerance_us);
        if late.latest_us <= limit {
            continue;
        }
        if let Some(role) = another {
            doubts.push(format!(
                "{} of {} came after the promise, and whether the role `{role}` permits it is \
                 not known",
                late.request, late.principal,
            ));
        } else if late.earliest_us > limit && late.latest_us < *until_us {
            violations.push(violation(history, late, bound));
        } else {
            doubts.push(format!(
                "{} of {} was decided between {} and {}: the clock of {} does not say when",
                late.request,
                late.principal,
                seconds(late.earliest_us),
                seconds(late.latest_us),
                late.node,
            ));
        }
    }
    if judged == 0 && doubts.is_empty() {
        doubts.push(match revocations(history).next() {
            None => "nobody was revoked".to_owned(),
            Some(_) => "nobody revoked was answered after the acknowledgement".to_owned(),
        });
    }
    Finding::new(NAME, judged, violations, doubts)
}

/// How often somebody revoked was refused by name after the acknowledgement, which is as it
/// should be.
fn refusals(history: &History) -> u64 {
    let of = |(revoke, acknowledged_us): (&Act, u64)| {
        let during = acknowledged_us..granted_again(history, revoke);
        let asked = history.requests.iter();
        let refused = asked.filter(|r| {
            r.principal == revoke.principal
                && r.outcome.refusal().is_some()
                && during.contains(&r.asked_us())
        });
        refused.count() as u64
    };
    revocations(history).map(of).sum()
}

/// Every success of a revoked principal between the acknowledgement and a later grant, in order
/// of (principal, true time). One that may have been before the acknowledgement, or that another
/// role may have permitted, is not among them.
pub fn successes(history: &History) -> Vec<Late> {
    let mut successes = possible(&history.placed());
    successes.retain(|it| it.another.is_none() && it.late.earliest_us > it.late.acknowledged_us);
    successes.into_iter().map(|it| it.late).collect()
}

/// A success that may lie between an acknowledgement and the grant that ended the revocation.
struct Possible {
    late: Late,
    /// When that grant was asked for; the end of time if there was none.
    until_us: u64,
    /// A role that was not revoked and may have permitted it.
    another: Option<String>,
}

/// Every one of them, in order of (principal, true time).
fn possible(placed: &Placed<'_>) -> Vec<Possible> {
    let history = placed.history;
    let permits: Vec<_> = placed
        .decisions
        .iter()
        .filter(|d| d.entry.decision == Decision::Permit)
        .collect();
    let logged: BTreeSet<(&str, &str, &str)> = permits
        .iter()
        .map(|d| (d.node, &*d.entry.principal, &*d.entry.request))
        .collect();
    let is_logged = |r: &Request| logged.contains(&(&*r.node, &*r.principal, &*r.id));
    let mut lates = Vec::new();
    for (revoke, acknowledged_us) in revocations(history) {
        let until_us = granted_again(history, revoke);
        let after = |us: u64| us > acknowledged_us;
        let of = |late: Late| Possible {
            another: another_role(history, revoke, &late),
            late,
            until_us,
        };
        let audited = permits
            .iter()
            .filter(|d| d.entry.principal == revoke.principal);
        lates.extend(
            audited
                .filter(|d| after(d.latest_us) && d.earliest_us < until_us)
                .map(|d| of(from_audit(d, acknowledged_us))),
        );
        let heard = history
            .requests
            .iter()
            .filter(|r| r.principal == revoke.principal);
        lates.extend(
            heard
                .filter(|r| r.outcome.is_served() && after(r.finished_us.unwrap_or(u64::MAX)))
                .filter(|r| r.asked_us() < until_us && !is_logged(r))
                .map(|r| of(from_client(r, acknowledged_us, history.duration_us))),
        );
    }
    lates.sort_by_key(|Possible { late, .. }| {
        (late.principal.clone(), late.earliest_us, late.node.clone())
    });
    lates
}

/// For each action, the longest time from an acknowledgement to a success after it (µs); 0 for
/// an action that the revoked asked for, or that the scenario names, without success.
pub fn exposure_us(history: &History) -> BTreeMap<String, u64> {
    let mut exposure: BTreeMap<String, u64> = history
        .expect
        .exposure_us
        .keys()
        .map(|action| (action.clone(), 0))
        .collect();
    for (revoke, _) in revocations(history) {
        for request in history
            .requests
            .iter()
            .filter(|r| r.principal == revoke.principal)
        {
            exposure.entry(request.action.clone()).or_insert(0);
        }
    }
    for late in successes(history) {
        let longest = exposure.entry(late.action.clone()).or_insert(0);
        *longest = (*longest).max(late.after_us());
    }
    exposure
}

/// The revocations that were acknowledged, with the time of it.
pub fn revocations(history: &History) -> impl Iterator<Item = (&Act, u64)> {
    let revokes = history.acts.iter().filter(|act| act.revokes());
    revokes.filter_map(|act| Some((act, act.acknowledged_us?)))
}

/// What a success is held to, in microseconds: the posture's promise, or, where it promises
/// nothing, the scenario's exposure; `None` if neither says.
fn bound_us(history: &History, action: &str) -> Option<u64> {
    let expected = || history.expect.exposure_us.get(action).copied();
    history.promise(action).bound_us().or_else(expected)
}

/// When the principal was granted the same role again: the asking counts, since a grant on its way
/// may already be enforced somewhere. What a policy forbids, no grant of a role permits.
fn granted_again(history: &History, revoke: &Act) -> u64 {
    if revoke.kind != ActKind::Revoke {
        return u64::MAX;
    }
    let grants = grants(history, revoke);
    let again = grants.filter(|act| act.role == revoke.role && act.asked_us >= revoke.asked_us);
    again.map(|act| act.asked_us).min().unwrap_or(u64::MAX)
}

/// A role beside the revoked one that was held when this happened, or may have been. It ends where
/// its own revocation is acknowledged: later successes are that one's to judge.
fn another_role(history: &History, revoke: &Act, late: &Late) -> Option<String> {
    if revoke.kind != ActKind::Revoke {
        return None;
    }
    let first = history.roles.get(&revoke.principal);
    let first = first.map(|role| (role.as_str(), 0));
    let granted = grants(history, revoke).map(|act| (act.role.as_str(), act.asked_us));
    let mut others = first.into_iter().chain(granted);
    let other = others.find(|(role, from_us)| {
        let taken = |act: &&Act| {
            act.kind == ActKind::Revoke
                && (&*act.principal, &*act.role) == (&*revoke.principal, *role)
                && act.asked_us >= *from_us
        };
        let ends = history.acts.iter().filter(taken);
        let end_us = ends.filter_map(|act| act.acknowledged_us).min();
        let outlasts = end_us.is_none_or(|end_us| end_us > late.acknowledged_us);
        *role != revoke.role && outlasts && *from_us <= late.latest_us
    });
    other.map(|(role, _)| role.to_owned())
}

/// What was granted to whom this act revokes.
fn grants<'a>(history: &'a History, revoke: &'a Act) -> impl Iterator<Item = &'a Act> {
    let acts = history.acts.iter();
    acts.filter(|act| act.kind == ActKind::Grant && act.principal == revoke.principal)
}

fn from_audit(decided: &Decided<'_>, acknowledged_us: u64) -> Late {
    Late {
        principal: decided.entry.principal.clone(),
        action: decided.entry.action.clone(),
        node: decided.node.to_owned(),
        request: decided.entry.request.clone(),
        seq: Some(decided.entry.seq),
        earliest_us: decided.earliest_us,
        latest_us: decided.latest_us,
        acknowledged_us,
    }
}

fn from_client(request: &Request, acknowledged_us: u64, end_us: u64) -> Late {
    Late {
        principal: request.principal.clone(),
        action: request.action.clone(),
        node: request.node.clone(),
        request: request.id.clone(),
        seq: None,
        earliest_us: request.asked_us(),
        latest_us: request.finished_us.unwrap_or(end_us),
        acknowledged_us,
    }
}

fn violation(history: &History, late: &Late, bound_us: u64) -> Violation {
    let held_to = match history.promise(&late.action) {
        Promise::Any => format!(
            "the posture promises nothing, and the scenario allows {}",
            seconds(bound_us)
        ),
        Promise::Within(_) | Promise::Latest => format!("promised {}", seconds(bound_us)),
    };
    let entry = late
        .seq
        .map_or(" (no audit entry says so)".to_owned(), |seq| {
            format!(" (audit entry {seq})")
        });
    let evidence = format!(
        "{} was let in to {}{entry} {} after the revocation was acknowledged: {held_to}",
        late.principal,
        late.action,
        seconds(late.after_us()),
    );
    Violation {
        at_us: late.earliest_us,
        node: late.node.clone(),
        request: Some(late.request.clone()),
        seq: late.seq,
        evidence,
    }
}

/// What keeps the check from saying that nobody was let in.
fn doubts(history: &History) -> Vec<String> {
    let mut doubts = Vec::new();
    for act in history.acts.iter().filter(|act| act.revokes()) {
        if act.acknowledged_us.is_none() {
            doubts.push(format!(
                "the revocation of {} was never acknowledged",
                act.principal
            ));
        }
        let asked: BTreeSet<&str> = history
            .requests
            .iter()
            .filter(|request| request.principal == act.principal)
            .map(|request| request.node.as_str())
            .collect();
        for node in asked {
            match history.audits.get(node) {
                Some(Ok(_)) => {}
                Some(Err(why)) => doubts.push(format!(
                    "the audit log of {node}, which {} asked, does not verify: {why}",
                    act.principal
                )),
                None => doubts.push(format!(
                    "{node}, which {} asked, left no audit log",
                    act.principal
                )),
            }
        }
    }
    doubts
}

#[cfg(test)]
mod tests;
