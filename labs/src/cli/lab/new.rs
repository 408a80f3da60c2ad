//! `schism lab new`: a folder that is a lab already, for an author to make their own.
//!
//! It writes all of it or nothing, and never over anything.

use std::path::PathBuf;

use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use crate::course::new;

/// Write a new lab that already runs
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// Its id, which is also its folder's name
    id: String,
    /// The folder to put it in; by default this one
    #[arg(long = "in", value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let lab = new::write(&words.id, &words.folder)?;
    let path = lab.display().to_string();
    let path = if words.folder.as_os_str() == "." {
        format!("./{}", words.id)
    } else {
        path
    };
    let lint = place.invocation.command(&["lab", "lint", &path]);
    let demo = place.invocation.command(&["demo", &path]);
    printer.page(&format!(
        "A new lab is in {path}\n\n\
         It runs and lints as it is. Replace each sentence that begins with `{}`,\n\
         and look at it again:\n\n  {lint}\n  {demo}\n",
        crate::course::lint::PLACEHOLDER
    ))?;
    Ok(Exit::Done)
}
