//! `schism lab start`: not there yet.

use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};

/// Begin a lab: lay out your own settings to work on
#[derive(Debug, clap::Args)]
pub(super) struct Words {}

/// Obeys.
pub(super) fn run(_words: &Words, _place: &Place, _printer: &mut Printer) -> Result<Exit, Stop> {
    Err(Stop::Usage("`lab start` is not built yet".to_owned()))
}
