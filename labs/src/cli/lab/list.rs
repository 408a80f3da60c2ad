//! `schism lab list`: not there yet.

use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};

/// List the labs in the order of the course
#[derive(Debug, clap::Args)]
pub(super) struct Words {}

/// Obeys.
pub(super) fn run(_words: &Words, _place: &Place, _printer: &mut Printer) -> Result<Exit, Stop> {
    Err(Stop::Usage("`lab list` is not built yet".to_owned()))
}
