//! What a crash does to a node's wires, in an order that is the seed's.
//!
//! A crash drops a node's tasks, and each wire that goes with one tells its far end. Who is told
//! first acts first, and tokio drops tasks by shards of their numbers, which count all tasks that
//! the process ever had: the order would be another in the next run. So the wires of a crash lie
//! here until every task is gone. Invariant: they are let go in the order in which they were
//! opened, whatever dropped them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ca::net::Wire;

/// The wires of a crash, by their numbers; nothing while the node runs.
type Lying = Option<BTreeMap<u64, Box<dyn Wire>>>;

/// Where the wires of one node lie while it crashes. Cheap to clone; a clone is the same place.
#[derive(Clone, Default)]
pub(super) struct Wreck(Arc<Mutex<Lying>>);

impl Wreck {
    /// From now on dropped wires are kept here, until the last [`Salvage`] is dropped.
    pub(super) fn begin(&self) {
        *self.lying() = Some(BTreeMap::new());
    }

    /// Takes a wire that is dropped, or lets it go.
    pub(super) fn take(&self, number: u64, wire: Box<dyn Wire>) {
        if let Some(lying) = &mut *self.lying() {
            lying.insert(number, wire);
        }
    }

    /// To be dropped as the last of all that the node has.
    pub(super) fn salvage(&self) -> Salvage {
        Salvage(self.clone())
    }

    fn lying(&self) -> MutexGuard<'_, Lying> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Wreck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wreck")
            .field(&self.lying().is_some())
            .finish()
    }
}

/// Lets the wires of a crash go when it is dropped.
pub(super) struct Salvage(Wreck);

impl Drop for Salvage {
    fn drop(&mut self) {
        let lying = self.0.lying().take();
        lying.into_iter().flatten().for_each(drop);
    }
}
