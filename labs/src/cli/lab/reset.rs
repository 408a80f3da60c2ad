//! `schism lab reset`: a lab's settings as they were at the beginning; with `--all`, everything.
//!
//! Nothing is deleted: what was there is moved aside, and the answer says where to.

use super::super::ask;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use super::start;
use crate::course::desk::{self, Desk};
use crate::workspace::{self, Workspace};

/// Put your settings back to what the lab began with
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    #[arg(conflicts_with = "all")]
    lab: Option<String>,
    /// Every lab, and forget all progress
    #[arg(long)]
    all: bool,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    if words.all {
        return all(words, place, &workspace, printer);
    }
    let lab = super::chosen(words.lab.as_deref(), place, &workspace)?;
    let scenario = lab.parsed()?;
    let id = &scenario.metadata.id;
    let files = start::files(&lab, &scenario, place)?;
    let desk = Desk::of(&workspace, id);
    if !desk.folder().exists() {
        let start = place.invocation.command(&["lab", "start"]);
        printer.note(&format!(
            "`{id}` is not begun, so nothing was changed; begin with: {start}"
        ));
        return Ok(Exit::Done);
    }
    if desk.is_as_laid(&files) {
        desk.refresh(&files)?;
        printer.note(&format!("`{id}` is as it was at the beginning"));
        return Ok(Exit::Done);
    }
    let question = format!("Put `{id}` back to the beginning? A copy of your files is kept.");
    if ask::may_ask() && !ask::agreed(printer, &question, words.yes)? {
        printer.note("nothing was changed");
        return Ok(Exit::Done);
    }
    let aside = desk.clear()?;
    desk.lay(&files)?;
    if let Some(aside) = aside {
        printer.note(&format!("what you had is in {}", place.shown(&aside)));
    }
    let laid = place.shown(desk.folder());
    printer.page(&format!(
        "`{id}` is as it was at the beginning, in {laid}\n"
    ))?;
    Ok(Exit::Done)
}

fn all(
    words: &Words,
    place: &Place,
    workspace: &Workspace,
    printer: &mut Printer,
) -> Result<Exit, Stop> {
    if desk::everything(workspace).is_empty() {
        let root = place.shown(workspace.root());
        printer.note(&format!(
            "nothing is begun in {root}, so nothing was changed"
        ));
        return Ok(Exit::Done);
    }
    let question = "Put every lab back and forget all progress? A copy is kept.";
    if !ask::agreed(printer, question, words.yes)? {
        printer.note("nothing was changed");
        return Ok(Exit::Done);
    }
    if let Some(aside) = desk::clear_all(workspace)? {
        let (aside, runs) = (place.shown(&aside), workspace::RUNS);
        printer.page(&format!(
            "Everything is as at the beginning; what you had is in {aside}\n"
        ))?;
        printer.note(&format!("what is kept in `{runs}` stays as it is"));
    }
    Ok(Exit::Done)
}
