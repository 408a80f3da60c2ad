//! Which witnesses count, and how many of them must agree.
//!
//! Any two quorums share a witness, or [`Quorum::new`] refuses: that shared witness is what bounds
//! how long a revoked act can still look current. A witness's name is not in what it signs, so two
//! witnesses must also not share a key.

use std::collections::BTreeSet;

use ca::clock::Time;
use ca::tlog::checkpoint::{InvalidCheckpoint, SignedCheckpoint};
use ca::tlog::note::{Algorithm, VerifyingKey};

/// The most witnesses of one log. A note has room for them all, and for the log.
pub const MAX_WITNESSES: usize = 31;

/// Why this is no quorum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuorum {
    /// Two quorums could have no witness in common, or none could ever be reached.
    #[error("{needed} of {witnesses} witnesses: more than half are needed, and no more than all")]
    Disjoint {
        /// How many were to agree.
        needed: usize,
        /// How many there are.
        witnesses: usize,
    },
    /// The key makes ordinary signatures, without a time.
    #[error("the key of `{0}` is not a cosigner's")]
    NotACosigner(String),
    /// More than [`MAX_WITNESSES`].
    #[error("{0} witnesses: the most is {MAX_WITNESSES}")]
    TooMany(usize),
    /// A name or a key that another witness has.
    #[error("the witness `{0}` has the name or the key of another")]
    Twice(String),
}

/// The witnesses of a log, and how many of them make a checkpoint count.
#[derive(Clone, Debug)]
pub struct Quorum {
    needed: usize,
    witnesses: Vec<VerifyingKey>,
}

impl Quorum {
    /// `needed` of these witnesses, which must be more than half of them.
    ///
    /// # Errors
    /// When two quorums might not intersect, or the keys are not distinct cosigners' keys.
    pub fn new(needed: usize, witnesses: Vec<VerifyingKey>) -> Result<Self, InvalidQuorum> {
        let quorum = distinct(needed, witnesses)?;
        let all = quorum.witnesses.len();
        if 2 * needed <= all || needed > all {
            return Err(InvalidQuorum::Disjoint {
                needed,
                witnesses: all,
            });
        }
        Ok(quorum)
    }

    /// How many must agree.
    pub fn needed(&self) -> usize {
        self.needed
    }

    /// The witnesses' keys.
    pub fn witnesses(&self) -> &[VerifyingKey] {
        &self.witnesses
    }

    /// The key of the witness of that name.
    pub fn witness(&self, name: &str) -> Option<&VerifyingKey> {
        self.witnesses.iter().find(|key| key.name() == name)
    }

    /// The distinct witnesses that validly cosigned, each with its newest time.
    pub(super) fn cosigned(
        &self,
        signed: &SignedCheckpoint,
    ) -> Result<Vec<(String, Time)>, InvalidCheckpoint> {
        signed.cosignatures(&self.witnesses)
    }
}

/// What an exposed posture uses instead.
pub mod danger {
    use super::{InvalidQuorum, Quorum, VerifyingKey, distinct};

    /// No witness is needed: the log's own word is enough, and nobody vouches for an age.
    ///
    /// # Errors
    /// When the keys are not distinct cosigners' keys.
    pub fn unwitnessed(witnesses: Vec<VerifyingKey>) -> Result<Quorum, InvalidQuorum> {
        distinct(0, witnesses)
    }
}

fn distinct(needed: usize, witnesses: Vec<VerifyingKey>) -> Result<Quorum, InvalidQuorum> {
    if witnesses.len() > MAX_WITNESSES {
        return Err(InvalidQuorum::TooMany(witnesses.len()));
    }
    let (mut names, mut keys) = (BTreeSet::new(), BTreeSet::new());
    for witness in &witnesses {
        if witness.algorithm() != Algorithm::Cosignature {
            return Err(InvalidQuorum::NotACosigner(witness.name().to_owned()));
        }
        let vkey = witness.vkey();
        let public = vkey.splitn(3, '+').nth(2).unwrap_or_default().to_owned();
        if !names.insert(witness.name()) || !keys.insert(public) {
            return Err(InvalidQuorum::Twice(witness.name().to_owned()));
        }
    }
    Ok(Quorum { needed, witnesses })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ca::keys::{Keys, RingKeys};
    use ca::tlog::note::SigningKey;

    fn key(name: &str) -> SigningKey {
        SigningKey::new(name, &RingKeys.ed25519().unwrap()).unwrap()
    }

    fn three() -> Vec<VerifyingKey> {
        ["east", "north", "south"]
            .map(|name| key(name).cosigner())
            .to_vec()
    }

    #[test]
    fn quorums_that_might_not_intersect_are_refused() {
        for needed in [0, 1, 4] {
            let refused = Quorum::new(needed, three()).unwrap_err();
            assert_eq!(
                refused,
                InvalidQuorum::Disjoint {
                    needed,
                    witnesses: 3
                }
            );
        }
        assert!(Quorum::new(2, three()).is_ok() && Quorum::new(3, three()).is_ok());
        assert!(Quorum::new(2, [three(), vec![key("west").cosigner()]].concat()).is_err());
        assert_eq!(danger::unwitnessed(three()).unwrap().needed(), 0);
    }

    #[test]
    fn one_witness_under_two_names_is_refused() {
        let pkcs8 = RingKeys.ed25519().unwrap();
        let twins = ["east", "west"].map(|name| SigningKey::new(name, &pkcs8).unwrap().cosigner());
        let refused = Quorum::new(2, twins.to_vec()).unwrap_err();
        assert_eq!(refused, InvalidQuorum::Twice("west".to_owned()));
    }

    #[test]
    fn two_witnesses_of_one_name_are_refused() {
        let same = vec![key("east").cosigner(), key("east").cosigner()];
        assert_eq!(
            Quorum::new(2, same).unwrap_err(),
            InvalidQuorum::Twice("east".to_owned())
        );
    }

    #[test]
    fn a_key_that_signs_no_times_is_no_witness() {
        let refused = Quorum::new(1, vec![key("east").verifying()]).unwrap_err();
        assert_eq!(refused, InvalidQuorum::NotACosigner("east".to_owned()));
    }
}
