//! Which process of this machine is which workload: the registry, a file for people.
//!
//! ```toml
//! format = 1
//!
//! [[workload]]
//! spiffe_id = "spiffe://clinic.example/records"
//! uid = 1000                   # whose process it is
//! gid = 1000                   # its group, if that matters
//! path = "/usr/bin/records"    # what program it runs, if that matters: Linux alone can tell
//! hint = "internal"            # what the identity is for, if it has several
//! ```
//!
//! A file that says something else is refused with the line, whole. Invariant: a registry that was
//! read names workloads of one trust domain alone, and never the CA.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::caller::Caller;
use crate::identity::{SpiffeId, TrustDomain};

/// Its name in the CA's folder.
pub const FILE: &str = "workloads.toml";
/// The largest that is read, in bytes.
pub const MAX_REGISTRY: usize = 256 * 1024;
/// The most workloads in one: a caller may be all of them, and each has a leaf.
pub const MAX_WORKLOADS: usize = 256;
/// The longest hint, in bytes.
pub const MAX_HINT: usize = 64;

const FORMAT: u32 = 1;

/// Why a registry was not taken. Workloads count from 1, in the order of the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegistry {
    /// There is nothing in it: it was cut short, or is being written.
    #[error("it is empty: `format = 1` alone says that nobody is registered")]
    Empty,
    /// It is not there any more.
    #[error("it is gone: `format = 1` alone says that nobody is registered")]
    Gone,
    /// It is too large.
    #[error("it has more than {MAX_REGISTRY} bytes")]
    TooLarge,
    /// It is no text.
    #[error("it is not UTF-8")]
    NotText,
    /// It is no TOML, or has a field that is not known, or one of the wrong kind.
    #[error("line {line}: {why}")]
    Toml {
        /// Where, from 1.
        line: usize,
        /// What is wrong there.
        why: String,
    },
    /// It is of another format.
    #[error("it is of format {0}, not 1")]
    Format(u32),
    /// It names too many.
    #[error("it has {0} workloads: {MAX_WORKLOADS} are the most")]
    TooMany(usize),
    /// A name that is not this CA's to give.
    #[error("workload {at}: `{id}` is not a workload of this trust domain")]
    NameForeign {
        /// Which workload.
        at: usize,
        /// Its name.
        id: SpiffeId,
    },
    /// A path that could mean any folder.
    #[error("workload {at}: `path` is not absolute: `{path}`")]
    PathNotAbsolute {
        /// Which workload.
        at: usize,
        /// Its path.
        path: String,
    },
    /// A hint that no program should have to take.
    #[error("workload {0}: `hint` takes 1 to {MAX_HINT} printable bytes")]
    Hint(usize),
    /// Two identities that one process can have say that they are for the same.
    #[error("workloads {first} and {second} can be one process and have the same `hint`")]
    HintTwice {
        /// The first of them.
        first: usize,
        /// The second.
        second: usize,
    },
}

/// One workload, and who it is on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// Its name.
    pub spiffe_id: SpiffeId,
    /// Whose process it is.
    pub uid: u32,
    /// Its group; nothing: any.
    pub gid: Option<u32>,
    /// The program that it runs; nothing: any.
    pub path: Option<PathBuf>,
    /// What the identity is for.
    pub hint: Option<String>,
}

/// Every workload that is registered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registry(Vec<Workload>);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    #[serde(default)]
    workload: Vec<Workload>,
}

impl Registry {
    /// Reads a registry of that trust domain.
    ///
    /// # Errors
    /// What is wrong with it first.
    pub fn parse(content: &[u8], domain: &TrustDomain) -> Result<Self, InvalidRegistry> {
        if content.iter().all(u8::is_ascii_whitespace) {
            return Err(InvalidRegistry::Empty);
        }
        if content.len() > MAX_REGISTRY {
            return Err(InvalidRegistry::TooLarge);
        }
        let text = std::str::from_utf8(content).map_err(|_| InvalidRegistry::NotText)?;
        let file: File = toml::from_str(text).map_err(|error| InvalidRegistry::Toml {
            line: line(text, error.span().map_or(0, |span| span.start)),
            why: printable(error.message()),
        })?;
        if file.format != FORMAT {
            return Err(InvalidRegistry::Format(file.format));
        }
        if file.workload.len() > MAX_WORKLOADS {
            return Err(InvalidRegistry::TooMany(file.workload.len()));
        }
        for (at, workload) in (1..).zip(&file.workload) {
            workload.check(at, domain)?;
        }
        hints_differ(&file.workload)?;
        Ok(Self(file.workload))
    }

    /// Every workload, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Workload> {
        self.0.iter()
    }

    /// Who that process is, in the order of the file, each name once and no hint twice.
    pub fn of(&self, caller: &Caller) -> Vec<Workload> {
        let (mut names, mut hints) = (BTreeSet::new(), BTreeSet::new());
        let own = self.iter().filter(|workload| caller.is(workload));
        let own = own.filter(|workload| names.insert(&workload.spiffe_id));
        own.map(|workload| {
            let hint = workload.hint.clone();
            Workload {
                // Two paths can lead to one program.
                hint: hint.filter(|hint| hints.insert(hint.clone())),
                ..workload.clone()
            }
        })
        .collect()
    }
}

impl Workload {
    fn check(&self, at: usize, domain: &TrustDomain) -> Result<(), InvalidRegistry> {
        let id = &self.spiffe_id;
        if id.trust_domain() != domain || id.is_root() || id.path() == crate::node::PATH {
            let id = id.clone();
            return Err(InvalidRegistry::NameForeign { at, id });
        }
        if let Some(path) = self.path.as_ref().filter(|path| !path.is_absolute()) {
            let path = printable(&path.display().to_string());
            return Err(InvalidRegistry::PathNotAbsolute { at, path });
        }
        let fits = |hint: &str| {
            (1..=MAX_HINT).contains(&hint.len()) && !hint.chars().any(char::is_control)
        };
        match &self.hint {
            Some(hint) if !fits(hint) => Err(InvalidRegistry::Hint(at)),
            _ => Ok(()),
        }
    }

    /// Whether one process can be both.
    fn meets(&self, other: &Self) -> bool {
        let gids = self.gid.zip(other.gid).is_none_or(|(one, two)| one == two);
        let paths = self.path.as_deref().zip(other.path.as_deref());
        self.uid == other.uid && gids && paths.is_none_or(|(one, two): (&Path, _)| one == two)
    }
}

/// No two identities of one process may be for the same (section 5.2.1 of the Workload API).
fn hints_differ(workloads: &[Workload]) -> Result<(), InvalidRegistry> {
    for (first, one) in workloads.iter().enumerate() {
        let later = workloads.iter().enumerate().skip(first + 1);
        let same = |other: &Workload| {
            let hints = one.hint.is_some() && one.hint == other.hint;
            hints && one.spiffe_id != other.spiffe_id && one.meets(other)
        };
        if let Some((second, _)) = later.into_iter().find(|(_, other)| same(other)) {
            let (first, second) = (first + 1, second + 1);
            return Err(InvalidRegistry::HintTwice { first, second });
        }
    }
    Ok(())
}

/// One line that does nothing to a terminal, whatever was in the file.
fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect()
}

/// The line of that byte, from 1.
fn line(text: &str, at: usize) -> usize {
    let before = text.bytes().take(at);
    1 + before.filter(|byte| *byte == b'\n').count()
}

/// Looks at the registry's file as it changes. What was taken last stays in force until another
/// registry can be: neither a slip of the pen, nor a full disk, nor a folder that is away may take
/// every workload's identity from it.
#[derive(Debug)]
pub(super) struct Follower {
    domain: TrustDomain,
    /// What was judged last.
    judged: Option<Vec<u8>>,
    /// What was seen last.
    seen: Option<Vec<u8>>,
}

impl Follower {
    /// Takes what is there at the start; no file is a registry of nobody.
    pub(super) fn begin(
        content: Option<Vec<u8>>,
        domain: &TrustDomain,
    ) -> Result<(Self, Registry), InvalidRegistry> {
        let read = content.as_deref().map(|it| Registry::parse(it, domain));
        let follower = Self {
            domain: domain.clone(),
            judged: content.clone(),
            seen: content,
        };
        Ok((follower, read.transpose()?.unwrap_or_default()))
    }

    /// Takes another look. A change counts once it was seen twice: an editor may be half way.
    pub(super) fn look(
        &mut self,
        content: Option<Vec<u8>>,
    ) -> Option<Result<Registry, InvalidRegistry>> {
        let settled = content == self.seen;
        if !settled || content == self.judged {
            self.seen = content;
            return None;
        }
        let registry = match &content {
            Some(content) => Registry::parse(content, &self.domain),
            None => Err(InvalidRegistry::Gone),
        };
        self.judged = content;
        Some(registry)
    }
}

#[cfg(test)]
#[path = "registry_tests.rs"]
mod tests;
