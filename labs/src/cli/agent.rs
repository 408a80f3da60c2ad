//! `schism agent`: an identity for a service that knows nothing of us, as files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

use ca::agent::{Agent, AgentConfig, Published};
use ca::clock::{Clock, Time};
use ca::delivery::{CURRENT, Delivery};
use ca::identity::SpiffeId;
use ca::invitation::Invitation;
use ca::issue::WORKING_TOLERANCE;
use ca::renewal::Retry;
use ca::revocation::Revocation;
use ca::seams::Seams;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::sync::watch;

use super::Exit;
use super::authority::Addressee;
use super::daemon::{self, Warnings};
use super::lock::Lock;
use super::origin;
use super::printer::Printer;
use super::stop::Stop;

/// Where the invitation is kept, so that it need not be given again.
const INVITATION: &str = "agent/invitation";
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often it is looked whether a command has ended.
const LOOK: Duration = Duration::from_millis(50);
/// Until a failed delivery is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// Keep a service's identity fresh, as files: key, certificate, chain, roots, revocation lists
///
/// Each change is a whole new folder, to which `current` in the output folder then points. Ctrl-C
/// ends it; started again, it goes on with what it has, with the CA away or not.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// Where the CA listens
    #[arg(long, value_name = "HOST:PORT")]
    ca: Addressee,
    /// The invitation that `schism ca join` gave; needed the first time
    #[arg(long, value_name = "INVITATION", conflicts_with = "join_file")]
    join: Option<String>,
    /// A file that holds the invitation
    #[arg(long, value_name = "FILE")]
    join_file: Option<PathBuf>,
    /// The folder for the files
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// What to run after each change, with its arguments; the last option
    #[arg(long, value_name = "COMMAND", num_args = 1.., allow_hyphen_values = true)]
    on_change: Vec<String>,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    let state = words.out.join("state");
    let seams = Seams::real(&state);
    let invitation = invitation(words, &seams)?;
    fs::create_dir_all(&state).map_err(|error| Stop::file(&state, error))?;
    let Some(lock) = Lock::take(&state)? else {
        return Err(Stop::file(&words.out, "another agent works there"));
    };
    if words.join.is_some() || words.join_file.is_some() {
        let kept = seams
            .disk
            .replace(INVITATION, invitation.reveal().as_bytes());
        kept.map_err(|error| Stop::file(&state.join(INVITATION), error))?;
    }
    let domain = invitation.spiffe_id.trust_domain();
    let ca_id = SpiffeId::new(domain, ca::node::PATH);
    let config = AgentConfig {
        ca: words.ca.0.clone(),
        ca_id: ca_id.map_err(|error| Stop::Usage(error.to_string()))?,
        join_code: invitation.code.to_string(),
        bundle: invitation.bundle.clone(),
        tolerance: WORKING_TOLERANCE,
        revocation: Revocation::default(),
        retry: Retry::Window,
        swap: ca::agent::Swap::Whole,
        id: invitation.spiffe_id,
    };
    printer.note(&format!("{} at {}", config.id, words.ca.0));
    let warnings = Warnings::listen();
    let clock = Arc::clone(&seams.clock);
    let (agent, published) = Agent::new(seams, config, None);
    let mut hand = Hand {
        delivery: Delivery::to(&words.out),
        out: &words.out,
        on_change: &words.on_change,
        clock,
        printer,
    };
    daemon::runtime()?.block_on(async {
        tokio::select! {
            biased;
            () = daemon::interrupted() => {}
            () = agent.run() => {}
            () = hand.deliver(published, warnings) => {}
        }
    });
    drop(lock);
    Ok(Exit::Done)
}

/// The invitation that was given now, or the first time.
fn invitation(words: &Words, seams: &Seams) -> Result<Invitation, Stop> {
    let kept = words.out.join("state").join(INVITATION);
    let failed = |error: io::Error| Stop::file(&kept, error);
    let given = match (&words.join, &words.join_file) {
        (Some(text), _) => Some(text.clone()),
        (None, Some(file)) => {
            let most = ca::invitation::MAX_INVITATION;
            Some(origin::read(file, most)?.text)
        }
        (None, None) => None,
    };
    if let Some(text) = given {
        let invitation = Invitation::parse(&text);
        return invitation.map_err(|error| Stop::Usage(error.to_string()));
    }
    let text = seams.disk.read(INVITATION).map_err(failed)?;
    let text = text.ok_or_else(|| {
        let said = "an invitation is needed the first time: `schism ca join` gives one";
        Stop::Usage(said.to_owned())
    })?;
    Invitation::parse(&String::from_utf8_lossy(&text)).map_err(|error| Stop::file(&kept, error))
}

/// A time as people read it.
fn clock_time(time: Time) -> String {
    let secs = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let at = OffsetDateTime::from_unix_timestamp(secs).ok();
    let text = at.and_then(|at| at.format(&Rfc3339).ok());
    text.unwrap_or_else(|| time.to_string())
}

/// Delivers, says so, and runs what is to be run.
struct Hand<'a> {
    delivery: Delivery,
    out: &'a Path,
    on_change: &'a [String],
    clock: Arc<dyn Clock>,
    printer: &'a mut Printer,
}

impl Hand<'_> {
    async fn deliver(
        &mut self,
        mut published: watch::Receiver<Option<Arc<Published>>>,
        mut warnings: Warnings,
    ) {
        loop {
            tokio::select! {
                biased;
                warning = warnings.next() => {
                    self.printer.note(&warning);
                    continue;
                }
                changed = published.changed() => if changed.is_err() {
                    return;
                },
            }
            let Some(now) = published.borrow_and_update().clone() else {
                continue;
            };
            match self.delivery.deliver(&now) {
                Ok(folder) => self.told(&folder, &now).await,
                Err(error) => {
                    let out = self.out.display();
                    self.printer
                        .error(&format!("`{out}`: not delivered: {error}"));
                    published.mark_changed();
                    self.clock.sleep(AGAIN).await;
                }
            }
        }
    }

    async fn told(&mut self, folder: &Path, now: &Published) {
        let until = now.credential.facts.not_after;
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let current = self.out.join(CURRENT);
        self.printer.note(&format!(
            "{name} in {}, leaf until {}",
            current.display(),
            clock_time(until)
        ));
        let Some((command, arguments)) = self.on_change.split_first() else {
            return;
        };
        let spawned = Command::new(command).args(arguments).spawn();
        let ended = match spawned {
            Ok(child) => self.wait(child).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(status) if status.success() => {}
            Ok(status) => self.printer.error(&format!("`{command}`: {status}")),
            Err(error) => self.printer.error(&format!("`{command}`: {error}")),
        }
    }

    async fn wait(&self, mut child: Child) -> io::Result<ExitStatus> {
        let ended = async {
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                self.clock.sleep(LOOK).await;
            }
        };
        // Not by the node's clock, which may be set.
        if let Ok(ended) = tokio::time::timeout(PATIENCE, ended).await {
            return ended;
        }
        child.kill()?;
        child.wait()?;
        let secs = PATIENCE.as_secs();
        Err(io::Error::other(format!("it was ended after {secs} s")))
    }
}
