//! The lists by which authorities take back what they signed: a root's of its issuers, an issuer's
//! of its leaves.
//!
//! A root's list is signed when its key is in hand and lasts to the root's end; an issuer's is
//! signed anew in time. Invariant: a list's number is raised on disk before the list is signed.

use super::{Authorities, Change, Listed, list_name, name};
use crate::clock::Time;
use crate::crl::{RevocationReason, RevokedLeaf};
use crate::error::CaError;
use crate::journaled::Revoked;
use crate::root_keys::RootKeys;
use crate::rotation::{Act, AuthorityKind, Slot, Slots};
use crate::store::{Material, Store};
use crate::svid;

impl Authorities {
    /// Every list that a verifier may need.
    pub(crate) fn listed(&self) -> Vec<Listed> {
        let roots = self.slots.trusted_roots().filter_map(|slot| {
            Some(Listed {
                crl: self.root_lists.get(&slot.id)?.clone(),
                signers: Vec::new(),
            })
        });
        let issuers = self.slots.issuers().filter_map(|slot| {
            Some(Listed {
                crl: self.lists.get(&slot.id)?.0.clone(),
                signers: vec![self.issuer_certificate(slot.id)?.clone()],
            })
        });
        roots.chain(issuers).collect()
    }

    /// The root whose list says something new after this act: who has a new issuer needs one to
    /// look it up in, and a revoked issuer stands in it, or a revoked root that it vouched for.
    pub(super) fn touched_root(&self, slots: &Slots, act: &Act) -> Option<u64> {
        let issuer = match act {
            Act::Prepare {
                kind: AuthorityKind::X509,
                ..
            } => slots.prepared(AuthorityKind::X509),
            Act::Revoke {
                kind: AuthorityKind::X509,
                id,
            } => slots.get(AuthorityKind::X509, *id),
            Act::RollBack {
                kind: AuthorityKind::X509,
            } => {
                let withdrawn = self.slots.prepared(AuthorityKind::X509)?;
                slots.get(AuthorityKind::X509, withdrawn.id)
            }
            Act::Revoke {
                kind: AuthorityKind::Root,
                id,
            } => return self.vouched_by(slots, *id),
            Act::RollBack {
                kind: AuthorityKind::Root,
            } => {
                let withdrawn = self.slots.prepared(AuthorityKind::Root)?;
                return self.vouched_by(slots, withdrawn.id);
            }
            _ => None,
        };
        issuer?.parent
    }

    pub(super) fn sign_root_list(
        &self,
        store: &Store,
        slots: &Slots,
        id: u64,
        root_key: &dyn RootKeys,
        change: &mut Change,
        now: Time,
    ) -> Result<(), CaError> {
        let root = self.root(id, root_key)?;
        let under = |slot: &&Slot| slot.parent == Some(id);
        let issuers = slots.listed_issuers().filter(under).filter_map(|slot| {
            let certificate = self.issuer_certificate(slot.id)?;
            Some((certificate, slot.since))
        });
        let revoked = issuers.chain(self.disowned(slots, id, now));
        let revoked = revoked.filter_map(|(certificate, at)| {
            let (_, serial) = svid::issuer_and_serial(certificate)?;
            let reason = RevocationReason::Unspecified;
            Some(RevokedLeaf { serial, at, reason })
        });
        let revoked: Vec<RevokedLeaf> = revoked.collect();
        // It must hold until the root's key is in hand again, which may be at the root's end.
        let end = slots
            .get(AuthorityKind::Root, id)
            .map(|slot| slot.not_after);
        let number = store.raise_number(&name(AuthorityKind::Root, id))?;
        let list = root.sign_crl(number, &revoked, now, end.unwrap_or(now + self.crl_life))?;
        change
            .material
            .push((list_name(id), Material::new(&list, None)));
        Ok(())
    }

    /// Signs every issuer's list that is missing or past a quarter of its life.
    pub(crate) fn sign_lists(&mut self, store: &Store, now: Time) -> Result<(), CaError> {
        let ids: Vec<u64> = self.slots.issuers().map(|slot| slot.id).collect();
        self.lists.retain(|id, _| ids.contains(id));
        for id in ids {
            let fresh = self.lists.get(&id).is_some_and(|(_, until)| now < *until);
            let Some(issuer) = self.issuers.get(&id).filter(|_| !fresh) else {
                continue;
            };
            let alive = |one: &&Revoked| one.issuer == id && now <= one.ends() + self.crl_life;
            let revoked = self.revoked.values().filter(alive).map(Revoked::listed);
            let revoked: Vec<RevokedLeaf> = revoked
                .collect::<Result<_, _>>()
                .map_err(CaError::damaged)?;
            let number = store.raise_number(&name(AuthorityKind::X509, id))?;
            let list = issuer.sign_crl(number, &revoked, now, now + self.crl_life)?;
            let due = now + self.crl_life / crate::issue::LISTS_A_LIFE;
            self.lists.insert(id, (list, due));
        }
        Ok(())
    }

    /// Takes lists that count as fresh beyond that time for due.
    pub(crate) fn doubt_lists(&mut self, beyond: Time) {
        let doubted = self.lists.values_mut().filter(|list| list.1 > beyond);
        doubted.for_each(|list| list.1 = Time::from_micros(0));
    }

    /// When the first list is due to be signed again; at once, if one is missing.
    pub(crate) fn next_list(&self, now: Time) -> Time {
        let due = |slot: &Slot| self.lists.get(&slot.id).map_or(now, |(_, until)| *until);
        let first = self.slots.issuers().map(due).min();
        first.unwrap_or(now + self.crl_life)
    }
}
