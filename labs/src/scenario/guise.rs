//! In whose name somebody asks that is not theirs, and what they have to show for it.
//!
//! It says what was made or copied; what that is worth is for the nodes to decide.

use serde::Serialize;

/// Whose name somebody asks in that is not their own, and what they have to show for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Guise {
    /// A token of their own making, signed by a stolen key.
    Forged(String),
    /// The other's own token, copied as it is.
    Replayed {
        /// Whose.
        token_of: String,
    },
    /// The other's key, certificate and token, all copied: nothing tells it from the original.
    Copied {
        /// Whose.
        leaf_of: String,
    },
    /// The other's own token, copied as it is, and a header that names the certificate that it is
    /// bound to.
    Headed {
        /// Whose.
        header_of: String,
    },
    /// A certificate in the same name of another trust domain, by that domain's own CA.
    Namesake {
        /// Whose.
        namesake_of: String,
    },
    /// A certificate of their own making, signed by a stolen issuer, and a token over it.
    Rogue {
        /// In whose name.
        rogue_leaf_of: String,
    },
    /// A certificate in the other's name over a key of one's own: the CA's if it gives one, or else
    /// one that is signed by that very key.
    Named {
        /// Whose name.
        certified_as: String,
    },
}

impl Guise {
    /// In whose name it is.
    pub fn subject(&self) -> &str {
        match self {
            Self::Forged(subject)
            | Self::Replayed { token_of: subject }
            | Self::Copied { leaf_of: subject }
            | Self::Headed { header_of: subject }
            | Self::Namesake {
                namesake_of: subject,
            }
            | Self::Rogue {
                rogue_leaf_of: subject,
            }
            | Self::Named {
                certified_as: subject,
            } => subject,
        }
    }

    /// Whether it is made with the very key that the name is known by, or one that signs for it, so
    /// that no node can tell it from the owner's.
    pub const fn has_key(&self) -> bool {
        match self {
            Self::Forged(_) | Self::Copied { .. } | Self::Rogue { .. } => true,
            Self::Replayed { .. }
            | Self::Headed { .. }
            | Self::Namesake { .. }
            | Self::Named { .. } => false,
        }
    }

    /// Whether a token is part of it, beside what the certificate brings with it.
    pub const fn shows_token(&self) -> bool {
        !matches!(self, Self::Named { .. } | Self::Namesake { .. })
    }

    /// What must have been done for it.
    pub(super) fn takes(&self) -> String {
        match self {
            Self::Forged(_) => "stolen no key".to_owned(),
            Self::Replayed { token_of: whose } | Self::Headed { header_of: whose } => {
                format!("stolen no token of `{whose}`")
            }
            Self::Copied { leaf_of } => format!("stolen no certificate of `{leaf_of}`"),
            Self::Rogue { .. } => "stolen no issuer".to_owned(),
            Self::Namesake { namesake_of } => format!("no namesake of `{namesake_of}`"),
            Self::Named { certified_as } => format!("not enrolled as `{certified_as}`"),
        }
    }
}
