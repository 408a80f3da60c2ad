//! `schism runs`: the kept runs, the newest first, and a way to be rid of the old ones.
//!
//! Only what holds a report is a run. One is gone at once or not at all: it loses its name before
//! its files go, so that nothing half-removed is ever taken for a run.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::answer::Answer;
use super::kept::{self, Kept};
use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place, ask};
use crate::invariant::Verdict;
use crate::report::figure;
use crate::report::text::{Page, Style, Tone};

/// As many runs as nobody minds.
const FEW: usize = 10;

/// List the kept runs, the newest first; with --keep, remove the others
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// Keep the newest N and remove the rest; their numbers are given again
    #[arg(long, value_name = "N")]
    keep: Option<usize>,
    /// Do not ask before anything is removed
    #[arg(long, requires = "keep")]
    yes: bool,
    #[command(flatten)]
    answer: Answer,
}

/// The list, in JSON too.
#[derive(Debug, Serialize)]
struct List {
    format: u32,
    runs: Vec<Entry>,
    removed: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Entry {
    name: String,
    bytes: u64,
    /// Of a demonstration whether the lesson stands, of one run its verdict; nothing if its report
    /// cannot be read.
    control: Option<Verdict>,
    /// The settings that ran.
    postures: Vec<String>,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let folder = place.workspace()?.root().join(crate::workspace::RUNS);
    if words.keep.is_some() {
        sweep(&folder);
    }
    let mut runs: Vec<Entry> = kept::list(&folder)?
        .into_iter()
        .filter(|(_, name)| is_run(&folder.join(name)))
        .map(|(_, name)| entry(&folder, name, place))
        .collect();
    let keep = words.keep.unwrap_or(runs.len()).min(runs.len());
    let mut old = runs.split_off(keep);
    let bytes = figure::bytes(old.iter().map(|it| it.bytes).sum());
    let question = format!("Remove {} of {}, {bytes}?", old.len(), keep + old.len());
    if !old.is_empty() && !ask::agreed(printer, &question, words.yes)? {
        printer.note("nothing was removed");
        runs.append(&mut old);
    }
    let (removed, failed) = remove_all(&folder, old, &mut runs);
    let list = List {
        format: 1,
        runs,
        removed,
    };
    let text = if words.answer.json {
        serde_json::to_string(&list).map_err(|why| Stop::Report(why.into()))? + "\n"
    } else {
        page(&list, &words.answer.style(printer), place)
    };
    words.answer.give(&text, printer)?;
    failed.map_or(Ok(Exit::Done), Err)
}

fn is_run(path: &Path) -> bool {
    fs::symlink_metadata(path.join("report.json")).is_ok_and(|about| about.is_file())
}

/// Removes one after the other, up to the first that cannot be: that one and those after it stay.
fn remove_all(
    folder: &Path,
    old: Vec<Entry>,
    runs: &mut Vec<Entry>,
) -> (Vec<String>, Option<Stop>) {
    let (mut removed, mut failed) = (Vec::new(), None);
    for run in old {
        if failed.is_none() {
            failed = remove(folder, &run.name).err();
        }
        match failed {
            None => removed.push(run.name),
            Some(_) => runs.push(run),
        }
    }
    (removed, failed)
}

/// Takes away what a removal that was broken off left behind, as far as that can be done.
fn sweep(folder: &Path) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let left = name
            .to_str()
            .is_some_and(|it| it.starts_with('.') && it.ends_with("-removed"));
        if left && entry.file_type().is_ok_and(|it| it.is_dir()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn entry(folder: &Path, name: String, place: &Place) -> Entry {
    let path = folder.join(&name);
    let found = path.to_str().map(|path| Kept::find(Some(path), place));
    let report = found.and_then(Result::ok).map(|it| it.report);
    let postures = report.iter().flat_map(|it| &it.runs);
    Entry {
        bytes: size(&path),
        control: report.as_ref().map(|it| it.control),
        postures: postures.map(|it| it.posture.clone()).collect(),
        name,
    }
}

/// The bytes of all files below; what cannot be read counts for nothing. Links are not followed.
fn size(path: &Path) -> u64 {
    let Ok(about) = fs::symlink_metadata(path) else {
        return 0;
    };
    if !about.is_dir() {
        return about.len();
    }
    let below = fs::read_dir(path).into_iter().flatten().flatten();
    below.map(|it| size(&it.path())).sum()
}

/// Takes the run's name away, then its files. Somebody else may have done so first.
fn remove(folder: &Path, name: &str) -> Result<(), Stop> {
    let (run, nameless) = (folder.join(name), folder.join(format!(".{name}-removed")));
    let fail = |why| Stop::file(&run, why);
    if nameless.exists() {
        fs::remove_dir_all(&nameless).map_err(fail)?;
    }
    match fs::rename(&run, &nameless) {
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        renamed => renamed.map_err(fail)?,
    }
    fs::remove_dir_all(&nameless).map_err(fail)
}

fn page(list: &List, style: &Style, place: &Place) -> String {
    let mut page = Page::new(style);
    if !list.removed.is_empty() {
        let removed = list.removed.join(", ");
        page.wrapped(Tone::Plain, "Removed: ", &removed);
        page.blank();
    }
    if list.runs.is_empty() {
        page.wrapped(Tone::Plain, "", "No run is kept here.");
        return page.finish();
    }
    let widest = list.runs.iter().map(|it| it.name.len()).max().unwrap_or(0);
    for run in &list.runs {
        let verdict = run
            .control
            .map_or("unreadable".to_owned(), |it| it.to_string());
        let facts = format!("  {:>8}  {verdict:10}  ", figure::bytes(run.bytes));
        let name = style.cell(&run.name, widest.min(40));
        page.row(&[
            (Tone::Strong, name),
            (Tone::Plain, facts + &run.postures.join(", ")),
        ]);
    }
    page.blank();
    let all = figure::bytes(list.runs.iter().map(|it| it.bytes).sum());
    let count = match list.runs.len() {
        1 => "1 run".to_owned(),
        many => format!("{many} runs"),
    };
    page.row(&[(Tone::Plain, format!("{count}, {all}."))]);
    if list.runs.len() > FEW {
        page.row(&[(Tone::Plain, "To keep the newest alone:")]);
        page.command(
            &place
                .invocation
                .command(&["runs", "--keep", &FEW.to_string()]),
        );
    }
    page.finish()
}

#[cfg(test)]
mod tests {
    use super::super::next::Invocation;
    use super::super::printer::tests::{Paper, printer, written};
    use super::*;

    #[test]
    fn the_newest_stay_and_what_is_no_run_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place {
            folder: None,
            data: Some(temp.path().into()),
            invocation: Invocation::find(Some("schism".into()), |_| None, None),
        };
        let workspace = place.workspace().unwrap();
        let files = |text: &str| vec![("report.json".to_owned(), text.as_bytes().to_vec())];
        for n in 1..=3 {
            workspace.keep("lab-7", &files(&n.to_string())).unwrap();
            // Runs are in the order of their folders' times.
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let runs = workspace.runs().unwrap();
        fs::write(runs.join("notes.txt"), "mine").unwrap();
        fs::create_dir_all(runs.join("notes/mine")).unwrap();
        fs::create_dir_all(runs.join(".lab-7-9-removed/half")).unwrap();
        let say = |keep| {
            let out = Paper::default();
            let (mut printer, _) = printer(out.clone(), false);
            let words = Words {
                keep,
                yes: true,
                answer: Answer::default(),
            };
            run(&words, &place, &mut printer).unwrap();
            written(&out)
        };
        let text = say(None);
        assert!(
            text.starts_with("lab-7-3") && text.contains("3 runs, 3 B."),
            "{text}"
        );
        assert!(text.contains("unreadable"), "that is no report: {text}");
        assert!(say(Some(1)).starts_with("Removed: lab-7-2, lab-7-1\n\nlab-7-3"));
        let mut left: Vec<_> = fs::read_dir(&runs).unwrap().flatten().collect();
        left.sort_by_key(fs::DirEntry::file_name);
        let names: Vec<_> = left.iter().map(fs::DirEntry::file_name).collect();
        assert_eq!(names, ["lab-7-3", "notes", "notes.txt"]);
        assert!(say(Some(0)).ends_with("No run is kept here.\n"));
    }
}
