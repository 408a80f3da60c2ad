//! What every connection of a planted service shares: its settings and what it holds now.
//!
//! Files are looked at by their content, and a change is taken up only when two looks agree, so
//! that a file in the middle of being written is not. Keys at an address are fetched once a
//! second, and at most once a second more for ids that nobody knows.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::sleep;

use super::Settings;
use super::fault::{Fault, Faults};
use super::fetch;
use super::token::{Jwks, Shown};
use super::world::{Bytes, World};
use crate::drill::clock;

/// How far apart two looks at the files are.
pub const LOOK: Duration = Duration::from_millis(50);

/// How far apart two fetches of a key set are, and two for ids that nobody knows.
const FETCH: Duration = Duration::from_secs(1);

/// For how long a service that starts again is away.
const AWAY: Duration = Duration::from_millis(700);

/// What connections share.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) faults: Faults,
    pub(super) settings: Settings,
    /// Rises when every connection is to be cut.
    pub(super) cuts: watch::Sender<u64>,
    world: RwLock<Arc<World>>,
    taken: Mutex<Bytes>,
    shown: Mutex<Shown>,
    away_until: Mutex<Option<Instant>>,
    refetched: tokio::sync::Mutex<Option<Instant>>,
}

impl Desk {
    /// Reads the files for the first time.
    pub(super) fn new(faults: Faults, settings: Settings) -> Self {
        let desk = Self {
            faults,
            settings,
            cuts: watch::Sender::new(0),
            world: RwLock::default(),
            taken: Mutex::default(),
            shown: Mutex::default(),
            away_until: Mutex::default(),
            refetched: tokio::sync::Mutex::default(),
        };
        desk.take(&desk.look());
        desk
    }

    /// What the service holds now.
    pub(super) fn world(&self) -> Arc<World> {
        self.world
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whether the service is away, starting again.
    pub(super) fn is_away(&self) -> bool {
        let until = *self
            .away_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| clock::instant() < until)
    }

    /// Notes which leaf a caller showed, and says which it ever did; empty but for one bad twin.
    pub(super) fn showed(&self, caller: &super::caller::Caller) -> Shown {
        if !self.faults.has(Fault::TokenAfterRotation) {
            return Shown::new();
        }
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        shown
            .entry(caller.name.clone())
            .or_default()
            .insert(caller.leaf.clone());
        shown.clone()
    }

    /// Whether the files say what was taken up last.
    pub(super) fn is_up_to_date(&self) -> bool {
        *self.taken.lock().unwrap_or_else(PoisonError::into_inner) == self.look()
    }

    fn look(&self) -> Bytes {
        let read = |path: &PathBuf| fs::read(path).ok();
        let files = &self.settings.files;
        let rules = self.settings.token.as_ref();
        Bytes {
            key: read(&files.key),
            chain: read(&files.chain),
            trust: read(&files.trust),
            crl: files.crl.as_ref().and_then(read),
            jwks: rules.and_then(|rules| match &rules.jwks {
                Jwks::File(path) => read(path),
                Jwks::Url(_) => None,
            }),
        }
    }

    /// Whether every file that it is told of is there: before that it has not begun.
    fn is_whole(&self, look: &Bytes) -> bool {
        let settings = &self.settings;
        let rules = settings.token.as_ref();
        let reads_keys = rules.is_some_and(|rules| matches!(rules.jwks, Jwks::File(_)));
        look.key.is_some()
            && look.chain.is_some()
            && look.trust.is_some()
            && (look.crl.is_some() || settings.files.crl.is_none())
            && (look.jwks.is_some() || !reads_keys)
    }

    fn take(&self, look: &Bytes) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = *taken == Bytes::default();
        if *taken == *look || (is_new && !self.is_whole(look)) {
            return;
        }
        let mut world = World::clone(&self.world());
        let changes = world.leaf_changes;
        world.take(self.faults, &taken, look, clock::unix_seconds());
        let starts_again = changes > 0 && world.leaf_changes > changes;
        *taken = look.clone();
        self.put(world);
        if starts_again && self.faults.has(Fault::LeafSwapUnderLoad) {
            let until = clock::instant() + AWAY;
            *self
                .away_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner) = Some(until);
            self.cuts.send_modify(|cuts| *cuts += 1);
        }
    }

    fn put(&self, world: World) {
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
    }

    /// Looks at the files for ever.
    pub(super) async fn watch_files(self: Arc<Self>) {
        let mut last = self.look();
        loop {
            sleep(LOOK).await;
            let look = self.look();
            if look == last {
                self.take(&look);
            }
            last = look;
        }
    }

    /// Fetches the key set for ever, if it is at an address.
    pub(super) async fn watch_keys(self: Arc<Self>) {
        let Some(Jwks::Url(url)) = self.settings.token.as_ref().map(|rules| &rules.jwks) else {
            return;
        };
        let mut last = Vec::new();
        loop {
            if let Ok(text) = fetch::get(url).await
                && text != last
            {
                self.take_keys(&text);
                last = text;
                if self.faults.has(Fault::JwksNewKey) {
                    return;
                }
            }
            sleep(FETCH).await;
        }
    }

    /// Looks at the key set again for an id that nobody knows, if that is due.
    pub(super) async fn refetch(&self, kid: Option<&str>) {
        let Some(rules) = &self.settings.token else {
            return;
        };
        let mut last = self.refetched.lock().await;
        if self.faults.has(Fault::JwksNewKey) || self.world().keys.knows(kid) {
            return;
        }
        let due = last.is_none_or(|last| clock::instant().duration_since(last) >= FETCH);
        if !due && !self.faults.has(Fault::JwksUnknownKid) {
            return;
        }
        *last = Some(clock::instant());
        let text = match &rules.jwks {
            Jwks::File(path) => fs::read(path).ok(),
            Jwks::Url(url) => fetch::get(url).await.ok(),
        };
        if let Some(text) = text {
            self.take_keys(&text);
        }
    }

    fn take_keys(&self, text: &[u8]) {
        // The same lock as for files: two writers must not undo each other.
        let _taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let mut world = World::clone(&self.world());
        world.take_keys(self.faults, text);
        self.put(world);
    }
}
