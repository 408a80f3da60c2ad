//! The CA's settings: the lives of what it issues, how much clocks may be off, and who may come
//! back.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use crate::csr::danger;
use crate::error::CaError;
use crate::identity::TrustDomain;
use crate::rotation::{Gates, Heed};
use crate::secrets::SecretConfig;
use crate::way_back::MAX_GRACE;

/// Who may come back after its leaf has ended ([`crate::way_back`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returns {
    /// How long after its end a leaf's key still counts as proof, [`MAX_GRACE`] at most; zero:
    /// there is no way back, and whoever was too late needs a new join code.
    pub grace: Duration,
    /// Who says that somebody is back.
    pub confirm: Confirm,
}

/// Who says that somebody is back whose key was proved.
///
/// What is at stake is a stolen last key. While its leaf lived, the thief could renew with it as
/// often as the owner could, and nobody would have been asked: so a return at once gives a thief
/// nothing but time, as a leaf would that lasts longer by the grace. And it gives less than that:
/// nothing while the owner is there, one return for a serial, each in the log. What it takes away
/// is that a lapse is an end. The disk of a machine that was given up, or its backup, is worth
/// nothing once its leaf is over, unless somebody must be asked first; the longer the grace, the
/// more such disks there are. Hence [`Self::AtOnce`] is no danger where the grace is of the size of
/// a leaf's life, and is refused where it is longer than [`AT_ONCE_LEAVES`] of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirm {
    /// An operator: `schism ca confirm`.
    ByHand,
    /// The proof alone. For laboratories, whose outages nobody attends.
    AtOnce,
}

/// The longest grace of [`Confirm::AtOnce`], in lives of a leaf: an issuer lives as long at least.
pub const AT_ONCE_LEAVES: u32 = 6;

/// Who says whose name a certificate is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// The CA, by the join code or the last leaf. A request that asks for another is refused.
    Decided,
    /// The request, if it asks for one.
    Copied(danger::Copied),
}

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
    /// Who may come back after its leaf has ended.
    pub returns: Returns,
    /// Whether a new root is signed by the one before it too, for whoever missed it.
    pub cross_sign: bool,
    /// The secrets that it makes and hands out; there may be none.
    pub secrets: Vec<SecretConfig>,
    /// Who says whose name a certificate is in.
    pub names: Names,
}

/// How far clocks may be off where real machines are served, at a CA and its agents alike.
pub const WORKING_TOLERANCE: Duration = Duration::from_secs(2);

/// Revocation lists that are signed while one of them lasts: the next one comes after that part.
pub const LISTS_A_LIFE: u32 = 4;

/// Lives that a leaf may be given where real machines are served, in seconds.
pub const WORKING_LEAF_TTL_S: RangeInclusive<u64> = 10..=90 * 24 * 60 * 60;

impl CaConfig {
    /// The lab's settings: leaves of 100 s, first ones up to 45 s old. Who was cut off for longer
    /// comes back by itself, for five minutes.
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
            returns: Returns {
                grace: Duration::from_secs(5 * 60),
                confirm: Confirm::AtOnce,
            },
            // What a laboratory shows of roots is what happens without it.
            cross_sign: false,
            secrets: Vec::new(),
            names: Names::Decided,
        }
    }

    /// Settings for work, by the life of a leaf, within [`WORKING_LEAF_TTL_S`]: first leaves are up
    /// to a quarter of it old, issuers live 90 days or six leaves, and lists count an hour. Whoever
    /// was cut off for longer comes back for a day, and is confirmed by hand.
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
            cross_sign: true,
            returns: Returns {
                grace: Duration::from_secs(24 * 60 * 60),
                confirm: Confirm::ByHand,
            },
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
        let names: BTreeSet<_> = self.secrets.iter().map(|secret| &secret.name).collect();
        if names.len() < self.secrets.len() {
            return Err(CaError::Settings("two secrets have one name"));
        }
        if self.returns.grace > MAX_GRACE {
            return Err(CaError::Settings("the way back is open for a week at most"));
        }
        let at_once = self.returns.confirm == Confirm::AtOnce;
        if at_once && self.returns.grace > self.leaf_ttl * AT_ONCE_LEAVES {
            return Err(CaError::Settings(
                "who returns at once has six leaves' time for it at most",
            ));
        }
        Ok(())
    }
}
