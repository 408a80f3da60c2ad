//! The front page: what this is, where the learner is and what comes next, the commands, and where
//! all of it is kept.
//!
//! It fits a screen of 24 lines, and what goes wrong with the workspace is said on it, not
//! instead of it.

use super::lab::Ahead;
use super::origin::Lab;
use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};
use crate::catalog;
use crate::course::path::{self, CORE, State};
use crate::course::progress::Progress;
use crate::report::text::{Page, Style, Tone};
use crate::workspace::{FOLDER, Workspace};

/// The commands that there are, and what each does.
const COMMANDS: [(&str, &str); 8] = [
    (
        "demo LAB",
        "run a lab exposed and with its solution, and compare",
    ),
    ("lab list", "the labs in the order of the course"),
    ("lab start", "begin one, then: lab attack, check, watch"),
    (
        "lab hint",
        "when you are stuck; then: lab solution, lab quiz",
    ),
    (
        "drill demo",
        "how a service of your own changes its secrets: the test",
    ),
    (
        "posture show",
        "every dial: its value, and who ships it exposed",
    ),
    (
        "rerun RUN",
        "run a kept run again: the same, or where it differs",
    ),
    ("trace", "follow one request through a kept run"),
];

/// Shows the front page.
pub(super) fn show(place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    printer.page(&page(place, &printer.style())?)?;
    Ok(Exit::Done)
}

fn page(place: &Place, style: &Style) -> Result<String, Stop> {
    let mut page = Page::new(style);
    let version = env!("CARGO_PKG_VERSION");
    page.wrapped(
        Tone::Plain,
        "",
        &format!(
            "Schism {version}: Jepsen for access control and key rotation, taught as guided labs."
        ),
    );
    let workspace = place.workspace();
    page.blank();
    match &workspace {
        Ok(workspace) => you(&mut page, place, workspace)?,
        Err(_) => first(&mut page, place),
    }
    page.heading("Commands");
    for (command, what) in COMMANDS {
        page.wrapped(Tone::Plain, &format!("  {command:14}"), what);
    }
    page.row(&[(Tone::Faint, "  --help after any of them says more")]);
    page.blank();
    let kept = match &workspace {
        Ok(workspace) => kept(place, workspace),
        Err(why) => format!("Nothing can be kept: {why}"),
    };
    page.wrapped(Tone::Plain, "", &kept);
    Ok(page.finish())
}

/// Where the learner is.
fn you(page: &mut Page<'_>, place: &Place, workspace: &Workspace) -> Result<(), Stop> {
    let progress = match Progress::read(workspace) {
        Ok(progress) => progress,
        Err(why) => {
            page.wrapped(
                Tone::Bad,
                "",
                &format!("Your progress cannot be read: {why}"),
            );
            return Ok(());
        }
    };
    if let Some(unread) = progress.unread() {
        page.wrapped(Tone::Bad, "", &format!("{unread}."));
    }
    let last = progress
        .last()
        .map(|last| (last, Lab::find(last).and_then(|lab| lab.parsed())));
    match last {
        None => first(page, place),
        Some((last, Err(_))) => {
            page.wrapped(
                Tone::Plain,
                "",
                &format!("The last lab, `{last}`, is not to be had."),
            );
            first(page, place);
        }
        Some((_, Ok(scenario))) => {
            let (id, title) = (&scenario.metadata.id, &scenario.metadata.title);
            let state = State::of(&progress, id).word();
            let labs = path::labs(Some(CORE))?;
            let passed = labs
                .iter()
                .filter(|lab| progress.has_passed(&lab.id))
                .count();
            page.row(&[(Tone::Strong, format!("{id}: {title}"))]);
            let built = labs.len();
            let path = format!("{state}; of the core path {passed} of {built} built passed");
            page.row(&[(Tone::Plain, path)]);
            Ahead::find(workspace, &scenario)?.tell(page, place);
        }
    }
    Ok(())
}

/// For who is here for the first time.
fn first(page: &mut Page<'_>, place: &Place) {
    page.wrapped(
        Tone::Plain,
        "",
        "A lab attacks a small cluster across a cut network. You see who got in, close it, and \
         learn what closing it costs.",
    );
    let Some(lab) = catalog::find("stale-acl").or_else(|| catalog::all().first()) else {
        return;
    };
    page.blank();
    page.row(&[(Tone::Plain, "Begin here; you guess before you look:")]);
    page.command(&place.invocation.command(&["lab", "start", lab.id]));
    let spoils = "Or watch one without a guess, how it ends and all:";
    page.row(&[(Tone::Plain, spoils)]);
    page.command(&place.invocation.command(&["demo", lab.id]));
}

/// Which workspace it is, and why that one.
fn kept(place: &Place, workspace: &Workspace) -> String {
    let root = workspace.root();
    let is_in = |folder: &Option<std::path::PathBuf>| {
        folder
            .as_ref()
            .is_some_and(|folder| folder.join(FOLDER) == root)
    };
    let why = if is_in(&place.folder) {
        "found here".to_owned()
    } else if is_in(&place.data) && !root.is_dir() {
        format!("your data folder; make a {FOLDER} folder to keep it here")
    } else if place
        .folder
        .as_ref()
        .is_some_and(|here| root.parent().is_some_and(|it| here.starts_with(it)))
    {
        "found above".to_owned()
    } else {
        format!("your data folder; make a {FOLDER} folder to keep it here")
    };
    format!("Kept in {} ({why})", place.shown(root))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::next::Invocation;
    use super::*;

    fn place(folder: Option<&Path>, data: Option<&Path>) -> Place {
        Place {
            folder: folder.map(Into::into),
            data: data.map(Into::into),
            invocation: Invocation::find(Some("schism".into()), |_| None, None::<&Path>),
        }
    }

    fn shown(place: &Place) -> String {
        let text = page(place, &Style::default()).unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        assert!(text.lines().count() < 24, "{text}");
        text
    }

    #[test]
    fn it_says_what_to_type_first_and_where_things_are_kept() {
        let text = shown(&place(None, Some(Path::new("/data"))));
        let at = |command: &str| text.find(command).unwrap();
        let (start, demo) = (
            at("\n  schism lab start stale-acl\n"),
            at("\n  schism demo stale-acl\n"),
        );
        assert!(start < demo, "the guess comes before what gives it away");
        assert!(text.contains("/data/.schism (your data folder;"), "{text}");
        assert!(shown(&place(None, None)).contains("Nothing can be kept: "));
    }

    #[test]
    fn it_says_which_folder_is_used_and_why() {
        let temp = tempfile::tempdir().unwrap();
        let deep = temp.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let data = temp.path().join("data");
        let said = |folder: &Path| shown(&place(Some(folder), Some(&data)));
        assert!(said(&deep).contains("(your data folder;"));
        fs::create_dir(temp.path().join(FOLDER)).unwrap();
        assert!(said(&deep).contains("(found above)"));
        assert!(said(temp.path()).contains("Kept in .schism (found here)"));
    }

    #[test]
    fn it_leads_on_where_the_learner_stopped() {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join(FOLDER)).unwrap();
        let here = place(Some(temp.path()), None);
        let workspace = here.workspace().unwrap();
        Progress::set_last(&workspace, "stale-acl").unwrap();
        let text = shown(&here);
        assert!(text.contains("stale-acl: Revoked") && text.contains("schism lab start\n"));
        Progress::set_last(&workspace, "/no/such/lab").unwrap();
        assert!(shown(&here).contains("`/no/such/lab`, is not to be had"));
    }

    #[test]
    fn every_command_that_it_names_is_one() {
        use clap::CommandFactory as _;
        let all = super::super::Words::command();
        for (command, _) in COMMANDS {
            let mut words = command
                .split(' ')
                .filter(|word| word.chars().all(|c| c.is_lowercase()));
            let found = words.try_fold(&all, |at, word| at.find_subcommand(word));
            assert!(found.is_some(), "{command}");
        }
    }
}
