//! What a node believes about others at one moment: bundles, revocation lists, tainted issuers,
//! token keys.
//!
//! One value, replaced as a whole, so that nobody judges a chain by half of a change. It judges no
//! chain itself (see [`crate::tls::Trust`]) and is kept on disk, so that a node that starts while
//! the CA is away begins from what it last knew. Invariant: what [`Trusted::take`] accepts is never
//! older than what was held.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use proto::ca::v1 as wire;
use rustls::pki_types::CertificateDer;
use serde::{Deserialize, Serialize};

use crate::bundle::{Bundle, Bundles, InvalidBundle};
use crate::clock::Time;
use crate::crl::{Crl, InvalidCrl};
use crate::disk::Disk;
use crate::identity::TrustDomain;
use crate::revocation::Revocation;
use crate::svid::sha256;

/// Most roots that a bundle may have.
pub const MAX_ROOTS: usize = 16;
/// Most other trust domains that a CA federates with.
pub const MAX_FEDERATED: usize = 32;
/// Most revocation lists that one state may have.
pub const MAX_LISTS: usize = 64;
/// Most tainted token keys that one state may have.
pub const MAX_TAINTED_KEYS: usize = 64;
/// Longest set of token keys that a state may have, in bytes.
pub const MAX_JWKS: usize = 64 * 1024;
/// Largest file of beliefs that is read, in bytes: a list of 100,000 serials is a part of it.
pub const MAX_FILE: usize = 32 * 1024 * 1024;

const FORMAT: u32 = 1;

/// What a node believes about others.
#[derive(Clone, Debug, Default)]
pub struct Trusted {
    /// The roots of each trust domain that is known at all.
    pub bundles: Bundles,
    /// The revocation lists held, and what the node makes of them.
    pub revocation: Revocation,
    /// SHA-256 of issuers' certificates whose leaves are to be renewed now. They are trusted still.
    pub tainted: BTreeSet<[u8; 32]>,
    /// The keys that verify this trust domain's tokens, as a JWK set; empty while none is known.
    /// It is not read here.
    pub token_keys: Arc<str>,
    /// Names of token keys whose tokens are to be renewed now.
    pub tainted_keys: BTreeSet<String>,
    /// Among about how many members those who renew now are to spread.
    pub members: u32,
}

/// Why a state was not taken. What was held stays.
#[derive(Debug, thiserror::Error)]
pub enum InvalidState {
    /// A part is missing or broken.
    #[error("the CA's state is malformed: {0}")]
    Malformed(&'static str),
    /// The bundle may not follow the one held.
    #[error(transparent)]
    Bundle(#[from] InvalidBundle),
    /// A revocation list may not follow the one held, or nobody known signed it.
    #[error(transparent)]
    List(#[from] InvalidCrl),
}

impl Trusted {
    /// Believes one bundle and nothing else, and asks for no lists: what comes with a join code.
    pub fn of(bundle: Bundle) -> Self {
        Self {
            bundles: bundle.into(),
            revocation: Revocation::ignore(),
            tainted: BTreeSet::new(),
            token_keys: Arc::default(),
            tainted_keys: BTreeSet::new(),
            members: 0,
        }
    }

    /// Takes a whole state from the CA of `domain`; gives nothing if it says nothing new. Roots,
    /// taints and other domains that it does not hold are withdrawn. A revocation list that it does
    /// not hold stays: to forget one would be to pardon.
    ///
    /// # Errors
    /// When it is broken, of another domain, or older than what is held.
    pub fn take(
        &self,
        state: wire::State,
        domain: &TrustDomain,
    ) -> Result<Option<Self>, InvalidState> {
        if state.lists.len() > MAX_LISTS {
            return Err(InvalidState::Malformed("too many revocation lists"));
        }
        let bundle = bundle(state.bundle.ok_or(InvalidState::Malformed("no bundle"))?)?;
        if bundle.trust_domain != *domain {
            return Err(InvalidState::Malformed("another trust domain's bundle"));
        }
        let mut next = self.clone();
        let mut changed = next.bundles.accept(bundle.clone())?;
        changed |= next.take_federated(state.federated, domain)?;
        for list in state.lists {
            let crl = Crl::parse(&list.crl)?;
            let signers: Vec<_> = list.signers.into_iter().map(CertificateDer::from).collect();
            changed |= next.revocation.offer(crl, &signers, &bundle)?;
        }
        next.tainted = state
            .tainted
            .iter()
            .map(|hash| <[u8; 32]>::try_from(&**hash))
            .collect::<Result<_, _>>()
            .map_err(|_| InvalidState::Malformed("a hash of other than 32 bytes"))?;
        changed |= next.tainted != self.tainted;
        let tainted_keys = state.tainted_keys.into_iter();
        next.tainted_keys = tainted_keys.take(MAX_TAINTED_KEYS).collect();
        changed |= next.tainted_keys != self.tainted_keys;
        // Nobody is told of this alone.
        next.members = state.members;
        changed |=
            next.take_token_keys(&state.jwks, self.generation(domain) == bundle.generation)?;
        Ok(changed.then_some(next))
    }

    /// Takes the bundles of all other domains that there are; the others are withdrawn.
    fn take_federated(
        &mut self,
        sent: Vec<wire::Bundle>,
        domain: &TrustDomain,
    ) -> Result<bool, InvalidState> {
        if sent.len() > MAX_FEDERATED {
            return Err(InvalidState::Malformed("too many other trust domains"));
        }
        let mut kept = BTreeSet::from([domain.clone()]);
        let mut changed = false;
        for sent in sent {
            let bundle = bundle(sent)?;
            if !kept.insert(bundle.trust_domain.clone()) {
                return Err(InvalidState::Malformed("two bundles of one trust domain"));
            }
            changed |= self.bundles.accept(bundle)?;
        }
        Ok(self.bundles.keep(&kept) || changed)
    }

    /// Takes the key set that came with a bundle; one of the `same` generation as before says the
    /// same.
    fn take_token_keys(&mut self, jwks: &str, same: bool) -> Result<bool, InvalidState> {
        if *self.token_keys == *jwks {
            return Ok(false);
        }
        if jwks.len() > MAX_JWKS {
            return Err(InvalidState::Malformed("too many token keys"));
        }
        if same && !self.token_keys.is_empty() {
            return Err(InvalidState::Malformed("two key sets for one generation"));
        }
        self.token_keys = jwks.into();
        Ok(true)
    }

    /// Whether who stood by `before`, of that trust domain, stands by these beliefs as well: the
    /// same roots, and lists that say the same.
    pub(crate) fn only_renews(
        &self,
        before: &Self,
        domain: &TrustDomain,
        now: Time,
        tolerance: Duration,
    ) -> bool {
        let (own, its) = (&self.revocation, &before.revocation);
        self.bundles.get(domain) == before.bundles.get(domain)
            && own.only_renews(its, domain, now, tolerance)
    }

    /// The generation of that domain's bundle; 0 if there is none.
    pub fn generation(&self, domain: &TrustDomain) -> u64 {
        self.bundles
            .get(domain)
            .map_or(0, |bundle| bundle.generation)
    }

    /// Whether a chain, leaf first, was signed by a tainted issuer.
    pub fn taints(&self, chain: &[CertificateDer<'_>]) -> bool {
        let mut issuers = chain.iter().skip(1);
        issuers.any(|issuer| self.tainted.contains(&sha256(issuer)))
    }

    /// Whether a token by the key of that name is to be renewed now: the key is tainted, or gone.
    pub fn taints_key(&self, name: &str) -> bool {
        // A token of which nobody said by which key it is rests on none.
        !name.is_empty() && (self.tainted_keys.contains(name) || self.lacks_key(name))
    }

    /// Whether there is a key set and no key of that name in it.
    pub fn lacks_key(&self, name: &str) -> bool {
        let known = !self.token_keys.is_empty();
        known && !self.token_keys.contains(&format!("\"{name}\""))
    }

    /// Puts these beliefs in the place of the last ones: all or none, durable on return.
    ///
    /// # Errors
    /// When the disk fails; what was there before stays.
    pub fn persist(&self, disk: &dyn Disk, file: &str) -> io::Result<()> {
        let of = |bundle: &Bundle| StoredBundle {
            trust_domain: bundle.trust_domain.clone(),
            generation: bundle.generation,
            roots: bundle
                .roots
                .iter()
                .map(|root| BASE64.encode(root))
                .collect(),
        };
        let lists = self.revocation.crls.iter();
        let tainted = self.tainted.iter().map(|hash| BASE64.encode(hash));
        let stored_list = |(domain, crl): (&TrustDomain, &Crl)| StoredList {
            trust_domain: domain.clone(),
            crl: BASE64.encode(crl.der()),
        };
        let stored = Stored {
            format: FORMAT,
            bundles: self.bundles.iter().map(of).collect(),
            lists: lists.map(stored_list).collect(),
            tainted: tainted.collect(),
            token_keys: self.token_keys.to_string(),
            tainted_keys: self.tainted_keys.clone(),
            members: self.members,
        };
        let text = serde_json::to_vec(&stored)?;
        if text.len() > MAX_FILE {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("`{file}`: {} bytes would not be read again", text.len()),
            ));
        }
        disk.replace(file, &text)
    }

    /// Loads what [`Self::persist`] left; nothing if there is no such file.
    ///
    /// # Errors
    /// When the disk fails, or the file is not one that this wrote.
    pub fn load(disk: &dyn Disk, file: &str) -> io::Result<Option<Self>> {
        let Some(text) = disk.read(file)? else {
            return Ok(None);
        };
        let broken =
            |why: &str| io::Error::new(io::ErrorKind::InvalidData, format!("`{file}`: {why}"));
        if text.len() > MAX_FILE {
            return Err(broken("too long"));
        }
        let stored: Stored = serde_json::from_slice(&text).map_err(|e| broken(&e.to_string()))?;
        if stored.format != FORMAT {
            return Err(broken("unknown format"));
        }
        stored
            .read()
            .map(Some)
            .ok_or_else(|| broken("not base64, or too much of it"))
    }
}

/// A bundle as it came over the wire.
fn bundle(sent: wire::Bundle) -> Result<Bundle, InvalidState> {
    if sent.roots.len() > MAX_ROOTS {
        return Err(InvalidState::Malformed("too many roots"));
    }
    Ok(Bundle {
        trust_domain: TrustDomain::new(&sent.trust_domain)
            .map_err(|_| InvalidState::Malformed("no trust domain"))?,
        generation: sent.generation,
        roots: sent.roots.into_iter().map(CertificateDer::from).collect(),
    })
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    bundles: Vec<StoredBundle>,
    lists: Vec<StoredList>,
    tainted: Vec<String>,
    #[serde(default)]
    token_keys: String,
    #[serde(default)]
    tainted_keys: BTreeSet<String>,
    #[serde(default)]
    members: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredList {
    trust_domain: TrustDomain,
    crl: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredBundle {
    trust_domain: TrustDomain,
    generation: u64,
    roots: Vec<String>,
}

impl Stored {
    fn read(self) -> Option<Trusted> {
        let decode = |text: &String| BASE64.decode(text).ok();
        let mut trusted = Trusted::default();
        for stored in self.bundles {
            let roots: Option<Vec<_>> = stored.roots.iter().map(decode).collect();
            let roots = roots.filter(|roots| roots.len() <= MAX_ROOTS)?;
            let bundle = Bundle {
                trust_domain: stored.trust_domain,
                generation: stored.generation,
                roots: roots.into_iter().map(CertificateDer::from).collect(),
            };
            trusted.bundles.accept(bundle).ok()?;
        }
        for stored in self.lists {
            // It was verified before it was kept.
            let crl = Crl::parse(&decode(&stored.crl)?).ok()?;
            trusted.revocation.crls.put(crl, &stored.trust_domain);
        }
        let hash = |text: &String| <[u8; 32]>::try_from(decode(text)?).ok();
        trusted.tainted = self.tainted.iter().map(hash).collect::<Option<_>>()?;
        trusted.token_keys = self.token_keys.into();
        (trusted.tainted_keys, trusted.members) = (self.tainted_keys, self.members);
        Some(trusted)
    }
}
