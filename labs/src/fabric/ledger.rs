//! The laboratory's journal: every node's events, stamped with true time.

use std::sync::{Arc, Mutex, PoisonError};

use ca::journal::{Event, Journal};

use super::TrueTime;
use crate::trace::{self, TraceEvent};

/// Everything said in one run.
#[derive(Clone, Debug)]
pub struct Ledger {
    truth: TrueTime,
    events: Arc<Mutex<Vec<TraceEvent>>>,
}

impl Ledger {
    /// An empty ledger.
    pub fn new(truth: TrueTime) -> Self {
        Self {
            truth,
            events: Arc::default(),
        }
    }

    /// The journal of one node, which writes here.
    pub fn of(&self, node: &str) -> Arc<NodeJournal> {
        let (node, next) = (node.to_owned(), Mutex::new(0));
        Arc::new(NodeJournal {
            ledger: self.clone(),
            node,
            next,
        })
    }

    /// Everything so far in the order of the run: hosts of the simulation run a whole tick one
    /// after another, so the order of arrival is not the order of time.
    pub fn sorted(&self) -> Vec<TraceEvent> {
        let mut events = self.as_arrived();
        trace::sort(&mut events);
        events
    }

    /// Everything so far as it arrived.
    pub fn as_arrived(&self) -> Vec<TraceEvent> {
        self.events
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// One node's way into the ledger.
#[derive(Debug)]
pub struct NodeJournal {
    ledger: Ledger,
    node: String,
    next: Mutex<u64>,
}

impl Journal for NodeJournal {
    fn note(&self, event: Event) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let (at_us, node, seq) = (self.ledger.truth.micros(), self.node.clone(), *next);
        *next += 1;
        let mut events = self
            .ledger
            .events
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        events.push(TraceEvent {
            at_us,
            node,
            seq,
            event,
        });
    }
}
