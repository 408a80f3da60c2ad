//! The four paths of one caller, opened before a change and watched at the same time after it.
//!
//! It changes nothing. A path that the target does not offer (no ticket came, no handshake said
//! that it was resumed, no stream is named) is not applicable, and never a pass. While the paths
//! are watched a good caller is asked too: if that one is not served, nothing was learnt.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use super::beside::Beside;
use super::{Caller, Met, Obstacle, Stage};
use crate::drill::answer::{Change, Path};
use crate::drill::clock;
use crate::drill::eyes::{Badge, Call, Client, Connection, Next, Sessions, Stream};
use crate::drill::sampling::{Established, New, Open, Real, Resumed, Sampled, Watch};

/// So many tickets should be at hand when a watch begins: each refused try uses one up.
const TICKETS: usize = 12;

/// So many connections may be opened to get them.
const TRIES: usize = 8;

/// How long a ticket may take to come after an answer.
const TICKET: Duration = Duration::from_secs(2);

/// The paths of one caller.
pub struct Paths {
    badge: Option<Badge>,
    fresh: Client,
    resumed: Result<Client, String>,
    established: Connection,
    stream: Result<Stream, String>,
    beside: Beside,
}

/// How the paths are watched.
#[derive(Clone, Copy, Debug)]
pub struct Watching<'a> {
    /// What was changed.
    pub change: Change,
    /// Since when.
    pub since: Instant,
    /// A caller that must be served all the while.
    pub good: &'a Caller,
}

/// What was seen on a path: samples, or why there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sight {
    /// The path.
    pub path: Path,
    /// What the watch saw; or why the target has no such path.
    pub seen: Result<Sampled, String>,
    /// How the same path of a good caller ended meanwhile, if it did.
    pub for_all: Option<String>,
}

impl Stage {
    /// Opens all paths of a caller, and those of a good one beside them. Each of them serves its
    /// caller when this returns.
    ///
    /// # Errors
    /// When a caller is not served: that is a control.
    pub async fn open_paths(&self, caller: &Caller, good: &Caller) -> Result<Paths, Obstacle> {
        let beside = self.open_beside(good).await?;
        let (identity, badge) = (caller.identity(), caller.badge.as_ref());
        let fresh = self.client(&identity, Sessions::None)?;
        let established = self.open_connection(&fresh, badge).await?;
        let resumed = self
            .stock(self.client(&identity, Sessions::Kept)?, badge)
            .await?;
        let stream = match self.stream_call() {
            None => Err("no `stream` is named in `[calls]`".to_owned()),
            Some(call) => Ok(self.open_stream(&fresh, call, badge).await?),
        };
        Ok(Paths {
            badge: caller.badge.clone(),
            fresh,
            resumed,
            established,
            stream,
            beside,
        })
    }

    /// A connection of this client's on which it was served.
    ///
    /// # Errors
    /// When it is not: that is a control.
    pub async fn open_connection(
        &self,
        client: &Client,
        badge: Option<&Badge>,
    ) -> Result<Connection, Obstacle> {
        let unserved = |reply| {
            let why = format!("control: the caller is not served before the change: {reply}");
            Obstacle::control(why)
        };
        let connection = client.connect().await.map_err(unserved)?;
        let reply = connection.ask(self.call(), badge).await;
        if reply.is_served() {
            return Ok(connection);
        }
        Err(unserved(reply))
    }

    pub(super) async fn open_stream(
        &self,
        client: &Client,
        call: &Call,
        badge: Option<&Badge>,
    ) -> Result<Stream, Obstacle> {
        let unserved = |said: String| {
            let why = format!("control: the stream does not begin before the change: {said}");
            Obstacle::control(why)
        };
        let connection = client
            .connect()
            .await
            .map_err(|it| unserved(it.to_string()))?;
        let mut stream = connection
            .watch(call, badge)
            .await
            .map_err(|it| unserved(it.to_string()))?;
        for _ in 0..TRIES {
            match stream.next().await {
                Next::Message(_) => return Ok(stream),
                Next::Silence => {}
                Next::Ended(reply) => return Err(unserved(format!("it ended, {reply}"))),
            }
        }
        Err(unserved("no message came".to_owned()))
    }

    /// A client with tickets that the target was seen to take; or why there is none.
    async fn stock(
        &self,
        client: Client,
        badge: Option<&Badge>,
    ) -> Result<Result<Client, String>, Obstacle> {
        let mut resumed = 0;
        for tried in 0..TRIES {
            let connection = self.open_connection(&client, badge).await?;
            resumed += usize::from(connection.resumed());
            if tried == 0 && !connection.ticket_within(TICKET).await {
                let none = "no session ticket came, so no session can be taken up again";
                return Ok(Err(none.to_owned()));
            }
            if resumed > 0 && client.tickets() >= TICKETS {
                break;
            }
        }
        if resumed == 0 {
            let none = "tickets came, and no handshake took a session up again";
            return Ok(Err(none.to_owned()));
        }
        if client.tickets() == 0 {
            let none = "the target gives too few tickets to watch by".to_owned();
            return Err(Obstacle::control(none));
        }
        Ok(Ok(client))
    }

    /// For how long a path of this change is looked at.
    pub fn watch_for(&self, change: Change) -> Watch {
        let by_certificate = match change {
            Change::LeafRevoked | Change::RootRemoved | Change::Expired => true,
            Change::KeyRemoved | Change::TokenWithdrawn => false,
        };
        // A certificate is not remembered as a token is.
        let paths = Path::ALL.into_iter();
        let paths = paths.filter(|path| !(by_certificate && *path == Path::CachedToken));
        let allowed = paths.map(|path| self.allowed(change, path)).max();
        let manner = self.manner();
        Watch {
            step: manner.step,
            limit: manner.limit(allowed.unwrap_or_default()),
            calm: manner.calm,
        }
    }

    /// Watches all paths from the moment of a change on.
    ///
    /// # Errors
    /// When a good caller is not served meanwhile: that is a control.
    pub async fn watch_paths(
        &self,
        paths: &mut Paths,
        watching: Watching<'_>,
    ) -> Result<Vec<Sight>, Obstacle> {
        let watch = self.watch_for(watching.change);
        let mut tally = Good::default();
        let sights = tokio::select! {
            biased;
            sights = paths.watch(self, watch, watching.since) => sights,
            flaw = tally.ask(self, watching.good) => return Err(flaw),
        };
        if let Some(flaw) = tally.flaw(watch.calm, clock::instant()) {
            return Err(Obstacle::control(flaw));
        }
        self.good_is_served(watching.good).await?;
        Ok(sights)
    }
}

impl Paths {
    /// Watches them all. The stream is drained first: what had arrived was sent before.
    async fn watch(&mut self, stage: &Stage, watch: Watch, since: Instant) -> Vec<Sight> {
        let over = AtomicBool::new(false);
        let (call, badge) = (stage.call(), self.badge.as_ref());
        let mut fresh = New {
            client: &self.fresh,
            call,
            badge,
        };
        let mut established = Established {
            connection: &self.established,
            call,
            badge,
        };
        let resumed = async {
            match &self.resumed {
                Err(why) => Err(why.clone()),
                Ok(client) => {
                    let mut probe = Resumed {
                        client,
                        call,
                        badge,
                    };
                    Ok(watch.run(&Real, since, &mut probe).await)
                }
            }
        };
        let streamed = async {
            match &mut self.stream {
                Err(why) => Err(why.clone()),
                Ok(stream) => {
                    drain(stream).await;
                    Ok(watch.run(&Real, since, &mut Open { stream }).await)
                }
            }
        };
        let watched = async {
            let sights = tokio::join!(
                watch.run(&Real, since, &mut fresh),
                resumed,
                watch.run(&Real, since, &mut established),
                streamed,
            );
            over.store(true, Ordering::Release);
            sights
        };
        let ((new, resumed, established, stream), ()) =
            tokio::join!(watched, self.beside.keep(stage, &over));
        let sight = |path, seen| Sight {
            path,
            seen,
            for_all: self.beside.ended(path),
        };
        vec![
            sight(Path::New, Ok(new)),
            sight(Path::Resumed, resumed),
            sight(Path::Established, Ok(established)),
            sight(Path::Stream, stream),
        ]
    }
}

impl std::fmt::Debug for Paths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Paths(..)")
    }
}

/// Takes what has arrived already; an end is told again by the next look.
async fn drain(stream: &mut Stream) {
    for _ in 0..10_000 {
        match timeout(Duration::from_millis(1), stream.next()).await {
            Ok(Next::Message(_)) => {}
            _ => return,
        }
    }
}

/// How a good caller fared while others were watched.
#[derive(Debug, Default)]
pub(super) struct Good {
    asked: u64,
    failed: u64,
    said: String,
    /// Since when it has not been served, and for how long it was not at the most.
    since: Option<Instant>,
    longest: Duration,
}

impl Good {
    /// Asks for ever; gives back only what is wrong with the question itself.
    async fn ask(&mut self, stage: &Stage, good: &Caller) -> Obstacle {
        loop {
            let begun = clock::instant();
            match stage.meet(good).await {
                Ok(met) => self.add(&met, begun),
                Err(flaw) => return flaw,
            }
            sleep(stage.manner().step * 2).await;
        }
    }

    pub(super) fn add(&mut self, met: &Met, begun: Instant) {
        self.asked += 1;
        if met.is_served() {
            self.stretch(begun);
            self.since = None;
            return;
        }
        self.failed += 1;
        self.said = met.to_string();
        self.since = self.since.or(Some(begun));
    }

    fn stretch(&mut self, now: Instant) {
        let down = self.since.map(|since| now.saturating_duration_since(since));
        self.longest = self.longest.max(down.unwrap_or_default());
    }

    /// Why nothing was learnt: it was not served in most requests, or for as long as a refusal is
    /// looked at, so that what looks like one may be the target's own outage.
    pub(super) fn flaw(&mut self, calm: Duration, now: Instant) -> Option<String> {
        self.stretch(now);
        let most = self.failed * 2 > self.asked;
        (most || self.longest >= calm).then(|| {
            format!(
                "control: while the caller was watched a good one was not served in {} of {} \
                 requests, and for {} ms together: {}",
                self.failed,
                self.asked,
                self.longest.as_millis(),
                self.said
            )
        })
    }
}
