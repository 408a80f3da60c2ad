//! `schism lab watch`: the check at each save, on three seeds, until Ctrl-C.
//!
//! Three seeds are luck three times, so every answer calls itself provisional and none is
//! recorded. A file that does not hold is one line, and watching goes on. A save during a check
//! ends it: what is answered is always what lies on the desk.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, SystemTime};

use super::super::interrupt::Interrupt;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use super::check::{cores, tried};
use super::entered::Entered;
use ca::clock::{Clock as _, SystemClock};

use crate::course::answer::Answer;
use crate::course::desk::Desk;
use crate::invariant::Verdict;
use crate::report::text::Style;
use crate::run::RunError;

/// The seeds of a provisional check.
const SEEDS: [u64; 3] = [1, 2, 3];

/// How often the desk is looked at.
const PAUSE: Duration = Duration::from_millis(100);

/// Check your settings again at each save, on three seeds, until Ctrl-C
///
/// Its answers are provisional: `lab check` decides. Ctrl-C ends it with status 130.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// Only ASCII
    #[arg(long)]
    ascii: bool,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let lab = super::chosen(words.lab.as_deref(), place, &workspace)?;
    let interrupt = Interrupt::listen()?;
    // A desk that is not there is no file to be mended: it ends the watching before it began.
    let desk = match Entered::of(lab.clone(), place, &workspace) {
        Ok(entered) => entered.desk,
        Err(why) => {
            let id = lab.parsed()?.metadata.id;
            let desk = Desk::of(&workspace, &id);
            if !desk.is_laid() {
                return Err(why);
            }
            desk
        }
    };
    printer.note(&format!(
        "watching {}; Ctrl-C ends it",
        place.shown(desk.folder())
    ));
    let style = Style {
        ascii: words.ascii,
        ..printer.style()
    };
    let mut before = None;
    while !interrupt.heard() {
        let now = seen(&desk);
        if before.as_ref() == Some(&now) {
            thread::sleep(PAUSE);
            continue;
        }
        before = Some(now.clone());
        let said = Entered::of(lab.clone(), place, &workspace).and_then(|entered| {
            entered.admit()?;
            let stop = || interrupt.heard() || seen(&desk) != now;
            Ok((tried(&entered, &SEEDS, cores(), printer, &stop), entered))
        });
        match said {
            Err(why) => printer.error(&why.to_string()),
            Ok((checked, entered)) => match checked.ended {
                None => {
                    let (entrant, places) = (entered.entrant(), entered.places());
                    let answer = Answer::of(&entered.scenario, &entrant, &places, &checked.trials);
                    printer.page(&provisional(&answer, &style, place))?;
                }
                Some(RunError::Interrupted) => {}
                Some(why) => printer.error(&why.to_string()),
            },
        }
    }
    printer.note("watching ended; nothing on the desk was changed");
    Err(Stop::Interrupted)
}

/// What is told of each file that a check reads: when it was last written, and how long it is.
type Seen = BTreeMap<PathBuf, Option<(SystemTime, u64)>>;

fn seen(desk: &Desk) -> Seen {
    let told = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok();
        let told = metadata.and_then(|it| Some((it.modified().ok()?, it.len())));
        (path, told)
    };
    // A check uses no attack of the learner's own.
    [desk.posture(), desk.policy()].map(told).into()
}

/// A short page: what it rests on, then the answer without what takes longer to find.
fn provisional(answer: &Answer, style: &Style, place: &Place) -> String {
    let check = place.invocation.command(&["lab", "check"]);
    let decides = match answer.verdict {
        Verdict::Kept => format!(
            "Provisional, on {} seeds; `{check}` decides.\n",
            SEEDS.len()
        ),
        Verdict::Broken | Verdict::Unknown => {
            format!("Provisional, on {} seeds:\n", SEEDS.len())
        }
    };
    format!("{}\n{decides}{}\n", rule(style), answer.page(style, &[]))
}

/// A line with the time of day: which answer is the last one is seen at a glance.
fn rule(style: &Style) -> String {
    let seconds = SystemClock.now().as_secs() % (24 * 60 * 60);
    let (hour, minute) = (seconds / 3_600, seconds / 60 % 60);
    let time = format!("{hour:02}:{minute:02}:{:02} UTC ", seconds % 60);
    let line = if style.ascii { "-" } else { "─" };
    let rest = style.width.clamp(72, 200) - time.len();
    time + &line.repeat(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::course::desk::DeskFiles;
    use crate::workspace::Workspace;

    #[test]
    fn a_save_a_removal_and_a_return_are_seen_and_a_look_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let workspace = Workspace::find(None, Some(temp.path().into())).unwrap();
        let desk = Desk::of(&workspace, "a-lab");
        let one = || "one".to_owned();
        desk.lay(&DeskFiles {
            posture: one(),
            policy: one(),
            attack: one(),
            readme: one(),
        })
        .unwrap();
        let before = seen(&desk);
        fs::read(desk.posture()).unwrap();
        assert_eq!(seen(&desk), before);
        fs::write(desk.readme(), "notes of my own").unwrap();
        assert_eq!(seen(&desk), before, "the README is only to be read");
        fs::write(desk.attack(), "longer").unwrap();
        assert_eq!(seen(&desk), before, "the own attack is not checked");
        fs::write(desk.policy(), "longer").unwrap();
        let saved = seen(&desk);
        assert_ne!(saved, before);
        fs::remove_file(desk.policy()).unwrap();
        assert_ne!(seen(&desk), saved);
    }
}
