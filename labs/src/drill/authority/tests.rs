//! What the drill's authority signs is what was wished, also by what others make of it.

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;

use super::*;
use crate::drill::clock;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> OffsetDateTime {
    clock::date()
}

fn caller() -> LeafWish {
    let wish = LeafWish::new(Role::Caller, Life::from_now(now(), HOUR));
    wish.uri("spiffe://shop.example/cart").host("cart.shop")
}

/// What a strict reader says of a chain, given the roots and lists it has.
fn judged(
    roots: &[&Root],
    lists: &[&Crl],
    chain: &[CertificateDer<'static>],
) -> Result<(), String> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.certificate().clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(store), provider);
    if !lists.is_empty() {
        builder = builder.with_crls(lists.iter().map(|list| list.der.clone().into()));
        builder = builder.enforce_revocation_expiration();
    }
    let moment = UnixTime::since_unix_epoch(Duration::from_secs(
        u64::try_from(now().unix_timestamp()).unwrap(),
    ));
    let verifier = builder.build().unwrap();
    let said = verifier.verify_client_cert(&chain[0], &chain[1..], moment);
    said.map(|_| ()).map_err(|error| format!("{error:?}"))
}

fn house() -> (Authority, Root, Issuer) {
    let authority = Authority::new(now());
    let root = authority.new_root("root one").unwrap();
    let issuer = root.issuer("issuer one").unwrap();
    (authority, root, issuer)
}

#[test]
fn a_good_caller_passes_and_a_strangers_does_not() {
    let (authority, root, issuer) = house();
    let leaf = issuer.leaf(&caller()).unwrap();
    assert_eq!(leaf.chain_der.len(), 2, "the root is not in the chain");
    assert_eq!(judged(&[&root], &[], &leaf.chain_der), Ok(()));
    let other = authority.new_root("root two").unwrap();
    let said = judged(&[&other], &[], &leaf.chain_der).unwrap_err();
    assert!(said.contains("UnknownIssuer"), "{said}");
    let direct = root.as_issuer().leaf(&caller()).unwrap();
    assert_eq!(direct.chain_der.len(), 1);
    assert_eq!(judged(&[&root], &[], &direct.chain_der), Ok(()));
}

#[test]
fn each_odd_certificate_is_odd_in_its_own_way() {
    let (_, root, issuer) = house();
    let refused = |wish: LeafWish, why: &str| {
        let leaf = issuer.leaf(&wish).unwrap();
        let said = judged(&[&root], &[], &leaf.chain_der).unwrap_err();
        assert!(said.contains(why), "{why}: {said}");
    };
    let mut wish = caller();
    wish.life = Life::over_for(now(), HOUR);
    refused(wish, "Expired");
    let mut wish = caller();
    wish.life = Life::begins_in(now(), HOUR);
    refused(wish, "NotValidYet");
    let mut wish = caller();
    wish.role = Role::Server;
    refused(wish, "InvalidPurpose");
    let mut wish = caller();
    wish.says_ca = true;
    refused(wish, "CaUsedAsEndEntity");
    let mut wish = caller();
    wish.unknown_critical = true;
    refused(wish, "UnsupportedCriticalExtension");
}

#[test]
fn who_may_not_sign_and_who_may_not_call_are_found_out() {
    let (authority, root, issuer) = house();
    let leaf = issuer.leaf(&caller()).unwrap();
    let signed = Issuer::of_leaf(&leaf).leaf(&caller()).unwrap();
    assert_eq!(signed.chain_der.len(), 3);
    let said = judged(&[&root], &[], &signed.chain_der).unwrap_err();
    assert!(said.contains("EndEntityUsedAsCa"), "{said}");
    let wish = IssuerWish {
        name: "an issuer that calls".to_owned(),
        life: authority.life(),
        uris: vec!["spiffe://shop.example/cart".to_owned()],
        dns: vec![],
    };
    let calls = root.issuer_as(&wish).unwrap().as_leaf();
    let said = judged(&[&root], &[], &calls.chain_der).unwrap_err();
    assert!(said.contains("CaUsedAsEndEntity"), "{said}");
    // Its key is the one of its certificate: a handshake would get that far.
    let provider = rustls::crypto::ring::default_provider();
    let key =
        rustls::sign::CertifiedKey::from_der(calls.chain_der.clone(), calls.key_der(), &provider);
    assert!(key.is_ok(), "{key:?}");
}

#[test]
fn lists_revoke_expire_and_go_back() {
    let (_, root, issuer) = house();
    let leaf = issuer.leaf(&caller()).unwrap();
    let list = |number, life, revoked: &[&Leaf]| {
        let revoked = revoked.iter().map(|leaf| leaf.serial.clone()).collect();
        let wish = CrlWish {
            number,
            life,
            revoked,
        };
        issuer.crl(&wish).unwrap()
    };
    let wish = CrlWish {
        number: 1,
        life: Life::from_now(now(), HOUR),
        revoked: vec![],
    };
    let roots_own = root.crl(&wish).unwrap();
    let empty = list(1, Life::from_now(now(), HOUR), &[]);
    let full = list(2, Life::from_now(now(), HOUR), &[&leaf]);
    let late = list(3, Life::over_for(now(), HOUR), &[]);
    let say = |list: &Crl| judged(&[&root], &[list, &roots_own], &leaf.chain_der);
    assert_eq!(say(&empty), Ok(()));
    assert!(say(&full).unwrap_err().contains("Revoked"));
    assert!(say(&late).unwrap_err().contains("ExpiredRevocationList"));
    assert!(empty.number < full.number && empty.this_update <= full.next_update);
    let life = Life::new(now(), now());
    let wish = CrlWish {
        number: 1,
        life,
        revoked: vec![],
    };
    assert!(matches!(issuer.crl(&wish), Err(AuthorityError::Wish(_))));
}

#[test]
fn two_roots_of_one_name_are_two() {
    let authority = Authority::new(now());
    let (one, two) = (
        authority.new_root("twin").unwrap(),
        authority.new_root("twin").unwrap(),
    );
    let leaf = two.issuer("below").unwrap().leaf(&caller()).unwrap();
    assert_eq!(judged(&[&one, &two], &[], &leaf.chain_der), Ok(()));
    assert!(judged(&[&one], &[], &leaf.chain_der).is_err());
    let over = authority
        .root_living("old", Life::over_for(now(), HOUR))
        .unwrap();
    assert_eq!(judged(&[&over, &two], &[], &leaf.chain_der), Ok(()));
}

#[test]
fn a_renewal_has_the_same_key_if_asked_and_never_the_same_serial() {
    let (_, _, issuer) = house();
    let first = issuer.leaf(&caller()).unwrap();
    let mut wish = caller();
    wish.same_key_as = Some(first.key.clone());
    let second = issuer.leaf(&wish).unwrap();
    let third = issuer.leaf(&caller()).unwrap();
    assert_eq!(first.key.public(), second.key.public());
    assert_ne!(first.key.public(), third.key.public());
    assert_ne!(first.serial, second.serial);
    assert_ne!(first.sha256(), second.sha256());
    assert_eq!(first.serial.len(), SERIAL);
    assert_eq!(first.not_after, second.not_after, "dates are whole seconds");
}

#[test]
fn a_name_that_no_certificate_can_hold_is_refused_by_name() {
    let (_, _, issuer) = house();
    let said = issuer
        .leaf(&caller().host("käse.shop"))
        .unwrap_err()
        .to_string();
    assert!(said.contains("`käse.shop`"), "{said}");
    let leaf = issuer.leaf(&caller().host("127.0.0.1").host("[::1]"));
    assert!(leaf.is_ok(), "{leaf:?}");
}
