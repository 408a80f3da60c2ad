//! The proving ground's service and its callers: the smallest node that uses every seam.
//!
//! A clerk counts writes in a redb table and lets everyone but the stranger write. It has no
//! policy, no token and no audit log: it exists to prove the ground, not the house.

use std::sync::Arc;
use std::time::Duration;

use ca::agent::{Agent, AgentConfig, Published};
use ca::conn::{Dialer, Door, PeerIdentity};
use ca::disk::{Disk, database};
use ca::identity::SpiffeId;
use ca::journal::Event;
use ca::net::Address;
use ca::offered::Offered;
use ca::seams::Seams;
use ca::tls::Trust;
use ca::work::Kind;
use proto::records::v1::records_client::RecordsClient;
use proto::records::v1::records_server::{Records, RecordsServer};
use proto::records::v1::{
    ReadReply, ReadRequest, Record, ShareReply, ShareRequest, WatchReply, WatchRequest, WriteReply,
    WriteRequest,
};
use redb::{ReadableDatabase, ReadableTable, TableDefinition};
use services::courier::{Courier, Delivery, Message};
use tokio::sync::watch;
use tonic::{Code, Request, Response, Status};

const COUNTS: TableDefinition<'_, &str, u64> = TableDefinition::new("counts");

/// The clerks' port.
pub const PORT: u16 = 7000;

struct Clerk {
    seams: Seams,
    store: Counts,
}

/// The clerk's table.
pub struct Counts(redb::Database);

impl Counts {
    /// Opens the table on a disk.
    ///
    /// # Errors
    /// When the disk fails or holds something else.
    pub fn open(disk: &dyn Disk) -> Result<Self, redb::Error> {
        Ok(Self(database(disk, "counts.redb")?))
    }

    /// The count of `id`.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn count(&self, id: &str) -> Result<u64, redb::Error> {
        let table = match self.0.begin_read()?.open_table(COUNTS) {
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(0),
            other => other?,
        };
        Ok(table.get(id)?.map_or(0, |count| count.value()))
    }

    /// Counts one more; durable on return.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn add(&self, id: &str) -> Result<u64, redb::Error> {
        let transaction = self.0.begin_write()?;
        let mut table = transaction.open_table(COUNTS)?;
        let next = table.get(id)?.map_or(0, |count| count.value()) + 1;
        table.insert(id, next)?;
        drop(table);
        transaction.commit()?;
        Ok(next)
    }
}

fn caller<T>(request: &Request<T>) -> Result<SpiffeId, Status> {
    let peer = request.extensions().get::<PeerIdentity>();
    peer.map(|peer| peer.facts.spiffe_id.clone())
        .ok_or_else(|| Status::unauthenticated("nobody"))
}

fn unavailable(error: redb::Error) -> Status {
    Status::unavailable(error.to_string())
}

#[tonic::async_trait]
impl Records for Clerk {
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadReply>, Status> {
        caller(&request)?;
        let id = request.into_inner().id;
        let version = self.store.count(&id).map_err(unavailable)?;
        let record = Record {
            id,
            version,
            ..Record::default()
        };
        Ok(Response::new(ReadReply {
            record: Some(record),
            policy_size: 0,
        }))
    }

    async fn write(&self, request: Request<WriteRequest>) -> Result<Response<WriteReply>, Status> {
        if caller(&request)?.path() == "/user/stranger" {
            return Err(Status::permission_denied("not you"));
        }
        let turn = self.seams.work.charge(Kind::Append).await;
        turn.map_err(|busy| Status::resource_exhausted(busy.to_string()))?;
        let version = self
            .store
            .add(&request.into_inner().id)
            .map_err(unavailable)?;
        Ok(Response::new(WriteReply {
            version,
            policy_size: 0,
        }))
    }

    async fn share(&self, _: Request<ShareRequest>) -> Result<Response<ShareReply>, Status> {
        Err(Status::unimplemented("a clerk shares nothing"))
    }

    type WatchStream = tokio_stream::Empty<Result<WatchReply, Status>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("a clerk is not watched"))
    }
}

/// An agent under way, and what it publishes.
pub fn identify(
    seams: &Seams,
    config: AgentConfig,
) -> (watch::Receiver<Option<Arc<Published>>>, Trust) {
    let trust = Trust {
        clock: Arc::clone(&seams.clock),
        tolerance: config.tolerance,
    };
    let (agent, identity) = Agent::new(seams.clone(), config, None);
    tokio::spawn(agent.run());
    (identity, trust)
}

/// Runs a clerk until its task is dropped.
///
/// # Errors
/// When its store or its port does not open.
pub async fn serve(seams: Seams, config: AgentConfig) -> Result<(), Box<dyn std::error::Error>> {
    let (identity, trust) = identify(&seams, config);
    let store = Counts::open(&*seams.disk)?;
    let offered = Offered::of(RecordsServer::new(Clerk {
        seams: seams.clone(),
        store,
    }));
    let door = Door::new(seams, identity, trust);
    Ok(door.serve(PORT, offered).await?)
}

/// One caller of one clerk.
pub struct Caller {
    seams: Seams,
    courier: Arc<dyn Courier>,
    name: String,
    clerk: String,
    dialer: Dialer,
    next: std::sync::atomic::AtomicU64,
}

impl Caller {
    /// A caller of `clerk`, under the identity that its agent publishes.
    pub async fn start(
        seams: Seams,
        courier: Arc<dyn Courier>,
        config: AgentConfig,
        clerk: &str,
    ) -> Self {
        let name = config
            .id
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        let peer = SpiffeId::new(config.id.trust_domain(), &format!("/{clerk}"));
        let (mut identity, trust) = identify(&seams, config);
        // The agent's task holds the sender for as long as this world lives.
        let _ = identity.wait_for(Option::is_some).await;
        let to = Address::new(clerk, PORT);
        let peer = peer.expect("clerks have plain names");
        let dialer = Dialer::new(seams.clone(), trust, to, peer, identity);
        Self {
            seams,
            courier,
            name,
            clerk: clerk.to_owned(),
            dialer,
            next: 0.into(),
        }
    }

    /// One call, noted in the journal with how it ended.
    pub async fn call(&self, action: &'static str, deadline: Duration) -> Option<u64> {
        let answer = tokio::time::timeout(deadline, self.attempt(action)).await;
        let (decision, refusal, version) = match answer {
            Err(_) => ("unanswered", String::new(), None),
            Ok(Ok(version)) => ("served", String::new(), Some(version)),
            Ok(Err(status)) => ("refused", name(status.code()), None),
        };
        let number = self.next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.seams.journal.note(Event {
            kind: "call",
            principal: self.name.clone(),
            action: action.to_owned(),
            resource: self.clerk.clone(),
            decision: decision.to_owned(),
            refusal,
            policy_size: version.unwrap_or_default(),
            request: format!("{}-{number}", self.name),
        });
        version
    }

    async fn attempt(&self, action: &'static str) -> Result<u64, Status> {
        let (from, to) = (self.name.clone(), self.clerk.clone());
        match self
            .courier
            .carry(Message {
                kind: action,
                from,
                to,
            })
            .await
        {
            Delivery::Lost => std::future::pending().await,
            Delivery::Sent(_) => {}
        }
        let connection = self.dialer.connection().await;
        let connection = connection.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut client = RecordsClient::new(connection);
        let id = self.name.clone();
        if action == "write" {
            let request = WriteRequest {
                id,
                ..WriteRequest::default()
            };
            Ok(client.write(request).await?.into_inner().version)
        } else {
            let reply = client
                .read(ReadRequest { id, at_least: 0 })
                .await?
                .into_inner();
            Ok(reply.record.unwrap_or_default().version)
        }
    }
}

fn name(code: Code) -> String {
    match code {
        Code::PermissionDenied => "permission-denied",
        Code::ResourceExhausted => "busy",
        Code::Unavailable => "unavailable",
        Code::Unknown | Code::Cancelled => "connection-lost",
        _ => "other",
    }
    .to_owned()
}
