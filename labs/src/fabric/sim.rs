//! The simulated fabric: one process, virtual time, one seed.
//!
//! turmoil carries real TLS and gRPC bytes between hosts whose runtimes are paused and stepped.
//! What it gets wrong for this purpose is corrected here: each link has one latency for the whole
//! run, drawn from the seed and at least two ticks long, because hosts run a whole tick one after
//! another and because a shared source of latencies would make one node's writes shift another's;
//! and cuts are made in [`super::links`], because turmoil's own lose segments for good.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ca::clock::BoxFuture;
use ca::disk::MemDisk;
use ca::keys::RingKeys;
use ca::net::{Address, Listener, Net, Wire};
use ca::rng::{Rng, SeededRng};
use ca::seams::Seams;
use ca::work::{RealWork, Work};

use super::labour::QueuedWork;
use super::ledger::Ledger;
use super::links::Links;
use super::skew::{NodeClock, Skew};
use super::wreck::Wreck;
use super::{EPOCH, TrueTime};

/// One step of virtual time.
pub const TICK: Duration = Duration::from_millis(5);

/// Latency of a link, one way.
const LATENCY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(30));

/// Segments that one connection may have in flight; also connections not yet accepted.
const CAPACITY: usize = 4096;

/// What a test may take away, to see that it was needed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Without {
    /// Nothing: the fabric as it is.
    #[default]
    Nothing,
    /// Links draw a latency for every message.
    FixedLatency,
    /// Events are stamped by the wall clock.
    VirtualTime,
    /// Work costs nothing.
    Work,
}

/// One node's place in the simulation; it outlives the node's tasks.
#[derive(Clone, Debug)]
pub struct Place {
    /// The node's disk.
    pub disk: MemDisk,
    /// How wrong its clock is.
    pub skew: Skew,
    /// What its work costs.
    pub labour: QueuedWork,
    /// What it may touch.
    pub seams: Seams,
    /// Where its wires lie while it crashes.
    wreck: Wreck,
}

/// A world of simulated hosts.
pub struct SimFabric {
    sim: turmoil::Sim<'static>,
    seed: u64,
    without: Without,
    /// What lies between the hosts.
    pub links: Links,
    /// What they said.
    pub ledger: Ledger,
    places: BTreeMap<String, Place>,
    running: BTreeSet<String>,
    /// How often each node lost power: no two cuts tear alike.
    power_cuts: BTreeMap<String, u64>,
}

impl SimFabric {
    /// An empty world.
    pub fn new(seed: u64, without: Without) -> Self {
        let mut builder = turmoil::Builder::new();
        builder
            .epoch(UNIX_EPOCH + Duration::from_micros(EPOCH.as_micros()))
            .rng_seed(seed)
            .tick_duration(TICK)
            .tcp_capacity(CAPACITY)
            .min_message_latency(LATENCY.0)
            .max_message_latency(LATENCY.1)
            .simulation_duration(Duration::from_secs(24 * 3600));
        let stamp = match without {
            Without::VirtualTime => TrueTime::local(),
            Without::Nothing | Without::FixedLatency | Without::Work => TrueTime::Sim,
        };
        let (links, ledger) = (Links::default(), Ledger::new(stamp));
        let (sim, places, running) = (builder.build(), BTreeMap::new(), BTreeSet::new());
        Self {
            sim,
            seed,
            without,
            links,
            ledger,
            places,
            running,
            power_cuts: BTreeMap::new(),
        }
    }

    /// Makes room for a node. Its software is started with [`Self::host`].
    pub fn place(&mut self, name: &str) -> Place {
        let (disk, skew, wreck) = (MemDisk::new(), Skew::default(), Wreck::default());
        let labour = QueuedWork::new(TrueTime::Sim);
        let work: Arc<dyn Work> = match self.without {
            Without::Work => Arc::new(RealWork),
            Without::Nothing | Without::FixedLatency | Without::VirtualTime => {
                Arc::new(labour.clone())
            }
        };
        let seams = Seams {
            clock: Arc::new(NodeClock::new(EPOCH, TrueTime::Sim, skew.clone())),
            disk: Arc::new(disk.clone()),
            journal: self.ledger.of(name),
            keys: Arc::new(RingKeys),
            net: Arc::new(SimNet {
                name: name.to_owned(),
                links: self.links.clone(),
                wreck: wreck.clone(),
            }),
            rng: Arc::new(SeededRng::branch(self.seed, name)),
            work,
        };
        let place = Place {
            disk,
            skew,
            labour,
            seams,
            wreck,
        };
        self.places.insert(name.to_owned(), place.clone());
        place
    }

    /// Starts a node's software, and fixes the latency of its links to all hosts before it.
    pub fn host<F, Fut>(&mut self, name: &str, software: F)
    where
        F: Fn() -> Fut + 'static,
        Fut: Future<Output = turmoil::Result> + 'static,
    {
        let wreck = self.places.get(name).map(|place| place.wreck.clone());
        let wreck = wreck.unwrap_or_default();
        self.sim.host(name, move || {
            let (salvage, software) = (wreck.salvage(), software());
            async move {
                // A host's own future is the last of it to be dropped, and this the last of that.
                let _last = salvage;
                software.await
            }
        });
        for other in &self.running {
            if self.without != Without::FixedLatency {
                let latency = self.latency(name, other);
                self.sim.set_link_latency(name, other.as_str(), latency);
            }
        }
        self.running.insert(name.to_owned());
    }

    /// The latency of the link between two hosts, one way.
    pub fn latency(&self, a: &str, b: &str) -> Duration {
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        SeededRng::branch(self.seed, &format!("link {low} {high}")).span(LATENCY.0, LATENCY.1)
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.sim.elapsed()
    }

    /// Runs one tick.
    ///
    /// # Errors
    /// When a node's software ended in an error.
    pub fn step(&mut self) -> turmoil::Result<()> {
        self.sim.step().map(|_| ())
    }

    /// Runs until virtual time reaches `until`.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run_until(&mut self, until: Duration) -> turmoil::Result<()> {
        while self.elapsed() < until {
            self.step()?;
        }
        Ok(())
    }

    /// Stops a node at once. With `power`, its disk loses what was not synced.
    pub fn crash(&mut self, name: &str, power: bool) {
        let Some(place) = self.places.get(name) else {
            return;
        };
        if power {
            // First the disk: dropping the tasks would close databases cleanly.
            place.disk.cut_power();
        }
        place.wreck.begin();
        self.sim.crash(name);
        // Of a host that had ended by itself.
        drop(place.wreck.salvage());
        if power {
            let cut = self.power_cuts.entry(name.to_owned()).or_default();
            let tear = format!("power {name} {cut}");
            *cut += 1;
            place.disk.restore(&SeededRng::branch(self.seed, &tear));
        }
    }

    /// Starts a node's software again; one that runs is ended first, as by a crash.
    pub fn restart(&mut self, name: &str) {
        if let Some(place) = self.places.get(name)
            && self.sim.is_host_running(name)
        {
            place.wreck.begin();
        }
        self.sim.bounce(name);
    }

    /// Steps a node's clock.
    pub fn skew(&self, name: &str, skew_us: i64) {
        let at = u64::try_from(self.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Some(place) = self.places.get(name) {
            place.skew.step(at, skew_us);
        }
    }

    /// From now on everything that a node does takes so many times as long.
    pub fn slow(&self, name: &str, times: u32) {
        if let Some(place) = self.places.get(name) {
            place.labour.slow(times);
        }
    }

    /// A node's place.
    pub fn at(&self, name: &str) -> Option<&Place> {
        self.places.get(name)
    }

    /// All nodes' names, in order.
    pub fn names(&self) -> Vec<String> {
        self.places.keys().cloned().collect()
    }
}

/// A simulated node's network.
#[derive(Debug)]
struct SimNet {
    name: String,
    links: Links,
    wreck: Wreck,
}

impl Net for SimNet {
    fn dial<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            self.links.reachable(&self.name, &to.host).await?;
            let stream = turmoil::net::TcpStream::connect((to.host.as_str(), to.port)).await?;
            let ends = (self.name.as_str(), to.host.as_str());
            Ok(self.links.attach(Box::new(stream), ends, &self.wreck))
        })
    }

    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = turmoil::net::TcpListener::bind(("0.0.0.0", port)).await?;
            let (name, links) = (self.name.clone(), self.links.clone());
            Ok(Box::new(SimListener {
                listener,
                name,
                links,
                wreck: self.wreck.clone(),
            }) as Box<dyn Listener>)
        })
    }

    fn calls(&self, _to: &Address) {
        self.links.called();
    }
}

struct SimListener {
    listener: turmoil::net::TcpListener,
    name: String,
    links: Links,
    wreck: Wreck,
}

impl Listener for SimListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            let there = turmoil::reverse_lookup(from.ip()).unwrap_or_default();
            let ends = (self.name.as_str(), there.as_str());
            Ok(self.links.attach(Box::new(stream), ends, &self.wreck))
        })
    }
}

#[cfg(test)]
#[path = "sim_tests.rs"]
mod tests;
