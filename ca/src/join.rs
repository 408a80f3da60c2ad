//! Join codes: one-time secrets with which a workload gets its first leaf.
//!
//! The CA keeps only a code's hash; the code itself exists where it was made and where it is
//! carried to. 128 random bits need no slow hash, and a look-up by hash needs no constant time.
//! Invariant: a code is bound to one SPIFFE ID, expires, and buys one leaf: asked again for the
//! same key, the answer is that leaf.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::clock::Time;
use crate::dns::DnsNames;
use crate::error::IssueRefusal;
use crate::identity::SpiffeId;
use crate::keys::NoRandomness;
use crate::nonce::{fresh, hex};
use crate::svid::sha256;

/// How long a join code may be made to wait, in seconds.
pub const JOIN_TTL_S: RangeInclusive<u64> = 1..=7 * 24 * 60 * 60;

/// Longest text that is looked up as a join code, in bytes.
pub const MAX_JOIN_CODE: usize = 64;

const PREFIX: &str = "join-";

/// A join code: `join-` and 32 hexadecimal digits. It does not print itself.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinCode(Zeroizing<String>);

impl JoinCode {
    pub(crate) fn fresh() -> Result<Self, NoRandomness> {
        let mut secret = fresh::<16>()?;
        let mut digits = hex(&secret);
        let code = Self(Zeroizing::new(format!("{PREFIX}{digits}")));
        secret.zeroize();
        digits.zeroize();
        Ok(code)
    }

    /// The code itself, to be handed to the workload.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for JoinCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JoinCode(..)")
    }
}

/// What the CA keeps in the place of a code.
pub(crate) fn digest(code: &str) -> Result<[u8; 32], IssueRefusal> {
    if code.len() > MAX_JOIN_CODE {
        return Err(IssueRefusal::JoinCodeUnknown);
    }
    Ok(sha256(code.as_bytes()))
}

/// What a join code is made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Whose leaf it buys.
    pub spiffe_id: SpiffeId,
    /// The DNS names that this leaf and those after it carry.
    pub dns_names: DnsNames,
    /// How long it may be used.
    pub ttl: Duration,
}

/// What the CA knows about a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinRecord {
    pub(crate) spiffe_id: SpiffeId,
    #[serde(default, skip_serializing_if = "DnsNames::is_empty")]
    pub(crate) dns_names: DnsNames,
    pub(crate) expires_us: u64,
    pub(crate) used_us: Option<u64>,
    /// The leaf that it bought, DER in base64: the answer may have been lost on its way.
    #[serde(default)]
    pub(crate) leaf: Option<String>,
}

impl JoinRecord {
    /// Whether the code may be used at `now`; its last moment belongs to it. A code that is both
    /// used and expired counts as used: that is the more telling of the two.
    pub(crate) fn usable(&self, now: Time) -> Result<(), IssueRefusal> {
        if self.used_us.is_some() {
            return Err(IssueRefusal::JoinCodeUsed);
        }
        let expires = Time::from_micros(self.expires_us);
        if now > expires {
            return Err(IssueRefusal::JoinCodeExpired(expires));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_differ_and_do_not_print_themselves() {
        let (one, other) = (JoinCode::fresh().unwrap(), JoinCode::fresh().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.reveal().len(), PREFIX.len() + 32);
        assert_eq!(format!("{one:?}"), "JoinCode(..)");
    }

    #[test]
    fn a_code_works_until_its_last_moment_and_once() {
        let mut record = JoinRecord {
            spiffe_id: SpiffeId::parse("spiffe://clinic.example/north/sts").unwrap(),
            dns_names: DnsNames::default(),
            expires_us: 10,
            used_us: None,
            leaf: None,
        };
        let (last, late) = (Time::from_micros(10), Time::from_micros(11));
        assert_eq!(record.usable(last), Ok(()));
        assert_eq!(
            record.usable(late),
            Err(IssueRefusal::JoinCodeExpired(last))
        );
        record.used_us = Some(5);
        assert_eq!(record.usable(last), Err(IssueRefusal::JoinCodeUsed));
        assert_eq!(record.usable(late), Err(IssueRefusal::JoinCodeUsed));
    }

    #[test]
    fn an_endless_code_is_not_even_hashed() {
        let endless = "j".repeat(MAX_JOIN_CODE + 1);
        assert_eq!(digest(&endless), Err(IssueRefusal::JoinCodeUnknown));
    }
}
