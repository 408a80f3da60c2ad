//! `schism lab quiz`: the lab's questions, answered with a letter, at a terminal or from a pipe.
//!
//! Each answer is recorded as it is given, the first time through, so that a quiz broken off goes
//! on where it was. A right answer is never shown before one was given, unless asked for.

use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place, ask};
use super::Ahead;
use crate::course::progress::{Fact, Progress};
use crate::course::quiz::{Score, letter, letters};
use crate::report::text::{Page, Style, Tone};
use crate::scenario::Question;

/// A few questions on what you saw
///
/// Answers are read from standard input, one letter a line. Ends with status 0 if every question
/// was answered, 3 if the input ended before.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// Only print the questions
    #[arg(long)]
    show: bool,
    /// Print the right answers too
    #[arg(long, requires = "show")]
    answers: bool,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let lab = super::chosen(words.lab.as_deref(), place, &workspace)?;
    let scenario = lab.parsed()?;
    let (id, quiz) = (&scenario.metadata.id, &scenario.quiz);
    if quiz.is_empty() {
        printer.note(&format!("`{id}` has no quiz"));
        return Ok(Exit::Done);
    }
    if words.show || !ask::has_input()? {
        printer.page(&sheet(quiz, words.answers, &style(printer)))?;
        return Ok(Exit::Done);
    }
    let progress = Progress::read(&workspace)?;
    let mut answered = progress
        .facts(id)
        .map(|it| matches!(it, Fact::Answered { .. }));
    let is_first = !answered.any(|it| it);
    let begun = if is_first {
        progress.begun_quiz(id, quiz.len())
    } else {
        Score::default()
    };
    if begun.of > 0 {
        let Score { right, of } = begun;
        printer.note(&format!(
            "going on where it was: {of} answered, {right} right"
        ));
    }
    let mut keep = |n, right| match is_first {
        true => {
            let lab = id.clone();
            Ok(Progress::record(
                &workspace,
                &Fact::AnsweredOne { lab, n, right },
            )?)
        }
        false => Ok(()),
    };
    let (score, is_whole) = put(quiz, begun, printer, &mut ask::line, &mut keep)?;
    if !is_whole {
        let quiz_again = place.invocation.command(&["lab", "quiz"]);
        let at = if is_first {
            "where it was"
        } else {
            "from the first"
        };
        printer.note(&format!(
            "broken off after {} of {}; it goes on {at}: {quiz_again}",
            score.of,
            quiz.len()
        ));
        return Ok(Exit::Unknown);
    }
    let Score { right, of } = score;
    let lab = id.clone();
    Progress::record(&workspace, &Fact::Answered { lab, right, of })?;
    let style = style(printer);
    let mut page = Page::new(&style);
    page.wrapped(Tone::Strong, "", &format!("{right} of {of} right."));
    Ahead::find(&workspace, &scenario)?.tell(&mut page, place);
    printer.page(&page.finish())?;
    Ok(Exit::Done)
}

fn style(printer: &Printer) -> Style {
    printer.style()
}

/// Reads a line in answer to a question.
type Ask<'a> = &'a mut dyn FnMut(&mut Printer, &str) -> Result<Option<String>, Stop>;

/// Keeps how a question was answered.
type Keep<'a> = &'a mut dyn FnMut(u64, bool) -> Result<(), Stop>;

/// Asks, after those that were answered before, until every question is answered or the input ends.
fn put(
    quiz: &[Question],
    begun: Score,
    printer: &mut Printer,
    ask: Ask<'_>,
    keep: Keep<'_>,
) -> Result<(Score, bool), Stop> {
    let (mut score, answered) = (begun, usize::try_from(begun.of).unwrap_or(usize::MAX));
    for (at, question) in quiz.iter().enumerate().skip(answered) {
        let style = style(printer);
        printer.page(&asked(question, at, quiz.len(), &style))?;
        let letters = letters(question);
        let letter = loop {
            let Some(said) = ask(printer, &format!("{letters}?"))? else {
                return Ok((score, false));
            };
            if let Some(letter) = letter(question, &said) {
                break letter;
            }
            printer.note(&format!("type {letters}; Ctrl-D or Ctrl-C breaks off"));
        };
        let is_right = score.count(question, &letter);
        keep(score.of, is_right)?;
        let mut page = Page::new(&style);
        let (tone, verdict) = if is_right {
            (Tone::Good, "Right.".to_owned())
        } else {
            (Tone::Bad, format!("No: {}.", question.answer))
        };
        page.wrapped(tone, "", &verdict);
        page.wrapped(Tone::Plain, "  ", &question.because);
        printer.page(&(page.finish() + "\n"))?;
    }
    Ok((score, true))
}

fn asked(question: &Question, at: usize, of: usize, style: &Style) -> String {
    let mut page = Page::new(style);
    page.wrapped(
        Tone::Strong,
        &format!("{} of {of}. ", at + 1),
        &question.ask,
    );
    for (letter, text) in &question.answers {
        page.wrapped(Tone::Plain, &format!("  {letter}  "), text);
    }
    page.finish()
}

/// Every question, to be read.
fn sheet(quiz: &[Question], answers: bool, style: &Style) -> String {
    let each = quiz.iter().enumerate().map(|(at, question)| {
        let mut text = asked(question, at, quiz.len(), style);
        if answers {
            let mut page = Page::new(style);
            let lead = format!("  => {}  ", question.answer);
            page.wrapped(Tone::Plain, &lead, &question.because);
            text.push_str(&page.finish());
        }
        text
    });
    each.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::printer::tests::{Paper, printer, written};
    use super::*;
    use crate::catalog;
    use crate::scenario::Scenario;

    fn quiz() -> Vec<Question> {
        let lab = catalog::find("stale-acl").unwrap();
        Scenario::parse(lab.id, lab.lab_toml).unwrap().quiz
    }

    /// What is printed and the outcome, with these lines typed.
    fn typed(lines: &[&str]) -> (String, Score, bool) {
        typed_after(Score::default(), lines)
    }

    fn typed_after(begun: Score, lines: &[&str]) -> (String, Score, bool) {
        let out = Paper::default();
        let (mut printer, _) = printer(out.clone(), false);
        let mut lines = lines.iter();
        let mut next = |_: &mut Printer, _: &str| Ok(lines.next().map(|it| (*it).to_owned()));
        let mut kept = begun.of;
        let mut keep = |n, _| {
            kept += 1;
            assert_eq!(n, kept, "each in its turn");
            Ok(())
        };
        let (quiz, printer) = (quiz(), &mut printer);
        let (score, is_whole) = put(&quiz, begun, printer, &mut next, &mut keep).unwrap();
        assert_eq!(score.of, kept);
        (written(&out), score, is_whole)
    }

    #[test]
    fn each_answer_is_judged_with_its_reason_and_noise_is_asked_again() {
        let (text, score, is_whole) = typed(&["B", "what", "", "b", "c)", "(b)"]);
        assert!(is_whole);
        assert_eq!(score, Score { right: 3, of: 4 });
        assert_eq!(
            (
                text.matches("Right.").count(),
                text.matches("No: a.").count()
            ),
            (3, 1)
        );
        assert!(text.contains("Only the as-of time shows"), "{text}");
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
    }

    #[test]
    fn the_end_of_the_input_breaks_off_and_gives_nothing_away() {
        let (text, score, is_whole) = typed(&["b"]);
        assert!(!is_whole);
        assert_eq!(score, Score { right: 1, of: 1 });
        assert!(
            text.contains("2 of 4.") && !text.contains("3 of 4."),
            "{text}"
        );
        assert!(!text.contains(&quiz()[1].because[..20]), "{text}");
    }

    #[test]
    fn what_was_answered_before_is_not_asked_again() {
        let begun = Score { right: 1, of: 2 };
        let (text, score, is_whole) = typed_after(begun, &["c", "b"]);
        assert!(is_whole && text.contains("3 of 4.") && !text.contains("2 of 4."));
        assert_eq!(score, Score { right: 3, of: 4 });
        let (text, score, is_whole) = typed_after(Score { right: 4, of: 4 }, &[]);
        assert_eq!((text.as_str(), score.right, is_whole), ("", 4, true));
    }

    #[test]
    fn the_sheet_has_answers_only_if_asked_for() {
        let style = Style::default();
        let (without, with) = (sheet(&quiz(), false, &style), sheet(&quiz(), true, &style));
        assert!(!without.contains("=>") && !without.contains("honest enough"));
        assert_eq!(with.matches("=> ").count(), 4, "{with}");
    }
}
