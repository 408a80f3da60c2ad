//! The command line: words in, one page or one line out, and an exit status that says which.
//!
//! Commands return what they have to say; [`printer`] alone prints. Whatever is wrong with the
//! words, or with a file that they name, is said in one line before anything runs.

mod agent;
mod answer;
mod archive;
mod ask;
mod authority;
mod daemon;
mod demo;
mod drill;
mod front;
mod interrupt;
mod kept;
mod lab;
mod lock;
mod next;
mod origin;
mod posture;
mod printer;
mod prose;
mod rerun;
mod runs;
mod settings;
mod show;
mod span;
mod stop;
mod timeline;
mod token;
mod trace;
mod usage;

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::workspace::{self, Workspace, WorkspaceError};
use next::Invocation;
use printer::Printer;
use stop::Stop;

/// Jepsen for access control and key rotation, taught as guided labs.
#[derive(Debug, Parser)]
#[command(name = "schism", version, disable_help_subcommand = true)]
struct Words {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Agent(agent::Words),
    Ca(authority::Words),
    Demo(demo::Words),
    Drill(drill::Words),
    Lab(lab::Words),
    Posture(posture::Words),
    Rerun(rerun::Words),
    Runs(runs::Words),
    Trace(trace::Words),
    Token(token::Words),
}

/// How the program ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Exit {
    /// It did what was asked; of a demonstration: the lesson stands.
    Done,
    /// The lesson does not stand.
    Broken,
    /// Bad words, or a bad file.
    BadInput,
    /// It cannot be told.
    Unknown,
    /// Someone asked it to stop.
    Interrupted,
}

impl Exit {
    const fn status(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Broken => 1,
            Self::BadInput => 2,
            Self::Unknown => 3,
            Self::Interrupted => 130,
        }
    }
}

/// Where the program was started, as far as it matters.
#[derive(Clone, Debug)]
struct Place {
    folder: Option<PathBuf>,
    data: Option<PathBuf>,
    invocation: Invocation,
}

impl Place {
    fn from_env() -> Self {
        let folder = env::current_dir().ok();
        let invocation = Invocation::find(
            env::args_os().next(),
            |name| env::var_os(name),
            folder.as_deref(),
        );
        Self {
            data: workspace::data_folder(|name| env::var_os(name)),
            folder,
            invocation,
        }
    }

    fn workspace(&self) -> Result<Workspace, WorkspaceError> {
        Workspace::find(self.folder.as_deref(), self.data.clone())
    }

    /// Where else a lab was begun: in the user's data folder, which a `.schism/` found here hides.
    fn hidden(&self, has: impl Fn(&Workspace) -> bool) -> Option<String> {
        let here = self.workspace().ok()?;
        let other = Workspace::find(None, self.data.clone()).ok()?;
        let root = other.root().display();
        let is_hidden = other != here && has(&other);
        is_hidden.then(|| format!("; what you began elsewhere lies in {root}"))
    }

    /// A path as it is shown: from here, if it is below.
    fn shown(&self, path: &std::path::Path) -> String {
        let below = self
            .folder
            .as_deref()
            .and_then(|here| path.strip_prefix(here).ok());
        below.unwrap_or(path).display().to_string()
    }
}

/// Runs the program on its own arguments.
pub fn main() -> ExitCode {
    let mut printer = Printer::from_env();
    let exit = run(env::args_os(), &Place::from_env(), &mut printer);
    ExitCode::from(exit.status())
}

fn run(words: impl IntoIterator<Item = OsString>, place: &Place, printer: &mut Printer) -> Exit {
    let words: Vec<OsString> = words.into_iter().collect();
    let said = match Words::try_parse_from(&words) {
        Ok(words) => obey(words, place, printer),
        Err(error) => usage::answer(&words, &error, printer),
    };
    match said {
        Ok(exit) => exit,
        Err(stop) => {
            if stop.exit() != Exit::Interrupted {
                printer.error(&stop.to_string());
            }
            stop.exit()
        }
    }
}

fn obey(words: Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    match words.command {
        None => front::show(place, printer),
        Some(Command::Agent(words)) => agent::run(&words, printer),
        Some(Command::Ca(words)) => authority::run(&words, printer),
        Some(Command::Demo(words)) => demo::run(&words, place, printer),
        Some(Command::Drill(words)) => drill::run(&words, place, printer),
        Some(Command::Lab(words)) => lab::run(&words, place, printer),
        Some(Command::Posture(words)) => posture::run(&words, place, printer),
        Some(Command::Rerun(words)) => rerun::run(&words, place, printer),
        Some(Command::Runs(words)) => runs::run(&words, place, printer),
        Some(Command::Trace(words)) => trace::run(&words, place, printer),
        Some(Command::Token(words)) => token::run(&words, printer),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    /// The commands at or below `command` that print for tools and cannot write to a file.
    fn without_a_file(command: &clap::Command) -> Vec<String> {
        let has = |name: &str| {
            let mut arguments = command.get_arguments();
            arguments.any(|argument| argument.get_long() == Some(name))
        };
        let mut found: Vec<String> = command.get_subcommands().flat_map(without_a_file).collect();
        if has("json") && !has("out") {
            found.push(command.get_name().to_owned());
        }
        found
    }

    /// A shell's `>` writes another encoding on some systems, and leaves half a file when stopped.
    #[test]
    fn whatever_prints_json_can_write_it_to_a_file() {
        assert_eq!(without_a_file(&Words::command()), Vec::<String>::new());
        let bare = clap::Command::new("bare").arg(clap::Arg::new("json").long("json"));
        let planted = Words::command().subcommand(clap::Command::new("group").subcommand(bare));
        assert_eq!(without_a_file(&planted), ["bare"]);
        let demo = Words::command().find_subcommand("demo").cloned();
        let mut arguments = demo.iter().flat_map(clap::Command::get_arguments);
        assert!(
            arguments.any(|argument| argument.get_long() == Some("json")),
            "it sees `--json`"
        );
    }
}
