//! The words of rotation: what kinds of authority there are, and the phases that each goes through.
//!
//! The order of the phases is the order of an authority's life. Invariant: the only steps back are
//! the two of a roll-back, from active to prepared and from retired to active.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an authority signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthorityKind {
    /// Issuers, and the list of those that are revoked.
    Root,
    /// Leaves, and the list of those that are revoked.
    X509,
    /// Tokens.
    Jwt,
    /// Nothing that anybody verifies with a public half: a version of a secret. Of those there are
    /// many, and the versions of each are slots of their own ([`crate::secrets`]).
    Secret,
}

/// A word that names no kind of authority.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no kind of authority: there are `root`, `x509`, `jwt` and `secret`")]
pub struct UnknownKind(String);

impl AuthorityKind {
    /// Each kind once, roots first.
    pub const ALL: [Self; 4] = [Self::Root, Self::X509, Self::Jwt, Self::Secret];

    /// Those that every CA has: one line of each, side by side in the same slots.
    pub const OWN: [Self; 3] = [Self::Root, Self::X509, Self::Jwt];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::X509 => "x509",
            Self::Jwt => "jwt",
            Self::Secret => "secret",
        }
    }
}

impl fmt::Display for AuthorityKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for AuthorityKind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        let kind = Self::ALL.into_iter().find(|kind| kind.word() == word);
        kind.ok_or_else(|| UnknownKind(word.to_owned()))
    }
}

/// Where in its life an authority is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Published, and not signing yet.
    Prepared,
    /// The one that signs.
    Active,
    /// It verifies and signs no more.
    Retired,
    /// It verifies still, and who depends on it must renew now.
    Tainted,
    /// It verifies nothing.
    Revoked,
}

impl Phase {
    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Prepared => "prepared",
            Self::Active => "active",
            Self::Retired => "retired",
            Self::Tainted => "tainted",
            Self::Revoked => "revoked",
        }
    }

    /// Whether an authority in this phase may step to `to`, whatever else holds.
    pub const fn leads_to(self, to: Self) -> bool {
        match self {
            Self::Prepared => matches!(to, Self::Active | Self::Tainted | Self::Revoked),
            Self::Active => matches!(to, Self::Retired | Self::Prepared),
            Self::Retired => matches!(to, Self::Active | Self::Tainted | Self::Revoked),
            Self::Tainted => matches!(to, Self::Revoked),
            Self::Revoked => false,
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_phases_are_written_as_their_words() {
        for kind in AuthorityKind::ALL {
            let json = serde_json::to_string(&kind).unwrap();
            assert_eq!(json, format!("\"{kind}\""));
            assert_eq!(kind.word().parse(), Ok(kind));
        }
        let phases = ["prepared", "active", "retired", "tainted", "revoked"];
        for word in phases {
            let phase: Phase = serde_json::from_str(&format!("\"{word}\"")).unwrap();
            assert_eq!(phase.word(), word);
        }
        let error = "X509".parse::<AuthorityKind>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`X509` is no kind of authority: there are `root`, `x509`, `jwt` and `secret`"
        );
    }
}
