//! DNS names that a leaf carries beside its SPIFFE ID, for strangers who know servers by them.
//!
//! The CA's operator decides them when a workload is invited; a signing request never does, and a
//! renewal keeps them. No verifier of this tree reads them: a peer is who its SPIFFE ID says.
//! Invariant: whatever holds one of these types holds host names as RFC 1123 has them, lower case,
//! no wildcard, no address, none twice.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name, in bytes (RFC 1035, section 2.3.4, without the dots' length bytes).
pub const MAX_DNS_NAME: usize = 253;
/// Most names that a leaf carries.
pub const MAX_DNS_NAMES: usize = 8;
/// Longest part between two dots, in bytes.
const MAX_LABEL: usize = 63;

/// Why a name, or a set of them, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDnsName {
    /// Longer than [`MAX_DNS_NAME`].
    #[error("DNS name of {0} bytes is too long")]
    TooLong(usize),
    /// A part is empty or too long, begins or ends with a dash, or has another character than
    /// letters, digits and dashes.
    #[error("`{0}` is no DNS name: letters, digits and inner dashes between dots")]
    Label(String),
    /// An IP address, or what some would read as one: the last part is a number.
    #[error("`{0}` is no DNS name: its last part is a number")]
    Address(String),
    /// More than [`MAX_DNS_NAMES`].
    #[error("{0} DNS names are too many for one leaf: {MAX_DNS_NAMES} at most")]
    TooMany(usize),
}

/// One host name, lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DnsName(String);

impl DnsName {
    /// Reads a name, for example `records.clinic.example`, without regard to case.
    ///
    /// # Errors
    /// When it breaks a rule of host names.
    pub fn new(name: &str) -> Result<Self, InvalidDnsName> {
        if name.len() > MAX_DNS_NAME {
            return Err(InvalidDnsName::TooLong(name.len()));
        }
        let name = name.to_ascii_lowercase();
        if !name.split('.').all(is_label) {
            return Err(InvalidDnsName::Label(name));
        }
        let last = name.rsplit('.').next().unwrap_or_default();
        if is_number(last) {
            return Err(InvalidDnsName::Address(name));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a last part makes an IPv4 address of the whole name for some reader: decimal, octal, or
/// hexadecimal, which may be of no digit at all (URL Standard, "ends in a number"; `inet_aton`).
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x");
    hex.map_or_else(
        || label.bytes().all(|byte| byte.is_ascii_digit()),
        |digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
    )
}

fn is_label(label: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=MAX_LABEL).contains(&label.len())
        && label.bytes().all(fits)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

/// The names of one leaf, in their order; most leaves have none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<DnsName>", into = "Vec<DnsName>")]
pub struct DnsNames(Vec<DnsName>);

impl DnsNames {
    /// The names, each once.
    ///
    /// # Errors
    /// When they are too many.
    pub fn new(names: impl IntoIterator<Item = DnsName>) -> Result<Self, InvalidDnsName> {
        let mut names: Vec<DnsName> = names.into_iter().collect();
        names.sort();
        names.dedup();
        if names.len() > MAX_DNS_NAMES {
            return Err(InvalidDnsName::TooMany(names.len()));
        }
        Ok(Self(names))
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names.
    pub fn iter(&self) -> impl Iterator<Item = &DnsName> {
        self.0.iter()
    }
}

impl fmt::Display for DnsName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for DnsName {
    type Err = InvalidDnsName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

impl TryFrom<String> for DnsName {
    type Error = InvalidDnsName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::new(&text)
    }
}

impl From<DnsName> for String {
    fn from(name: DnsName) -> Self {
        name.0
    }
}

impl TryFrom<Vec<DnsName>> for DnsNames {
    type Error = InvalidDnsName;

    fn try_from(names: Vec<DnsName>) -> Result<Self, Self::Error> {
        Self::new(names)
    }
}

impl From<DnsNames> for Vec<DnsName> {
    fn from(names: DnsNames) -> Self {
        names.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names_are_taken_and_kept_in_lower_case() {
        let longest = format!("{}.{}", "a".repeat(63), "b".repeat(63));
        for name in [
            "records.clinic.example",
            "localhost",
            "a-1.b2",
            "4u.example",
            "0x1.example",
            "a.0x1g",
            "a.1x",
            &longest,
        ] {
            assert_eq!(DnsName::new(name).unwrap().as_str(), name);
        }
        let mixed = DnsName::new("Records.CLINIC.example").unwrap();
        assert_eq!(mixed.as_str(), "records.clinic.example");
    }

    #[test]
    fn what_is_no_host_name_is_refused() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long = "a.".repeat(127);
        for name in [
            "",
            ".",
            "a.",
            ".a",
            "a..b",
            "*.clinic.example",
            "-a.example",
            "a-.example",
            "a_b",
            "a b",
            "a\0.example",
            "bücher.example",
            "127.0.0.1",
            "::1",
            "a.1",
            "127.0.0.0x1",
            "0x7f000001",
            "0X7F.1",
            "a.0xFF",
            "a.0x",
            "a.017",
            "a@b",
            "a/b",
            "spiffe://clinic.example/records",
            &long_label,
            &long,
        ] {
            assert!(DnsName::new(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn names_are_a_set_with_a_bound_and_files_are_held_to_it() {
        let name = |at: usize| DnsName::new(&format!("n{at}.example")).unwrap();
        let twice = DnsNames::new([name(2), name(1), name(2)]).unwrap();
        assert_eq!(
            serde_json::to_string(&twice).unwrap(),
            r#"["n1.example","n2.example"]"#
        );
        assert!(DnsNames::new((0..8).map(name)).is_ok());
        let many = DnsNames::new((0..9).map(name));
        assert_eq!(many, Err(InvalidDnsName::TooMany(9)));
        let read = serde_json::from_str::<DnsNames>;
        assert_eq!(read(r#"["n2.example","N1.example"]"#).unwrap(), twice);
        for wrong in [r#"["*.example"]"#, r#"["10.0.0.1"]"#, r#"[""]"#] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
