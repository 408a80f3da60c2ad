//! How long somebody revoked is still let in, and the judgement that both kinds of revocation share.
//!
//! A revocation takes a right from a principal (an act on the policy) or the certificate that they
//! come with. Exposure is measured at the deciding node on true time, from the acknowledgement: by
//! the audit logs, and by a client that was served when nothing was logged. A pending revocation
//! carries no promise. What was revoked with a certificate is that certificate, by serial: a
//! principal who has another is nobody's concern here.

use std::collections::{BTreeMap, BTreeSet};

use services::audit::entry::Decision;

use super::{Finding, Violation, no_permit_after_revoke, no_revoked_credential, seconds};
use crate::history::{Act, ActKind, Decided, History, Placed, Promise, Request};

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

/// What the two invariants about revocation differ in.
pub(super) struct Rule {
    /// The invariant's name.
    pub(super) name: &'static str,
    /// Which revocations it is about.
    pub(super) concerns: fn(&Act) -> bool,
    /// What the posture itself promises of an action.
    pub(super) promise: fn(&History, &str) -> Promise,
    /// What there is to say when no such revocation was acknowledged.
    pub(super) nobody: &'static str,
}

/// The invariant that an act is judged by.
pub fn rule_of(kind: ActKind) -> &'static str {
    match kind {
        ActKind::Leaf => no_revoked_credential::NAME,
        ActKind::Grant | ActKind::Revoke | ActKind::Policy | ActKind::Entities => {
            no_permit_after_revoke::NAME
        }
    }
}

/// Whether an invariant of that name is about revocations.
pub fn is_about_revocation(name: &str) -> bool {
    [no_permit_after_revoke::NAME, no_revoked_credential::NAME].contains(&name)
}

/// What the invariants about the kinds of revocation that there were find, in order of name; if
/// there was none, that there is nothing to judge.
pub fn findings(placed: &Placed<'_>) -> Vec<Finding> {
    let acts = placed.history.acts.iter().filter(|act| act.revokes());
    let mut rules: BTreeSet<&str> = acts.map(|act| rule_of(act.kind)).collect();
    if rules.is_empty() {
        rules.insert(no_permit_after_revoke::NAME);
    }
    let checks = rules.into_iter().filter_map(super::by_name);
    checks.map(|invariant| (invariant.check)(placed)).collect()
}

/// The first wrongful permit, by whichever kind of revocation.
pub fn first_violation(placed: &Placed<'_>) -> Option<Violation> {
    let violations = findings(placed).into_iter();
    let firsts = violations.filter_map(|finding| finding.violations.into_iter().next());
    firsts.min_by_key(|violation| violation.at_us)
}

/// Judges the revocations that a rule is about.
pub(super) fn judge(placed: &Placed<'_>, rule: &Rule) -> Finding {
    let history = placed.history;
    let (mut violations, mut doubts) = (Vec::new(), doubts(history, rule));
    let mut judged = refusals(placed, rule);
    for it in &possible(placed, rule.concerns) {
        let late = &it.late;
        let Some(bound) = bound_us(history, rule, &late.action) else {
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
        if let Some(why) = &it.doubt {
            doubts.push(format!(
                "{} of {} came after the promise, and {why}",
                late.request, late.principal,
            ));
        } else if late.earliest_us > limit && late.latest_us < it.until_us {
            violations.push(violation(history, rule, late, bound));
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
        doubts.push(match concerned(history, rule).next() {
            None => rule.nobody.to_owned(),
            Some(_) => "nobody revoked was answered after the acknowledgement".to_owned(),
        });
    }
    Finding::new(rule.name, judged, violations, doubts)
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

fn concerned<'h>(history: &'h History, rule: &Rule) -> impl Iterator<Item = (&'h Act, u64)> {
    let concerns = rule.concerns;
    revocations(history).filter(move |(act, _)| concerns(act))
}

/// How often somebody revoked was refused by name after the acknowledgement, which is as it
/// should be: by what they heard, or by the log, since a stream was opened long before it ends.
fn refusals(placed: &Placed<'_>, rule: &Rule) -> u64 {
    let history = placed.history;
    let of = |(revoke, acknowledged_us): (&Act, u64)| {
        let during = acknowledged_us..granted_again(history, revoke);
        let heard = history.requests.iter().filter(|r| {
            r.principal == revoke.principal
                && r.outcome.refusal().is_some()
                && during.contains(&r.asked_us())
        });
        let heard = heard.map(|r| (r.node.as_str(), r.id.as_str()));
        let logged = placed.decisions.iter().filter(|d| {
            d.entry.principal == revoke.principal
                && d.entry.decision == Decision::Refuse
                && during.contains(&d.earliest_us)
        });
        let logged = logged.map(|d| (d.node, d.entry.request.as_str()));
        heard.chain(logged).collect::<BTreeSet<_>>().len() as u64
    };
    concerned(history, rule).map(of).sum()
}

/// A success that may lie between an acknowledgement and the grant that ended the revocation.
struct Possible {
    late: Late,
    /// When that grant was asked for; the end of time if there was none.
    until_us: u64,
    /// What else may have permitted it.
    doubt: Option<String>,
}

/// Every one of them, in order of (principal, true time).
fn possible(placed: &Placed<'_>, concerns: fn(&Act) -> bool) -> Vec<Possible> {
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
                ActKind::Leaf => match opening(&permits, r) {
                    Some(opened) if !rests_on(opened, revoke) => return None,
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

/// The permit that opened the stream of which this is a message: `tablet-3` for `tablet-3.7`.
fn opening<'p, 'h>(permits: &'p [&'h Decided<'h>], message: &Request) -> Option<&'p Decided<'h>> {
    message.since_us?;
    let (opened, _) = message.id.rsplit_once('.')?;
    let is_it = |d: &&&Decided<'_>| {
        (d.node, &*d.entry.principal, &*d.entry.request)
            == (&*message.node, &*message.principal, opened)
    };
    permits.iter().find(is_it).map(|decided| *decided)
}

/// Whether a permit rests on what this act took: a role, always; a certificate, if it came with it.
fn rests_on(decided: &Decided<'_>, revoke: &Act) -> bool {
    let leaf = decided.entry.leaf.as_ref();
    revoke.kind != ActKind::Leaf
        || leaf.is_some_and(|leaf| revoke.serials.iter().any(|serial| *serial == leaf.serial))
}

/// What a success is held to, in microseconds: the posture's promise, or, where it promises
/// nothing, the scenario's exposure; `None` if neither says.
fn bound_us(history: &History, rule: &Rule, action: &str) -> Option<u64> {
    let expected = || history.expect.exposure_us.get(action).copied();
    (rule.promise)(history, action).bound_us().or_else(expected)
}

/// When the principal was granted the same role again: the asking counts, since a grant on its way
/// may already be enforced somewhere. What a policy forbids, no grant of a role permits; a
/// certificate stays revoked.
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

fn violation(history: &History, rule: &Rule, late: &Late, bound_us: u64) -> Violation {
    let held_to = match (rule.promise)(history, &late.action) {
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
fn doubts(history: &History, rule: &Rule) -> Vec<String> {
    let mut doubts = Vec::new();
    let revokes = history.acts.iter().filter(|act| act.revokes());
    for act in revokes.filter(|act| (rule.concerns)(act)) {
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
