//! The target's commands: `start`, `stop`, `reload` and `deliver`, as lists of arguments.
//!
//! No shell reads them. It refuses to start a target where something answers already, and to end
//! a process of which it cannot tell that the drill started it. Invariants: what is started ends
//! when the drill does, on every way out, and with all that it started on Unix; of what a command
//! says, no more than the end is kept. What `reload` leaves in the background has the drill's
//! pipes: once the drill is gone, writing there fails, so it should write elsewhere.

mod flaw;
mod tail;

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::dial::dial;
use super::file::{Address, Target};
use tail::Tail;

pub use flaw::ProcessError;

#[cfg(not(unix))]
#[path = "group_elsewhere.rs"]
mod group;
#[cfg(unix)]
#[path = "group_unix.rs"]
mod group;

/// Set for every command, so that a script can tell.
pub const VARIABLE: &str = "SCHISM_DRILL";
/// How long what was told to end may take.
const GRACE: Duration = Duration::from_secs(5);
/// How often something is looked at again.
const STEP: Duration = Duration::from_millis(50);

/// Who was started: enough to know it again after the drill itself was killed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The process.
    pub pid: u32,
    /// The boot and the moment in which it began, where the system tells: a number alone may be
    /// somebody else's by now.
    pub born: Option<String>,
    /// The program, for people.
    pub program: String,
}

/// What became of a process that an interrupted drill had left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// It was running, and was ended.
    Ended,
    /// It runs no more.
    Gone,
    /// Nobody can tell whether the number is still its.
    Unsure,
}

impl Mark {
    fn of(pid: u32, program: &str) -> Self {
        Self {
            pid,
            born: group::born(pid),
            program: program.to_owned(),
        }
    }

    /// Of what is about to be started, and has no number yet.
    pub fn about_to(argv: &[String]) -> Self {
        Self {
            pid: 0,
            born: None,
            program: argv.first().cloned().unwrap_or_default(),
        }
    }

    /// Whether the number may be somebody else's by now.
    fn is_strangers(&self) -> bool {
        group::born(self.pid).is_some_and(|born| Some(born) != self.born)
    }

    /// Ends what an interrupted drill had started, if it is certain that it is that.
    pub async fn end(&self) -> Left {
        if self.born.is_none() {
            return Left::Unsure;
        }
        let runs = || group::born(self.pid) == self.born;
        let ran = runs();
        if ran {
            group::end(self.pid);
            let ended = timeout(GRACE, async {
                while runs() {
                    sleep(STEP).await;
                }
            });
            // If it is still there, it is killed below.
            let _ = ended.await;
        }
        // Whoever it started and left is in its group, also when it is gone itself: as long as one
        // is left, the system gives its number to nobody else. Another boot has other groups.
        if self.is_of_this_boot() && !self.is_strangers() {
            group::kill(self.pid);
        }
        if ran { Left::Ended } else { Left::Gone }
    }

    fn is_of_this_boot(&self) -> bool {
        let boot = self.born.as_ref().and_then(|it| it.split(' ').next());
        boot.is_some() && boot == group::boot().as_deref()
    }
}

/// A command that has not ended: dropped, as by an interrupt, it ends with all that it started.
struct Unfinished(Option<Mark>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(mark) = self.0.take().filter(|mark| !mark.is_strangers()) {
            group::kill(mark.pid);
        }
    }
}

/// Runs a command to its end.
///
/// # Errors
/// When it cannot be run, fails, or takes longer than `patience`; then it is ended.
pub async fn run(
    what: &'static str,
    argv: &[String],
    folder: &Path,
    patience: Duration,
) -> Result<(), ProcessError> {
    let (mut child, tail, program) = spawn(what, argv, folder)?;
    let mut unfinished = Unfinished(child.id().map(|pid| Mark::of(pid, &program)));
    let status = match timeout(patience, child.wait()).await {
        Ok(Ok(status)) => {
            // What it left in the background is meant to stay.
            unfinished.0 = None;
            status
        }
        Ok(Err(why)) => return Err(ProcessError::NotRun { what, program, why }),
        Err(_) => {
            let said = tail.said();
            let after = patience;
            return Err(ProcessError::Endless {
                what,
                program,
                after,
                said,
            });
        }
    };
    if status.success() {
        return Ok(());
    }
    // What it said last may still be on its way here.
    sleep(STEP).await;
    let said = tail.said();
    Err(ProcessError::Failed {
        what,
        program,
        status,
        said,
    })
}

fn spawn(
    what: &'static str,
    argv: &[String],
    folder: &Path,
) -> Result<(Child, Tail, String), ProcessError> {
    let named = argv.first().cloned().unwrap_or_default();
    // A path starts from the folder on every system; a bare name is looked for in PATH.
    let program = match Path::new(&named).components().count() {
        0 | 1 if !named.starts_with('.') => named.clone().into(),
        _ => folder.join(&named),
    };
    let mut command = Command::new(program);
    command.args(argv.get(1..).unwrap_or_default());
    command
        .current_dir(folder)
        .env(VARIABLE, "1")
        .kill_on_drop(true);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    group::own(&mut command);
    let child = command.spawn();
    let mut child = child.map_err(|why| ProcessError::NotRun {
        what,
        program: named.clone(),
        why,
    })?;
    let tail = Tail::default();
    tail.listen(child.stdout.take());
    tail.listen(child.stderr.take());
    Ok((child, tail, named))
}

/// A target that the drill started.
#[derive(Debug)]
pub struct Running {
    child: Child,
    mark: Mark,
    tail: Tail,
    stop: Option<Vec<String>>,
    address: Address,
    folder: std::path::PathBuf,
    is_stopped: bool,
}

impl Running {
    /// Runs the target's `start`; it may not be up yet. Nothing if it has none.
    ///
    /// # Errors
    /// When something answers at its address already, or the program cannot be run.
    pub async fn begin(target: &Target, folder: &Path) -> Result<Option<Self>, ProcessError> {
        if target.start.is_some() && answers(&target.address).await {
            return Err(ProcessError::Taken(target.address.to_string()));
        }
        Self::launch(target, folder)
    }

    /// The same for somebody who has looked whether anything answers.
    ///
    /// # Errors
    /// When the program cannot be run.
    pub fn launch(target: &Target, folder: &Path) -> Result<Option<Self>, ProcessError> {
        let Some(argv) = &target.start else {
            return Ok(None);
        };
        let (child, tail, program) = spawn("start", argv, folder)?;
        Ok(Some(Self {
            mark: Mark::of(child.id().unwrap_or_default(), &program),
            child,
            tail,
            stop: target.stop.clone(),
            address: target.address.clone(),
            folder: folder.to_owned(),
            is_stopped: false,
        }))
    }

    /// Who runs.
    pub const fn mark(&self) -> &Mark {
        &self.mark
    }

    /// The end of what it has said so far.
    pub fn said(&self) -> String {
        self.tail.said()
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until the target answers at its address.
    ///
    /// # Errors
    /// When it ends or stays silent for `patience`.
    pub async fn up(&mut self, address: &Address, patience: Duration) -> Result<(), ProcessError> {
        let program = self.mark.program.clone();
        let up = async {
            loop {
                let ended = self.ended();
                if let Some(status) = ended.filter(|status| !status.success()) {
                    sleep(STEP).await;
                    let (what, said, program) = ("start", self.said(), program.clone());
                    return Err(ProcessError::Failed {
                        what,
                        program,
                        status,
                        said,
                    });
                }
                if ended.is_some() && self.stop.is_none() {
                    return Err(ProcessError::Background(program.clone()));
                }
                if answers(address).await {
                    return Ok(());
                }
                sleep(STEP).await;
            }
        };
        match timeout(patience, up).await {
            Ok(said) => said,
            Err(_) => Err(ProcessError::Silent {
                program,
                address: address.to_string(),
                after: patience,
                said: self.said(),
            }),
        }
    }

    /// Stops it as the file says, and in any case.
    ///
    /// # Errors
    /// When `stop` fails; what the drill can end is ended even so.
    pub async fn stop(&mut self) -> Result<(), ProcessError> {
        let asked = match &self.stop {
            Some(argv) => run("stop", argv, &self.folder, GRACE * 2).await,
            None => {
                self.signal(group::end);
                if cfg!(not(unix)) {
                    // Nobody can be told to end there.
                    let _ = self.child.start_kill();
                }
                Ok(())
            }
        };
        let ended = timeout(GRACE, self.child.wait()).await;
        // Whoever it started and left is in its group.
        self.signal(group::kill);
        if ended.is_err() {
            // Where there are groups, it has just been killed already.
            let _ = self.child.kill().await;
        }
        self.is_stopped = true;
        if self.stop.is_some() {
            // `stop` may have said no more than that it should end.
            let gone = timeout(GRACE, async {
                while answers(&self.address).await {
                    sleep(STEP).await;
                }
            });
            // If somebody is still there, whoever starts it again will say so.
            let _ = gone.await;
        }
        asked
    }

    fn signal(&self, how: fn(u32)) {
        if self.mark.pid != 0 && !self.mark.is_strangers() {
            how(self.mark.pid);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_stopped {
            self.signal(group::kill);
        }
    }
}

/// Whether anything takes a connection there.
pub async fn answers(address: &Address) -> bool {
    let address = address.to_string();
    let connected = dial(&address);
    matches!(timeout(Duration::from_secs(1), connected).await, Ok(Ok(_)))
}

#[cfg(test)]
#[cfg(unix)]
#[path = "tests_unix.rs"]
mod tests;
