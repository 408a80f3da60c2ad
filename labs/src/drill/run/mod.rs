//! A whole run: which cases, in which order, how often each, and the report.
//!
//! A fail counts when it was seen three times; tries that disagree are no answer. A try whose
//! control failed says nothing and is made once more. Whatever ends a run, an interrupt too, the
//! files are put back, and what is known by then is told.

mod choose;
mod rows;
mod tries;

#[cfg(test)]
mod aged_tests;
#[cfg(test)]
mod controls_tests;
#[cfg(test)]
#[cfg(unix)]
mod delivery_tests;
#[cfg(test)]
mod ending_tests;
#[cfg(test)]
mod planted_tests;
#[cfg(test)]
mod wished_tests;

use std::pin::Pin;
use std::time::{Duration, Instant};

use ::time::OffsetDateTime;
use ::time::format_description::well_known::Rfc3339;

use super::answer::{CaseRow, FORMAT, Report};
use super::clock;
use super::file::{DrillFile, Swap};
use super::stage::{Keeper, Manner, Stage, StageError};

pub use choose::{Choice, Chosen, choose};

/// What a run is asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Words of cases or groups; all of them if there is none.
    pub cases: Vec<String>,
    /// No longer than about this; what is left out is told.
    pub within: Option<Duration>,
    /// The target calls, and the drill plays what it calls.
    pub as_client: bool,
    /// Whether files that the drill did not write may be replaced for a while.
    pub replace: bool,
    /// Whether a target that is not on this machine may be disturbed.
    pub disrupt: bool,
    /// How long each path is watched; what is allowed and a little more if nothing is said.
    pub watch: Option<Duration>,
    /// The longest watch of one path, of those that nobody said the length of.
    pub longest: Option<Duration>,
    /// How far apart the samples of a watch are; 250 ms if nothing is said.
    pub step: Option<Duration>,
}

/// What happens while a run goes on.
#[derive(Debug)]
pub enum Event<'a> {
    /// The files are taken and the target is being started.
    Opens,
    /// A scene is acted: its words, and which of how many it is.
    Begins {
        /// The words of its cases.
        words: &'a [&'static str],
        /// Which one, from 1.
        at: usize,
        /// Of how many.
        of: usize,
        /// Which try, from 1.
        turn: usize,
    },
    /// A case has its answer.
    Answered(&'a CaseRow),
    /// Everything is being put back.
    Closes,
}

/// Who follows a run, and may end it.
pub trait Watcher: Send {
    /// Something happened.
    fn tell(&mut self, event: &Event<'_>);

    /// Is over when the run should end early; never, if nobody can ask for it. It may be dropped
    /// and asked for again at any time.
    fn interrupted<'w>(&'w mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'w>> {
        Box::pin(std::future::pending())
    }
}

/// Nobody follows.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unwatched;

impl Watcher for Unwatched {
    fn tell(&mut self, _: &Event<'_>) {}
}

/// Why there is no report, or not all of one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// A word that names no case.
    #[error("`{word}` is no case{}", suggest(.meant))]
    UnknownCase {
        /// The word.
        word: String,
        /// The word that was probably meant.
        meant: Option<&'static str>,
    },
    /// A case for the other side of the target.
    #[error("`{0}` is about the target as a client: run it with `--as client`")]
    OtherSide(String),
    /// The file does not say where the drill should stand in.
    #[error("`--as client` needs an `[upstream]` in the drill.toml: where the target calls")]
    NoUpstream,
    /// The target is somewhere else.
    #[error(
        "{0} is not this machine, and a drill disturbs what it looks at; `--disrupt` says that \
         this is meant"
    )]
    NotLoopback(String),
    /// Nobody knows where the files go.
    #[error(
        "`deliver` (`{0}`) may take files anywhere, whatever the address says (a forwarded port \
         looks like this machine); `--disrupt` says that this is meant"
    )]
    Delivers(String),
    /// The run could not begin.
    #[error(transparent)]
    Begin(StageError),
    /// The run broke off.
    #[error("the run broke off: {why}")]
    Broken {
        /// Why.
        why: StageError,
        /// What was known by then.
        report: Box<Report>,
    },
    /// Not everything could be put back.
    #[error("not everything is as it was: {why}; `schism drill restore` tries again")]
    NotRestored {
        /// Why.
        why: StageError,
        /// What the run found.
        report: Box<Report>,
    },
}

impl RunError {
    /// What was known when the run went wrong.
    pub fn report(&self) -> Option<&Report> {
        match self {
            Self::Broken { report, .. } | Self::NotRestored { report, .. } => Some(report),
            _ => None,
        }
    }
}

fn suggest(word: &Option<&'static str>) -> String {
    word.map(|word| format!("; perhaps `{word}`"))
        .unwrap_or_default()
}

/// Runs the cases against a target that the file says how to start, or that runs.
///
/// # Errors
/// When the run cannot begin or breaks off, or not everything can be put back.
pub async fn run(
    drill: &DrillFile,
    options: &Options,
    watcher: &mut dyn Watcher,
) -> Result<Report, RunError> {
    run_kept(drill, options, None, watcher).await
}

/// The same with a target of this process, that somebody can start again.
///
/// # Errors
/// As for [`run`].
pub async fn run_kept(
    drill: &DrillFile,
    options: &Options,
    keeper: Option<Box<dyn Keeper>>,
    watcher: &mut dyn Watcher,
) -> Result<Report, RunError> {
    let choice = choose(drill, options)?;
    if !drill.target.address.is_loopback() && !options.disrupt {
        return Err(RunError::NotLoopback(drill.target.address.to_string()));
    }
    if let (Swap::Deliver(argv), false) = (&drill.files.swap, options.disrupt) {
        return Err(RunError::Delivers(argv.join(" ")));
    }
    let begun = Begun {
        date: whole_second(clock::date()),
        at: clock::instant(),
    };
    watcher.tell(&Event::Opens);
    // In boxes, since what a stage may do is long, and stacks are short.
    let taking = Box::pin(Stage::take(drill, options.replace, manner(options), keeper));
    let mut stage = taking.await.map_err(RunError::Begin)?;
    let opened = tokio::select! {
        biased;
        () = watcher.interrupted() => Ok(Ended::Early),
        opened = Box::pin(stage.begin()) => opened.map(|()| Ended::All),
    };
    let mut rows = Vec::new();
    let has_begun = opened.is_ok();
    let acted = match opened {
        Ok(Ended::All) => Box::pin(act(&mut stage, &choice, watcher, &mut rows)).await,
        early => early,
    };
    let mut notes: Vec<String> = stage.notes().iter().cloned().collect();
    notes.extend(choice.note());
    if matches!(acted, Ok(Ended::Early)) {
        notes.push(rows::INTERRUPTED.to_owned());
    }
    watcher.tell(&Event::Closes);
    let closed = Box::pin(stage.close()).await;
    notes.extend(rows::restored(&closed));
    if let (Err(why), Err(_)) = (&acted, &closed) {
        notes.push(format!("before that, the run broke off: {why}"));
    }
    let report = Box::new(begun.report(drill, rows, notes));
    match (acted, closed) {
        (Ok(_), Ok(_)) => Ok(*report),
        (Err(why), Ok(restored)) if !has_begun && restored.told().is_empty() => {
            Err(RunError::Begin(why))
        }
        (Err(why), Ok(_)) => Err(RunError::Broken { why, report }),
        (_, Err(why)) => Err(RunError::NotRestored { why, report }),
    }
}

/// How the cases ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    /// All were acted.
    All,
    /// Somebody asked for an end.
    Early,
}

async fn act(
    stage: &mut Stage,
    choice: &Choice,
    watcher: &mut dyn Watcher,
    rows: &mut Vec<CaseRow>,
) -> Result<Ended, StageError> {
    let mut tries = tries::Tries::default();
    for (at, chosen) in (1..).zip(&choice.chosen) {
        let place = (at, choice.chosen.len());
        match tries.scene(stage, chosen, place, watcher).await {
            Ok(answered) => {
                for row in answered {
                    watcher.tell(&Event::Answered(&row));
                    rows.push(row);
                }
            }
            Err(tries::Stop::Interrupted(begun)) => {
                rows.extend(begun);
                return Ok(Ended::Early);
            }
            Err(tries::Stop::Broken(why)) => return Err(why),
        }
    }
    Ok(Ended::All)
}

/// A moment as people write it.
fn whole_second(date: OffsetDateTime) -> String {
    let date = date.replace_nanosecond(0).unwrap_or(date);
    date.format(&Rfc3339).unwrap_or_default()
}

struct Begun {
    date: String,
    at: Instant,
}

impl Begun {
    fn report(&self, drill: &DrillFile, rows: Vec<CaseRow>, notes: Vec<String>) -> Report {
        Report {
            format: FORMAT,
            target: drill.target.address.to_string(),
            begun: self.date.clone(),
            took_ms: clock::millis_since(self.at),
            rows,
            notes,
        }
    }
}

fn manner(options: &Options) -> Manner {
    let usual = Manner::default();
    Manner {
        step: options.step.unwrap_or(usual.step),
        longest: options.longest.unwrap_or(usual.longest),
        watch: options.watch,
        as_client: options.as_client,
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_is_as_long_as_somebody_says_or_as_it_needs() {
        let seconds = |most: Option<u64>, watch: Option<u64>, allowed| {
            let options = Options {
                longest: most.map(Duration::from_secs),
                watch: watch.map(Duration::from_secs),
                ..Options::default()
            };
            let limit = manner(&options).limit(Duration::from_secs(allowed));
            limit.as_secs()
        };
        assert_eq!(seconds(None, None, 5), 6);
        assert_eq!(seconds(None, Some(120), 5), 120, "longer than it needs");
        assert_eq!(seconds(None, Some(3), 5), 3);
        assert_eq!(seconds(None, Some(900), 5), 900, "longer than any other");
        assert_eq!(seconds(None, None, 3_600), 600);
        assert_eq!(seconds(Some(10), None, 60), 10);
    }
}
