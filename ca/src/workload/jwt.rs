//! The JWT half of the Workload API: who makes and judges JWT-SVIDs, and what may be asked of them.
//!
//! This package signs no token. Whoever serves the CA gives it a maker of JWT-SVIDs, or none; then
//! the calls are answered as not implemented, by name. Invariant: a maker is asked only with an
//! audience and a token that are within bounds.

use std::fmt;

use serde_json::{Map, Value};

use crate::clock::Time;
use crate::identity::SpiffeId;

/// The most audiences of one token. One is strongly advised: with more, each audience can use the
/// token at the others.
pub const MAX_AUDIENCES: usize = 8;
/// The longest audience, in bytes.
pub const MAX_AUDIENCE: usize = 255;
/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Why there is no JWT-SVID. It is nobody's fault who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no JWT-SVID could be signed: {0}")]
pub struct NotSigned(pub String);

/// Why a token is no JWT-SVID that is good here and now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is refused: {0}")]
pub struct NotValid(pub String);

/// A JWT-SVID that is good here and now.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidJwt {
    /// Of whom it speaks.
    pub spiffe_id: SpiffeId,
    /// All that it says.
    pub claims: Map<String, Value>,
}

/// Who makes and judges JWT-SVIDs of the CA's trust domain.
pub trait JwtSvids: Send + Sync + fmt::Debug {
    /// A token that speaks of `id`, for exactly that audience.
    ///
    /// # Errors
    /// When nothing can be signed now.
    fn issue(&self, id: &SpiffeId, audience: &[String], now: Time) -> Result<String, NotSigned>;

    /// The keys that verify them, a JWK Set (RFC 7517), as of now. It changes only with what the CA
    /// announces.
    fn jwks(&self) -> String;

    /// Judges a token for one of its audiences, by the keys of now.
    ///
    /// # Errors
    /// When it is no JWT-SVID by these keys, is not for `audience`, or is not good at `now`.
    fn validate(&self, token: &str, audience: &str, now: Time) -> Result<ValidJwt, NotValid>;
}

/// Why a question about tokens was not put to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unasked {
    /// No audience.
    #[error("`audience` is missing")]
    NoAudience,
    /// More than [`MAX_AUDIENCES`].
    #[error("`audience` has {0} values: {MAX_AUDIENCES} are the most")]
    TooManyAudiences(usize),
    /// One that is empty or longer than [`MAX_AUDIENCE`].
    #[error("an audience has {0} bytes: it takes 1 to {MAX_AUDIENCE}")]
    Audience(usize),
    /// No token, or one longer than [`MAX_TOKEN`].
    #[error("`svid` has {0} bytes: it takes 1 to {MAX_TOKEN}")]
    Token(usize),
}

/// Whether a token may be asked for, for that audience.
pub(super) fn audience_fits(audience: &[String]) -> Result<(), Unasked> {
    match audience.len() {
        0 => return Err(Unasked::NoAudience),
        1..=MAX_AUDIENCES => {}
        many => return Err(Unasked::TooManyAudiences(many)),
    }
    let unfit = |one: &&String| !(1..=MAX_AUDIENCE).contains(&one.len());
    match audience.iter().find(unfit) {
        Some(one) => Err(Unasked::Audience(one.len())),
        None => Ok(()),
    }
}

/// Whether a token may be judged for that audience.
pub(super) fn token_fits(token: &str, audience: &str) -> Result<(), Unasked> {
    audience_fits(&[audience.to_owned()])?;
    match token.len() {
        1..=MAX_TOKEN => Ok(()),
        bytes => Err(Unasked::Token(bytes)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_too_much_is_refused_by_name_and_what_is_just_enough_is_not() {
        let many = |count, bytes| vec!["a".repeat(bytes); count];
        assert_eq!(audience_fits(&many(MAX_AUDIENCES, MAX_AUDIENCE)), Ok(()));
        assert_eq!(audience_fits(&[]), Err(Unasked::NoAudience));
        let too_many = MAX_AUDIENCES + 1;
        let refused = audience_fits(&many(too_many, 1));
        assert_eq!(refused, Err(Unasked::TooManyAudiences(too_many)));
        for bytes in [0, MAX_AUDIENCE + 1] {
            let refused = audience_fits(&many(1, bytes));
            assert_eq!(refused, Err(Unasked::Audience(bytes)));
        }
        assert_eq!(token_fits(&"t".repeat(MAX_TOKEN), "a"), Ok(()));
        for bytes in [0, MAX_TOKEN + 1] {
            let refused = token_fits(&"t".repeat(bytes), "a");
            assert_eq!(refused, Err(Unasked::Token(bytes)));
        }
    }

    proptest! {
        #[test]
        fn whatever_fits_is_bounded(audience in prop::collection::vec(".{0,300}", 0..12)) {
            let bytes: usize = audience.iter().map(String::len).sum();
            if audience_fits(&audience).is_ok() {
                prop_assert!(bytes <= MAX_AUDIENCES * MAX_AUDIENCE);
                prop_assert!(!audience.is_empty() && audience.iter().all(|one| !one.is_empty()));
            }
        }
    }
}
