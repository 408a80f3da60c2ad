//! `schism lab start`: lays a lab's files out for the learner, and says what is whose.
//!
//! What is already there is the learner's and stays as it is.

use std::path::Path;

use super::super::next::Invocation;
use super::super::origin::{Lab, Prose, Side};
use super::super::printer::Printer;
use super::super::prose::{is_aside, typed};
use super::super::settings;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use super::Ahead;
use crate::course::blank;
use crate::course::desk::{Desk, DeskFiles};
use crate::course::path::State;
use crate::course::progress::{Fact, Progress};
use crate::report::text::{Page, Tone};
use crate::scenario::Scenario;
use crate::workspace::FOLDER;

/// Begin a lab: lay out your own settings to work on
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
}

/// What a lab puts on a desk.
pub(super) fn files(lab: &Lab, scenario: &Scenario, place: &Place) -> Result<DeskFiles, Stop> {
    // A learner is not to find the author's mistakes on their own desk.
    settings::one(lab, Path::new(Side::Exposed.name()), None)?;
    Ok(DeskFiles {
        posture: lab.posture(Side::Exposed)?.text,
        policy: lab.policy(Side::Exposed)?.text,
        attack: blank::template(scenario),
        readme: story(&lab.prose(Prose::Readme)?.text, &place.invocation),
    })
}

/// The story without its author's remarks to the lint, its commands as they are typed here.
fn story(readme: &str, invocation: &Invocation) -> String {
    let mut fenced = false;
    let mut told = String::new();
    for line in readme.lines().filter(|line| !is_aside(line)) {
        fenced ^= line.trim_start().starts_with("```");
        let command = typed(line, invocation).filter(|_| fenced);
        told += &command.unwrap_or_else(|| line.to_owned());
        told.push('\n');
    }
    told
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let lab = super::chosen(words.lab.as_deref(), place, &workspace)?;
    let scenario = lab.parsed()?;
    let files = files(&lab, &scenario, place)?;
    let desk = Desk::of(&workspace, &scenario.metadata.id);
    let (was_begun, missing) = (desk.is_begun(), desk.missing());
    desk.lay(&files).map_err(|why| {
        let why = format!("{why}; make it writable, or a `{FOLDER}` folder where you can write");
        Stop::Usage(why)
    })?;
    let id = scenario.metadata.id.clone();
    if State::of(&Progress::read(&workspace)?, &id) == State::New {
        Progress::record(&workspace, &Fact::Started { lab: id })?;
    }
    let style = printer.style();
    let laid = match (was_begun, missing.is_empty()) {
        (true, true) => "It is already laid out, and nothing was changed, in".to_owned(),
        (true, false) => format!(
            "It is already laid out; `{}` was missing and is back as it was at the beginning, in",
            missing.join("` and `")
        ),
        (false, _) => "It is laid out for you in".to_owned(),
    };
    let mut page = Page::new(&style);
    tell(
        &mut page,
        &scenario,
        &format!("{laid} {}", place.shown(desk.folder())),
    );
    if was_begun {
        let reset = place.invocation.command(&["lab", "reset"]);
        page.row(&[(
            Tone::Plain,
            "To begin again, with a copy kept of what you have:",
        )]);
        page.command(&reset);
    }
    Ahead::find(&workspace, &scenario)?.tell(&mut page, place);
    printer.page(&page.finish())?;
    Ok(Exit::Done)
}

fn tell(page: &mut Page<'_>, scenario: &Scenario, laid: &str) {
    let metadata = &scenario.metadata;
    page.heading(&format!("{}: {}", metadata.id, metadata.title));
    page.blank();
    page.wrapped(Tone::Plain, "", laid);
    let dials = scenario.expect.dials.join(", ");
    let task = scenario.attack.as_ref().map_or_else(
        || "your own attack, if you like".to_owned(),
        |task| {
            format!(
                "your own attack: at most {} steps that reach an exposure of {} s",
                task.steps,
                task.reach.as_secs_f64()
            )
        },
    );
    let files = [
        (
            "README.md",
            "the story: read it up to `Run`, and guess".to_owned(),
        ),
        (
            "posture.toml",
            format!("yours: of its dials, {dials} may change"),
        ),
        (
            "policy.cedar",
            "yours: who may do what, if you need to change it".to_owned(),
        ),
        ("attack.toml", task),
    ];
    for (file, what) in &files {
        page.wrapped(Tone::Plain, &format!("  {file:14}"), what);
    }
    page.blank();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_typed_as_here_and_nothing_else_is_touched() {
        let here = Invocation::find(Some("bin/schism".into()), |_| None, None);
        let told = "schism (a toolkit), isn't one.\n<!-- figures from elsewhere: 4s -->\n```sh\n\
                    schism lab check --json | jq .verdict  # look\n\
                    cargo run --release -- demo x > page\n```\nschism too\n";
        let expected = "schism (a toolkit), isn't one.\n```sh\n\
                        bin/schism lab check --json | jq .verdict  # look\n\
                        bin/schism demo x > page\n```\nschism too\n";
        assert_eq!(story(told, &here), expected);
    }
}
