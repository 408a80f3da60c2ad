//! Keys that sign tokens, as a planted service reads them from a JWKS: ES256 alone.
//!
//! Entries of other kinds are passed over, as RFC 7517 asks. A set that is no JWKS is refused
//! whole, so that a file half written takes no key away.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

use super::fault::{Fault, Faults};

/// The keys in force: an id and a point, each pair once. Two keys may share an id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keys(
    BTreeSet<(Option<String>, Vec<u8>)>,
    Vec<(Option<String>, Vec<u8>)>,
);

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Entry {
    kty: String,
    crv: String,
    x: String,
    y: String,
    kid: Option<String>,
}

impl Keys {
    /// Reads a JWKS.
    pub(super) fn read(text: &[u8]) -> Result<Self, &'static str> {
        let set: Set = serde_json::from_slice(text).map_err(|_| "it is no JWKS")?;
        let entries = set.keys.into_iter();
        let entries = entries.filter_map(|entry| serde_json::from_value::<Entry>(entry).ok());
        let in_order: Vec<_> = entries
            .filter(|entry| entry.kty == "EC" && entry.crv == "P-256")
            .filter_map(|entry| {
                let mut point = vec![4];
                point.extend(URL_SAFE_NO_PAD.decode(&entry.x).ok()?);
                point.extend(URL_SAFE_NO_PAD.decode(&entry.y).ok()?);
                (point.len() == 65).then_some((entry.kid, point))
            })
            .collect();
        Ok(Self(in_order.iter().cloned().collect(), in_order))
    }

    /// Puts another set in the place of this one.
    pub(super) fn replace(&mut self, faults: Faults, new: Self) {
        let Self(mut keys, in_order) = new;
        if faults.has(Fault::JwksOneKidTwoKeys) {
            keys.retain(|key| in_order.iter().rfind(|other| other.0 == key.0) == Some(key));
        }
        if faults.has(Fault::JwksRemovedKey) {
            keys.extend(self.0.iter().cloned());
        }
        *self = Self(keys, in_order);
    }

    /// Whether a key with this id is known.
    pub(super) fn knows(&self, kid: Option<&str>) -> bool {
        self.points(kid).next().is_some()
    }

    /// Every key with this id; without an id, every key.
    pub(super) fn points<'a>(&'a self, kid: Option<&'a str>) -> impl Iterator<Item = &'a [u8]> {
        let fits = move |id: &Option<String>| kid.is_none() || id.as_deref() == kid;
        self.0
            .iter()
            .filter(move |(id, _)| fits(id))
            .map(|(_, point)| point.as_slice())
    }
}
