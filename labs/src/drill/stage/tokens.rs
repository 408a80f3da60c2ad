//! The tokens that go with calls, and where the target finds the keys that sign them.
//!
//! There is one key in use at a time; the list that the target reads may hold others, since that
//! is what the cases change. A good token differs from a bad one in what the case says alone.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use super::{Caller, Obstacle, Stage, StageError};
use crate::drill::authority::Leaf;
use crate::drill::clock;
use crate::drill::eyes::Badge;
use crate::drill::file::{Jwks as Where, Token};
use crate::drill::place::Material;
use crate::drill::tokens::{Jwks, Served, TokenKey, Wish, thumbprint};

/// The tokens of a target that wants some.
#[derive(Debug)]
pub struct Tokens {
    rules: Token,
    key: TokenKey,
    served: Option<Served>,
    /// How many were wished for.
    wished: AtomicU64,
}

impl Tokens {
    /// Makes the first key, and serves its list if the target fetches it.
    pub(super) async fn new(rules: &Token) -> Result<Self, StageError> {
        let key = TokenKey::new("drill-1")?;
        let served = match &rules.jwks {
            Where::Listen(address) => {
                let list = Jwks::of([&key]);
                Some(Served::at(&address.to_string(), &list).await?)
            }
            Where::File(_) => None,
        };
        Ok(Self {
            rules: rules.clone(),
            key,
            served,
            wished: AtomicU64::new(0),
        })
    }

    /// What the target wants.
    pub const fn rules(&self) -> &Token {
        &self.rules
    }

    /// The key that signs good tokens.
    pub const fn key(&self) -> &TokenKey {
        &self.key
    }

    /// The list that the target fetches, if it does.
    pub const fn served(&self) -> Option<&Served> {
        self.served.as_ref()
    }

    /// A good token for the caller with this leaf, to be changed before it is signed. It has a name
    /// of its own (`jti`), which RFC 9068 demands.
    pub fn wish(&self, leaf: &Leaf) -> Wish {
        let now = clock::unix_seconds();
        let life = i64::try_from(self.rules.life.as_secs()).unwrap_or(i64::MAX / 2);
        let first = self.rules.audience.first().map_or("", String::as_str);
        let mut wish = Wish::new(&self.rules.issuer, first, now - 5, now + life);
        if self.rules.audience.len() > 1 {
            wish = wish.claim("aud", json!(self.rules.audience));
        }
        // A key is made for one run alone, so that no other run gives the same names.
        let run = thumbprint(self.key.public_point());
        let number = self.wished.fetch_add(1, Ordering::Relaxed);
        wish = wish
            .typ(&self.rules.typ)
            .claim("jti", json!(format!("{run}-{number}")))
            .claims(&self.rules.claims);
        if self.rules.bound {
            wish = wish.bound_to(leaf.certificate());
        }
        wish
    }

    /// A token in the header that the target reads.
    pub fn badge(&self, token: &str) -> Badge {
        Badge::under(&self.rules.header, token)
    }

    /// A good token, ready to be shown.
    ///
    /// # Errors
    /// If the library does not sign.
    pub fn good(&self, leaf: &Leaf) -> Result<Badge, StageError> {
        let token = self.wish(leaf).signed(&self.key)?;
        Ok(self.badge(&token))
    }
}

impl Stage {
    /// The same caller with another token.
    ///
    /// # Errors
    /// When the target wants no tokens.
    pub fn with_token(&self, caller: &Caller, token: &str) -> Result<Caller, Obstacle> {
        let tokens = self.tokens.as_ref();
        let tokens = tokens.ok_or_else(|| Obstacle::absent("the target wants no tokens"))?;
        Ok(Caller {
            leaf: caller.leaf.clone(),
            badge: Some(tokens.badge(token)),
        })
    }

    /// Publishes these keys, and no others, where the target looks for them. It is not waited
    /// until it has.
    ///
    /// # Errors
    /// When the target wants no tokens, or the file cannot be written.
    pub async fn publish(&mut self, keys: &[&TokenKey]) -> Result<(), Obstacle> {
        let list = Jwks::of(keys.iter().copied());
        let tokens = self.tokens.as_ref();
        let tokens = tokens.ok_or_else(|| Obstacle::absent("the target wants no tokens"))?;
        if let Some(served) = &tokens.served {
            served.show(&list);
            return Ok(());
        }
        let material = Material {
            jwks: Some(list.bytes()),
            ..Material::default()
        };
        self.put(&material).await?.told()
    }
}
