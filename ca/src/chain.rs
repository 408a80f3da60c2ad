//! Is this chain a workload's, under its own trust domain's bundle, now?
//!
//! The one home of that question, for peers in a handshake and for a node's own material before
//! it is published. It looks at no host name and no revocation. Invariant: an answer names a leaf
//! whose path ends at a root of the bundle of the leaf's own trust domain, never of another.

use std::time::Duration;

use rustls::pki_types::{CertificateDer, SignatureVerificationAlgorithm, UnixTime};
use webpki::{EndEntityCert, KeyUsage};

use crate::bundle::{Bundle, Bundles};
use crate::clock::Time;
use crate::identity::{InvalidSvid, LeafFacts, TrustDomain, Untimely};
use crate::svid;

/// Most certificates that a chain may have, the leaf included.
pub const MAX_CHAIN: usize = 4;

/// What a path may be signed with: P-256 throughout.
static ALGORITHMS: &[&dyn SignatureVerificationAlgorithm] = &[webpki::ring::ECDSA_P256_SHA256];

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
}

/// Verifies a chain, leaf first, at `now` give or take `tolerance` at the leaf's own ends.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify_chain(
    chain: &[CertificateDer<'_>],
    bundles: &Bundles,
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
    verify_path(leaf, rest, bundle, moment)?;
    Ok(facts)
}

fn verify_path(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
    bundle: &Bundle,
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
    EndEntityCert::try_from(leaf)
        .and_then(|leaf| {
            leaf.verify_for_usage(ALGORITHMS, &anchors, rest, at, usage, None, None)
                .map(|_| ())
        })
        .map_err(InvalidChain::Untrusted)
}
