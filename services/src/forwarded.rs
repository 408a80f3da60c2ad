//! The header in which whoever ends a TLS connection says whose certificate it was made with.
//!
//! It is Envoy's, in its shortest form: the certificate's digest and its SPIFFE ID. Anybody can
//! write one; nothing in it is proved, and whether it counts is for [`crate::guard`] to say, by who
//! sent it.

use std::fmt;

use ca::identity::{LeafFacts, SpiffeId};

/// The header's name.
pub const HEADER: &str = "x-forwarded-client-cert";

/// The first part of the path of whoever may end connections for others: `/edge.south`.
const EDGE: &str = "/edge.";

/// A certificate that somebody says they were shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Whose.
    pub spiffe_id: SpiffeId,
    /// SHA-256 of its DER.
    pub leaf_sha256: [u8; 32],
}

impl Shown {
    /// The certificate of a connection.
    pub fn of(facts: &LeafFacts) -> Self {
        Self {
            spiffe_id: facts.spiffe_id.clone(),
            leaf_sha256: facts.leaf_sha256,
        }
    }

    /// What a header says: each part once, and no other.
    pub fn parse(text: &str) -> Option<Self> {
        let (hash, uri) = text.split_once(';')?;
        Some(Self {
            leaf_sha256: digest(hash.strip_prefix("Hash=")?)?,
            spiffe_id: SpiffeId::parse(uri.strip_prefix("URI=")?).ok()?,
        })
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash=")?;
        for byte in self.leaf_sha256 {
            write!(f, "{byte:02x}")?;
        }
        write!(f, ";URI={}", self.spiffe_id)
    }
}

/// Whether that is an edge, by its own certificate.
pub fn is_edge(id: &SpiffeId) -> bool {
    id.path().starts_with(EDGE)
}

fn digest(hex: &str) -> Option<[u8; 32]> {
    let mut out = [0; 32];
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hex.len() != out.len() * 2 || !is_hex {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

/// What exposed postures do instead. Nothing here is used unless a posture says
/// `identity.header = "believed"` or `identity.forwarding = "passed"`.
pub mod danger {
    /// Whose header counts: everybody's, as with a verifier that stands behind a proxy and takes it
    /// that nobody comes another way.
    pub const fn counts_from_anybody() -> bool {
        true
    }

    /// What an edge does with a header that its caller brought: it goes on, as every header does
    /// that nobody removes.
    pub const fn goes_on(brought: bool) -> bool {
        brought
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::specimen::leaf;

    #[test]
    fn what_is_written_is_read_back_and_anything_else_is_nothing() {
        let shown = Shown::of(&leaf("/user/alice"));
        let text = shown.to_string();
        assert_eq!(Shown::parse(&text), Some(shown));
        let more = format!("{text};URI=spiffe://clinic.example/user/chief");
        for other in [
            "",
            ";",
            "Hash=07;URI=x",
            &text[5..],
            &more,
            &text.replace("07", "+7"),
        ] {
            assert_eq!(Shown::parse(other), None, "{other}");
        }
    }

    #[test]
    fn only_an_edge_is_an_edge() {
        let is = |path| is_edge(&leaf(path).spiffe_id);
        assert!(is("/edge.south"));
        for other in [
            "/user/edge.south",
            "/edges",
            "/records.south",
            "/x/edge.south",
        ] {
            assert!(!is(other), "{other}");
        }
    }
}
