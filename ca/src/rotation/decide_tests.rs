//! Claims about single decisions: each rule once, and that no reason overrides it. The gates are in
//! `gate_tests`; what holds over long lives is claimed in `walk`.

use std::time::Duration;

use super::*;
use crate::profile::Validity;
use crate::rotation::AuthorityKind::{Jwt, Root, X509};
use crate::rotation::sample::{
    ISSUER_TTL, ROOT_TTL, START, Sample, TOKEN_LEEWAY, TOKEN_LIFE, activate, ids, retire, revoke,
    roll_back, taint,
};
use crate::rotation::{Act, AuthorityKind, KeyRef, Phase};

/// What each transition did, in words.
fn told(transitions: &[Transition]) -> Vec<String> {
    let told = transitions.iter().map(|t| {
        let from = t.from.map_or("nothing", Phase::word);
        format!(
            "{} {}: {from} -> {} at {}",
            t.kind, t.id, t.to, t.generation
        )
    });
    told.collect()
}

#[test]
fn a_ca_is_set_up_by_the_same_commands() {
    let mut sample = Sample::empty();
    assert_eq!(sample.rule(sample.preparing(X509)), "no-active-root");
    let prepared = sample.act(sample.preparing(Root));
    assert_eq!(told(&prepared), ["root 1: nothing -> prepared at 1"]);
    assert_eq!(
        sample.rule(sample.preparing(X509)),
        "no-active-root",
        "a root that may be withdrawn signs no issuer"
    );
    let active = sample.act(activate(Root, 1));
    assert_eq!(told(&active), ["root 1: prepared -> active at 1"]);
    sample.rotate(X509);
    sample.rotate(Jwt);
    assert_eq!(sample.slots.generation(), 3);
    assert_eq!(sample.slots.get(X509, 1).unwrap().parent, Some(1));
}

#[test]
fn a_hand_over_retires_the_last_signer_and_raises_nothing() {
    for kind in AuthorityKind::OWN {
        let mut sample = Sample::set_up();
        sample.prepare(kind);
        let done = sample.act(Act::Activate { kind, id: None });
        let expected = [
            format!("{kind} 1: active -> retired at 4"),
            format!("{kind} 2: prepared -> active at 4"),
        ];
        assert_eq!(told(&done), expected);
        assert_eq!(sample.slots.signer(kind).unwrap().id, 2);
    }
}

#[test]
fn a_new_authority_raises_the_generation_and_so_do_taint_and_revocation() {
    for kind in AuthorityKind::OWN {
        let mut sample = Sample::set_up();
        if kind == Root {
            // The issuer must stand on the new root before the old one may go.
            sample.rotate(Root);
            sample.rotate(X509);
        } else {
            sample.rotate(kind);
        }
        let before = sample.slots.generation();
        sample.act(taint(kind, 1));
        assert_eq!(sample.slots.generation(), before + 1);
        sample.passes(TOKEN_LIFE.as_secs() + TOKEN_LEEWAY.as_secs() + 1);
        sample.act(revoke(kind, 1));
        assert_eq!(sample.slots.generation(), before + 2);
        sample.prepare(kind);
        let prepared = sample.slots.prepared(kind).unwrap();
        assert_eq!(prepared.published_in, before + 3);
    }
}

#[test]
fn one_at_a_time_is_prepared() {
    let mut sample = Sample::set_up();
    sample.prepare(X509);
    assert_eq!(sample.rule(sample.preparing(X509)), "already-prepared");
    sample.act(sample.preparing(Jwt));
}

#[test]
fn an_issuer_is_cut_to_its_root_and_nothing_is_made_without_a_life() {
    let mut sample = Sample::set_up();
    sample.passes(ROOT_TTL.as_secs() - 30);
    sample.prepare(X509);
    let slot = sample.slots.get(X509, 2).unwrap();
    assert_eq!(slot.not_after, START + ROOT_TTL);
    sample.act(roll_back(X509));
    sample.passes(30);
    assert_eq!(sample.rule(sample.preparing(X509)), "lifeless");
    for (from, to) in [(0, 0), (5, 5), (9, 5)] {
        let validity = Validity::new(
            sample.now + Duration::from_secs(from),
            sample.now + Duration::from_secs(to),
        );
        let act = Act::Prepare {
            kind: Jwt,
            validity,
            key: None,
        };
        assert_eq!(sample.rule(act), "lifeless", "{from} to {to}");
    }
}

#[test]
fn a_new_authority_keeps_the_name_of_its_key() {
    let mut sample = Sample::set_up();
    let key = KeyRef::new("kid-2").unwrap();
    sample.act(Act::Prepare {
        kind: Jwt,
        validity: sample.validity(Jwt),
        key: Some(key.clone()),
    });
    assert_eq!(sample.slots.get(Jwt, 2).unwrap().key, Some(key));
}

#[test]
fn only_a_prepared_authority_inside_its_validity_is_activated() {
    let mut sample = Sample::set_up();
    let any = Act::Activate {
        kind: X509,
        id: None,
    };
    assert_eq!(sample.rule(any.clone()), "nothing-prepared");
    assert_eq!(sample.rule(activate(X509, 1)), "wrong-phase");
    assert_eq!(sample.rule(activate(X509, 2)), "no-such-authority");
    let ahead = sample.now + Duration::from_secs(10);
    sample.act(Act::Prepare {
        kind: X509,
        validity: Validity::lasting(ahead, Duration::from_secs(10)),
        key: None,
    });
    assert_eq!(sample.rule(any.clone()), "authority-not-yet-valid");
    sample.passes(20);
    let mut last = Sample::set_up();
    last.slots = sample.slots.clone();
    last.journal = sample.journal.clone();
    last.now = sample.now;
    last.act(any.clone());
    sample.now = sample.now + Duration::from_micros(1);
    assert_eq!(sample.rule(any), "authority-expired");
}

#[test]
fn the_active_one_is_tainted_or_revoked_only_after_a_successor_signs() {
    for kind in AuthorityKind::OWN {
        let mut sample = Sample::set_up();
        sample.prepare(kind);
        assert_eq!(sample.rule(taint(kind, 1)), "active-needs-successor");
        assert_eq!(sample.rule(revoke(kind, 1)), "active-needs-successor");
        sample.activate(kind);
        if kind == Root {
            sample.rotate(X509);
        }
        sample.act(taint(kind, 1));
    }
}

#[test]
fn retiring_the_active_one_hands_over_to_the_prepared_one() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    assert_eq!(sample.rule(retire(X509, 1)), "nothing-prepared");
    sample.prepare(X509);
    assert_eq!(sample.refused(retire(X509, 1)).name(), "blocked");
    assert_eq!(sample.rule(retire(X509, 2)), "wrong-phase");
    assert_eq!(sample.rule(retire(X509, 3)), "no-such-authority");
    sample.acknowledges("records");
    sample.act(retire(X509, 1));
    assert_eq!(sample.slots.signer(X509).unwrap().id, 2);
    assert_eq!(sample.rule(retire(X509, 1)), "wrong-phase");
}

#[test]
fn what_is_tainted_or_revoked_goes_no_way_back() {
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    sample.act(taint(X509, 1));
    for act in [taint(X509, 1), activate(X509, 1), retire(X509, 1)] {
        assert_eq!(sample.rule(act), "wrong-phase");
    }
    sample.act(revoke(X509, 1));
    for act in [
        taint(X509, 1),
        revoke(X509, 1),
        activate(X509, 1),
        retire(X509, 1),
    ] {
        assert_eq!(sample.rule(act), "wrong-phase");
    }
    assert_eq!(sample.rule(revoke(X509, 7)), "no-such-authority");
    assert_eq!(sample.rule(taint(X509, 7)), "no-such-authority");
}

#[test]
fn a_root_is_tainted_or_revoked_only_when_no_issuer_in_use_stands_on_it() {
    let mut sample = Sample::set_up();
    sample.prepare(X509);
    sample.rotate(Root);
    assert_eq!(sample.rule(taint(Root, 1)), "root-in-use");
    assert_eq!(sample.rule(revoke(Root, 1)), "root-in-use");
    sample.activate(X509);
    assert_eq!(sample.rule(taint(Root, 1)), "root-in-use", "issuer 2 signs");
    sample.rotate(X509);
    sample.act(taint(Root, 1));
    sample.act(revoke(Root, 1));
}

#[test]
fn under_a_tainted_root_an_issuer_counts_as_tainted_and_signs_no_more() {
    let mut sample = Sample::set_up();
    sample.rotate(Root);
    sample.rotate(X509);
    assert_eq!(ids(sample.slots.tainted_issuers()), [0; 0]);
    sample.act(taint(Root, 1));
    assert_eq!(sample.phase(X509, 1), Phase::Retired);
    assert_eq!(ids(sample.slots.tainted_issuers()), [1]);
    assert_eq!(sample.rule(roll_back(X509)), "nothing-to-roll-back");
}

#[test]
fn a_prepared_one_is_withdrawn_for_good() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    sample.prepare(X509);
    let done = sample.act(roll_back(X509));
    assert_eq!(told(&done), ["x509 2: prepared -> revoked at 5"]);
    assert_eq!(
        ids(sample.slots.listed_issuers()),
        [2],
        "its certificate exists, and its key may be somebody's"
    );
    sample.prepare(X509);
    assert_eq!(sample.slots.prepared(X509).unwrap().id, 3);
}

#[test]
fn a_fresh_activation_is_rolled_back_once() {
    for kind in AuthorityKind::OWN {
        let mut sample = Sample::set_up();
        assert_eq!(sample.rule(roll_back(kind)), "nothing-to-roll-back");
        sample.rotate(kind);
        sample.rotate(kind);
        let done = sample.act(roll_back(kind));
        let at = sample.slots.generation();
        let expected = [
            format!("{kind} 3: active -> prepared at {at}"),
            format!("{kind} 2: retired -> active at {at}"),
        ];
        assert_eq!(told(&done), expected, "nothing that members hold changes");
        assert!(sample.slots.get(kind, 3).unwrap().rolled_back());
        sample.passes(TOKEN_LIFE.as_secs() + TOKEN_LEEWAY.as_secs() + 1);
        sample.act(roll_back(kind));
        assert_eq!(sample.phase(kind, 3), Phase::Revoked);
        assert_eq!(sample.rule(roll_back(kind)), "nothing-to-roll-back");
    }
}

#[test]
fn a_rolled_back_one_goes_forward_again_and_its_leaves_live_on() {
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    sample.joins("records", 2);
    sample.act(roll_back(X509));
    assert_eq!(ids(sample.slots.issuers()), [1, 2]);
    assert_eq!(
        sample.refused(roll_back(X509)).name(),
        "blocked",
        "withdrawn, it would cut its leaves off"
    );
    sample.act(activate(X509, 2));
    assert_eq!(sample.phase(X509, 1), Phase::Retired);
    sample.act(roll_back(X509));
    sample.act(taint(X509, 2));
    assert_eq!(ids(sample.slots.tainted_issuers()), [2]);
}

#[test]
fn a_tainted_or_ended_predecessor_does_not_come_back() {
    let mut sample = Sample::set_up();
    sample.rotate(X509);
    sample.act(taint(X509, 1));
    assert_eq!(sample.rule(roll_back(X509)), "nothing-to-roll-back");
    let mut sample = Sample::set_up();
    sample.passes(10);
    sample.rotate(X509);
    sample.passes(ISSUER_TTL.as_secs() - 9);
    assert_eq!(sample.rule(roll_back(X509)), "authority-expired");
}

#[test]
fn a_prepared_root_with_an_issuer_in_use_is_not_withdrawn() {
    let mut sample = Sample::set_up();
    sample.rotate(Root);
    sample.rotate(X509);
    sample.act(roll_back(Root));
    assert_eq!(sample.phase(Root, 2), Phase::Prepared);
    assert_eq!(sample.rule(roll_back(Root)), "root-in-use");
    sample.act(roll_back(X509));
    sample.act(roll_back(X509));
    sample.act(roll_back(Root));
    assert_eq!(ids(sample.slots.trusted_roots()), [1]);
}
