//! What workloads have heard: which generation of the bundle each of them was last told.
//!
//! The Workload API knows no acknowledgement. What counts in its place is that a message was taken
//! up by the caller's connection; rotation waits for it as it waits for members
//! ([`crate::issue::Ca::acknowledge`]). A name counts as told when each of its open streams is, so
//! that one process that does not read holds back what would cut it off. A process that asks once
//! and hangs up is not heard of again, until its leaf is over or it asks anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::identity::SpiffeId;
use crate::issue::Ca;

/// Generations, by the stream that was told, by name.
type Told = BTreeMap<SpiffeId, BTreeMap<u64, u64>>;

/// Which stream was told what.
#[derive(Debug)]
pub(super) struct Heard {
    ca: Arc<Mutex<Ca>>,
    told: Mutex<(u64, Told)>,
}

/// One stream; it is forgotten when dropped.
#[derive(Debug)]
pub(super) struct Listener {
    heard: Arc<Heard>,
    number: u64,
}

impl Heard {
    pub(super) fn new(ca: Arc<Mutex<Ca>>) -> Arc<Self> {
        let told = Mutex::default();
        Arc::new(Self { ca, told })
    }

    pub(super) fn listener(self: &Arc<Self>) -> Listener {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.0 += 1;
        let number = told.0;
        drop(told);
        let heard = Arc::clone(self);
        Listener { heard, number }
    }

    fn acknowledge(&self, id: &SpiffeId, streams: &BTreeMap<u64, u64>) {
        if let Some(generation) = streams.values().min() {
            let mut ca = self.ca.lock().unwrap_or_else(PoisonError::into_inner);
            ca.acknowledge(id, *generation);
        }
    }
}

impl Listener {
    /// The stream is about to be told of that name for the first time, and of nothing yet.
    pub(super) fn attends(&self, ids: &[SpiffeId]) {
        let told = &self.heard.told;
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            let streams = told.1.entry(id.clone()).or_default();
            streams.entry(self.number).or_insert(0);
        }
    }

    /// The stream has taken up a message for these names, of that generation.
    pub(super) fn took(&self, ids: &[SpiffeId], generation: u64) {
        let told = &self.heard.told;
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.1.retain(|id, streams| {
            if !ids.contains(id) {
                streams.remove(&self.number);
            }
            !streams.is_empty()
        });
        for id in ids {
            let streams = told.1.entry(id.clone()).or_default();
            streams.insert(self.number, generation);
            self.heard.acknowledge(id, streams);
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let told = &self.heard.told;
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        let heard = &self.heard;
        told.1.retain(|id, streams| {
            if streams.remove(&self.number).is_some() {
                heard.acknowledge(id, streams);
            }
            !streams.is_empty()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;
    use crate::disk::MemDisk;
    use crate::identity::TrustDomain;
    use crate::issue::CaConfig;
    use crate::seams::Seams;

    const NOW: Time = Time::from_secs(1_800_000_000);

    #[test]
    fn a_name_was_told_what_each_of_its_open_streams_was() {
        let seams = Seams {
            clock: Arc::new(crate::clock::ManualClock::new(NOW)),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        let ids = ["/a", "/b"].map(|path| SpiffeId::new(&domain, path).unwrap());
        let mut ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
        for id in &ids {
            ca.deliver(id, NOW).unwrap();
        }
        let ca = Arc::new(Mutex::new(ca));
        let heard = Heard::new(Arc::clone(&ca));
        let told = |at: usize| {
            let facts = ca.lock().unwrap().facts(NOW);
            facts.members[&ids[at]].acknowledged
        };
        let (reads, silent) = (heard.listener(), heard.listener());
        assert_eq!(told(0), None);
        reads.attends(&ids);
        reads.took(&ids, 3);
        assert_eq!((told(0), told(1)), (Some(3), Some(3)));
        silent.attends(&ids[..1]);
        reads.took(&ids, 4);
        assert_eq!((told(0), told(1)), (Some(0), Some(4)), "one does not read");
        silent.took(&ids[..1], 3);
        assert_eq!(told(0), Some(3));
        drop(silent);
        assert_eq!(told(0), Some(4), "it is not there any more");
        reads.took(&ids[1..], 5);
        assert_eq!(
            (told(0), told(1)),
            (Some(4), Some(5)),
            "it is one name less"
        );
        drop(reads);
        assert_eq!(
            (told(0), told(1)),
            (Some(4), Some(5)),
            "nobody was told more"
        );
        assert!(heard.told.lock().unwrap().1.is_empty());
    }
}
