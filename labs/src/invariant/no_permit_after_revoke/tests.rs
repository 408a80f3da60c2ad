//! Good, bad and undecidable histories, made by hand.

use super::super::Verdict;
use super::super::exposure::exposure_us;
use super::*;
use crate::history::Promise;
use crate::history::sample::Sample;

fn revoked_at_12_s() -> Sample {
    let mut sample = Sample::new(60);
    sample.served("m-0", "attack", "mallory", "read", 5_000_000);
    sample.revoke("mallory", 12_000_000, Some(12_100_000));
    sample
}

#[test]
fn a_success_inside_the_promise_is_counted_and_kept() {
    let mut sample = revoked_at_12_s();
    sample.served("m-1", "attack", "mallory", "read", 19_000_000);
    sample.refused("m-2", "attack", "mallory", "read", 40_000_000);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Kept);
    assert_eq!(finding.judged, 2, "one success, one refusal");
    let exposure = exposure_us(&sample.history);
    assert_eq!(exposure["read"], 6_910_000);
    assert_eq!(exposure["write"], 0);
}

#[test]
fn a_success_later_than_promise_and_tolerance_is_a_violation() {
    let mut sample = revoked_at_12_s();
    sample.served("m-1", "attack", "mallory", "write", 16_090_000);
    assert_eq!(
        check(&sample.history.placed()).verdict,
        Verdict::Kept,
        "exactly at the limit"
    );
    sample.served("m-2", "attack", "mallory", "write", 16_090_001);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken);
    assert_eq!(finding.broken, 1);
    assert_eq!(finding.violations[0].request.as_deref(), Some("m-2"));
    assert_eq!(finding.violations[0].seq, Some(2));
    assert!(finding.violations[0].evidence.contains("promised 3.000 s"));
}

#[test]
fn a_posture_without_promise_is_held_to_the_scenario() {
    let mut sample = revoked_at_12_s();
    sample.promise_nothing();
    sample.served("m-1", "attack", "mallory", "read", 44_000_000);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken);
    assert!(
        finding.violations[0]
            .evidence
            .contains("promises nothing, and the scenario allows 10.000 s")
    );
}

#[test]
fn true_time_counts_and_not_the_nodes_own_clock() {
    let mut sample = revoked_at_12_s();
    sample.served("m-1", "attack", "mallory", "read", 40_000_000);
    let behind = vec![(14_000_000, -25_000_000)];
    sample
        .history
        .clocks
        .insert("records.south".to_owned(), behind);
    for entry in sample.log("records.south").iter_mut().skip(1) {
        entry.at_us -= 25_000_000;
        entry.as_of_us -= 25_000_000;
    }
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken);
    assert_eq!(finding.violations[0].at_us, 40_010_000);
}

#[test]
fn a_grant_ends_the_revocation() {
    let mut sample = revoked_at_12_s();
    sample.act(ActKind::Grant, "mallory", 30_000_000, Some(30_100_000));
    sample.refused("m-0", "attack", "mallory", "read", 28_000_000);
    sample.served("m-1", "attack", "mallory", "read", 40_000_000);
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
    sample.served("m-2", "attack", "mallory", "read", 29_000_000);
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
}

#[test]
fn a_grant_of_another_role_ends_no_revocation_and_says_nothing_of_what_it_permits() {
    let granted = |at_us: u64| {
        let mut sample = revoked_at_12_s();
        sample.act(ActKind::Grant, "mallory", at_us, Some(at_us + 100_000));
        let grant = sample.history.acts.last_mut().expect("just put");
        grant.role = "visitor".to_owned();
        sample
    };
    for at_us in [1_000_000, 12_050_000, 30_000_000] {
        let mut sample = granted(at_us);
        sample.refused("m-1", "attack", "mallory", "read", 40_000_000);
        assert_eq!(
            check(&sample.history.placed()).verdict,
            Verdict::Kept,
            "{at_us}"
        );
        sample.served("m-2", "attack", "mallory", "read", 41_000_000);
        let finding = check(&sample.history.placed());
        assert_eq!(finding.verdict, Verdict::Unknown, "{at_us}");
        assert!(finding.doubts[0].contains("`visitor`"), "{finding:?}");
        let exposure = exposure_us(&sample.history)["read"];
        assert_eq!(
            exposure, 0,
            "nothing is measured that another role may permit"
        );
    }
    let mut before = granted(30_000_000);
    before.served("m-1", "attack", "mallory", "read", 29_000_000);
    assert_eq!(check(&before.history.placed()).verdict, Verdict::Broken);
}

#[test]
fn a_role_held_from_the_beginning_is_in_doubt_until_it_is_revoked_as_well() {
    let mut sample = revoked_at_12_s();
    sample
        .history
        .roles
        .insert("mallory".to_owned(), "doctor".to_owned());
    sample.served("m-1", "attack", "mallory", "read", 40_000_000);
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Unknown);
    sample.revoke("mallory", 13_000_000, Some(13_100_000));
    sample.history.acts[1].role = "doctor".to_owned();
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken);
    assert!(finding.violations[0].evidence.contains("26.910 s after"));
    let roles = &mut sample.history.roles;
    roles.insert("mallory".to_owned(), "nurse".to_owned());
    sample.history.acts.pop();
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
}

/// The rule is acknowledged at 12.1 s, the list that completes it at 20.1 s.
fn suspended(completing: ActKind) -> Sample {
    let mut sample = Sample::new(60);
    for (kind, at_us) in [
        (ActKind::Policy, 12_000_000),
        (ActKind::Entities, 20_000_000),
    ] {
        let whom = if kind == completing { "mallory" } else { "" };
        sample.act(kind, whom, at_us, Some(at_us + 100_000));
    }
    sample
}

#[test]
fn a_suspension_counts_from_the_act_that_the_scenario_says_completes_it() {
    for (completing, late_us) in [
        (ActKind::Policy, 18_000_000),
        (ActKind::Entities, 26_000_000),
    ] {
        let mut sample = suspended(completing);
        sample.served("m-0", "attack", "mallory", "read", late_us - 3_000_000);
        sample.served("a-0", "legit", "alice", "read", late_us);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
        sample.served("m-1", "attack", "mallory", "write", late_us);
        assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
    }
    let mut nobody = suspended(ActKind::Grant);
    nobody.served("m-1", "attack", "mallory", "write", 40_000_000);
    assert_eq!(
        check(&nobody.history.placed()).doubts,
        ["nobody was revoked"]
    );
}

#[test]
fn no_grant_of_a_role_ends_a_suspension_and_a_pending_one_carries_no_promise() {
    let mut sample = suspended(ActKind::Entities);
    sample.act(ActKind::Grant, "mallory", 30_000_000, Some(30_100_000));
    sample.served("m-1", "attack", "mallory", "write", 40_000_000);
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Broken);
    sample.history.acts[1].acknowledged_us = None;
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Unknown);
}

#[test]
fn others_may_go_on() {
    let mut sample = revoked_at_12_s();
    sample.served("a-1", "legit", "alice", "read", 40_000_000);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Unknown, "mallory did not try");
    sample.refused("m-1", "attack", "mallory", "read", 41_000_000);
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
}

#[test]
fn a_success_that_nothing_limits_leaves_it_unknown() {
    let mut sample = revoked_at_12_s();
    sample.refused("m-1", "attack", "mallory", "read", 40_000_000);
    sample.served("m-2", "attack", "mallory", "share", 41_000_000);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.doubts[0].contains("how long share may go on"));
    assert_eq!(exposure_us(&sample.history)["share"], 28_910_000);
}

#[test]
fn a_served_client_convicts_a_node_that_logged_nothing() {
    let mut sample = revoked_at_12_s();
    sample.ask("m-1", "attack", "mallory", "read", 40_000_000);
    sample.answered("m-1", 40_020_000);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken);
    assert_eq!(finding.violations[0].seq, None);
}

#[test]
fn an_entry_for_somebody_else_with_the_same_id_hides_no_served_client() {
    let mut sample = revoked_at_12_s();
    sample.ask("x", "attack", "mallory", "read", 40_000_000);
    sample.answered("x", 40_020_000);
    for (node, who) in [("records.south", "alice"), ("records.north", "mallory")] {
        sample.entry(node, "x", who, "read", None, 11_000_000);
    }
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken);
    assert_eq!(finding.violations[0].seq, None);
}

#[test]
fn a_pending_revocation_and_an_unverified_log_leave_it_unknown() {
    let mut pending = Sample::new(60);
    pending.revoke("mallory", 12_000_000, None);
    pending.served("m-1", "attack", "mallory", "read", 40_000_000);
    assert_eq!(check(&pending.history.placed()).verdict, Verdict::Unknown);

    let mut torn = revoked_at_12_s();
    let why = Err("entry 3 is cut".to_owned());
    torn.history.audits.insert("records.south".to_owned(), why);
    let finding = check(&torn.history.placed());
    assert_eq!(finding.verdict, Verdict::Unknown);
    assert!(finding.doubts[0].contains("entry 3 is cut"));

    let mut missing = revoked_at_12_s();
    missing.history.audits.clear();
    missing.history.requests[0].outcome = crate::history::Outcome::Unknown;
    assert_eq!(check(&missing.history.placed()).verdict, Verdict::Unknown);
}

#[test]
fn a_clock_that_may_mean_early_or_late_leaves_it_unknown() {
    let mut sample = revoked_at_12_s();
    sample.entry(
        "records.south",
        "nobody-heard",
        "mallory",
        "read",
        None,
        19_000_000,
    );
    let back = vec![(25_000_000, -5_000_000)];
    sample
        .history
        .clocks
        .insert("records.south".to_owned(), back);
    assert_eq!(
        check(&sample.history.placed()).verdict,
        Verdict::Kept,
        "19 s was read once"
    );
    sample.log("records.south")[1].at_us += 3_000_000;
    assert_eq!(
        check(&sample.history.placed()).verdict,
        Verdict::Unknown,
        "22 s was read twice"
    );
}

#[test]
fn a_time_on_both_sides_of_the_acknowledgement_or_of_a_grant_leaves_it_unknown() {
    let entry = |at_us: u64, back: (u64, i64)| {
        let mut sample = revoked_at_12_s();
        let (node, id) = ("records.south", "nobody-heard");
        sample.entry(node, id, "mallory", "read", None, at_us);
        let clocks = &mut sample.history.clocks;
        clocks.insert(node.to_owned(), vec![back]);
        sample
    };
    // Read at 11 s, and again 20 s later, when it was too late.
    let before = entry(11_000_000, (25_000_000, -20_000_000));
    assert_eq!(check(&before.history.placed()).verdict, Verdict::Unknown);
    assert_eq!(
        exposure_us(&before.history)["read"],
        0,
        "and nothing is measured"
    );
    // Too late at 30 s, and permitted again at 50 s.
    let mut granted = entry(30_000_000, (35_000_000, -20_000_000));
    let sample = &mut granted;
    sample.act(ActKind::Grant, "mallory", 40_000_000, Some(40_100_000));
    assert_eq!(check(&granted.history.placed()).verdict, Verdict::Unknown);
}

/// chief, a doctor throughout, logs out at 12 s; what comes as him later comes with a copied token.
fn logged_out(promised: Promise) -> Sample {
    let mut sample = Sample::new(60);
    let role = "doctor".to_owned();
    sample.history.roles.insert("chief".to_owned(), role);
    sample.served("c-1", "legit", "chief", "read", 11_500_000);
    sample.served("m-0", "attack", "chief", "read", 9_000_000);
    sample.act(ActKind::LogOut, "chief", 12_000_000, Some(12_100_000));
    sample.history.acts[0].role = String::new();
    let promised = [("read".to_owned(), promised)];
    sample.history.log_out_promised = promised.into();
    sample
}

#[test]
fn a_copied_token_is_judged_by_the_promise_about_log_outs_and_its_owner_was_let_in_by_right() {
    let mut sample = logged_out(Promise::Within(5_000_000));
    sample.refused("m-1", "attack", "chief", "read", 13_000_000);
    sample.served("m-2", "attack", "chief", "read", 16_000_000);
    assert_eq!(check(&sample.history.placed()).verdict, Verdict::Kept);
    sample.served("m-3", "attack", "chief", "read", 19_000_000);
    let finding = check(&sample.history.placed());
    assert_eq!((finding.verdict, finding.broken), (Verdict::Broken, 1));
    let evidence = &finding.violations[0].evidence;
    assert!(evidence.contains("promised 5.000 s"), "{evidence}");
    assert_eq!(exposure_us(&sample.history)["read"], 6_910_000);
}

#[test]
fn neither_the_role_that_is_still_held_nor_a_grant_makes_a_copied_token_good_again() {
    let mut sample = logged_out(Promise::Any);
    sample.act(ActKind::Grant, "chief", 20_000_000, Some(20_100_000));
    sample.served("m-1", "attack", "chief", "read", 30_000_000);
    let finding = check(&sample.history.placed());
    assert_eq!(finding.verdict, Verdict::Broken, "{:?}", finding.doubts);
    let told = "promises nothing, and the scenario allows 10.000 s";
    assert!(finding.violations[0].evidence.contains(told));
    let shown = sample.history.shown_promise("read");
    assert_eq!(shown, Promise::Any, "not what is promised about roles");
}
