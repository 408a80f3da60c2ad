//! A CA's secrets with their slots and keys, as the store holds them.
//!
//! What is decided is durable before it is in force: a version's key comes with the entry that
//! makes it, and goes with the entry that revokes it. Invariant: every version that is not revoked
//! has its key, and no revoked one has.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, SecretConfig, SecretKey, SecretName};
use crate::clock::Time;
use crate::error::CaError;
use crate::identity::SpiffeId;
use crate::journaled::{Journaled, SecretKind, SecretStep};
use crate::keys::Keys;
use crate::rotation::{AuthorityKind, Command, Facts, Phase, Slot, Slots, Transition, decide};
use crate::store::{Material, Store};

/// One secret.
#[derive(Debug)]
pub(super) struct Secret {
    pub(super) config: SecretConfig,
    pub(super) slots: Slots,
    keys: BTreeMap<u64, SecretKey>,
}

/// What a holder last said.
#[derive(Clone, Debug, Default)]
pub(super) struct Word {
    /// The generation that it holds.
    pub(super) generation: Option<u64>,
    /// The versions that it uses, and since when it is these.
    pub(super) uses: Option<(BTreeSet<u64>, Time)>,
}

/// Every secret of one CA. Holders say what they hold again to a CA that was started again.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    pub(super) all: BTreeMap<SecretName, Secret>,
    pub(super) words: BTreeMap<(SecretName, SpiffeId), Word>,
}

impl Secrets {
    /// What the store holds of the secrets that the settings name. Others are left alone.
    pub(crate) fn load(store: &Store, configs: &[SecretConfig]) -> Result<Self, CaError> {
        let mut steps: BTreeMap<SecretName, Vec<Transition>> = BTreeMap::new();
        for entry in store.journal(0)? {
            if let Journaled::Secret(one) = Journaled::parse(&entry).map_err(CaError::damaged)? {
                steps.entry(one.secret).or_default().push(one.step);
            }
        }
        let mut loaded = Self::default();
        for config in configs {
            let steps = steps.remove(&config.name).unwrap_or_default();
            let slots = Slots::replay(&steps).map_err(CaError::damaged)?;
            let mut keys = BTreeMap::new();
            for slot in slots.iter().filter(|slot| slot.phase != Phase::Revoked) {
                let name = material_name(&config.name, slot.id);
                let gone = || CaError::Damaged(format!("the store has nothing of {name}"));
                let material = store.material(&name)?.ok_or_else(gone)?;
                let key = material.key()?.and_then(SecretKey::new);
                keys.insert(slot.id, key.ok_or_else(gone)?);
            }
            let config = config.clone();
            let secret = Secret {
                config,
                slots,
                keys,
            };
            loaded.all.insert(secret.config.name.clone(), secret);
        }
        Ok(loaded)
    }

    pub(super) fn get(&self, name: &SecretName) -> Result<&Secret, CaError> {
        let none = || CaError::NoSuchSecret(name.to_string());
        self.all.get(name).ok_or_else(none)
    }

    /// Follows a command about one secret: decided, made durable, and only then in force.
    pub(super) fn command(
        &mut self,
        store: &Store,
        keys: &dyn Keys,
        name: &SecretName,
        command: &Command,
        facts: &Facts,
        now: Time,
    ) -> Result<Vec<Transition>, CaError> {
        let none = || CaError::NoSuchSecret(name.to_string());
        let secret = self.all.get_mut(name).ok_or_else(none)?;
        if command.act.kind() != AuthorityKind::Secret {
            return Err(none());
        }
        let transitions = decide(&secret.slots, command, facts, now)?;
        let slots = secret.slots.after(&transitions).map_err(CaError::damaged)?;
        let (mut made, mut material, mut erased) = (Vec::new(), Vec::new(), Vec::new());
        for step in &transitions {
            if step.birth.is_some() {
                let broken = || CaError::encoding("a secret of another length");
                let key = SecretKey::new(keys.secret()?).ok_or_else(broken)?;
                let kept = Material::new(&[], Some(key.bytes()));
                material.push((material_name(name, step.id), kept));
                made.push((step.id, key));
            } else if step.to == Phase::Revoked {
                erased.push(material_name(name, step.id));
            }
        }
        let entries = transitions.iter().map(|step| {
            Journaled::Secret(SecretStep {
                kind: SecretKind::Secret,
                secret: name.clone(),
                step: step.clone(),
            })
        });
        let entries: Vec<Journaled> = entries.collect();
        store.write_and_erase(&entries, &material, &erased)?;
        secret.slots = slots;
        secret.keys.extend(made);
        let Secret { slots, keys, .. } = secret;
        let opens = |id: u64| {
            let slot = slots.get(AuthorityKind::Secret, id);
            slot.is_some_and(|slot| slot.phase != Phase::Revoked)
        };
        keys.retain(|id, _| opens(*id));
        Ok(transitions)
    }

    /// Each as its holders are to have it.
    pub(crate) fn held(&self) -> BTreeMap<SecretName, Held> {
        let held = |secret: &Secret| Held {
            generation: secret.slots.generation(),
            active: secret.active().map(|slot| slot.id),
            versions: secret.keys.clone(),
        };
        let all = self.all.iter();
        all.map(|(name, secret)| (name.clone(), held(secret)))
            .collect()
    }
}

impl Secret {
    /// The version that makes what is new.
    pub(super) fn active(&self) -> Option<&Slot> {
        self.slots.signer(AuthorityKind::Secret)
    }
}

/// Under which name a version's key lies in the store.
pub(super) fn material_name(name: &SecretName, id: u64) -> String {
    format!("secret-{name}-{id}")
}
