//! What a certificate costs: the issuer's decision alone, and the CA with its log and store.
//!
//! The floor is what no CA can do without: one verification, of the request, and one signature.
//! Everything is in memory but the lines that say `on disk` or `durable`, whose files lie under the
//! build's own folder; keys and requests are made outside the measured time. What is durable has a
//! floor of its own beside it: the syncs of one commit, and nothing else.

mod pace;

use std::hint::black_box;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::admission::Limits;
use ca::authority::Root;
use ca::clock::Time;
use ca::conn::{PeerIdentity, Standing};
use ca::disk::{Disk, FsDisk, MemDisk};
use ca::grpc::IdentityService;
use ca::identity::{LeafFacts, SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig};
use ca::keys::{Keys, RingKeys};
use ca::profile::Validity;
use ca::seams::Seams;
use criterion::measurement::WallTime;
use criterion::{BatchSize, BenchmarkGroup, Throughput};
use proto::ca::v1::RenewRequest;
use proto::ca::v1::identity_server::Identity as _;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use tokio::task::JoinSet;
use tonic::Request;

/// How many requests are made ahead of the measured ones.
const AHEAD: BatchSize = BatchSize::NumIterations(64);
const HOUR: Duration = Duration::from_secs(60 * 60);
const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").expect("a plain name is a trust domain")
}

fn alice() -> SpiffeId {
    SpiffeId::new(&domain(), "/user/alice").expect("a plain path names a workload")
}

/// A request for a key of its own.
fn request() -> Vec<u8> {
    let key = RingKeys.p256().expect("the machine has randomness");
    ca::csr::request(&key).expect("a new key is a P-256 key")
}

/// A CA that has just begun, without a network.
fn authority(disk: Arc<dyn Disk>) -> (Ca, Time) {
    let seams = Seams {
        disk,
        ..Seams::real("")
    };
    let mut config = CaConfig::lab(domain());
    config.issuer_ttl = YEAR;
    let now = seams.clock.now();
    let ca = Ca::open(&seams, config).expect("an empty disk takes a new CA");
    (ca, now)
}

fn floor(group: &mut BenchmarkGroup<'_, WallTime>) {
    let key = RingKeys.p256().expect("the machine has randomness");
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key, &random)
        .expect("a new key is a P-256 key");
    let message = request();
    let sign = || {
        pair.sign(&random, black_box(&message))
            .expect("the machine has randomness")
    };
    let signature = sign();
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, pair.public_key().as_ref());
    group.bench_function("floor: ring P-256 verify + sign", |bencher| {
        bencher.iter(|| {
            public
                .verify(black_box(&message), signature.as_ref())
                .expect("the signature is this key's");
            sign()
        });
    });
}

fn issue(group: &mut BenchmarkGroup<'_, WallTime>) {
    let now = Seams::real("").clock.now();
    let validity = Validity::new(now - HOUR, now + YEAR);
    let root = Root::create(&RingKeys, &domain(), 1, validity).expect("a year is in range");
    let issuer = root
        .sign_issuer(&RingKeys, 1, validity)
        .expect("a year is in range");
    let (csr, id, leaf) = (request(), alice(), Validity::lasting(now, HOUR));
    group.bench_function("issue a leaf", |bencher| {
        bencher.iter(|| {
            issuer
                .issue(black_box(&csr), &id, leaf, now)
                .expect("the request asks for nothing more")
        });
    });
}

/// A next leaf: the request, the signature and the issuance log.
fn renew(group: &mut BenchmarkGroup<'_, WallTime>, line: &str, disk: Arc<dyn Disk>) {
    let (mut ca, now) = authority(disk);
    let code = ca.new_join_code(&alice(), now).expect("an open CA");
    let first = ca
        .enroll(code.reveal(), &request(), now)
        .expect("a fresh code");
    group.bench_function(line, |bencher| {
        bencher.iter_batched(
            request,
            |csr| {
                ca.renew(&first.facts, &csr, now)
                    .expect("a valid leaf, a new key")
            },
            AHEAD,
        );
    });
}

/// A first leaf: as the next one, and the join code's use in the store.
fn enroll(group: &mut BenchmarkGroup<'_, WallTime>) {
    let (ca, mut now) = authority(Arc::new(MemDisk::new()));
    let ca = std::cell::RefCell::new(ca);
    group.bench_function("enroll through log and store", |bencher| {
        bencher.iter_batched(
            || {
                // A minute later each time, so that old codes are forgotten and there is room.
                now = now + Duration::from_secs(60);
                let mut ca = ca.borrow_mut();
                let code = ca.new_join_code(&alice(), now).expect("room for a code");
                (code, request(), now)
            },
            |(code, csr, now)| {
                ca.borrow_mut()
                    .enroll(code.reveal(), &csr, now)
                    .expect("a fresh code")
            },
            AHEAD,
        );
    });
}

/// What the log asks of the disk for one commit: entries written and synced, a checkpoint replaced.
fn syncs(group: &mut BenchmarkGroup<'_, WallTime>, disk: &dyn Disk) {
    let file = disk.open("floor/entries").expect("the folder is writable");
    let (entry, checkpoint, mut at) = ([7; 500], [7; 250], 0);
    group.bench_function("floor: the syncs of one commit", |bencher| {
        bencher.iter(|| {
            file.write_at(at, &entry).expect("the folder is writable");
            file.sync().expect("the folder is writable");
            at += 500;
            disk.replace("floor/checkpoint", &checkpoint)
                .expect("the folder is writable");
        });
    });
}

/// A renewal as it comes to the service, from whom the leaf is.
fn asked(leaf: &LeafFacts) -> Request<RenewRequest> {
    let mut asked = Request::new(RenewRequest { csr: request() });
    asked.extensions_mut().insert(PeerIdentity {
        facts: leaf.clone(),
        generation: 1,
        standing: Standing::of(&[]),
    });
    asked
}

/// So many members that renew at the same time, at the CA's service without a network; a measured
/// time is that of all of them.
fn together(group: &mut BenchmarkGroup<'_, WallTime>, line: &str, disk: Arc<dyn Disk>, of: usize) {
    let seams = Seams {
        disk: Arc::clone(&disk),
        ..Seams::real("")
    };
    let (mut ca, now) = authority(disk);
    let leaves: Vec<LeafFacts> = (0..of)
        .map(|n| {
            let id = SpiffeId::new(&domain(), &format!("/n{n}")).expect("a plain path");
            let code = ca.new_join_code(&id, now).expect("an open CA");
            let first = ca.enroll(code.reveal(), &request(), now);
            first.expect("a fresh code").facts
        })
        .collect();
    let service = IdentityService::new(seams, Arc::new(Mutex::new(ca)), Limits::STANDARD);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("the machine starts threads");
    group.throughput(Throughput::Elements(of as u64));
    group.bench_function(line, |bencher| {
        bencher.iter_batched(
            || leaves.iter().map(asked).collect::<Vec<_>>(),
            |asked| {
                runtime.block_on(async {
                    let mut waiting = JoinSet::new();
                    for asked in asked {
                        let service = service.clone();
                        waiting.spawn(async move { service.renew(asked).await });
                    }
                    while let Some(answered) = waiting.join_next().await {
                        answered.expect("it ends").expect("a valid leaf, a new key");
                    }
                });
            },
            BatchSize::NumIterations(4),
        );
    });
}

fn main() {
    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("issue");
    floor(&mut group);
    issue(&mut group);
    renew(&mut group, "renew through log", Arc::new(MemDisk::new()));
    enroll(&mut group);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.expect("the build's folder is writable");
    let disk = Arc::new(FsDisk::new(folder.path()));
    renew(&mut group, "renew through log, on disk", disk);
    let on = |name: &str| Arc::new(FsDisk::new(folder.path().join(name)));
    syncs(&mut group, &*on("floor"));
    together(&mut group, "durable, a lone caller", on("lone"), 1);
    together(&mut group, "durable, 64 callers waiting", on("many"), 64);
    group.finish();
    criterion.final_summary();
}
