//! The CA: what it is, and next leaves for those who have one. First leaves are in `enrol`.
//!
//! It has no network and takes the time as an argument. A caller's identity comes from a code or
//! from a verified leaf, never from the signing request, unless the settings say so. Invariant: a
//! certificate's entry in the issuance log is durable before anybody has the certificate.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::sync::watch;

use crate::announced::Announced;
use crate::authorities::Authorities;
use crate::authority::{Issued, Issuer};
use crate::bundle::Bundle;
use crate::clock::Time;
use crate::csr::{self, Request, danger};
use crate::dns::DnsNames;
use crate::error::{CaError, IssueRefusal};
use crate::federation::Federation;
use crate::identity::{LeafFacts, SpiffeId, Untimely};
use crate::issuance::{Issuance, Issuances, Kind};
use crate::keys::{Keys, Pkcs8};
use crate::profile::Validity;
use crate::returns::ReturnBook;
use crate::root_keys::{RootKeyFiles, RootKeys};
use crate::seams::Seams;
use crate::secrets::Secrets;
pub use crate::settings::{
    AT_ONCE_LEAVES, CaConfig, Confirm, LISTS_A_LIFE, Names, Returns, WORKING_LEAF_TTL_S,
    WORKING_TOLERANCE,
};
use crate::store::{State, Store};
use crate::tlog::log::Log;
use crate::tlog::note::{SigningKey, VerifyingKey};
use crate::unlogged::Unlogged;
use crate::way_back::{self, Nonces};

const STORE_FILE: &str = "ca/state.redb";

/// Where the issuance log is on the CA's disk.
pub const LOG_FOLDER: &str = "ca/issuance";

/// Root and issuer start this much before they were made: no verifier's clock may be ahead of
/// them, and a back-dated leaf must fit inside.
pub(crate) const AUTHORITY_BACKDATE: Duration = Duration::from_secs(60 * 60);

/// What a workload is given.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The leaf, then its issuer; the root is left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the leaf says.
    pub facts: LeafFacts,
    /// What to believe from now on.
    pub state: Arc<Announced>,
    /// Where the leaf stands in the issuance log.
    pub log_index: u64,
}

/// A certificate whose entry waits to be durable: nobody has it before [`Ca::settle`].
#[derive(Debug)]
#[must_use = "a certificate that is not settled is nobody's"]
pub struct Entered {
    pub(crate) issued: Issued,
    pub(crate) log_index: u64,
}

impl Entered {
    /// Where it stands in the issuance log.
    pub const fn log_index(&self) -> u64 {
        self.log_index
    }
}

/// The certificate authority of one trust domain.
#[derive(Debug)]
pub struct Ca {
    pub(crate) config: CaConfig,
    pub(crate) store: Store,
    pub(crate) authorities: Authorities,
    pub(crate) secrets: Secrets,
    pub(crate) federation: Federation,
    /// How many orders about other trust domains were given since it was opened.
    pub(crate) ordered: watch::Sender<u64>,
    pub(crate) keys: Arc<dyn Keys>,
    /// Where roots' keys are.
    pub(crate) root_keys: Box<dyn RootKeys>,
    /// What members are told; whoever follows is woken by each new value.
    pub(crate) announced: watch::Sender<Arc<Announced>>,
    /// The bundle's generation that each member has put in force. Members say it again to a CA that
    /// was started again.
    pub(crate) acknowledged: BTreeMap<SpiffeId, u64>,
    /// The token key that each member that signs tokens says it signs with, and since when.
    pub(crate) signing: BTreeMap<SpiffeId, (u64, Time)>,
    /// When the last leaf of each of those ends.
    pub(crate) signers: BTreeMap<SpiffeId, Time>,
    pub(crate) issuances: Issuances,
    /// What members met and nobody issued.
    pub(crate) unlogged: watch::Sender<Vec<Unlogged>>,
    log_key: VerifyingKey,
    /// Who came back.
    pub(crate) returns: ReturnBook,
    pub(crate) nonces: Nonces,
    /// Where the next first leaf's age stands between none and all of the stagger.
    pub(crate) spread: u64,
}

impl Ca {
    /// Opens the CA on its disk, roots' keys beside it; the first time it makes root, issuer and
    /// log.
    ///
    /// # Errors
    /// When the settings contradict each other, the disk fails, or what is on it is not what this
    /// CA wrote.
    pub fn open(seams: &Seams, config: CaConfig) -> Result<Self, CaError> {
        let root_keys = Box::new(RootKeyFiles::new(&seams.disk));
        Self::open_with(seams, config, root_keys)
    }

    /// As [`Self::open`], with roots' keys elsewhere.
    ///
    /// # Errors
    /// As [`Self::open`]; and the first time, when there is no place for the root's key.
    pub fn open_with(
        seams: &Seams,
        config: CaConfig,
        root_keys: Box<dyn RootKeys>,
    ) -> Result<Self, CaError> {
        config.check()?;
        let now = seams.clock.now();
        let store = Store::open(&*seams.disk, STORE_FILE)?;
        let state = match store.state()? {
            Some(state) => state,
            None => set_up(seams, &config, &store)?,
        };
        if state.trust_domain != config.trust_domain {
            return Err(CaError::OtherTrustDomain {
                found: state.trust_domain.clone(),
                expected: config.trust_domain,
            });
        }
        let origin = format!("{}/issuance", state.trust_domain);
        let key = SigningKey::new(&origin, &state.log_key()?).map_err(CaError::damaged)?;
        let log_key = key.verifying();
        let (log, _) = Log::open(&seams.disk, LOG_FOLDER, &origin, key)
            .map_err(|error| CaError::Log(error.to_string()))?;
        let issuances = Issuances::new(log, now, config.tolerance, config.returns.grace)?;
        let returns = ReturnBook::read(&store.journal(0)?)?;
        let authorities = Authorities::load(&store, &config)?;
        let federation = Federation::load(&store, now)?;
        let secrets = Secrets::load(&store, &config.secrets)?;
        let announced = Announced::of(&authorities, &federation, 0, &secrets);
        let mut ca = Self {
            config,
            store,
            announced: watch::Sender::new(Arc::new(announced)),
            authorities,
            secrets,
            federation,
            ordered: watch::Sender::new(0),
            keys: Arc::clone(&seams.keys),
            root_keys,
            acknowledged: BTreeMap::new(),
            signing: BTreeMap::new(),
            signers: BTreeMap::new(),
            issuances,
            unlogged: watch::Sender::new(Vec::new()),
            log_key,
            returns,
            nonces: Nonces::new()?,
            spread: seams.rng.next(),
        };
        ca.begin(now)?;
        Ok(ca)
    }

    /// What verifiers of this trust domain should hold.
    pub fn bundle(&self) -> Bundle {
        self.announced.borrow().bundle.clone()
    }

    /// What members are told, as it changes.
    pub fn announced(&self) -> watch::Receiver<Arc<Announced>> {
        self.announced.subscribe()
    }

    /// Takes note of what a member has put in force.
    pub fn acknowledge(&mut self, member: &SpiffeId, generation: u64) {
        self.acknowledged.insert(member.clone(), generation);
    }

    /// Takes note that a member was given a key to sign with: until it says with which it signs, it
    /// may be any.
    pub(crate) fn gave_key(&mut self, member: &SpiffeId, kid: &str) {
        let given = self.authorities.token_key_number(kid);
        // Whoever is given again what it signs with goes on as before.
        if self.signing.get(member).map(|(with, _)| *with) != given {
            self.signing.remove(member);
        }
    }

    /// Takes note of the key that a member signs tokens with from `now` on. A name that no key has
    /// says nothing.
    pub fn signs_with(&mut self, member: &SpiffeId, kid: &str, now: Time) {
        if let Some(number) = self.authorities.token_key_number(kid) {
            let said = self.signing.entry(member.clone()).or_insert((number, now));
            if said.0 != number {
                *said = (number, now);
            }
        }
    }

    /// Puts roots' keys elsewhere from now on, perhaps where they can be opened; gives where they
    /// were.
    pub fn swap_root_keys(&mut self, root_keys: Box<dyn RootKeys>) -> Box<dyn RootKeys> {
        std::mem::replace(&mut self.root_keys, root_keys)
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

    /// Issues a next leaf for the very names of the caller, whose leaf `peer` the connection has
    /// verified; the DNS names are those that the log has of it. One who stands apart has its own
    /// name again by this, once it is confirmed.
    ///
    /// # Errors
    /// Refuses a caller whose leaf is of another trust domain, out of its validity on this clock,
    /// or not in the issuance log; a key that has a leaf already; and requests that are broken or
    /// ask for anything else. Or the log fails, and then nothing was issued.
    pub fn renew(&mut self, peer: &LeafFacts, csr: &[u8], now: Time) -> Result<Identity, CaError> {
        let entered = self.enter_renewal(peer, &Request::read(csr)?, now)?;
        self.settle(entered)
    }

    /// As [`Self::renew`], for a request that was read, but for the last step: [`Self::settle`].
    ///
    /// # Errors
    /// As [`Self::renew`], but for a broken request.
    pub fn enter_renewal(
        &mut self,
        peer: &LeafFacts,
        request: &Request,
        now: Time,
    ) -> Result<Entered, CaError> {
        self.may_renew(peer, now)?;
        if way_back::is_apart(&peer.spiffe_id) {
            return self.renew_apart(peer, request, now);
        }
        let names = self.issuances.dns_names(&peer.leaf_sha256);
        let issued = self.sign(request, &peer.spiffe_id, &names, self.validity(now), now)?;
        self.enter(Kind::Renew, issued, now)
    }

    /// Whether a caller with the leaf `peer` may renew at `now`, whatever its request is.
    ///
    /// # Errors
    /// As [`Self::renew`] refuses callers.
    pub fn may_renew(&self, peer: &LeafFacts, now: Time) -> Result<(), CaError> {
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
        if self.authorities.revoked(&peer.serial).is_some() {
            return Err(IssueRefusal::LeafRevoked.into());
        }
        Ok(())
    }

    /// Makes a key and issues a leaf for it, for a workload of this machine whose word is not
    /// asked: whoever orders this has made sure of it. The one way in which a workload's key is
    /// ever in this process; it is not kept, and nothing of it is logged but its hash.
    ///
    /// # Errors
    /// Refuses names that are not this CA's to give, its own among them; or randomness or log fail,
    /// and then nothing was issued.
    pub fn deliver(&mut self, id: &SpiffeId, now: Time) -> Result<(Pkcs8, Identity), CaError> {
        let own = id.path() == crate::node::PATH;
        if own || id.trust_domain() != &self.config.trust_domain || id.is_root() {
            return Err(IssueRefusal::NameForeign(id.clone()).into());
        }
        if way_back::is_apart(id) {
            return Err(IssueRefusal::NameApart(id.clone()).into());
        }
        let (key, names) = (self.keys.p256()?, DnsNames::default());
        let request = Request::read(&csr::request(&key)?)?;
        let issued = self.sign(&request, id, &names, self.validity(now), now)?;
        Ok((key, self.publish(Kind::Deliver, issued, now)?))
    }

    /// The validity of a leaf that begins then.
    pub(crate) fn validity(&self, from: Time) -> Validity {
        Validity::lasting(from - self.config.backdate, self.config.leaf_ttl)
    }

    /// Whose name a certificate for that caller is in.
    pub(crate) fn named(&self, request: &Request, caller: &SpiffeId) -> SpiffeId {
        let asked = match self.config.names {
            Names::Decided => None,
            Names::Copied(danger::Copied) => danger::asked_for(request),
        };
        asked.unwrap_or_else(|| caller.clone())
    }

    pub(crate) fn sign(
        &self,
        request: &Request,
        id: &SpiffeId,
        names: &DnsNames,
        validity: Validity,
        now: Time,
    ) -> Result<Issued, CaError> {
        let issuer = self.authorities.issuer()?;
        let issued = issuer.issue_named(request, &self.named(request, id), names, validity, now)?;
        if self.issuances.has_key(&issued.key_sha256) {
            return Err(IssueRefusal::CsrKeyReused.into());
        }
        Ok(issued)
    }

    /// Takes a certificate into the issuance log, where it waits for the next sync.
    pub(crate) fn enter(
        &mut self,
        kind: Kind,
        issued: Issued,
        now: Time,
    ) -> Result<Entered, CaError> {
        let issuer = self.issuer_of(&issued.facts)?.generation();
        let entry = Issuance::new(kind, &issued, issuer, now);
        let log_index = self.issuances.enter(&entry, now)?;
        self.may_sign(&issued.facts.spiffe_id, issued.facts.not_after);
        Ok(Entered { issued, log_index })
    }

    /// Makes what was entered durable, and hands it out. One sync does for everything that waits
    /// when it begins: whoever has others beside it lets them enter first.
    ///
    /// # Errors
    /// When the log fails; then nothing was issued.
    pub fn settle(&mut self, entered: Entered) -> Result<Identity, CaError> {
        let Entered { issued, log_index } = entered;
        self.issuances.settle(log_index)?;
        Ok(self.identity(issued, log_index))
    }

    pub(crate) fn publish(
        &mut self,
        kind: Kind,
        issued: Issued,
        now: Time,
    ) -> Result<Identity, CaError> {
        let entered = self.enter(kind, issued, now)?;
        self.settle(entered)
    }

    /// Who signed a leaf of ours. A leaf that is logged late may have an issuer before the last.
    pub(crate) fn issuer_of(&self, leaf: &LeafFacts) -> Result<&Issuer, CaError> {
        let issuer = self.authorities.issuer_named(&leaf.issuer);
        issuer.ok_or_else(|| CaError::damaged("a leaf's issuer is not in the store"))
    }

    fn identity(&self, issued: Issued, log_index: u64) -> Identity {
        let issuer = self.authorities.issuer_named(&issued.facts.issuer);
        let cross = issuer.and_then(|issuer| self.authorities.cross_of(issuer.generation()));
        Identity {
            chain: issued.chain.into_iter().chain(cross.cloned()).collect(),
            facts: issued.facts,
            state: Arc::clone(&self.announced.borrow()),
            log_index,
        }
    }
}

/// Makes what a new CA is founded with. Its authorities follow.
fn set_up(seams: &Seams, config: &CaConfig, store: &Store) -> Result<State, CaError> {
    let entries = seams.disk.read(&format!("{LOG_FOLDER}/entries"))?;
    if entries.is_some_and(|entries| !entries.is_empty()) {
        return Err(CaError::damaged("there is an issuance log and no CA to it"));
    }
    let state = State::new(&config.trust_domain, &seams.keys.ed25519()?);
    store.set_up(&state)?;
    Ok(state)
}

#[cfg(test)]
#[path = "issue_tests.rs"]
mod tests;
