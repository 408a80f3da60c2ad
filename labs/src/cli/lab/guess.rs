//! The guess before the first look: asked for until it is given or declined, and then never again.
//!
//! Who cannot be asked, or asks not to be, has given no guess and loses none: the question is
//! still open the next time.

use super::super::ask;
use super::super::printer::Printer;
use super::super::stop::Stop;
use crate::course::progress::{Fact, Progress};
use crate::scenario::Scenario;

/// What was said when a guess was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// That many seconds.
    Seconds(u64),
    /// Nothing, on purpose.
    Declined,
}

/// What the learner expects, if that is still open and someone is there to be asked.
pub(super) fn asked(
    scenario: &Scenario,
    progress: &Progress,
    printer: &mut Printer,
) -> Result<Option<Guess>, Stop> {
    let Some(predict) = &scenario.predict else {
        return Ok(None);
    };
    let did = |what: fn(&Fact) -> bool| progress.facts(&scenario.metadata.id).any(what);
    if did(|it| matches!(it, Fact::Predicted { .. } | Fact::Unguessed { .. })) || !ask::may_ask() {
        return Ok(None);
    }
    let lead = if did(|it| matches!(it, Fact::Attacked { .. })) {
        "Your guess is still open."
    } else {
        "Before you look:"
    };
    let question = format!("{lead} {} Your guess in seconds:", predict.ask);
    let guess = of(&question, &mut |question| ask::line(printer, question))?;
    if guess.is_none() {
        printer.note("nothing was run; an empty line goes on without a guess");
    }
    guess.map(Some).ok_or(Stop::Interrupted)
}

/// Asks until the answer is a number of seconds or empty; nothing at the end of the input.
fn of(
    question: &str,
    line: &mut dyn FnMut(&str) -> Result<Option<String>, Stop>,
) -> Result<Option<Guess>, Stop> {
    let mut asked = question.to_owned();
    while let Some(said) = line(&asked)? {
        if said.trim().is_empty() {
            return Ok(Some(Guess::Declined));
        }
        if let Some(seconds) = seconds(&said) {
            return Ok(Some(Guess::Seconds(seconds)));
        }
        "A number of seconds, such as 12, or nothing to go on without a guess:"
            .clone_into(&mut asked);
    }
    Ok(None)
}

/// A guess as people type it: `12`, `12s`, `12.5 s`, `12,5`, to the nearest second.
fn seconds(said: &str) -> Option<u64> {
    let said = said.trim().to_lowercase();
    let number = said
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .trim();
    let unit = said.strip_prefix(number)?.trim();
    if !["", "s", "sec", "secs", "second", "seconds"].contains(&unit) {
        return None;
    }
    let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole) || !digits(part) || whole.len() > 6 {
        return None;
    }
    let up = u64::from(part.as_bytes().first().is_some_and(|digit| *digit >= b'5'));
    whole.parse::<u64>().ok().map(|whole| whole + up)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guess_is_a_number_of_seconds_however_it_is_typed() {
        for (said, guess) in [
            ("12", 12),
            (" 12 s ", 12),
            ("12s", 12),
            ("12.5", 13),
            ("12,4 sec", 12),
            ("0", 0),
            ("33 Seconds", 33),
        ] {
            assert_eq!(seconds(said), Some(guess), "{said}");
        }
        for said in [
            "", "soon", "-1", "1e3", "12 min", "1.", ".5", "1234567", "12 s s", "1.2.3",
        ] {
            assert_eq!(seconds(said), None, "{said}");
        }
    }

    /// The guess and what was asked; an answer that is missing is the end of the input.
    fn ask(answers: &[Option<&str>]) -> (Option<Guess>, Vec<String>) {
        let (mut asked, mut answers) = (Vec::new(), answers.iter());
        let said = of("How long?", &mut |question| {
            asked.push(question.to_owned());
            Ok(answers.next().copied().flatten().map(str::to_owned))
        });
        (said.unwrap(), asked)
    }

    #[test]
    fn what_is_no_number_is_asked_again_until_there_is_one_or_nothing() {
        let (said, asked) = ask(&[Some("33 s")]);
        assert_eq!(
            (said, asked),
            (Some(Guess::Seconds(33)), vec!["How long?".to_owned()])
        );
        let wrong = [Some("long"), Some("a"), Some("b"), Some("c"), Some("9")];
        let (said, asked) = ask(&wrong);
        assert_eq!((said, asked.len()), (Some(Guess::Seconds(9)), 5));
        assert!(asked[4].starts_with("A number of seconds"), "{asked:?}");
        assert_eq!(ask(&[Some(" ")]).0, Some(Guess::Declined));
        assert_eq!(
            ask(&[Some("long"), None]).0,
            None,
            "the end of the input is no answer"
        );
    }
}
