//! `schism lab`: the course, one command a file.

mod attack;
mod check;
mod hint;
mod lint;
mod list;
mod new;
mod quiz;
mod reset;
mod solution;
mod start;
mod watch;

use clap::Subcommand;

use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};

/// Work through the labs
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true)]
pub(super) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Words),
    Start(start::Words),
    Attack(attack::Words),
    Check(check::Words),
    Watch(watch::Words),
    Hint(hint::Words),
    Solution(solution::Words),
    Quiz(quiz::Words),
    Reset(reset::Words),
    Lint(lint::Words),
    New(new::Words),
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    match &words.command {
        Command::List(words) => list::run(words, place, printer),
        Command::Start(words) => start::run(words, place, printer),
        Command::Attack(words) => attack::run(words, place, printer),
        Command::Check(words) => check::run(words, place, printer),
        Command::Watch(words) => watch::run(words, place, printer),
        Command::Hint(words) => hint::run(words, place, printer),
        Command::Solution(words) => solution::run(words, place, printer),
        Command::Quiz(words) => quiz::run(words, place, printer),
        Command::Reset(words) => reset::run(words, place, printer),
        Command::Lint(words) => lint::run(words, place, printer),
        Command::New(words) => new::run(words, place, printer),
    }
}
