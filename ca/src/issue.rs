//! The CA: first leaves for join codes, next leaves for those who have one.
//!
//! It has no network and takes the time as an argument. A caller's identity comes from a code or
//! from a verified leaf, never from the signing request. Invariants: a code's use is durable
//! before its certificate leaves, and so is the certificate's entry in the issuance log. If the
//! log fails after a code was used, the code stays used and the workload needs another: a code
//! that came back to life could be used twice.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::authority::{Issued, Issuer, Root};
use crate::bundle::Bundle;
use crate::clock::Time;
use crate::csr::Request;
use crate::error::{CaError, IssueRefusal};
use crate::identity::{LeafFacts, SpiffeId, TrustDomain, Untimely};
use crate::issuance::{Issuance, Issuances, Kind};
use crate::join::{self, JoinCode, JoinRecord};
use crate::profile::Validity;
use crate::seams::Seams;
use crate::store::{self, State, Store};
use crate::svid::{self, sha256};
use crate::tlog::log::Log;
use crate::tlog::note::{SigningKey, VerifyingKey};

/// Where the root's private key is written at the first opening, and never read again.
pub const ROOT_KEY_FILE: &str = "ca/root.key";
const STORE_FILE: &str = "ca/state.redb";
/// 2^64 divided by the golden ratio.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

const LOG_FOLDER: &str = "ca/issuance";

/// Root and issuer start this much before they were made: no verifier's clock may be ahead of
/// them, and a back-dated leaf must fit inside.
const AUTHORITY_BACKDATE: Duration = Duration::from_secs(60 * 60);

/// The CA's settings. All spans are rounded down to whole seconds in certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaConfig {
    /// Whom it issues for.
    pub trust_domain: TrustDomain,
    /// Life of a root.
    pub root_ttl: Duration,
    /// Life of an issuer: at least six leaves long.
    pub issuer_ttl: Duration,
    /// Life of a leaf, back-dating included: at least 10 s.
    pub leaf_ttl: Duration,
    /// How much earlier than now a leaf starts, against clocks that are behind.
    pub backdate: Duration,
    /// First leaves start up to this much earlier still, at random, so that a fleet that starts
    /// at once does not renew at once. With `backdate`, less than half of `leaf_ttl`.
    pub stagger: Duration,
    /// How long a join code may be used.
    pub join_ttl: Duration,
    /// How far past its end a caller's leaf may still renew.
    pub tolerance: Duration,
}

impl CaConfig {
    /// The lab's settings: leaves of 100 s, first ones up to 45 s old.
    pub const fn lab(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            root_ttl: Duration::from_secs(10 * 365 * 24 * 60 * 60),
            issuer_ttl: Duration::from_secs(30 * 24 * 60 * 60),
            leaf_ttl: Duration::from_secs(100),
            backdate: Duration::from_secs(2),
            stagger: Duration::from_secs(45),
            join_ttl: Duration::from_secs(10 * 60),
            tolerance: Duration::from_millis(500),
        }
    }

    fn check(&self) -> Result<(), CaError> {
        if self.leaf_ttl < Duration::from_secs(10) {
            return Err(CaError::Settings("a leaf lives at least 10 s"));
        }
        if (self.backdate + self.stagger) * 2 >= self.leaf_ttl {
            return Err(CaError::Settings(
                "backdate and stagger together stay below half of a leaf's life",
            ));
        }
        if self.issuer_ttl < self.leaf_ttl * 6 || self.root_ttl < self.issuer_ttl {
            return Err(CaError::Settings(
                "an issuer lives at least six leaves long, and a root at least as long as it",
            ));
        }
        Ok(())
    }
}

/// What a workload is given.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The leaf, then its issuer; the root is left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the leaf says.
    pub facts: LeafFacts,
    /// What to trust from now on.
    pub bundle: Bundle,
    /// Where the leaf stands in the issuance log.
    pub log_index: u64,
}

/// The certificate authority of one trust domain.
#[derive(Debug)]
pub struct Ca {
    config: CaConfig,
    store: Store,
    issuer: Issuer,
    bundle: Bundle,
    issuances: Issuances,
    log_key: VerifyingKey,
    /// Where the next first leaf's age stands between none and all of the stagger.
    spread: u64,
}

impl Ca {
    /// Opens the CA on its disk; the first time it makes root, issuer and log.
    ///
    /// # Errors
    /// When the settings contradict each other, the disk fails, or what is on it is not what this
    /// CA wrote.
    pub fn open(seams: &Seams, config: CaConfig) -> Result<Self, CaError> {
        config.check()?;
        let now = seams.clock.now();
        let store = Store::open(&*seams.disk, STORE_FILE)?;
        let state = match store.state()? {
            Some(state) => state,
            None => set_up(seams, &config, &store, now)?,
        };
        if state.trust_domain != config.trust_domain {
            return Err(CaError::OtherTrustDomain {
                found: state.trust_domain.clone(),
                expected: config.trust_domain,
            });
        }
        let issuer = Issuer::new(
            &state.trust_domain,
            state.issuer_generation,
            Validity::new(
                Time::from_secs(state.issuer_not_before_s),
                Time::from_secs(state.issuer_not_after_s),
            ),
            state.issuer_key()?,
            state.issuer_certificate()?.into(),
        )?;
        let bundle = Bundle {
            trust_domain: state.trust_domain.clone(),
            generation: state.bundle_generation,
            roots: vec![state.root_certificate()?.into()],
        };
        let origin = format!("{}/issuance", state.trust_domain);
        let key = SigningKey::new(&origin, &state.log_key()?).map_err(CaError::damaged)?;
        let log_key = key.verifying();
        let (log, _) = Log::open(&seams.disk, LOG_FOLDER, &origin, key)
            .map_err(|error| CaError::Log(error.to_string()))?;
        let issuances = Issuances::new(log, now, config.tolerance)?;
        Ok(Self {
            config,
            store,
            issuer,
            bundle,
            issuances,
            log_key,
            spread: seams.rng.next(),
        })
    }

    /// What verifiers of this trust domain should hold.
    pub const fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// The settings that it was opened with.
    pub const fn config(&self) -> &CaConfig {
        &self.config
    }

    /// The issuance log, for auditors.
    pub const fn log(&self) -> &Log {
        self.issuances.log()
    }

    /// Who signs the issuance log's checkpoints.
    pub const fn log_key(&self) -> &VerifyingKey {
        &self.log_key
    }

    /// Makes a join code for one workload of this trust domain. Durable on return.
    ///
    /// # Errors
    /// Refuses names that are not this CA's to give, and too many codes; or the disk fails.
    pub fn new_join_code(&mut self, id: &SpiffeId, now: Time) -> Result<JoinCode, CaError> {
        if id.trust_domain() != &self.config.trust_domain || id.is_root() {
            return Err(IssueRefusal::NameForeign(id.clone()).into());
        }
        let code = JoinCode::fresh()?;
        let record = JoinRecord {
            spiffe_id: id.clone(),
            expires_us: (now + self.config.join_ttl).as_micros(),
            used_us: None,
            leaf: None,
        };
        let digest = join::digest(code.reveal())?;
        self.store.add_join_code(&digest, &record, now)?;
        Ok(code)
    }

    /// Issues a first leaf, for the name that the code was made for. A request that is refused
    /// does not use the code up. A used code gives the leaf that it bought once more, and for the
    /// same key alone.
    ///
    /// # Errors
    /// Refuses unknown, expired and used codes, and requests that are broken or ask for anything
    /// else; or disk or log fail, and then the code may be used although nothing was issued.
    pub fn enroll(&mut self, code: &str, csr: &[u8], now: Time) -> Result<Identity, CaError> {
        let digest = join::digest(code)?;
        let record = self.store.join_code(&digest)?;
        if let Some(leaf) = &record.leaf {
            let leaf = store::decoded("leaf of a join code", leaf)?;
            return self.answer_again(&record, leaf, csr, now);
        }
        record.usable(now)?;
        let issued = self.sign(csr, &record.spiffe_id, now - self.age(), now)?;
        let leaf = issued.chain.first().map_or(&[][..], |leaf| leaf);
        self.store.use_join_code(&digest, leaf, now)?;
        self.spread = self.spread.wrapping_add(GOLDEN);
        self.publish(Kind::Enroll, issued, now)
    }

    /// The answer that a code had when it was used: it may have been lost on its way, or the power
    /// may have gone before its entry was logged. No other leaf comes of it, and none that is over.
    fn answer_again(
        &mut self,
        record: &JoinRecord,
        leaf: Vec<u8>,
        csr: &[u8],
        now: Time,
    ) -> Result<Identity, CaError> {
        let facts = LeafFacts::from_der(&leaf)?;
        let request = Request::verify(csr, &record.spiffe_id);
        let request = request.map_err(|_| IssueRefusal::JoinCodeUsed)?;
        let same = svid::public_key(&leaf).as_deref() == Some(request.key.as_bytes());
        let lives = facts.timely(now, self.config.tolerance).is_ok();
        if !same || !lives || now > Time::from_micros(record.expires_us) {
            return Err(IssueRefusal::JoinCodeUsed.into());
        }
        let log_index = self.issuances.leaf(&facts.leaf_sha256);
        let issued = Issued {
            chain: vec![leaf.into(), self.issuer.certificate().clone()],
            facts,
            key_sha256: sha256(request.key.as_bytes()),
            csr_sha256: request.sha256,
        };
        match log_index {
            Some(log_index) => Ok(self.identity(issued, log_index)),
            None => self.publish(Kind::Enroll, issued, now),
        }
    }

    /// Issues a next leaf for the very name of the caller, whose leaf `peer` the connection has
    /// verified.
    ///
    /// # Errors
    /// Refuses a caller whose leaf is of another trust domain, out of its validity on this clock,
    /// or not in the issuance log; a key that has a leaf already; and requests that are broken or
    /// ask for anything else. Or the log fails, and then nothing was issued.
    pub fn renew(&mut self, peer: &LeafFacts, csr: &[u8], now: Time) -> Result<Identity, CaError> {
        if peer.spiffe_id.trust_domain() != &self.config.trust_domain {
            return Err(IssueRefusal::LeafForeign(peer.spiffe_id.clone()).into());
        }
        peer.timely(now, self.config.tolerance)
            .map_err(|untimely| match untimely {
                Untimely::Expired { not_after } => IssueRefusal::LeafExpired(not_after),
                Untimely::NotYetValid { not_before } => IssueRefusal::LeafNotYetValid(not_before),
            })?;
        if self.issuances.leaf(&peer.leaf_sha256).is_none() {
            return Err(IssueRefusal::LeafUnlogged.into());
        }
        let issued = self.sign(csr, &peer.spiffe_id, now, now)?;
        self.publish(Kind::Renew, issued, now)
    }

    /// How old the next first leaf begins: spread evenly however few there are, by the golden
    /// ratio (Weyl), from a random start.
    fn age(&self) -> Duration {
        let stagger = self.config.stagger.as_micros();
        let share = (u128::from(self.spread) * stagger) >> 64;
        Duration::from_micros(u64::try_from(share).unwrap_or(0))
    }

    fn sign(&self, csr: &[u8], id: &SpiffeId, from: Time, now: Time) -> Result<Issued, CaError> {
        let validity = Validity::lasting(from - self.config.backdate, self.config.leaf_ttl);
        let issued = self.issuer.issue(csr, id, validity, now)?;
        if self.issuances.has_key(&issued.key_sha256) {
            return Err(IssueRefusal::CsrKeyReused.into());
        }
        Ok(issued)
    }

    fn publish(&mut self, kind: Kind, issued: Issued, now: Time) -> Result<Identity, CaError> {
        let entry = Issuance::new(kind, &issued, self.issuer.generation(), now);
        let log_index = self.issuances.record(&entry, now)?;
        Ok(self.identity(issued, log_index))
    }

    fn identity(&self, issued: Issued, log_index: u64) -> Identity {
        Identity {
            chain: issued.chain,
            facts: issued.facts,
            bundle: self.bundle.clone(),
            log_index,
        }
    }
}

/// Makes everything that a new CA has. The root's key is durable before the store speaks of the
/// root; a crash in between leaves a key that nobody trusts, and the next opening replaces it.
fn set_up(seams: &Seams, config: &CaConfig, store: &Store, now: Time) -> Result<State, CaError> {
    let entries = seams.disk.read(&format!("{LOG_FOLDER}/entries"))?;
    if entries.is_some_and(|entries| !entries.is_empty()) {
        return Err(CaError::damaged("there is an issuance log and no CA to it"));
    }
    let keys = Arc::clone(&seams.keys);
    let domain = &config.trust_domain;
    let start = now - AUTHORITY_BACKDATE;
    let root = Root::create(
        &*keys,
        domain,
        1,
        Validity::new(start, now + config.root_ttl),
    )?;
    let issuer = root.sign_issuer(&*keys, 1, Validity::new(start, now + config.issuer_ttl))?;
    let log_key = keys.ed25519()?;
    seams.disk.replace(ROOT_KEY_FILE, root.key())?;
    let state = State::new(domain, root.certificate(), &issuer, &log_key);
    store.set_up(&state)?;
    Ok(state)
}

#[cfg(test)]
#[path = "issue_tests.rs"]
mod tests;
