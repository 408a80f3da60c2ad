//! Claims about the way back at a whole CA: who comes back, and who does not. Invariant under test:
//! a serial buys one return, and nobody returns as somebody who is there.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::clock::ManualClock;
use crate::crl::RevocationReason;
use crate::csr;
use crate::disk::MemDisk;
use crate::dns::DnsName;
use crate::identity::TrustDomain;
use crate::issue::{CaConfig, Confirm, Returns};
use crate::join::Guest;
use crate::keys::{Keys as _, Pkcs8, RingKeys};
use crate::rng::SeededRng;
use crate::seams::Seams;

#[path = "recover_power_tests.rs"]
mod power;
#[path = "recover_refused_tests.rs"]
mod refused;
#[path = "recover_who_tests.rs"]
mod who;

const NOW: Time = Time::from_secs(1_800_000_000);
const SECOND: Duration = Duration::from_secs(1);
const GRACE: Duration = Duration::from_secs(300);

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&TrustDomain::new("clinic.example").unwrap(), path).unwrap()
}

fn config(confirm: Confirm) -> CaConfig {
    CaConfig {
        returns: Returns {
            grace: GRACE,
            confirm,
        },
        stagger: Duration::ZERO,
        ..CaConfig::lab(TrustDomain::new("clinic.example").unwrap())
    }
}

fn open_as(disk: &MemDisk, now: Time, config: CaConfig) -> Ca {
    let seams = Seams {
        clock: Arc::new(ManualClock::new(now)),
        disk: Arc::new(disk.clone()),
        rng: Arc::new(SeededRng::new(7)),
        ..Seams::real("never-written")
    };
    Ca::open(&seams, config).unwrap()
}

fn open(disk: &MemDisk, now: Time) -> Ca {
    open_as(disk, now, config(Confirm::ByHand))
}

/// Somebody with a leaf and its key.
#[derive(Clone)]
struct Member {
    key: Pkcs8,
    identity: Identity,
}

impl Member {
    fn joins(ca: &mut Ca, path: &str, now: Time) -> Self {
        let key = RingKeys.p256().unwrap();
        let guest = Guest {
            spiffe_id: id(path),
            dns_names: DnsNames::new([DnsName::new("records.internal").unwrap()]).unwrap(),
            ttl: SECOND,
        };
        let code = ca.invite(guest, now).unwrap();
        let csr = csr::request(&key).unwrap();
        let identity = ca.enroll(code.reveal(), &csr, now).unwrap();
        Self { key, identity }
    }

    fn facts(&self) -> &LeafFacts {
        &self.identity.facts
    }

    fn leaf(&self) -> &[u8] {
        &self.identity.chain[0]
    }

    /// The first moment at which its leaf renews nothing.
    fn over(&self) -> Time {
        self.facts().not_after + SECOND
    }

    /// Comes back with the key given.
    fn returns(&self, ca: &mut Ca, key: &Pkcs8, now: Time) -> Result<Self, CaError> {
        let csr = csr::request(key).unwrap();
        let nonce = ca.challenge(&self.facts().leaf_sha256, now);
        let identity = self.shows(ca, &self.key, &nonce, &csr, now)?;
        let key = key.clone();
        Ok(Self { key, identity })
    }

    /// Shows its leaf, and a proof by `by`.
    fn shows(
        &self,
        ca: &mut Ca,
        by: &Pkcs8,
        nonce: &[u8],
        csr: &[u8],
        now: Time,
    ) -> Result<Identity, CaError> {
        let proof = way_back::prove(by, nonce, &self.facts().leaf_sha256, csr).unwrap();
        let leaf = self.leaf();
        let asked = Comeback {
            leaf,
            csr,
            nonce,
            proof: &proof,
        };
        assert_eq!(
            ca.may_recover(&asked, now).map_err(|it| it.to_string()),
            ca.recover(&asked, now)
                .map(|_| way_back::whose(&self.facts().spiffe_id))
                .map_err(|it| it.to_string()),
            "who may is answered, and nobody else"
        );
        ca.recover(&asked, now)
    }

    fn renews(&self, ca: &mut Ca, now: Time) -> Result<Self, CaError> {
        let key = fresh();
        let identity = ca.renew(self.facts(), &csr::request(&key).unwrap(), now)?;
        Ok(Self { key, identity })
    }
}

fn fresh() -> Pkcs8 {
    RingKeys.p256().unwrap()
}

#[track_caller]
fn refused<T>(result: Result<T, CaError>) -> &'static str {
    let error = result.err().expect("a refusal");
    error.refusal().expect("a refusal").name()
}

fn logged(ca: &Ca) -> Vec<Journaled> {
    let entries = ca.log().entries(0..ca.log().committed());
    entries.filter_map(|it| Journaled::parse(it).ok()).collect()
}

#[test]
fn who_proves_its_last_key_stands_apart_until_it_is_confirmed() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let now = member.over();
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    assert_eq!(apart.facts().spiffe_id, id("/quarantine/records"));
    assert!(apart.facts().not_after.since(now) <= QUARANTINE);
    assert!(!crate::pem::certificates(&apart.identity.chain).is_empty());
    let still = apart.renews(&mut ca, now).unwrap();
    assert_eq!(still.facts().spiffe_id, id("/quarantine/records"));
    let waiting = ca.waiting(now);
    assert_eq!(waiting.len(), 1);
    assert_eq!(waiting[0].0.returned.spiffe_id, id("/records"));
    assert!(!waiting[0].0.returned.superseded);
    let serial = member.facts().serial_hex();
    assert!(ca.confirm(&id("/records"), Some("00"), now).is_err());
    assert!(ca.confirm(&id("/gateway"), None, now).is_err());
    ca.confirm(&id("/records"), Some(&serial), now).unwrap();
    assert!(ca.waiting(now).is_empty());
    let own = still.renews(&mut ca, now).unwrap();
    assert_eq!(own.facts().spiffe_id, id("/records"));
    let again = own.renews(&mut ca, now).unwrap();
    assert_eq!(again.facts().spiffe_id, id("/records"));
    let names = ca.issuances.dns_names(&again.facts().leaf_sha256);
    assert_eq!(names.iter().count(), 1, "what it was called beside");
    let names = ca.issuances.dns_names(&still.facts().leaf_sha256);
    assert!(names.is_empty(), "and not while it stood apart");
    let logged = logged(&ca);
    let of = |entry: &&Journaled| matches!(entry, Journaled::Returned(_) | Journaled::Confirmed(_));
    assert_eq!(logged.iter().filter(of).count(), 2);
}

#[test]
fn at_once_is_at_once() {
    let mut ca = open_as(&MemDisk::new(), NOW, config(Confirm::AtOnce));
    let member = Member::joins(&mut ca, "/records", NOW);
    let own = member.returns(&mut ca, &fresh(), member.over()).unwrap();
    assert_eq!(own.facts().spiffe_id, id("/records"));
    assert!(ca.waiting(member.over()).is_empty());
}

#[test]
fn a_ca_may_have_no_way_back_and_none_is_open_for_longer_than_its_bound() {
    let mut config = config(Confirm::ByHand);
    config.returns.grace = Duration::ZERO;
    let mut ca = open_as(&MemDisk::new(), NOW, config.clone());
    let member = Member::joins(&mut ca, "/records", NOW);
    let why = refused(member.returns(&mut ca, &fresh(), member.over()));
    assert_eq!(why, "way-back-off");
    for (confirm, grace, taken) in [
        (Confirm::ByHand, way_back::MAX_GRACE, true),
        (Confirm::ByHand, way_back::MAX_GRACE + SECOND, false),
        (Confirm::AtOnce, config.leaf_ttl * 6, true),
        (Confirm::AtOnce, config.leaf_ttl * 6 + SECOND, false),
    ] {
        config.returns = Returns { grace, confirm };
        assert_eq!(config.check().is_ok(), taken, "{confirm:?}, {grace:?}");
    }
}

#[test]
fn neither_before_the_leafs_end_nor_after_the_grace() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let end = member.facts().not_after;
    let last = end + ca.config().tolerance;
    assert_eq!(
        refused(member.returns(&mut ca, &fresh(), last)),
        "way-back-leaf-alive"
    );
    let late = end + GRACE + Duration::from_micros(1);
    assert_eq!(
        refused(member.returns(&mut ca, &fresh(), late)),
        "way-back-late"
    );
    assert!(member.returns(&mut ca, &fresh(), end + GRACE).is_ok());
}

#[test]
fn a_clock_that_was_set_back_makes_no_grace_longer() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let late = member.over() + GRACE;
    Member::joins(&mut ca, "/gateway", late);
    let back = member.over() + SECOND;
    assert_eq!(
        refused(member.returns(&mut ca, &fresh(), back)),
        "way-back-clock-behind"
    );
}

#[test]
fn another_key_another_request_and_an_old_challenge_prove_nothing() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let other = Member::joins(&mut ca, "/gateway", NOW);
    let now = other.over();
    let (csr, hash) = (csr::request(&fresh()).unwrap(), member.facts().leaf_sha256);
    let nonce = ca.challenge(&hash, now);
    let wrong = member.shows(&mut ca, &other.key, &nonce, &csr, now);
    assert_eq!(refused(wrong), "way-back-proof");
    let proof = way_back::prove(&member.key, &nonce, &hash, &csr).unwrap();
    let stolen = csr::request(&fresh()).unwrap();
    for (csr, leaf, proof, why) in [
        (&stolen, member.leaf(), &proof[..], "way-back-proof"),
        (&csr, member.leaf(), &[][..], "way-back-proof"),
        (&csr, other.leaf(), &proof, "way-back-nonce"),
    ] {
        let nonce = &nonce[..];
        let asked = Comeback {
            leaf,
            csr,
            nonce,
            proof,
        };
        assert_eq!(refused(ca.recover(&asked, now)), why);
    }
    let stale = now + way_back::NONCE_LIFE + SECOND;
    let mut forged = nonce.clone();
    *forged.last_mut().unwrap() ^= 1;
    for (nonce, at) in [
        (&nonce[..], stale),
        (&nonce, now - SECOND),
        (&forged, now),
        (&[], now),
        (&nonce[..8], now),
    ] {
        let refusal = refused(member.shows(&mut ca, &member.key, nonce, &csr, at));
        assert_eq!(refusal, "way-back-nonce");
    }
    assert!(
        member
            .shows(&mut ca, &member.key, &nonce, &csr, now)
            .is_ok()
    );
}

#[test]
fn a_serial_buys_one_return_and_a_lost_answer_is_had_again() {
    for confirm in [Confirm::ByHand, Confirm::AtOnce] {
        let disk = MemDisk::new();
        let mut ca = open_as(&disk, NOW, config(confirm));
        let member = Member::joins(&mut ca, "/records", NOW);
        let (now, key) = (member.over(), fresh());
        let first = member.returns(&mut ca, &key, now).unwrap();
        let size = ca.log().committed();
        let again = member.returns(&mut ca, &key, now + SECOND).unwrap();
        assert_eq!(again.identity.chain, first.identity.chain);
        assert_eq!(ca.log().committed(), size, "it is one certificate");
        let thief = member.returns(&mut ca, &fresh(), now + SECOND);
        assert_eq!(refused(thief), "way-back-serial-used");
        drop(ca);
        let mut ca = open_as(&disk, now, config(confirm));
        let thief = member.returns(&mut ca, &fresh(), now + SECOND);
        assert_eq!(refused(thief), "way-back-serial-used");
        // What it bought is over, and nobody ever had it.
        let later = first.over();
        let thief = member.returns(&mut ca, &fresh(), later);
        assert_eq!(refused(thief), "way-back-serial-used");
        let again = member.returns(&mut ca, &key, later);
        assert_eq!(
            refused(again),
            "way-back-serial-used",
            "not by that key either"
        );
    }
}

#[test]
fn whoever_stands_apart_when_the_ca_goes_away_again_comes_back_to_where_it_stood() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    let apart = member.returns(&mut ca, &fresh(), member.over()).unwrap();
    let now = apart.over();
    assert_eq!(refused(apart.renews(&mut ca, now)), "leaf-expired");
    let apart = apart.returns(&mut ca, &fresh(), now).unwrap();
    assert_eq!(apart.facts().spiffe_id, id("/quarantine/records"));
    ca.confirm(&id("/records"), None, now).unwrap();
    let own = apart.renews(&mut ca, now).unwrap();
    assert_eq!(own.facts().spiffe_id, id("/records"));
    let names = ca.issuances.dns_names(&own.facts().leaf_sha256);
    assert_eq!(names.iter().count(), 1);
}

#[test]
fn nobody_comes_back_as_somebody_who_is_there() {
    let mut ca = open(&MemDisk::new(), NOW);
    let member = Member::joins(&mut ca, "/records", NOW);
    // Its answer was lost: the leaf that it never had lives on.
    let later = NOW + Duration::from_secs(40);
    let lost = member.renews(&mut ca, later).unwrap();
    let now = member.over();
    assert_eq!(
        refused(member.returns(&mut ca, &fresh(), now)),
        "way-back-identity-alive"
    );
    let now = lost.over();
    let apart = member.returns(&mut ca, &fresh(), now).unwrap();
    assert!(ca.waiting(now)[0].0.returned.superseded, "and says so");
    assert_eq!(
        refused(lost.returns(&mut ca, &fresh(), now)),
        "way-back-identity-alive",
        "somebody waits for it already"
    );
    let reason = RevocationReason::KeyCompromise;
    ca.revoke_leaf(&apart.facts().serial_hex(), reason, now)
        .unwrap();
    assert!(lost.returns(&mut ca, &fresh(), now).is_ok());
}

#[test]
fn a_leaf_of_another_ca_is_nobodys_last() {
    let mut ca = open(&MemDisk::new(), NOW);
    let mut namesake = open(&MemDisk::new(), NOW);
    let stranger = Member::joins(&mut namesake, "/records", NOW);
    let now = stranger.over();
    assert_eq!(
        refused(stranger.returns(&mut ca, &fresh(), now)),
        "way-back-unlogged"
    );
}
