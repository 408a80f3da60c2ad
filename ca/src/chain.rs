//! Is this chain a workload's, under its own trust domain's bundle, now?
//!
//! The one home of that question, for peers in a handshake and for a node's own material before
//! it is published. It looks at no host name, and at revocation as the dials say. Invariant: an
//! answer names a leaf whose path ends at a root of the bundle of the leaf's own trust domain,
//! never of another, and no list of another domain has a say in it.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{
    EndEntityCert, KeyUsage, RevocationOptionsBuilder, UnknownStatusPolicy, VerifiedPath,
};

use crate::bundle::{Bundle, Bundles};
use crate::clock::Time;
use crate::crl::{Crl, fitting};
use crate::identity::{InvalidSvid, LeafFacts, TrustDomain, Untimely};
use crate::nonce::hex;
use crate::revocation::{Lists, Revocation};
use crate::signed_before::SignedBefore;
use crate::svid;

/// Most certificates that a chain may have, the leaf included.
pub const MAX_CHAIN: usize = 4;

/// What a path may be signed with: P-256 throughout.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[&P256];

static P256: SignedBefore = SignedBefore::over(webpki::ring::ECDSA_P256_SHA256);

/// Why a chain was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidChain {
    /// No certificate at all.
    #[error("chain is empty")]
    Empty,
    /// More than [`MAX_CHAIN`] certificates.
    #[error("chain of {0} certificates is too long")]
    TooLong(usize),
    /// The first certificate is no workload's leaf.
    #[error(transparent)]
    Svid(#[from] InvalidSvid),
    /// No bundle is held for the leaf's trust domain.
    #[error("no bundle for trust domain `{0}`")]
    TrustDomainUnknown(TrustDomain),
    /// The bundle of the leaf's trust domain has no root: nothing of it is trusted.
    #[error("bundle of trust domain `{0}` trusts nothing")]
    Distrusted(TrustDomain),
    /// The leaf is outside its validity.
    #[error(transparent)]
    Untimely(#[from] Untimely),
    /// No path from the leaf to a root of its trust domain.
    #[error("no path to a root of its trust domain: {0}")]
    Untrusted(webpki::Error),
    /// Its leaf or an issuer of its path is revoked: the serial, in hexadecimal.
    #[error("certificate with the serial `{0}` is revoked")]
    Revoked(String),
    /// No list says whether a certificate of its path is revoked, and one is required.
    #[error("no revocation list covers every certificate of the path")]
    RevocationUnknown,
    /// A list that covers its path has not been replaced in time.
    #[error("revocation list was to be replaced by {next_update}")]
    RevocationStale {
        /// By when.
        next_update: Time,
    },
}

/// Verifies a chain, leaf first, at `now` give or take `tolerance` at the leaf's own ends and at
/// the end of a revocation list. A list that has ended still revokes what it revoked.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_chain(
    chain: &[CertificateDer<'_>],
    bundles: &Bundles,
    revocation: &Revocation,
    now: Time,
    tolerance: Duration,
) -> Result<LeafFacts, InvalidChain> {
    let (leaf, rest) = chain.split_first().ok_or(InvalidChain::Empty)?;
    if chain.len() > MAX_CHAIN {
        return Err(InvalidChain::TooLong(chain.len()));
    }
    let facts = LeafFacts::from_der(leaf)?;
    let domain = facts.spiffe_id.trust_domain();
    let bundle = bundles
        .get(domain)
        .ok_or_else(|| InvalidChain::TrustDomainUnknown(domain.clone()))?;
    facts.timely(now, tolerance)?;
    // The tolerance is the leaf's alone: the path is verified at a moment at which it is valid.
    let moment = now.clamp(facts.not_before, facts.not_after.max(facts.not_before));
    let lists = fitting(revocation.of(domain), chain);
    let is_stale = |crl: &Crl| revocation.is_stale(crl, now, tolerance);
    let current = |path: &VerifiedPath<'_>| current(path, &lists, is_stale);
    let checked = Checked {
        lists: &lists,
        unknown: match revocation.lists {
            Lists::Require => UnknownStatusPolicy::Deny,
            Lists::Prefer | Lists::Ignore => UnknownStatusPolicy::Allow,
        },
        current: &current,
    };
    verify_path(leaf, rest, bundle, &checked, moment)?;
    if lists.is_empty() && revocation.lists == Lists::Require {
        return Err(InvalidChain::RevocationUnknown);
    }
    Ok(facts)
}

/// What is asked of lists while a path is verified.
struct Checked<'a> {
    lists: &'a [&'a Crl],
    unknown: UnknownStatusPolicy,
    current: &'a dyn Fn(&VerifiedPath<'_>) -> Result<(), webpki::Error>,
}

fn verify_path(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    bundle: &Bundle,
    checked: &Checked<'_>,
    moment: Time,
) -> Result<(), InvalidChain> {
    if bundle.roots.is_empty() {
        return Err(InvalidChain::Distrusted(bundle.trust_domain.clone()));
    }
    let anchors = bundle
        .roots
        .iter()
        .map(webpki::anchor_from_trusted_cert)
        .collect::<Result<Vec<_>, _>>()
        .map_err(InvalidChain::Untrusted)?;
    if rest
        .iter()
        .any(|certificate| certificate.len() > svid::MAX_CERTIFICATE)
    {
        return Err(InvalidSvid::Malformed("too long").into());
    }
    let at = UnixTime::since_unix_epoch(Duration::from_secs(moment.as_secs()));
    // `LeafFacts` has seen to both usages; webpki asks for one.
    let usage = KeyUsage::client_auth();
    let lists: Vec<_> = checked.lists.iter().map(|crl| crl.checked()).collect();
    // Without a list there are no options: then nothing is checked, whatever is required.
    let options = RevocationOptionsBuilder::new(&lists)
        .map(|options| options.with_status_policy(checked.unknown).build())
        .ok();
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| {
            let current = Some(checked.current);
            leaf.verify_for_usage(ALGORITHMS, &anchors, rest, at, usage, options, current)
                .map(|_| ())
        })
        .map_err(|error| match error {
            webpki::Error::CertRevoked => InvalidChain::Revoked(revoked(leaf, rest, checked.lists)),
            webpki::Error::UnknownRevocationStatus => InvalidChain::RevocationUnknown,
            webpki::Error::CrlExpired { next_update, .. } => InvalidChain::RevocationStale {
                next_update: Time::from_secs(next_update.as_secs()),
            },
            other => InvalidChain::Untrusted(other),
        })
}

/// Whether every list that covers a certificate of the path is current. webpki could be told to
/// ask, but it would ask at the moment of the path, which is not the node's.
fn current(
    path: &VerifiedPath<'_>,
    lists: &[&Crl],
    is_stale: impl Fn(&Crl) -> bool,
) -> Result<(), webpki::Error> {
    let issuers = path
        .intermediate_certificates()
        .map(|issuer| issuer.issuer());
    for name in issuers.chain([path.end_entity().issuer()]) {
        let covering = lists.iter().find(|crl| crl.checked().issuer() == name);
        if let Some(crl) = covering.filter(|crl| is_stale(crl)) {
            let next_update = Duration::from_secs(crl.next_update().as_secs());
            let next_update = UnixTime::since_unix_epoch(next_update);
            return Err(webpki::Error::CrlExpired {
                time: next_update,
                next_update,
            });
        }
    }
    Ok(())
}

/// The serial, in hexadecimal, of the first certificate that a list revokes.
fn revoked(leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>], lists: &[&Crl]) -> String {
    let named = [leaf].into_iter().chain(rest);
    let mut revoked = named.filter_map(|der| {
        let (issuer, serial) = svid::issuer_and_serial(der)?;
        let lists = lists.iter().filter(|crl| crl.issuer_name() == issuer);
        lists
            .into_iter()
            .any(|crl| crl.contains(&serial))
            .then_some(serial)
    });
    revoked
        .next()
        .map(|serial| hex(&serial))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::{Issuer, Root};
    use crate::csr;
    use crate::identity::SpiffeId;
    use crate::keys::{Keys, RingKeys};
    use crate::profile::Validity;

    const NOW: Time = Time::from_secs(1_800_000_000);
    const HOUR: Duration = Duration::from_secs(3_600);

    /// A trust domain with one root and one issuer.
    fn authority(domain: &str) -> (Bundles, Issuer) {
        let domain = TrustDomain::new(domain).unwrap();
        let validity = Validity::lasting(NOW - HOUR, HOUR * 24);
        let root = Root::create(&RingKeys, &domain, 1, validity).unwrap();
        let issuer = root.sign_issuer(&RingKeys, 1, validity).unwrap();
        let bundle = Bundle {
            trust_domain: domain,
            generation: 1,
            roots: vec![root.certificate().clone()],
        };
        (Bundles::from(bundle), issuer)
    }

    fn chain(issuer: &Issuer, id: &str) -> Vec<CertificateDer<'static>> {
        let request = csr::request(&RingKeys.p256().unwrap()).unwrap();
        let id = SpiffeId::parse(id).unwrap();
        let validity = Validity::lasting(NOW, Duration::from_secs(100));
        issuer.issue(&request, &id, validity, NOW).unwrap().chain
    }

    fn verify(chain: &[CertificateDer<'_>], bundles: &Bundles) -> Result<LeafFacts, InvalidChain> {
        verify_chain(chain, bundles, &Revocation::ignore(), NOW, Duration::ZERO)
    }

    #[test]
    fn a_chain_is_judged_by_its_own_trust_domain_alone() {
        let (clinic, clinic_issuer) = authority("clinic.example");
        let (lab, lab_issuer) = authority("lab.example");
        let visitor = chain(&lab_issuer, "spiffe://lab.example/north/sts");
        let unknown = TrustDomain::new("lab.example").unwrap();
        assert_eq!(
            verify(&visitor, &clinic),
            Err(InvalidChain::TrustDomainUnknown(unknown))
        );
        let mut both = clinic;
        both.accept(
            lab.get(&TrustDomain::new("lab.example").unwrap())
                .unwrap()
                .clone(),
        )
        .unwrap();
        assert!(verify(&visitor, &both).is_ok());
        // The lab's issuer signs a name of the clinic's: trusted for its own names only.
        let (_, rogue) = authority("clinic.example");
        let intruder = chain(&rogue, "spiffe://clinic.example/north/sts");
        assert!(matches!(
            verify(&intruder, &both),
            Err(InvalidChain::Untrusted(_))
        ));
        assert!(verify(&chain(&clinic_issuer, "spiffe://clinic.example/a"), &both).is_ok());
    }

    #[test]
    fn an_empty_bundle_trusts_nothing() {
        let (bundles, issuer) = authority("clinic.example");
        let domain = TrustDomain::new("clinic.example").unwrap();
        let mut bundle = bundles.get(&domain).unwrap().clone();
        bundle.roots.clear();
        let refused = verify(&chain(&issuer, "spiffe://clinic.example/a"), &bundle.into());
        assert_eq!(refused, Err(InvalidChain::Distrusted(domain)));
    }

    #[test]
    fn a_leaf_signs_no_leaf_and_a_chain_has_its_bounds() {
        let (bundles, issuer) = authority("clinic.example");
        let good = chain(&issuer, "spiffe://clinic.example/a");
        assert_eq!(verify(&[], &bundles), Err(InvalidChain::Empty));
        assert!(matches!(
            verify(&good[..1], &bundles),
            Err(InvalidChain::Untrusted(_))
        ));
        let long = vec![good[0].clone(); MAX_CHAIN + 1];
        assert_eq!(
            verify(&long, &bundles),
            Err(InvalidChain::TooLong(MAX_CHAIN + 1))
        );
        assert!(matches!(
            verify(&good[1..], &bundles),
            Err(InvalidChain::Svid(InvalidSvid::Ca))
        ));
        let other = chain(&issuer, "spiffe://clinic.example/b");
        let under_leaf = [good[0].clone(), other[0].clone()];
        assert!(matches!(
            verify(&under_leaf, &bundles),
            Err(InvalidChain::Untrusted(_))
        ));
    }

    #[test]
    fn a_leaf_whose_signature_was_touched_is_refused() {
        let (bundles, issuer) = authority("clinic.example");
        let mut touched = chain(&issuer, "spiffe://clinic.example/a");
        let mut leaf = touched[0].to_vec();
        *leaf.last_mut().unwrap() ^= 1;
        touched[0] = leaf.into();
        assert!(matches!(
            verify(&touched, &bundles),
            Err(InvalidChain::Untrusted(_))
        ));
    }

    #[test]
    fn the_tolerance_reaches_past_both_ends_and_no_further() {
        let (bundles, issuer) = authority("clinic.example");
        let chain = chain(&issuer, "spiffe://clinic.example/a");
        let facts = verify(&chain, &bundles).unwrap();
        let (slack, tick) = (Duration::from_secs(5), Duration::from_micros(1));
        for at in [facts.not_before - slack, facts.not_after + slack] {
            assert!(verify_chain(&chain, &bundles, &Revocation::ignore(), at, slack).is_ok());
        }
        for at in [
            facts.not_before - slack - tick,
            facts.not_after + slack + tick,
        ] {
            let refused = verify_chain(&chain, &bundles, &Revocation::ignore(), at, slack);
            assert!(matches!(refused, Err(InvalidChain::Untimely(_))));
        }
    }
}
