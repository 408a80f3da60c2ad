//! `schism rerun`: not there yet.

use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};

/// Run a kept run again and compare
#[derive(Debug, clap::Args)]
pub(super) struct Words {}

/// Obeys.
pub(super) fn run(_words: &Words, _place: &Place, _printer: &mut Printer) -> Result<Exit, Stop> {
    Err(Stop::Usage("`rerun` is not built yet".to_owned()))
}
