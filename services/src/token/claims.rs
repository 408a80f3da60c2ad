//! What a token says, and the two JSON objects that say it.
//!
//! Every claim listed here must be there and of its kind: a malformed `exp` makes a token
//! malformed, never one that does not expire (CVE-2026-25537). Unknown claims are ignored,
//! unknown header members are not: they are where attackers bring their own keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ca::identity::SpiffeId;
use serde::{Deserialize, Serialize};

/// The last second of the year 9999: later times are nonsense, not patience.
pub const LATEST: u64 = 253_402_300_799;

/// The header. `jwk`, `jku`, `x5u`, `x5c`, `crit` and whatever else is not here are refused.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// The algorithm that the token claims; the key's decides.
    pub alg: String,
    /// The key's name.
    #[serde(default)]
    pub kid: Option<String>,
    /// The token's type.
    #[serde(default)]
    pub typ: Option<String>,
}

/// The claims.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    pub iss: String,
    /// Whom it speaks of.
    pub sub: SpiffeId,
    /// For whom it is.
    pub aud: Audience,
    /// Its end, in seconds since the Unix epoch; at this second it is over.
    pub exp: u64,
    /// Its beginning, in seconds since the Unix epoch.
    pub nbf: u64,
    /// When it was issued, in seconds since the Unix epoch.
    pub iat: u64,
    /// Its own name.
    pub jti: String,
    /// What its bearer must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<Confirmation>,
}

impl Claims {
    /// True if every value is in its range.
    pub(super) fn in_range(&self) -> bool {
        let times = [self.exp, self.nbf, self.iat];
        times.into_iter().all(|time| time <= LATEST) && !self.sub.is_root()
    }
}

/// One audience, or a list as RFC 7519 allows; a list of any length but one is never accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single string.
    One(String),
    /// A list.
    List(Vec<String>),
}

impl Audience {
    /// Whether that one is among them.
    pub fn holds(&self, audience: &str) -> bool {
        match self {
            Self::One(name) => name == audience,
            Self::List(names) => names.iter().any(|name| name == audience),
        }
    }

    /// The audience, if there is exactly one.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::One(name) => Some(name),
            Self::List(names) => match names.as_slice() {
                [name] => Some(name),
                _ => None,
            },
        }
    }
}

/// What the token is bound to (RFC 8705, section 3.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confirmation {
    /// SHA-256 of the leaf's DER, base64url without padding.
    #[serde(default, rename = "x5t#S256", skip_serializing_if = "Option::is_none")]
    pub x5t_s256: Option<String>,
}

impl Confirmation {
    /// The confirmation of a leaf.
    pub fn of_leaf(sha256: &[u8; 32]) -> Self {
        Self {
            x5t_s256: Some(URL_SAFE_NO_PAD.encode(sha256)),
        }
    }

    /// The leaf's digest.
    ///
    /// # Errors
    /// When the member is there and is not a SHA-256 digest.
    pub fn leaf(&self) -> Result<Option<[u8; 32]>, NotADigest> {
        let Some(text) = &self.x5t_s256 else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NotADigest)?;
        bytes.try_into().map(Some).map_err(|_| NotADigest)
    }
}

/// A `cnf` that names no leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`x5t#S256` is not a SHA-256 digest in base64url without padding")]
pub struct NotADigest;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_comes_back_from_its_confirmation() {
        let confirmation = Confirmation::of_leaf(&[7; 32]);
        assert_eq!(confirmation.leaf(), Ok(Some([7; 32])));
        let json = serde_json::to_string(&confirmation).unwrap();
        let digest = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        assert_eq!(json, format!(r#"{{"x5t#S256":"{digest}"}}"#));
    }

    #[test]
    fn a_digest_of_another_length_is_not_one() {
        let short = Confirmation {
            x5t_s256: Some("BwcH".to_owned()),
        };
        assert_eq!(short.leaf(), Err(NotADigest));
    }

    #[test]
    fn only_a_single_audience_counts() {
        let list = |names: &[&str]| Audience::List(names.iter().map(|&n| n.into()).collect());
        assert_eq!(Audience::One("a".into()).only(), Some("a"));
        assert_eq!(list(&["a"]).only(), Some("a"));
        assert_eq!(list(&[]).only(), None);
        assert_eq!(list(&["a", "b"]).only(), None);
    }
}
