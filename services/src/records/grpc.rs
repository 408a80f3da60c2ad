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
        let (mut caller, first) = self
            .guard
            .admit::<Watch, _>(&request, &id, at_least)
            .await?;
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
