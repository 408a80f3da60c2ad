//! When an SVID is followed, and when it has to go.

use super::*;
use crate::clock::{Clock as _, ManualClock};
use crate::crl::RevocationReason;
use crate::disk::MemDisk;
use crate::identity::TrustDomain;
use crate::issue::CaConfig;
use crate::rotation::{Act, AuthorityKind};

const NOW: Time = Time::from_secs(1_800_000_000);

struct House {
    svids: Svids,
    clock: Arc<ManualClock>,
    disk: Arc<MemDisk>,
    id: SpiffeId,
}

fn house() -> House {
    let (clock, disk) = (Arc::new(ManualClock::new(NOW)), Arc::new(MemDisk::new()));
    let seams = Seams {
        clock: clock.clone(),
        disk: disk.clone(),
        ..Seams::real("never-written")
    };
    let domain = TrustDomain::new("clinic.example").unwrap();
    let id = SpiffeId::new(&domain, "/records").unwrap();
    let ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
    let svids = Svids::new(seams, Arc::new(Mutex::new(ca)));
    House {
        svids,
        clock,
        disk,
        id,
    }
}

impl House {
    fn leaf(&self) -> LeafFacts {
        self.svids.current(&self.id).unwrap().0.facts.clone()
    }

    fn order(&self, act: Act) {
        let now = self.clock.now();
        lock(&self.svids.ca).command(&act.into(), now).unwrap();
    }
}

#[test]
fn an_svid_is_shared_until_half_of_its_life_and_then_followed_with_another_key() {
    let house = house();
    let (first, next) = house.svids.current(&house.id).unwrap();
    assert_eq!(first.facts.spiffe_id, house.id);
    assert!(NOW + Duration::from_secs(40) < next && next < NOW + Duration::from_secs(56));
    house.clock.set(next - Duration::from_micros(1));
    assert_eq!(house.leaf(), first.facts);
    house.clock.set(next);
    let (second, _) = house.svids.current(&house.id).unwrap();
    assert_ne!(second.facts.leaf_sha256, first.facts.leaf_sha256);
    assert_ne!(second.key, first.key);
    let log = lock(&house.svids.ca);
    let entries = log.log().entries(0..log.log().size());
    let delivered = |entry: &&[u8]| entry.windows(16).any(|it| it == br#""kind":"deliver""#);
    assert_eq!(entries.filter(|entry| delivered(&&**entry)).count(), 2);
}

#[test]
fn a_revoked_one_and_one_of_a_tainted_issuer_are_followed_at_once() {
    let house = house();
    let first = house.leaf();
    let revoked = lock(&house.svids.ca).revoke_leaf(
        &first.serial_hex(),
        RevocationReason::KeyCompromise,
        NOW,
    );
    revoked.unwrap();
    let second = house.leaf();
    assert_ne!(second.serial, first.serial);
    let kind = AuthorityKind::X509;
    let prepare = lock(&house.svids.ca).prepare_act(kind, NOW);
    house.order(prepare);
    let mut ca = lock(&house.svids.ca);
    let generation = ca.bundle().generation;
    ca.acknowledge(&house.id, generation);
    drop(ca);
    house.order(Act::Activate { kind, id: None });
    assert_eq!(house.leaf(), second, "a new issuer takes nothing away");
    house.order(Act::Taint { kind, id: 1 });
    let third = house.leaf();
    assert_ne!(third.issuer, second.issuer);
    assert_eq!(house.leaf(), third);
}

#[test]
fn the_last_good_one_stays_while_it_is_good_and_nothing_is_signed() {
    let house = house();
    let first = house.leaf();
    let due = first.not_after - Duration::from_secs(20);
    house.clock.set(due);
    house.disk.fail(true);
    let (kept, next) = house.svids.current(&house.id).unwrap();
    assert_eq!(kept.facts, first);
    assert!(due < next && next <= first.not_after, "tried again in time");
    house.clock.set(first.not_after + Duration::from_secs(1));
    assert!(house.svids.current(&house.id).is_err(), "it is over");
}

#[test]
fn whoever_is_struck_off_is_forgotten_with_the_key() {
    let house = house();
    let first = house.leaf();
    house.svids.keep(&BTreeSet::from([&house.id]));
    assert_eq!(house.leaf(), first);
    house.svids.keep(&BTreeSet::new());
    assert!(lock(&house.svids.held).is_empty());
    assert_ne!(house.leaf(), first);
}

#[test]
fn the_cas_own_name_is_not_to_be_had() {
    let house = house();
    let domain = house.id.trust_domain();
    for path in [crate::node::PATH, ""] {
        let id = SpiffeId::new(domain, path).unwrap();
        assert!(house.svids.current(&id).is_err(), "{id}");
    }
    let foreign: SpiffeId = "spiffe://other.example/records".parse().unwrap();
    assert!(house.svids.current(&foreign).is_err());
}
