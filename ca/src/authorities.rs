//! The CA's own authorities: the slots of [`crate::rotation`] with their keys, certificates and
//! revocation lists.
//!
//! What is decided is durable before it is in force, keys and certificates included. A root's key
//! is not kept here: it is needed to make an issuer and to revoke one, and is handed in for that.
//! Invariant: every issuer that may still be trusted has a list, and no number of a list is used
//! for two contents.

mod cross;
mod lists;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use crate::authority::{Issuer, Root};
use crate::bundle::Bundle;
use crate::clock::Time;
use crate::error::CaError;
use crate::identity::{SpiffeId, TrustDomain};
use crate::journaled::{Journaled, Revoked};
use crate::keys::Keys;
use crate::profile::Validity;
use crate::root_keys::RootKeys;
use crate::rotation::{AuthorityKind, Command, Facts, Phase, Slot, Slots, Transition, decide};
use crate::settings::CaConfig;
use crate::store::{Material, Store};
use crate::svid;
use crate::token_keys::{TokenKey, TokenKeys};

/// A revocation list with the certificates that lead from it to a root; none for a root's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The list, DER.
    pub crl: Vec<u8>,
    /// Its issuer's certificate, unless that is a root.
    pub signers: Vec<CertificateDer<'static>>,
}

/// Every authority of one CA.
#[derive(Debug)]
pub(crate) struct Authorities {
    domain: TrustDomain,
    slots: Slots,
    issuers: BTreeMap<u64, Issuer>,
    token_keys: TokenKeys,
    roots: BTreeMap<u64, CertificateDer<'static>>,
    /// Roots that the one before them signed too, with the number of that one.
    crosses: BTreeMap<u64, (u64, CertificateDer<'static>)>,
    /// The roots' lists, as they were last signed.
    root_lists: BTreeMap<u64, Vec<u8>>,
    /// The issuers' lists, and until when each is fresh enough.
    lists: BTreeMap<u64, (Vec<u8>, Time)>,
    /// Revoked leaves that may still be alive, by serial.
    revoked: BTreeMap<Vec<u8>, Revoked>,
    crl_life: Duration,
    cross_sign: bool,
}

/// What changes with a command, before it is durable.
#[derive(Default)]
struct Change {
    transitions: Vec<Transition>,
    material: Vec<(String, Material)>,
    issuer: Option<Issuer>,
    root: Option<(u64, CertificateDer<'static>)>,
    cross: Option<(u64, (u64, CertificateDer<'static>))>,
    token_key: Option<(u64, TokenKey)>,
}

impl Authorities {
    /// What the store holds; nothing was ever signed if it holds nothing.
    pub(crate) fn load(store: &Store, config: &CaConfig) -> Result<Self, CaError> {
        let (mut transitions, mut revoked) = (Vec::new(), BTreeMap::new());
        for entry in store.journal(0)? {
            match Journaled::parse(&entry).map_err(CaError::damaged)? {
                Journaled::Transition(transition) => transitions.push(transition),
                Journaled::Revoked(one) => {
                    revoked.insert(one.serial_bytes().map_err(CaError::damaged)?, one);
                }
                Journaled::Returned(_) | Journaled::Confirmed(_) | Journaled::Secret(_) => {}
            }
        }
        let slots = Slots::replay(&transitions).map_err(CaError::damaged)?;
        let domain = &config.trust_domain;
        let mut loaded = Self {
            domain: domain.clone(),
            slots,
            issuers: BTreeMap::new(),
            token_keys: TokenKeys::default(),
            roots: BTreeMap::new(),
            crosses: BTreeMap::new(),
            root_lists: BTreeMap::new(),
            lists: BTreeMap::new(),
            revoked,
            crl_life: config.crl_life,
            cross_sign: config.cross_sign,
        };
        let slots: Vec<Slot> = loaded.slots.iter().cloned().collect();
        for slot in slots {
            let name = name(slot.kind, slot.id);
            let gone = || CaError::Damaged(format!("the store has nothing of {name}"));
            let material = store.material(&name)?.ok_or_else(gone)?;
            let certificate = CertificateDer::from(material.certificate()?);
            match slot.kind {
                AuthorityKind::Root => {
                    let list = store.material(&list_name(slot.id))?;
                    let list = list.map(|list| list.certificate()).transpose()?;
                    loaded.root_lists.extend(list.map(|list| (slot.id, list)));
                    loaded.crosses.extend(cross::load(store, slot.id)?);
                    loaded.roots.insert(slot.id, certificate);
                }
                AuthorityKind::X509 => {
                    let (id, validity) = (slot.id, Validity::new(slot.not_before, slot.not_after));
                    let key = material.key()?.ok_or_else(gone)?;
                    let issuer = Issuer::new(domain, id, validity, key, certificate)?;
                    loaded.issuers.insert(id, issuer);
                }
                AuthorityKind::Jwt => {
                    let key = material.key()?.ok_or_else(gone)?;
                    loaded.token_keys.put(slot.id, TokenKey::new(key)?);
                }
                AuthorityKind::Secret => return Err(CaError::damaged("a secret has no name")),
            }
        }
        Ok(loaded)
    }

    pub(crate) const fn slots(&self) -> &Slots {
        &self.slots
    }

    /// Who signs leaves now.
    pub(crate) fn issuer(&self) -> Result<&Issuer, CaError> {
        let active = self.slots.signer(AuthorityKind::X509);
        let issuer = active.and_then(|slot| self.issuers.get(&slot.id));
        issuer.ok_or_else(|| CaError::damaged("no issuer is active"))
    }

    /// The issuer of that name, as raw DER.
    pub(crate) fn issuer_named(&self, name: &[u8]) -> Option<&Issuer> {
        let is = |issuer: &&Issuer| svid::subject(issuer.certificate()).as_deref() == Some(name);
        self.issuers.values().find(is)
    }

    /// The certificate of an issuer, current or not.
    pub(crate) fn issuer_certificate(&self, id: u64) -> Option<&CertificateDer<'static>> {
        self.issuers.get(&id).map(Issuer::certificate)
    }

    /// What verifiers should hold.
    pub(crate) fn bundle(&self) -> Bundle {
        let roots = self.slots.trusted_roots();
        Bundle {
            trust_domain: self.domain.clone(),
            generation: self.slots.generation(),
            roots: roots
                .filter_map(|slot| self.roots.get(&slot.id).cloned())
                .collect(),
        }
    }

    /// SHA-256 of the certificates of issuers whose holders must renew.
    pub(crate) fn tainted(&self) -> impl Iterator<Item = [u8; 32]> {
        let tainted = self.slots.tainted_issuers();
        let certificates = tainted.filter_map(|slot| self.issuer_certificate(slot.id));
        certificates.map(|certificate| svid::sha256(certificate))
    }

    /// The keys that verify tokens, as a JWK set.
    pub(crate) fn jwks(&self) -> String {
        self.token_keys.jwks(&self.slots)
    }

    /// The key that signs tokens.
    pub(crate) fn token_key(&self) -> Option<&TokenKey> {
        self.token_keys.signing(&self.slots)
    }

    /// Names of token keys whose tokens are to be renewed now.
    pub(crate) fn tainted_keys(&self) -> BTreeSet<String> {
        self.token_keys.tainted(&self.slots)
    }

    /// The number of the token key of that name.
    pub(crate) fn token_key_number(&self, kid: &str) -> Option<u64> {
        self.token_keys.number(kid)
    }

    /// What was revoked under that serial, if anything was.
    pub(crate) fn revoked(&self, serial: &[u8]) -> Option<&Revoked> {
        self.revoked.get(serial)
    }

    /// Whether a leaf of that workload was revoked at that time or later.
    pub(crate) fn revoked_since(&self, id: &SpiffeId, since_us: u64) -> bool {
        let mut revoked = self.revoked.values();
        revoked.any(|one| one.spiffe_id == *id && one.at_us >= since_us)
    }

    /// Where in their lives an issuer and its root are.
    pub(crate) fn phases(&self, issuer: u64) -> [Option<Phase>; 2] {
        let slot = self.slots.get(AuthorityKind::X509, issuer);
        let root = slot.and_then(|slot| slot.parent);
        let root = root.and_then(|root| self.slots.get(AuthorityKind::Root, root));
        [slot, root].map(|slot| slot.map(|slot| slot.phase))
    }

    /// Follows a command: decided, made durable, and only then in force. `root_key` gives the
    /// private key of a root.
    ///
    /// # Errors
    /// When the command is refused, a root's key is needed and not there, or the store fails.
    pub(crate) fn command(
        &mut self,
        store: &Store,
        keys: &dyn Keys,
        root_key: &dyn RootKeys,
        command: &Command,
        facts: &Facts,
        now: Time,
    ) -> Result<Vec<Transition>, CaError> {
        let transitions = decide(&self.slots, command, facts, now)?;
        let slots = self.slots.after(&transitions).map_err(CaError::damaged)?;
        let mut change = Change::default();
        for transition in &transitions {
            if let Some(slot) = slots.get(transition.kind, transition.id)
                && transition.birth.is_some()
            {
                self.bear(slot, keys, root_key, &mut change)?;
            }
        }
        if let Some(root) = self.touched_root(&slots, &command.act) {
            self.sign_root_list(store, &slots, root, root_key, &mut change, now)?;
        }
        change.transitions.clone_from(&transitions);
        let entries = change
            .transitions
            .iter()
            .cloned()
            .map(Journaled::Transition);
        let entries: Vec<Journaled> = entries.collect();
        store.write_journal(&entries, &change.material)?;
        self.take(slots, change)?;
        self.sign_lists(store, now)?;
        Ok(transitions)
    }

    /// Makes the key and certificate that an authority is born with.
    fn bear(
        &self,
        slot: &Slot,
        keys: &dyn Keys,
        root_key: &dyn RootKeys,
        change: &mut Change,
    ) -> Result<(), CaError> {
        let validity = Validity::new(slot.not_before, slot.not_after);
        let name = name(slot.kind, slot.id);
        match slot.kind {
            AuthorityKind::Root => {
                let root = Root::create(keys, &self.domain, slot.id, validity)?;
                // Durable before anything speaks of it: a key that nobody trusts does no harm.
                root_key.keep(slot.id, root.key())?;
                let certificate = root.certificate().clone();
                change
                    .material
                    .push((name, Material::new(&certificate, None)));
                self.vouch_for(&root, slot.id, root_key, change)?;
                change.root = Some((slot.id, certificate));
            }
            AuthorityKind::X509 => {
                let parent = slot.parent.unwrap_or_default();
                let root = self.root(parent, root_key)?;
                let issuer = root.sign_issuer(keys, slot.id, validity)?;
                let material = Material::new(issuer.certificate(), Some(issuer.key()));
                change.material.push((name, material));
                change.issuer = Some(issuer);
            }
            AuthorityKind::Jwt => {
                let key = TokenKey::new(keys.p256()?)?;
                let material = Material::new(&[], Some(key.pkcs8()));
                change.material.push((name, material));
                change.token_key = Some((slot.id, key));
            }
            AuthorityKind::Secret => return Err(CaError::NoSuchSecret(String::new())),
        }
        Ok(())
    }

    /// A root with its key in hand.
    fn root(&self, id: u64, root_key: &dyn RootKeys) -> Result<Root, CaError> {
        let slot = self.slots.get(AuthorityKind::Root, id);
        let certificate = self.roots.get(&id);
        let (Some(slot), Some(certificate)) = (slot, certificate) else {
            return Err(CaError::damaged("an issuer's root is not in the store"));
        };
        let validity = Validity::new(slot.not_before, slot.not_after);
        let key = root_key.key(id)?;
        Root::new(&self.domain, id, validity, key, certificate.clone())
    }

    /// Puts a change that is durable in force.
    fn take(&mut self, slots: Slots, change: Change) -> Result<(), CaError> {
        self.slots = slots;
        if let Some((id, certificate)) = change.root {
            self.roots.insert(id, certificate);
        }
        self.crosses.extend(change.cross);
        if let Some(issuer) = change.issuer {
            self.issuers.insert(issuer.generation(), issuer);
        }
        if let Some((id, key)) = change.token_key {
            self.token_keys.put(id, key);
        }
        for id in self.roots.keys() {
            let name = list_name(*id);
            let list = change.material.iter().find(|(of, _)| *of == name);
            if let Some((_, list)) = list {
                self.root_lists.insert(*id, list.certificate()?);
            }
        }
        Ok(())
    }

    /// Revokes a leaf. Durable on return, and in its issuer's list.
    pub(crate) fn revoke_leaf(
        &mut self,
        store: &Store,
        one: Revoked,
        now: Time,
    ) -> Result<(), CaError> {
        let serial = one.serial_bytes().map_err(CaError::damaged)?;
        let issuer = one.issuer;
        store.write_journal(&[Journaled::Revoked(one.clone())], &[])?;
        self.revoked.insert(serial, one);
        // The last one counts until its successor is there.
        if let Some((_, until)) = self.lists.get_mut(&issuer) {
            *until = Time::from_micros(0);
        }
        self.sign_lists(store, now)
    }
}

fn name(kind: AuthorityKind, id: u64) -> String {
    format!("{kind}-{id}")
}

fn list_name(root: u64) -> String {
    format!("root-{root}-list")
}
