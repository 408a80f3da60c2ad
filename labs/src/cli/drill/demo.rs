//! `schism drill demo`: the drill on a good service and on an ordinary one, side by side.
//!
//! Both are built in and serve this machine alone; nothing of anybody's is touched. What is wrong
//! with the second is told after its matrix, in a sentence and in the words of the report.

use std::sync::Mutex;

use serde_json::json;

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, daemon};
use super::follow::{Asked, Count, Follower};
use super::{causes, stopped};
use crate::drill::demo::{self, Demo, DemoError, IN_SHORT, ORDINARY};
use crate::drill::report::{Matrix, story, text};
use crate::report::text::{Page, Style, Tone};

/// Show the drill on two built-in services, a good one and an ordinary one, in under a minute
///
/// Ends with status 0 if nothing was found in the good one and all that is wrong with the other
/// was, 1 if not, 3 if it cannot be told.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let (done, interrupted) = daemon::runtime()?.block_on(async {
        let asked = Asked::listen();
        let shared = Mutex::new(&mut *printer);
        let count = Count::new(demo::answers());
        let done = demo::demo(|| Follower::counting(&shared, asked.clone(), &count)).await;
        (done, asked.heard())
    });
    printer.clear();
    let done = done.map_err(|error| match &error {
        DemoError::Run(why) => stopped(why),
        DemoError::Exhibit(_) => Stop::Unclear(causes(&error)),
    })?;
    if interrupted {
        return Err(Stop::Interrupted);
    }
    let text = if words.answer.json {
        format!("{:#}\n", json(&done))
    } else {
        page(&done, &words.answer.style(printer))
    };
    words.answer.give(&text, printer)?;
    Ok(match done.stands() {
        Some(true) => Exit::Done,
        Some(false) => Exit::Broken,
        None => Exit::Unknown,
    })
}

fn json(done: &Demo) -> serde_json::Value {
    json!({
        "good": done.good,
        "bad": done.bad,
        "planted": ORDINARY,
        "stands": done.stands(),
    })
}

fn page(done: &Demo, style: &Style) -> String {
    let mut out = String::new();
    for (name, report) in [
        ("A GOOD SERVICE", &done.good),
        ("AN ORDINARY SERVICE", &done.bad),
    ] {
        let mut page = Page::new(style);
        page.row(&[(Tone::Strong, name)]);
        page.wrapped(Tone::Plain, "", &text::summary(report));
        out.push_str(&page.finish());
        out.push_str(&text::matrix(&Matrix::of(report), style.width));
        out.push('\n');
        let mut page = Page::new(style);
        page.wrapped(Tone::Plain, "", &story(report));
        for note in &report.notes {
            page.wrapped(Tone::Faint, "Note: ", note);
        }
        out.push_str(&page.finish());
        out.push('\n');
    }
    let mut page = Page::new(style);
    page.row(&[(Tone::Strong, "WHAT IS WRONG WITH THE ORDINARY SERVICE")]);
    page.wrapped(Tone::Strong, "", IN_SHORT);
    page.blank();
    page.wrapped(
        Tone::Plain,
        "",
        "These are its faults, each as well-known software has or had it; the first one shows in \
         two cases:",
    );
    for fault in ORDINARY {
        page.wrapped(
            Tone::Plain,
            &format!("  {:<28}", fault.word()),
            fault.what(),
        );
    }
    page.blank();
    page.wrapped(Tone::Plain, "", ending(done));
    out + &page.finish()
}

/// What the demonstration came to, and what to type next.
fn ending(done: &Demo) -> &'static str {
    match done.stands() {
        Some(true) => {
            "The drill found all of it from outside, and nothing in the good one. Your own \
             service: schism drill init"
        }
        Some(false) => {
            "The drill did not find what is there, or found what is not: the demonstration failed."
        }
        None => "Not every case could be judged; on a quieter machine they can.",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::answer::Answer as Said;
    use crate::drill::report::sample::{bad, good};

    fn done() -> Demo {
        Demo {
            good: good(),
            bad: bad(),
        }
    }

    #[test]
    fn both_matrices_come_first_and_then_what_is_wrong_in_a_sentence() {
        let text = page(&done(), &Style::default());
        let at = |part: &str| text.find(part).unwrap_or_else(|| panic!("{part}\n{text}"));
        assert!(at("A GOOD SERVICE") < at("AN ORDINARY SERVICE"));
        assert!(at("! > 120 s") < at("whoever is in stays in"));
        for line in text.lines() {
            assert!(line.chars().count() <= 80, "{line}");
        }
    }

    #[test]
    fn it_stands_only_if_the_good_one_is_good_and_every_fault_was_found() {
        let mut done = done();
        assert_eq!(done.stands(), None, "one case could not be judged");
        done.bad.rows.retain(|row| row.answer != Said::CannotJudge);
        assert_eq!(done.stands(), Some(true));
        let revoked = |row: &&mut crate::drill::answer::CaseRow| row.word.contains("resumed");
        if let Some(row) = done.bad.rows.iter_mut().find(revoked) {
            row.answer = Said::Pass;
        }
        assert_eq!(done.stands(), Some(false));
        done.bad = bad();
        done.bad.rows.retain(|row| row.answer != Said::CannotJudge);
        done.good.rows[0].answer = Said::Fail;
        assert_eq!(done.stands(), Some(false));
        done.good.rows.clear();
        assert_eq!(done.stands(), None);
    }
}
