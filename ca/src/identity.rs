//! Names: trust domains and SPIFFE IDs, as the SPIFFE ID standard writes them.
//!
//! A name that breaks a rule is refused, never repaired, with one exception that the standard
//! asks for: scheme and trust domain are read without regard to case and kept in lower case.
//! Invariant: whatever holds one of these types holds a well-formed name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

pub use crate::svid::{InvalidSvid, LeafFacts, Untimely};

/// Longest trust domain, in bytes.
pub const MAX_TRUST_DOMAIN: usize = 255;
/// Longest SPIFFE ID, scheme included, in bytes.
pub const MAX_SPIFFE_ID: usize = 2048;

const SCHEME: &str = "spiffe://";

/// Why a name was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// Longer than [`MAX_SPIFFE_ID`], or its trust domain than [`MAX_TRUST_DOMAIN`].
    #[error("name of {0} bytes is too long")]
    TooLong(usize),
    /// The scheme is another one, or none.
    #[error("`{0}` does not start with `spiffe://`")]
    Scheme(String),
    /// The trust domain is empty or has a character outside `a-z 0-9 . - _`.
    #[error("trust domain `{0}` is empty or has a character outside `a-z0-9.-_`")]
    TrustDomain(String),
    /// The path does not start with `/`, or ends with one.
    #[error("path `{0}` does not start with `/`, or ends with one")]
    Slash(String),
    /// A segment is empty, `.` or `..`, or has a character outside `a-z A-Z 0-9 . - _`.
    #[error("path segment `{0}` is empty, `.`, `..`, or has a character outside `a-zA-Z0-9.-_`")]
    Segment(String),
}

/// A trust domain's name: lower case, without scheme.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustDomain(String);

impl TrustDomain {
    /// Reads a trust domain's name, for example `clinic.example`.
    ///
    /// # Errors
    /// When it is empty, too long, or has a character that no trust domain has.
    pub fn new(name: &str) -> Result<Self, InvalidSpiffeId> {
        if name.len() > MAX_TRUST_DOMAIN {
            return Err(InvalidSpiffeId::TooLong(name.len()));
        }
        let name = name.to_ascii_lowercase();
        let fits = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(InvalidSpiffeId::TrustDomain(name));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The SPIFFE ID of the domain itself, which signing certificates carry and no leaf may.
    pub fn root_id(&self) -> SpiffeId {
        SpiffeId {
            trust_domain: self.clone(),
            path: String::new(),
        }
    }
}

/// The name of one workload: `spiffe://<trust domain><path>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpiffeId {
    trust_domain: TrustDomain,
    path: String,
}

impl SpiffeId {
    /// The ID of `path` (empty, or starting with `/`) in a trust domain.
    ///
    /// # Errors
    /// When the path breaks a rule of the standard, or the whole is too long.
    pub fn new(trust_domain: &TrustDomain, path: &str) -> Result<Self, InvalidSpiffeId> {
        let whole = SCHEME.len() + trust_domain.0.len() + path.len();
        if whole > MAX_SPIFFE_ID {
            return Err(InvalidSpiffeId::TooLong(whole));
        }
        if !path.is_empty() {
            let Some(segments) = path.strip_prefix('/').filter(|_| !path.ends_with('/')) else {
                return Err(InvalidSpiffeId::Slash(path.to_owned()));
            };
            if let Some(segment) = segments.split('/').find(|segment| !is_segment(segment)) {
                return Err(InvalidSpiffeId::Segment(segment.to_owned()));
            }
        }
        Ok(Self {
            trust_domain: trust_domain.clone(),
            path: path.to_owned(),
        })
    }

    /// Reads an ID as it stands in a certificate, for example `spiffe://clinic.example/north/sts`.
    ///
    /// # Errors
    /// When it breaks a rule of the standard.
    pub fn parse(text: &str) -> Result<Self, InvalidSpiffeId> {
        if text.len() > MAX_SPIFFE_ID {
            return Err(InvalidSpiffeId::TooLong(text.len()));
        }
        let (scheme, rest) = text.split_at_checked(SCHEME.len()).unwrap_or((text, ""));
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(InvalidSpiffeId::Scheme(text.to_owned()));
        }
        let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        Self::new(&TrustDomain::new(domain)?, path)
    }

    /// The trust domain whose bundle answers for this ID.
    pub const fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// Everything after the trust domain: empty, or starting with `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// True for the ID of a trust domain itself, which no workload may have.
    pub fn is_root(&self) -> bool {
        self.path.is_empty()
    }
}

fn is_segment(segment: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !matches!(segment, "" | "." | "..") && segment.bytes().all(fits)
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}{}", self.trust_domain, self.path)
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for TrustDomain {
    type Error = InvalidSpiffeId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl TryFrom<String> for SpiffeId {
    type Error = InvalidSpiffeId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<TrustDomain> for String {
    fn from(domain: TrustDomain) -> Self {
        domain.0
    }
}

impl From<SpiffeId> for String {
    fn from(id: SpiffeId) -> Self {
        id.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_well_formed_id_comes_back_as_it_was() {
        for text in [
            "spiffe://clinic.example",
            "spiffe://clinic.example/north/sts",
            "spiffe://a_b-c.1/A.b-C_d/...",
        ] {
            assert_eq!(SpiffeId::parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn scheme_and_trust_domain_are_read_in_any_case_and_the_path_is_not() {
        let id = SpiffeId::parse("SPIFFE://Clinic.Example/North").unwrap();
        assert_eq!(id.to_string(), "spiffe://clinic.example/North");
        assert_ne!(
            id,
            SpiffeId::parse("spiffe://clinic.example/north").unwrap()
        );
    }

    #[test]
    fn a_name_that_breaks_a_rule_is_refused_by_that_rule() {
        use InvalidSpiffeId as I;
        type Rule = fn(&I) -> bool;
        let scheme: Rule = |e| matches!(e, I::Scheme(_));
        let domain: Rule = |e| matches!(e, I::TrustDomain(_));
        let slash: Rule = |e| matches!(e, I::Slash(_));
        let segment: Rule = |e| matches!(e, I::Segment(_));
        for (text, rule) in [
            ("", scheme),
            ("spiffe:/", scheme),
            ("https://clinic.example/a", scheme),
            ("spiffe:clinic.example/a", scheme),
            ("spiffé://clinic.example/a", scheme),
            ("spiffe://", domain),
            ("spiffe:///a", domain),
            ("spiffe://clinic.example:443/a", domain),
            ("spiffe://user@clinic.example/a", domain),
            ("spiffe://clinic%2eexample/a", domain),
            ("spiffe://clinic.example?a", domain),
            ("spiffe://clinic.example/", slash),
            ("spiffe://clinic.example/a/", slash),
            ("spiffe://clinic.example/a//b", segment),
            ("spiffe://clinic.example/./b", segment),
            ("spiffe://clinic.example/../b", segment),
            ("spiffe://clinic.example/a?b", segment),
            ("spiffe://clinic.example/a#b", segment),
            ("spiffe://clinic.example/%61", segment),
            ("spiffe://clinic.example/ä", segment),
        ] {
            let error = SpiffeId::parse(text).unwrap_err();
            assert!(rule(&error), "`{text}`: {error}");
        }
    }

    #[test]
    fn lengths_are_kept_to_the_byte() {
        let domain = "d".repeat(MAX_TRUST_DOMAIN);
        assert!(TrustDomain::new(&domain).is_ok());
        assert!(TrustDomain::new(&format!("{domain}d")).is_err());
        let head = "spiffe://clinic.example/";
        let longest = format!("{head}{}", "p".repeat(MAX_SPIFFE_ID - head.len()));
        assert!(SpiffeId::parse(&longest).is_ok());
        let longer = format!("{longest}p");
        assert_eq!(
            SpiffeId::parse(&longer),
            Err(InvalidSpiffeId::TooLong(MAX_SPIFFE_ID + 1))
        );
    }
}
