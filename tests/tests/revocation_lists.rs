//! Revocation lists as others see them: OpenSSL judges the same chains by the same lists, and no
//! change to the bytes of a list makes ours panic, or believe it.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::time::Duration;

use ca::authority::{Issued, Issuer, Root};
use ca::bundle::{Bundle, Bundles};
use ca::chain::{InvalidChain, verify_chain};
use ca::clock::Time;
use ca::crl::{Crl, Crls, RevocationReason, RevokedLeaf};
use ca::identity::{LeafFacts, SpiffeId, TrustDomain};
use ca::keys::{Keys, RingKeys};
use ca::profile::Validity;
use ca::revocation::Revocation;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use tests::openssl;
use tests::properties::crl;

const NOW: Time = Time::from_secs(1_767_225_600);
const HOUR: Duration = Duration::from_secs(60 * 60);
const SECOND: Duration = Duration::from_secs(1);

/// Whom the lists revoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revoked {
    Nobody,
    AnotherLeaf,
    Leaf,
    Issuer,
}

/// A root, an issuer and a leaf, with a list of either signer: the issuer's first.
struct Clinic {
    root: Root,
    issuer: Issuer,
    leaf: Issued,
    lists: [Vec<u8>; 2],
}

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

fn clinic(revoked: Revoked) -> Clinic {
    let validity = Validity::lasting(NOW - HOUR, HOUR * 24);
    let root = Root::create(&RingKeys, &domain(), 1, validity).unwrap();
    let issuer = root.sign_issuer(&RingKeys, 1, validity).unwrap();
    let request = ca::csr::request(&RingKeys.p256().unwrap()).unwrap();
    let id = SpiffeId::new(&domain(), "/north/records").unwrap();
    let lifetime = Validity::lasting(NOW - HOUR, HOUR * 12);
    let leaf = issuer.issue(&request, &id, lifetime, NOW).unwrap();
    let entry = |serial: &[u8]| RevokedLeaf {
        serial: serial.to_vec(),
        at: NOW,
        reason: RevocationReason::KeyCompromise,
    };
    let (of_issuer, of_root) = match revoked {
        Revoked::Nobody => (vec![], vec![]),
        Revoked::AnotherLeaf => (vec![entry(&[7; 16])], vec![]),
        Revoked::Leaf => (vec![entry(&[7; 16]), entry(&leaf.facts.serial)], vec![]),
        Revoked::Issuer => (vec![], vec![entry(&openssl::serial(issuer.certificate()))]),
    };
    let (from, until) = (NOW - HOUR, NOW + HOUR);
    Clinic {
        lists: [
            issuer.sign_crl(1, &of_issuer, from, until).unwrap(),
            root.sign_crl(1, &of_root, from, until).unwrap(),
        ],
        root,
        issuer,
        leaf,
    }
}

impl Clinic {
    fn lists(&self) -> [&[u8]; 2] {
        self.lists.each_ref().map(|list| &list[..])
    }

    /// What we say of the chain under the hardened dials.
    fn ours(&self, lists: &[&[u8]], at: Time) -> Result<LeafFacts, InvalidChain> {
        let bundle = Bundle {
            trust_domain: domain(),
            generation: 1,
            roots: vec![self.root.certificate().clone()],
        };
        let mut crls = Crls::new();
        let signers = [self.issuer.certificate().clone()];
        for der in lists {
            let list = Crl::parse(der).unwrap();
            let of_root = list.issuer().contains("root");
            let signers = if of_root { &[][..] } else { &signers[..] };
            crls.accept(list, signers, &bundle).unwrap();
        }
        let revocation = Revocation {
            crls,
            ..Revocation::default()
        };
        let (chain, bundles) = (&self.leaf.chain, Bundles::from(bundle));
        verify_chain(chain, &bundles, &revocation, at, Duration::ZERO)
    }

    /// What OpenSSL says of it: nothing, or why not.
    fn theirs(&self, lists: &[&[u8]], at: Time) -> Result<(), String> {
        let chain = [0, 1].map(|at| &self.leaf.chain[at][..]);
        openssl::verify(self.root.certificate(), &chain, lists, at)
    }
}

#[test]
fn openssl_agrees_on_good_and_revoked_chains_the_issuer_included() {
    if !openssl::is_there() {
        return;
    }
    for revoked in [Revoked::Nobody, Revoked::AnotherLeaf] {
        let clinic = clinic(revoked);
        let theirs = clinic.theirs(&clinic.lists(), NOW);
        assert_eq!(theirs, Ok(()), "{revoked:?}");
        let ours = clinic.ours(&clinic.lists(), NOW);
        assert_eq!(ours.as_ref(), Ok(&clinic.leaf.facts));
    }
    for (revoked, place) in [
        (Revoked::Leaf, "error 23 at 0"),
        (Revoked::Issuer, "error 23 at 1"),
    ] {
        let clinic = clinic(revoked);
        let theirs = clinic.theirs(&clinic.lists(), NOW).unwrap_err();
        assert!(theirs.contains(place), "{revoked:?}: {theirs}");
        let ours = clinic.ours(&clinic.lists(), NOW);
        assert!(matches!(ours, Err(InvalidChain::Revoked(_))), "{ours:?}");
    }
}

#[test]
fn openssl_agrees_on_lists_that_are_missing_or_stale() {
    if !openssl::is_there() {
        return;
    }
    let clinic = clinic(Revoked::Nobody);
    let [of_issuer, of_root] = clinic.lists();
    for (list, place) in [(of_issuer, "error 3 at 1"), (of_root, "error 3 at 0")] {
        let theirs = clinic.theirs(&[list], NOW).unwrap_err();
        assert!(theirs.contains(place), "{theirs}");
        let ours = clinic.ours(&[list], NOW);
        assert_eq!(ours, Err(InvalidChain::RevocationUnknown));
    }
    let end = NOW + HOUR;
    assert_eq!(clinic.theirs(&clinic.lists(), end - SECOND), Ok(()));
    assert!(clinic.ours(&clinic.lists(), end - SECOND).is_ok());
    let theirs = clinic.theirs(&clinic.lists(), end + SECOND).unwrap_err();
    assert!(theirs.contains("error 12 at"), "{theirs}");
    let stale = InvalidChain::RevocationStale { next_update: end };
    assert_eq!(clinic.ours(&clinic.lists(), end + SECOND), Err(stale));
}

/// The same cases in every run; `PROPTEST_CASES` asks for more of them.
fn config() -> ProptestConfig {
    ProptestConfig {
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(7),
        ..ProptestConfig::default()
    }
}

/// One change to the bytes of a list.
#[derive(Clone, Debug)]
enum Change {
    Flip(usize, u8),
    Cut(usize),
    Insert(usize, Vec<u8>),
}

impl Change {
    fn apply(self, list: &mut Vec<u8>) {
        let place = |at: usize| at % list.len().max(1);
        match self {
            Self::Flip(at, bits) => {
                let at = place(at);
                list.iter_mut().skip(at).take(1).for_each(|it| *it ^= bits);
            }
            Self::Cut(at) => list.truncate(place(at)),
            Self::Insert(at, bytes) => {
                let at = place(at);
                list.splice(at..at, bytes);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let bytes = prop::collection::vec(any::<u8>(), 1..40);
    prop_oneof![
        6 => (any::<usize>(), 1..=u8::MAX).prop_map(|(at, bits)| Change::Flip(at, bits)),
        1 => any::<usize>().prop_map(Change::Cut),
        1 => (any::<usize>(), bytes).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn arbitrary_bytes_are_no_list_and_no_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        prop_assert!(Crl::parse(&bytes).is_err());
    }

    #[test]
    fn a_changed_list_is_refused_or_means_what_it_says(
        which in 0..4_usize, changes in prop::collection::vec(change(), 0..4),
    ) {
        let mut list = crl::signed()[which].clone();
        changes.into_iter().for_each(|change| change.apply(&mut list));
        crl::crl(&list);
    }
}
