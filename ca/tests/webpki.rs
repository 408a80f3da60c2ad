//! What webpki does with revocation lists when it is left to its defaults: why `ca::crl` keeps one
//! list of a name, why every generation has a name of its own, and why `ca::chain` asks for a
//! list's end itself.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::time::Duration;

use ca::authority::{Issued, Issuer, Root};
use ca::clock::Time;
use ca::crl::{RevocationReason, RevokedLeaf};
use ca::csr;
use ca::identity::{SpiffeId, TrustDomain};
use ca::keys::{Keys, RingKeys};
use ca::profile::Validity;
use rustls::pki_types::UnixTime;
use webpki::{
    BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error, ExpirationPolicy,
    KeyUsage, RevocationOptionsBuilder,
};

const NOW: Time = Time::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").unwrap()
}

fn root() -> Root {
    let validity = Validity::lasting(NOW - HOUR * 12, HOUR * 24);
    Root::create(&RingKeys, &domain(), 1, validity).unwrap()
}

fn issuer(root: &Root, generation: u64) -> Issuer {
    let validity = Validity::lasting(NOW - HOUR * 12, HOUR * 24);
    root.sign_issuer(&RingKeys, generation, validity).unwrap()
}

fn leaf(issuer: &Issuer) -> Issued {
    let request = csr::request(&RingKeys.p256().unwrap()).unwrap();
    let id = SpiffeId::new(&domain(), "/north/sts").unwrap();
    let validity = Validity::lasting(NOW - HOUR, HOUR * 2);
    issuer.issue(&request, &id, validity, NOW).unwrap()
}

/// A list of one leaf, or of none, that ends at `until`.
fn list(issuer: &Issuer, number: u64, revoked: Option<&Issued>, until: Time) -> Vec<u8> {
    let revoked: Vec<_> = revoked
        .into_iter()
        .map(|leaf| RevokedLeaf {
            serial: leaf.facts.serial.clone(),
            at: NOW,
            reason: RevocationReason::KeyCompromise,
        })
        .collect();
    issuer
        .sign_crl(number, &revoked, NOW - HOUR * 2, until)
        .unwrap()
}

fn root_list(root: &Root) -> Vec<u8> {
    root.sign_crl(1, &[], NOW - HOUR * 2, NOW + HOUR).unwrap()
}

/// What webpki says of a leaf under these lists, in this order.
fn judge(
    root: &Root,
    leaf: &Issued,
    lists: &[&[u8]],
    expiration: Option<ExpirationPolicy>,
) -> Result<(), Error> {
    let lists: Vec<CertRevocationList<'_>> = lists
        .iter()
        .map(|der| BorrowedCertRevocationList::from_der(der).unwrap().into())
        .collect();
    let lists: Vec<&CertRevocationList<'_>> = lists.iter().collect();
    let mut options = RevocationOptionsBuilder::new(&lists).unwrap();
    if let Some(policy) = expiration {
        options = options.with_expiration_policy(policy);
    }
    let anchors = [webpki::anchor_from_trusted_cert(root.certificate()).unwrap()];
    let end_entity = EndEntityCert::try_from(&leaf.chain[0]).unwrap();
    let verified = end_entity.verify_for_usage(
        &[webpki::ring::ECDSA_P256_SHA256],
        &anchors,
        &leaf.chain[1..],
        UnixTime::since_unix_epoch(Duration::from_secs(NOW.as_secs())),
        KeyUsage::client_auth(),
        Some(options.build()),
        None,
    );
    verified.map(|_| ())
}

#[test]
fn of_two_issuers_with_one_name_one_cannot_be_checked() {
    let root = root();
    let of_root = root_list(&root);
    let wrong_key = Err(Error::InvalidCrlSignatureForPublicKey);
    for (generation, second) in [(1, wrong_key), (2, Ok(()))] {
        let (one, other) = (issuer(&root, 1), issuer(&root, generation));
        let end = NOW + HOUR;
        let (of_one, of_other) = (list(&one, 1, None, end), list(&other, 1, None, end));
        let (one, other) = (leaf(&one), leaf(&other));
        // Neither leaf is revoked; whose list stands second is refused, if the name is the same.
        let lists = [&of_one[..], &of_other, &of_root];
        assert_eq!(judge(&root, &one, &lists, None), Ok(()));
        assert_eq!(judge(&root, &other, &lists, None), second);
        let lists = [&of_other[..], &of_one, &of_root];
        assert_eq!(judge(&root, &one, &lists, None), second);
        assert_eq!(judge(&root, &other, &lists, None), Ok(()));
    }
}

#[test]
fn the_first_list_of_a_name_counts_and_not_the_newest() {
    let root = root();
    let issuer = issuer(&root, 1);
    let leaf = leaf(&issuer);
    let of_root = root_list(&root);
    let older = list(&issuer, 1, None, NOW + HOUR);
    let newer = list(&issuer, 2, Some(&leaf), NOW + HOUR);
    let old_first = [&older[..], &newer, &of_root];
    assert_eq!(judge(&root, &leaf, &old_first, None), Ok(()));
    let new_first = [&newer[..], &older, &of_root];
    assert_eq!(
        judge(&root, &leaf, &new_first, None),
        Err(Error::CertRevoked)
    );
}

#[test]
fn a_list_that_has_ended_counts_unless_webpki_is_told_otherwise() {
    let root = root();
    let issuer = issuer(&root, 1);
    let leaf = leaf(&issuer);
    let (ended, of_root) = (list(&issuer, 1, None, NOW - HOUR), root_list(&root));
    let lists = [&ended[..], &of_root];
    assert_eq!(judge(&root, &leaf, &lists, None), Ok(()));
    let enforced = judge(&root, &leaf, &lists, Some(ExpirationPolicy::Enforce));
    assert!(
        matches!(enforced, Err(Error::CrlExpired { .. })),
        "{enforced:?}"
    );
}
