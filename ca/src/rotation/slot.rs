//! One signing authority: its phase, its times, and where it stands.
//!
//! It holds no key, only the name of one. Invariant: an X.509 issuer names the root that signed it,
//! and nothing else has a parent.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::clock::Time;
use crate::rotation::{AuthorityKind, Phase};

/// Longest name of a key, in bytes.
pub const MAX_KEY_REF: usize = 128;

/// Which key an authority signs with: for example its public key's hash, or a token's `kid`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyRef(String);

/// A name that no key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's name has 1 to {MAX_KEY_REF} characters of `a-zA-Z0-9.-_`")]
pub struct InvalidKeyRef;

impl KeyRef {
    /// Takes the name of a key.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character outside `a-zA-Z0-9.-_`.
    pub fn new(name: &str) -> Result<Self, InvalidKeyRef> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        if name.is_empty() || name.len() > MAX_KEY_REF || !name.bytes().all(fits) {
            return Err(InvalidKeyRef);
        }
        Ok(Self(name.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for KeyRef {
    type Error = InvalidKeyRef;

    fn try_from(name: String) -> Result<Self, InvalidKeyRef> {
        Self::new(&name)
    }
}

impl From<KeyRef> for String {
    fn from(key: KeyRef) -> Self {
        key.0
    }
}

/// One authority. Times are written down in microseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Slot {
    /// What it signs.
    #[serde(rename = "authority")]
    pub kind: AuthorityKind,
    /// Which one of its kind: from 1 on, never given twice.
    pub id: u64,
    /// Where in its life it is.
    pub phase: Phase,
    /// Since when it is in that phase.
    #[serde(rename = "since_us")]
    pub since: Time,
    /// When it was made, which its life is counted from: its validity may begin much earlier.
    #[serde(rename = "made_us")]
    pub made: Time,
    /// First moment of its validity.
    #[serde(rename = "not_before_us")]
    pub not_before: Time,
    /// Last moment of its validity.
    #[serde(rename = "not_after_us")]
    pub not_after: Time,
    /// The root that signed it, for an X.509 issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// The generation of the trust state that first carried it.
    pub published_in: u64,
    /// When it last stopped signing; nothing if it never signed, or does now.
    #[serde(
        default,
        rename = "stopped_us",
        skip_serializing_if = "Option::is_none"
    )]
    pub stopped: Option<Time>,
    /// The name of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<KeyRef>,
}

impl Slot {
    /// True if its end has passed; its last moment belongs to it.
    pub fn expired(&self, now: Time) -> bool {
        now > self.not_after
    }

    /// True if it was active once and went back to prepared.
    pub fn rolled_back(&self) -> bool {
        self.phase == Phase::Prepared && self.stopped.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot() -> Slot {
        Slot {
            kind: AuthorityKind::X509,
            id: 2,
            phase: Phase::Prepared,
            since: Time::from_micros(1_500_001),
            made: Time::from_micros(1_500_001),
            not_before: Time::from_secs(1),
            not_after: Time::from_secs(9),
            parent: Some(1),
            published_in: 4,
            stopped: None,
            key: Some(KeyRef::new("x509-2").unwrap()),
        }
    }

    const WRITTEN: &str = concat!(
        r#"{"authority":"x509","id":2,"phase":"prepared","since_us":1500001,"#,
        r#""made_us":1500001,"not_before_us":1000000,"not_after_us":9000000,"parent":1,"#,
        r#""published_in":4,"#,
        r#""key":"x509-2"}"#
    );

    #[test]
    fn a_slot_is_written_in_microseconds_and_comes_back_as_it_was() {
        assert_eq!(serde_json::to_string(&slot()).unwrap(), WRITTEN);
        assert_eq!(serde_json::from_str::<Slot>(WRITTEN).unwrap(), slot());
        let bare = Slot {
            kind: AuthorityKind::Jwt,
            parent: None,
            key: None,
            stopped: Some(Time::from_secs(5)),
            ..slot()
        };
        let text = serde_json::to_string(&bare).unwrap();
        assert_eq!(serde_json::from_str::<Slot>(&text).unwrap(), bare);
    }

    #[test]
    fn a_slot_with_a_field_too_many_or_a_word_unknown_is_refused() {
        for (from, to) in [
            ("\"id\":2", "\"id\":2,\"secret\":\"00\""),
            ("\"prepared\"", "\"standby\""),
            ("\"x509\"", "\"ssh\""),
            ("\"id\":2", "\"id\":-2"),
            ("\"key\":\"x509-2\"", "\"key\":\"../root\""),
        ] {
            let changed = WRITTEN.replace(from, to);
            assert!(serde_json::from_str::<Slot>(&changed).is_err(), "{changed}");
        }
    }

    #[test]
    fn a_key_is_named_within_bounds() {
        let longest = "k".repeat(MAX_KEY_REF);
        assert!(KeyRef::new(&longest).is_ok());
        for name in ["", "a b", "a/b", &format!("{longest}k")] {
            assert_eq!(KeyRef::new(name), Err(InvalidKeyRef), "`{name}`");
        }
    }
}
