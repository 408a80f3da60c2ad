//! The invariants while a run goes on: what breaks is seen soon after it broke, and nothing else
//! is seen. That every sighting is among the violations of the end is checked in
//! [`tests::flagship`], on every run that a test makes.

use std::time::Duration;

use labs::run::Sighting;
use labs::scenario::{Act, Messages, Step};
use services::policy::danger::Mutation;
use tests::flagship::{Flagship, Side};

const SEC: u64 = 1_000_000;

fn sighting<'a>(sightings: &'a [Sighting], invariant: &str) -> Option<&'a Sighting> {
    sightings.iter().find(|seen| seen.invariant == invariant)
}

#[test]
fn the_first_wrongful_permit_is_seen_while_the_cut_still_lasts() {
    let flagship = Flagship::new(7);
    assert_eq!(flagship.run(Side::Solution).sightings, []);
    let ran = flagship.run(Side::Exposed);
    let heal = ran.history.faults[0].to_us.expect("the cut heals");
    let seen = sighting(&ran.sightings, "no-permit-after-revoke").expect("it is broken");
    assert!(seen.seen_us < heal, "{seen:?}");
    let late_us = seen.seen_us - seen.violation.at_us;
    assert!(late_us <= 2 * SEC, "{seen:?}");
}

#[test]
fn a_missing_audit_entry_is_seen_within_seconds_of_the_answer() {
    let mut flagship = Flagship::new(7);
    flagship.mutation = Mutation::NoAuditAppend;
    let ran = flagship.run(Side::Solution);
    let seen = sighting(&ran.sightings, "no-unlogged-decision").expect("it is broken");
    assert!(seen.seen_us <= seen.violation.at_us + 3 * SEC, "{seen:?}");
    assert!(seen.seen_us < 10 * SEC, "{seen:?}");
}

/// Requests begin at one second, so that all of this run's answers come after its last whole one.
#[test]
fn what_breaks_in_the_last_moments_of_a_run_is_seen_at_its_end() {
    let mut flagship = Flagship::new(7);
    flagship.mutation = Mutation::NoAuditAppend;
    flagship.scenario.world.duration = Duration::from_millis(1_700);
    let ran = flagship.run(Side::Solution);
    let seen = sighting(&ran.sightings, "no-unlogged-decision").expect("it is broken");
    assert_eq!(seen.seen_us, 1_700_000, "{seen:?}");
}

#[test]
fn a_node_that_forgets_its_policy_in_a_crash_is_seen_to_go_back() {
    let mut flagship = Flagship::new(7);
    let step = |at: u64, lasts: u64, act: Act| Step {
        name: None,
        at: Duration::from_millis(at),
        lasts: Some(Duration::from_millis(lasts)),
        every: None,
        until: None,
        act,
    };
    // Or it would have caught up before anybody asks.
    let hold = Act::Hold(Messages {
        kind: "policy-update".to_owned(),
        from: None,
        to: Some("records.east".to_owned()),
    });
    let (node, power) = ("records.east".to_owned(), false);
    let crash = step(4_000, 200, Act::Crash { node, power });
    flagship
        .scenario
        .schedule
        .extend([step(3_900, 2_000, hold), crash]);
    flagship.scenario.world.duration = Duration::from_secs(9);
    let ran = flagship.run(Side::Solution);
    assert_eq!(sighting(&ran.sightings, "monotone-policy"), None);
    flagship.mutation = Mutation::ForgetEnforced;
    let ran = flagship.run(Side::Solution);
    let seen = sighting(&ran.sightings, "monotone-policy").expect("it is broken");
    assert_eq!(seen.violation.node, "records.east");
    assert!(seen.seen_us < 9 * SEC, "{seen:?}");
}
