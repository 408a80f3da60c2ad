//! `schism lab attack`: one run of the attack against the learner's own settings, to look at.
//!
//! Before the first look it asks what the learner expects, if someone is there to be asked. The
//! attack is the lab's, or the learner's own once it is written, which runs on what they started
//! from. It judges no further than this one run: whether settings hold, `lab check` says.

use std::collections::BTreeMap;
use std::path::Path;

use super::super::answer::Answer;
use super::super::interrupt::Interrupt;
use super::super::origin::{Prose, Side};
use super::super::printer::Printer;
use super::super::settings::Settings;
use super::super::stop::Stop;
use super::super::{Exit, Place, archive, demo, settings};
use super::Ahead;
use super::entered::Entered;
use super::guess::{self, Guess};
use crate::course::drawn;
use crate::course::own;
use crate::course::progress::{Fact, Progress};
use crate::course::variant::{self, SHOWN_SEED};
use crate::history::{Harm, History};
use crate::report::control::Attack;
use crate::report::text::{Page, Style, Tone};
use crate::report::{DemoFacts, DemoReport, RunFacts, RunReport, figure, json, text};
use crate::run::Ran;
use crate::scenario::Scenario;
use crate::trace::trace_hash;
use crate::workspace::Workspace;

/// Run the attack against your settings and look at what happens
///
/// Ends with status 0 whatever the attack achieved; `lab check` judges. An attack of your own runs
/// on the posture that you started from, and ends with status 1 if it does not reach what is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// Where everything random comes from; 7 is the lab as its pages tell it, any other number
    /// draws another time, length and place for the cut
    #[arg(long, value_name = "N", default_value_t = SHOWN_SEED, value_parser = demo::seed,
          allow_negative_numbers = true)]
    seed: u64,
    /// Do not ask for a guess; it stays open for the next time
    #[arg(long)]
    no_ask: bool,
    /// Run the lab's own attack, also when yours is written
    #[arg(long)]
    given: bool,
    /// The page's width in columns, 72 to 200; the terminal's if left out, at most 110
    #[arg(long, value_name = "COLUMNS", value_parser = clap::value_parser!(u16).range(72..=200))]
    width: Option<u16>,
    #[command(flatten)]
    answer: Answer,
}

/// What is run: the lab's attack on the learner's settings, or the learner's own attack on what
/// they started from, which is what its task is set for.
struct Staged {
    scenario: Scenario,
    text: String,
    /// How the world differs from the lab's, if it was drawn.
    drawn: String,
    settings: Settings,
    is_own: bool,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let entered = Entered::read(words.lab.as_deref(), place, &workspace)?;
    words.answer.can_be_given()?;
    workspace.runs()?;
    let staged = stage(words, &entered, place)?;
    let said = if words.no_ask || staged.is_own {
        None
    } else {
        guess::asked(&entered.scenario, &Progress::read(&workspace)?, printer)?
    };
    let interrupt = Interrupt::listen()?;
    if let Some(warning) = settings::warning(&staged.settings) {
        printer.note(&warning);
    }
    let (scenario, seed) = (&staged.scenario, words.seed);
    let ran = demo::run_one(scenario, &staged.settings, seed, &interrupt, printer)?;
    let report = judge(
        (scenario, staged.drawn.clone()),
        &staged.settings,
        seed,
        &ran,
    );
    let json = json::render(&report)?;
    let files = archive::files(&json, &staged.text, &[(&staged.settings, &ran)]);
    let kept = workspace.keep(&format!("{}-{}", report.lab, report.seed), &files)?;
    let task = entered.scenario.attack.as_ref().filter(|_| staged.is_own);
    let reached = task.map(|task| own::reached(task, &report.runs[0]));
    let is_done = reached.as_ref().is_none_or(|(done, _)| *done);
    record(&workspace, &report, said, reached.is_some() && is_done)?;
    let answer = if words.answer.json {
        json
    } else {
        let style = words.answer.style(printer);
        let style = Style {
            width: words.width.map_or(style.width, usize::from),
            ..style
        };
        let told = text::render(&report, &[&ran.history], &style);
        let end = match &reached {
            Some(reached) => own_attack(reached, &entered, &workspace, (&style, place))?,
            None => looked(
                &entered,
                &staged,
                (&report, &ran.history, &kept),
                (&style, place),
            ),
        };
        beside(said, &report, &style) + &told + "\n" + &end
    };
    words.answer.give(&answer, printer)?;
    printer.note(&format!("kept in {}", place.shown(&kept)));
    Ok(if is_done { Exit::Done } else { Exit::Broken })
}

fn stage(words: &Words, entered: &Entered, place: &Place) -> Result<Staged, Stop> {
    let lab = &entered.scenario_text.text;
    let own = if words.given {
        None
    } else {
        entered.own(place)?
    };
    let Some((own, file)) = own else {
        let (scenario, text) = drawn::world(&entered.scenario, lab, words.seed);
        let settings = entered.settings.clone();
        let drawn = if scenario == entered.scenario {
            String::new()
        } else {
            variant::in_words(&entered.scenario, &scenario)
        };
        return Ok(Staged {
            scenario,
            text,
            drawn,
            settings,
            is_own: false,
        });
    };
    let settings = match &entered.scenario.attack {
        Some(_) => settings::one(&entered.lab, Path::new(Side::Exposed.name()), None)?,
        None => entered.settings.clone(),
    };
    let text = own::written(lab, &file.text);
    let text = text.ok_or_else(|| Stop::File(file.name, "it cannot be kept as it is".into()))?;
    Ok(Staged {
        scenario: own.onto(&entered.scenario),
        text,
        drawn: String::new(),
        settings,
        is_own: true,
    })
}

/// What is told of one run of a learner's.
pub(super) fn judge(
    (scenario, drawn): (&Scenario, String),
    settings: &Settings,
    seed: u64,
    ran: &Ran,
) -> DemoReport {
    let facts = DemoFacts {
        drawn,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        lab: scenario.metadata.id.clone(),
        title: scenario.metadata.title.clone(),
        seed,
        fabric: "sim".to_owned(),
        scenario_sha256: scenario.canonical_sha256(),
        next: Vec::new(),
    };
    let run = RunFacts {
        posture: settings.name.clone(),
        posture_sha256: settings.posture.sha256(),
        trace_hash: trace_hash(&ran.trace),
        wall_ms: ran.wall_ms,
    };
    let run = RunReport::judge(&ran.history, run);
    DemoReport::judge(facts, vec![run], &[&ran.history])
}

fn record(
    workspace: &Workspace,
    report: &DemoReport,
    said: Option<Guess>,
    has_reached: bool,
) -> Result<(), Stop> {
    let (lab, exposure_ms) = (report.lab.clone(), own::longest_ms(&report.runs[0]));
    let guessed = said.map(|said| match said {
        Guess::Seconds(seconds) => Fact::Predicted {
            lab: lab.clone(),
            seconds,
            measured_ms: exposure_ms,
        },
        Guess::Declined => Fact::Unguessed { lab: lab.clone() },
    });
    if let Some(fact) = guessed {
        Progress::record(workspace, &fact)?;
    }
    if has_reached {
        let lab = lab.clone();
        Progress::record(workspace, &Fact::Reached { lab, exposure_ms })?;
    }
    Ok(Progress::record(
        workspace,
        &Fact::Attacked {
            lab,
            harm: report.runs[0].harm(),
            ms: exposure_ms,
        },
    )?)
}

/// The guess beside the figure, if there was one.
fn beside(said: Option<Guess>, report: &DemoReport, style: &Style) -> String {
    let Some(Guess::Seconds(said)) = said else {
        return String::new();
    };
    let mut page = Page::new(style);
    let was = in_words(report.runs[0].harm_ms());
    let text = format!("{said} s. It was {was}.");
    page.wrapped(Tone::Strong, "You said ", &text);
    page.blank();
    page.finish()
}

/// What to do with a run of the lab's attack.
fn looked(
    entered: &Entered,
    staged: &Staged,
    (report, history, kept): (&DemoReport, &History, &Path),
    (style, place): (&Style, &Place),
) -> String {
    let mut end = Page::new(style);
    end.blank();
    if entered.scenario.attack.is_some() && !staged.is_own {
        let attack = place.shown(&entered.desk.attack());
        let yours = match entered.own(place) {
            Ok(None) => "yours goes into",
            Ok(Some(_)) | Err(_) => "yours is in",
        };
        let text = format!("This was the lab's own attack; {yours} {attack}.");
        end.wrapped(Tone::Plain, "", &text);
    }
    let closed = report.runs[0].attack == Attack::Refused;
    if closed {
        let what = match history.expect.harm() {
            Harm::Exposure | Harm::Impersonation => {
                format!("The attack was refused ({})", history.expect.refusal)
            }
            Harm::Outage => "Nobody went without for longer than is allowed".to_owned(),
        };
        let text = format!(
            "{what} on this one seed; whether that holds on others, and what it costs whom, \
             `lab check` says."
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
    if let Some(follow) = demo::follow(kept, &[history], place) {
        end.command(&follow);
    }
    if !closed {
        let file = place.shown(&entered.desk.posture());
        end.wrapped(Tone::Plain, "  ", &format!("change {file}, then"));
    }
    end.command(&command(&["lab", "check"]));
    if !closed {
        end.command(&command(&["lab", "hint"]));
    }
    end.finish()
}

/// What the learner's own attack reached, and what to do then.
fn own_attack(
    (done, said): &(bool, String),
    entered: &Entered,
    workspace: &Workspace,
    (style, place): (&Style, &Place),
) -> Result<String, Stop> {
    let mut page = Page::new(style);
    page.blank();
    let tone = if *done { Tone::Good } else { Tone::Bad };
    let text = format!("Your own steps, on the posture that you started from: {said}.");
    page.wrapped(tone, "", &text);
    if *done {
        Ahead::find(workspace, &entered.scenario)?.tell(&mut page, place);
        return Ok(page.finish());
    }
    page.heading("Next:");
    let file = place.shown(&entered.desk.attack());
    page.wrapped(Tone::Plain, "  ", &format!("change {file}, then"));
    page.command(&place.invocation.command(&["lab", "attack"]));
    page.row(&[(Tone::Plain, "The lab's own attack again:")]);
    page.command(&place.invocation.command(&["lab", "attack", "--given"]));
    Ok(page.finish())
}

fn in_words(harm_ms: &BTreeMap<String, u64>) -> String {
    let told = harm_ms
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
mod tests;
