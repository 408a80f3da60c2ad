//! `schism lab attack`: one run of the attack against the learner's own settings, to look at.
//!
//! Before the first look it asks what the learner expects, if someone is there to be asked. The
//! attack is the lab's, or the learner's own once it is written. It judges no further than this
//! one run: whether settings hold, `lab check` says.

use std::collections::BTreeMap;

use super::super::answer::Answer;
use super::super::interrupt::Interrupt;
use super::super::origin::Prose;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place, archive, ask, demo, settings};
use super::entered::Entered;
use crate::course::own;
use crate::course::progress::{Fact, Progress};
use crate::history::History;
use crate::report::control::Attack;
use crate::report::text::{Page, Style, Tone};
use crate::report::{DemoFacts, DemoReport, RunFacts, RunReport, figure, json, text};
use crate::run::Ran;
use crate::scenario::Scenario;
use crate::trace::trace_hash;
use crate::workspace::Workspace;

/// How often a prediction that is no number is asked for again.
const TRIES: usize = 3;

/// Run the attack against your settings and look at what happens
///
/// Ends with status 0 whatever the attack achieved; `lab check` judges.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// Where everything random comes from
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Do not ask for a prediction before the first look
    #[arg(long)]
    no_ask: bool,
    /// The page's width in columns, 72 to 200
    #[arg(long, value_name = "COLUMNS", default_value_t = 80,
          value_parser = clap::value_parser!(u16).range(72..=200))]
    width: u16,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let entered = Entered::read(words.lab.as_deref(), place, &workspace)?;
    words.answer.can_be_given()?;
    workspace.runs()?;
    let (scenario, scenario_text) = attack(&entered);
    let said = predicted(words, &entered, &workspace, printer)?;
    let interrupt = Interrupt::listen()?;
    if let Some(warning) = settings::warning(&entered.settings) {
        printer.note(&warning);
    }
    let ran = demo::run_one(
        &scenario,
        &entered.settings,
        words.seed,
        &interrupt,
        printer,
    )?;
    let report = judge(&scenario, &entered, words.seed, &ran);
    let json = json::render(&report)?;
    let files = archive::files(&json, &scenario_text, &[(&entered.settings, &ran)]);
    let kept = workspace.keep(&format!("{}-{}", report.lab, report.seed), &files)?;
    record(&workspace, &report, said)?;
    let answer = if words.answer.json {
        json
    } else {
        let style = Style {
            width: usize::from(words.width),
            ..words.answer.style(printer)
        };
        page(&entered, &report, &ran.history, &style, (said, place))
    };
    words.answer.give(&answer, printer)?;
    printer.note(&format!("kept in {}", place.shown(&kept)));
    Ok(Exit::Done)
}

/// The lab's scenario, or the one with the learner's own attack in it; and its text.
fn attack(entered: &Entered) -> (Scenario, String) {
    let lab = &entered.scenario_text.text;
    let own = entered.own.as_ref().and_then(|(own, file)| {
        Some((own.onto(&entered.scenario), own::written(lab, &file.text)?))
    });
    own.unwrap_or_else(|| (entered.scenario.clone(), lab.clone()))
}

/// What the learner expects, if this is the first look and someone is there to be asked.
fn predicted(
    words: &Words,
    entered: &Entered,
    workspace: &Workspace,
    printer: &mut Printer,
) -> Result<Option<u64>, Stop> {
    let Some(predict) = &entered.scenario.predict else {
        return Ok(None);
    };
    let looked = |fact: &Fact| matches!(fact, Fact::Predicted { .. } | Fact::Attacked { .. });
    let progress = Progress::read(workspace)?;
    let is_first = !progress.facts(&entered.scenario.metadata.id).any(looked);
    if words.no_ask || entered.own.is_some() || !is_first || !ask::may_ask() {
        return Ok(None);
    }
    prediction(&predict.ask, &mut |question| ask::line(printer, question))
}

/// Asks until the answer is a number of seconds; an empty one goes on without.
fn prediction(
    question: &str,
    line: &mut dyn FnMut(&str) -> Result<Option<String>, Stop>,
) -> Result<Option<u64>, Stop> {
    let mut asked = format!("Before you look: {question} Your guess in seconds:");
    for _ in 0..TRIES {
        let said = line(&asked)?.unwrap_or_default();
        if said.trim().is_empty() {
            return Ok(None);
        }
        if let Some(seconds) = seconds(&said) {
            return Ok(Some(seconds));
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

fn judge(scenario: &Scenario, entered: &Entered, seed: u64, ran: &Ran) -> DemoReport {
    let facts = DemoFacts {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lab: scenario.metadata.id.clone(),
        title: scenario.metadata.title.clone(),
        seed,
        fabric: "sim".to_owned(),
        scenario_sha256: scenario.canonical_sha256(),
        next: Vec::new(),
    };
    let run = RunFacts {
        posture: entered.settings.name.clone(),
        posture_sha256: entered.settings.posture.sha256(),
        trace_hash: trace_hash(&ran.trace),
        wall_ms: ran.wall_ms,
    };
    let run = RunReport::judge(&ran.history, run);
    DemoReport::judge(facts, vec![run], &[&ran.history])
}

fn record(workspace: &Workspace, report: &DemoReport, said: Option<u64>) -> Result<(), Stop> {
    let (lab, exposure_ms) = (report.lab.clone(), own::longest_ms(&report.runs[0]));
    if let Some(seconds) = said {
        let fact = Fact::Predicted {
            lab: lab.clone(),
            seconds,
            measured_ms: exposure_ms,
        };
        Progress::record(workspace, &fact)?;
    }
    Ok(Progress::record(
        workspace,
        &Fact::Attacked { lab, exposure_ms },
    )?)
}

/// The guess beside the figure, the run, and what to do with it.
fn page(
    entered: &Entered,
    report: &DemoReport,
    history: &History,
    style: &Style,
    (said, place): (Option<u64>, &Place),
) -> String {
    let run = &report.runs[0];
    let mut top = Page::new(style);
    if let Some(said) = said {
        let was = in_words(&run.exposure_ms);
        top.wrapped(
            Tone::Strong,
            "You said ",
            &format!("{said} s. It was {was}."),
        );
        top.blank();
    }
    let mut end = Page::new(style);
    end.blank();
    let attack = place.shown(&entered.desk.attack());
    match (&entered.own, &entered.scenario.attack) {
        (None, Some(_)) => {
            let text = format!("This was the lab's own attack; yours goes into {attack}.");
            end.wrapped(Tone::Plain, "", &text);
        }
        (Some(_), Some(task)) => own_attack(&mut end, entered, own::reached(task, run)),
        (_, None) => {}
    }
    let closed = run.attack == Attack::Refused;
    if closed {
        let text = format!(
            "The attack was refused ({}) on this one seed; whether that holds on others, and what \
             it costs whom, `lab check` says.",
            history.expect.refusal
        );
        end.wrapped(Tone::Good, "", &text);
    }
    let questions = entered
        .lab
        .prose(Prose::Readme)
        .map(|it| questions(&it.text));
    let questions = questions.unwrap_or_default();
    if !questions.is_empty() && !closed {
        end.heading("Ask yourself:");
        for question in questions {
            end.wrapped(Tone::Plain, "  - ", &question);
        }
    }
    end.heading("Next:");
    let command = |words: &[&str]| place.invocation.command(words);
    if !closed {
        let file = place.shown(&entered.desk.posture());
        end.wrapped(Tone::Plain, "  ", &format!("change {file}, then"));
    }
    end.command(&command(&["lab", "check"]));
    if !closed {
        end.command(&command(&["lab", "hint"]));
    }
    let told = text::render(report, &[history], style);
    let top = if said.is_some() {
        top.finish()
    } else {
        String::new()
    };
    format!("{top}{told}\n{}", end.finish())
}

/// What the learner's own attack reached; the task is set against what they started from.
fn own_attack(page: &mut Page<'_>, entered: &Entered, (done, said): (bool, String)) {
    let exposed = entered.settings.posture == entered.exposed;
    let (tone, tail) = match (exposed, done) {
        (true, true) => (Tone::Good, "."),
        (true, false) => (Tone::Bad, "."),
        (false, _) => (
            Tone::Plain,
            " (with your posture; the task is set for the exposed one).",
        ),
    };
    page.wrapped(tone, "", &format!("With your own steps: {said}{tail}"));
}

fn in_words(exposure_ms: &BTreeMap<String, u64>) -> String {
    let told = exposure_ms
        .iter()
        .map(|(action, ms)| format!("{} ({action})", figure::seconds(ms.saturating_mul(1_000))));
    told.collect::<Vec<_>>().join(", ")
}

/// The questions of a README: the list under `## Ask`.
fn questions(readme: &str) -> Vec<String> {
    let mut lines = readme
        .lines()
        .skip_while(|line| line.trim() != "## Ask")
        .skip(1);
    let mut questions: Vec<String> = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.starts_with("## ")) {
        let line = line.trim().replace('*', "");
        match (line.strip_prefix("- "), questions.last_mut()) {
            (Some(first), _) => questions.push(first.to_owned()),
            (None, Some(last)) if !line.is_empty() => {
                last.push(' ');
                last.push_str(&line);
            }
            (None, _) => {}
        }
    }
    questions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

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

    fn ask(answers: &[Option<&str>]) -> (Option<u64>, Vec<String>) {
        let (mut asked, mut answers) = (Vec::new(), answers.iter());
        let said = prediction("How long?", &mut |question| {
            asked.push(question.to_owned());
            Ok(answers.next().copied().flatten().map(str::to_owned))
        });
        (said.unwrap(), asked)
    }

    #[test]
    fn what_is_no_number_is_asked_again_and_nothing_goes_on_without() {
        let (said, asked) = ask(&[Some("33 s")]);
        assert_eq!((said, asked.len()), (Some(33), 1));
        assert!(asked[0].contains("How long?"), "{asked:?}");
        let (said, asked) = ask(&[Some("long"), Some("9")]);
        assert_eq!((said, asked.len()), (Some(9), 2));
        assert!(asked[1].starts_with("A number of seconds"), "{asked:?}");
        assert_eq!(ask(&[Some(" ")]).0, None);
        assert_eq!(ask(&[None]).0, None);
        assert_eq!(
            ask(&[Some("a"), Some("b"), Some("c"), Some("4")]),
            (None, {
                let again = "A number of seconds, such as 12, or nothing to go on without a guess:";
                let first = "Before you look: How long? Your guess in seconds:";
                vec![first.to_owned(), again.to_owned(), again.to_owned()]
            })
        );
    }

    #[test]
    fn the_questions_are_those_of_the_readme() {
        let readme = catalog::find("stale-acl").unwrap().readme;
        let questions = questions(readme);
        assert!(questions.len() >= 3, "{questions:?}");
        assert!(questions[0].contains("What can it know?"), "{questions:?}");
        assert!(
            questions.iter().all(|it| it.trim_end().ends_with('?')),
            "{questions:?}"
        );
        assert_eq!(super::questions("no such part"), Vec::<String>::new());
    }
}
