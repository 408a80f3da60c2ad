//! A new root under the one before it, as OpenSSL sees it: whoever trusts the old root alone is led
//! to a leaf of the new one, and no further once the old root has taken it back.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::time::Duration;

use ca::authority::Root;
use ca::clock::Time;
use ca::crl::{RevocationReason, RevokedLeaf};
use ca::identity::{SpiffeId, TrustDomain};
use ca::keys::{Keys, RingKeys};
use ca::profile::Validity;
use tests::openssl;

const NOW: Time = Time::from_secs(1_767_225_600);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// What OpenSSL says of a leaf of the second root, if it trusts the first alone.
fn theirs(with_cross: bool, taken_back: bool) -> Result<(), String> {
    let domain = TrustDomain::new("clinic.example").unwrap();
    let validity = Validity::lasting(NOW - HOUR, HOUR * 24);
    let [old, new] = [1, 2].map(|n| Root::create(&RingKeys, &domain, n, validity).unwrap());
    let cross = old.cross_sign(&new).unwrap();
    let issuer = new.sign_issuer(&RingKeys, 2, validity).unwrap();
    let request = ca::csr::request(&RingKeys.p256().unwrap()).unwrap();
    let id = SpiffeId::new(&domain, "/north/records").unwrap();
    let life = Validity::lasting(NOW - HOUR, HOUR * 12);
    let chain = issuer.issue(&request, &id, life, NOW).unwrap().chain;

    let gone = taken_back.then(|| RevokedLeaf {
        serial: openssl::serial(&cross),
        at: NOW,
        reason: RevocationReason::Unspecified,
    });
    let gone: Vec<RevokedLeaf> = gone.into_iter().collect();
    let (from, until) = (NOW - HOUR, NOW + HOUR);
    let lists = [
        issuer.sign_crl(1, &[], from, until).unwrap(),
        new.sign_crl(1, &[], from, until).unwrap(),
        old.sign_crl(1, &gone, from, until).unwrap(),
    ];

    let own = [&chain[0][..], &chain[1], &cross];
    let shown = if with_cross { &own[..] } else { &own[..2] };
    let lists = lists.each_ref().map(|list| &list[..]);
    openssl::verify(old.certificate(), shown, &lists, NOW)
}

#[test]
fn openssl_finds_the_new_root_by_the_old_one_until_that_is_taken_back() {
    if !openssl::is_there() {
        return;
    }
    assert_eq!(theirs(true, false), Ok(()));
    let alone = theirs(false, false).unwrap_err();
    assert!(alone.contains("error 2"), "{alone}");
    let back = theirs(true, true).unwrap_err();
    assert!(back.contains("error 23 at 2"), "{back}");
}
