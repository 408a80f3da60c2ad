//! The stage: all that a case may do to a target and see of it, and the controls around it.
//!
//! One stage lasts for a whole run: it takes the files, starts the target, and gives everything
//! back. A case never touches a file or a socket by itself. Invariants: what was not as it should
//! be before a case looked is an [`Obstacle`], never a fail of the target's; every leaf that was
//! written is remembered, so that a stranger's certificate is told from an old one of ours.

mod beside;
mod cast;
mod controls;
mod hands;
mod judge;
#[cfg(test)]
mod judge_tests;
mod life;
mod loading;
mod looks;
mod obstacle;
mod opening;
mod paths;
mod played;
mod shown;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::authority::Leaf;
use super::eyes::{Call, Door};
use super::file::DrillFile;
use super::place::Place;
use super::process::Running;
use super::upstream::Upstream;

pub use cast::{Caller, Cast, Signer};
pub use hands::{Arrival, Put};
pub use loading::Loading;
pub use looks::{Met, Until};
pub use obstacle::{Obstacle, StageError};
pub use opening::LEFT;
pub use paths::{Paths, Sight, Watching};
pub use tokens::Tokens;

use life::Life;

/// Who starts a target again that the drill did not start by a command: one in this process.
pub trait Keeper: Send + Sync {
    /// Ends it and starts it anew; when this returns it has read its files.
    fn restart<'k>(&'k mut self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'k>>;
}

/// How the stage looks at things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// How far apart the samples of a watch are.
    pub step: Duration,
    /// How long a refused caller is looked at further.
    pub calm: Duration,
    /// No watch lasts longer than this.
    pub longest: Duration,
    /// Every watch lasts so long, unless the caller is refused before; else as long as it needs.
    pub watch: Option<Duration>,
    /// Whether the drill plays what the target calls, so that there is no door to knock at.
    pub as_client: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            step: Duration::from_millis(250),
            calm: Duration::from_millis(1_500),
            longest: Duration::from_secs(600),
            watch: None,
            as_client: false,
        }
    }
}

impl Manner {
    /// For how long a path is watched that may be open for so long: a little longer, so that it
    /// can be told, unless somebody said how long.
    pub(super) fn limit(&self, allowed: Duration) -> Duration {
        let slack = self.step * 2 + Duration::from_millis(500);
        let needed = (allowed + slack).min(self.longest);
        self.watch.unwrap_or(needed)
    }
}

/// All that a case may do and see.
pub struct Stage {
    drill: DrillFile,
    manner: Manner,
    place: Place,
    running: Option<Running>,
    life: Life,
    keeper: Option<Box<dyn Keeper>>,
    cast: Cast,
    door: Door,
    call: Call,
    stream: Option<Call>,
    /// Whether the calls have the messages that the file asks for.
    is_made_out: bool,
    tokens: Option<Tokens>,
    /// What the target calls, once a case has asked for it.
    upstream: Option<Arc<Upstream>>,
    /// The leaf that was written last.
    leaf: Option<Leaf>,
    /// The certificates of every leaf that was written.
    written: BTreeSet<Vec<u8>>,
    /// Whether the leaf that was written last never came to be served.
    is_stale: bool,
    /// The longest that a new leaf took to be served by a target that was running.
    slowest: Duration,
    /// Whether roots count only when the target was started again.
    roots_by_restart: bool,
    /// Number of the revocation list that was signed last.
    number: u64,
    /// Leaves that are taken back, by the name of who signed them.
    revoked: BTreeMap<Signer, Vec<Vec<u8>>>,
    notes: BTreeSet<String>,
}

impl Stage {
    /// The drill.toml.
    pub const fn drill(&self) -> &DrillFile {
        &self.drill
    }

    /// How it looks at things.
    pub const fn manner(&self) -> Manner {
        self.manner
    }

    /// The authorities: who signs what.
    pub const fn cast(&self) -> &Cast {
        &self.cast
    }

    /// Where the target is knocked at.
    pub const fn door(&self) -> &Door {
        &self.door
    }

    /// What a good caller may ask.
    pub const fn call(&self) -> &Call {
        &self.call
    }

    /// What is answered by a stream, if the target has one.
    pub const fn stream_call(&self) -> Option<&Call> {
        self.stream.as_ref()
    }

    /// The tokens, if the target wants any.
    pub const fn tokens(&self) -> Option<&Tokens> {
        self.tokens.as_ref()
    }

    /// The leaf that was written last.
    pub const fn leaf(&self) -> Option<&Leaf> {
        self.leaf.as_ref()
    }

    /// How long a change may take to reach the target.
    pub const fn settle(&self) -> Duration {
        self.drill.target.settle
    }

    /// How long a change takes to reach the target as far as was seen, doubled for safety, and
    /// never more than `settle`.
    pub fn delivery(&self) -> Duration {
        (self.slowest * 2 + Duration::from_millis(500)).min(self.settle())
    }

    /// Whether the target can be started again.
    pub const fn can_restart(&self) -> bool {
        self.keeper.is_some() || self.drill.target.start.is_some()
    }

    /// Tells the reader of the report something besides.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.insert(note.into());
    }

    /// What was told so.
    pub const fn notes(&self) -> &BTreeSet<String> {
        &self.notes
    }

    /// Waits until then.
    pub async fn until(&self, moment: Instant) {
        use super::sampling::{Pace as _, Real};
        Real.until(moment).await;
    }
}

impl std::fmt::Debug for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Stage({})", self.drill.target.address)
    }
}
