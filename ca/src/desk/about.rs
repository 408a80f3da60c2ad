//! What an order at the desk is about: the authorities of one kind, or the versions of one secret.
//!
//! Both are moved by the same deeds. A secret is said by its name, `secret:webhook`; one that the
//! settings do not name is none.

use std::fmt;
use std::str::FromStr as _;

use super::{Answer, Declined, Deed, answers};
use crate::clock::Time;
use crate::error::CaError;
use crate::issue::Ca;
use crate::root_keys::RootKeys;
use crate::rotation::{Act, AuthorityKind, Command, Phase, SlotStatus};
use crate::secrets::SecretName;

/// What an order is about: the authorities of a kind, or the versions of a secret.
pub(super) struct About {
    kind: AuthorityKind,
    secret: Option<SecretName>,
    slots: Vec<SlotStatus>,
}

impl About {
    pub(super) fn of(ca: &Ca, authority: &str, now: Time) -> Result<Self, Declined> {
        let unclear = |error: &dyn fmt::Display| Declined::Order(error.to_string());
        if let Some(name) = authority.strip_prefix("secret:") {
            let name = SecretName::new(name).map_err(|error| unclear(&error))?;
            let mut all = ca.secret_status(now).into_iter();
            let status = all.find(|(known, _)| *known == name);
            let (name, status) = status.ok_or_else(|| CaError::NoSuchSecret(name.to_string()))?;
            return Ok(Self {
                kind: AuthorityKind::Secret,
                secret: Some(name),
                slots: status.slots,
            });
        }
        let kind = AuthorityKind::from_str(authority).map_err(|error| unclear(&error))?;
        if kind == AuthorityKind::Secret {
            return Err(unclear(&"say which secret: `secret:NAME`"));
        }
        Ok(Self {
            kind,
            secret: None,
            slots: ca.status(now).slots,
        })
    }

    /// Follows a command, with roots' keys where they can be opened.
    pub(super) fn command(
        &self,
        ca: &mut Ca,
        command: &Command,
        opened: Box<dyn RootKeys>,
        now: Time,
    ) -> Result<Answer, Declined> {
        let done = if let Some(name) = &self.secret {
            ca.command_secret(name, command, now)
        } else {
            let shut = ca.swap_root_keys(opened);
            let done = ca.command(command, now);
            ca.swap_root_keys(shut);
            done
        };
        answers::acted(ca, self.secret.as_ref(), &done?)
    }

    /// The act that a deed means. Which one, it says itself where only one can be meant.
    pub(super) fn act(
        &self,
        ca: &Ca,
        deed: Deed,
        id: Option<u64>,
        now: Time,
    ) -> Result<Act, Declined> {
        let kind = self.kind;
        let the = |phases: &[Phase]| {
            let mut fitting = self.slots.iter().filter(|it| {
                let slot = &it.slot;
                slot.kind == kind && phases.contains(&slot.phase)
            });
            match (id, fitting.next(), fitting.next()) {
                (Some(id), ..) => Ok(id),
                (None, Some(one), None) => Ok(one.slot.id),
                (None, ..) => Err(Declined::Order(format!(
                    "say which {kind} authority with `--id`: `schism ca status` numbers them"
                ))),
            }
        };
        Ok(match deed {
            Deed::Prepare => ca.prepare_act(kind, now),
            Deed::Activate => Act::Activate { kind, id },
            Deed::Retire => Act::Retire {
                kind,
                id: the(&[Phase::Active])?,
            },
            Deed::Taint => Act::Taint {
                kind,
                id: the(&[Phase::Retired])?,
            },
            Deed::Revoke => Act::Revoke {
                kind,
                id: the(match kind {
                    // Nobody comes for another because a secret's version is tainted.
                    AuthorityKind::Secret => &[Phase::Retired, Phase::Tainted],
                    _ => &[Phase::Tainted],
                })?,
            },
            Deed::RollBack => Act::RollBack { kind },
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::Order;
    use super::*;
    use crate::disk::{Disk, MemDisk};
    use crate::identity::TrustDomain;
    use crate::issue::CaConfig;
    use crate::seams::Seams;
    use crate::secrets::SecretConfig;

    #[test]
    fn a_secret_is_rotated_by_orders_and_its_status_says_what_is_in_the_way() {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let seams = Seams {
            disk: Arc::clone(&disk),
            ..Seams::real("never-written")
        };
        let name = SecretName::new("records").unwrap();
        let config = CaConfig {
            secrets: vec![SecretConfig::at_rest(name, "/records")],
            ..CaConfig::lab(TrustDomain::new("clinic.example").unwrap())
        };
        let mut ca = Ca::open(&seams, config).unwrap();
        let now = seams.clock.now();
        let mut order = |act: Deed, authority: &str, id: Option<u64>| {
            let order = Order::Act {
                act,
                authority: authority.to_owned(),
                id,
                override_reason: None,
                passphrase: None,
            };
            order.carry_out(&mut ca, &disk, now)
        };
        let prepared = order(Deed::Prepare, "secret:records", None).unwrap();
        assert_eq!(prepared.words, "secret records 2 is prepared\n");
        let activated = order(Deed::Activate, "secret:records", None).unwrap();
        let told = "secret records 1 is retired\nsecret records 2 is active\n";
        assert_eq!(activated.words, told);
        let refused = order(Deed::Revoke, "secret:records", None).unwrap_err();
        assert!(refused.to_string().contains("/records"), "{refused}");
        for (none, why) in [
            ("secret", "say which secret"),
            ("secret:other", "there is no secret `other`"),
            ("secret:No", "a secret's name has"),
        ] {
            let refused = order(Deed::Prepare, none, None).unwrap_err();
            assert!(refused.to_string().contains(why), "{refused}");
        }
        let status = Order::Status.carry_out(&mut ca, &disk, now).unwrap();
        let line = "secret:records 1  retired  revoked: blocked: `spiffe://clinic.example/records`";
        assert!(status.words.contains(line), "{}", status.words);
        assert_eq!(status.json["secrets"][0]["secret"], "records");
    }
}
