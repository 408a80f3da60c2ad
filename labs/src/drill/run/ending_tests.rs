//! How a run ends: what is put back then, and what is said of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::sleep;

use super::controls_tests::{SETTING, drilled};
use super::wished_tests::{settings, started};
use super::{Event, Options, RunError, Unwatched, Watcher, run, run_kept};
use crate::drill::exhibit::Exhibit;
use crate::drill::file::DrillFile;
use crate::drill::planted::Fault;

/// A target that runs already, somewhere where nobody answers, and whose key is there.
fn running(folder: &Path, reload: &str, files: &str) -> DrillFile {
    for (name, text) in [("key", "my key"), ("chain", "my chain"), ("trust", "mine")] {
        fs::write(folder.join(name), text).unwrap();
    }
    let text = format!(
        "format = 1\n[target]\naddress = \"127.0.0.1:1\"\nsettle = \"1s\"\n\
         reload = [\"sh\", \"-c\", \"{reload}\"]\n[files]\nkey = \"key\"\nchain = \"chain\"\n\
         trust = \"trust\"\n{files}\n[caller]\ndns = \"d\"\n[calls]\n\
         allowed = {{ http = \"GET /\" }}\n"
    );
    DrillFile::parse("drill.toml", &text, folder).unwrap()
}

fn options() -> Options {
    Options {
        cases: vec!["not-yet-valid-caller".to_owned()],
        replace: true,
        ..Options::default()
    }
}

/// Ends a run when something is there.
struct WhenThere(PathBuf);

impl Watcher for WhenThere {
    fn tell(&mut self, _: &Event<'_>) {}

    fn interrupted<'w>(&'w mut self) -> Pin<Box<dyn Future<Output = ()> + Send + 'w>> {
        Box::pin(async {
            while !self.0.exists() {
                sleep(Duration::from_millis(20)).await;
            }
        })
    }
}

#[tokio::test]
async fn an_interrupt_before_the_first_case_puts_back_and_tells_the_target() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let reload = "if [ -e once ]; then cp key told; else touch once; sleep 300; fi";
    let drill = running(at, reload, "");
    let report = run(&drill, &options(), &mut WhenThere(at.join("once"))).await;
    let report = report.unwrap();
    assert!(report.notes[0].contains("interrupted"), "{report:?}");
    assert_eq!(fs::read_to_string(at.join("key")).unwrap(), "my key");
    assert_eq!(fs::read_to_string(at.join("told")).unwrap(), "my key");
}

#[tokio::test]
async fn a_run_that_cannot_begin_and_cannot_be_undone_says_both() {
    let folder = TempDir::new().unwrap();
    let drill = running(folder.path(), "echo not today; false", "");
    let why = run(&drill, &options(), &mut Unwatched).await.unwrap_err();
    assert!(matches!(why, RunError::NotRestored { .. }), "{why}");
    assert!(why.to_string().contains("--without-commands"), "{why}");
    let told = &why.report().unwrap().notes;
    assert!(
        told.iter()
            .any(|note| note.starts_with("before that, the run broke off: `reload`")),
        "{told:?}"
    );
    let key = fs::read_to_string(folder.path().join("key")).unwrap();
    assert_eq!(key, "my key");
}

#[tokio::test]
async fn whoever_takes_files_elsewhere_is_asked_whether_that_is_meant() {
    let folder = TempDir::new().unwrap();
    let drill = running(folder.path(), "true", "deliver = [\"touch\", \"gone\"]");
    let why = run(&drill, &options(), &mut Unwatched).await.unwrap_err();
    assert!(matches!(why, RunError::Delivers(_)), "{why}");
    assert!(!folder.path().join("gone").exists());
}

/// Renews the target's key just before everything is put back.
struct Renewing(PathBuf);

impl Watcher for Renewing {
    fn tell(&mut self, event: &Event<'_>) {
        if matches!(event, Event::Closes) {
            fs::write(&self.0, "renewed").unwrap();
        }
    }
}

#[tokio::test]
async fn what_somebody_else_wrote_meanwhile_is_in_the_report() {
    let folder = TempDir::new().unwrap();
    let drill = running(folder.path(), "true", "");
    let mut renewing = Renewing(drill.files.key.path.clone());
    let report = run_kept(&drill, &options(), None, &mut renewing)
        .await
        .unwrap();
    let warning = report
        .notes
        .iter()
        .find(|note| note.starts_with("WARNING: somebody else wrote"));
    let kept = warning.unwrap_or_else(|| panic!("{report:?}"));
    let kept = kept.rsplit('`').nth(1).unwrap();
    assert_eq!(fs::read_to_string(kept).unwrap(), "renewed");
}

#[tokio::test]
async fn a_target_that_goes_on_with_a_leaf_of_the_drill_s_is_told_of() {
    let exhibit = Exhibit::set_up(Fault::None, SETTING).unwrap();
    let drill = exhibit.drill();
    let address = drill.target.address.to_string().parse().unwrap();
    // Its files were not there before, and nobody starts it again.
    let service = started(Fault::None, &settings(drill), address).await;
    let report = drilled(drill, &["not-yet-valid-caller"], None).await;
    drop(service);
    let warned = |note: &String| note.starts_with("WARNING: the target still serves");
    assert!(report.notes.iter().any(warned), "{report:?}");
}
