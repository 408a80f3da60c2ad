//! How a command answers: words or JSON, to standard output or into a file.
//!
//! What would keep a file from being written is said before any work is done; a file is written
//! whole or not at all.

use std::path::{Path, PathBuf};

use super::demo::{can_be_written, write_whole};
use super::printer::Printer;
use super::stop::Stop;
use crate::report::text::Style;

/// The words that every answering command understands.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Answer {
    /// Answer in JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Write to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Only ASCII, in the marks too
    #[arg(long)]
    ascii: bool,
}

impl Answer {
    /// Says before the work what would keep the answer from being written after it.
    pub(super) fn can_be_given(&self) -> Result<(), Stop> {
        self.out.as_deref().map_or(Ok(()), can_be_written)
    }

    /// The file that it goes to, if it goes to one.
    pub(super) fn out(&self) -> Option<&Path> {
        self.out.as_deref()
    }

    /// How words are to look.
    pub(super) fn style(&self, printer: &Printer) -> Style {
        let style = match self.out {
            Some(_) => Style::default(),
            None => printer.style(),
        };
        Style {
            ascii: self.ascii,
            ..style
        }
    }

    /// Gives the answer.
    pub(super) fn give(&self, text: &str, printer: &mut Printer) -> Result<(), Stop> {
        let Some(out) = &self.out else {
            return printer.page(text);
        };
        write_whole(out, text)?;
        printer.note(&format!("written to {}", out.display()));
        Ok(())
    }
}
