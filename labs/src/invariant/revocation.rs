//! The judgement that the invariants about revocation share: nobody revoked is let in later than
//! was promised, whichever right was taken.

use std::collections::BTreeSet;

use services::audit::entry::Decision;

use super::exposure::{Late, granted_again, possible, revocations};
use super::{
    Finding, Violation, every_leaf_was_issued, no_expired_credential, no_forged_token,
    no_permit_after_revoke, no_revoked_credential, seconds,
};
use crate::history::{Act, ActKind, History, Placed, Promise};

/// What the two invariants about revocation differ in.
pub(super) struct Rule {
    /// The invariant's name.
    pub(super) name: &'static str,
    /// Which revocations it is about.
    pub(super) concerns: fn(&Act) -> bool,
    /// What there is to say when no such revocation was acknowledged.
    pub(super) nobody: &'static str,
}

/// The invariant that an act is judged by.
pub fn rule_of(kind: ActKind) -> &'static str {
    match kind {
        ActKind::Leaf => no_revoked_credential::NAME,
        ActKind::Authority => no_forged_token::NAME,
        ActKind::Expiry => no_expired_credential::NAME,
        ActKind::Rogue => every_leaf_was_issued::NAME,
        ActKind::Grant
        | ActKind::Revoke
        | ActKind::Policy
        | ActKind::Entities
        | ActKind::Rotate
        | ActKind::LogOut
        | ActKind::Enrol => no_permit_after_revoke::NAME,
    }
}

/// Whether an invariant of that name is about revocations.
pub fn is_about_revocation(name: &str) -> bool {
    [
        every_leaf_was_issued::NAME,
        no_expired_credential::NAME,
        no_forged_token::NAME,
        no_permit_after_revoke::NAME,
        no_revoked_credential::NAME,
    ]
    .contains(&name)
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
        let Some(bound) = bound_us(history, late) else {
            doubts.push(format!(
                "{} of {} came after the revocation, and nothing says how long {} may go on",
                late.request, late.principal, late.action,
            ));
            continue;
        };
        judged += 1;
        let limit = late.acknowledged_us.saturating_add(bound);
        let limit = limit.saturating_add(history.margin_us(late.kind));
        if late.latest_us <= limit {
            continue;
        }
        if let Some(why) = &it.doubt {
            doubts.push(format!(
                "{} of {} came after the promise, and {why}",
                late.request, late.principal,
            ));
        } else if late.earliest_us > limit && late.latest_us < it.until_us {
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
        doubts.push(match concerned(history, rule).next() {
            None => rule.nobody.to_owned(),
            Some((act, _)) if act.kind == ActKind::Expiry => {
                "nobody asked by what had ended".to_owned()
            }
            Some(_) => "nobody revoked was answered after the acknowledgement".to_owned(),
        });
    }
    Finding::new(rule.name, judged, violations, doubts)
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
                && r.outcome.named().is_some()
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

/// What a success is held to, in microseconds: the posture's promise, or, where it promises
/// nothing, the scenario's exposure; `None` if neither says.
fn bound_us(history: &History, late: &Late) -> Option<u64> {
    bound_of(history, late.kind, &late.action)
}

/// The same of anything of that kind.
pub(super) fn bound_of(history: &History, kind: ActKind, action: &str) -> Option<u64> {
    let expected = || history.expect.exposure_us.get(action).copied();
    let promise = history.promise_about(kind, action);
    promise.bound_us().or_else(expected)
}

fn violation(history: &History, late: &Late, bound_us: u64) -> Violation {
    let held_to = match history.promise_about(late.kind, &late.action) {
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
        "{} was let in to {}{entry} {} after {}: {held_to}",
        late.principal,
        late.action,
        seconds(late.after_us()),
        since(late.kind),
    );
    Violation {
        at_us: late.earliest_us,
        node: late.node.clone(),
        request: Some(late.request.clone()),
        seq: late.seq,
        evidence,
    }
}

/// What a success of that kind is counted from.
pub(crate) const fn since(kind: ActKind) -> &'static str {
    match kind {
        ActKind::Expiry => "what it was let in by had ended",
        ActKind::Rogue => "what nobody had issued was first let in",
        _ => "the revocation was acknowledged",
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
