//! Claims about other trust domains: who is verified by what, what is refused, and when it ends.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

use super::*;
use crate::authority::{Issuer, Root};
use crate::bundle::Bundles;
use crate::chain::{InvalidChain, verify_chain};
use crate::clock::ManualClock;
use crate::csr;
use crate::disk::MemDisk;
use crate::identity::SpiffeId;
use crate::issue::{Ca, CaConfig};
use crate::keys::{Keys as _, RingKeys};
use crate::profile::Validity;
use crate::revocation::Revocation;
use crate::seams::Seams;
use crate::trusted::{InvalidState, Trusted};

const NOW: Time = Time::from_secs(1_800_000_000);
const MINUTE: Duration = Duration::from_secs(60);

fn domain(name: &str) -> TrustDomain {
    TrustDomain::new(name).unwrap()
}

pub(super) fn other() -> TrustDomain {
    domain("other.example")
}

fn open(disk: &MemDisk) -> Ca {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(NOW)),
        disk: Arc::new(disk.clone()),
        ..Seams::real("never-written")
    };
    Ca::open(&seams, CaConfig::lab(domain("clinic.example"))).unwrap()
}

/// A root and its issuer, for names of that domain.
fn authority(name: &str) -> (Root, Issuer) {
    let validity = Validity::lasting(NOW - MINUTE, MINUTE * 1000);
    let root = Root::create(&RingKeys, &domain(name), 1, validity).unwrap();
    let issuer = root.sign_issuer(&RingKeys, 1, validity).unwrap();
    (root, issuer)
}

fn leaf(issuer: &Issuer, id: &str) -> Vec<CertificateDer<'static>> {
    let request = csr::request(&RingKeys.p256().unwrap()).unwrap();
    let validity = Validity::lasting(NOW, MINUTE * 100);
    let id = SpiffeId::parse(id).unwrap();
    issuer.issue(&request, &id, validity, NOW).unwrap().chain
}

fn document(sequence: u64, roots: &[&Root]) -> Document {
    Document {
        sequence,
        refresh_hint: Some(MINUTE),
        roots: roots.iter().map(|it| it.certificate().clone()).collect(),
        token_keys: Vec::new(),
    }
}

pub(super) fn endpoint() -> Endpoint {
    Endpoint {
        url: "https://127.0.0.1:1/bundle".parse().unwrap(),
        profile: Profile::HttpsSpiffe {
            id: SpiffeId::new(&other(), "/ca").unwrap(),
        },
    }
}

fn fetching() -> Relation {
    Relation {
        endpoint: Some(endpoint()),
        max_age: None,
    }
}

/// What a member believes that believed `before` and has now heard from the CA.
fn heard(before: &Trusted, ca: &Ca) -> Result<Trusted, InvalidState> {
    let state = proto::ca::v1::State::from(&**ca.announced().borrow());
    let taken = before.take(state, &domain("clinic.example"))?;
    Ok(taken.unwrap_or_else(|| before.clone()))
}

fn member(ca: &Ca) -> Trusted {
    heard(&Trusted::of(ca.bundle()), ca).unwrap()
}

fn judged(chain: &[CertificateDer<'_>], bundles: &Bundles) -> Result<(), InvalidChain> {
    let lists = Revocation::ignore();
    verify_chain(chain, bundles, &lists, NOW, Duration::ZERO).map(|_| ())
}

#[track_caller]
fn refused(result: Result<&Federated, CaError>) -> FederationRefused {
    match result {
        Err(CaError::Federation(refused)) => refused,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_peer_of_another_domain_is_verified_by_its_own_domains_roots_alone() {
    let mut ca = open(&MemDisk::new());
    let (root, issuer) = authority("other.example");
    let theirs = leaf(&issuer, "spiffe://other.example/records");
    let before = member(&ca);
    let unknown = judged(&theirs, &before.bundles);
    assert_eq!(unknown, Err(InvalidChain::TrustDomainUnknown(other())));
    let relation = Relation::default();
    let given = document(3, &[&root]);
    ca.federate(&other(), given, relation, NOW).unwrap();
    let after = heard(&before, &ca).unwrap();
    assert_eq!(judged(&theirs, &after.bundles), Ok(()));
    assert_eq!(after.bundles.iter().count(), 2);
    // Another root of that domain, which nobody published.
    let (_, issuer) = authority("other.example");
    let stranger = leaf(&issuer, "spiffe://other.example/records");
    let untrusted = judged(&stranger, &after.bundles);
    assert!(matches!(untrusted, Err(InvalidChain::Untrusted(_))));
    // Our own people are verified as before, and not by their roots.
    let key = RingKeys.p256().unwrap();
    let id = SpiffeId::parse("spiffe://clinic.example/user/alice").unwrap();
    let code = ca.new_join_code(&id, NOW).unwrap();
    let request = csr::request(&key).unwrap();
    let ours = ca.enroll(code.reveal(), &request, NOW).unwrap().chain;
    assert_eq!(judged(&ours, &after.bundles), Ok(()));
}

#[test]
fn a_federated_ca_cannot_vouch_for_names_of_ours_nor_of_a_third_domain() {
    let mut ca = open(&MemDisk::new());
    // All of these are in the bundle of `other.example`, whatever they call themselves.
    let names = ["other.example", "clinic.example", "third.example"];
    let theirs = names.map(authority);
    let relation = Relation::default();
    let roots: Vec<&Root> = theirs.iter().map(|(root, _)| root).collect();
    let given = document(1, &roots);
    ca.federate(&other(), given, relation.clone(), NOW).unwrap();
    let (third, _) = authority("third.example");
    let given = document(1, &[&third]);
    ca.federate(&domain("third.example"), given, relation, NOW)
        .unwrap();
    let bundles = member(&ca).bundles;
    let [own, ours, thirds] = names.map(|name| format!("spiffe://{name}/ca"));
    assert_eq!(judged(&leaf(&theirs[0].1, &own), &bundles), Ok(()));
    for (id, (_, forger)) in [ours, thirds].iter().zip(&theirs[1..]) {
        let forged = judged(&leaf(forger, id), &bundles);
        assert!(matches!(forged, Err(InvalidChain::Untrusted(_))), "{id}");
    }
}

#[test]
fn the_ca_itself_never_takes_a_bundle_of_its_own_domain_from_elsewhere() {
    let mut ca = open(&MemDisk::new());
    let (root, _) = authority("clinic.example");
    let own = domain("clinic.example");
    let given = ca.federate(&own, document(9, &[&root]), Relation::default(), NOW);
    assert_eq!(refused(given), FederationRefused::OwnDomain(own.clone()));
    // Nor does a member, whatever its CA says.
    let held = member(&ca);
    let mut state = proto::ca::v1::State::from(&**ca.announced().borrow());
    state.federated = state.bundle.iter().cloned().collect();
    assert!(held.take(state.clone(), &own).is_err());
    let theirs = proto::ca::v1::Bundle {
        trust_domain: "other.example".to_owned(),
        ..Default::default()
    };
    state.federated = vec![theirs.clone(), theirs.clone()];
    assert!(held.take(state.clone(), &own).is_err(), "twice one domain");
    state.federated = vec![theirs; MAX_FEDERATED + 1];
    assert!(held.take(state, &own).is_err());
}

#[test]
fn an_older_bundle_and_a_second_one_of_one_sequence_are_refused_and_what_is_held_stays() {
    let mut ca = open(&MemDisk::new());
    let [(one, _), (two, _)] = [authority("other.example"), authority("other.example")];
    let give = |ca: &mut Ca, sequence, roots: &[&Root]| {
        let given = document(sequence, roots);
        ca.federate(&other(), given, fetching(), NOW)
            .map(|it| it.generation)
    };
    assert_eq!(give(&mut ca, 5, &[&one]).unwrap(), 5);
    let held = ca.announced().borrow().federated.clone();
    for (sequence, roots) in [(4, [&one]), (4, [&two]), (5, [&two])] {
        let given = document(sequence, &roots);
        let by_hand = ca.federate(&other(), given.clone(), fetching(), NOW);
        let refused = refused(by_hand).to_string();
        assert!(refused.contains("rolled back") || refused.contains("two contents"));
        let errand = ca.errands().swap_remove(0);
        assert!(ca.fetched(&errand, Ok(given), NOW));
        assert_eq!(ca.announced().borrow().federated, held);
        let failure = ca.federated().next().unwrap().failure.clone();
        assert_eq!(failure.as_ref(), Some(&refused));
    }
    assert_eq!(give(&mut ca, 5, &[&one]).unwrap(), 5);
    assert_eq!(give(&mut ca, 6, &[&two, &one]).unwrap(), 6);
}

#[test]
fn a_withdrawn_domain_verifies_nobody_and_may_start_over_without_a_member_falling_back() {
    let mut ca = open(&MemDisk::new());
    let (root, issuer) = authority("other.example");
    let (anew, founded) = authority("other.example");
    let chain = leaf(&issuer, "spiffe://other.example/records");
    let give = |ca: &mut Ca, given| {
        let taken = ca.federate(&other(), given, fetching(), NOW);
        taken.map(drop).unwrap();
    };
    give(&mut ca, document(7, &[&root]));
    let before = member(&ca);
    assert_eq!(judged(&chain, &before.bundles), Ok(()));
    let errand = ca.errands().swap_remove(0);
    ca.withdraw(&other(), NOW).unwrap();
    let after = heard(&before, &ca).unwrap();
    let unknown = judged(&chain, &after.bundles);
    assert_eq!(unknown, Err(InvalidChain::TrustDomainUnknown(other())));
    let again = ca.withdraw(&other(), NOW).unwrap_err();
    assert_eq!(again.to_string(), "`other.example` is not federated");
    // It was founded anew meanwhile, and counts from one.
    give(&mut ca, document(1, &[&anew]));
    // One member heard of the withdrawal, and one did not.
    for held in [&before, &after] {
        let held = heard(held, &ca).unwrap();
        assert!(judged(&chain, &held.bundles).is_err());
        let theirs = leaf(&founded, "spiffe://other.example/records");
        assert_eq!(judged(&theirs, &held.bundles), Ok(()));
    }
    // A look that was set out on before, and came back late, says nothing.
    assert!(!ca.fetched(&errand, Ok(document(8, &[&root])), NOW));
    assert!(judged(&chain, &member(&ca).bundles).is_err());
}

#[test]
fn a_bundle_past_its_age_verifies_nobody_until_it_is_fetched_again() {
    let disk = MemDisk::new();
    let mut ca = open(&disk);
    let (root, issuer) = authority("other.example");
    let chain = leaf(&issuer, "spiffe://other.example/records");
    let given = document(2, &[&root]);
    ca.federate(&other(), given.clone(), fetching(), NOW)
        .unwrap();
    let before = member(&ca);
    let end = NOW + MINUTE * USUAL_AGE;
    assert!(ca.tend(end).unwrap() <= end, "it looks again in time");
    assert!(ca.counts(&other()));
    ca.tend(end + Duration::from_secs(1)).unwrap();
    let after = heard(&before, &ca).unwrap();
    let unknown = judged(&chain, &after.bundles);
    assert_eq!(unknown, Err(InvalidChain::TrustDomainUnknown(other())));
    // Its endpoint is known by it still, and so it can become young again.
    let errand = ca.errands().swap_remove(0);
    assert_eq!(errand.anchors.as_ref().map(|it| it.roots.len()), Some(1));
    ca.fetched(&errand, Ok(given.clone()), end + MINUTE);
    assert_eq!(judged(&chain, &heard(&after, &ca).unwrap().bundles), Ok(()));
    // A clock that was set back as far makes the age unknown.
    ca.tend(NOW - MINUTE).unwrap();
    assert!(!ca.counts(&other()));
    // Without an endpoint it is as old as it is, unless somebody says otherwise.
    ca.withdraw(&other(), NOW).unwrap();
    let by_hand = Relation::default();
    ca.federate(&other(), given.clone(), by_hand, NOW).unwrap();
    ca.tend(NOW + MINUTE * 500).unwrap();
    assert!(ca.counts(&other()));
    let bounded = Relation {
        endpoint: None,
        max_age: Some(MINUTE),
    };
    ca.federate(&other(), given, bounded, NOW).unwrap();
    ca.tend(NOW + MINUTE * 2).unwrap();
    assert!(!ca.counts(&other()));
}

#[test]
fn an_empty_bundle_distrusts_its_domain() {
    let mut ca = open(&MemDisk::new());
    let (_, issuer) = authority("other.example");
    let nothing = document(1, &[]);
    ca.federate(&other(), nothing, Relation::default(), NOW)
        .unwrap();
    let chain = leaf(&issuer, "spiffe://other.example/records");
    let distrusted = judged(&chain, &member(&ca).bundles);
    assert_eq!(distrusted, Err(InvalidChain::Distrusted(other())));
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let mut ca = open(&MemDisk::new());
    let (root, _) = authority("other.example");
    let given = || document(1, &[&root]);
    let by = |name: &str| Relation {
        endpoint: Some(Endpoint {
            profile: Profile::HttpsSpiffe {
                id: SpiffeId::new(&domain(name), "/ca").unwrap(),
            },
            ..endpoint()
        }),
        max_age: None,
    };
    let taken = ca.federate(&other(), given(), by("third.example"), NOW);
    let third = domain("third.example");
    assert_eq!(refused(taken), FederationRefused::EndpointUnknown(third));
    // Its server may be one of ours.
    ca.federate(&other(), given(), by("clinic.example"), NOW)
        .unwrap();
    let anchors = ca.errands().swap_remove(0).anchors;
    assert_eq!(anchors, Some(ca.bundle()));
    let brief = Relation {
        endpoint: None,
        max_age: Some(MINUTE),
    };
    let taken = ca.federate(&other(), given(), brief, NOW);
    assert!(matches!(
        refused(taken),
        FederationRefused::TooSoonOver { .. }
    ));
    for at in 1..MAX_FEDERATED {
        let domain = domain(&format!("d{at}.example"));
        ca.federate(&domain, given(), Relation::default(), NOW)
            .unwrap();
    }
    let more = ca.federate(&domain("more.example"), given(), Relation::default(), NOW);
    assert_eq!(refused(more), FederationRefused::TooMany);
    ca.federate(&other(), given(), Relation::default(), NOW)
        .unwrap();
}

#[test]
fn what_was_federated_and_what_was_withdrawn_is_so_after_a_power_cut() {
    let disk = MemDisk::new();
    let mut ca = open(&disk);
    let (root, _) = authority("other.example");
    let (gone, keeps) = (domain("gone.example"), document(4, &[&root]));
    ca.federate(&other(), keeps.clone(), fetching(), NOW)
        .unwrap();
    ca.federate(&gone, keeps, Relation::default(), NOW).unwrap();
    ca.withdraw(&gone, NOW).unwrap();
    let before: Vec<Federated> = ca.federated().cloned().collect();
    let told = ca.announced().borrow().federated.clone();
    drop(ca);
    let mut ca = open(&disk);
    assert_eq!(ca.federated().cloned().collect::<Vec<_>>(), before);
    assert_eq!(ca.announced().borrow().federated, told);
    let lower = document(1, &[]);
    let again = ca.federate(&gone, lower, Relation::default(), NOW);
    assert_eq!(again.unwrap().generation, 5, "above all that was told");
}

#[test]
fn beliefs_about_other_domains_are_kept_by_a_member_and_never_fall() {
    let mut ca = open(&MemDisk::new());
    let (root, _) = authority("other.example");
    let given = document(4, &[&root]);
    ca.federate(&other(), given, Relation::default(), NOW)
        .unwrap();
    let (held, disk) = (member(&ca), MemDisk::new());
    held.persist(&disk, "beliefs").unwrap();
    let read = Trusted::load(&disk, "beliefs").unwrap().unwrap();
    assert_eq!(read.bundles, held.bundles);
    let mut state = proto::ca::v1::State::from(&**ca.announced().borrow());
    state.federated[0].generation = 3;
    let fallen = read.take(state, &domain("clinic.example"));
    assert!(matches!(
        fallen,
        Err(InvalidState::Bundle(InvalidBundle::RolledBack { .. }))
    ));
}
