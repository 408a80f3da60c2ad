//! What the CA journals beside its certificates, and logs: each transition of an authority, each
//! revocation of a leaf, each return of somebody whose leaf had ended, each confirmation of one,
//! each step of a version of a secret.
//!
//! One entry is one line of JSON: a transition as [`Transition`] has it, a revocation for example
//! `{"kind":"revoke","serial":"5e..","issuer":2,"spiffe_id":"spiffe://clinic.example/user/m",`
//! `"not_after":1700000100,"reason":"key-compromise","at_us":1700000002000000}`. Invariant: no
//! entry of one kind reads as one of another.

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::crl::{RevocationReason, RevokedLeaf};
use crate::dns::DnsNames;
use crate::identity::SpiffeId;
use crate::nonce::unhex;
use crate::rotation::Transition;
use crate::secrets::SecretName;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Journaled {
    /// An authority took a step.
    Transition(Transition),
    /// A leaf was revoked.
    Revoked(Revoked),
    /// Somebody came back.
    Returned(Returned),
    /// An operator confirmed who came back.
    Confirmed(Confirmed),
    /// A version of a secret took a step.
    Secret(SecretStep),
}

impl Journaled {
    /// Reads an entry.
    ///
    /// # Errors
    /// When it is of another kind, a certificate's for example.
    pub fn parse(entry: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(entry)
    }
}

/// The word that tells a revocation from an issuance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RevokedKind {
    /// A leaf was revoked.
    #[default]
    Revoke,
}

/// A leaf that was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Says what kind of entry this is.
    pub kind: RevokedKind,
    /// Its serial, hexadecimal.
    pub serial: String,
    /// Which issuer signed it.
    pub issuer: u64,
    /// Whose it was.
    pub spiffe_id: SpiffeId,
    /// Last second of its validity.
    pub not_after: u64,
    /// Why: a name of [`RevocationReason`].
    pub reason: String,
    /// When, on the CA's clock, in microseconds.
    pub at_us: u64,
}

/// The word that tells a return from anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReturnedKind {
    /// Somebody came back.
    #[default]
    Return,
}

/// Somebody who came back with a leaf that had ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Returned {
    /// Says what kind of entry this is.
    pub kind: ReturnedKind,
    /// Which identity it was.
    pub spiffe_id: SpiffeId,
    /// The serial of the leaf that it showed, hexadecimal: used from now on.
    pub serial: String,
    /// Whether the log has a later leaf of that identity: then this was not its last.
    pub superseded: bool,
    /// Whether it stands apart until it is confirmed.
    pub apart: bool,
    /// SHA-256 of its new public point, hexadecimal.
    pub key_sha256: String,
    /// Last second of the leaf that it was given.
    pub not_after: u64,
    /// The DNS names that it had, and will have again.
    #[serde(default, skip_serializing_if = "DnsNames::is_empty")]
    pub dns_names: DnsNames,
    /// When, on the CA's clock, in microseconds.
    pub at_us: u64,
}

/// The word that tells a confirmation from anything else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConfirmedKind {
    /// A return was confirmed.
    #[default]
    Confirm,
}

/// A return that an operator confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Confirmed {
    /// Says what kind of entry this is.
    pub kind: ConfirmedKind,
    /// Whose return.
    pub spiffe_id: SpiffeId,
    /// The serial that it was made with, hexadecimal.
    pub serial: String,
    /// When, on the CA's clock, in microseconds.
    pub at_us: u64,
}

/// The word that tells a step of a secret from one of an authority.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// A version of a secret took a step.
    #[default]
    Secret,
}

/// A step of one version of a secret. It holds no byte of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretStep {
    /// Says what kind of entry this is.
    pub kind: SecretKind,
    /// Which secret.
    pub secret: SecretName,
    /// Which step of which version. Generations are the secret's own.
    pub step: Transition,
}

/// A revocation that this CA did not write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a revocation has no serial or no reason")]
pub struct NotARevocation;

impl Revoked {
    /// Its serial, big endian.
    pub(crate) fn serial_bytes(&self) -> Result<Vec<u8>, NotARevocation> {
        let serial = unhex::<16>(&self.serial).ok_or(NotARevocation)?;
        Ok(serial.to_vec())
    }

    /// When the leaf ends by itself.
    pub const fn ends(&self) -> Time {
        Time::from_secs(self.not_after)
    }

    /// As it stands in a list.
    pub(crate) fn listed(&self) -> Result<RevokedLeaf, NotARevocation> {
        Ok(RevokedLeaf {
            serial: self.serial_bytes()?,
            at: Time::from_micros(self.at_us),
            reason: RevocationReason::from_name(&self.reason).ok_or(NotARevocation)?,
        })
    }
}
