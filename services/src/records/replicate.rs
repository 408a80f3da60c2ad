//! Writes travelling between regions: offered until taken, the newest version only.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ca::conn::{Dialer, MAX_MESSAGE};
use prost::Message as _;
use proto::records::v1::replication_client::ReplicationClient;
use proto::records::v1::replication_server::{Replication, ReplicationServer};
use proto::records::v1::{OfferReply, OfferRequest, Record};
use tokio::sync::watch;
use tonic::{Request, Response, Status};

use super::{Store, StoreError};
use crate::courier::{self, Delivery};
use crate::member::{Member, connect, peer_is};

/// How long one offer may take.
const OFFER: Duration = Duration::from_secs(1);
/// Pause after one that failed.
const AGAIN: Duration = Duration::from_millis(500);
/// Records in one offer.
const BATCH: usize = 256;

type Waiting = Arc<Mutex<BTreeMap<String, Record>>>;

/// Sends this region's writes to its peers. Cheap to clone.
#[derive(Clone)]
pub struct Replicator {
    peers: Arc<Vec<(Waiting, watch::Sender<u64>)>>,
}

impl Replicator {
    /// Starts one task for each peer host. Must be called inside a runtime.
    pub fn start(member: &Member, hosts: &[String]) -> Self {
        let mut peers = Vec::new();
        for host in hosts {
            let (waiting, wake): (Waiting, _) = (Waiting::default(), watch::Sender::new(0));
            let (member, dialer, host) = (member.clone(), member.dialer(host), host.clone());
            let (queue, mut woken) = (Arc::clone(&waiting), wake.subscribe());
            tokio::spawn(async move {
                while woken.changed().await.is_ok() {
                    drain(&member, &dialer, &host, &queue).await;
                }
            });
            peers.push((waiting, wake));
        }
        Self {
            peers: Arc::new(peers),
        }
    }

    /// Offers again what was last written here: what waited was in memory, and a crash forgets it.
    ///
    /// # Errors
    /// When the store cannot say.
    pub fn resume(&self, store: &Store) -> Result<(), StoreError> {
        store.own()?.into_iter().for_each(|own| self.offer(own));
        Ok(())
    }

    /// Queues a record for every peer, in the place of an older version of it.
    pub fn offer(&self, record: Record) {
        for (waiting, wake) in self.peers.iter() {
            let mut waiting = lock(waiting);
            if waiting
                .get(&record.id)
                .is_none_or(|queued| queued.version < record.version)
            {
                waiting.insert(record.id.clone(), record.clone());
            }
            drop(waiting);
            wake.send_modify(|count| *count += 1);
        }
    }
}

/// As many records as one message holds, and one at the least.
fn batch(waiting: &BTreeMap<String, Record>) -> Vec<Record> {
    let mut bytes = 0;
    let fits = |record: &&Record| {
        bytes += record.encoded_len();
        bytes <= MAX_MESSAGE / 2
    };
    waiting
        .values()
        .take(BATCH)
        .take_while(fits)
        .cloned()
        .collect()
}

/// Offers until nothing waits.
async fn drain(member: &Member, dialer: &Dialer, host: &str, waiting: &Waiting) {
    loop {
        let records = batch(&lock(waiting));
        if records.is_empty() {
            return;
        }
        let (from, to) = (member.start.name.clone(), host.to_owned());
        let carried = member
            .start
            .courier
            .carry(courier::Message {
                kind: "replicate",
                from,
                to,
            })
            .await;
        let sent = match carried {
            Delivery::Lost => true,
            Delivery::Sent(_) => {
                let offer = tokio::time::timeout(OFFER, offer(dialer, records.clone()));
                matches!(offer.await, Ok(Ok(_)))
            }
        };
        if sent {
            // What was written meanwhile is newer, and stays.
            lock(waiting).retain(|id, record| {
                !records
                    .iter()
                    .any(|sent| sent.id == *id && sent.version == record.version)
            });
        } else {
            tokio::time::sleep(AGAIN).await;
        }
    }
}

async fn offer(dialer: &Dialer, records: Vec<Record>) -> Result<OfferReply, Status> {
    let client = ReplicationClient::new(connect(dialer).await?);
    let mut client = client.max_decoding_message_size(MAX_MESSAGE);
    Ok(client.offer(OfferRequest { records }).await?.into_inner())
}

fn lock(waiting: &Waiting) -> MutexGuard<'_, BTreeMap<String, Record>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes what other regions offer.
pub struct ReplicationService {
    member: Member,
    store: Store,
    changed: Arc<watch::Sender<u64>>,
}

impl ReplicationService {
    /// A service over one region's store; `changed` rises with what is taken.
    pub const fn new(member: Member, store: Store, changed: Arc<watch::Sender<u64>>) -> Self {
        Self {
            member,
            store,
            changed,
        }
    }

    /// The service as tonic serves it.
    pub fn server(self) -> ReplicationServer<Self> {
        ReplicationServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }
}

#[tonic::async_trait]
impl Replication for ReplicationService {
    async fn offer(&self, request: Request<OfferRequest>) -> Result<Response<OfferReply>, Status> {
        peer_is(&request, &["records"], &self.member)?;
        let records = request.into_inner().records;
        let fits = |record: &Record| super::is_record(record);
        if records.len() > BATCH || !records.iter().all(fits) {
            return Err(Status::invalid_argument("not an offer of records"));
        }
        let taken = self.store.take(&records);
        let taken = taken.map_err(|error| Status::unavailable(error.to_string()))?;
        if taken > 0 {
            self.changed.send_modify(|change| *change += 1);
        }
        Ok(Response::new(OfferReply { taken }))
    }
}

#[cfg(test)]
mod tests {
    use ca::disk::MemDisk;
    use tonic::Code;

    use super::super::{MAX_SHARED, MAX_TEXT, MAX_VERSION};
    use super::*;
    use crate::posture::Posture;
    use crate::specimen::{self, Specimen};

    fn record(id: &str, version: u64) -> Record {
        Record {
            id: id.to_owned(),
            version,
            home: "north".to_owned(),
            ..Record::default()
        }
    }

    #[test]
    fn whatever_waits_goes_out_in_offers_that_fit_a_message() {
        let huge = |n: u64| Record {
            text: "x".repeat(MAX_TEXT),
            shared_with: vec!["y".repeat(super::super::MAX_ID); MAX_SHARED],
            ..record(&format!("r{n:03}"), 1)
        };
        let small = |n: u64| record(&format!("s{n:03}"), 1);
        let all = (0..40).map(huge).chain((0..600).map(small));
        let mut waiting: BTreeMap<_, _> = all.map(|record| (record.id.clone(), record)).collect();
        while !waiting.is_empty() {
            let records = batch(&waiting);
            assert!(!records.is_empty() && records.len() <= BATCH);
            assert!(records.iter().all(super::super::is_record));
            waiting.retain(|id, _| !records.iter().any(|sent| sent.id == *id));
            let bytes = OfferRequest { records }.encoded_len();
            assert!(bytes <= MAX_MESSAGE, "{bytes} bytes in one offer");
        }
    }

    /// What a records service in the south says to an offer of these from there.
    async fn offered(store: &Store, from: &str, records: Vec<Record>) -> Result<u32, Code> {
        let member = Specimen::new(Posture::hardened(), |_| {}).member;
        let changed = Arc::new(watch::Sender::new(0));
        let service = ReplicationService::new(member, store.clone(), changed);
        let request = specimen::from(specimen::leaf(from), OfferRequest { records });
        let reply = Replication::offer(&service, request).await;
        reply
            .map(|reply| reply.into_inner().taken)
            .map_err(|status| status.code())
    }

    #[tokio::test]
    async fn a_version_that_nobody_can_raise_is_not_taken_from_a_peer() {
        let store = Store::open(&MemDisk::new(), "south").unwrap();
        store.change("r1", 1, |_| {}).unwrap();
        let last = vec![record("r2", 5), record("r1", u64::MAX)];
        let answer = offered(&store, "/records.north", last).await;
        assert_eq!(answer, Err(Code::InvalidArgument));
        assert_eq!(store.get("r2").unwrap(), None, "all of an offer or nothing");
        assert_eq!(store.change("r1", 1, |_| {}).unwrap().version, 2);
        let good = vec![record("r1", 7)];
        assert_eq!(offered(&store, "/records.north", good).await, Ok(1));
    }

    #[tokio::test]
    async fn no_write_is_acknowledged_that_no_peer_would_take() {
        let [south, east] = ["south", "east"].map(|region| {
            let store = Store::open(&MemDisk::new(), region).unwrap();
            (region, store)
        });
        let last = vec![record("r1", MAX_VERSION - 1)];
        for (_, store) in [&south, &east] {
            assert_eq!(offered(store, "/records.north", last.clone()).await, Ok(1));
        }
        let written = south.1.change("r1", 1, |_| {}).unwrap();
        assert_eq!(written.version, MAX_VERSION);
        assert_eq!(
            offered(&east.1, "/records.south", vec![written.clone()]).await,
            Ok(1)
        );
        for (region, store) in [south, east] {
            let refused = store.change("r1", 1, |record| record.text.push('x'));
            let exhausted = matches!(refused, Err(StoreError::Exhausted(_)));
            assert!(exhausted, "{region}: {refused:?}");
            assert_eq!(store.get("r1").unwrap(), Some(written.clone()), "{region}");
        }
    }

    #[tokio::test]
    async fn only_records_services_are_listened_to() {
        let store = Store::open(&MemDisk::new(), "south").unwrap();
        for stranger in ["/user/alice", "/witness.north", "/user/records.north"] {
            let answer = offered(&store, stranger, vec![record("r1", 1)]).await;
            assert_eq!(answer, Err(Code::PermissionDenied), "{stranger}");
        }
        assert_eq!(store.get("r1").unwrap(), None);
    }
}
