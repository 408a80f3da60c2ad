//! The records service on the wire. Each handler asks the guard first, and takes its permit.

use std::pin::Pin;
use std::sync::Arc;

use ca::conn::MAX_MESSAGE;
use proto::records::v1::records_server::{Records, RecordsServer};
use proto::records::v1::{
    ReadReply, ReadRequest, Record, ShareReply, ShareRequest, WatchReply, WatchRequest, WriteReply,
    WriteRequest,
};
use tokio::sync::watch;
use tokio_stream::Stream;
use tonic::{Request, Response, Status};

use super::{MAX_SHARED, MAX_TEXT, Replicator, Store, StoreError, is_id};
use crate::guard::{Guard, Permit, Read, Share, Watch, Write, status};
use crate::posture::Recheck;
use crate::refusal::Refusal;

/// One region's records behind its guard.
#[derive(Clone)]
pub struct RecordsService {
    guard: Arc<Guard>,
    store: Store,
    replicator: Replicator,
    recheck: Recheck,
    /// Rises with every change here, replicated ones included.
    changed: Arc<watch::Sender<u64>>,
}

impl RecordsService {
    /// A service over one region's store.
    pub fn new(
        guard: Arc<Guard>,
        store: Store,
        replicator: Replicator,
        recheck: Recheck,
        changed: Arc<watch::Sender<u64>>,
    ) -> Self {
        Self {
            guard,
            store,
            replicator,
            recheck,
            changed,
        }
    }

    /// The service as tonic serves it.
    pub fn server(self) -> RecordsServer<Self> {
        RecordsServer::new(self).max_decoding_message_size(MAX_MESSAGE)
    }

    fn read(&self, permit: &Permit<Read>, id: &str) -> Result<ReadReply, Status> {
        let record = self.store.get(id).map_err(unavailable)?;
        // Said only to who may read it.
        let record = record.ok_or_else(|| status(Refusal::NoSuchRecord))?;
        Ok(ReadReply {
            record: Some(record),
            policy_size: permit.policy_size(),
        })
    }

    fn write(&self, permit: &Permit<Write>, id: &str, text: String) -> Result<WriteReply, Status> {
        let size = permit.policy_size();
        let written = self.store.change(id, size, |record| record.text = text);
        let written = written.map_err(unavailable)?;
        let version = written.version;
        self.spread(written);
        Ok(WriteReply {
            version,
            policy_size: size,
        })
    }

    fn share(&self, permit: &Permit<Share>, id: &str, with: String) -> Result<ShareReply, Status> {
        let size = permit.policy_size();
        let shared = self.store.change(id, size, |record| {
            if !record.shared_with.contains(&with) && record.shared_with.len() < MAX_SHARED {
                record.shared_with.push(with);
            }
        });
        let shared = shared.map_err(unavailable)?;
        let version = shared.version;
        self.spread(shared);
        Ok(ShareReply {
            version,
            policy_size: size,
        })
    }

    /// The policy size under which a request must be decided: the caller's mark, or the record's
    /// own if that is higher. Content written under a policy is never shown under an older one.
    fn mark(&self, id: &str, at_least: u64) -> Result<u64, Status> {
        let record = self.store.get(id).map_err(unavailable)?;
        Ok(record.map_or(at_least, |record| at_least.max(record.policy_size)))
    }

    fn spread(&self, record: Record) {
        self.replicator.offer(record);
        self.changed.send_modify(|change| *change += 1);
    }
}

#[tonic::async_trait]
impl Records for RecordsService {
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadReply>, Status> {
        let ReadRequest { id, at_least } = request.get_ref().clone();
        check(&id, "")?;
        let at_least = self.mark(&id, at_least)?;
        let (_, permit) = self.guard.admit::<Read, _>(&request, &id, at_least).await?;
        Ok(Response::new(Self::read(self, &permit, &id)?))
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteReply>, Status> {
        let WriteRequest { id, text, at_least } = request.get_ref().clone();
        check(&id, &text)?;
        let at_least = self.mark(&id, at_least)?;
        let (_, permit) = self
            .guard
            .admit::<Write, _>(&request, &id, at_least)
            .await?;
        Ok(Response::new(Self::write(self, &permit, &id, text)?))
    }

    async fn share(&self, request: Request<ShareRequest>) -> Result<Response<ShareReply>, Status> {
        let ShareRequest { id, with, at_least } = request.get_ref().clone();
        check(&id, "")?;
        if !is_id(&with) {
            return Err(Status::invalid_argument(
                "who it is shared with: 1 to 128 visible characters",
            ));
        }
        let at_least = self.mark(&id, at_least)?;
        let (_, permit) = self
            .guard
            .admit::<Share, _>(&request, &id, at_least)
            .await?;
        Ok(Response::new(Self::share(self, &permit, &id, with)?))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchReply, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { id, at_least } = request.get_ref().clone();
        check(&id, "")?;
        let (mut changed, mut policy) = (self.changed.subscribe(), self.guard.view());
        let marked = self.mark(&id, at_least)?;
        let (mut caller, first) = self.guard.admit::<Watch, _>(&request, &id, marked).await?;
        let (service, metadata) = (self.clone(), request.metadata().clone());
        let (opened, mut messages) = (caller.request.clone(), 0_u64);
        let stream = async_stream::try_stream! {
            let mut permit = Some(first);
            loop {
                // Decided again before every message, unless the posture looks only once.
                let permit = match permit.take() {
                    Some(first) => first,
                    None if service.recheck != Recheck::Message => {
                        Permit::danger_unchecked(policy.borrow().size())
                    }
                    None => {
                        let at_least = service.mark(&id, at_least)?;
                        service.guard.admit_again(&mut caller, &metadata, &id, at_least).await?
                    }
                };
                yield service.message(&permit, &id)?;
                // Each message is a decision of its own, and is called so in the log.
                messages += 1;
                caller.request = format!("{opened}.{messages}");
                tokio::select! {
                    biased;
                    _ = changed.changed() => {}
                    _ = policy.changed() => {}
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }
}

impl RecordsService {
    fn message(&self, permit: &Permit<Watch>, id: &str) -> Result<WatchReply, Status> {
        let record = self.store.get(id).map_err(unavailable)?;
        Ok(WatchReply {
            record,
            policy_size: permit.policy_size(),
        })
    }
}

fn check(id: &str, text: &str) -> Result<(), Status> {
    if !is_id(id) {
        return Err(Status::invalid_argument(
            "a record's id is 1 to 128 visible characters",
        ));
    }
    if text.len() > MAX_TEXT {
        return Err(Status::invalid_argument(
            "a record's text is at most 64 KiB",
        ));
    }
    Ok(())
}

fn unavailable(error: StoreError) -> Status {
    tracing::error!(%error, "the store failed");
    Status::unavailable("the store failed")
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;
    use crate::guard::REFUSAL;
    use crate::posture::{Freshness, Freshnesses, Posture};
    use crate::specimen::{POLICY_SIZE, Specimen};

    /// A clinic under a policy of [`POLICY_SIZE`] with one record, written under `policy_size`.
    fn clinic(policy_size: u64) -> (Specimen, RecordsService) {
        let mut posture = Posture::hardened();
        posture.policy.freshness = Freshnesses::all(Freshness::Any);
        let node = Specimen::new(posture, |_| {});
        let store = Store::open(&*node.member.start.seams.disk, "south").unwrap();
        let text = "allergic to penicillin".to_owned();
        let write = |record: &mut Record| record.text = text;
        store.change("r1", policy_size, write).unwrap();
        let replicator = Replicator::start(&node.member, &[]);
        let changed = Arc::new(watch::Sender::new(0));
        let recheck = Recheck::Message;
        let service = RecordsService::new(node.guard(), store, replicator, recheck, changed);
        (node, service)
    }

    /// The refusal's name, or nothing where it was served.
    fn refused<T>(answer: Result<T, Status>) -> Option<String> {
        let status = answer.err()?;
        let name = status.metadata().get(REFUSAL).unwrap();
        Some(name.to_str().unwrap().to_owned())
    }

    /// What each action on the record hears, by alphabet. Sharing needs an authority to ask.
    async fn heard(node: &Specimen, service: &RecordsService, id: &str) -> [Option<String>; 3] {
        let (id, at_least) = (id.to_owned(), 0);
        let write = node.asks(WriteRequest {
            id: id.clone(),
            text: "new".to_owned(),
            at_least,
        });
        let read = node.asks(ReadRequest {
            id: id.clone(),
            at_least,
        });
        let watch = node.asks(WatchRequest { id, at_least });
        [
            refused(Records::read(service, read).await),
            refused(Records::watch(service, watch).await),
            refused(Records::write(service, write).await),
        ]
    }

    #[tokio::test]
    async fn what_was_written_under_a_newer_policy_is_not_touched_under_an_older_one() {
        let (node, service) = clinic(POLICY_SIZE + 1);
        let behind = Some("policy-behind".to_owned());
        assert_eq!(
            heard(&node, &service, "r1").await,
            [(); 3].map(|()| behind.clone())
        );
        let (node, service) = clinic(POLICY_SIZE);
        assert_eq!(heard(&node, &service, "r1").await, [(); 3].map(|()| None));
    }

    #[tokio::test]
    async fn a_record_carries_the_policy_that_it_was_last_written_under() {
        let (node, service) = clinic(1);
        heard(&node, &service, "r1").await;
        let record = service.store.get("r1").unwrap().unwrap();
        assert_eq!(record.policy_size, POLICY_SIZE);
    }

    #[tokio::test]
    async fn an_open_stream_stops_at_a_record_from_a_newer_policy() {
        let (node, service) = clinic(POLICY_SIZE);
        let watch = node.asks(WatchRequest {
            id: "r1".to_owned(),
            at_least: 0,
        });
        let stream = Records::watch(&service, watch).await.unwrap();
        let mut stream = stream.into_inner();
        let first = stream.next().await.unwrap().unwrap();
        assert_eq!(first.record.unwrap().version, 1);
        // As it comes from a region that is ahead.
        let newer = Record {
            version: 9,
            home: "north".to_owned(),
            policy_size: POLICY_SIZE + 1,
            ..service.store.get("r1").unwrap().unwrap()
        };
        service.store.take(&[newer]).unwrap();
        service.changed.send_modify(|change| *change += 1);
        let next = stream.next().await.unwrap();
        assert_eq!(refused(next).as_deref(), Some("policy-behind"));
    }
}
