//! The catalogue of cases: what each does, why it matters, what it rests on, and how it is acted.
//!
//! Cases that differ only in where they look are one [`Scene`]: the change is made once and seen
//! on all paths at the same time. A scene knows nothing of tries, order or reports, and judges
//! nothing that a control does not back.

mod bound;
mod client;
mod hostile;
mod leaf;
mod odd;
mod recovery;
mod revocation;
mod time;
mod tokens;
mod trust;

use std::pin::Pin;
use std::time::Duration;

use super::answer::{Answer, Basis, Cell, Change, Group, Path, Served};
use super::file::{DrillFile, Objectives};
use super::stage::{Obstacle, Sight, Stage};

/// What a target must have for a case to be about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// It reads revocation lists: `[files] crl`.
    Crl,
    /// It streams: `[calls] stream`.
    Stream,
    /// It wants tokens: `[token]`.
    Token,
    /// It compares tokens with certificates: `[token] bound`.
    Bound,
    /// Its callers have a URI: `[caller] uri`.
    Uri,
    /// Its callers have a SPIFFE ID.
    SpiffeId,
    /// It fetches the key list from the drill: `[token] jwks.listen`.
    Listen,
    /// It calls the drill: `[upstream]`, with `--as client`.
    Upstream,
}

impl Need {
    /// Whether the target has it, by its file.
    pub fn is_met(self, drill: &DrillFile) -> bool {
        use super::file::Jwks;
        let token = drill.token.as_ref();
        match self {
            Self::Crl => drill.files.crl.is_some(),
            Self::Stream => drill.calls.stream.is_some(),
            Self::Token => token.is_some(),
            Self::Bound => token.is_some_and(|token| token.bound),
            Self::Uri => drill.caller.uri.is_some(),
            Self::SpiffeId => drill.caller.trust_domain().is_some(),
            Self::Listen => token.is_some_and(|it| matches!(it.jwks, Jwks::Listen(_))),
            Self::Upstream => drill.upstream.is_some(),
        }
    }

    /// What is missing, in a sentence.
    pub const fn missing(self) -> &'static str {
        match self {
            Self::Crl => "the target reads no revocation list (`[files] crl`)",
            Self::Stream => "no call is answered by a stream (`[calls] stream`)",
            Self::Token => "the target wants no tokens (`[token]`)",
            Self::Bound => "tokens are not bound to certificates (`[token] bound`)",
            Self::Uri => "callers have no URI (`[caller] uri`)",
            Self::SpiffeId => "callers have no SPIFFE ID (`[caller] uri`)",
            Self::Listen => "the target fetches no key list from the drill (`[token] jwks`)",
            Self::Upstream => "the target calls nobody that the drill could play (`[upstream]`)",
        }
    }
}

/// What a case rests on, before the owner's objectives are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rests {
    /// A standard demands it: the section.
    Must(&'static str),
    /// The owner said it elsewhere in the file: the key.
    Said(&'static str),
    /// The owner's exposure objective if there is one, else `settle`: no standard says when a
    /// process that runs must read its files again.
    Settled(Change, Path),
    /// The owner's exposure objective if there is one, else good practice: why.
    Exposure(Change, Path, &'static str),
    /// The owner's `failed-requests` if there is one, else good practice: why.
    FailedRequests(&'static str),
    /// The names that the owner wants refused, if the file lists any, else good practice: why.
    RefusedNames(&'static str),
    /// Good practice: why.
    Advice(&'static str),
}

impl Rests {
    /// The basis for a target of this file.
    pub fn basis(self, drill: &DrillFile) -> Basis {
        let (objectives, caller) = (&drill.objectives, &drill.caller);
        match self {
            Self::Must(section) => Basis::Must(section.to_owned()),
            Self::Said(key) => Basis::Objective(key.to_owned()),
            Self::Settled(change, path) => match objectives.of(change, path) {
                Some(_) => Basis::Objective(Objectives::key(change, path)),
                None => Basis::Objective("target.settle".to_owned()),
            },
            Self::Exposure(change, path, why) => match objectives.of(change, path) {
                Some(_) => Basis::Objective(Objectives::key(change, path)),
                None => Basis::Advice(why.to_owned()),
            },
            Self::FailedRequests(why) => match objectives.failed_requests {
                Some(_) => Basis::Objective("failed-requests".to_owned()),
                None => Basis::Advice(why.to_owned()),
            },
            Self::RefusedNames(_) if !caller.refused_uris.is_empty() => {
                Basis::Objective("caller.refused-uris".to_owned())
            }
            Self::RefusedNames(_) if !caller.refused_dns.is_empty() => {
                Basis::Objective("caller.refused-dns".to_owned())
            }
            Self::RefusedNames(why) | Self::Advice(why) => Basis::Advice(why.to_owned()),
        }
    }
}

/// One case.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Its word, as drill.toml and `--cases` have it.
    pub word: &'static str,
    /// Its kind.
    pub group: Group,
    /// Its title.
    pub title: &'static str,
    /// What it does and looks at.
    pub does: &'static str,
    /// Why it matters, with the issue or advisory where it was seen.
    pub why: &'static str,
    /// What it rests on.
    pub rests: Rests,
    /// What the target must have.
    pub needs: &'static [Need],
    /// How much an answer is worth when there is time for some only: 1 to 9.
    pub worth: u8,
}

/// How a target must stand before a scene begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Before {
    /// In the good state, with every control.
    Good,
    /// A good caller is served; the leaf that is served may be an older one that we wrote.
    Served,
    /// Only its files are good: there is no door to knock at.
    Files,
}

/// The future of a scene.
pub type Acting<'s> = Pin<Box<dyn Future<Output = Result<Vec<Told>, Obstacle>> + Send + 's>>;

/// One change, and the cases that look at what comes of it.
#[derive(Clone, Copy, Debug)]
pub struct Scene {
    /// The cases.
    pub cases: &'static [Case],
    /// How the target must stand.
    pub before: Before,
    /// About how long one try takes, if the target does well.
    pub about: fn(&DrillFile) -> Duration,
    /// Acts it, and says of each case what was seen. It may say nothing of a case.
    pub act: for<'s> fn(&'s mut Stage) -> Acting<'s>,
}

/// What one try says of one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The case.
    pub word: &'static str,
    /// The answer of this try.
    pub answer: Answer,
    /// Why, in a sentence or two.
    pub says: String,
    /// What it adds to the matrix.
    pub cells: Vec<Cell>,
    /// How good callers fared, if they were counted.
    pub served: Option<Served>,
    /// What this answer rests on, if that is not what its case does.
    pub rests: Option<Rests>,
}

impl Told {
    /// An answer and why.
    pub fn new(word: &'static str, answer: Answer, says: impl Into<String>) -> Self {
        Self {
            word,
            answer,
            says: says.into(),
            cells: Vec::new(),
            served: None,
            rests: None,
        }
    }

    /// The same, resting on that.
    #[must_use]
    pub fn resting(self, rests: Rests) -> Self {
        Self {
            rests: Some(rests),
            ..self
        }
    }

    /// A pass.
    pub fn pass(word: &'static str, says: impl Into<String>) -> Self {
        Self::new(word, Answer::Pass, says)
    }

    /// A fail.
    pub fn fail(word: &'static str, says: impl Into<String>) -> Self {
        Self::new(word, Answer::Fail, says)
    }

    /// No answer.
    pub fn cannot_judge(word: &'static str, says: impl Into<String>) -> Self {
        Self::new(word, Answer::CannotJudge, says)
    }
}

/// Every scene, in the order in which they are acted and reported.
pub fn scenes() -> Vec<&'static Scene> {
    let groups: [&'static [Scene]; 9] = [
        leaf::SCENES,
        trust::SCENES,
        revocation::SCENES,
        time::SCENES,
        tokens::SCENES,
        bound::SCENES,
        hostile::SCENES,
        recovery::SCENES,
        client::SCENES,
    ];
    groups.into_iter().flatten().collect()
}

/// Every case, in the same order.
pub fn all() -> Vec<&'static Case> {
    scenes().into_iter().flat_map(|scene| scene.cases).collect()
}

/// The case of this word.
pub fn find(word: &str) -> Option<&'static Case> {
    all().into_iter().find(|case| case.word == word)
}

/// What the sights of one change say, each to the case that is about its path.
fn told_of(
    stage: &Stage,
    change: Change,
    words: &[(Path, &'static str)],
    sights: &[Sight],
) -> Vec<Told> {
    let judged = words.iter().filter_map(|(path, word)| {
        let sight = sights.iter().find(|sight| sight.path == *path)?;
        Some(stage.judged(word, change, sight))
    });
    judged.collect()
}

#[cfg(test)]
mod down_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod twins_tests;
