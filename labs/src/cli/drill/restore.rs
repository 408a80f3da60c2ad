//! `schism drill restore`: puts everything back that an interrupted drill left.
//!
//! It needs what the drill wrote down before it began, and not even the drill.toml: a drill that
//! was killed, or a machine that went down, is put back the same. Done twice, it is done once. The
//! commands that it is about to run are shown before they run.

use std::path::PathBuf;

use serde_json::json;

use super::super::Exit;
use super::super::answer::Answer;
use super::super::daemon;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::{Which, causes};
use crate::drill::place::{self, PlaceError, Restored};

/// Put everything back that a drill left when it was killed
///
/// Files, modes and links become as they were, what the drill had started is ended, and a target
/// that was running before is told. A drill that ends by itself, or by Ctrl-C, does this anyway.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    #[command(flatten)]
    which: Which,
    /// Put the files back and run none of the target's commands: for when one of them fails, and
    /// everything else is as it was
    #[arg(long)]
    without_commands: bool,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let home = place::home(&words.which.file);
    let runtime = daemon::runtime()?;
    let restored = if words.without_commands {
        runtime.block_on(place::put_back_without_commands(&home))
    } else {
        for (word, argv) in place::due(&home).map_err(|error| stopped(&error))? {
            printer.note(&format!("`{word}` will be run: {argv:?}"));
        }
        runtime.block_on(place::put_back(&home))
    };
    let restored = restored.map_err(|error| stopped(&error))?;
    let text = if words.answer.json {
        format!("{:#}\n", json(restored.as_ref()))
    } else {
        page(restored.as_ref())
    };
    words.answer.give(&text, printer)?;
    Ok(Exit::Done)
}

fn stopped(error: &PlaceError) -> Stop {
    match error {
        PlaceError::Busy(_) | PlaceError::Doubted { .. } => Stop::Usage(causes(error)),
        error => Stop::Unclear(causes(error)),
    }
}

fn json(restored: Option<&Restored>) -> serde_json::Value {
    let shown = |paths: &[PathBuf]| -> Vec<String> {
        paths.iter().map(|it| it.display().to_string()).collect()
    };
    let none = Restored::default();
    let it = restored.unwrap_or(&none);
    let aside = it.aside.iter();
    let aside = aside.map(|(path, kept)| {
        json!({ "path": path.display().to_string(), "kept": kept.display().to_string() })
    });
    json!({
        "was_left": restored.is_some(),
        "target": it.target,
        "put_back": shown(&it.put_back),
        "removed": shown(&it.removed),
        "kept_aside": aside.collect::<Vec<_>>(),
        "notes": it.notes,
    })
}

fn page(restored: Option<&Restored>) -> String {
    let Some(it) = restored else {
        return "Nothing to put back: no drill was interrupted here.\n".to_owned();
    };
    let mut lines = vec![format!("Put back what the drill of {} left:", it.target)];
    let told = |what: &str, path: &PathBuf| format!("  {what} {}", path.display());
    lines.extend(it.put_back.iter().map(|path| told("as before ", path)));
    lines.extend(it.removed.iter().map(|path| told("taken away", path)));
    for (path, kept) in &it.aside {
        lines.push(told("as before ", path));
        lines.push(format!(
            "    somebody wrote another one meanwhile, which is kept in {}",
            kept.display()
        ));
    }
    lines.extend(it.notes.iter().map(|note| format!("  note: {note}")));
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_told_file_by_file_and_nothing_is_told_as_nothing() {
        assert!(page(None).starts_with("Nothing to put back"));
        assert_eq!(json(None)["was_left"], false);
        let restored = Restored {
            target: "/at/drill.toml".to_owned(),
            put_back: vec!["/at/tls.key".into()],
            removed: vec!["/at/ca.crt".into()],
            aside: vec![("/at/tls.crt".into(), "/at/.schism/found".into())],
            notes: vec!["the target could not be told".to_owned()],
        };
        let text = page(Some(&restored));
        for line in [
            "Put back what the drill of /at/drill.toml left:\n",
            "  as before  /at/tls.key\n",
            "  taken away /at/ca.crt\n",
            "kept in /at/.schism/found\n",
            "  note: the target could not be told\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
        let json = json(Some(&restored));
        assert_eq!(json["was_left"], true);
        assert_eq!(json["kept_aside"][0]["kept"], "/at/.schism/found");
    }
}
