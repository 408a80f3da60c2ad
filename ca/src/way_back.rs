//! The way back: what becomes of somebody whose leaf ended while the CA was away.
//!
//! Renewal proves the last leaf by using it, and a leaf that is over cannot be used. So the way
//! back asks for a proof of its key instead, over a challenge of the CA's, inside a bounded grace,
//! and what it gives is at first a name apart, `/quarantine/<path>`, that no service knows. It
//! decides and keeps nothing: see [`crate::recover`]. Invariant: a serial buys one return, for one
//! key; nobody returns as an identity that somebody has.

use std::time::Duration;

use ring::hmac;

use crate::clock::Time;
use crate::error::CaError;
use crate::identity::SpiffeId;
use crate::issuance::{Kind, Live};
use crate::keys::NoRandomness;
use crate::nonce::fresh;
use crate::p256::{InvalidKey, P256, PublicPoint};
use crate::rotation::Phase;
use crate::settings::{CaConfig, Returns};
use crate::svid::{self, sha256};

/// The longest grace that a CA may be given, and the longest that an agent tries.
pub const MAX_GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// The longest life of a leaf of a name apart; a CA's leaves may be shorter. The one who waits asks
/// again at half of it, so that a confirmation is felt within minutes.
pub const QUARANTINE: Duration = Duration::from_secs(5 * 60);
/// How long a challenge may be answered.
pub const NONCE_LIFE: Duration = Duration::from_secs(30);

/// What names apart begin with.
const APART: &str = "/quarantine";
/// What is signed is signed for this and nothing else: no TLS message and no signing request begins
/// so.
const PURPOSE: &[u8] = b"schism: the way back, 1\0";

/// Why somebody does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoWayBack {
    /// Its issuer, or that one's root, is not believed any more.
    #[error("the authority of the last leaf is tainted or revoked")]
    Authority,
    /// The issuance log has entries from later than now.
    #[error("the CA's clock is behind its own log")]
    ClockBehind,
    /// Its identity is somebody's now, or stands apart already.
    #[error("somebody has that identity, or waits for it")]
    IdentityAlive,
    /// The last leaf is not over: it renews.
    #[error("the last leaf is not over: renew it")]
    LeafAlive,
    /// It ended too long ago.
    #[error("the last leaf ended more than {0:?} ago")]
    Late(Duration),
    /// The challenge is not this CA's, not for this leaf, or too old.
    #[error("the challenge is not the CA's, or not of the last half minute")]
    Nonce,
    /// This CA has no way back.
    #[error("this CA has no way back")]
    Off,
    /// The leaf's key did not sign.
    #[error("the proof is not by the last leaf's key")]
    Proof,
    /// It was revoked, or its return was.
    #[error("the last leaf is revoked")]
    Revoked,
    /// It bought a return already.
    #[error("the last leaf has been returned with already")]
    SerialUsed,
    /// Not in the issuance log.
    #[error("the last leaf is not in the issuance log")]
    Unlogged,
    /// Whoever has it is not known by a key: the CA itself, and processes that the kernel vouches
    /// for.
    #[error("whoever has this leaf gets the next one otherwise")]
    Otherwise,
}

impl NoWayBack {
    /// Its name, as journals and clients see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authority => "way-back-authority",
            Self::ClockBehind => "way-back-clock-behind",
            Self::IdentityAlive => "way-back-identity-alive",
            Self::LeafAlive => "way-back-leaf-alive",
            Self::Late(_) => "way-back-late",
            Self::Nonce => "way-back-nonce",
            Self::Off => "way-back-off",
            Self::Proof => "way-back-proof",
            Self::Revoked => "way-back-revoked",
            Self::SerialUsed => "way-back-serial-used",
            Self::Unlogged => "way-back-unlogged",
            Self::Otherwise => "way-back-otherwise",
        }
    }

    /// Whether asking again later may help.
    pub const fn passes(self) -> bool {
        matches!(
            self,
            Self::ClockBehind | Self::IdentityAlive | Self::LeafAlive | Self::Nonce
        )
    }
}

/// The name under which an identity stands apart.
///
/// # Errors
/// When there is no room for it.
pub fn apart(id: &SpiffeId) -> Result<SpiffeId, CaError> {
    let path = format!("{APART}{}", id.path());
    Ok(SpiffeId::new(id.trust_domain(), &path)?)
}

/// Whether a name is one that only the way back gives.
pub fn is_apart(id: &SpiffeId) -> bool {
    let rest = id.path().strip_prefix(APART);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Whose name this is: itself, or the one that stands apart under it.
pub fn whose(id: &SpiffeId) -> SpiffeId {
    let rest = id.path().strip_prefix(APART);
    let rest = rest.filter(|rest| rest.starts_with('/'));
    let whose = rest.and_then(|rest| SpiffeId::new(id.trust_domain(), rest).ok());
    whose.unwrap_or_else(|| id.clone())
}

/// Where challenges come from. They are remembered by nobody: each carries its time, and a mark
/// that only this CA makes, anew at each start. One that is answered twice buys nothing twice, for
/// the serial is used.
#[derive(Debug)]
pub(crate) struct Nonces(hmac::Key);

impl Nonces {
    pub(crate) fn new() -> Result<Self, NoRandomness> {
        let secret = fresh::<32>()?;
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &secret)))
    }

    /// A challenge for whoever shows the leaf with this hash.
    pub(crate) fn give(&self, leaf_sha256: &[u8], now: Time) -> Vec<u8> {
        let at = now.as_micros().to_be_bytes();
        let mark = hmac::sign(&self.0, &[&at, leaf_sha256].concat());
        [&at, mark.as_ref()].concat()
    }

    /// Whether it is one of these, for that leaf, and of the last [`NONCE_LIFE`].
    pub(crate) fn gave(&self, nonce: &[u8], leaf_sha256: &[u8], now: Time) -> bool {
        let Some((at, mark)) = nonce.split_first_chunk::<8>() else {
            return false;
        };
        let given = Time::from_micros(u64::from_be_bytes(*at));
        let marked = hmac::verify(&self.0, &[at, leaf_sha256].concat(), mark);
        marked.is_ok() && given <= now && now.since(given) <= NONCE_LIFE
    }
}

fn message(nonce: &[u8], leaf_sha256: &[u8; 32], csr: &[u8]) -> Vec<u8> {
    [PURPOSE, nonce, leaf_sha256, &sha256(csr)].concat()
}

/// The proof of a leaf's key, in PKCS#8, for a request.
///
/// # Errors
/// When it is no P-256 key.
pub(crate) fn prove(
    key: &[u8],
    nonce: &[u8],
    leaf_sha256: &[u8; 32],
    csr: &[u8],
) -> Result<Vec<u8>, InvalidKey> {
    use rcgen::SigningKey as _;
    let key = P256::from_pkcs8(key)?;
    key.sign(&message(nonce, leaf_sha256, csr))
        .map_err(|_| InvalidKey)
}

/// Whether a leaf's key made this proof.
pub(crate) fn proves(leaf: &[u8], nonce: &[u8], csr: &[u8], proof: &[u8]) -> bool {
    let key = svid::public_key(leaf);
    let key = key.and_then(|key| PublicPoint::new(&key).ok());
    key.is_some_and(|key| key.signed(&message(nonce, &sha256(leaf), csr), proof))
}

/// What the CA knows about a leaf that is shown to it.
#[derive(Clone, Debug)]
pub(crate) struct Known<'a> {
    /// What the log says.
    pub(crate) leaf: &'a Live,
    /// How its issuer and that one's root stand.
    pub(crate) authorities: [Option<Phase>; 2],
    /// Whether it was revoked.
    pub(crate) revoked: bool,
    /// Whether anybody else has a leaf of that identity, or stands apart for it.
    pub(crate) alive: bool,
    /// For which key its serial was used, and until when lives what that bought.
    pub(crate) used: Option<([u8; 32], Time)>,
    /// The latest time that the log knows.
    pub(crate) latest: Time,
}

/// What somebody is given who comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// What it was given before: the answer may have been lost.
    Again,
    /// A leaf of the name apart.
    Apart,
    /// A leaf of the identity itself.
    Itself,
}

/// Decides about a return whose proof holds, for the key with this hash.
///
/// # Errors
/// Why not. What passes by itself comes last, so that whoever is told so may wait for it.
pub(crate) fn decide(
    config: &CaConfig,
    known: &Known<'_>,
    key: &[u8; 32],
    now: Time,
) -> Result<Decision, NoWayBack> {
    let Known { leaf, latest, .. } = known;
    let Returns { grace, confirm } = config.returns;
    if grace.is_zero() {
        return Err(NoWayBack::Off);
    }
    if leaf.kind == Kind::Deliver || leaf.spiffe_id.path() == crate::node::PATH {
        return Err(NoWayBack::Otherwise);
    }
    if known.revoked {
        return Err(NoWayBack::Revoked);
    }
    let believed = |phase: &Option<Phase>| {
        matches!(
            phase,
            Some(Phase::Prepared | Phase::Active | Phase::Retired)
        )
    };
    if !known.authorities.iter().all(believed) {
        return Err(NoWayBack::Authority);
    }
    if now > leaf.not_after + grace {
        return Err(NoWayBack::Late(grace));
    }
    let again = match &known.used {
        Some((by, _)) if by != key => return Err(NoWayBack::SerialUsed),
        // What it bought is over: the serial is used up, for this key too.
        Some((_, until)) if now > *until + config.tolerance => {
            return Err(NoWayBack::SerialUsed);
        }
        Some(_) => true,
        None => false,
    };
    // A clock that was set back would make the grace longer.
    if now + config.tolerance < *latest {
        return Err(NoWayBack::ClockBehind);
    }
    if now <= leaf.not_after + config.tolerance {
        return Err(NoWayBack::LeafAlive);
    }
    if again {
        return Ok(Decision::Again);
    }
    if known.alive {
        return Err(NoWayBack::IdentityAlive);
    }
    Ok(match confirm {
        crate::settings::Confirm::ByHand => Decision::Apart,
        crate::settings::Confirm::AtOnce => Decision::Itself,
    })
}

#[cfg(test)]
#[path = "way_back_tests.rs"]
mod tests;
