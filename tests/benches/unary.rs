//! What the guard adds to one call: a read over mTLS with a token, guarded and not.
//!
//! Both ends are the real ones, on loopback, with real leaves from a real CA, on one thread. The
//! caller sends a token on every line, so that only the service differs. Caller, service and log
//! share that thread, so a sync holds up the next call even where no reply waits for it. The floor
//! looks at no token, asks no policy and writes nothing.

mod pace;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use ca::agent::{AgentConfig, Bearer, BearerSource, Published};
use ca::bundle::Bundle;
use ca::clock::{BoxFuture, Clock};
use ca::conn::{Dialer, Door};
use ca::credential::Credential;
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig};
use ca::keys::{Keys, RingKeys};
use ca::net::Address;
use ca::offered::Offered;
use ca::renewal::Retry;
use ca::seams::Seams;
use ca::tlog::note::SigningKey;
use ca::tls::Trust;
use ca::trusted::Trusted;
use criterion::BenchmarkGroup;
use criterion::measurement::WallTime;
use proto::records::v1::records_client::RecordsClient;
use proto::records::v1::records_server::{Records, RecordsServer};
use proto::records::v1::{
    ReadReply, ReadRequest, ShareReply, ShareRequest, WatchReply, WatchRequest, WriteReply,
    WriteRequest,
};
use services::audit::group::AuditWriter;
use services::audit::writer::AuditLog;
use services::courier::Direct;
use services::guard::{Guard, Identifier};
use services::member::{Member, Start};
use services::node::AUDIENCE;
use services::policy::authority::Authority;
use services::policy::danger::Mutation;
use services::policy::entry::Entry;
use services::policy::follow::Follower;
use services::policy::quorum::danger::unwitnessed;
use services::policy::replica::{self, Replica};
use services::posture::{Durability, Freshness, Freshnesses, Posture, Recheck};
use services::records::{RecordsService, Replicator, Store};
use services::token::issue::{Issuer, jwks};
use services::token::keys::KeySet;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tonic::{Request, Response, Status};

const HOST: &str = "127.0.0.1";
/// Longer than any bench: no leaf is renewed and no token fetched while one is measured.
const LIFE: Duration = Duration::from_secs(6 * 60 * 60);

fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").expect("a plain name is a trust domain")
}

fn named(path: &str) -> SpiffeId {
    SpiffeId::new(&domain(), path).expect("a plain path names a workload")
}

/// A port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    listener
        .local_addr()
        .expect("a bound socket has a port")
        .port()
}

/// The same record from the same kind of store, for whoever asks.
struct Shelf(Store);

#[tonic::async_trait]
impl Records for Shelf {
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<ReadReply>, Status> {
        let record = self.0.get(&request.into_inner().id);
        let record = record.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Response::new(ReadReply {
            record,
            policy_size: 0,
        }))
    }

    async fn write(&self, _: Request<WriteRequest>) -> Result<Response<WriteReply>, Status> {
        Err(Status::unimplemented("the shelf is read"))
    }

    async fn share(&self, _: Request<ShareRequest>) -> Result<Response<ShareReply>, Status> {
        Err(Status::unimplemented("the shelf is read"))
    }

    type WatchStream = tokio_stream::Empty<Result<WatchReply, Status>>;

    async fn watch(&self, _: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("the shelf is read"))
    }
}

/// What an agent publishes.
type Known = watch::Receiver<Option<Arc<Published>>>;

/// Signs the caller's tokens, without a token service in between.
struct Pen {
    issuer: Issuer,
    clock: Arc<dyn Clock>,
}

impl BearerSource for Pen {
    fn bearer<'a>(
        &'a self,
        credential: &'a Credential,
        _: &'a Arc<Trusted>,
    ) -> BoxFuture<'a, Result<Bearer, String>> {
        let (obtained, facts) = (self.clock.now(), &credential.facts);
        let (alice, leaf) = (&facts.spiffe_id, &facts.leaf_sha256);
        let text = self
            .issuer
            .issue(alice, "records", leaf, obtained, LIFE, "t-1")
            .map(|text| Bearer {
                key: "k1".into(),
                text: text.into(),
                obtained,
                expires: obtained + LIFE,
            });
        Box::pin(std::future::ready(text.map_err(|error| error.to_string())))
    }
}

/// A CA, one service and one caller, in one folder and on one thread.
struct Clinic {
    runtime: Runtime,
    dialer: Dialer,
    _folder: TempDir,
}

impl Clinic {
    /// Opens the clinic. `routes` makes what the service's door leads to, from the service's seams,
    /// the key set (JWKS) of the caller's tokens and what the service's agent publishes.
    fn open(routes: impl FnOnce(&Seams, &str, Known) -> Offered) -> Self {
        let folder =
            tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo made its folder");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("the machine has an event queue");
        let dialer = runtime.block_on(connect(&folder, routes));
        Self {
            runtime,
            dialer,
            _folder: folder,
        }
    }

    /// One call, as a client makes it: the connection of now, and the token that fits it.
    async fn read(&self) -> Result<u64, Status> {
        let connection = self.dialer.connection().await;
        let connection = connection.map_err(|error| Status::unavailable(error.to_string()))?;
        let bearer = connection.bearer.as_ref();
        let bearer = bearer.ok_or_else(|| Status::unauthenticated("no token"))?;
        let bearer = format!("Bearer {}", bearer.text).parse();
        let mut request = Request::new(ReadRequest {
            id: "r1".to_owned(),
            at_least: 0,
        });
        let bearer = bearer.map_err(|_| Status::internal("a token is plain text"))?;
        request.metadata_mut().insert("authorization", bearer);
        let reply = RecordsClient::new(connection).read(request).await?;
        Ok(reply.into_inner().record.unwrap_or_default().version)
    }

    /// Calls until one is served: nobody answered keep-alives since the last line.
    async fn served(&self) {
        while let Err(why) = self.read().await {
            let refused = why.metadata().contains_key("x-refusal");
            assert!(!refused, "what is measured is refused: {}", why.message());
            self.dialer.forget().await;
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn measure(&self, group: &mut BenchmarkGroup<'_, WallTime>, name: &str) {
        group.bench_function(name, |bencher| {
            self.runtime.block_on(self.served());
            bencher.iter(|| {
                let version = self.runtime.block_on(self.read());
                version.expect("loopback holds")
            });
        });
    }
}

/// A new connection: the dial, the handshake of both ends, and the caller's token.
fn connect_anew(group: &mut BenchmarkGroup<'_, WallTime>, clinic: &Clinic) {
    let anew = async || {
        clinic.dialer.forget().await;
        let connection = clinic.dialer.connection().await;
        connection.expect("loopback holds");
    };
    group.bench_function("a new connection, both ends", |bencher| {
        bencher.iter(|| clinic.runtime.block_on(anew()));
    });
}

/// Starts CA, service and both agents on this runtime, and waits for the caller's identity.
async fn connect(folder: &TempDir, routes: impl FnOnce(&Seams, &str, Known) -> Offered) -> Dialer {
    let place = |name: &str| Seams::real(folder.path().join(name));
    let (authority, service, caller) = (place("ca"), place("records"), place("alice"));
    let mut settings = CaConfig::lab(domain());
    settings.leaf_ttl = LIFE;
    let (ca_port, port) = (free_port(), free_port());
    let [to_service, to_caller] = invite(&authority, &settings, ca_port);
    let ca = ca::node::run(authority, settings, ca_port);
    tokio::spawn(async move { ca.await.expect("the CA serves to the end") });

    let key = RingKeys.p256().expect("the machine has randomness");
    let issuer = Issuer::new("clinic.example", "k1", &key).expect("a new key is a P-256 key");
    let expected = to_service.id.clone();
    let (identity, trust) = identify(&service, to_service, None).await;
    let routes = routes(&service, &jwks([&issuer]), identity.clone());
    let door = Door::new(service, identity, trust);
    tokio::spawn(async move { door.serve(port, routes).await.expect("the port was free") });

    let clock = Arc::clone(&caller.clock);
    let pen = Pen { issuer, clock };
    let (identity, trust) = identify(&caller, to_caller, Some(Arc::new(pen))).await;
    let to = Address::new(HOST, port);
    Dialer::new(caller, trust, to, expected, identity)
}

/// Opens the CA's disk once, for a join code each for service and caller.
fn invite(seams: &Seams, settings: &CaConfig, ca_port: u16) -> [AgentConfig; 2] {
    let mut ca = Ca::open(seams, settings.clone()).expect("an empty disk takes a new CA");
    let (bundle, now) = (ca.bundle(), seams.clock.now());
    ["/records", "/user/alice"].map(|path| {
        let id = named(path);
        let code = ca.new_join_code(&id, now).expect("an open CA");
        AgentConfig {
            id,
            ca: Address::new(HOST, ca_port),
            ca_id: named(ca::node::PATH),
            join_code: code.reveal().to_owned(),
            bundle: bundle.clone(),
            tolerance: settings.tolerance,
            revocation: ca::revocation::Revocation::default(),
            retry: Retry::Window,
            swap: ca::agent::Swap::Whole,
        }
    })
}

/// An agent under way, and what it publishes, once there is an identity.
async fn identify(
    seams: &Seams,
    config: AgentConfig,
    bearers: Option<Arc<dyn BearerSource>>,
) -> (Known, Trust) {
    let trust = Trust {
        clock: Arc::clone(&seams.clock),
        tolerance: config.tolerance,
    };
    let (agent, mut identity) = ca::agent::Agent::new(seams.clone(), config, bearers);
    tokio::spawn(agent.run());
    let known = identity.wait_for(Option::is_some).await;
    drop(known.expect("the agent lives as long as the runtime"));
    (identity, trust)
}

fn signing(name: &str) -> SigningKey {
    let key = RingKeys.ed25519().expect("the machine has randomness");
    SigningKey::new(name, &key).expect("a new key is an Ed25519 key")
}

/// A replica whose policy came by hand: doctors may do everything, and alice is one.
fn policy(seams: &Seams) -> Replica {
    let log = signing("clinic.example/policy");
    let trust = replica::Trust {
        log: log.verifying(),
        quorum: unwitnessed(Vec::new()).expect("no witness is no double"),
        tolerance: Duration::from_secs(1),
        bug: Mutation::None,
    };
    let quorum = trust.quorum.clone();
    let opened = Authority::open(&seams.disk, "authority", log, quorum, Mutation::None);
    let (mut authority, _) = opened.expect("an empty disk takes a new log");
    let policy = "permit(principal in Role::\"doctor\", action, resource);".to_owned();
    let (principal, role) = ("alice".to_owned(), "doctor".to_owned());
    for entry in [
        Entry::PutPolicy {
            policy,
            entities: Vec::new(),
        },
        Entry::Grant { principal, role },
    ] {
        let bytes = entry.to_bytes().expect("plain names make an entry");
        authority.append(&bytes).expect("the policy is valid");
    }
    authority.commit().expect("the disk holds");
    let update = authority.update_since(0).expect("nobody need agree");
    let now = seams.clock.now();
    let replica = Replica::open(&seams.disk, "replica", trust, now);
    let mut replica = replica.expect("an empty disk is no rollback");
    replica
        .apply(&update, now)
        .expect("the update proves itself");
    replica
}

/// A member that knows what its agent publishes, and dials nobody.
fn member(seams: &Seams, durability: Durability, identity: Known) -> Member {
    let mut posture = Posture::hardened();
    posture.policy.freshness = Freshnesses::all(Freshness::Any);
    posture.audit.durability = durability;
    let bundle = Bundle {
        trust_domain: domain(),
        generation: 0,
        roots: Vec::new(),
    };
    let agent = AgentConfig {
        id: named("/records"),
        ca: Address::new(HOST, 0),
        ca_id: named(ca::node::PATH),
        join_code: String::new(),
        bundle,
        tolerance: Duration::ZERO,
        revocation: ca::revocation::Revocation::default(),
        retry: Retry::Window,
        swap: ca::agent::Swap::Whole,
    };
    let start = Start {
        name: "records".to_owned(),
        seams: seams.clone(),
        courier: Arc::new(Direct),
        agent,
        posture,
    };
    Member::known(start, identity)
}

/// A store with one record.
fn stocked(seams: &Seams) -> Store {
    let store = Store::open(&*seams.disk, "south").expect("an empty disk takes a new store");
    let text = "allergic to penicillin";
    let wrote = store.change("r1", 2, |record| record.text = text.to_owned());
    wrote.expect("the disk holds");
    store
}

/// The records service itself, alone.
fn guarded(seams: &Seams, keys: &str, known: Known, durability: Durability) -> Offered {
    let member = member(seams, durability, known);
    let audit = AuditLog::open(&seams.disk, "records", signing("records/audit"));
    let audit = AuditWriter::start(audit.expect("an empty disk takes a new log").0, seams);
    let identifier = Identifier::new(&member, AUDIENCE, "clinic.example", "nowhere");
    identifier.take_keys(KeySet::parse(keys.as_bytes()).expect("our own key set"));
    let follower = Follower::start(&member, policy(seams), "nowhere");
    let guard = Arc::new(Guard::new(
        &member,
        identifier,
        follower,
        audit,
        Mutation::None,
    ));
    let store = stocked(seams);
    let (replicator, changed) = (
        Replicator::start(&member, &[]),
        Arc::new(watch::Sender::new(0)),
    );
    let service = RecordsService::new(guard, store, replicator, Recheck::Message, changed);
    Offered::of(service.server())
}

fn main() {
    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("unary");
    let lines = [
        ("guarded read, audit synced", Durability::Sync),
        ("guarded read, audit unsynced", Durability::Async),
    ];
    for (line, durability) in lines {
        let shut = Clinic::open(|seams, keys, known| guarded(seams, keys, known, durability));
        shut.measure(&mut group, line);
    }
    let open = Clinic::open(|seams, _, _| Offered::of(RecordsServer::new(Shelf(stocked(seams)))));
    open.measure(&mut group, "floor: unguarded read");
    connect_anew(&mut group, &open);
    group.finish();
    criterion.final_summary();
}
