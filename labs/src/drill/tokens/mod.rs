//! The tokens of the drill: keys of its own, tokens good and broken, and the key list (JWKS).
//!
//! A token is a JWT signed with ES256, or one that pretends to be. Nothing here verifies a token:
//! the target does, and its answer is looked at. Dates are given by the caller and never read
//! from a clock.

mod jwks;
mod key;
mod mint;
mod serve;

pub use jwks::Jwks;
pub use key::TokenKey;
pub use mint::{Wish, thumbprint};
pub use serve::Served;

/// Why a token or a key list could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// The system gave no random bytes, or the library no key.
    #[error("no key for tokens could be made: the system gave no random bytes")]
    Key,
    /// The library did not sign.
    #[error("a token could not be signed")]
    Sign,
    /// The key list cannot be served there.
    #[error("the key list cannot be served at `{address}`: {why}")]
    Listen {
        /// The address that was asked for.
        address: String,
        /// Why it cannot be.
        why: std::io::Error,
    },
    /// The key list would be served to strangers.
    #[error("the key list cannot be served at `{0}`: only a loopback address is")]
    NotLoopback(String),
}
