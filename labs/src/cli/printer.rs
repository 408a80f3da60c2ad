//! The printer: the only place that prints.
//!
//! The answer goes to standard output and everything about it to standard error. A reader that
//! goes away ends the printing, not the program. What a file or a name says is never let steer a
//! terminal.

use std::env;
use std::io::{self, ErrorKind, IsTerminal, Write};

use super::stop::Stop;
use crate::report::text::{Style, width};

/// The widest that a page gets by itself, in columns.
const WIDEST: usize = 110;

/// The widest that a progress line gets, in columns.
const PROGRESS_COLUMNS: usize = 72;

/// Where output goes, and what can be shown there.
pub(super) struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    color: bool,
    progress: bool,
    shown: Option<u8>,
    /// Columns of the terminal that standard error is, if it is one.
    columns: Option<usize>,
    /// Columns of the terminal that standard output is, if it is one.
    page: Option<usize>,
}

impl Printer {
    /// Standard output and standard error, as they are.
    pub(super) fn from_env() -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let plain = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            color: io::stdout().is_terminal() && !dumb && !plain,
            progress: io::stderr().is_terminal() && !dumb,
            out: Box::new(io::stdout()),
            err: Box::new(io::stderr()),
            shown: None,
            columns: terminal_size::terminal_size_of(io::stderr())
                .map(|(columns, _)| usize::from(columns.0)),
            page: terminal_size::terminal_size_of(io::stdout())
                .map(|(columns, _)| usize::from(columns.0)),
        }
    }

    /// Whether standard output is a terminal that can be drawn on.
    pub(super) fn is_live() -> bool {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        io::stdout().is_terminal() && !dumb
    }

    /// How a page looks where the answer goes: as wide as the terminal, but no line longer than one
    /// reads with ease, and 80 columns where there is none.
    pub(super) fn style(&self) -> Style {
        Style {
            width: self.page.map_or(80, |columns| columns.clamp(72, WIDEST)),
            ascii: false,
            color: self.color,
        }
    }

    /// Prints the answer. That nobody reads it is no error.
    pub(super) fn page(&mut self, text: &str) -> Result<(), Stop> {
        let printed = self
            .out
            .write_all(text.as_bytes())
            .and_then(|()| self.out.flush());
        heard(printed)
    }

    /// Lets a command print line by line. That nobody reads on is no error.
    pub(super) fn lines<T>(
        &mut self,
        print: impl FnOnce(&mut dyn Write) -> Result<T, Stop>,
    ) -> Result<Option<T>, Stop> {
        let mut out = io::BufWriter::new(&mut self.out);
        match print(&mut out) {
            Err(Stop::Stream(_, why)) if why.kind() == ErrorKind::BrokenPipe => Ok(None),
            said => said.map(Some),
        }
    }

    /// Says a line about the answer.
    pub(super) fn note(&mut self, text: &str) {
        self.clear();
        // Nowhere is left to complain of standard error.
        let text = one_line(text);
        let text = self.columns.map_or(text.clone(), |it| broken(&text, it));
        let _ = writeln!(self.err, "{text}");
    }

    /// Says a question and leaves the cursor behind it.
    pub(super) fn ask(&mut self, question: &str) {
        self.clear();
        let question = one_line(question);
        let question = self
            .columns
            .map_or(question.clone(), |it| broken(&question, it));
        let _ = write!(self.err, "{question} ");
        let _ = self.err.flush();
    }

    /// Says why there is no answer.
    pub(super) fn error(&mut self, text: &str) {
        self.note(&format!("error: {text}"));
    }

    /// Shows how far a run has come, 0 to 1, if anyone is looking.
    pub(super) fn progress(&mut self, run: &str, share: f64) {
        let percent = percent(share);
        if !self.progress || self.shown == Some(percent) {
            return;
        }
        self.shown = Some(percent);
        let run: String = one_line(run).chars().take(PROGRESS_COLUMNS - 20).collect();
        let _ = write!(self.err, "\r{run} {percent:3} %  ");
        let _ = self.err.flush();
    }

    /// Takes the progress line away.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(self.err, "\r{:PROGRESS_COLUMNS$}\r", "");
            let _ = self.err.flush();
        }
    }
}

fn heard(printed: io::Result<()>) -> Result<(), Stop> {
    match printed {
        Err(why) if why.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(|why| Stop::Stream("standard output", why)),
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "brought into 0 to 100 first"
)]
fn percent(share: f64) -> u8 {
    (share * 100.0).clamp(0.0, 100.0) as u8
}

/// The text in lines that fit, broken at its spaces; a word that is too long stays whole.
fn broken(text: &str, columns: usize) -> String {
    let (mut out, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let long = width(word);
        if used > 0 && used + 1 + long > columns.saturating_sub(1) {
            out.push('\n');
            used = 0;
        } else if !out.is_empty() {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += long;
    }
    out
}

/// The text on one line, and nothing in it that steers a terminal.
fn one_line(text: &str) -> String {
    let show = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => '?',
        _ if c.is_control() => '?',
        _ => c,
    };
    text.trim_end().chars().map(show).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    pub(in super::super) struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    pub(in super::super) fn printer(
        out: impl Write + Send + 'static,
        progress: bool,
    ) -> (Printer, Paper) {
        let err = Paper::default();
        let printer = Printer {
            out: Box::new(out),
            err: Box::new(err.clone()),
            color: false,
            progress,
            shown: None,
            columns: None,
            page: None,
        };
        (printer, err)
    }

    pub(in super::super) fn written(paper: &Paper) -> String {
        String::from_utf8(paper.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn a_reader_that_left_is_no_error_and_a_full_disk_is() {
        let (mut gone, _) = printer(Broken(ErrorKind::BrokenPipe), false);
        assert!(gone.page("x").is_ok());
        let (mut full, _) = printer(Broken(ErrorKind::StorageFull), false);
        assert!(matches!(full.page("x"), Err(Stop::Stream(..))));
    }

    #[test]
    fn an_error_is_one_line_that_steers_nothing() {
        let (mut printer, err) = printer(Paper::default(), false);
        printer.error("`a\nb\u{1b}[2J`: no such thing\n");
        assert_eq!(written(&err), "error: `a b?[2J`: no such thing\n");
    }

    #[test]
    fn on_a_terminal_a_line_is_broken_at_its_spaces_and_loses_nothing() {
        let (mut printer, err) = printer(Paper::default(), false);
        printer.columns = Some(20);
        let long = format!("one two three {} four five six", "x".repeat(30));
        printer.note(&long);
        let text = written(&err);
        assert_eq!(text.trim_end().replace('\n', " "), long);
        let fits = |line: &str| line.len() < 20 || !line.contains(' ');
        assert!(
            text.lines().count() == 3 && text.lines().all(fits),
            "{text}"
        );
    }

    #[test]
    fn progress_is_shown_once_a_percent_and_taken_away() {
        let (mut seen, err) = printer(Paper::default(), true);
        for share in [0.1, 0.101, 0.2, 7.0, f64::NAN] {
            seen.progress("exposed", share);
        }
        seen.note("done");
        let text = written(&err);
        assert_eq!(text.matches("exposed").count(), 4, "{text:?}");
        assert!(text.contains("100 %"));
        assert!(text.ends_with("\rdone\n"), "{text:?}");
        let (mut unseen, err) = printer(Paper::default(), false);
        unseen.progress("exposed", 0.5);
        unseen.clear();
        assert_eq!(written(&err), "");
    }
}
