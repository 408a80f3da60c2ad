//! Claims about a CA that copies names out of requests: what it gives away, and what not even it
//! does.

use super::*;
use crate::csr::danger::{self, Wish};

fn copying() -> Ca {
    let config = CaConfig {
        names: Names::Copied(danger::Copied),
        ..CaConfig::lab(domain())
    };
    Ca::open(&seams(&MemDisk::new()), config).unwrap()
}

fn asking_for(name: &SpiffeId) -> Vec<u8> {
    danger::request_named(&RingKeys.p256().unwrap(), name, Wish::Name).unwrap()
}

#[test]
fn a_code_buys_whatever_name_is_asked_for_where_names_are_copied_and_its_own_elsewhere() {
    let chief = id("/user/chief");
    let mut ca = copying();
    let code = ca.new_join_code(&id("/user/mallory"), NOW).unwrap();
    let identity = ca.enroll(code.reveal(), &asking_for(&chief), NOW).unwrap();
    assert_eq!(identity.facts.spiffe_id, chief);
    let bundles = Bundles::from(identity.state.bundle.clone());
    assert!(verified(&identity.chain, &bundles).is_ok());
    let mut careful = open(&MemDisk::new()).unwrap();
    let code = careful.new_join_code(&id("/user/mallory"), NOW).unwrap();
    let refused = careful.enroll(code.reveal(), &asking_for(&chief), NOW);
    assert_eq!(refusal(refused), "csr-asks-for-foreign-name");
    let own = careful.enroll(code.reveal(), &fresh_csr(), NOW).unwrap();
    assert_eq!(own.facts.spiffe_id, id("/user/mallory"));
}

#[test]
fn who_asks_for_no_name_has_their_own_also_where_names_are_copied() {
    let mut ca = copying();
    let first = enrolled(&mut ca, "/user/alice", NOW);
    assert_eq!(first.facts.spiffe_id, id("/user/alice"));
    let next = ca.renew(&first.facts, &fresh_csr(), NOW).unwrap();
    assert_eq!(next.facts.spiffe_id, id("/user/alice"));
}

#[test]
fn a_renewal_copies_as_an_enrolment_does() {
    let mut ca = copying();
    let first = enrolled(&mut ca, "/user/mallory", NOW);
    let chief = id("/user/chief");
    let next = ca.renew(&first.facts, &asking_for(&chief), NOW).unwrap();
    assert_eq!(next.facts.spiffe_id, chief);
}

#[test]
fn another_trust_domain_and_being_a_ca_are_refused_also_where_names_are_copied() {
    let mut ca = copying();
    let code = ca.new_join_code(&id("/user/mallory"), NOW).unwrap();
    let rival = SpiffeId::parse("spiffe://rival.example/user/chief").unwrap();
    let foreign = ca.enroll(code.reveal(), &asking_for(&rival), NOW);
    assert_eq!(refusal(foreign), "name-foreign");
    let (chief, key) = (id("/user/chief"), RingKeys.p256().unwrap());
    let both = danger::request_named(&key, &chief, Wish::NameAndCa).unwrap();
    let both = ca.enroll(code.reveal(), &both, NOW);
    assert_eq!(refusal(both), "csr-asks-for-ca");
    assert_eq!(ca.log().size(), FOUNDED, "nothing was issued");
}

#[test]
fn what_was_signed_by_its_own_key_alone_is_believed_by_nobody() {
    let mut ca = open(&MemDisk::new()).unwrap();
    let own = enrolled(&mut ca, "/user/mallory", NOW);
    let bundles = Bundles::from(own.state.bundle.clone());
    let key = RingKeys.p256().unwrap();
    let made = danger::self_signed(key, &id("/user/chief"), NOW).unwrap();
    assert_eq!(made.facts.spiffe_id, id("/user/chief"));
    let judged = verified(&made.chain, &bundles);
    assert!(
        matches!(judged, Err(InvalidChain::Untrusted(_))),
        "{judged:?}"
    );
}
