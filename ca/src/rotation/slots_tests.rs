//! Claims about folding: what a journal may not say, what follows from the slots, and their
//! written form.

use super::*;
use crate::rotation::AuthorityKind::{Jwt, Root, X509};
use crate::rotation::sample::{ISSUER_TTL, LEAF_TTL, Sample, ids};
use crate::rotation::{Act, Birth};

/// A transition that would be the next, to be made wrong.
fn next(sample: &Sample, kind: AuthorityKind, id: u64, from: Phase, to: Phase) -> Transition {
    let raises = Transition::raises(Some(from), to);
    Transition {
        kind,
        id,
        from: Some(from),
        to,
        generation: sample.slots.generation() + u64::from(raises),
        at: sample.now,
        override_reason: None,
        birth: None,
    }
}

fn made(sample: &Sample, kind: AuthorityKind, id: u64, parent: Option<u64>) -> Transition {
    Transition {
        from: None,
        generation: sample.slots.generation() + 1,
        birth: Some(Birth {
            not_before: sample.now,
            not_after: sample.now + ISSUER_TTL,
            parent,
            key: None,
        }),
        ..next(sample, kind, id, Phase::Active, Phase::Prepared)
    }
}

#[track_caller]
fn unfit(sample: &Sample, transition: &Transition) -> Unfit {
    let mut slots = sample.slots.clone();
    let unfit = slots.apply(transition).unwrap_err();
    assert_eq!(slots, sample.slots, "what does not fit changes nothing");
    unfit
}

#[test]
fn a_transition_that_leaves_another_phase_or_goes_no_known_way_is_refused() {
    use Phase::{Active, Prepared, Retired, Revoked, Tainted};
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    for (id, from, to) in [
        (1, Active, Retired),
        (1, Prepared, Active),
        (1, Retired, Prepared),
        (2, Active, Tainted),
        (2, Active, Revoked),
        (2, Active, Active),
    ] {
        let unfit = unfit(&sample, &next(&sample, X509, id, from, to));
        assert!(
            matches!(unfit, Unfit::Step { .. }),
            "{id} {from} {to}: {unfit}"
        );
    }
    assert!(matches!(
        unfit(&sample, &next(&sample, X509, 3, Retired, Tainted)),
        Unfit::Unknown { id: 3, .. }
    ));
}

#[test]
fn two_never_sign_and_two_are_never_prepared() {
    let mut sample = Sample::set_up();
    sample.rotate(Jwt);
    let second = next(&sample, Jwt, 1, Phase::Retired, Phase::Active);
    assert_eq!(
        unfit(&sample, &second),
        Unfit::Crowded {
            kind: Jwt,
            phase: Phase::Active
        }
    );
    sample.prepare(Jwt);
    let crowded = Unfit::Crowded {
        kind: Jwt,
        phase: Phase::Prepared,
    };
    assert_eq!(unfit(&sample, &made(&sample, Jwt, 4, None)), crowded);
    let back = next(&sample, Jwt, 2, Phase::Active, Phase::Prepared);
    assert_eq!(unfit(&sample, &back), crowded);
}

#[test]
fn a_generation_that_does_not_follow_is_refused() {
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    let right = next(&sample, X509, 1, Phase::Retired, Phase::Tainted);
    for generation in [0, right.generation - 1, right.generation + 1] {
        let wrong = Transition {
            generation,
            ..right.clone()
        };
        let due = right.generation;
        assert_eq!(
            unfit(&sample, &wrong),
            Unfit::Generation {
                found: generation,
                due
            }
        );
    }
    sample.slots.apply(&right).unwrap();
}

#[test]
fn an_authority_is_made_with_the_next_number_and_its_own_parent() {
    let sample = Sample::set_up();
    for id in [0, 1, 3] {
        let unfit = unfit(&sample, &made(&sample, Jwt, id, None));
        assert!(
            matches!(unfit, Unfit::Numbered { next: 2, .. }),
            "{id}: {unfit}"
        );
    }
    for (kind, parent) in [
        (Root, Some(1)),
        (Jwt, Some(1)),
        (X509, None),
        (X509, Some(2)),
    ] {
        let unfit = unfit(&sample, &made(&sample, kind, 2, parent));
        assert!(matches!(unfit, Unfit::Parent { .. }), "{kind}: {unfit}");
    }
    let right = made(&sample, Jwt, 2, None);
    let unborn = Transition {
        birth: None,
        ..right.clone()
    };
    let grown = Transition {
        to: Phase::Active,
        ..right.clone()
    };
    let twice = Transition {
        birth: right.birth,
        ..next(&sample, Jwt, 1, Phase::Active, Phase::Retired)
    };
    for wrong in [unborn, grown, twice] {
        assert!(matches!(unfit(&sample, &wrong), Unfit::Born { .. }));
    }
}

#[test]
fn half_a_hand_over_is_no_journal() {
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    let whole = Slots::replay(&sample.journal).unwrap();
    assert_eq!(whole, sample.slots);
    let half = sample.journal.split_last().unwrap().1;
    assert_eq!(Slots::replay(half), Err(Unfit::Headless { kind: X509 }));
    let prepared = sample.slots.after(half);
    assert!(prepared.is_err(), "nor does it follow twice");
}

#[test]
fn members_trust_what_is_prepared_and_all_that_is_not_revoked() {
    let mut sample = Sample::set_up();
    sample.rotate(Root);
    sample.prepare(Root);
    sample.rotate(Jwt);
    sample.prepare(Jwt);
    sample.prepare(X509);
    assert_eq!(ids(sample.slots.trusted_roots()), [1, 2, 3]);
    assert_eq!(ids(sample.slots.jwt_keys()), [1, 2, 3]);
    assert_eq!(ids(sample.slots.issuers()), [1, 2]);
    sample.act(Act::Taint { kind: Jwt, id: 1 });
    assert_eq!(ids(sample.slots.jwt_keys()), [1, 2, 3], "tainted verifies");
    sample.act(Act::RollBack { kind: Root });
    assert_eq!(ids(sample.slots.trusted_roots()), [1, 2]);
}

#[test]
fn a_revoked_authority_is_forgotten_a_day_after_its_end_and_its_number_never_given_again() {
    let mut sample = Sample::set_up();
    sample.prepare(X509);
    sample.act(Act::RollBack { kind: X509 });
    let end = sample.slots.get(X509, 2).unwrap().not_after;
    sample.now = end + REMEMBERED;
    sample.prepare(Jwt);
    assert_eq!(ids(sample.slots.of(X509)), [1, 2]);
    sample.now = sample.now + Duration::from_micros(1);
    sample.act(Act::Activate {
        kind: Jwt,
        id: None,
    });
    assert_eq!(
        ids(sample.slots.of(X509)),
        [1, 2],
        "one generation, one content"
    );
    sample.prepare(Root);
    assert_eq!(
        ids(sample.slots.of(X509)),
        [1],
        "1 has ended too, but it was never revoked"
    );
    sample.activate(Root);
    sample.prepare(X509);
    assert_eq!(sample.slots.prepared(X509).unwrap().id, 3);
}

#[test]
fn a_root_is_remembered_as_long_as_an_issuer_of_it() {
    let mut sample = Sample::set_up();
    sample.rotate(Root);
    sample.rotate(X509);
    sample.passes(LEAF_TTL.as_secs() + 1);
    sample.act(Act::Revoke { kind: Root, id: 1 });
    sample.now = sample.now + REMEMBERED * 2;
    sample.prepare(Jwt);
    assert_eq!(ids(sample.slots.of(Root)), [1, 2], "issuer 1 names it");
    sample.act(Act::Revoke { kind: X509, id: 1 });
    assert_eq!(ids(sample.slots.of(Root)), [2]);
    assert_eq!(ids(sample.slots.of(X509)), [2]);
}

#[test]
fn slots_come_back_as_they_were_written() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    sample.rotate(Root);
    sample.rotate(X509);
    sample.prepare(Jwt);
    let text = serde_json::to_string(&sample.slots).unwrap();
    assert_eq!(serde_json::from_str::<Slots>(&text).unwrap(), sample.slots);
    let empty = serde_json::to_string(&Slots::default()).unwrap();
    assert_eq!(
        serde_json::from_str::<Slots>(&empty).unwrap(),
        Slots::default()
    );
}

#[test]
fn slots_that_no_journal_leads_to_are_not_read() {
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    let text = serde_json::to_string(&sample.slots).unwrap();
    let changed = |from: &str, to: &str| {
        assert!(text.contains(from), "`{from}` is not in {text}");
        let error = serde_json::from_str::<Slots>(&text.replacen(from, to, 1));
        error.map(|_| ()).unwrap_err().to_string()
    };
    for (from, to, why) in [
        (
            "\"generation\":4",
            "\"generation\":4,\"key\":\"00\"",
            "unknown field",
        ),
        (
            "\"predecessor\":null",
            "\"successor\":null",
            "unknown field",
        ),
        (
            "\"generation\":4",
            "\"generation\":2",
            "generation 4 stands where 2 is due",
        ),
        (
            "\"last\":2",
            "\"last\":1",
            "x509 authority 2 is written out of its order",
        ),
        (
            "\"id\":2",
            "\"id\":1",
            "x509 authority 1 is written out of its order",
        ),
        (
            "\"phase\":\"active\"",
            "\"phase\":\"gone\"",
            "unknown variant",
        ),
        (
            "\"parent\":1",
            "\"parent\":9",
            "x509 authority 1 has the wrong parent",
        ),
        (
            "\"retired\"",
            "\"active\"",
            "more than one x509 authority is active",
        ),
        (
            "\"id\":2,\"phase\":\"active\"",
            "\"id\":2,\"phase\":\"revoked\"",
            "no x509 authority is active",
        ),
    ] {
        let error = changed(from, to);
        assert!(error.contains(why), "{to}: {error}");
    }
}
