//! One entry of the policy log: an act on who may do what.
//!
//! ```json
//! {"kind":"grant","principal":"alice","role":"doctor"}
//! {"kind":"revoke","principal":"alice","role":"doctor"}
//! {"kind":"put-policy","policy":"permit (principal in Role::\"doctor\", action, resource);"}
//! {"kind":"put-entities","entities":[{"type":"List","id":"suspended","members":["mallory"]}]}
//! {"kind":"log-out","principal":"alice","before":1767225612}
//! ```
//!
//! A `put-policy` may carry `entities` too: one entry, so no checkpoint lies between the two.
//!
//! 1. An entry is one JSON object; its bytes are the leaf of the log. They are parsed, stored and
//!    signed as they came and never re-serialised: JSON has no canonical form.
//! 2. The kinds are closed, and an unknown or repeated field is refused: what one reader skips
//!    another might obey.
//! 3. Whether a Cedar text is valid is not decided here, but in [`super::view`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// The largest entry, in bytes: what the log can frame. It bounds the Cedar text in it too.
pub const MAX_ENTRY: usize = 65_535;

/// The longest name of a principal or role, in bytes.
pub const MAX_NAME: usize = 255;

/// The last second that a log-out may name: the end of the year 9999. What was meant in
/// milliseconds would shut its principal out for good.
pub const MAX_BEFORE: u64 = 253_402_300_799;

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
    /// Ends every token of a principal that was issued up to a moment, wherever it is by now.
    LogOut {
        /// Who.
        principal: String,
        /// The last second whose tokens are ended, since the epoch. Tokens say whole seconds, so
        /// the one of the log-out itself is ended with them.
        before: u64,
    },
    /// Puts entities where those of the same name were, or beside the others.
    PutEntities {
        /// Which; at least one, and each once.
        entities: Vec<Entity>,
    },
    /// Puts the Cedar text in the place of all earlier ones.
    PutPolicy {
        /// The whole policy set as Cedar text.
        policy: String,
        /// What is put at the same checkpoint, as by [`Self::PutEntities`].
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        entities: Vec<Entity>,
    },
    /// Takes a principal out of a role; nothing changes if it is not there.
    Revoke {
        /// Who.
        principal: String,
        /// The role.
        role: String,
    },
}

/// Something that policies can name, besides people, roles and records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub enum Entity {
    /// A list of people, in a policy `List::"<id>".members`. It is put whole.
    List {
        /// Its name.
        id: String,
        /// Who is on it.
        members: BTreeSet<String>,
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
    /// A log-out of no time that a token could have been issued at.
    #[error("`before` is {0}: whole seconds since the epoch, at most {MAX_BEFORE}")]
    Before(u64),
    /// An entry that puts no entity, or one of them twice.
    #[error("{0}")]
    Entities(String),
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
            Self::LogOut { principal, before } => {
                name(principal)?;
                if *before > MAX_BEFORE {
                    return Err(InvalidEntry::Before(*before));
                }
            }
            Self::PutEntities { entities } if entities.is_empty() => {
                let why = "an entry of kind `put-entities` puts at least one".to_owned();
                return Err(InvalidEntry::Entities(why));
            }
            Self::PutEntities { entities } | Self::PutPolicy { entities, .. } => named(entities)?,
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

/// Every name is one, and no entity is put twice.
fn named(entities: &[Entity]) -> Result<(), InvalidEntry> {
    let mut seen = BTreeSet::new();
    for Entity::List { id, members } in entities {
        name(id)?;
        members.iter().try_for_each(|member| name(member))?;
        if !seen.insert(id) {
            let why = format!("one entry puts the list `{id}` twice");
            return Err(InvalidEntry::Entities(why));
        }
    }
    Ok(())
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
    use proptest::prelude::*;

    use super::*;

    fn list(id: &str, members: &[&str]) -> Entity {
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        let id = id.to_owned();
        Entity::List { id, members }
    }

    fn log_out(principal: &str, before: u64) -> Entry {
        let principal = principal.to_owned();
        Entry::LogOut { principal, before }
    }

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
            log_out("alice", 0),
            log_out("alice", MAX_BEFORE),
            Entry::PutPolicy {
                policy: "permit (principal, action, resource);\n".to_owned(),
                entities: Vec::new(),
            },
            Entry::PutPolicy {
                policy: String::new(),
                entities: vec![list("suspended", &["mallory", "trent"]), list("away", &[])],
            },
            Entry::PutEntities {
                entities: vec![list("suspended", &["mallory"])],
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
            r#"{"kind":"log-out","principal":"a"}"#,
            r#"{"kind":"log-out","principal":"a","before":-1}"#,
            r#"{"kind":"log-out","principal":"a","before":1.5}"#,
            r#"{"kind":"log-out","principal":"a","before":"9"}"#,
            r#"{"kind":"log-out","principal":"a","before":8,"before":9}"#,
            r#"{"kind":"log-out","principal":"a","before":9,"role":"r"}"#,
            r#"{"kind":"put-entities"}"#,
            r#"{"kind":"put-entities","entities":[{"type":"User","id":"a","members":[]}]}"#,
            r#"{"kind":"put-entities","entities":[{"type":"List","id":"a"}]}"#,
            r#"{"kind":"put-entities","entities":[{"type":"List","id":"a","members":[],"x":1}]}"#,
            r#"{"kind":"put-entities","entities":[{"type":"List","id":"a","id":"b"}]}"#,
            r#"{"kind":"put-entities","entities":[],"entities":[]}"#,
            r#"{"kind":"put-policy","policy":"","entities":null}"#,
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
            let text = format!(r#"{{"kind":"log-out","principal":"{bad}","before":1}}"#);
            assert!(matches!(refused(&text), InvalidEntry::Name(_)), "{bad}");
            let put = |id: &str, member: &str| {
                let list = format!(r#"{{"type":"List","id":"{id}","members":["{member}"]}}"#);
                format!(r#"{{"kind":"put-entities","entities":[{list}]}}"#)
            };
            for text in [put(bad, "a"), put("a", bad)] {
                assert!(matches!(refused(&text), InvalidEntry::Name(_)), "{text}");
            }
        }
    }

    #[test]
    fn an_entry_from_before_there_were_entities_still_means_what_it_meant() {
        let old = r#"{"kind":"put-policy","policy":"permit (principal, action, resource);"}"#;
        let entry = Entry::PutPolicy {
            policy: "permit (principal, action, resource);".to_owned(),
            entities: Vec::new(),
        };
        assert_eq!(Entry::parse(old.as_bytes()), Ok(entry.clone()));
        assert_eq!(entry.to_bytes().unwrap(), old.as_bytes());
    }

    #[test]
    fn a_log_out_in_milliseconds_is_refused_and_not_for_good() {
        let before = 1_767_225_612_000;
        let refused = log_out("alice", before).to_bytes();
        assert_eq!(refused, Err(InvalidEntry::Before(before)));
    }

    #[test]
    fn an_entry_that_puts_nothing_or_one_thing_twice_is_refused() {
        let twice = vec![list("a", &["mallory"]), list("b", &[]), list("a", &[])];
        for entry in [
            Entry::PutEntities {
                entities: Vec::new(),
            },
            Entry::PutEntities {
                entities: twice.clone(),
            },
            Entry::PutPolicy {
                policy: String::new(),
                entities: twice,
            },
        ] {
            assert!(matches!(entry.to_bytes(), Err(InvalidEntry::Entities(_))));
        }
    }

    proptest! {
        #[test]
        fn whatever_is_put_reads_back_or_is_refused(
            policy in proptest::option::of(".{0,40}"),
            lists in proptest::collection::vec(
                ("[a-c/ ]{0,3}", proptest::collection::btree_set("[a-z: ]{0,3}", 0..4)), 0..4),
        ) {
            let entities: Vec<Entity> = lists
                .into_iter()
                .map(|(id, members)| Entity::List { id, members })
                .collect();
            let entry = match policy {
                Some(policy) => Entry::PutPolicy { policy, entities },
                None => Entry::PutEntities { entities },
            };
            match entry.to_bytes() {
                Ok(bytes) => prop_assert_eq!(Entry::parse(&bytes), Ok(entry)),
                Err(why) => prop_assert!(
                    matches!(why, InvalidEntry::Name(_) | InvalidEntry::Entities(_)), "{}", why),
            }
        }

        #[test]
        fn whoever_is_logged_out_reads_back_or_is_refused(
            principal in "[a-c/ ]{0,3}", before in any::<u64>(),
        ) {
            let entry = log_out(&principal, before);
            match entry.to_bytes() {
                Ok(bytes) => prop_assert_eq!(Entry::parse(&bytes), Ok(entry)),
                Err(InvalidEntry::Before(_)) => prop_assert!(before > MAX_BEFORE),
                Err(why) => prop_assert!(matches!(why, InvalidEntry::Name(_)), "{}", why),
            }
        }

        #[test]
        fn a_broken_entry_is_refused_and_never_a_panic(
            which in any::<bool>(), at in 0_usize..90, byte in any::<u8>(),
        ) {
            let entry = match which {
                true => Entry::PutEntities { entities: vec![list("suspended", &["mallory"])] },
                false => log_out("mallory", 1_767_225_612),
            };
            let mut bytes = entry.to_bytes().unwrap();
            let at = at % bytes.len();
            bytes[at] = byte;
            if let Ok(read) = Entry::parse(&bytes) {
                prop_assert_eq!(Entry::parse(&read.to_bytes().unwrap()), Ok(read));
            }
        }
    }

    #[test]
    fn more_bytes_than_the_log_can_frame_are_refused() {
        let policy = " ".repeat(MAX_ENTRY);
        let entities = Vec::new();
        let entry = Entry::PutPolicy { policy, entities };
        assert!(matches!(entry.to_bytes(), Err(InvalidEntry::TooLong(_))));
    }
}
