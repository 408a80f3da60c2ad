//! One entry of the policy log: an act on who may do what.
//!
//! ```json
//! {"kind":"grant","principal":"alice","role":"doctor"}
//! {"kind":"revoke","principal":"alice","role":"doctor"}
//! {"kind":"put-policy","policy":"permit (principal in Role::\"doctor\", action, resource);"}
//! ```
//!
//! 1. An entry is one JSON object; its bytes are the leaf of the log. They are parsed, stored and
//!    signed as they came and never re-serialised: JSON has no canonical form.
//! 2. The kinds are closed, and an unknown or repeated field is refused: what one reader skips
//!    another might obey.
//! 3. Whether a Cedar text is valid is not decided here, but in [`super::view`].

use serde::{Deserialize, Serialize};

/// The largest entry, in bytes: what the log can frame. It bounds the Cedar text in it too.
pub const MAX_ENTRY: usize = 65_535;

/// The longest name of a principal or role, in bytes.
pub const MAX_NAME: usize = 255;

/// An act on the policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Entry {
    /// Puts a principal into a role; nothing changes if it is there.
    Grant {
        /// Who.
        principal: String,
        /// The role.
        role: String,
    },
    /// Puts the Cedar text in the place of all earlier ones.
    PutPolicy {
        /// The whole policy set as Cedar text.
        policy: String,
    },
    /// Takes a principal out of a role; nothing changes if it is not there.
    Revoke {
        /// Who.
        principal: String,
        /// The role.
        role: String,
    },
}

/// These bytes are no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEntry {
    /// The bytes are not one JSON object of a known kind with exactly its fields.
    #[error("not an entry of the policy log: {0}")]
    Malformed(String),
    /// A name is empty, too long, has a character outside `A-Z a-z 0-9 - . _ / :`, or is a user's
    /// SPIFFE ID where their plain name is meant.
    #[error(
        "`{0}` is no name: 1 to {MAX_NAME} of A-Z a-z 0-9 - . _ / :, a user's without its path"
    )]
    Name(String),
    /// More bytes than an entry may have.
    #[error("an entry of {0} bytes: the most is {MAX_ENTRY}")]
    TooLong(usize),
}

impl Entry {
    /// Reads an entry from the bytes that are, or will be, a leaf of the log.
    ///
    /// # Errors
    /// When the bytes are too many, not an entry, or name what cannot be a name.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidEntry> {
        if bytes.len() > MAX_ENTRY {
            return Err(InvalidEntry::TooLong(bytes.len()));
        }
        let entry: Self = serde_json::from_slice(bytes)
            .map_err(|error| InvalidEntry::Malformed(error.to_string()))?;
        match &entry {
            Self::Grant { principal, role } | Self::Revoke { principal, role } => {
                name(principal)?;
                name(role)?;
            }
            Self::PutPolicy { .. } => {}
        }
        Ok(entry)
    }

    /// Bytes for a new entry. Once signed, keep these bytes; do not make them again.
    ///
    /// # Errors
    /// When what it holds could not be parsed back.
    pub fn to_bytes(&self) -> Result<Vec<u8>, InvalidEntry> {
        let bytes =
            serde_json::to_vec(self).map_err(|error| InvalidEntry::Malformed(error.to_string()))?;
        Self::parse(&bytes)?;
        Ok(bytes)
    }
}

fn name(text: &str) -> Result<(), InvalidEntry> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._/:".contains(c);
    let plain = !text.is_empty() && text.len() <= MAX_NAME && text.chars().all(allowed);
    // The guard calls `/user/alice` plain `alice`: an act on the longer form would never apply.
    if plain && !text.starts_with("/user/") && !text.contains("://") {
        return Ok(());
    }
    let shown = text.chars().take(32).flat_map(char::escape_default);
    Err(InvalidEntry::Name(shown.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> InvalidEntry {
        Entry::parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn every_kind_reads_back_from_its_own_bytes() {
        let principal = "alice".to_owned();
        let role = "doctor".to_owned();
        for entry in [
            Entry::Grant {
                principal: principal.clone(),
                role: role.clone(),
            },
            Entry::Revoke { principal, role },
            Entry::PutPolicy {
                policy: "permit (principal, action, resource);\n".to_owned(),
            },
        ] {
            assert_eq!(Entry::parse(&entry.to_bytes().unwrap()), Ok(entry));
        }
    }

    #[test]
    fn unknown_kinds_unknown_fields_and_repeated_fields_are_refused() {
        for text in [
            r#"{"kind":"allow","principal":"a","role":"r"}"#,
            r#"{"kind":"grant","principal":"a","role":"r","until":9}"#,
            r#"{"kind":"grant","principal":"a","principal":"b","role":"r"}"#,
            r#"{"kind":"grant","kind":"revoke","principal":"a","role":"r"}"#,
            r#"{"kind":"grant","principal":"a"}"#,
            r#"{"kind":"grant","principal":"a","role":"r"} {}"#,
            r#"["grant"]"#,
            "",
        ] {
            assert!(
                matches!(refused(text), InvalidEntry::Malformed(_)),
                "{text}"
            );
        }
    }

    #[test]
    fn names_that_could_hide_something_are_refused() {
        for bad in [
            "",
            "a b",
            "al\\u0000ice",
            "älice",
            "a\\\"b",
            &"a".repeat(MAX_NAME + 1),
        ] {
            let text = format!(r#"{{"kind":"grant","principal":"{bad}","role":"r"}}"#);
            assert!(matches!(refused(&text), InvalidEntry::Name(_)), "{bad}");
            let text = format!(r#"{{"kind":"revoke","principal":"p","role":"{bad}"}}"#);
            assert!(matches!(refused(&text), InvalidEntry::Name(_)), "{bad}");
        }
    }

    #[test]
    fn more_bytes_than_the_log_can_frame_are_refused() {
        let policy = " ".repeat(MAX_ENTRY);
        let entry = Entry::PutPolicy { policy };
        assert!(matches!(entry.to_bytes(), Err(InvalidEntry::TooLong(_))));
    }
}
