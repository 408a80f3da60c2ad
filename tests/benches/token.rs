//! What a token costs: to sign, to verify for the first time, and when it was seen before.
//!
//! The floors are the signature over the same bytes, its verification, and the digest by which a
//! token is found again.

mod pace;

use std::hint::black_box;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::clock::Time;
use ca::identity::SpiffeId;
use ca::keys::{Keys, Pkcs8, RingKeys};
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey,
};
use services::token::cache::Cache;
use services::token::issue::{Issuer, jwks};
use services::token::keys::KeySet;
use services::token::verify::{Demand, verify};

const BORN: Time = Time::from_secs(1_767_225_600);
const TTL: Duration = Duration::from_secs(60);
const LEAF: [u8; 32] = [7; 32];

/// All that a hardened service asks for.
const DEMAND: Demand<'static> = Demand {
    issuer: Some("clinic.example"),
    audience: Some("records"),
    leeway: Duration::from_secs(2),
    leaf_sha256: Some(LEAF),
    require_binding: true,
};

fn floors(group: &mut BenchmarkGroup<'_, WallTime>, key: &Pkcs8, token: &str) {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random)
        .expect("a new key is a P-256 key");
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref());
    let (signed, signature) = token.rsplit_once('.').expect("a JWS has three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature);
    let signature = signature.expect("a JWS is base64url without padding");
    group.bench_function("floor: ring ES256 sign", |bencher| {
        bencher.iter(|| {
            pair.sign(&random, black_box(signed.as_bytes()))
                .expect("the machine has randomness")
        });
    });
    group.bench_function("floor: ring ES256 verify", |bencher| {
        bencher.iter(|| {
            public
                .verify(black_box(signed.as_bytes()), &signature)
                .expect("the token is this key's")
        });
    });
    group.bench_function("floor: ring SHA-256", |bencher| {
        bencher.iter(|| ring::digest::digest(&ring::digest::SHA256, black_box(token.as_bytes())));
    });
}

fn main() {
    let key = RingKeys.p256().expect("the machine has randomness");
    let issuer = Issuer::new("clinic.example", "k1", &key).expect("a new key is a P-256 key");
    let alice = SpiffeId::parse("spiffe://clinic.example/user/alice").expect("a literal is an ID");
    let sign = || {
        issuer
            .issue(&alice, "records", &LEAF, BORN, TTL, "t-1")
            .expect("the machine has randomness")
    };
    let token = sign();
    let keys = KeySet::parse(jwks([&issuer]).as_bytes()).expect("own keys are a key set");

    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("token");
    floors(&mut group, &key, &token);
    group.bench_function("sign", |bencher| bencher.iter(sign));
    group.bench_function("verify, cold", |bencher| {
        bencher.iter(|| verify(black_box(&token), &keys, &DEMAND, BORN).expect("a good token"));
    });
    group.bench_function("verify, cached", |bencher| {
        let mut cache = Cache::default();
        let mut again = || cache.verify(black_box(&token), &keys, &DEMAND, BORN);
        again().expect("a good token");
        bencher.iter(|| again().expect("a good token"));
    });
    group.finish();
    criterion.final_summary();
}
