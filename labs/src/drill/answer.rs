//! What the drill says: answers, what they rest on, what was seen on which path, and the report.
//!
//! Words and figures only: nothing here looks at a target or decides what was seen. Every type
//! is written to JSON as it is read back, and a baseline is nothing but an older report.
//! A case is never both failed and not judged: what could not be judged is an answer of its own.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The version of the report's form.
pub const FORMAT: u32 = 1;

/// A case's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The target did as it should.
    Pass,
    /// It did not, three times out of three.
    Fail,
    /// A control failed, or the tries disagree: nothing can be said.
    CannotJudge,
    /// The target has no such thing.
    NotApplicable,
}

impl Answer {
    /// Every answer, the good one first.
    pub const ALL: [Self; 4] = [
        Self::Pass,
        Self::Fail,
        Self::CannotJudge,
        Self::NotApplicable,
    ];

    /// The answer in words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::CannotJudge => "cannot judge",
            Self::NotApplicable => "not applicable",
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What a case rests on. Advice alone never fails a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "of")]
pub enum Basis {
    /// A standard demands it: the section.
    Must(String),
    /// The owner of the target demands it: the key under `[objectives]`.
    Objective(String),
    /// It is good practice: why.
    Advice(String),
}

impl Basis {
    /// Whether a fail of this case may fail a build.
    pub const fn binds(&self) -> bool {
        matches!(self, Self::Must(_) | Self::Objective(_))
    }

    /// The basis and where it is from, in words.
    pub fn words(&self) -> String {
        match self {
            Self::Must(section) => format!("MUST, {section}"),
            Self::Objective(key) => format!("your objective {key}"),
            Self::Advice(why) => format!("advice: {why}"),
        }
    }
}

/// Cases of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// The target's own certificate and key.
    Leaf,
    /// The roots that it trusts.
    Trust,
    /// Certificates taken back.
    Revocation,
    /// Dates in certificates.
    Time,
    /// Tokens and the keys that sign them.
    Tokens,
    /// Tokens bound to a certificate.
    Bound,
    /// Certificates that nobody should take.
    Hostile,
    /// Coming back after damage.
    Recovery,
    /// The target as a client of another.
    Client,
}

impl Group {
    /// Every group, in the order in which a report shows them.
    pub const ALL: [Self; 9] = [
        Self::Leaf,
        Self::Trust,
        Self::Revocation,
        Self::Time,
        Self::Tokens,
        Self::Bound,
        Self::Hostile,
        Self::Recovery,
        Self::Client,
    ];

    /// The group's word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Trust => "trust",
            Self::Revocation => "revocation",
            Self::Time => "time",
            Self::Tokens => "tokens",
            Self::Bound => "bound",
            Self::Hostile => "hostile",
            Self::Recovery => "recovery",
            Self::Client => "client",
        }
    }

    /// What the group is about.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Leaf => "The target's own certificate",
            Self::Trust => "The roots it trusts",
            Self::Revocation => "Certificates taken back",
            Self::Time => "Certificates and their dates",
            Self::Tokens => "Tokens and the keys that sign them",
            Self::Bound => "Tokens bound to a certificate",
            Self::Hostile => "Certificates nobody should take",
            Self::Recovery => "Coming back after damage",
            Self::Client => "The target as a client",
        }
    }
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// By which way a request reaches the target: a column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// A new connection with a whole handshake.
    New,
    /// A new connection that takes an older session up again.
    Resumed,
    /// A request on a connection that was open before the change.
    Established,
    /// The next message of a stream that was open before the change.
    Stream,
    /// A token that the target had seen, and may remember, before the change.
    CachedToken,
}

impl Path {
    /// Every path, in the order of the matrix's columns.
    pub const ALL: [Self; 5] = [
        Self::New,
        Self::Resumed,
        Self::Established,
        Self::Stream,
        Self::CachedToken,
    ];

    /// The path in words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Resumed => "resumed",
            Self::Established => "established",
            Self::Stream => "stream",
            Self::CachedToken => "cached token",
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What was changed: a row of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// The caller's certificate is on the revocation list.
    LeafRevoked,
    /// The root above the caller's certificate is no longer trusted.
    RootRemoved,
    /// The key that signed the caller's token is no longer published.
    KeyRemoved,
    /// The caller's certificate is past its end.
    Expired,
    /// The caller's token is past its end.
    TokenWithdrawn,
}

impl Change {
    /// Every change, in the order of the matrix's rows.
    pub const ALL: [Self; 5] = [
        Self::LeafRevoked,
        Self::RootRemoved,
        Self::KeyRemoved,
        Self::Expired,
        Self::TokenWithdrawn,
    ];

    /// The change in words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::LeafRevoked => "leaf revoked",
            Self::RootRemoved => "root removed",
            Self::KeyRemoved => "key removed",
            Self::Expired => "expired",
            Self::TokenWithdrawn => "token withdrawn",
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What was seen on one path after a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "seen")]
pub enum Seen {
    /// No request succeeded after the change.
    RefusedAtOnce,
    /// Requests succeeded for a while, and then no more.
    LastSuccess {
        /// From the change to the last success.
        after_ms: u64,
    },
    /// Requests still succeeded when the watch ended.
    StillServed {
        /// From the change to the end of the watch.
        watched_ms: u64,
    },
    /// Nothing can be said.
    CannotJudge {
        /// The control that failed, in a sentence.
        why: String,
    },
    /// The target has no such path.
    NotApplicable,
}

/// One cell of the exposure matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cell {
    /// What was changed.
    pub change: Change,
    /// On which path it was looked at.
    pub path: Path,
    /// What was seen.
    #[serde(flatten)]
    pub seen: Seen,
    /// How far apart the requests were: no figure of this cell is finer.
    pub step_ms: u64,
    /// The longest time that the case allows, if it allows any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_ms: Option<u64>,
}

/// How the good callers fared while a case ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Served {
    /// How many requests were made.
    pub asked: u64,
    /// How many of them failed.
    pub failed: u64,
    /// How many failed also when they were asked once more.
    pub failed_after_retry: u64,
}

/// One case and its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseRow {
    /// The case's word.
    pub word: String,
    /// The kind of case.
    pub group: Group,
    /// What it rests on.
    pub basis: Basis,
    /// Its answer.
    pub answer: Answer,
    /// Why, in a sentence or two: what was done, what was seen.
    pub says: String,
    /// The answer of each try, in their order.
    pub tries: Vec<Answer>,
    /// What the case adds to the matrix.
    pub cells: Vec<Cell>,
    /// How the good callers fared, if they were counted.
    pub served: Option<Served>,
    /// How long the case took.
    pub took_ms: u64,
    /// Why a fail of this case is accepted for now.
    pub accepted: Option<String>,
}

/// A whole run of the drill.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The version of this form.
    pub format: u32,
    /// What was looked at: its address, and its name if it has one.
    pub target: String,
    /// When it began, RFC 3339 in UTC.
    pub begun: String,
    /// How long it took.
    pub took_ms: u64,
    /// The cases, in the order in which they were run.
    pub rows: Vec<CaseRow>,
    /// What a reader must know besides: several backends, cases that were left out.
    pub notes: Vec<String>,
}
