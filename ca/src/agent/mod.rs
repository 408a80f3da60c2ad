//! The workload's side: gets a first identity, renews it in time, follows what there is to believe,
//! and publishes what fits.
//!
//! A new key for each leaf. What the CA answers is verified as a peer would verify it before
//! anybody sees it, and the bearer is fetched over the new leaf before both are published as one.
//! When renewal fails the last good identity stays, and retries never run past its end: after it
//! there is the way back. An agent that starts again begins from what it persisted: its identity,
//! or what it had asked for.

mod ask;
mod back;
mod bearer;
mod early;
mod error;
mod follow;
mod met;
mod swap;

pub use bearer::{BEARER_RETRY, Bearer, BearerSource};
pub use met::{MAX_MET, Met};
pub use swap::{Swap, danger};

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::bundle::Bundle;
use crate::clock::Time;
use crate::credential::Credential;
use crate::identity::SpiffeId;
use crate::journal::Event;
use crate::net::Address;
use crate::renewal::{PAUSE, Renewal, Retry};
use crate::revocation::Revocation;
use crate::seams::Seams;
use crate::trusted::Trusted;

pub use self::error::AgentError;

use self::ask::Asked;
use self::back::Back;
use self::early::Early;

/// Where the last good credential is kept.
const FILE: &str = "agent/credential.json";
/// Where the last beliefs are kept.
const BELIEFS: &str = "agent/trusted.json";
/// Where the key that a join code was or will be used for is kept, behind the code's digest.
const ASKED: &str = "agent/asked";
/// Where the key that the way back was asked with is kept, behind the last leaf's digest.
const BACK: &str = "agent/back";
/// Where a credential of the name apart is kept.
const APART: &str = "agent/apart.json";
/// How long one attempt may take.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// No such time.
const NEVER: Time = Time::from_micros(u64::MAX);
/// How long an agent goes without a look at its clock.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How soon a lost word from the CA is asked for again; up to a quarter later, at random.
pub const FOLLOW_RETRY: Duration = Duration::from_secs(1);

/// One identity, whole: what dialers and doors use from the moment it is published.
#[derive(Clone)]
pub struct Published {
    /// Key and chain.
    pub credential: Credential,
    /// What this node believes about others. The same value is the same allocation.
    pub trusted: Arc<Trusted>,
    /// The token bound to the credential's leaf, where the node needs one.
    pub bearer: Option<Bearer>,
}

/// What an agent is told at its start.
#[derive(Clone)]
pub struct AgentConfig {
    /// Who this node is to be.
    pub id: SpiffeId,
    /// Where the CA listens.
    pub ca: Address,
    /// Who the CA is.
    pub ca_id: SpiffeId,
    /// The one-time secret for the first identity.
    pub join_code: String,
    /// The roots that came with the join code.
    pub bundle: Bundle,
    /// How far past a leaf's ends it still counts.
    pub tolerance: Duration,
    /// What this node makes of revocation; lists in it are those that came with the join code.
    pub revocation: Revocation,
    /// How a failed renewal is tried again.
    pub retry: Retry,
    /// How a renewed leaf comes into use.
    pub swap: Swap,
}

/// When what is to be done about one identity.
struct Plans {
    renewal: Renewal,
    bearer_due: Time,
    /// What rests on something tainted is renewed before its time.
    early: Early,
}

/// Gets, renews and publishes one node's identity.
pub struct Agent {
    seams: Seams,
    config: AgentConfig,
    bearers: Option<Arc<dyn BearerSource>>,
    /// What is believed; where there is an identity, it is published beside it.
    beliefs: Mutex<Arc<Trusted>>,
    /// Whether they are on disk.
    kept: Mutex<bool>,
    /// The newest credential, published or still without its bearer: the CA is followed under it.
    credential: watch::Sender<Option<Credential>>,
    publish: watch::Sender<Option<Arc<Published>>>,
    /// Rings when something else is believed.
    heard: Notify,
    /// What is to be told of those who were let in.
    met: Met,
}

impl Agent {
    /// An agent, and where it will publish. Nothing happens before [`Self::run`].
    pub fn new(
        seams: Seams,
        config: AgentConfig,
        bearers: Option<Arc<dyn BearerSource>>,
    ) -> (Self, watch::Receiver<Option<Arc<Published>>>) {
        let (publish, published) = watch::channel(None);
        let agent = Self {
            beliefs: Mutex::new(Arc::new(Trusted::of(config.bundle.clone()))),
            kept: Mutex::new(true),
            credential: watch::channel(None).0,
            seams,
            config,
            bearers,
            publish,
            heard: Notify::new(),
            met: Met::default(),
        };
        (agent, published)
    }

    /// Runs until the task is dropped.
    pub async fn run(self) {
        self.remember();
        tokio::join!(self.keep_identity(), self.follow());
    }

    /// Everything that is planned for an identity.
    fn plans(&self, held: &Published, now: Time) -> Plans {
        Plans {
            renewal: Renewal::plan(&held.credential.facts, self.config.retry, &*self.seams.rng),
            bearer_due: self.bearer_due(held, now),
            early: self.early(held, now),
        }
    }

    async fn keep_identity(&self) {
        let mut held = self.first().await;
        let mut back = Back::found(self, &held);
        let clock = &self.seams.clock;
        // The latest time that anything was planned by: less than that, and it is planned again.
        let mut last_seen = clock.now();
        let mut plans = self.plans(&held, last_seen);
        loop {
            // However wrong the clock, no attempt follows another at once.
            clock.sleep(PAUSE).await;
            let Plans {
                renewal,
                bearer_due,
                early,
            } = &mut plans;
            let back_at = self.back_at(&held, &back);
            let renew_at = match self.is_over(&held.credential, clock.now()) {
                true => NEVER,
                false => renewal.next_attempt().unwrap_or(NEVER).min(early.leaf),
            };
            // A bearer over a leaf that is over is nobody's.
            let refresh_at = match self.is_over(&held.credential, clock.now()) {
                true => NEVER,
                false => (*bearer_due).min(early.bearer),
            };
            let due = renew_at.min(refresh_at).min(back_at);
            let set_back = tokio::select! {
                biased;
                set_back = clock.wait(due, LOOK_AGAIN, &mut last_seen) => set_back,
                () = self.heard.notified() => {
                    *early = early.sooner(self.early(&held, clock.now()));
                    continue;
                }
            };
            if set_back {
                // What was planned on a wrong clock, or given up on it, is planned again.
                plans = self.plans(&held, last_seen);
                back.anew();
            } else if last_seen >= renew_at {
                let now = self.renew_now(&mut held, &mut plans).await;
                last_seen = last_seen.max(now);
            } else if last_seen >= back_at {
                if let Some(own) = self.come_back(&held, &mut back).await {
                    held = own;
                    plans = self.plans(&held, clock.now());
                }
                last_seen = last_seen.max(clock.now());
            } else if last_seen >= refresh_at {
                let now = self.refresh_now(&mut held, &mut plans).await;
                last_seen = last_seen.max(now);
            }
        }
    }

    /// One attempt to renew, and what is planned after it. Gives the time after it.
    async fn renew_now(&self, held: &mut Published, plans: &mut Plans) -> Time {
        let renewed = self.within(self.renew(held)).await;
        let now = self.seams.clock.now();
        match renewed {
            Ok(renewed) => {
                *held = renewed;
                *plans = Plans {
                    early: self.still(held, now),
                    ..self.plans(held, now)
                };
                self.publish(held, "renewed");
            }
            Err(error) => {
                self.failed("renewal-failed", &error);
                plans.renewal.failed(now, error.hint(), &*self.seams.rng);
                let not_after = held.credential.facts.not_after;
                plans.early.leaf = self.again(plans.early.leaf, not_after, now, error.hint());
            }
        }
        now
    }

    /// As [`Self::renew_now`], for the bearer alone.
    async fn refresh_now(&self, held: &mut Published, plans: &mut Plans) -> Time {
        let refreshed = self.within(self.refresh(held)).await;
        let now = self.seams.clock.now();
        match refreshed {
            Ok(refreshed) => {
                *held = refreshed;
                plans.bearer_due = self.bearer_due(held, now);
                plans.early.bearer = self.still(held, now).bearer;
                self.publish(held, "token-refreshed");
            }
            Err(error) => {
                self.failed("token-refresh-failed", &error);
                plans.bearer_due = now + BEARER_RETRY;
                plans.early.bearer = self.again(plans.early.bearer, NEVER, now, error.hint());
            }
        }
        now
    }

    /// The first identity: the persisted one if it still fits, else a new one, however long it
    /// takes. Where there is no new one for the join code, it is the last one, to come back with,
    /// and nobody else hears of it.
    async fn first(&self) -> Published {
        let mut pause = BEARER_RETRY / 2;
        let mut asked = None;
        loop {
            match self.within(self.obtain(&mut asked)).await {
                Ok(held) if self.is_over(&held.credential, self.seams.clock.now()) => return held,
                Ok(held) => {
                    self.publish(&held, "enrolled");
                    return held;
                }
                Err(error) => self.failed("enrolment-failed", &error),
            }
            self.seams
                .clock
                .sleep(pause + self.seams.rng.span(Duration::ZERO, pause / 4))
                .await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    async fn obtain(&self, asked: &mut Option<Asked>) -> Result<Published, AgentError> {
        let AgentConfig { id, tolerance, .. } = &self.config;
        let (disk, now, bundle) = (&*self.seams.disk, self.seams.clock.now(), self.own_bundle());
        let credential = match Credential::load(disk, FILE, &bundle, id, now, *tolerance) {
            Ok(Some(kept)) => kept,
            Ok(None) => self.enroll(asked).await?,
            Err(error) => {
                tracing::warn!(%error, "starting over with the join code");
                let last = Credential::load_last(disk, FILE, &bundle, id)
                    .ok()
                    .flatten();
                match (self.enroll(asked).await, last) {
                    (Err(AgentError::Refused(why)), Some(credential)) if error::is_no(&why) => {
                        return Ok(Published {
                            trusted: self.beliefs(),
                            credential,
                            bearer: None,
                        });
                    }
                    (enrolled, _) => enrolled?,
                }
            }
        };
        self.forget(ASKED)?;
        self.with_bearer(credential).await
    }

    async fn refresh(&self, held: &Published) -> Result<Published, AgentError> {
        self.with_bearer(held.credential.clone()).await
    }

    async fn with_bearer(&self, credential: Credential) -> Result<Published, AgentError> {
        self.credential.send_replace(Some(credential.clone()));
        let trusted = self.beliefs();
        let bearer = match &self.bearers {
            Some(source) => Some(
                source
                    .bearer(&credential, &trusted)
                    .await
                    .map_err(AgentError::Bearer)?,
            ),
            None => None,
        };
        Ok(Published {
            credential,
            trusted,
            bearer,
        })
    }

    async fn within<T>(
        &self,
        attempt: impl Future<Output = Result<T, AgentError>>,
    ) -> Result<T, AgentError> {
        tokio::time::timeout(ATTEMPT, attempt)
            .await
            .unwrap_or(Err(AgentError::Deadline))
    }

    /// Publishes an identity beside what is believed by now.
    fn publish(&self, held: &Published, kind: &'static str) {
        let beliefs = self.locked();
        self.publish.send_replace(Some(Arc::new(Published {
            trusted: Arc::clone(&beliefs),
            ..held.clone()
        })));
        drop(beliefs);
        self.note(kind);
    }

    fn failed(&self, kind: &'static str, error: &AgentError) {
        tracing::warn!(%error, kind, id = %self.config.id);
        self.note(kind);
    }

    fn note(&self, kind: &'static str) {
        let principal = self.config.id.to_string();
        self.seams.journal.note(Event {
            kind,
            principal,
            ..Event::default()
        });
    }
}

#[cfg(test)]
#[path = "retries_tests.rs"]
mod retries;
