//! Progress: what a learner has done, in `.schism/progress`, a fact a line of plain text.
//!
//! A fact is only ever added. The order of lines and how often one stands there mean nothing, so
//! two files merge as a union of their lines; a line of a newer version is kept and not read. Every
//! fact ends in a word, never in a number, so that a torn line is no other fact. The lab last
//! worked on is no fact and has a file of its own, `.schism/last`.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::quiz::Score;
use crate::history::Harm;
use crate::workspace::{self, Workspace, WorkspaceError, unwritable};

/// Something that a learner has done in a lab.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Laid out a desk.
    Started {
        /// The lab's id.
        lab: String,
    },
    /// Guessed before the first look.
    Predicted {
        /// The lab's id.
        lab: String,
        /// The guess.
        seconds: u64,
        /// What it was.
        measured_ms: u64,
    },
    /// Went on without a guess, on purpose.
    Unguessed {
        /// The lab's id.
        lab: String,
    },
    /// Ran the attack.
    Attacked {
        /// The lab's id.
        lab: String,
        /// What the lab measures.
        harm: Harm,
        /// How long it went on.
        ms: u64,
    },
    /// Wrote an attack that reaches what the lab asks.
    Reached {
        /// The lab's id.
        lab: String,
        /// How long it went on to succeed.
        exposure_ms: u64,
    },
    /// Asked for a hint.
    Hinted {
        /// The lab's id.
        lab: String,
        /// Which, from 1.
        n: u64,
    },
    /// Passed the lab's check.
    Passed {
        /// The lab's id.
        lab: String,
        /// Over that many seeds.
        seeds: u64,
        /// With the posture of this digest.
        posture_sha256: String,
    },
    /// Answered one question of the quiz, before its end.
    AnsweredOne {
        /// The lab's id.
        lab: String,
        /// Which question, from 1.
        n: u64,
        /// Whether it was right.
        right: bool,
    },
    /// Answered the quiz to its end.
    Answered {
        /// The lab's id.
        lab: String,
        /// Right answers.
        right: u64,
        /// Questions.
        of: u64,
    },
    /// Looked at the solution.
    SolutionSeen {
        /// The lab's id.
        lab: String,
    },
}

impl Fact {
    /// The lab that it is about.
    pub fn lab(&self) -> &str {
        match self {
            Self::Started { lab }
            | Self::Predicted { lab, .. }
            | Self::Unguessed { lab }
            | Self::Attacked { lab, .. }
            | Self::Reached { lab, .. }
            | Self::Hinted { lab, .. }
            | Self::Passed { lab, .. }
            | Self::AnsweredOne { lab, .. }
            | Self::Answered { lab, .. }
            | Self::SolutionSeen { lab } => lab,
        }
    }

    /// The fact of a line; nothing if this version knows no such fact.
    fn read(line: &str) -> Option<Self> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (lab, rest) = words.split_first()?;
        let lab = (*lab).to_owned();
        let number = |word: &str| word.parse::<u64>().ok();
        Some(match rest {
            ["started"] => Self::Started { lab },
            ["predicted", seconds, "s", "measured", measured, "ms"] => Self::Predicted {
                lab,
                seconds: number(seconds)?,
                measured_ms: number(measured)?,
            },
            ["guess", "declined"] => Self::Unguessed { lab },
            ["attacked", harm, ms, "ms"] => Self::Attacked {
                lab,
                harm: Harm::ALL.into_iter().find(|it| it.word() == *harm)?,
                ms: number(ms)?,
            },
            ["reached", "exposure", exposure, "ms"] => Self::Reached {
                lab,
                exposure_ms: number(exposure)?,
            },
            ["hint", n, "given"] => Self::Hinted { lab, n: number(n)? },
            ["passed", "seeds", seeds, "posture", digest] if is_sha256(digest) => Self::Passed {
                lab,
                seeds: number(seeds)?,
                posture_sha256: (*digest).to_owned(),
            },
            ["question", n, said @ ("right" | "wrong")] => Self::AnsweredOne {
                lab,
                n: number(n)?,
                right: *said == "right",
            },
            ["answered", right, "of", of, "right"] => Self::Answered {
                lab,
                right: number(right)?,
                of: number(of)?,
            },
            ["solution", "seen"] => Self::SolutionSeen { lab },
            _ => return None,
        })
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ", self.lab())?;
        match self {
            Self::Started { .. } => f.write_str("started"),
            Self::Predicted {
                seconds,
                measured_ms,
                ..
            } => write!(f, "predicted {seconds} s measured {measured_ms} ms"),
            Self::Unguessed { .. } => f.write_str("guess declined"),
            Self::Attacked { harm, ms, .. } => write!(f, "attacked {} {ms} ms", harm.word()),
            Self::Reached { exposure_ms, .. } => write!(f, "reached exposure {exposure_ms} ms"),
            Self::Hinted { n, .. } => write!(f, "hint {n} given"),
            Self::Passed {
                seeds,
                posture_sha256,
                ..
            } => write!(f, "passed seeds {seeds} posture {posture_sha256}"),
            Self::AnsweredOne { n, right, .. } => {
                write!(f, "question {n} {}", if *right { "right" } else { "wrong" })
            }
            Self::Answered { right, of, .. } => write!(f, "answered {right} of {of} right"),
            Self::SolutionSeen { .. } => f.write_str("solution seen"),
        }
    }
}

/// A whole digest: a torn one is shorter.
fn is_sha256(word: &str) -> bool {
    word.len() == 64 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// What a learner has done, as far as this version can read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    facts: BTreeSet<Fact>,
    last: Option<String>,
    /// Lines that this version cannot read, empty ones apart.
    strange: usize,
}

impl Progress {
    /// Reads it; that there is none yet is no error.
    ///
    /// # Errors
    /// When what is there cannot be read.
    pub fn read(workspace: &Workspace) -> Result<Self, WorkspaceError> {
        let text = read_or_empty(&file(workspace))?;
        let last = read_or_empty(&last_file(workspace))?;
        let last = last.trim_start_matches('\u{feff}').lines().next();
        let last = last.map(str::trim).filter(|word| !word.is_empty());
        Ok(Self {
            facts: Self::facts_of(&text),
            strange: strange(&text),
            last: last.map(str::to_owned),
        })
    }

    fn facts_of(text: &str) -> BTreeSet<Fact> {
        let text = text.trim_start_matches('\u{feff}');
        text.lines().filter_map(Fact::read).collect()
    }

    /// The word of the lab last worked on: an id, or the path of a folder.
    pub fn last(&self) -> Option<&str> {
        self.last.as_deref()
    }

    /// That some of it could not be read, in a sentence without a full stop; nothing if all of it
    /// could.
    pub fn unread(&self) -> Option<String> {
        match self.strange {
            0 => None,
            1 => Some("1 line of your progress is not understood and was left".to_owned()),
            many => Some(format!(
                "{many} lines of your progress are not understood and were left"
            )),
        }
    }

    /// Adds a fact, in one write.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn record(workspace: &Workspace, fact: &Fact) -> Result<(), WorkspaceError> {
        let path = file(workspace);
        make_root(workspace)?;
        append(&path, &fact.to_string()).map_err(unwritable(&path))
    }

    /// Makes this the lab last worked on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn set_last(workspace: &Workspace, word: &str) -> Result<(), WorkspaceError> {
        let path = last_file(workspace);
        if read_or_empty(&path).is_ok_and(|text| text.trim() == word) {
            return Ok(());
        }
        make_root(workspace)?;
        workspace::write_whole(&path, format!("{word}\n").as_bytes()).map_err(unwritable(&path))
    }

    /// What was done in a lab.
    pub fn facts(&self, lab: &str) -> impl Iterator<Item = &Fact> {
        self.facts.iter().filter(move |fact| fact.lab() == lab)
    }

    /// Whether its check was ever passed.
    pub fn has_passed(&self, lab: &str) -> bool {
        self.facts(lab)
            .any(|fact| matches!(fact, Fact::Passed { .. }))
    }

    /// The score of a quiz that was broken off: of its questions from the first on that were
    /// answered, of the `questions` that it has. One answered twice, as in merged files, counts as
    /// wrong if either was.
    pub fn begun_quiz(&self, lab: &str, questions: usize) -> Score {
        let mut score = Score::default();
        for n in 1..=questions as u64 {
            let said = |wanted: bool| {
                self.facts(lab).any(|fact| {
                    matches!(fact, Fact::AnsweredOne { n: of, right, .. }
                        if *of == n && *right == wanted)
                })
            };
            match (said(true), said(false)) {
                (false, false) => break,
                (right, wrong) => {
                    score.of = n;
                    score.right += u64::from(right && !wrong);
                }
            }
        }
        score
    }

    /// How many of its hints were given.
    pub fn hints_given(&self, lab: &str) -> u64 {
        let given = self.facts(lab).filter_map(|fact| match fact {
            Fact::Hinted { n, .. } => Some(*n),
            _ => None,
        });
        given.max().unwrap_or(0)
    }
}

/// How many lines are no fact, and not empty.
fn strange(text: &str) -> usize {
    let lines = text
        .lines()
        .map(|line| line.trim_matches(['\u{feff}', ' ', '\t']));
    lines
        .filter(|line| !line.is_empty() && Fact::read(line).is_none())
        .count()
}

/// The file of the facts.
pub fn file(workspace: &Workspace) -> PathBuf {
    workspace.root().join("progress")
}

/// The file of the lab last worked on.
pub fn last_file(workspace: &Workspace) -> PathBuf {
    workspace.root().join("last")
}

fn make_root(workspace: &Workspace) -> Result<(), WorkspaceError> {
    fs::create_dir_all(workspace.root()).map_err(unwritable(workspace.root()))
}

fn read_or_empty(path: &Path) -> Result<String, WorkspaceError> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(why) if why.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(why) => Err(WorkspaceError::Unreadable {
            path: path.display().to_string(),
            why,
        }),
    }
}

/// Adds a line at the end; after a torn one, on a line of its own.
fn append(path: &Path, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .read(true)
        .open(path)?;
    let mut last = [b'\n'];
    if file.metadata()?.len() > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    let start = if last == *b"\n" { "" } else { "\n" };
    file.write_all(format!("{start}{line}\n").as_bytes())
}

#[cfg(test)]
mod tests;
