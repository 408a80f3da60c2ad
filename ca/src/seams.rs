//! All of a node's seams in one value: what it is given instead of globals.

use std::sync::Arc;

use crate::clock::{Clock, SystemClock};
use crate::disk::{Disk, FsDisk};
use crate::journal::{Journal, LogJournal};
use crate::keys::{Keys, RingKeys};
use crate::net::{Net, TcpNet};
use crate::rng::{OsRng, Rng};
use crate::work::{RealWork, Work};

/// Everything that a node may ask of the world outside itself. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Seams {
    /// The node's one clock.
    pub clock: Arc<dyn Clock>,
    /// Its disk.
    pub disk: Arc<dyn Disk>,
    /// Where it speaks of itself.
    pub journal: Arc<dyn Journal>,
    /// Its key pairs.
    pub keys: Arc<dyn Keys>,
    /// Its network.
    pub net: Arc<dyn Net>,
    /// Its jitter and identifiers.
    pub rng: Arc<dyn Rng>,
    /// What its labour costs.
    pub work: Arc<dyn Work>,
}

impl Seams {
    /// The real world, with files below `root`.
    pub fn real(root: impl Into<std::path::PathBuf>) -> Self {
        Self {
            clock: Arc::new(SystemClock),
            disk: Arc::new(FsDisk::new(root)),
            journal: Arc::new(LogJournal),
            keys: Arc::new(RingKeys),
            net: Arc::new(TcpNet::default()),
            rng: Arc::new(OsRng::default()),
            work: Arc::new(RealWork),
        }
    }
}
