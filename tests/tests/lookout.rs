//! The invariants while a run goes on: what breaks is seen soon after it broke, and nothing else
//! is seen. That every sighting is among the violations of the end is checked in
//! [`tests::flagship`], on every run that a test makes.

use labs::run::Sighting;
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
