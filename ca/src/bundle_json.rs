//! The trust bundle as SPIFFE writes it down: a JWK set with a sequence number (SPIFFE Trust Domain
//! and Bundle, section 4).
//!
//! What is read comes from strangers: its size, its keys and its certificates are bounded, and keys
//! of kinds or uses that are not known here are passed over, as the standard asks. A document
//! without a sequence number is refused: nothing would tell an old one from a new one. It names no
//! trust domain; whoever reads it must know whose it is. Invariant: what is read is written back to
//! a document that reads as the same.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rustls::pki_types::CertificateDer;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::announced::Announced;
use crate::bundle::Bundle;
use crate::identity::TrustDomain;
use crate::svid::{self, MAX_CERTIFICATE};
use crate::token_keys::PublicJwk;
use crate::trusted::MAX_ROOTS;

/// Largest document that is read, in bytes: sixteen roots at their largest, and some keys.
pub const MAX_DOCUMENT: usize = 256 * 1024;
/// Most keys in one document, those that are passed over included.
pub const MAX_KEYS: usize = 128;
/// Longest name of a token key, in bytes.
pub const MAX_KID: usize = 256;
/// Highest sequence number that is read. There is room above it for whoever counts on from it.
pub const MAX_SEQUENCE: u64 = u64::MAX / 2;
/// How often to ask again where a document does not say (SPIFFE Federation, section 4.1).
pub const USUAL_HINT: Duration = Duration::from_secs(300);
/// How often anybody is asked again, whatever a document says, in seconds.
pub const HINTS_S: RangeInclusive<u64> = 1..=24 * 60 * 60;

const FOR_CERTIFICATES: &str = "x509-svid";
const FOR_TOKENS: &str = "jwt-svid";
const P256: &str = "P-256";

/// Why a document was not read. Positions count from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDocument {
    /// Larger than [`MAX_DOCUMENT`].
    #[error("the bundle is larger than {MAX_DOCUMENT} bytes")]
    TooLarge,
    /// Not the JSON of a bundle.
    #[error("not a SPIFFE bundle: {0}")]
    NotJson(String),
    /// No `spiffe_sequence`.
    #[error("the bundle has no `spiffe_sequence`: nothing would tell an old one from a new one")]
    NoSequence,
    /// A `spiffe_sequence` above [`MAX_SEQUENCE`].
    #[error("the bundle's `spiffe_sequence` {0} is above {MAX_SEQUENCE}")]
    SequenceTooHigh(u64),
    /// More keys than [`MAX_KEYS`], or more roots than [`MAX_ROOTS`].
    #[error("the bundle has more than {MAX_ROOTS} roots, or more than {MAX_KEYS} keys")]
    TooMany,
    /// A key that cannot be used, and why.
    #[error("key {at} of the bundle: {why}")]
    BrokenKey {
        /// Position in `keys`.
        at: usize,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// A trust bundle as it is published: roots, token keys, and what tells it from the last one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// Rises with every change of the content; at most [`MAX_SEQUENCE`].
    pub sequence: u64,
    /// How often to ask again, in whole seconds, where it says so.
    pub refresh_hint: Option<Duration>,
    /// The roots. None at all means: nothing of this trust domain is trusted.
    pub roots: Vec<CertificateDer<'static>>,
    /// The P-256 keys that verify the domain's tokens.
    pub token_keys: Vec<PublicJwk>,
}

impl Document {
    /// What this CA announces, to be asked for again after `hint`.
    pub fn of(announced: &Announced, hint: Duration) -> Self {
        let set = serde_json::from_str::<JwkSet>(&announced.jwks).ok();
        let keys = set.map(|set| set.keys).unwrap_or_default();
        // It was written here, and one at a time is left out if it could not be read back.
        let token_keys = keys.iter().filter_map(|key| key.token_key().ok().flatten());
        Self {
            sequence: announced.bundle.generation,
            refresh_hint: Some(Duration::from_secs(hint.as_secs())),
            roots: announced.bundle.roots.clone(),
            token_keys: token_keys.collect(),
        }
    }

    /// Reads a document. Roots and keys come in an order of their own: theirs says nothing.
    ///
    /// # Errors
    /// When it is too large, no bundle, without a sequence number, or holds a key that is broken.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidDocument> {
        if bytes.len() > MAX_DOCUMENT {
            return Err(InvalidDocument::TooLarge);
        }
        let set: JwkSet = serde_json::from_slice(bytes)
            .map_err(|error| InvalidDocument::NotJson(error.to_string()))?;
        if set.keys.len() > MAX_KEYS {
            return Err(InvalidDocument::TooMany);
        }
        let sequence = set.spiffe_sequence.ok_or(InvalidDocument::NoSequence)?;
        if sequence > MAX_SEQUENCE {
            return Err(InvalidDocument::SequenceTooHigh(sequence));
        }
        let (mut roots, mut token_keys, mut names) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
        for (at, key) in set.keys.iter().enumerate() {
            let broken = |why| InvalidDocument::BrokenKey { at, why };
            match key.purpose.as_deref() {
                Some(FOR_CERTIFICATES) => roots.extend(key.root().map_err(broken)?),
                Some(FOR_TOKENS) => {
                    let Some(key) = key.token_key().map_err(broken)? else {
                        continue;
                    };
                    if !names.insert(key.kid().to_owned()) {
                        return Err(broken("another key has the same `kid`"));
                    }
                    token_keys.push(key);
                }
                _ => {}
            }
        }
        if roots.len() > MAX_ROOTS {
            return Err(InvalidDocument::TooMany);
        }
        token_keys.sort_by(|one, other| one.kid().cmp(other.kid()));
        Ok(Self {
            sequence,
            refresh_hint: set.spiffe_refresh_hint.map(Duration::from_secs),
            roots: roots.into_iter().map(CertificateDer::from).collect(),
            token_keys,
        })
    }

    /// The document as it is published. A root whose key cannot be read is left out.
    pub fn to_json(&self) -> String {
        let roots = self.roots.iter().filter_map(|root| written_root(root));
        let tokens = self.token_keys.iter().map(|key| {
            let (x, y) = key.coordinates();
            json!({ "kty": "EC", "use": FOR_TOKENS, "kid": key.kid(), "crv": P256, "x": x, "y": y })
        });
        let keys: Vec<Value> = roots.chain(tokens).collect();
        let mut document = json!({ "keys": keys, "spiffe_sequence": self.sequence });
        if let Some(hint) = self.refresh_hint {
            document["spiffe_refresh_hint"] = hint.as_secs().into();
        }
        document.to_string()
    }

    /// The roots, as those of `trust_domain` under that generation.
    pub fn bundle(&self, trust_domain: TrustDomain, generation: u64) -> Bundle {
        Bundle {
            trust_domain,
            generation,
            roots: self.roots.clone(),
        }
    }

    /// Whether roots and token keys are the same, whatever the order.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let roots = |of: &Self| {
            of.roots
                .iter()
                .map(|it| it.to_vec())
                .collect::<BTreeSet<_>>()
        };
        let keys = |of: &Self| {
            let keys = of.token_keys.iter();
            let keys = keys.map(|key| (key.kid().to_owned(), key.coordinates()));
            keys.map(|(kid, (x, y))| (kid, x.to_owned(), y.to_owned()))
                .collect::<BTreeSet<_>>()
        };
        roots(self) == roots(other) && keys(self) == keys(other)
    }

    /// How often its publisher is asked again: as it says, within reason.
    pub fn ask_again(&self) -> Duration {
        let hint = self.refresh_hint.unwrap_or(USUAL_HINT).as_secs();
        Duration::from_secs(hint.clamp(*HINTS_S.start(), *HINTS_S.end()))
    }
}

/// A root as a JWK: its certificate, and its key as the certificate has it.
fn written_root(root: &CertificateDer<'_>) -> Option<Value> {
    let certificate = [STANDARD.encode(root)];
    let key = svid::public_key(root)?;
    let mut jwk = json!({ "kty": "EC", "use": FOR_CERTIFICATES, "x5c": certificate });
    // Another curve's key stands in the certificate, which is all that counts.
    if let Some(key) = PublicJwk::new("", &key) {
        let (x, y) = key.coordinates();
        (jwk["crv"], jwk["x"], jwk["y"]) = (P256.into(), x.into(), y.into());
    }
    Some(jwk)
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Jwk>,
    spiffe_sequence: Option<u64>,
    spiffe_refresh_hint: Option<u64>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    x5c: Option<Vec<String>>,
}

impl Jwk {
    /// The certificate of a root, DER; nothing if its key is of no known kind.
    fn root(&self) -> Result<Option<Vec<u8>>, &'static str> {
        if !matches!(&*self.kty, "EC" | "RSA") {
            return Ok(None);
        }
        let Some([certificate]) = self.x5c.as_deref() else {
            return Err("a root has one certificate in `x5c`, no more and no less");
        };
        let der = STANDARD.decode(certificate);
        let der = der.map_err(|_| "`x5c` must be base64")?;
        if der.len() > MAX_CERTIFICATE {
            return Err("its certificate is too long");
        }
        let certificate = CertificateDer::from(der);
        if webpki::anchor_from_trusted_cert(&certificate).is_err() {
            return Err("its certificate is no X.509 certificate in DER");
        }
        let own = svid::public_key(&certificate).ok_or("its certificate cannot be read")?;
        if self.point().is_some_and(|point| point != own) {
            return Err("its certificate is of another key");
        }
        Ok(Some(certificate.to_vec()))
    }

    /// A token key; nothing if it is of a kind that is not known here.
    fn token_key(&self) -> Result<Option<PublicJwk>, &'static str> {
        if self.kty != "EC" || self.crv.as_deref() != Some(P256) {
            return Ok(None);
        }
        let name = self.kid.as_deref().filter(|name| !name.is_empty());
        let name = name.ok_or("a token key has a `kid`")?;
        if name.len() > MAX_KID {
            return Err("its `kid` is too long");
        }
        let point = self.point();
        let point = point.ok_or("`x` and `y` must be base64url without padding")?;
        let key = PublicJwk::new(name, &point);
        key.map(Some)
            .ok_or("`x` and `y` must have 32 bytes each, and do not")
    }

    /// The uncompressed P-256 point, of whatever length.
    fn point(&self) -> Option<Vec<u8>> {
        if self.kty != "EC" || self.crv.as_deref() != Some(P256) {
            return None;
        }
        let decoded = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_deref()?).ok();
        let (x, y) = (decoded(&self.x)?, decoded(&self.y)?);
        // Each by itself: together they might be of the right length.
        let apart = x.len() == 32 && y.len() == 32;
        Some(if apart {
            [&[4], &*x, &*y].concat()
        } else {
            Vec::new()
        })
    }
}

#[cfg(test)]
#[path = "bundle_json_tests.rs"]
mod tests;
