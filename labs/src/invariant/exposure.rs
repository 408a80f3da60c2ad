//! How long somebody revoked is still let in.
//!
//! A revocation takes a right from a principal (an act on the policy), the certificate that they
//! come with, or the tokens that they have; a certificate and token that somebody copied end of
//! themselves; what nobody issued should never have been let in, and counts from its first use.
//! Exposure is measured at the deciding node on true time, from the acknowledgement: by the audit
//! logs, and by a client that was served when nothing was logged. A pending revocation carries no
//! promise. What was revoked with a certificate is that certificate, by serial: a principal who has
//! another is nobody's concern here.

use std::collections::{BTreeMap, BTreeSet};

use services::audit::entry::Decision;

use crate::history::{Act, ActKind, Decided, History, Placed, Request};

/// One success after a revocation's acknowledgement, late or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Late {
    /// What kind of act revoked.
    pub kind: ActKind,
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

/// Every success of a revoked principal between the acknowledgement and a later grant, in order
/// of (principal, true time). One that may have been before the acknowledgement, or that something
/// else may have permitted, is not among them.
pub fn successes(history: &History) -> Vec<Late> {
    let mut successes = possible(&history.placed(), |_| true);
    successes.retain(|it| it.doubt.is_none() && it.late.earliest_us > it.late.acknowledged_us);
    successes.into_iter().map(|it| it.late).collect()
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

/// A success that may lie between an acknowledgement and the grant that ended the revocation.
pub(super) struct Possible {
    pub(super) late: Late,
    /// When that grant was asked for; the end of time if there was none.
    pub(super) until_us: u64,
    /// What else may have permitted it.
    pub(super) doubt: Option<String>,
}

/// Every one of them, in order of (principal, true time).
pub(super) fn possible(placed: &Placed<'_>, concerns: fn(&Act) -> bool) -> Vec<Possible> {
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
    for (revoke, acknowledged_us) in revocations(history).filter(|(act, _)| concerns(act)) {
        let until_us = granted_again(history, revoke);
        let after = |us: u64| us > acknowledged_us;
        let audited = permits
            .iter()
            .filter(|d| d.entry.principal == revoke.principal && rests_on(d, revoke))
            .filter(|d| after(d.latest_us) && d.earliest_us < until_us);
        lates.extend(audited.map(|d| {
            let late = from_audit(d, revoke, acknowledged_us);
            let doubt = another_role(history, revoke, &late);
            Possible {
                late,
                until_us,
                doubt,
            }
        }));
        let heard = history
            .requests
            .iter()
            .filter(|r| r.principal == revoke.principal)
            .filter(|r| r.outcome.is_served() && after(r.finished_us.unwrap_or(u64::MAX)))
            .filter(|r| r.asked_us() < until_us && !is_logged(r));
        lates.extend(heard.filter_map(|r| {
            let late = from_client(r, revoke, (acknowledged_us, history.duration_us));
            let doubt = match revoke.kind {
                ActKind::Leaf | ActKind::Expiry => match opened_on(history, &permits, r) {
                    Some(serial) if !revoke.serials.iter().any(|it| it == serial) => return None,
                    Some(_) => None,
                    None => Some("no entry says on which certificate".to_owned()),
                },
                _ => another_role(history, revoke, &late),
            };
            Some(Possible {
                late,
                until_us,
                doubt,
            })
        }));
    }
    lates.sort_by_key(|Possible { late, .. }| {
        (late.principal.clone(), late.earliest_us, late.node.clone())
    });
    lates
}

/// The certificate on which the stream was opened of which this is a message: `tablet-3.7` is one
/// of `tablet-3`.
fn opened_on<'p>(
    history: &'p History,
    permits: &[&'p Decided<'p>],
    message: &Request,
) -> Option<&'p str> {
    message.since_us?;
    let (opened, _) = message.id.rsplit_once('.')?;
    let stream = (&*message.node, &*message.principal, opened);
    let is_it = |d: &&&Decided<'_>| (d.node, &*d.entry.principal, &*d.entry.request) == stream;
    let permit = permits.iter().find(is_it);
    let logged = permit.and_then(|decided| Some(decided.entry.leaf.as_ref()?.serial.as_str()));
    let owned = (
        stream.0.to_owned(),
        stream.1.to_owned(),
        stream.2.to_owned(),
    );
    logged.or_else(|| history.opened.get(&owned).map(String::as_str))
}

/// Whether a permit rests on what this act took: a role or a token, always, since whoever is logged
/// out asks for nothing more by a new one; a certificate, if it came with it. A token that ended
/// goes by the certificate that it was copied with: its owner asks by neither any more.
fn rests_on(decided: &Decided<'_>, revoke: &Act) -> bool {
    let leaf = decided.entry.leaf.as_ref();
    !matches!(revoke.kind, ActKind::Leaf | ActKind::Expiry)
        || leaf.is_some_and(|leaf| revoke.serials.contains(&leaf.serial))
}

/// When the principal was granted the same role again: the asking counts, since a grant on its way
/// may already be enforced somewhere. What a policy forbids, no grant of a role permits; a
/// certificate stays revoked.
pub(super) fn granted_again(history: &History, revoke: &Act) -> u64 {
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
    other.map(|(role, _)| format!("whether the role `{role}` permits it is not known"))
}

/// What was granted to whom this act revokes.
fn grants<'a>(history: &'a History, revoke: &'a Act) -> impl Iterator<Item = &'a Act> {
    let acts = history.acts.iter();
    acts.filter(|act| act.kind == ActKind::Grant && act.principal == revoke.principal)
}

fn from_audit(decided: &Decided<'_>, revoke: &Act, acknowledged_us: u64) -> Late {
    Late {
        kind: revoke.kind,
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

fn from_client(request: &Request, revoke: &Act, (acknowledged_us, end_us): (u64, u64)) -> Late {
    Late {
        kind: revoke.kind,
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
