//! Tokens already verified, so that a signature is checked once and not once a request.
//!
//! Only what cannot change is remembered: that the token is authentic under this key set. Issuer,
//! audience, times and binding are judged anew on every hit. Another key set empties the cache,
//! and it holds a bounded number, the first to expire giving way.

use std::collections::BTreeMap;

use ca::clock::Time;

use super::keys::KeySet;
use super::verify::{Authentic, Demand, Verified, authenticate};
use crate::refusal::Refusal;

/// How many tokens a cache holds unless told otherwise.
pub const CAPACITY: usize = 4096;

/// SHA-256 of `bytes`.
pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

#[derive(Debug)]
struct Remembered {
    token: Authentic,
    place: (Time, u64),
}

/// The tokens that one node has verified.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    key_set: [u8; 32],
    tokens: BTreeMap<[u8; 32], Remembered>,
    /// By expiry, then by arrival: who gives way first must not depend on a hash of key bytes.
    order: BTreeMap<(Time, u64), [u8; 32]>,
    arrivals: u64,
}

impl Default for Cache {
    fn default() -> Self {
        Self::new(CAPACITY)
    }
}

impl Cache {
    /// An empty cache for at most `capacity` tokens.
    pub const fn new(capacity: usize) -> Self {
        Self {
            capacity,
            key_set: [0; 32],
            tokens: BTreeMap::new(),
            order: BTreeMap::new(),
            arrivals: 0,
        }
    }

    /// How many tokens it holds.
    pub fn len(&self) -> usize {
        self.tokens.len()
    }

    /// True if it holds none.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Judges a token that was verified before under these keys; nothing if it was not. This
    /// costs a digest and no signature.
    pub fn recall(
        &mut self,
        token: &str,
        keys: &KeySet,
        demand: &Demand<'_>,
        now: Time,
    ) -> Option<Result<Verified, Refusal>> {
        self.follow(keys);
        if token.len() > super::MAX_TOKEN {
            return None;
        }
        let digest = sha256(token.as_bytes());
        let remembered = self.tokens.get(&digest)?;
        let judged = remembered.token.admit(demand, now);
        if judged == Err(Refusal::TokenExpired) {
            self.order.remove(&remembered.place);
            self.tokens.remove(&digest);
        }
        Some(judged)
    }

    /// Judges a token, from memory if it can; remembers it if it was good.
    ///
    /// # Errors
    /// As [`super::verify::verify`].
    pub fn verify(
        &mut self,
        token: &str,
        keys: &KeySet,
        demand: &Demand<'_>,
        now: Time,
    ) -> Result<Verified, Refusal> {
        if let Some(judged) = self.recall(token, keys, demand, now) {
            return judged;
        }
        let authentic = authenticate(token, keys)?;
        let verified = authentic.admit(demand, now)?;
        self.remember(sha256(token.as_bytes()), authentic);
        Ok(verified)
    }

    fn follow(&mut self, keys: &KeySet) {
        if self.key_set != *keys.digest() {
            self.key_set = *keys.digest();
            self.tokens.clear();
            self.order.clear();
        }
    }

    fn remember(&mut self, digest: [u8; 32], token: Authentic) {
        let place = (token.expires(), self.arrivals);
        self.arrivals += 1;
        self.order.insert(place, digest);
        self.tokens.insert(digest, Remembered { token, place });
        while self.tokens.len() > self.capacity
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.tokens.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::issue::{Issuer, jwks};
    use super::super::specimen::{BORN, DEMAND, TTL, alice, issuer, keys, token};
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_hit_is_judged_again() {
        let (issuer, mut cache) = (issuer(), Cache::default());
        let (keys, token) = (keys(&issuer), token(&issuer, "t"));
        assert_eq!(cache.recall(&token, &keys, &DEMAND, BORN), None);
        let first = cache.verify(&token, &keys, &DEMAND, BORN);
        assert_eq!(cache.recall(&token, &keys, &DEMAND, BORN), Some(first));
        let early = BORN - Duration::from_secs(3);
        let refusals = [
            (DEMAND, early, Refusal::TokenNotYetValid),
            (
                Demand {
                    leaf_sha256: Some([8; 32]),
                    ..DEMAND
                },
                BORN,
                Refusal::TokenNotBound,
            ),
            (
                Demand {
                    audience: Some("billing"),
                    ..DEMAND
                },
                BORN,
                Refusal::TokenAudience,
            ),
            (DEMAND, BORN + 2 * TTL, Refusal::TokenExpired),
        ];
        for (demand, now, refusal) in refusals {
            let judged = cache.recall(&token, &keys, &demand, now);
            assert_eq!(judged, Some(Err(refusal)));
        }
        assert!(cache.is_empty(), "what has expired is forgotten");
    }

    #[test]
    fn another_key_set_empties_it() {
        let (one, other) = (issuer(), renamed("k2"));
        let mut cache = Cache::default();
        let token = token(&one, "t");
        assert!(cache.verify(&token, &keys(&one), &DEMAND, BORN).is_ok());
        let without = keys(&other);
        assert_eq!(
            cache.verify(&token, &without, &DEMAND, BORN),
            Err(Refusal::TokenKeyUnknown)
        );
        let both = KeySet::parse(jwks([&one, &other]).as_bytes()).unwrap();
        assert_eq!(cache.recall(&token, &both, &DEMAND, BORN), None);
        assert!(cache.verify(&token, &both, &DEMAND, BORN).is_ok());
    }

    #[test]
    fn the_first_to_expire_gives_way() {
        let (issuer, mut cache) = (issuer(), Cache::new(2));
        let keys = keys(&issuer);
        let issue = |jti, ttl| {
            let leaf = &super::super::specimen::LEAF;
            issuer.issue(&alice(), "records", leaf, BORN, ttl, jti)
        };
        let long = issue("long", 3 * TTL).unwrap();
        let short = issue("short", TTL).unwrap();
        let middle = issue("middle", 2 * TTL).unwrap();
        for token in [&long, &short, &middle] {
            assert!(cache.verify(token, &keys, &DEMAND, BORN).is_ok());
        }
        assert_eq!(cache.len(), 2);
        assert!(cache.recall(&long, &keys, &DEMAND, BORN).is_some());
        assert!(cache.recall(&short, &keys, &DEMAND, BORN).is_none());
        assert_eq!(cache.order.len(), 2);
    }

    #[test]
    fn a_refused_token_is_not_remembered() {
        let (issuer, mut cache) = (issuer(), Cache::default());
        let late = BORN + 2 * TTL;
        let judged = cache.verify(&token(&issuer, "t"), &keys(&issuer), &DEMAND, late);
        assert_eq!(judged, Err(Refusal::TokenExpired));
        assert!(cache.is_empty());
    }

    fn renamed(key_id: &str) -> Issuer {
        use ca::keys::Keys as _;
        let key = ca::keys::RingKeys.p256().unwrap();
        Issuer::new("clinic.example", key_id, &key).unwrap()
    }
}
