//! `schism drill`: a test of how a service of any kind changes its secrets, from outside.
//!
//! The drill itself is [`crate::drill`]; here it gets its words, and what it found is told. Only
//! `run` and `restore` touch anything of the target's; `demo` and `planted` have targets of their
//! own.

mod demo;
mod follow;
mod init;
mod plan;
mod planted;
mod restore;
mod run;

use std::path::PathBuf;
use std::time::Duration;

use clap::Subcommand;

use super::Exit;
use super::Place;
use super::printer::Printer;
use super::span;
use super::stop::Stop;
use crate::drill::file::DrillFile;
use crate::drill::place::PlaceError;
use crate::drill::report::verdict;
use crate::drill::run::{Options, RunError};
use crate::drill::stage::StageError;

/// Test how a service of yours changes its secrets, and how long one taken back still opens it
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true)]
pub(super) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Words),
    Init(init::Words),
    Plan(plan::Words),
    Run(run::Words),
    Restore(restore::Words),
    Planted(planted::Words),
}

/// Which target
#[derive(Debug, clap::Args)]
struct Which {
    /// The file that describes the target
    #[arg(value_name = "FILE", default_value = "drill.toml")]
    file: PathBuf,
}

impl Which {
    fn read(&self) -> Result<DrillFile, Stop> {
        // The error begins with the file and the line.
        DrillFile::read(&self.file).map_err(|error| Stop::Usage(error.to_string()))
    }
}

/// What a run is asked to do, and a plan to tell
#[derive(Debug, Default, clap::Args)]
struct Wished {
    /// Only these cases, or groups of cases: leaf, trust, revocation, time, tokens, ...
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    cases: Vec<String>,
    /// No longer than about this, as in 10m: cases are chosen by what they are worth, and those
    /// that are left out are named
    #[arg(long, value_name = "SPAN", value_parser = span::some)]
    within: Option<Duration>,
    /// On which side of a connection the target is looked at
    #[arg(long = "as", value_name = "SIDE", value_enum, default_value = "server")]
    side: Side,
    /// Files that the drill did not write may be replaced: they are copied first, and put back
    #[arg(long)]
    replace: bool,
    /// A target that is not on this machine, or that `deliver` takes files to, may be disturbed
    #[arg(long)]
    disrupt: bool,
    /// Watch each path for so long; if it is not said, for what is allowed and a little more, up to
    /// ten minutes
    #[arg(long, value_name = "SPAN", value_parser = span::some)]
    watch: Option<Duration>,
}

/// On which side of a connection the target is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
enum Side {
    /// It is called: the drill plays its callers
    #[default]
    Server,
    /// It calls: the drill plays what it calls, the `[upstream]` of its file
    Client,
}

impl Wished {
    fn options(&self) -> Options {
        Options {
            cases: self.cases.clone(),
            within: self.within,
            as_client: self.side == Side::Client,
            replace: self.replace,
            disrupt: self.disrupt,
            watch: self.watch,
            longest: None,
            step: None,
        }
    }
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    match &words.command {
        Command::Demo(words) => demo::run(words, printer),
        Command::Init(words) => init::run(words, place, printer),
        Command::Plan(words) => plan::run(words, place, printer),
        Command::Run(words) => run::run(words, printer),
        Command::Restore(words) => restore::run(words, printer),
        Command::Planted(words) => planted::run(words, printer),
    }
}

/// Why a run has no report, or not all of one.
fn stopped(error: &RunError) -> Stop {
    let told = causes(error);
    match error {
        RunError::Begin(why) if is_about_the_target(why) => Stop::Unclear(told),
        RunError::Broken { .. } | RunError::NotRestored { .. } => Stop::Unclear(told),
        _ => Stop::Usage(told),
    }
}

/// Whether it is the target or its commands that failed, and not what it was asked with.
const fn is_about_the_target(why: &StageError) -> bool {
    matches!(
        why,
        StageError::Place(PlaceError::Command(_))
            | StageError::Authority(_)
            | StageError::Restart(_)
    )
}

/// An error and what was behind it, in one line.
fn causes(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut behind = error.source();
    while let Some(why) = behind {
        let why_told = why.to_string();
        if !told.contains(&why_told) {
            told = format!("{told}: {why_told}");
        }
        behind = why.source();
    }
    told
}

/// The status of a report, as the program ends with it.
const fn status(exit: verdict::Exit) -> Exit {
    match exit {
        verdict::Exit::Pass => Exit::Done,
        verdict::Exit::Fail => Exit::Broken,
        verdict::Exit::Usage => Exit::BadInput,
        verdict::Exit::CannotJudge => Exit::Unknown,
    }
}

#[cfg(test)]
mod tests;
