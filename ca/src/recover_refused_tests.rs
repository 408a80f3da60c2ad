//! Claims about returns that are refused, by whatever was revoked, taken or switched off since.

use super::*;

const REASON: RevocationReason = RevocationReason::KeyCompromise;

fn revoke(ca: &mut Ca, member: &Member, now: Time) {
    let serial = member.facts().serial_hex();
    ca.revoke_leaf(&serial, REASON, now).unwrap();
}

#[test]
fn revoked_leaves_and_refused_returns_come_back_no_more() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let given_up = Member::joins(&mut ca, "/gateway", NOW);
    let now = given_up.over();
    // Its end does not keep it from being revoked.
    ca.revoke_leaf(&given_up.facts().serial_hex(), REASON, now)
        .unwrap();
    assert_eq!(
        refused(given_up.returns(&mut ca, &fresh(), now)),
        "way-back-revoked"
    );
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    let next = apart.renews(&mut ca, now).unwrap();
    ca.revoke_leaf(&apart.facts().serial_hex(), REASON, now)
        .unwrap();
    assert!(ca.waiting(now).is_empty());
    assert!(ca.confirm(&id("/records"), None, now).is_err());
    assert_eq!(refused(next.renews(&mut ca, now)), "leaf-revoked");
    let later = next.over();
    assert_eq!(
        refused(next.returns(&mut ca, &fresh(), later)),
        "way-back-revoked"
    );
    assert_eq!(
        refused(member.returns(&mut ca, &fresh(), later)),
        "way-back-serial-used"
    );
}

#[test]
fn a_refused_return_comes_back_no_more_for_its_own_key_either() {
    for confirm in [Confirm::ByHand, Confirm::AtOnce] {
        let mut ca = open_as(&MemDisk::new(), NOW, config(confirm));
        let member = Member::joins(&mut ca, "/records", NOW);
        let key = fresh();
        let back = member.returns(&mut ca, &key, member.over()).unwrap();
        revoke(&mut ca, &back, member.over());
        let later = back.over();
        let again = member.returns(&mut ca, &key, later);
        assert_eq!(refused(again), "way-back-serial-used");
    }
}

#[test]
fn to_revoke_the_leaf_that_was_shown_reaches_who_stands_apart_for_it() {
    for confirmed in [false, true] {
        let mut ca = open(&MemDisk::new(), NOW);
        let member = Member::joins(&mut ca, "/records", NOW);
        let now = member.over();
        let apart = member.returns(&mut ca, &fresh(), now).unwrap();
        if confirmed {
            ca.confirm(&id("/records"), None, now).unwrap();
        }
        revoke(&mut ca, &member, now);
        assert!(ca.waiting(now).is_empty());
        assert!(ca.confirm(&id("/records"), None, now).is_err());
        assert_eq!(refused(apart.renews(&mut ca, now)), "leaf-revoked");
    }
}

#[test]
fn nobody_is_confirmed_into_a_name_that_somebody_has_got_meanwhile() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let now = member.over();
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    let other = Member::joins(&mut ca, "/records", now);
    assert!(ca.waiting(now).is_empty());
    assert!(ca.confirm(&id("/records"), None, now).is_err());
    assert_eq!(
        refused(apart.renews(&mut ca, now)),
        "way-back-identity-alive"
    );
    // Also when its first leaf is over, and it goes on with another.
    let later = other.facts().not_after - SECOND;
    other.renews(&mut ca, later).unwrap();
    let own = member.returns(&mut ca, &fresh(), other.over());
    assert!(own.is_err());
    assert!(ca.confirm(&id("/records"), None, other.over()).is_err());
}

#[test]
fn who_is_confirmed_waits_for_whoever_has_joined_by_that_name() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let now = member.over();
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    ca.confirm(&id("/records"), None, now).unwrap();
    Member::joins(&mut ca, "/records", now);
    assert_eq!(
        refused(apart.renews(&mut ca, now)),
        "way-back-identity-alive"
    );
}

#[test]
fn where_there_is_no_way_back_any_more_nobody_stands_apart() {
    let disk = MemDisk::new();
    let mut ca = open(&disk, NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let now = member.over();
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    drop(ca);
    let mut off = config(Confirm::ByHand);
    off.returns.grace = Duration::ZERO;
    let mut ca = open_as(&disk, now, off);
    assert!(ca.waiting(now).is_empty());
    assert!(ca.confirm(&id("/records"), None, now).is_err());
    assert_eq!(refused(apart.renews(&mut ca, now)), "way-back-off");
}
