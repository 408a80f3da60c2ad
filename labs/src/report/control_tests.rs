//! Claims about the control: when a lesson stands, and when it does not.

use super::*;
use crate::history::sample::Sample;
use crate::history::{AuditLog, Outcome};
use crate::report::text::sample::{exposed, judged, solution};

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
    assert!(!late(ActKind::Rogue));
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

/// A run whose root is withdrawn at 20 s, and in which alice goes without for that long.
fn outage(without_s: u64, acknowledged_us: Option<u64>) -> Sample {
    let mut sample = Sample::new(60);
    let expect = &mut sample.history.expect;
    expect.exposure_us.clear();
    expect.outage_us = [("read".to_owned(), 3_000_000)].into();
    expect.refusal = "certificate-untrusted".to_owned();
    expect.invariants = vec!["seamless-rotation".to_owned()];
    expect.floors.truncate(1);
    expect.floors[0].when = crate::history::When::Throughout;
    expect.floors[0].floor = 0.5;
    for (number, second) in (1..59).enumerate() {
        let (id, at_us) = (format!("a-{number}"), second * 1_000_000);
        if (30..30 + without_s).contains(&second) {
            sample.refused(&id, "legit", "alice", "read", at_us);
            let last = sample.history.requests.last_mut().unwrap();
            last.outcome = Outcome::Refused("certificate-untrusted".to_owned());
        } else {
            sample.served(&id, "legit", "alice", "read", at_us);
        }
    }
    sample.history.acts.push(crate::history::Act {
        kind: ActKind::Authority,
        role: "revoke root 1".to_owned(),
        asked_us: 20_000_000,
        acknowledged_us,
        ..crate::history::Act::default()
    });
    sample
}

#[test]
fn an_outage_must_come_about_exposed_and_not_with_the_solution() {
    let (long, none) = (outage(20, Some(20_100_000)), outage(0, Some(41_000_000)));
    assert_eq!(attack(&long.history), Attack::Succeeded);
    assert_eq!(attack(&none.history), Attack::Refused);
    assert_eq!(verdict(&[&long, &none]), (Verdict::Kept, String::new()));
    let (again, why) = verdict(&[&long, &long]);
    assert_eq!(again, Verdict::Broken);
    assert!(why.contains("alice could not read for 20.0 s"), "{why}");
    let (gone, why) = verdict(&[&none, &none]);
    assert_eq!(gone, Verdict::Broken);
    assert!(why.contains("there is no outage any more"), "{why}");
    let short = outage(2, Some(41_000_000));
    assert_eq!(attack(&short.history), Attack::Refused, "3 s are allowed");
}

#[test]
fn who_never_carries_the_order_out_has_shown_nothing() {
    let (long, never) = (outage(20, Some(20_100_000)), outage(0, None));
    assert_eq!(attack(&never.history), Attack::Unknown);
    let (verdict, why) = verdict(&[&long, &never]);
    assert_ne!(verdict, Verdict::Kept);
    assert!(why.contains("revoke root 1 was not carried out"), "{why}");
}

#[test]
fn an_outage_of_another_kind_is_not_the_lesson() {
    let (mut long, none) = (outage(20, Some(20_100_000)), outage(0, Some(41_000_000)));
    long.history.expect.refusal = "certificate-expired".to_owned();
    let (verdict, why) = verdict(&[&long, &none]);
    assert_eq!(verdict, Verdict::Broken);
    assert!(why.contains("nobody heard certificate-expired"), "{why}");
}

#[test]
fn who_was_never_served_has_no_outage() {
    let long = outage(20, Some(20_100_000));
    let mut shut = outage(0, Some(41_000_000));
    for request in &mut shut.history.requests {
        if request.started_us < 20_000_000 {
            request.outcome = Outcome::Refused("policy-denied".to_owned());
        }
    }
    let (verdict, why) = verdict(&[&long, &shut]);
    assert_eq!(verdict, Verdict::Broken);
    assert!(why.contains("never served before the first order"), "{why}");
}

/// A run in which mallory asks as chief from 10 s on, and is let in so or refused in the handshake.
fn posing(taken_for_chief: bool) -> Sample {
    let mut sample = Sample::new(60);
    let expect = &mut sample.history.expect;
    expect.exposure_us.clear();
    expect.impersonation = ["read".to_owned()].into();
    expect.refusal = "certificate-untrusted".to_owned();
    expect.invariants = vec!["no-foreign-identity".to_owned()];
    expect.floors.truncate(1);
    expect.floors[0].when = crate::history::When::Throughout;
    for second in 1..30 {
        let id = format!("c-{second}");
        sample.served(&id, "legit", "chief", "read", second * 1_000_000);
    }
    for second in 10..30 {
        let (id, at_us) = (format!("m-{second}"), second * 1_000_000 + 500_000);
        if taken_for_chief {
            sample.served(&id, "attack", "chief", "read", at_us);
        } else {
            sample.ask(&id, "attack", "chief", "read", at_us);
            sample.answered(&id, at_us + 20_000);
            let last = sample.history.requests.last_mut().unwrap();
            last.outcome = Outcome::Refused("handshake: certificate-untrusted".to_owned());
        }
        sample.sent_by(&id, "mallory", false);
    }
    sample
}

#[test]
fn who_goes_as_another_must_do_so_exposed_and_not_with_the_solution() {
    let (posed, refused) = (posing(true), posing(false));
    assert_eq!(attack(&posed.history), Attack::Succeeded);
    assert_eq!(attack(&refused.history), Attack::Refused);
    assert_eq!(verdict(&[&posed, &refused]), (Verdict::Kept, String::new()));
    let (again, why) = verdict(&[&posed, &posed]);
    assert_eq!(
        (again, &*why),
        (Verdict::Broken, "solution: the attack succeeded")
    );
    let (gone, why) = verdict(&[&refused, &refused]);
    assert_eq!(gone, Verdict::Broken);
    assert!(
        why.contains("nobody goes under another's name any more"),
        "{why}"
    );
}

#[test]
fn a_name_that_nobody_is_served_under_is_no_prize() {
    let mut shut = posing(false);
    for request in &mut shut.history.requests {
        if request.posing.is_none() {
            request.outcome = Outcome::Refused("policy-denied".to_owned());
        }
    }
    shut.history.expect.floors.clear();
    let (verdict, why) = verdict(&[&posing(true), &shut]);
    assert_eq!(verdict, Verdict::Broken);
    assert!(why.contains("it was refused whoever asked"), "{why}");
}

#[test]
fn who_was_let_in_as_whom_cannot_be_told_from_a_log_that_does_not_verify() {
    let mut torn = posing(false);
    let log: AuditLog = Err("entry 9 is cut".to_owned());
    torn.history.audits.insert("records.south".to_owned(), log);
    assert_eq!(attack(&torn.history), Attack::Unknown);
}

#[test]
fn an_impersonation_is_told_by_how_long_and_how_often_wherever_it_is_shown() {
    use crate::report::text::sample::demo;
    use crate::report::text::{Style, render};
    let (posed, refused) = (posing(true), posing(false));
    let histories = [&posed.history, &refused.history];
    let report = demo(&histories);
    assert_eq!(report.runs[0].impersonation_ms["read"], 19_020);
    assert_eq!(report.runs[0].impersonations["read"], 20);
    assert_eq!(report.runs[1].impersonation_ms["read"], 0);
    let text = render(&report, &histories, &Style::default());
    for words in [
        "mallory let in as chief",
        "19.0 s   20 of 20",
        "0.0 s   0 of 20",
        "exposed: mallory was let in to read as chief (audit entry",
        "read of r1 by mallory as chief (south)",
    ] {
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    let extras = crate::report::html::Extras::default();
    let page = crate::report::html::render(&report, &histories, &extras);
    for words in [
        "With the exposed settings the south took mallory for chief, 20 times in 19.0 s; with the \
         solution nobody was let in under a name that is not theirs.",
        "let in as chief 20 times, in 19.0 s",
        "not let in once as chief",
        "requests let in",
    ] {
        assert!(page.contains(words), "{words} is not on the page");
    }
}
