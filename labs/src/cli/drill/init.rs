//! `schism drill init`: asks the few questions that cannot be guessed, and writes a drill.toml.
//!
//! Every answer can be a word of the command instead, so that it runs without a terminal. An
//! answer is tried at its question, by the same reader that a run uses. It never writes over a
//! file, and touches nothing of the target's.

use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place, ask};
use crate::drill::file::DrillFile;
use text::{Answers, Field};

mod text;

/// Write a drill.toml for a service of yours: a few questions, or a few words
///
/// Whatever is not said is asked, if somebody sits at a terminal. The file is commented, and says
/// what else it can hold.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// The file to write
    #[arg(value_name = "FILE", default_value = "drill.toml")]
    file: PathBuf,
    /// Where the service listens, as in localhost:8443
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
    /// The file of its private key
    #[arg(long, value_name = "PATH")]
    key: Option<String>,
    /// The file of its certificate chain; may be the same as the key's
    #[arg(long, value_name = "PATH")]
    chain: Option<String>,
    /// The file of the roots that it trusts its callers by
    #[arg(long, value_name = "PATH")]
    trust: Option<String>,
    /// The file of its revocation lists, if it reads any
    #[arg(long, value_name = "PATH")]
    crl: Option<String>,
    /// The name of a caller that it lets in: a URI, or a DNS name
    #[arg(long, value_name = "NAME")]
    caller: Option<String>,
    /// What such a caller may: shop.Orders/Get for gRPC, or "GET /orders"
    #[arg(long, value_name = "CALL")]
    call: Option<String>,
    /// A call that is answered by a stream, if there is one
    #[arg(long, value_name = "CALL")]
    stream: Option<String>,
    /// The command that makes it read its files again, if it does not watch them: a program and
    /// its arguments, with no shell
    #[arg(long, value_name = "COMMAND")]
    reload: Option<String>,
    /// The command that starts it, if the drill is to
    #[arg(long, value_name = "COMMAND")]
    start: Option<String>,
    /// How long a change may take to reach it: 10s, or 120s for a mounted secret
    #[arg(long, value_name = "SPAN")]
    settle: Option<String>,
    /// How its files are swapped
    #[arg(long, value_name = "WAY", value_enum)]
    swap: Option<Way>,
}

/// How files are swapped, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Way {
    /// Each is written beside, and then has the name
    Rename,
    /// All at once by a link, as Kubernetes mounts a secret
    Symlink,
    /// Each is written over, as an editor does
    InPlace,
}

impl Way {
    const fn word(self) -> &'static str {
        match self {
            Self::Rename => "rename",
            Self::Symlink => "symlink",
            Self::InPlace => "in-place",
        }
    }
}

/// A question: what it is about, how it is put, and what is suggested.
struct Question {
    field: Field,
    flag: &'static str,
    asks: &'static str,
    /// The answer to an empty line; without one, an empty line leaves it out if it may be.
    usual: Option<&'static str>,
    needed: bool,
}

const QUESTIONS: [Question; 11] = [
    asked(
        Field::Address,
        "--address",
        "Where does the service listen? HOST:PORT",
        Some("localhost:8443"),
    ),
    asked(
        Field::Key,
        "--key",
        "Which file is its private key?",
        Some("tls/tls.key"),
    ),
    asked(
        Field::Chain,
        "--chain",
        "Which file is its certificate chain? The key's own if both are in one",
        Some("tls/tls.crt"),
    ),
    asked(
        Field::Trust,
        "--trust",
        "Which file holds the roots that it trusts its callers by?",
        Some("tls/ca.crt"),
    ),
    left(
        Field::Crl,
        "--crl",
        "Which file holds revocation lists? Nothing if it reads none",
    ),
    asked(
        Field::Caller,
        "--caller",
        "Which caller does it let in? A URI such as spiffe://shop.example/cart, or a DNS name",
        None,
    ),
    asked(
        Field::Call,
        "--call",
        "What may that caller ask? shop.Orders/Get for gRPC, or GET /orders",
        None,
    ),
    left(
        Field::Stream,
        "--stream",
        "Which call is answered by a stream? Nothing if none is",
    ),
    left(
        Field::Start,
        "--start",
        "Which command starts it, from the file's folder? The drill writes its files and then \
         starts it. Nothing if it runs already, on files that are there",
    ),
    left(
        Field::Reload,
        "--reload",
        "Which command makes it read its files again? Nothing if it watches them",
    ),
    asked(
        Field::Settle,
        "--settle",
        "How long may a change take to reach it? About 120s for a mounted secret",
        Some("10s"),
    ),
];

const fn asked(
    field: Field,
    flag: &'static str,
    asks: &'static str,
    usual: Option<&'static str>,
) -> Question {
    Question {
        field,
        flag,
        asks,
        usual,
        needed: true,
    }
}

const fn left(field: Field, flag: &'static str, asks: &'static str) -> Question {
    Question {
        field,
        flag,
        asks,
        usual: None,
        needed: false,
    }
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let file = &words.file;
    let there = file.symlink_metadata().is_ok();
    if there {
        let why = "it is there, and is not written over; edit it, or name another file";
        return Err(Stop::file(file, why));
    }
    let mut answers = words.answers()?;
    let may_ask = ask::may_ask();
    if may_ask {
        printer.note("An empty line takes what stands in brackets.");
        questions(&mut answers, printer, &mut ask::line)?;
    } else {
        complete(&answers)?;
    }
    let text = answers.text();
    tried(&answers).map_err(|why| Stop::Usage(format!("`{}`: {why}", file.display())))?;
    write(file, &text)?;
    let named = (file != Path::new("drill.toml")).then(|| file.display().to_string());
    let command = |words: &[&str]| {
        let words: Vec<&str> = ["drill"].iter().chain(words).copied().collect();
        let words = words.into_iter().chain(named.as_deref());
        place.invocation.command(&words.collect::<Vec<_>>())
    };
    printer.page(&format!(
        "Written: {}. It is read like code: look at it, and keep it beside the service.\n\n\
         What a run would do, touching nothing:\n  {}\nThe first row:\n  {}\n",
        file.display(),
        command(&["plan"]),
        command(&["run", "--cases", "leaf-swap"]),
    ))?;
    Ok(Exit::Done)
}

impl Words {
    /// What the words answer already, each tried.
    fn answers(&self) -> Result<Answers, Stop> {
        let mut answers = Answers {
            swap: self.swap.map(Way::word),
            ..Answers::default()
        };
        let given = [
            (Field::Address, &self.address),
            (Field::Key, &self.key),
            (Field::Chain, &self.chain),
            (Field::Trust, &self.trust),
            (Field::Crl, &self.crl),
            (Field::Caller, &self.caller),
            (Field::Call, &self.call),
            (Field::Stream, &self.stream),
            (Field::Reload, &self.reload),
            (Field::Start, &self.start),
            (Field::Settle, &self.settle),
        ];
        for (field, given) in given {
            let Some(word) = given else { continue };
            answers.set(field, word);
            let flag = QUESTIONS.iter().find(|it| it.field == field);
            let flag = flag.map_or("", |it| it.flag);
            tried(&answers).map_err(|why| Stop::Usage(format!("`{flag}`: {why}")))?;
        }
        tried(&answers).map_err(Stop::Usage)?;
        Ok(answers)
    }
}

/// Whether all that must be said is said.
fn complete(answers: &Answers) -> Result<(), Stop> {
    let missing = QUESTIONS.iter();
    let missing = missing.filter(|it| it.needed && !answers.has(it.field));
    let flags: Vec<&str> = missing.map(|it| it.flag).collect();
    if flags.is_empty() {
        return Ok(());
    }
    Err(Stop::Usage(format!(
        "without a terminal nobody can be asked: say `{}`",
        flags.join("`, `")
    )))
}

/// One line from whoever answers.
type Line<'a> = &'a mut dyn FnMut(&mut Printer, &str) -> Result<Option<String>, Stop>;

/// Asks what is not said yet; an answer that cannot be is asked again.
fn questions(answers: &mut Answers, printer: &mut Printer, line: Line<'_>) -> Result<(), Stop> {
    for question in &QUESTIONS {
        if answers.has(question.field) {
            continue;
        }
        let usual = match (question.usual, question.needed) {
            (Some(usual), _) => format!(" [{usual}]"),
            (None, true) => String::new(),
            (None, false) => " [none]".to_owned(),
        };
        loop {
            let said = line(printer, &format!("{}{usual}", question.asks))?;
            let Some(said) = said else {
                let why = "the answers ended before the questions: nothing was written";
                return Err(Stop::Usage(why.to_owned()));
            };
            let said = match (said.as_str(), question.usual) {
                ("", Some(usual)) => usual,
                ("", None) if question.needed => {
                    printer.note("this has to be said");
                    continue;
                }
                ("" | "none", None) => break,
                (said, _) => said,
            };
            let before = answers.clone();
            answers.set(question.field, said);
            match tried(answers) {
                Ok(()) => break,
                Err(why) => printer.note(&why),
            }
            *answers = before;
        }
    }
    Ok(())
}

/// Whether a file with these answers is one; what is not said yet is taken as usual.
fn tried(answers: &Answers) -> Result<(), String> {
    let text = answers.clone().text();
    let read = DrillFile::parse("drill.toml", &text, Path::new("/"));
    read.map(|_| ()).map_err(|error| error.flaw.to_string())
}

/// Writes a file that is not there.
fn write(file: &Path, text: &str) -> Result<(), Stop> {
    let fail = |why: std::io::Error| match why.kind() {
        ErrorKind::AlreadyExists => Stop::file(file, "it is there, and is not written over"),
        _ => Stop::file(file, why),
    };
    let mut new = File::create_new(file).map_err(fail)?;
    let written = new.write_all(text.as_bytes()).and_then(|()| new.sync_all());
    if written.is_err() {
        // Half a file would keep the next try from writing a whole one.
        let _ = std::fs::remove_file(file);
    }
    written.map_err(fail)
}

#[cfg(test)]
mod tests;
