//! `schism lab`: the course, one command a file.

mod ahead;
mod attack;
mod check;
mod entered;
mod guess;
mod hint;
mod lint;
mod list;
mod new;
mod quiz;
mod reset;
mod solution;
mod start;
mod watch;

use clap::Subcommand;

pub(super) use ahead::Ahead;

use std::path::Path;

use super::origin::Lab;
use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};
use crate::catalog;
use crate::course::progress::{self, Progress};
use crate::workspace::Workspace;

/// Work through the labs
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true)]
pub(super) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Words),
    Start(start::Words),
    Attack(attack::Words),
    Check(check::Words),
    Watch(watch::Words),
    Hint(hint::Words),
    Solution(solution::Words),
    Quiz(quiz::Words),
    Reset(reset::Words),
    Lint(lint::Words),
    New(new::Words),
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    match &words.command {
        Command::List(words) => list::run(words, place, printer),
        Command::Start(words) => start::run(words, place, printer),
        Command::Attack(words) => attack::run(words, place, printer),
        Command::Check(words) => check::run(words, place, printer),
        Command::Watch(words) => watch::run(words, place, printer),
        Command::Hint(words) => hint::run(words, place, printer),
        Command::Solution(words) => solution::run(words, place, printer),
        Command::Quiz(words) => quiz::run(words, place, printer),
        Command::Reset(words) => reset::run(words, place, printer),
        Command::Lint(words) => lint::run(words, place, printer),
        Command::New(words) => new::run(words, place, printer),
    }
}

/// Refuses a folder that bears a built-in lab's id and is another lab: desk and progress are kept
/// by id.
fn is_itself(lab: &Lab) -> Result<(), Stop> {
    let scenario = lab.parsed()?;
    let id = &scenario.metadata.id;
    let (Lab::Folder(folder), Some(_)) = (lab, catalog::find(id)) else {
        return Ok(());
    };
    let built_in = Lab::find(id)?.parsed()?;
    if built_in.canonical_sha256() == scenario.canonical_sha256() {
        return Ok(());
    }
    let why = format!("its id is the built-in lab's, `{id}`, and it is another; give it its own");
    Err(Stop::file(&folder.join("lab.toml"), why))
}

/// The lab that a command means: the word given, which is then the last one, else the last one,
/// else an error that says what to type.
pub(super) fn chosen(
    word: Option<&str>,
    place: &Place,
    workspace: &Workspace,
) -> Result<Lab, Stop> {
    if let Some(word) = word {
        let lab = Lab::find(word)?;
        is_itself(&lab)?;
        // Which lab was the last is a convenience: without it the lab is named again.
        let _ = Progress::set_last(workspace, &lab.word()?);
        return Ok(lab);
    }
    let progress = Progress::read(workspace)?;
    let Some(last) = progress.last() else {
        let first = catalog::all().first().map_or("LAB", |lab| lab.id);
        let start = place.invocation.command(&["lab", "start", first]);
        let begun = |it: &Workspace| Progress::read(it).is_ok_and(|it| it.last().is_some());
        let elsewhere = place.hidden(begun).unwrap_or_default();
        return Err(Stop::Usage(format!(
            "no lab is begun here; type `{start}`{elsewhere}"
        )));
    };
    Lab::find(last).map_err(|_| {
        let list = place.invocation.command(&["lab", "list"]);
        let file = place.shown(&progress::last_file(workspace));
        let gone = if Path::new(last).is_absolute() {
            "is gone"
        } else {
            "is none of this program's"
        };
        Stop::Usage(format!(
            "the last lab, `{last}` in {file}, {gone}; name another: `{list}` shows them"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::super::next::Invocation;
    use super::*;

    #[test]
    fn a_lab_named_is_the_last_one_from_then_on_and_a_misspelt_one_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place {
            folder: None,
            data: Some(temp.path().into()),
            invocation: Invocation::find(Some("schism".into()), |_| None, None),
        };
        let workspace = place.workspace().unwrap();
        let said = |word| chosen(word, &place, &workspace).unwrap_err().to_string();
        assert!(said(None).starts_with("no lab is begun here; type `schism lab start "));
        let misspelt = "unknown lab `stale-acls`; the nearest is `stale-acl`";
        assert_eq!(said(Some("stale-acls")), misspelt);
        assert!(said(None).starts_with("no lab is begun here"));
        assert!(chosen(Some("stale-acl"), &place, &workspace).is_ok());
        assert_eq!(said(Some("stale-acls")), misspelt);
        let lab = chosen(None, &place, &workspace).unwrap();
        assert_eq!(lab.word().unwrap(), "stale-acl");
        // A folder made later hides what was begun before, and says where that is.
        let here = temp.path().join("here");
        std::fs::create_dir_all(here.join(crate::workspace::FOLDER)).unwrap();
        let later = Place {
            folder: Some(here),
            ..place.clone()
        };
        let hidden = chosen(None, &later, &later.workspace().unwrap()).unwrap_err();
        let root = workspace.root().display().to_string();
        assert!(hidden.to_string().ends_with(&root), "{hidden}");
    }

    #[test]
    fn a_folder_is_meant_from_anywhere_until_it_is_gone() {
        let temp = tempfile::tempdir().unwrap();
        let place = Place {
            folder: None,
            data: Some(temp.path().into()),
            invocation: Invocation::find(Some("schism".into()), |_| None, None),
        };
        let workspace = place.workspace().unwrap();
        let folder = chosen(Some("catalog/stale-acl"), &place, &workspace).unwrap();
        let word = folder.word().unwrap();
        assert!(
            Path::new(&word).is_absolute() && word.ends_with("stale-acl"),
            "{word}"
        );
        assert_eq!(
            chosen(None, &place, &workspace).unwrap().word().unwrap(),
            word
        );
        let broken = temp.path().join("broken");
        std::fs::create_dir(&broken).unwrap();
        std::fs::write(broken.join("lab.toml"), "format = 2").unwrap();
        assert!(chosen(broken.to_str(), &place, &workspace).is_err());
        assert_eq!(
            chosen(None, &place, &workspace).unwrap().word().unwrap(),
            word
        );
        for (gone, said) in [
            ("/no/such", "is gone"),
            ("a-lab", "is none of this program's"),
        ] {
            Progress::set_last(&workspace, gone).unwrap();
            let error = chosen(None, &place, &workspace).unwrap_err().to_string();
            assert!(
                error.contains(said) && error.contains("schism lab list"),
                "{error}"
            );
        }
    }
}
