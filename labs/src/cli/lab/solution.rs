//! `schism lab solution`: not there yet.

use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};

/// One good answer, and why
#[derive(Debug, clap::Args)]
pub(super) struct Words {}

/// Obeys.
pub(super) fn run(_words: &Words, _place: &Place, _printer: &mut Printer) -> Result<Exit, Stop> {
    Err(Stop::Usage("`lab solution` is not built yet".to_owned()))
}
