//! The local fabric: real sockets on loopback, real time, the same links.
//!
//! Names are resolved by a registry of the process; a dialling socket is entered there before it
//! connects, so that the accepting end knows whose link it is on.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ca::clock::{BoxFuture, Time};
use ca::disk::FsDisk;
use ca::keys::RingKeys;
use ca::net::{Address, Listener, Net, Wire};
use ca::rng::OsRng;
use ca::seams::Seams;
use ca::work::RealWork;
use tokio::net::{TcpListener, TcpSocket};

use super::TrueTime;
use super::ledger::Ledger;
use super::links::Links;
use super::skew::{NodeClock, Skew};
use super::wreck::Wreck;

/// A world of real sockets in one process.
#[derive(Clone, Debug)]
pub struct LocalFabric {
    /// What lies between the nodes.
    pub links: Links,
    /// What they said.
    pub ledger: Ledger,
    truth: TrueTime,
    epoch: Time,
    names: Arc<Mutex<Names>>,
}

#[derive(Debug, Default)]
struct Names {
    listening: BTreeMap<Address, SocketAddr>,
    dialling: BTreeMap<SocketAddr, String>,
}

impl LocalFabric {
    /// An empty world whose clocks show `epoch` now.
    pub fn new(epoch: Time) -> Self {
        let truth = TrueTime::local();
        let (links, ledger) = (Links::default(), Ledger::new(truth));
        Self {
            links,
            ledger,
            truth,
            epoch,
            names: Arc::default(),
        }
    }

    /// Makes room for a node with its files below `root`.
    pub fn place(&self, name: &str, root: &Path) -> (Seams, Skew) {
        let skew = Skew::default();
        let seams = Seams {
            clock: Arc::new(NodeClock::new(self.epoch, self.truth, skew.clone())),
            disk: Arc::new(FsDisk::new(root.join(name))),
            journal: self.ledger.of(name),
            keys: Arc::new(RingKeys),
            net: Arc::new(LocalNet {
                name: name.to_owned(),
                fabric: self.clone(),
            }),
            rng: Arc::new(OsRng::default()),
            work: Arc::new(RealWork),
        };
        (seams, skew)
    }

    /// Where a node's port is on this machine, for a program from outside; nothing while it does
    /// not listen. Such a caller is on no link that can be cut.
    pub fn socket(&self, host: &str, port: u16) -> Option<SocketAddr> {
        let address = Address::new(host, port);
        self.names().listening.get(&address).copied()
    }

    /// How true time is read here.
    pub const fn truth(&self) -> TrueTime {
        self.truth
    }

    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One node's network.
#[derive(Debug)]
struct LocalNet {
    name: String,
    fabric: LocalFabric,
}

impl Net for LocalNet {
    fn dial<'a>(&'a self, to: &'a Address) -> BoxFuture<'a, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            self.fabric.links.reachable(&self.name, &to.host).await?;
            let target = self.fabric.names().listening.get(to).copied();
            let target = target.ok_or(io::ErrorKind::ConnectionRefused)?;
            let socket = TcpSocket::new_v4()?;
            socket.set_nodelay(true)?;
            socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            self.fabric
                .names()
                .dialling
                .insert(socket.local_addr()?, self.name.clone());
            let stream = socket.connect(target).await?;
            Ok(self.fabric.links.attach(
                Box::new(stream),
                (&self.name, &to.host),
                &Wreck::default(),
            ))
        })
    }

    fn listen(&self, port: u16) -> BoxFuture<'_, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            let address = Address::new(self.name.clone(), port);
            self.fabric
                .names()
                .listening
                .insert(address, listener.local_addr()?);
            let (name, fabric) = (self.name.clone(), self.fabric.clone());
            Ok(Box::new(LocalListener {
                listener,
                name,
                fabric,
            }) as Box<dyn Listener>)
        })
    }

    fn calls(&self, _to: &Address) {
        self.fabric.links.called();
    }
}

struct LocalListener {
    listener: TcpListener,
    name: String,
    fabric: LocalFabric,
}

impl Listener for LocalListener {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn Wire>>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            let there = self
                .fabric
                .names()
                .dialling
                .remove(&from)
                .unwrap_or_default();
            Ok(self
                .fabric
                .links
                .attach(Box::new(stream), (&self.name, &there), &Wreck::default()))
        })
    }
}
