//! What a planted service holds at one moment, and how it takes up what its files say.
//!
//! A change is taken up whole: a key and a chain that do not match, or a file that cannot be
//! read, leave what was there before. Nothing here looks at a network or a clock; what a fault
//! switches off of the taking up is switched off here and nowhere else.

use std::sync::Arc;

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::crl::Lists;
use super::fault::{Fault, Faults};
use super::jwks::Keys;
use super::path;

/// What the files hold, byte for byte; nothing for a file that is not there or not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) key: Option<Vec<u8>>,
    pub(super) chain: Option<Vec<u8>>,
    pub(super) trust: Option<Vec<u8>>,
    pub(super) crl: Option<Vec<u8>>,
    pub(super) jwks: Option<Vec<u8>>,
}

/// What the service holds.
#[derive(Clone, Debug, Default)]
pub(super) struct World {
    /// Its key and chain, if it has any.
    pub(super) leaf: Option<Arc<CertifiedKey>>,
    /// The roots that it trusts.
    pub(super) roots: Vec<CertificateDer<'static>>,
    /// Every root that it ever trusted: only a bad twin looks here.
    pub(super) ever: Vec<CertificateDer<'static>>,
    /// Revocation lists.
    pub(super) lists: Lists,
    /// Keys that sign tokens.
    pub(super) keys: Keys,
    /// How often the leaf changed.
    pub(super) leaf_changes: u64,
    /// How often anything changed.
    pub(super) changes: u64,
    /// Whether a bad twin's watch ended.
    given_up: bool,
    /// The halves that a bad twin holds, each as it came.
    halves: (Option<Vec<u8>>, Option<Vec<u8>>),
}

impl World {
    /// Takes up what changed between two looks. `now` is in seconds since 1970.
    pub(super) fn take(&mut self, faults: Faults, before: &Bytes, after: &Bytes, now: i64) {
        let first = *before == Bytes::default();
        if before.key != after.key || before.chain != after.chain {
            let by_key = !faults.has(Fault::SameKeyRenewal) || before.key != after.key;
            let awake = first || (!faults.has(Fault::LeafSwap) && by_key);
            if awake && !self.given_up {
                self.take_leaf(faults, after, now);
            }
        }
        if before.trust != after.trust && (first || !faults.has(Fault::NewRootBeforeItsLeaves)) {
            self.take_trust(faults, after.trust.as_deref().unwrap_or_default(), now);
        }
        if before.crl != after.crl && !faults.has(Fault::RevokedLeafNew) {
            let read: Result<Vec<_>, _> = pem(after.crl.as_deref().unwrap_or_default());
            if let Ok(read) = read {
                let older = faults.has(Fault::OlderCrl);
                // A list that cannot be read leaves the ones that were there.
                let _: Result<(), &'static str> = self.lists.take(&read, older);
            }
        }
        if before.jwks != after.jwks && (first || !faults.has(Fault::JwksNewKey)) {
            self.take_keys(faults, after.jwks.as_deref().unwrap_or_default());
        }
        self.changes += 1;
    }

    /// Takes up a key set; one that cannot be read leaves the one that was there.
    pub(super) fn take_keys(&mut self, faults: Faults, jwks: &[u8]) {
        if let Ok(keys) = Keys::read(jwks) {
            self.keys.replace(faults, keys);
            self.changes += 1;
        }
    }

    fn take_leaf(&mut self, faults: Faults, files: &Bytes, now: i64) {
        let stuck = faults.has(Fault::AllExpired)
            && self
                .leaf
                .as_ref()
                .is_some_and(|leaf| is_past(&leaf.cert, now));
        if stuck {
            return;
        }
        let pair = read_pair(files.key.as_deref(), files.chain.as_deref());
        match pair {
            _ if faults.has(Fault::LeafKeyMismatch) => self.take_halves(files),
            Ok(pair) if pair.keys_match().is_ok() => self.publish(pair),
            Err(_) if faults.has(Fault::TruncatedChain) => {
                self.leaf = None;
                self.given_up = true;
            }
            // The last good pair stays until there is a better one.
            _ => {}
        }
    }

    /// Each half that can be read is taken for good.
    fn take_halves(&mut self, files: &Bytes) {
        let key = files.key.as_ref();
        if key.is_some_and(|key| PrivateKeyDer::from_pem_slice(key).is_ok()) {
            self.halves.0 = key.cloned();
        }
        let chain = files.chain.as_ref();
        if chain.is_some_and(|chain| read_chain(chain).is_ok()) {
            self.halves.1 = chain.cloned();
        }
        if let Ok(pair) = read_pair(self.halves.0.as_deref(), self.halves.1.as_deref()) {
            self.publish(pair);
        }
    }

    fn publish(&mut self, pair: CertifiedKey) {
        self.leaf = Some(Arc::new(pair));
        self.leaf_changes += 1;
    }

    fn take_trust(&mut self, faults: Faults, text: &[u8], now: i64) {
        let Ok(mut roots) = pem::<CertificateDer<'static>>(text) else {
            return;
        };
        if roots.iter().any(|root| path::read(root).is_err()) {
            return;
        }
        if faults.has(Fault::ExpiredRootInBundle) && roots.iter().any(|r| is_past_one(r, now)) {
            roots.clear();
        }
        if faults.has(Fault::TwoRootsOneName) {
            let all = roots.clone();
            roots.retain(|root| {
                let last = all.iter().rfind(|other| name_of(other) == name_of(root));
                last == Some(root)
            });
        }
        for root in &roots {
            if !self.ever.contains(root) {
                self.ever.push(root.clone());
            }
        }
        self.roots = if faults.has(Fault::OldRootNew) {
            self.ever.clone()
        } else {
            roots
        };
    }
}

/// Everything of one kind in a PEM text; an empty text holds nothing, and a broken one is none.
fn pem<T: PemObject>(text: &[u8]) -> Result<Vec<T>, rustls::pki_types::pem::Error> {
    T::pem_slice_iter(text).collect()
}

fn read_chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, &'static str> {
    let chain: Vec<CertificateDer<'static>> = pem(text).map_err(|_| "a broken chain")?;
    let leaf = chain.first().ok_or("a chain without a certificate")?;
    path::read(leaf).map_err(|_| "a leaf that nobody can read")?;
    Ok(chain)
}

/// Reads a key and a chain; whether they match is for the caller to ask.
fn read_pair(key: Option<&[u8]>, chain: Option<&[u8]>) -> Result<CertifiedKey, &'static str> {
    let chain = read_chain(chain.ok_or("no chain")?)?;
    let key = PrivateKeyDer::from_pem_slice(key.ok_or("no key")?).map_err(|_| "a broken key")?;
    let key = any_supported_type(&key).map_err(|_| "a key of a kind that cannot be used")?;
    Ok(CertifiedKey::new(chain, key))
}

fn is_past(chain: &[CertificateDer<'_>], now: i64) -> bool {
    chain.first().is_some_and(|leaf| is_past_one(leaf, now))
}

fn is_past_one(cert: &CertificateDer<'_>, now: i64) -> bool {
    path::read(cert).is_ok_and(|cert| cert.validity().not_after.timestamp() < now)
}

fn name_of(cert: &CertificateDer<'_>) -> Option<Vec<u8>> {
    path::read(cert)
        .ok()
        .map(|cert| cert.subject().as_raw().to_vec())
}
