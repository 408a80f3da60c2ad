//! `schism trace`: not there yet.

use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};

/// Follow one request through hops, logs and timeline
#[derive(Debug, clap::Args)]
pub(super) struct Words {}

/// Obeys.
pub(super) fn run(_words: &Words, _place: &Place, _printer: &mut Printer) -> Result<Exit, Stop> {
    Err(Stop::Usage("`trace` is not built yet".to_owned()))
}
