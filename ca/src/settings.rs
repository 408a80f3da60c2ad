//! The CA's settings: the lives of what it issues, and how much clocks may be off.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::error::CaError;
use crate::identity::TrustDomain;
use crate::rotation::{Gates, Heed};

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
    /// How long a revocation list counts; a new one comes after a quarter of it
    /// ([`LISTS_A_LIFE`]).
    pub crl_life: Duration,
    /// How long a token may live, and how far past its end it is taken: as long is a retired token
    /// key needed.
    pub token_life: Duration,
    /// Whether a member, [`crate::token_keys::SIGNER`], is given the key that signs tokens; without
    /// it the key never leaves the CA.
    pub remote_signer: bool,
    /// Whether the steps of a rotation wait for those whom they could cut off.
    pub gates: Gates,
}

/// How far clocks may be off where real machines are served, at a CA and its agents alike.
pub const WORKING_TOLERANCE: Duration = Duration::from_secs(2);

/// Revocation lists that are signed while one of them lasts: the next one comes after that part.
pub const LISTS_A_LIFE: u32 = 4;

/// Lives that a leaf may be given where real machines are served, in seconds.
pub const WORKING_LEAF_TTL_S: RangeInclusive<u64> = 10..=90 * 24 * 60 * 60;

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
            crl_life: Duration::from_secs(60),
            token_life: Duration::from_secs(62),
            remote_signer: true,
            gates: Gates {
                activate: Heed::Members,
                revoke: Heed::Members,
            },
        }
    }

    /// Settings for work, by the life of a leaf, within [`WORKING_LEAF_TTL_S`]: first leaves are up
    /// to a quarter of it old, issuers live 90 days or six leaves, and lists count an hour.
    pub fn working(trust_domain: TrustDomain, leaf_ttl: Duration) -> Self {
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            leaf_ttl,
            backdate: (leaf_ttl / 10).min(Duration::from_secs(60)),
            stagger: leaf_ttl / 4,
            issuer_ttl: Duration::from_secs(90 * 24 * 60 * 60).max(leaf_ttl * 6),
            tolerance: WORKING_TOLERANCE,
            crl_life: HOUR,
            remote_signer: false,
            ..Self::lab(trust_domain)
        }
    }

    /// Refuses settings that contradict each other.
    pub(crate) fn check(&self) -> Result<(), CaError> {
        if self.leaf_ttl < Duration::from_secs(10) {
            return Err(CaError::Settings("a leaf lives at least 10 s"));
        }
        if (self.backdate + self.stagger) * 2 >= self.leaf_ttl {
            return Err(CaError::Settings(
                "backdate and stagger together stay below half of a leaf's life",
            ));
        }
        if self.crl_life < Duration::from_secs(8) {
            return Err(CaError::Settings("a revocation list counts at least 8 s"));
        }
        if self.issuer_ttl < self.leaf_ttl * 6 || self.root_ttl < self.issuer_ttl {
            return Err(CaError::Settings(
                "an issuer lives at least six leaves long, and a root at least as long as it",
            ));
        }
        Ok(())
    }
}
