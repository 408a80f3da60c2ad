//! The target's commands: `start`, `stop`, `reload` and `deliver`, as lists of arguments.
//!
//! No shell reads them. It refuses to start a target where something answers already, and to end
//! a process of which it cannot tell that the drill started it. Invariants: what is started ends
//! when the drill does, on every way out, and with all that it started on Unix; of what a command
//! says, no more than the end is kept.

use std::collections::VecDeque;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

use super::file::{Address, Target};

#[cfg(not(unix))]
#[path = "process_elsewhere.rs"]
mod group;
#[cfg(unix)]
#[path = "process_unix.rs"]
mod group;

/// Set for every command, so that a script can tell.
pub const VARIABLE: &str = "SCHISM_DRILL";
/// How much of what a command says is kept, in bytes.
const TAIL: usize = 4096;
/// How long what was told to end may take.
const GRACE: Duration = Duration::from_secs(5);
/// How often something is looked at again.
const STEP: Duration = Duration::from_millis(50);

/// Why a command was of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// There is no such program, or it may not be run.
    #[error("`{what}` could not run `{program}`: {why}; paths start from the drill.toml's folder")]
    NotRun {
        /// Which command.
        what: &'static str,
        /// The program.
        program: String,
        /// What the system said.
        why: std::io::Error,
    },
    /// It said that it failed.
    #[error("`{what}` ran `{program}`, which ended with {status}; it said: {said}")]
    Failed {
        /// Which command.
        what: &'static str,
        /// The program.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it said.
        said: String,
    },
    /// It went on for too long.
    #[error("`{what}` ran `{program}`, which had not ended after {after:?}; it said: {said}")]
    Endless {
        /// Which command.
        what: &'static str,
        /// The program.
        program: String,
        /// How long it was given.
        after: Duration,
        /// The end of what it said.
        said: String,
    },
    /// Somebody is there before the target is started.
    #[error("something answers at {0} already; stop it, or leave `start` out to drill it as it is")]
    Taken(String),
    /// The target runs and cannot be reached.
    #[error(
        "`start` ran `{program}`, and nothing answers at {address} after {after:?}; it said: {said}"
    )]
    Silent {
        /// The program.
        program: String,
        /// Where it should answer.
        address: String,
        /// How long it was given.
        after: Duration,
        /// The end of what it said.
        said: String,
    },
    /// It went to the background, where the drill cannot end it.
    #[error(
        "`start` ran `{0}`, which ended at once with success: if it went to the background, write \
         `stop` as well, or start it in the foreground"
    )]
    Background(String),
}

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
        if !runs() {
            return Left::Gone;
        }
        group::end(self.pid);
        let ended = timeout(GRACE, async {
            while runs() {
                sleep(STEP).await;
            }
        });
        if ended.await.is_err() && runs() {
            group::kill(self.pid);
        }
        Left::Ended
    }
}

/// The end of what a command says.
#[derive(Clone, Debug, Default)]
struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// Listens until there is nothing more.
    fn listen(&self, said: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let (Some(mut said), tail) = (said, self.clone()) else {
            return;
        };
        tokio::spawn(async move {
            let mut some = [0; 1024];
            while let Ok(count @ 1..) = said.read(&mut some).await {
                let mut kept = tail.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&some[..count]);
                let over = kept.len().saturating_sub(TAIL);
                kept.drain(..over);
            }
        });
    }

    /// The last lines of it, on one.
    fn said(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(kept.make_contiguous()).into_owned();
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect();
        if lines.is_empty() {
            return "nothing".to_owned();
        }
        let last = lines[lines.len().saturating_sub(6)..].join(" | ");
        last.escape_debug()
            .to_string()
            .replace("\\\"", "\"")
            .replace("\\'", "'")
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
    let mark = child.id().map(|pid| Mark::of(pid, &program));
    let status = match timeout(patience, child.wait()).await {
        Ok(Ok(status)) => status,
        Ok(Err(why)) => return Err(ProcessError::NotRun { what, program, why }),
        Err(_) => {
            if let Some(mark) = mark.filter(|mark| !mark.is_strangers()) {
                group::kill(mark.pid);
            }
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
    folder: std::path::PathBuf,
    is_stopped: bool,
}

impl Running {
    /// Runs the target's `start`; it may not be up yet. Nothing if it has none.
    ///
    /// # Errors
    /// When something answers at its address already, or the program cannot be run.
    pub async fn begin(target: &Target, folder: &Path) -> Result<Option<Self>, ProcessError> {
        let Some(argv) = &target.start else {
            return Ok(None);
        };
        if answers(&target.address).await {
            return Err(ProcessError::Taken(target.address.to_string()));
        }
        let (child, tail, program) = spawn("start", argv, folder)?;
        Ok(Some(Self {
            mark: Mark::of(child.id().unwrap_or_default(), &program),
            child,
            tail,
            stop: target.stop.clone(),
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
                Ok(())
            }
        };
        let ended = timeout(GRACE, self.child.wait()).await;
        // Whoever it started and left is in its group.
        self.signal(group::kill);
        if ended.is_err() {
            // It has just been killed.
            let _ = self.child.wait().await;
        }
        self.is_stopped = true;
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
    let connected = TcpStream::connect((address.host.as_str(), address.port));
    matches!(timeout(Duration::from_secs(1), connected).await, Ok(Ok(_)))
}

#[cfg(test)]
#[cfg(unix)]
#[path = "process_tests_unix.rs"]
mod tests;
