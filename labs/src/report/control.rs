//! The control: an attack that must work exposed and must be refused with the solution, whoever is
//! let in too late by it or under whose name; or an outage that must come about exposed, and not
//! with the solution.
//!
//! A lab whose attack stopped working is as broken as one whose defence did. What cannot be told
//! is unknown, never kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::RunReport;
use super::figure::seconds;
use crate::history::{ActKind, Harm, History, Request};
use crate::invariant::{
    self, Verdict, exposure, impersonation, no_foreign_identity, outage, revocation,
};

/// How near to the heal the exposed run's last success must lie, in microseconds.
pub const HEAL_MARGIN_US: u64 = 1_500_000;

/// How the attack ended. Where nobody attacks, it is the outage that succeeded or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// A success later than the scenario's exposure and the tolerance; one under another's name; an
    /// outage longer than it allows.
    Succeeded,
    /// No such success, and the named refusal was heard; no such outage, and what was ordered was
    /// carried out.
    Refused,
    /// Neither, or the evidence does not say.
    Unknown,
}

impl Attack {
    /// What it means for the run that it was tried on.
    pub const fn verdict(self) -> Verdict {
        match self {
            Self::Succeeded => Verdict::Broken,
            Self::Refused => Verdict::Kept,
            Self::Unknown => Verdict::Unknown,
        }
    }
}

/// Whether the lesson stands, and if not, why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Kept: it stands.
    pub verdict: Verdict,
    /// Why it does not, or why it cannot be told; empty if it stands.
    pub reasons: Vec<String>,
}

/// How the attack on this run ended.
pub fn attack(history: &History) -> Attack {
    let expect = &history.expect;
    match expect.harm() {
        Harm::Exposure => {}
        Harm::Outage => return mishap(history),
        Harm::Impersonation => return posing(history),
    }
    let attacks = || {
        history
            .requests
            .iter()
            .filter(|r| r.tag == expect.attack_tag)
    };
    let attackers: BTreeSet<&str> = attacks().map(|r| r.principal.as_str()).collect();
    let too_late = |late: &exposure::Late| {
        let promised = expect.exposure_us.get(&late.action);
        promised.is_some_and(|promised| {
            attackers.contains(late.principal.as_str())
                && late.after_us() > promised.saturating_add(history.margin_us(late.kind))
        })
    };
    if exposure::successes(history).iter().any(too_late) {
        return Attack::Succeeded;
    }
    if in_doubt(history) {
        return Attack::Unknown;
    }
    let since_us = exposure::revocations(history)
        .map(|(_, acknowledged)| acknowledged)
        .min();
    let refused = attacks().any(|request| {
        let refusal = request.outcome.named();
        let named = refusal.is_some_and(|refusal| refusal.name() == expect.refusal);
        named && request.started_us >= since_us.unwrap_or(0)
    });
    if refused {
        Attack::Refused
    } else {
        Attack::Unknown
    }
}

/// Whether an attacker went under a name that is not theirs.
fn posing(history: &History) -> Attack {
    let expect = &history.expect;
    let placed = history.placed();
    let seen = impersonation::seen(&placed);
    let is_attack = |request: &Request| {
        request.tag == expect.attack_tag && expect.impersonation.contains(&request.action)
    };
    if seen.impostures.iter().any(|it| is_attack(it.request)) {
        return Attack::Succeeded;
    }
    if !no_foreign_identity::check(&placed).doubts.is_empty() {
        return Attack::Unknown;
    }
    let refused = history
        .requests
        .iter()
        .filter(|it| is_attack(it))
        .any(|it| {
            let refusal = it.outcome.named();
            refusal.is_some_and(|refusal| refusal.name() == expect.refusal)
        });
    if refused {
        Attack::Refused
    } else {
        Attack::Unknown
    }
}

/// Whether somebody went without for too long. Who never does what was ordered turns nobody away,
/// and shows nothing.
fn mishap(history: &History) -> Attack {
    if !outage::too_long(history).is_empty() {
        Attack::Succeeded
    } else if outage::pending(history).next().is_some() {
        Attack::Unknown
    } else {
        Attack::Refused
    }
}

/// Whether it cannot be told if somebody was let in who should not have been.
fn in_doubt(history: &History) -> bool {
    if history.expect.harm() == Harm::Impersonation {
        return !no_foreign_identity::check(&history.placed())
            .doubts
            .is_empty();
    }
    let findings = revocation::findings(&history.placed());
    findings.iter().any(|finding| !finding.doubts.is_empty())
}

/// Whether the lesson stands: the first run is the exposed one and the last is the solution's.
/// Of a single run it is that run's own verdict.
pub fn control(runs: &[RunReport], histories: &[&History]) -> Control {
    let (mut broken, mut doubts) = (Vec::new(), Vec::new());
    let judged: Vec<_> = runs.iter().zip(histories.iter().copied()).collect();
    match judged.as_slice() {
        [] => doubts.push("there was no run".to_owned()),
        [(run, history)] => defence(run, history, &mut broken, &mut doubts),
        [(exposed, history), .., (solution, defended)] => {
            offence(exposed, history, &mut broken, &mut doubts);
            defence(solution, defended, &mut broken, &mut doubts);
        }
    }
    match (broken.is_empty(), doubts.is_empty()) {
        (false, _) => Control {
            verdict: Verdict::Broken,
            reasons: broken,
        },
        (true, false) => Control {
            verdict: Verdict::Unknown,
            reasons: doubts,
        },
        (true, true) => Control {
            verdict: Verdict::Kept,
            reasons: Vec::new(),
        },
    }
}

/// What the exposed run owes: a success, and one that lasts to the heal.
fn offence(run: &RunReport, history: &History, broken: &mut Vec<String>, doubts: &mut Vec<String>) {
    let posture = &run.posture;
    match run.attack {
        Attack::Succeeded => {}
        Attack::Unknown if in_doubt(history) => {
            return doubts.push(format!(
                "{posture}: it is not known whether the attack worked"
            ));
        }
        Attack::Refused | Attack::Unknown => {
            let what = match history.expect.harm() {
                Harm::Exposure => "the attack no longer works",
                Harm::Outage => "there is no outage any more",
                Harm::Impersonation => "nobody goes under another's name any more",
            };
            return broken.push(format!("{posture}: {what}"));
        }
    }
    if history.expect.harm() == Harm::Outage {
        let named = &history.expect.refusal;
        let heard = |request: &Request| {
            let refusal = request.outcome.named();
            refusal.is_some_and(|refusal| refusal.name() == named)
        };
        if !history.requests.iter().any(heard) {
            broken.push(format!("{posture}: nobody heard {named}"));
        }
        return;
    }
    if history.expect.harm() == Harm::Impersonation {
        return;
    }
    let lates = exposure::successes(history);
    let last_us = lates.iter().map(|late| late.earliest_us).max();
    if let (Some(heal_us), Some(last_us)) = (heal_us(history), last_us)
        && heal_us.abs_diff(last_us) > HEAL_MARGIN_US
        && !(last_us > heal_us && outlives_heals(history))
    {
        broken.push(format!(
            "{posture}: the last success was at {}, and the heal at {}",
            seconds(last_us),
            seconds(heal_us)
        ));
    }
}

/// What the solution owes: the named refusal, every invariant, every floor.
fn defence(run: &RunReport, history: &History, broken: &mut Vec<String>, doubts: &mut Vec<String>) {
    let posture = &run.posture;
    let before = broken.len() + doubts.len();
    if run.attack == Attack::Succeeded {
        broken.push(match outage::longest(history) {
            Some(it) if history.expect.harm() == Harm::Outage => format!(
                "{posture}: {} could not {} for {}",
                it.principal,
                it.action,
                seconds(it.lasted_us())
            ),
            _ => format!("{posture}: the attack succeeded"),
        });
    }
    for finding in invariant::check_expected(history) {
        match finding.verdict {
            Verdict::Kept => {}
            // A successful attack is that very thing, and is said already.
            Verdict::Broken
                if run.attack == Attack::Succeeded
                    && invariant::is_the_harm(history, finding.name) => {}
            Verdict::Broken => {
                let first = finding.violations.first();
                let first = first.map_or(String::new(), |it| format!(" ({})", it.evidence));
                broken.push(format!("{posture}: {} is broken{first}", finding.name));
            }
            Verdict::Unknown => doubts.extend(
                finding
                    .doubts
                    .iter()
                    .map(|doubt| format!("{posture}: {}: {doubt}", finding.name)),
            ),
        }
    }
    if run.attack == Attack::Unknown && broken.len() + doubts.len() == before {
        broken.push(format!("{posture}: {}", unshown(history)));
    }
    if !was_let_in(history) {
        // Whom a policy never let in has nothing to lose, and is refused by whatever comes first.
        let why = match history.expect.harm() {
            Harm::Exposure => {
                let by = history.taken_by();
                format!(
                    "something of the attack was never let in before {by}: of that nothing was \
                     taken"
                )
            }
            Harm::Outage => "something that is owed was never served before the first order: of \
                             that there is no outage"
                .to_owned(),
            Harm::Impersonation => "whoever is posed as was never let in to something of the \
                                    attack: it was refused whoever asked"
                .to_owned(),
        };
        broken.push(format!("{posture}: {why}"));
    }
    if history.expect.floors.is_empty() {
        // Who refuses everyone would pass.
        doubts.push(format!("{posture}: no floor says what is owed to whom"));
    }
}

/// What neither succeeded nor was refused.
fn unshown(history: &History) -> String {
    match (history.expect.harm(), outage::pending(history).next()) {
        (Harm::Outage, Some(act)) => format!("the order to {} was not carried out", act.role),
        _ => format!("the attack was never refused by {}", history.expect.refusal),
    }
}

/// Whether the attack once worked by right, before anybody was revoked: each action of it that was
/// tried by then. Of an outage, whether what is owed was served before the first order; of an
/// impersonation, whether it is given to those whose name it is in.
pub(crate) fn was_let_in(history: &History) -> bool {
    if history.expect.harm() == Harm::Impersonation {
        return owner_is_let_in(history);
    }
    let is_outage = history.expect.harm() == Harm::Outage;
    let first = history.acts.iter().filter(|act| is_outage || act.revokes());
    let first_us = first.map(|act| act.asked_us).min().unwrap_or(u64::MAX);
    let expect = &history.expect;
    let tried = history.requests.iter().filter(|r| {
        let counts = if is_outage {
            expect.outage_us.contains_key(&r.action)
        } else {
            r.tag == expect.attack_tag
        };
        counts && r.finished_us.is_some_and(|us| us <= first_us)
    });
    let mut let_in: BTreeMap<&str, bool> = BTreeMap::new();
    for request in tried {
        *let_in.entry(&request.action).or_default() |= request.outcome.is_served();
    }
    !let_in.is_empty() && let_in.into_values().all(|served| served)
}

/// Whether each action of the attack was once served to somebody who is posed as, and asked for it
/// in their own name.
fn owner_is_let_in(history: &History) -> bool {
    let expect = &history.expect;
    let attacks = history
        .requests
        .iter()
        .filter(|r| r.tag == expect.attack_tag);
    let names: BTreeSet<&str> = attacks.map(|r| r.principal.as_str()).collect();
    let own = |r: &&Request| r.posing.is_none() && names.contains(&*r.principal);
    let served = history.requests.iter().filter(own);
    let served = served.filter(|r| r.outcome.is_served());
    let served: BTreeSet<&String> = served.map(|r| &r.action).collect();
    expect.impersonation.iter().all(|it| served.contains(it))
}

/// Whether what was revoked may open doors on after every cut: a key set that is kept for a time of
/// its own outlives the news, and so does a token whose end is all that anybody looks at. What
/// nobody looks for is never found.
fn outlives_heals(history: &History) -> bool {
    let mut revoking = exposure::revocations(history);
    let kinds = [ActKind::Authority, ActKind::LogOut, ActKind::Rogue];
    revoking.all(|(act, _)| kinds.contains(&act.kind))
}

/// When the cut that hid the revocation ended: the last end of those in force at the first
/// acknowledgement, or, if none was, of those that began later (µs).
fn heal_us(history: &History) -> Option<u64> {
    let acknowledged = exposure::revocations(history).map(|(_, at)| at).min()?;
    let end = |fault: &crate::history::Fault| fault.end_us(history.duration_us);
    let now = history
        .faults
        .iter()
        .filter(|fault| fault.holds_at(acknowledged))
        .map(end)
        .max();
    let later = || {
        history
            .faults
            .iter()
            .filter(|f| f.from_us > acknowledged)
            .map(end)
            .max()
    };
    now.or_else(later)
}

#[cfg(test)]
#[path = "control_tests.rs"]
mod tests;
