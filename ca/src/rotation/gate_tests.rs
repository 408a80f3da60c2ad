//! Claims about the gates: who keeps each shut, until when, and what a reason to skip it leaves.

use super::*;
use crate::rotation::AuthorityKind::{Jwt, Root, X509};
use crate::rotation::sample::{
    LEAF_TTL, Sample, TOKEN_LEEWAY, TOKEN_LIFE, activate, ids, member, reason, revoke, roll_back,
    taint,
};

#[test]
fn nobody_signs_before_every_live_member_has_acknowledged_it() {
    for kind in AuthorityKind::OWN {
        let mut sample = Sample::set_up();
        sample.joins("records", 1);
        sample.joins("sts", 1);
        sample
            .facts
            .members
            .get_mut(&member("sts"))
            .unwrap()
            .acknowledged = None;
        sample.prepare(kind);
        let until = sample.now + LEAF_TTL;
        let missing = |name, held| Blocker::NotAcknowledged {
            member: member(name),
            held,
            needs: 4,
            until,
        };
        let refused = sample.refused(activate(kind, 2));
        assert_eq!(
            refused.blockers(),
            [missing("records", Some(3)), missing("sts", None)]
        );
        assert_eq!(refused.clears_after(), Some(until));
        sample.acknowledges("sts");
        let refused = sample.refused(activate(kind, 2));
        assert_eq!(refused.blockers(), [missing("records", Some(3))]);
        sample.acknowledges("records");
        sample.act(activate(kind, 2));
    }
}

#[test]
fn a_member_whose_leaves_have_ended_keeps_nobody_waiting() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    sample.prepare(X509);
    sample.passes(LEAF_TTL.as_secs());
    assert_eq!(sample.refused(activate(X509, 2)).name(), "blocked");
    sample.now = sample.now + Duration::from_micros(1);
    sample.act(activate(X509, 2));
}

#[test]
fn an_issuer_is_revoked_when_no_living_leaf_is_its_own() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    sample.joins("sts", 1);
    sample.rotate(X509);
    sample.joins("sts", 2);
    let refused = sample.refused(revoke(X509, 1));
    let until = sample.now + LEAF_TTL;
    let blocking = Blocker::LivingLeaves {
        member: member("records"),
        leaves: 1,
        until,
    };
    assert_eq!(refused.blockers(), [blocking]);
    assert_eq!(refused.clears_after(), Some(until));
    sample.now = until;
    assert_eq!(sample.refused(revoke(X509, 1)).name(), "blocked");
    sample.now = until + Duration::from_micros(1);
    sample.act(revoke(X509, 1));
    assert_eq!(ids(sample.slots.listed_issuers()), [1]);
}

#[test]
fn a_root_is_revoked_when_no_living_leaf_chains_to_it() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    sample.rotate(Root);
    sample.rotate(X509);
    assert_eq!(sample.refused(revoke(Root, 1)).name(), "blocked");
    sample.joins("records", 2);
    sample.act(revoke(Root, 1));
    assert_eq!(ids(sample.slots.trusted_roots()), [2]);
    assert_eq!(ids(sample.slots.issuers()), [2]);
    assert_eq!(
        ids(sample.slots.listed_issuers()),
        [0; 0],
        "under a revoked root nothing needs a list"
    );
}

#[test]
fn a_leaf_of_an_unknown_issuer_keeps_every_root() {
    let mut sample = Sample::set_up();
    sample.rotate(Root);
    sample.rotate(X509);
    sample.joins("records", 77);
    assert_eq!(sample.refused(revoke(Root, 1)).name(), "blocked");
    sample.act(revoke(X509, 1));
}

#[test]
fn a_jwt_key_is_revoked_when_its_last_token_has_ended() {
    let mut sample = Sample::set_up();
    sample.rotate(Jwt);
    let until = sample.now + TOKEN_LIFE + TOKEN_LEEWAY;
    assert_eq!(
        sample.refused(revoke(Jwt, 1)).blockers(),
        [Blocker::LivingTokens { until }]
    );
    sample.passes(10);
    sample.act(taint(Jwt, 1));
    sample.now = until;
    assert_eq!(sample.refused(revoke(Jwt, 1)).name(), "blocked");
    sample.now = until + Duration::from_micros(1);
    sample.act(revoke(Jwt, 1));
    assert_eq!(ids(sample.slots.jwt_keys()), [2]);
}

#[test]
fn a_key_that_a_signer_elsewhere_may_still_use_is_not_revoked() {
    let mut sample = Sample::set_up();
    sample.joins("token", 1);
    sample.signs("token", None);
    let now = sample.now;
    sample.rotate(Jwt);
    sample.passes(90);
    let blocked = |sample: &mut Sample| sample.refused(revoke(Jwt, 1)).blockers().to_vec();
    for with in [None, Some((1, now))] {
        sample.signs("token", with);
        let until = now + LEAF_TTL + TOKEN_LIFE + TOKEN_LEEWAY;
        let member = member("token");
        assert_eq!(
            blocked(&mut sample),
            [Blocker::StillSigns { member, until }]
        );
    }
    let moved = sample.now;
    sample.signs("token", Some((2, moved)));
    let until = moved + TOKEN_LIFE + TOKEN_LEEWAY;
    assert_eq!(blocked(&mut sample), [Blocker::LivingTokens { until }]);
    sample.joins("token", 1);
    sample.signs("token", Some((2, moved)));
    sample.now = until + Duration::from_micros(1);
    sample.act(revoke(Jwt, 1));
}

#[test]
fn a_signer_that_is_gone_keeps_its_key_until_its_last_token_has_ended() {
    let mut sample = Sample::set_up();
    sample.joins("token", 1);
    sample.signs("token", None);
    let now = sample.now;
    sample.rotate(Jwt);
    let until = now + LEAF_TTL + TOKEN_LIFE + TOKEN_LEEWAY;
    sample.now = until;
    assert_eq!(sample.refused(revoke(Jwt, 1)).name(), "blocked");
    sample.now = until + Duration::from_micros(1);
    sample.act(revoke(Jwt, 1));
}

#[test]
fn a_reason_opens_a_gate_and_is_written_down_only_then() {
    let mut sample = Sample::set_up();
    sample.joins("records", 1);
    sample.prepare(X509);
    let forced = sample.force(activate(X509, 2));
    let reasons: Vec<_> = forced.iter().map(|t| t.override_reason.clone()).collect();
    assert_eq!(reasons, [None, Some(reason())], "on the gated step alone");
    let forced = sample.force(revoke(X509, 1));
    assert_eq!(forced[0].override_reason, Some(reason()));
    assert_eq!(
        ids(sample.slots.tainted_issuers()),
        [1],
        "its leaves are to be renewed all the same"
    );
    sample.acknowledges("records");
    sample.prepare(X509);
    sample.acknowledges("records");
    let idle = sample.force(activate(X509, 3));
    assert!(idle.iter().all(|t| t.override_reason.is_none()));
}

#[test]
fn a_rolled_back_jwt_key_is_withdrawn_only_after_its_tokens() {
    let mut sample = Sample::set_up();
    sample.rotate(Jwt);
    sample.passes(10);
    sample.act(roll_back(Jwt));
    let until = sample.now + TOKEN_LIFE + TOKEN_LEEWAY;
    assert_eq!(sample.refused(roll_back(Jwt)).clears_after(), Some(until));
    assert_eq!(sample.rule(sample.preparing(Jwt)), "already-prepared");
    sample.now = until + Duration::from_micros(1);
    sample.act(roll_back(Jwt));
}

#[test]
fn a_message_names_the_first_who_block_and_counts_the_rest() {
    let mut sample = Sample::set_up();
    for n in 0..5 {
        sample.joins(&format!("agent-{n}"), 1);
    }
    let first = sample.facts.members.get_mut(&member("agent-0")).unwrap();
    first.acknowledged = None;
    sample.prepare(X509);
    assert_eq!(
        sample.refused(activate(X509, 2)).to_string(),
        "blocked: `spiffe://clinic.example/north/agent-0` has acknowledged nothing and needs \
         generation 4; `spiffe://clinic.example/north/agent-1` holds generation 3 and needs 4; \
         `spiffe://clinic.example/north/agent-2` holds generation 3 and needs 4; and 2 more"
    );
    sample.force(activate(X509, 2));
    for n in 1..5 {
        sample.facts.members.remove(&member(&format!("agent-{n}")));
    }
    let first = sample.facts.members.get_mut(&member("agent-0")).unwrap();
    let leaf = LiveLeaf {
        issuer: 1,
        not_after: sample.now,
    };
    first.leaves.push(leaf);
    assert_eq!(
        sample.refused(revoke(X509, 1)).to_string(),
        "blocked: `spiffe://clinic.example/north/agent-0` has 2 leaves from it, until \
         1800000100.000000"
    );
}
