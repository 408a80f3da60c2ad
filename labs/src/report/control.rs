//! The control: an attack that must work exposed and must be refused with the solution.
//!
//! A lab whose attack stopped working is as broken as one whose defence did. What cannot be told
//! is unknown, never kept.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::RunReport;
use super::figure::seconds;
use crate::history::{ActKind, History};
use crate::invariant::{self, Verdict, exposure, revocation};

/// How near to the heal the exposed run's last success must lie, in microseconds.
pub const HEAL_MARGIN_US: u64 = 1_500_000;

/// How the attack ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attack {
    /// A success later than the scenario's exposure and the tolerance.
    Succeeded,
    /// No such success, and the named refusal was heard.
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

/// Whether it cannot be told if somebody revoked was let in.
fn in_doubt(history: &History) -> bool {
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
            return broken.push(format!("{posture}: the attack no longer works"));
        }
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
        broken.push(format!("{posture}: the attack succeeded"));
    }
    for finding in invariant::check_expected(history) {
        match finding.verdict {
            Verdict::Kept => {}
            // A successful attack is that very thing, and is said already.
            Verdict::Broken
                if run.attack == Attack::Succeeded
                    && revocation::is_about_revocation(finding.name) => {}
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
        let named = &history.expect.refusal;
        broken.push(format!(
            "{posture}: the attack was never refused by {named}"
        ));
    }
    if !was_let_in(history) {
        // Whom a policy never let in has nothing to lose, and is refused by whatever comes first.
        let why = "something of the attack was never let in before the revocation: of that nothing \
                   was revoked";
        broken.push(format!("{posture}: {why}"));
    }
    if history.expect.floors.is_empty() {
        // Who refuses everyone would pass.
        doubts.push(format!("{posture}: no floor says what is owed to whom"));
    }
}

/// Whether the attack once worked by right, before anybody was revoked: each action of it that was
/// tried by then.
pub(crate) fn was_let_in(history: &History) -> bool {
    let revoked = history.acts.iter().filter(|act| act.revokes());
    let first_us = revoked.map(|act| act.asked_us).min().unwrap_or(u64::MAX);
    let expect = &history.expect;
    let attacks = history
        .requests
        .iter()
        .filter(|r| r.tag == expect.attack_tag && r.finished_us.is_some_and(|us| us <= first_us));
    let mut let_in: BTreeMap<&str, bool> = BTreeMap::new();
    for request in attacks {
        *let_in.entry(&request.action).or_default() |= request.outcome.is_served();
    }
    !let_in.is_empty() && let_in.into_values().all(|served| served)
}

/// Whether what was revoked may open doors on after every cut: a key set that is kept for a time of
/// its own outlives the news, and so does a token whose end is all that anybody looks at.
fn outlives_heals(history: &History) -> bool {
    let mut revoking = exposure::revocations(history);
    revoking.all(|(act, _)| matches!(act.kind, ActKind::Authority | ActKind::LogOut))
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
mod tests {
    use super::super::text::sample::{exposed, judged, solution};
    use super::*;
    use crate::history::sample::Sample;
    use crate::history::{AuditLog, Outcome};

    fn verdict(pair: &[&Sample]) -> (Verdict, String) {
        let histories: Vec<&History> = pair.iter().map(|sample| &sample.history).collect();
        let control = control(&judged(&histories), &histories);
        (control.verdict, control.reasons.join("; "))
    }

    #[test]
    fn it_stands_when_the_attack_works_exposed_and_is_refused_with_the_solution() {
        assert_eq!(attack(&exposed().history), Attack::Succeeded);
        assert_eq!(attack(&solution().history), Attack::Refused);
        assert_eq!(
            verdict(&[&exposed(), &solution()]),
            (Verdict::Kept, String::new())
        );
        assert_eq!(verdict(&[&solution()]).0, Verdict::Kept);
    }

    #[test]
    fn an_attack_that_no_longer_works_is_a_broken_control() {
        let mut denied = solution();
        denied.history.expect.refusal = "policy-denied".to_owned();
        for first in [solution(), denied] {
            let (verdict, why) = verdict(&[&first, &solution()]);
            assert_eq!(verdict, Verdict::Broken);
            assert!(why.contains("no longer works"), "{why}");
        }
        let mut pending = solution();
        pending.history.acts[0].acknowledged_us = None;
        assert_eq!(verdict(&[&pending, &solution()]).0, Verdict::Unknown);
    }

    #[test]
    fn a_solution_that_lets_the_attacker_in_is_a_broken_control() {
        let (verdict, why) = verdict(&[&exposed(), &exposed()]);
        assert_eq!(verdict, Verdict::Broken);
        assert!(why.contains("the attack succeeded"), "{why}");
    }

    #[test]
    fn exposure_that_ends_long_before_the_heal_is_another_lesson() {
        let mut short = exposed();
        short.history.faults[0].to_us = Some(55_000_000);
        let (verdict, why) = verdict(&[&short, &solution()]);
        assert_eq!(verdict, Verdict::Broken);
        assert!(why.contains("and the heal at 55.0 s"), "{why}");
    }

    #[test]
    fn a_kept_key_set_and_a_copied_token_outlive_the_heal_and_nothing_else_does() {
        let late = |kind| {
            let mut long = exposed();
            long.history.faults[0].to_us = Some(20_000_000);
            let acts = long.history.acts.iter_mut();
            acts.filter(|act| act.revokes())
                .for_each(|act| act.kind = kind);
            let why = verdict(&[&long, &solution()]).1;
            why.contains("and the heal at 20.0 s")
        };
        assert!(late(ActKind::Revoke));
        assert!(!late(ActKind::Authority));
        assert!(!late(ActKind::LogOut));
    }

    #[test]
    fn whom_the_policy_never_let_in_was_not_defended_against() {
        let mut forbidden = solution();
        for request in &mut forbidden.history.requests {
            if request.tag == "attack" && request.started_us < 12_000_000 {
                request.outcome = Outcome::Refused("policy-denied".to_owned());
            }
        }
        assert_eq!(attack(&forbidden.history), Attack::Refused);
        let (verdict, why) = verdict(&[&exposed(), &forbidden]);
        assert_eq!(verdict, Verdict::Broken);
        assert!(why.contains("was never let in"), "{why}");
    }

    #[test]
    fn where_nothing_is_owed_to_anybody_nothing_is_shown() {
        let mut floorless = solution();
        floorless.history.expect.floors.clear();
        let (verdict, why) = verdict(&[&exposed(), &floorless]);
        assert_eq!(verdict, Verdict::Unknown);
        assert!(why.contains("no floor says"), "{why}");
    }

    #[test]
    fn a_refusal_by_another_name_is_not_the_lesson() {
        let mut other = solution();
        other.history.expect.refusal = "token-expired".to_owned();
        assert_eq!(attack(&other.history), Attack::Unknown);
        let (verdict, why) = verdict(&[&exposed(), &other]);
        assert_eq!(verdict, Verdict::Broken);
        assert!(why.contains("never refused by token-expired"), "{why}");
    }

    #[test]
    fn a_locked_out_region_is_a_broken_control() {
        let mut strict = solution();
        for request in &mut strict.history.requests {
            if request.tag == "legit" && request.outcome.is_served() {
                request.outcome = Outcome::Unknown;
            }
        }
        let (verdict, why) = verdict(&[&exposed(), &strict]);
        assert_eq!(verdict, Verdict::Broken);
        assert!(why.contains("legitimate-users-served is broken"), "{why}");
    }

    #[test]
    fn a_log_that_does_not_verify_leaves_it_unknown() {
        let mut torn = solution();
        let log: AuditLog = Err("entry 9 is cut".to_owned());
        torn.history.audits.insert("records.south".to_owned(), log);
        let (verdict, why) = verdict(&[&exposed(), &torn]);
        assert_eq!(verdict, Verdict::Unknown);
        assert!(why.contains("entry 9 is cut"), "{why}");
    }
}
