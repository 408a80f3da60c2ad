//! Claims about whose leaves and names the way back is for.

use super::*;
use crate::rotation::{Act, AuthorityKind, Command, Reason};

/// Takes the issuer, or the root, so far.
fn take(ca: &mut Ca, acts: &[Act], now: Time) {
    for act in acts {
        let reason = Reason::new("nobody is waited for").unwrap();
        let command = Command::from(act.clone()).overriding(reason);
        ca.command(&command, now).unwrap();
    }
}

#[test]
fn the_authority_of_the_last_leaf_may_be_retired_and_no_less() {
    let (kind, id) = (AuthorityKind::X509, 1);
    let acts = [Act::Taint { kind, id }, Act::Revoke { kind, id }];
    for (more, answer) in [
        (&acts[..0], Ok(())),
        (&acts[..1], Err("way-back-authority")),
        (&acts[..], Err("way-back-authority")),
    ] {
        let mut ca = open(&MemDisk::new(), NOW);
        let member = Member::joins(&mut ca, "/records", NOW);
        let prepare = ca.prepare_act(kind, NOW);
        take(&mut ca, &[prepare, Act::Activate { kind, id: None }], NOW);
        take(&mut ca, more, NOW);
        let returned = member.returns(&mut ca, &fresh(), member.over());
        let returned = returned.map(drop);
        assert_eq!(returned.map_err(|error| refused::<()>(Err(error))), answer);
    }
}

#[test]
fn neither_the_ca_nor_a_process_that_the_kernel_vouches_for_comes_back_by_a_key() {
    let mut ca = open_as(&MemDisk::new(), NOW, config(Confirm::AtOnce));
    let own = Member::joins(&mut ca, crate::node::PATH, NOW);
    let (key, identity) = ca.deliver(&id("/process"), NOW).unwrap();
    for member in [own, Member { key, identity }] {
        let now = member.over();
        assert_eq!(
            refused(member.returns(&mut ca, &fresh(), now)),
            "way-back-otherwise"
        );
    }
}

#[test]
fn nobody_is_invited_under_a_name_apart() {
    let mut ca = open(&MemDisk::new(), NOW);
    for path in ["/quarantine", "/quarantine/records"] {
        let invited = ca.new_join_code(&id(path), NOW).map(drop);
        assert_eq!(refused(invited), "name-apart");
        assert_eq!(refused(ca.deliver(&id(path), NOW).map(drop)), "name-apart");
    }
    assert!(ca.new_join_code(&id("/quarantined"), NOW).is_ok());
}

#[test]
fn a_leaf_that_was_swept_out_of_memory_is_still_proof_inside_the_grace() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let given_up = Member::joins(&mut ca, "/gateway", NOW);
    let now = given_up.over();
    let mut crowd = Member::joins(&mut ca, "/crowd", now);
    while ca.issuances.leaf(&member.facts().leaf_sha256).is_some() {
        crowd = crowd.renews(&mut ca, now).unwrap();
    }
    let reason = RevocationReason::KeyCompromise;
    ca.revoke_workload(&id("/gateway"), reason, now).unwrap();
    assert_eq!(
        refused(given_up.returns(&mut ca, &fresh(), now)),
        "way-back-revoked"
    );
    assert!(member.returns(&mut ca, &fresh(), now).is_ok());
}

/// Whoever has a stolen key could otherwise hold a rotation up that is to make it worthless.
#[test]
fn who_stands_apart_holds_no_rotation_up() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let now = member.over();
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    assert!(way_back::is_apart(&apart.facts().spiffe_id));
    let kind = AuthorityKind::X509;
    let prepare = ca.prepare_act(kind, now);
    for act in [prepare, Act::Activate { kind, id: None }] {
        ca.command(&Command::from(act), now).unwrap();
    }
    assert_eq!(ca.status(now).members, 0);
}
