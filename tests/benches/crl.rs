//! What a revocation list of 100,000 serials costs: built, loaded, and asked in a handshake.
//!
//! Each line stands beside its floor, what no list can do without: one hash of its bytes and one
//! signature to build it, one hash and one verification to load it, and a chain verified without
//! any list. webpki verifies a list's signature anew at each use, so that a chain under the list
//! costs a hash of the whole list as well.

mod pace;

use std::hint::black_box;
use std::time::Duration;

use ca::authority::{Issuer, Root};
use ca::bundle::{Bundle, Bundles};
use ca::chain::verify_chain;
use ca::clock::Time;
use ca::crl::{Crl, Crls, RevocationReason, RevokedLeaf};
use ca::identity::{LeafFacts, SpiffeId, TrustDomain};
use ca::keys::{Keys, RingKeys};
use ca::profile::Validity;
use ca::revocation::Revocation;
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use rustls::pki_types::CertificateDer;

const REVOKED: usize = 100_000;
const NOW: Time = Time::from_secs(1_767_225_600);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Who signs the lists, and who is judged by them.
struct Clinic {
    root: Root,
    issuer: Issuer,
    revoked: Vec<RevokedLeaf>,
    chain: Vec<CertificateDer<'static>>,
    leaf: LeafFacts,
}

impl Clinic {
    fn new() -> Self {
        let domain = TrustDomain::new("clinic.example").expect("a plain name is a trust domain");
        let validity = Validity::lasting(NOW, DAY);
        let root = Root::create(&RingKeys, &domain, 1, validity).expect("a day is in range");
        let issuer = root
            .sign_issuer(&RingKeys, 1, validity)
            .expect("a day is in range");
        let key = RingKeys.p256().expect("the machine has randomness");
        let csr = ca::csr::request(&key).expect("a new key is a P-256 key");
        let id = SpiffeId::new(&domain, "/user/alice").expect("a plain path names a workload");
        let issued = issuer
            .issue(&csr, &id, validity, NOW)
            .expect("the request asks for nothing more");
        Self {
            revoked: (0..REVOKED).map(|_| revoked()).collect(),
            chain: issued.chain,
            leaf: issued.facts,
            root,
            issuer,
        }
    }

    fn bundle(&self) -> Bundle {
        Bundle {
            trust_domain: self.leaf.spiffe_id.trust_domain().clone(),
            generation: 1,
            roots: vec![self.root.certificate().clone()],
        }
    }

    fn build(&self) -> Vec<u8> {
        let revoked = black_box(&self.revoked);
        let list = self.issuer.sign_crl(1, revoked, NOW, NOW + DAY);
        list.expect("the serials differ, and there is room for them")
    }

    fn load(&self, der: &[u8]) -> Crls {
        let mut crls = Crls::new();
        let list = Crl::parse(black_box(der)).expect("the issuer wrote it");
        let signers = [self.issuer.certificate().clone()];
        let taken = crls.accept(list, &signers, &self.bundle());
        assert!(taken.expect("the issuer signed it"));
        crls
    }

    /// The hardened dials, over the list and an empty one of the root.
    fn revocation(&self, der: &[u8]) -> Revocation {
        let mut crls = self.load(der);
        let of_root = self.root.sign_crl(1, &[], NOW, NOW + DAY);
        let of_root = Crl::parse(&of_root.expect("a day is in range"));
        let of_root = of_root.expect("the root wrote it");
        let taken = crls.accept(of_root, &[], &self.bundle());
        assert!(taken.expect("the root signed it"));
        Revocation {
            crls,
            ..Revocation::default()
        }
    }
}

/// A leaf of a serial like those that are issued.
fn revoked() -> RevokedLeaf {
    let mut serial = [0; 16];
    SystemRandom::new()
        .fill(&mut serial)
        .expect("the machine has randomness");
    serial[0] = serial[0] & 0x3f | 0x40;
    RevokedLeaf {
        serial: serial.to_vec(),
        at: NOW,
        reason: RevocationReason::KeyCompromise,
    }
}

fn build_and_load(group: &mut BenchmarkGroup<'_, WallTime>, clinic: &Clinic, der: &[u8]) {
    let key = RingKeys.p256().expect("the machine has randomness");
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key, &random)
        .expect("a new key is a P-256 key");
    let sign = || {
        pair.sign(&random, black_box(der))
            .expect("the machine has randomness")
    };
    group.bench_function("floor: sign as many bytes", |bencher| bencher.iter(sign));
    group.bench_function("build", |bencher| bencher.iter(|| clinic.build()));
    let (signature, public) = (sign(), pair.public_key());
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public.as_ref());
    group.bench_function("floor: verify as many bytes", |bencher| {
        bencher.iter(|| public.verify(black_box(der), signature.as_ref()));
    });
    group.bench_function("load: read, verify, keep", |bencher| {
        bencher.iter(|| clinic.load(der));
    });
}

fn check(group: &mut BenchmarkGroup<'_, WallTime>, clinic: &Clinic, der: &[u8]) {
    let bundles = Bundles::from(clinic.bundle());
    let judge = |revocation: &Revocation| {
        let chain = black_box(&clinic.chain);
        verify_chain(chain, &bundles, revocation, NOW, Duration::ZERO).expect("nobody revoked it")
    };
    let (ignore, require) = (Revocation::ignore(), clinic.revocation(der));
    group.bench_function("floor: a chain without a list", |bencher| {
        bencher.iter(|| judge(&ignore));
    });
    group.bench_function("a chain under the list", |bencher| {
        bencher.iter(|| judge(&require));
    });
    group.bench_function("look up one leaf", |bencher| {
        bencher.iter(|| require.crls.revokes(black_box(&clinic.leaf)));
    });
}

fn main() {
    let clinic = Clinic::new();
    let der = clinic.build();
    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("crl of 100,000");
    build_and_load(&mut group, &clinic, &der);
    check(&mut group, &clinic, &der);
    group.finish();
    criterion.final_summary();
}
