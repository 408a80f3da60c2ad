//! A stolen issuer, over real TLS: when it is noticed, and what becomes of the thief and of those
//! who still live under it.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use labs::catalog;
use labs::history::{ActKind, History};
use labs::invariant::exposure::exposure_us;
use labs::invariant::{Verdict, by_name};
use labs::run::RunRequest;
use labs::scenario::Scenario;
use services::policy::danger::Mutation;
use services::posture::Posture;
use tests::flagship::Flagship;

const SECOND: u64 = 1_000_000;

fn under(reconcile: &str, revoke: &str) -> History {
    let lab = catalog::find("rogue-issuance").unwrap();
    let posture =
        format!("[issuance]\nreconcile = \"{reconcile}\"\n[rotation]\nrevoke = \"{revoke}\"\n");
    let request = RunRequest {
        scenario: Scenario::parse("lab.toml", lab.lab_toml).unwrap(),
        posture: Posture::parse("posture.toml", &posture).unwrap().0,
        policy: lab.solution_policy.to_owned(),
        seed: 7,
        mutation: Mutation::None,
    };
    Flagship::judged("posture", &request).1
}

/// When an act of that kind, about that, was acknowledged.
fn done(history: &History, kind: ActKind, about: &str) -> Option<u64> {
    let is_it = |act: &&labs::history::Act| {
        act.kind == kind && [&act.role, &act.principal].iter().any(|it| *it == about)
    };
    history.acts.iter().find(is_it)?.acknowledged_us
}

/// When somebody was last let in.
fn last_served(history: &History, who: &str, node: &str) -> u64 {
    let served = history.requests.iter().filter(|request| {
        request.principal == who && request.node == node && request.outcome.is_served()
    });
    served.map(|request| request.started_us).max().unwrap()
}

#[test]
fn a_leaf_that_no_log_has_is_noticed_within_a_second_and_by_nobody_where_nobody_looks() {
    let looked = under("on", "converged");
    let used = done(&looked, ActKind::Rogue, "chief").unwrap();
    let taint = done(&looked, ActKind::Rotate, "taint x509 1").unwrap();
    assert!(taint < used + SECOND, "{taint} after {used}");
    let every = by_name("every-leaf-was-issued").unwrap();
    let fared = |history: &History| (every.check)(&history.placed()).verdict;
    assert_eq!(fared(&looked), Verdict::Kept);

    let unlooked = under("off", "converged");
    assert!(done(&unlooked, ActKind::Rotate, "taint x509 1").is_none());
    assert!(exposure_us(&unlooked)["write"] > 45 * SECOND);
    assert_eq!(fared(&unlooked), Verdict::Broken);
}

#[test]
fn haste_has_the_thief_out_of_where_the_news_arrives_and_the_cut_off_region_for_good() {
    let hasty = under("on", "immediately");
    let revoked = done(&hasty, ActKind::Authority, "revoke x509 1").unwrap();
    let north = last_served(&hasty, "chief", "records.north");
    assert!(north < revoked + SECOND, "{north} after {revoked}");
    let south = last_served(&hasty, "chief", "records.south");
    assert!(south > revoked + 3 * SECOND, "no news, no refusal: {south}");
    // The cut ends at 18 s.
    assert!(last_served(&hasty, "alice", "records.south") < 20 * SECOND);

    let patient = under("on", "converged");
    let revoked = done(&patient, ActKind::Authority, "revoke x509 1").unwrap();
    for node in ["records.north", "records.south"] {
        let last = last_served(&patient, "chief", node);
        let until = revoked..revoked + 2 * SECOND;
        assert!(
            until.contains(&(last + SECOND)),
            "{node}: {last}, {revoked}"
        );
    }
    assert!(last_served(&patient, "alice", "records.south") > 57 * SECOND);
}
