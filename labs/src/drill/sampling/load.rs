//! Good callers at a steady rate, on several connections, while something changes.
//!
//! Each failure is counted twice over: as it came, and as it would be to a client that asks once
//! more where gRPC lets it without being told. Requests that could not be asked in time are
//! counted apart and never hidden: a rate that was not reached is told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Pace;
use crate::drill::answer::Served;
use crate::drill::eyes::{Badge, Call, Client, Connection, Reply};

/// How much is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Requests a second, over all lanes together; at least one.
    pub per_second: u32,
    /// No longer than this, also if nobody says stop.
    pub limit: Duration,
}

/// What came of one request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Once {
    /// It was served.
    Served,
    /// It was not.
    Failed {
        /// Why.
        why: String,
        /// Whether the target surely did nothing with it.
        unprocessed: bool,
    },
}

impl Once {
    /// What a reply to a good caller is: a refusal of one is a failure.
    pub fn of(reply: &Reply) -> Self {
        if reply.is_served() {
            return Self::Served;
        }
        Self::Failed {
            why: reply.to_string(),
            unprocessed: reply.unprocessed(),
        }
    }
}

/// One connection's worth of a good caller.
pub trait Lane: Send + 'static {
    /// Asks once, on the connection that it has, or on a new one if it has none.
    fn ask(&mut self) -> impl Future<Output = Once> + Send;

    /// Asks the same once more, on a new connection.
    fn again(&mut self) -> impl Future<Output = Once> + Send;
}

/// What a load saw.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Requests asked, failed, and failed also after one retry.
    pub served: Served,
    /// The failures as they came, by what they said.
    pub why: BTreeMap<String, u64>,
    /// Requests of the rate that were never asked, since an earlier one took too long.
    pub missed: u64,
    /// Connections whose task broke off, so that nobody knows what they saw.
    pub broken: u64,
}

impl Loaded {
    /// Why it shows nothing of the requests that it is about, if it does not: a lane broke off,
    /// nobody asked, or most of the rate was never asked.
    pub fn flaw(&self) -> Option<String> {
        let (asked, missed) = (self.served.asked, self.missed);
        if self.broken > 0 {
            return Some(format!("{} connections of the load broke off", self.broken));
        }
        (asked == 0 || missed > asked).then(|| {
            format!("{asked} requests were asked, and {missed} could not be asked in time")
        })
    }

    fn add(&mut self, other: Self) {
        self.served.asked += other.served.asked;
        self.served.failed += other.served.failed;
        self.served.failed_after_retry += other.served.failed_after_retry;
        self.missed += other.missed;
        self.broken += other.broken;
        for (why, count) in other.why {
            *self.why.entry(why).or_default() += count;
        }
    }
}

/// Asks on all lanes until the limit, or until `stop` says true or is dropped.
pub async fn under<P: Pace + 'static>(
    load: Load,
    lanes: Vec<impl Lane>,
    pace: Arc<P>,
    stop: watch::Receiver<bool>,
) -> Loaded {
    let apart = Duration::from_secs(1) / load.per_second.max(1);
    let turn = apart * u32::try_from(lanes.len()).unwrap_or(u32::MAX);
    let begun = pace.now();
    let mut open = JoinSet::new();
    for (at, lane) in (0..).zip(lanes) {
        let (pace, stop) = (Arc::clone(&pace), stop.clone());
        let first = begun + apart * at;
        let last = begun + load.limit;
        open.spawn(async move {
            let mut due = first;
            let mut lane = Driven {
                lane,
                loaded: Loaded::default(),
            };
            let mut stop = stop;
            while due < last && !stopped(&mut stop, pace.until(due)).await {
                lane.turn().await;
                due += turn;
                while due + turn <= pace.now() && due < last {
                    lane.loaded.missed += 1;
                    due += turn;
                }
            }
            lane.loaded
        });
    }
    let mut all = Loaded::default();
    while let Some(lane) = open.join_next().await {
        match lane {
            Ok(loaded) => all.add(loaded),
            Err(_) => all.broken += 1,
        }
    }
    all
}

/// Waits, and says whether the end came first.
async fn stopped(stop: &mut watch::Receiver<bool>, wait: impl Future<Output = ()>) -> bool {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => true,
        () = wait => false,
    }
}

struct Driven<L> {
    lane: L,
    loaded: Loaded,
}

impl<L: Lane> Driven<L> {
    async fn turn(&mut self) {
        self.loaded.served.asked += 1;
        let Once::Failed { why, unprocessed } = self.lane.ask().await else {
            return;
        };
        self.loaded.served.failed += 1;
        *self.loaded.why.entry(why).or_default() += 1;
        if !unprocessed || self.lane.again().await != Once::Served {
            self.loaded.served.failed_after_retry += 1;
        }
    }
}

/// A good caller of the eyes, with a connection that it keeps.
#[derive(Debug)]
pub struct Caller {
    client: Arc<Client>,
    call: Call,
    badge: Option<Badge>,
    connection: Option<Connection>,
}

impl Caller {
    /// A caller that asks this, again and again.
    pub const fn new(client: Arc<Client>, call: Call, badge: Option<Badge>) -> Self {
        Self {
            client,
            call,
            badge,
            connection: None,
        }
    }
}

impl Lane for Caller {
    async fn ask(&mut self) -> Once {
        let connection = match self.connection.take() {
            Some(connection) if connection.is_open() => connection,
            _ => match self.client.connect().await {
                Ok(connection) => connection,
                Err(reply) => return Once::of(&reply),
            },
        };
        let reply = connection.ask(&self.call, self.badge.as_ref()).await;
        if connection.is_open() {
            self.connection = Some(connection);
        }
        Once::of(&reply)
    }

    async fn again(&mut self) -> Once {
        self.connection = None;
        self.ask().await
    }
}
