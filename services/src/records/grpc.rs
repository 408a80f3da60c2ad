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
use tonic::metadata::MetadataMap;
use tonic::{Request, Response, Status};

use super::{MAX_SHARED, MAX_TEXT, Replicator, Store, StoreError, is_id};
use crate::guard::{Action, Caller, Guard, Notify, Permit, Read, Share, Watch, Write, status};
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

    pub(super) const fn guard(&self) -> &Arc<Guard> {
        &self.guard
    }

    /// Takes what a notice says of a record.
    pub(super) fn notify(
        &self,
        permit: &Permit<Notify>,
        id: &str,
        text: &str,
    ) -> Result<Record, StoreError> {
        let taken = self.store.change(id, permit.policy_size(), |record| {
            text.clone_into(&mut record.text);
        })?;
        self.spread(taken.clone());
        Ok(taken)
    }

    fn read(&self, permit: &Permit<Read>, id: &str) -> Result<Option<Record>, StoreError> {
        self.store.shown(id, permit.policy_size())
    }

    fn write(&self, permit: &Permit<Write>, id: &str, text: &str) -> Result<Record, StoreError> {
        let written = self.store.change(id, permit.policy_size(), |record| {
            text.clone_into(&mut record.text);
        })?;
        self.spread(written.clone());
        Ok(written)
    }

    fn share(&self, permit: &Permit<Share>, id: &str, with: &str) -> Result<Record, StoreError> {
        let shared = self.store.change(id, permit.policy_size(), |record| {
            let named = record.shared_with.iter().any(|other| other == with);
            if !named && record.shared_with.len() < MAX_SHARED {
                record.shared_with.push(with.to_owned());
            }
        })?;
        self.spread(shared.clone());
        Ok(shared)
    }

    fn message(&self, permit: &Permit<Watch>, id: &str) -> Result<Option<Record>, StoreError> {
        self.store.shown(id, permit.policy_size())
    }

    /// A message that nobody decided: under which policy the record was written, nobody asks.
    fn danger_message(
        &self,
        permit: &Permit<Watch>,
        id: &str,
    ) -> Result<(Option<Record>, u64), Status> {
        let record = self.store.get(id).map_err(unavailable)?;
        Ok((record, permit.policy_size()))
    }

    /// Serves who was let in. While the request waited for its entry, a record may have come from
    /// a region that is ahead: then it is decided again, under the record's policy. Gives the size
    /// of the policy under which it was served.
    async fn serve<A: Action, T>(
        &self,
        (caller, mut permit): (&mut Caller, Permit<A>),
        metadata: &MetadataMap,
        id: &str,
        serve: impl Fn(&Permit<A>) -> Result<T, StoreError>,
    ) -> Result<(T, u64), Status> {
        loop {
            match serve(&permit) {
                Err(StoreError::PolicyBehind { mark, .. }) => {
                    permit = self.guard.admit_again(caller, metadata, id, mark).await?;
                }
                served => return Ok((served.map_err(unavailable)?, permit.policy_size())),
            }
        }
    }

    /// The policy size under which a request must be decided: the caller's mark, or the record's
    /// own if that is higher. Content written under a policy is never shown under an older one, and
    /// what cannot be opened is not shown at all: that is said to who may read it.
    fn mark(&self, id: &str, at_least: u64) -> Result<u64, Status> {
        let record = match self.store.get(id) {
            Err(StoreError::KeyUnknown { .. }) => None,
            other => other.map_err(unavailable)?,
        };
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
        let ReadRequest { id, at_least } = request.get_ref();
        check(id, "")?;
        let at_least = self.mark(id, *at_least)?;
        let (mut caller, permit) = self.guard.admit::<Read, _>(&request, id, at_least).await?;
        let (admitted, read) = ((&mut caller, permit), |permit: &_| self.read(permit, id));
        let (record, policy_size) = self.serve(admitted, request.metadata(), id, read).await?;
        // Said only to who may read it.
        let record = Some(record.ok_or_else(|| status(Refusal::NoSuchRecord))?);
        Ok(Response::new(ReadReply {
            record,
            policy_size,
        }))
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteReply>, Status> {
        let WriteRequest { id, text, at_least } = request.get_ref();
        check(id, text)?;
        let at_least = self.mark(id, *at_least)?;
        let (mut caller, permit) = self.guard.admit::<Write, _>(&request, id, at_least).await?;
        let (admitted, write) = ((&mut caller, permit), |permit: &_| {
            self.write(permit, id, text)
        });
        let (Record { version, .. }, policy_size) =
            self.serve(admitted, request.metadata(), id, write).await?;
        Ok(Response::new(WriteReply {
            version,
            policy_size,
        }))
    }

    async fn share(&self, request: Request<ShareRequest>) -> Result<Response<ShareReply>, Status> {
        let ShareRequest { id, with, at_least } = request.get_ref();
        check(id, "")?;
        if !is_id(with) {
            return Err(Status::invalid_argument(
                "who it is shared with: 1 to 128 visible characters",
            ));
        }
        let at_least = self.mark(id, *at_least)?;
        let (mut caller, permit) = self.guard.admit::<Share, _>(&request, id, at_least).await?;
        let (admitted, share) = ((&mut caller, permit), |permit: &_| {
            self.share(permit, id, with)
        });
        let (Record { version, .. }, policy_size) =
            self.serve(admitted, request.metadata(), id, share).await?;
        Ok(Response::new(ShareReply {
            version,
            policy_size,
        }))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchReply, Status>> + Send>>;

    async fn watch(
        &self,
        request: Request<WatchRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let WatchRequest { id, at_least } = request.get_ref().clone();
        check(&id, "")?;
        let (mut changed, policy) = (self.changed.subscribe(), self.guard.view());
        let marked = self.mark(&id, at_least)?;
        let (mut caller, first) = self.guard.admit::<Watch, _>(&request, &id, marked).await?;
        let (service, metadata) = (self.clone(), request.metadata().clone());
        let (opened, mut messages) = (caller.request.clone(), 0_u64);
        let stream = async_stream::try_stream! {
            let mut permit = Some(first);
            loop {
                // Decided again before every message, unless the posture looks only once.
                let (record, policy_size) = match permit.take() {
                    None if service.recheck != Recheck::Message => {
                        let unchecked = Permit::danger_unchecked(policy.borrow().size());
                        service.danger_message(&unchecked, &id)?
                    }
                    first => {
                        let permit = match first {
                            Some(first) => first,
                            None => {
                                let at_least = service.mark(&id, at_least)?;
                                let (guard, caller) = (&service.guard, &mut caller);
                                let again = guard.admit_again(caller, &metadata, &id, at_least);
                                again.await?
                            }
                        };
                        let message = |permit: &_| service.message(permit, &id);
                        service.serve((&mut caller, permit), &metadata, &id, message).await?
                    }
                };
                yield WatchReply { record, policy_size };
                // Each message is a decision of its own, and is called so in the log.
                messages += 1;
                caller.request = format!("{opened}.{messages}");
                tokio::select! {
                    biased;
                    _ = changed.changed() => {}
                    () = service.guard.news::<Watch>(&caller, policy_size) => {}
                }
            }
        };
        Ok(Response::new(Box::pin(stream)))
    }
}

pub(super) fn check(id: &str, text: &str) -> Result<(), Status> {
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

pub(super) fn unavailable(error: StoreError) -> Status {
    if let StoreError::KeyUnknown { .. } = error {
        tracing::warn!(%error, "what lies there cannot be opened");
        return status(Refusal::DataKeyUnknown);
    }
    tracing::error!(%error, "the store failed");
    Status::unavailable("the store failed")
}

#[cfg(test)]
mod tests;
