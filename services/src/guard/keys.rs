//! Which keys verify tokens here, and how they come: with the node's own beliefs, as the CA changes
//! them, or fetched from the token service and kept for a while.
//!
//! Beliefs are whole: a key that they do not hold is withdrawn. A fetched set counts beside them
//! only while it is of a later generation. Invariant: under `token.keys = "generation"` no key
//! verifies that the newest generation known here does not hold.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use ca::clock::Time;
use ca::conn::{Dialer, MAX_MESSAGE};
use proto::token::v1::KeysRequest;
use proto::token::v1::tokens_client::TokensClient;

use crate::member::{Member, connect};
use crate::posture::Keys;
use crate::token::keys::KeySet;

/// How long fetching the key set may take.
const FETCH: Duration = Duration::from_secs(1);
/// How soon the key set may be fetched again: a flood of unknown keys must not become one.
const FLOOR: Duration = Duration::from_secs(1);
/// How long a fetched set is kept where `token.keys` is `ttl`: five minutes, as gateways do that
/// are left at their defaults, or less.
const KEYS_TTL: Duration = Duration::from_secs(300);

/// A set that came from the token service.
struct Fetched {
    generation: u64,
    at: Time,
    keys: Arc<KeySet>,
}

/// The set that this node believes, as it was last read.
#[derive(Default)]
struct Believed {
    text: Arc<str>,
    generation: u64,
    keys: Arc<KeySet>,
}

/// The keys of one node.
pub(super) struct KeySource {
    member: Member,
    tokens: Dialer,
    believed: ArcSwap<Believed>,
    reading: Mutex<()>,
    fetched: ArcSwap<Fetched>,
    asked: tokio::sync::Mutex<Option<Time>>,
}

impl KeySource {
    /// The keys of a node whose token service is on `host`.
    pub(super) fn new(member: &Member, host: &str) -> Self {
        Self {
            tokens: member.dialer(host),
            member: member.clone(),
            believed: ArcSwap::default(),
            reading: Mutex::default(),
            fetched: ArcSwap::from_pointee(Fetched {
                generation: 0,
                at: Time::from_micros(0),
                keys: Arc::default(),
            }),
            asked: tokio::sync::Mutex::new(None),
        }
    }

    fn mode(&self) -> Keys {
        self.member.start.posture.token.keys
    }

    /// The set that counts now.
    pub(super) fn current(&self) -> Arc<KeySet> {
        let fetched = self.fetched.load();
        if self.mode() == Keys::Ttl {
            return Arc::clone(&fetched.keys);
        }
        let believed = self.believed();
        if fetched.generation > believed.generation {
            return Arc::clone(&fetched.keys);
        }
        Arc::clone(&believed.keys)
    }

    /// What this node believes, read again if it has changed. A set that cannot be read verifies
    /// nothing.
    fn believed(&self) -> Arc<Believed> {
        let own = self.member.identity.borrow().clone();
        let Some(own) = own else {
            return self.believed.load_full();
        };
        let domain = own.credential.facts.spiffe_id.trust_domain();
        let (text, generation) = (&own.trusted.token_keys, own.trusted.generation(domain));
        let is_read = |held: &Believed| held.text == *text && held.generation == generation;
        let held = self.believed.load_full();
        if is_read(&held) {
            return held;
        }
        let _reading = self.reading.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.believed.load_full();
        if is_read(&held) {
            return held;
        }
        let keys = if text.is_empty() {
            KeySet::default()
        } else {
            KeySet::parse(text.as_bytes()).unwrap_or_else(|error| {
                tracing::error!(%error, generation, "the key set cannot be read");
                KeySet::default()
            })
        };
        let read = Arc::new(Believed {
            text: Arc::clone(text),
            generation,
            keys: Arc::new(keys.following(&held.keys)),
        });
        self.believed.store(Arc::clone(&read));
        read
    }

    /// True once there is a key to verify with.
    pub(super) fn are_there(&self) -> bool {
        !self.current().is_empty()
    }

    /// Fetches a set that is kept for a time, if that time is over.
    pub(super) async fn refresh(&self) {
        let (now, at) = (self.member.start.seams.clock.now(), self.fetched.load().at);
        // A set from a later time than now was fetched on a clock that was wrong.
        let fresh = at <= now && now.since(at) < KEYS_TTL;
        if self.mode() == Keys::Ttl && !fresh {
            self.fetch().await;
        }
    }

    /// Fetches the key set, once for all that wait, and not sooner than [`FLOOR`] after the last.
    pub(super) async fn fetch(&self) {
        let mut asked = self.asked.lock().await;
        let clock = &self.member.start.seams.clock;
        // A last time that is ahead of now was read on a clock that was wrong.
        let now = clock.now();
        if asked.is_some_and(|last| last <= now && now.since(last) < FLOOR) {
            return;
        }
        let ask = async {
            let client = TokensClient::new(connect(&self.tokens).await?);
            client
                .max_decoding_message_size(MAX_MESSAGE)
                .keys(KeysRequest {})
                .await
        };
        match tokio::time::timeout(FETCH, ask).await {
            Ok(Ok(reply)) => {
                let reply = reply.into_inner();
                match KeySet::parse(reply.jwks.as_bytes()) {
                    Ok(keys) => self.take(keys, reply.generation),
                    Err(error) => tracing::warn!(%error, "the key set was not taken"),
                }
            }
            Ok(Err(status)) => tracing::debug!(%status, "no key set"),
            Err(_) => tracing::debug!("no key set in time"),
        }
        *asked = Some(clock.now());
    }

    /// Takes a set that came from the token service; never an older one after a newer.
    pub(super) fn take(&self, keys: KeySet, generation: u64) {
        let held = self.fetched.load();
        if generation < held.generation {
            tracing::warn!(generation, held = held.generation, "an older key set");
            return;
        }
        self.fetched.store(Arc::new(Fetched {
            generation,
            at: self.member.start.seams.clock.now(),
            // What either way was known and is missing now was withdrawn.
            keys: Arc::new(keys.following(&self.current())),
        }));
    }
}

#[cfg(test)]
mod tests {
    use ca::keys::{Keys as _, RingKeys};

    use super::*;
    use crate::posture::Posture;
    use crate::refusal::Refusal;
    use crate::specimen::Specimen;
    use crate::token::issue::{Issuer, jwks};

    fn issuer(name: &str) -> Issuer {
        let key = RingKeys.p256().unwrap();
        Issuer::new("clinic.example", name, &key).unwrap()
    }

    fn source(mode: Keys) -> (Specimen, KeySource) {
        let mut posture = Posture::hardened();
        posture.token.keys = mode;
        let specimen = Specimen::new(posture, |_| {});
        let source = KeySource::new(&specimen.member, "nowhere");
        (specimen, source)
    }

    fn holds(source: &KeySource) -> [bool; 3] {
        ["a", "b", "c"].map(|name| source.current().holds(name))
    }

    #[test]
    fn what_is_believed_no_more_verifies_no_more_and_its_key_is_called_retired() {
        let (specimen, source) = source(Keys::Generation);
        let [a, b] = ["a", "b"].map(issuer);
        assert!(!source.are_there());
        specimen.believes(&jwks([&a, &b]));
        assert_eq!(holds(&source), [true, true, false]);
        specimen.believes(&jwks([&b]));
        assert_eq!(holds(&source), [false, true, false]);
        assert_eq!(source.current().without("a"), Refusal::TokenKeyRetired);
        assert_eq!(source.current().without("c"), Refusal::TokenKeyUnknown);
        specimen.believes("{not a key set");
        assert_eq!(holds(&source), [false; 3], "nothing verifies");
        specimen.believes(&jwks([&a]));
        assert_eq!(holds(&source), [true, false, false]);
    }

    #[test]
    fn a_fetched_set_counts_while_it_is_ahead_and_an_older_one_never() {
        let (specimen, source) = source(Keys::Generation);
        let [a, b] = ["a", "b"].map(issuer);
        specimen.believes(&jwks([&a]));
        let domain = &specimen.member.start.agent.id;
        let domain = domain.trust_domain().clone();
        let own = specimen.member.identity.borrow().clone().unwrap();
        let generation = own.trusted.generation(&domain);
        let set = |of: &Issuer| KeySet::parse(jwks([of]).as_bytes()).unwrap();
        source.take(set(&b), generation);
        assert_eq!(holds(&source), [true, false, false], "not ahead");
        source.take(set(&b), generation + 1);
        assert_eq!(holds(&source), [false, true, false]);
        source.take(set(&a), generation);
        assert_eq!(holds(&source), [false, true, false], "older");
        specimen.believes(&jwks([&a, &b]));
        assert_eq!(holds(&source), [true, true, false], "caught up");
    }

    #[test]
    fn a_key_that_a_fetched_set_withdraws_is_called_retired_however_it_was_known() {
        for mode in [Keys::Generation, Keys::Ttl] {
            let (specimen, source) = source(mode);
            let [a, b, c] = ["a", "b", "c"].map(issuer);
            let set = |of: &Issuer| KeySet::parse(jwks([of]).as_bytes()).unwrap();
            specimen.believes(&jwks([&a]));
            source.take(set(&b), 10);
            assert_eq!(holds(&source), [false, true, false]);
            let believed = match mode {
                Keys::Generation => Refusal::TokenKeyRetired,
                Keys::Ttl => Refusal::TokenKeyUnknown,
            };
            assert_eq!(source.current().without("a"), believed, "{mode:?}");
            source.take(set(&c), 11);
            assert_eq!(source.current().without("a"), believed, "{mode:?}, still");
            assert_eq!(source.current().without("b"), Refusal::TokenKeyRetired);
            assert_eq!(source.current().without("d"), Refusal::TokenKeyUnknown);
        }
    }

    #[test]
    fn a_set_that_is_kept_for_a_time_outlives_a_withdrawal() {
        let (specimen, source) = source(Keys::Ttl);
        let [a, b] = ["a", "b"].map(issuer);
        specimen.believes(&jwks([&b]));
        assert!(!source.are_there(), "beliefs do not count");
        source.take(KeySet::parse(jwks([&a]).as_bytes()).unwrap(), 1);
        specimen.believes(&jwks([&b]));
        assert_eq!(holds(&source), [true, false, false]);
    }
}
