//! What a cosignature costs a witness: the proof checked, its memory made durable, the signature.
//!
//! The floor writes and syncs as many bytes as the witness remembers, and signs. Files lie under
//! the build's own folder, because a machine's temporary one may be memory, where a sync is free.

mod pace;

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use ca::clock::Time;
use ca::disk::{Disk, FsDisk};
use ca::keys::{Keys, RingKeys};
use ca::tlog::checkpoint::Checkpoint;
use ca::tlog::note::SigningKey;
use criterion::BatchSize;
use ring::signature::Ed25519KeyPair;
use services::policy::authority::{Authority, CosignRequest};
use services::policy::danger::Mutation;
use services::policy::entry::Entry;
use services::policy::quorum::Quorum;
use services::policy::witness::DurableWitness;

const LOG: &str = "clinic.example/policy";
const WITNESS: &str = "witness.north";
const NOW: Time = Time::from_secs(1_767_225_600);

fn key(name: &str) -> SigningKey {
    let key = RingKeys.ed25519().expect("the machine has randomness");
    SigningKey::new(name, &key).expect("a new key is an Ed25519 key")
}

/// A policy log that grows by a grant at a time, and what it asks of its witness.
struct Log {
    authority: Authority,
    users: u64,
}

impl Log {
    fn next(&mut self, vouched: u64) -> CosignRequest {
        self.users += 1;
        let grant = Entry::Grant {
            principal: format!("user-{}", self.users),
            role: "nurse".to_owned(),
        };
        let bytes = grant.to_bytes().expect("a plain name");
        self.authority.append(&bytes).expect("a valid act");
        self.authority.commit().expect("the disk holds");
        self.authority
            .conflict(WITNESS, vouched)
            .expect("it is no larger than the log");
        self.authority.request(WITNESS).expect("there is news")
    }
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"));
    let folder = folder.expect("the build's folder is writable");
    let disk: Arc<dyn Disk> = Arc::new(FsDisk::new(folder.path()));
    let (log_key, witness_key) = (key(LOG), key(WITNESS));
    let (log, cosigner) = (log_key.verifying(), witness_key.cosigner());
    let quorum = Quorum::new(1, vec![cosigner]).expect("one of one");
    let opened = Authority::open(&disk, "policy", log_key, quorum, Mutation::None);
    let (authority, _) = opened.expect("an empty folder takes a new log");
    let log_of = RefCell::new(Log {
        authority,
        users: 0,
    });
    let witness = DurableWitness::open(&disk, "witness", witness_key, vec![log]);
    let witness = RefCell::new(witness.expect("an empty folder takes a new witness"));

    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("cosign");
    let state = Checkpoint {
        origin: LOG.to_owned(),
        size: 10_000,
        root: [9; 32],
    };
    let path = folder.path().join("floor");
    let file = RefCell::new(File::create(path).expect("the build's folder is writable"));
    let pkcs8 = RingKeys.ed25519().expect("the machine has randomness");
    let pair = Ed25519KeyPair::from_pkcs8(&pkcs8).expect("a new key is an Ed25519 key");
    group.bench_function("floor: write + fdatasync, sign", |bencher| {
        bencher.iter(|| {
            let text = state.to_text();
            let mut file = file.borrow_mut();
            file.write_all(text.as_bytes()).expect("the disk holds");
            file.sync_data().expect("the disk holds");
            pair.sign(text.as_bytes())
        });
    });
    group.bench_function("cosign", |bencher| {
        bencher.iter_batched(
            || log_of.borrow_mut().next(witness.borrow().size(LOG)),
            |request| {
                let CosignRequest {
                    old_size,
                    proof,
                    checkpoint,
                    ..
                } = request;
                let mut witness = witness.borrow_mut();
                let signature = witness.cosign(old_size, &proof, &checkpoint, NOW);
                signature.expect("the log only grew")
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
    criterion.final_summary();
}
