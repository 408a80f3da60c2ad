//! Claims about names apart and challenges. The decision is tried at a whole CA, in
//! `recover_tests.rs`.

use super::*;

const NOW: Time = Time::from_secs(1_800_000_000);

fn id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://clinic.example{path}")).unwrap()
}

#[test]
fn a_name_apart_leads_back_to_its_own_and_no_other_does() {
    let own = id("/user/alice");
    let there = apart(&own).unwrap();
    assert_eq!(there, id("/quarantine/user/alice"));
    assert!(is_apart(&there) && whose(&there) == own);
    for other in ["/quarantined", "/user/quarantine", "/a/quarantine/b"] {
        assert!(!is_apart(&id(other)), "{other}");
        assert_eq!(whose(&id(other)), id(other));
    }
    let long = id(&format!("/{}", "p".repeat(2_020)));
    assert!(apart(&long).is_err(), "there is no room for it");
}

#[test]
fn a_challenge_is_for_one_leaf_of_one_ca_and_for_half_a_minute() {
    let (nonces, others) = (Nonces::new().unwrap(), Nonces::new().unwrap());
    let nonce = nonces.give(&[7; 32], NOW);
    let tick = Duration::from_micros(1);
    assert!(nonces.gave(&nonce, &[7; 32], NOW));
    assert!(nonces.gave(&nonce, &[7; 32], NOW + NONCE_LIFE));
    assert!(!nonces.gave(&nonce, &[7; 32], NOW + NONCE_LIFE + tick));
    assert!(!nonces.gave(&nonce, &[7; 32], NOW - tick), "set back");
    assert!(!nonces.gave(&nonce, &[8; 32], NOW));
    assert!(!others.gave(&nonce, &[7; 32], NOW));
    for place in 0..nonce.len() {
        let mut forged = nonce.clone();
        forged[place] ^= 1;
        assert!(!nonces.gave(&forged, &[7; 32], NOW), "byte {place}");
    }
}
