//! Questions to the person at the terminal: a line, or yes or no.
//!
//! A question goes to standard error and its answer comes from standard input. Nothing is decided
//! for someone who cannot be asked: where nobody sits at a terminal, yes has to be said in words
//! of the command. Ctrl-C at a question ends the program as it always does, so nothing may be
//! half-done while one is open, and none may be asked once [`Interrupt`](super::interrupt) listens.

use std::io::{self, BufRead, IsTerminal as _, Read as _};

use super::printer::Printer;
use super::stop::Stop;

/// The longest answer, in bytes.
const MAX_ANSWER: u64 = 4096;

/// Whether someone can be asked: standard input and standard error are terminals.
pub(super) fn may_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Whether an answer can come at all: someone is there to type, or the pipe has something in it.
pub(super) fn has_input() -> Result<bool, Stop> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(true);
    }
    let waiting = stdin.lock().fill_buf().map(|bytes| !bytes.is_empty());
    waiting.map_err(|why| Stop::Stream("standard input", why))
}

/// The line that is typed, or comes from a pipe; nothing at the end of the input.
pub(super) fn line(printer: &mut Printer, question: &str) -> Result<Option<String>, Stop> {
    let stdin = io::stdin();
    let echo = !stdin.is_terminal();
    line_of(&mut stdin.lock(), echo, printer, question)
}

/// Yes or no; `yes` stands for an answer given beforehand, by `--yes`.
pub(super) fn agreed(printer: &mut Printer, question: &str, yes: bool) -> Result<bool, Stop> {
    if yes {
        return Ok(true);
    }
    if !may_ask() {
        let why = "without a terminal nobody can be asked: say `--yes`";
        return Err(Stop::Usage(why.to_owned()));
    }
    agreed_of(&mut io::stdin().lock(), printer, question)
}

fn agreed_of(input: &mut dyn BufRead, printer: &mut Printer, question: &str) -> Result<bool, Stop> {
    let question = format!("{question} [y/N]");
    loop {
        let said = line_of(input, false, printer, &question)?.unwrap_or_default();
        match said.to_lowercase().as_str() {
            "y" | "yes" => return Ok(true),
            "" | "n" | "no" => return Ok(false),
            _ => printer.note("type y or n"),
        }
    }
}

/// With `echo`, what no terminal shows of itself is shown here.
fn line_of(
    input: &mut dyn BufRead,
    echo: bool,
    printer: &mut Printer,
    question: &str,
) -> Result<Option<String>, Stop> {
    printer.ask(question);
    let mut bytes = Vec::new();
    let read = input.take(MAX_ANSWER).read_until(b'\n', &mut bytes);
    read.map_err(|why| Stop::Stream("standard input", why))?;
    if bytes.is_empty() {
        printer.note("");
        return Ok(None);
    }
    let said = String::from_utf8_lossy(&bytes);
    let said = said.trim_start_matches('\u{feff}').trim().to_owned();
    // At a terminal Ctrl-D after a word ends the line without a line end.
    if echo || !bytes.ends_with(b"\n") {
        printer.note(if echo { &said } else { "" });
    }
    Ok(Some(said))
}

#[cfg(test)]
mod tests {
    use super::super::printer::tests::{Paper, printer, written};
    use super::*;

    #[test]
    fn a_line_is_trimmed_and_the_end_of_the_input_is_no_answer() {
        let (mut printer, err) = printer(Paper::default(), false);
        let mut input: &[u8] = b"\xef\xbb\xbf 12 \r\n\nlast";
        let mut next = || line_of(&mut input, true, &mut printer, "How long?").unwrap();
        assert_eq!(next().as_deref(), Some("12"));
        assert_eq!(next().as_deref(), Some(""));
        assert_eq!(next().as_deref(), Some("last"));
        assert_eq!(next(), None);
        let said = "How long? 12\nHow long? \nHow long? last\nHow long? \n";
        assert_eq!(written(&err), said);
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        let agreed = |typed: &str| {
            let (mut printer, err) = printer(Paper::default(), false);
            let agreed = agreed_of(&mut typed.as_bytes(), &mut printer, "All?").unwrap();
            (agreed, written(&err).matches("All? [y/N] ").count())
        };
        assert_eq!(agreed("y\n"), (true, 1));
        assert_eq!(agreed("what\nYES\n"), (true, 2));
        for no in ["\n", "no\n", "", "maybe"] {
            assert!(!agreed(no).0, "{no:?}");
        }
    }

    #[test]
    fn nobody_is_asked_where_nobody_sits() {
        let (mut printer, err) = printer(Paper::default(), false);
        assert!(agreed(&mut printer, "All?", true).unwrap());
        assert_eq!(written(&err), "");
    }

    #[test]
    fn an_endless_line_is_cut() {
        let (mut printer, _) = printer(Paper::default(), false);
        let long = "x".repeat(10_000);
        let said = line_of(&mut long.as_bytes(), true, &mut printer, "?").unwrap();
        assert_eq!(said.unwrap().len(), 4096);
    }
}
