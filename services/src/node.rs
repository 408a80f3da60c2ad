//! Nodes, assembled: each function runs one service on one host until its task is dropped.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ca::keys::Pkcs8;
use ca::offered::Offered;
use ca::tlog::note::{SigningKey, VerifyingKey};
use proto::records::v1::notices_server::NoticesServer;
use proto::records::v1::records_server::RecordsServer;
use proto::records::v1::replication_server::ReplicationServer;
use tokio::sync::watch;

use crate::audit::group::AuditWriter;
use crate::audit::writer::AuditLog;
use crate::edge::Edge;
use crate::guard::{Guard, Identifier};
use crate::member::{Member, PORT, Start};
use crate::policy::attest::WitnessService;
use crate::policy::authority::Authority;
use crate::policy::danger::Mutation;
use crate::policy::follow::Follower;
use crate::policy::quorum::{InvalidQuorum, Quorum, danger::unwitnessed};
use crate::policy::replica::{Replica, Trust};
use crate::policy::serve::PolicyService;
use crate::policy::witness::DurableWitness;
use crate::records::{
    NoticesService, RecordsService, ReplicationService, Replicator, Store, sweep,
};
use crate::secret::{Secrets, at_rest};
use crate::token::grpc::TokenService;
use crate::token::signing;

/// The audience of the records services' tokens.
pub const AUDIENCE: &str = "records";
/// Folder of the policy log, on the authority's and on each replica's disk.
pub const POLICY_FOLDER: &str = "policy";

/// Why a node's software ended.
pub type NodeError = Box<dyn std::error::Error>;

/// What everybody knows of the policy log: its key, and its witnesses.
#[derive(Clone)]
pub struct PolicyKeys {
    /// The log's key.
    pub log: VerifyingKey,
    /// The witnesses' keys.
    pub witnesses: Vec<VerifyingKey>,
}

impl PolicyKeys {
    /// The quorum that a posture asks for.
    ///
    /// # Errors
    /// When the witnesses are not that many, or not distinct.
    pub fn quorum(&self, needed: u8) -> Result<Quorum, InvalidQuorum> {
        match needed {
            0 => unwitnessed(self.witnesses.clone()),
            needed => Quorum::new(usize::from(needed), self.witnesses.clone()),
        }
    }
}

/// A private key under a name. It does not print itself.
#[derive(Clone)]
pub struct NamedKey {
    /// The key's name.
    pub name: String,
    /// The key, PKCS#8.
    pub pkcs8: Pkcs8,
}

impl NamedKey {
    /// The key, ready to sign.
    ///
    /// # Errors
    /// When it is no Ed25519 key, or its name cannot be one.
    pub fn signing(&self) -> Result<SigningKey, ca::tlog::note::InvalidKey> {
        SigningKey::new(&self.name, &self.pkcs8)
    }
}

impl fmt::Debug for NamedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NamedKey")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Runs the token service, which signs with the key that the CA gives it, tokens that live for
/// `ttl`.
///
/// # Errors
/// When the port is taken.
pub async fn run_tokens(start: Start, issuer: &str, ttl: Duration) -> Result<(), NodeError> {
    let member = Member::join(start, None);
    let signer = signing::follow(&member, issuer);
    let service = TokenService::new(member.clone(), signer, ttl);
    Ok(member
        .door()
        .serve(PORT, Offered::of(service.server()))
        .await?)
}

/// Runs the edge before the records on `records_host`.
///
/// # Errors
/// When the port is taken.
pub async fn run_edge(start: Start, records_host: &str) -> Result<(), NodeError> {
    let member = Member::join(start, None);
    let edge = Edge::new(&member, records_host);
    Ok(member.door().serve(PORT, Offered::of(edge)).await?)
}

/// Runs a witness of the policy log.
///
/// # Errors
/// When its disk or its port does not open.
pub async fn run_witness(start: Start, key: NamedKey, log: VerifyingKey) -> Result<(), NodeError> {
    let origin = log.name().to_owned();
    let disk = &start.seams.disk;
    let witness = DurableWitness::open(disk, "witness", key.signing()?, vec![log])?;
    let member = Member::join(start, None);
    let service = WitnessService::new(member.clone(), &origin, witness);
    Ok(member
        .door()
        .serve(PORT, Offered::of(service.server()))
        .await?)
}

/// Runs the policy authority.
///
/// # Errors
/// When its log or its port does not open.
pub async fn run_policy(
    start: Start,
    key: NamedKey,
    keys: PolicyKeys,
    bug: Mutation,
) -> Result<(), NodeError> {
    let quorum = keys.quorum(start.posture.policy.quorum)?;
    let disk = &start.seams.disk;
    let (authority, recovery) = Authority::open(disk, POLICY_FOLDER, key.signing()?, quorum, bug)?;
    if recovery.cut_bytes > 0 {
        tracing::warn!(
            cut_bytes = recovery.cut_bytes,
            "the policy log had a torn tail"
        );
    }
    let member = Member::join(start, None);
    let service = PolicyService::new(member.clone(), authority);
    service.start();
    Ok(member
        .door()
        .serve(PORT, Offered::of(service.server()))
        .await?)
}

/// What a records node needs beside its start.
#[derive(Clone)]
pub struct RecordsStart {
    /// Its region.
    pub region: String,
    /// Hosts of the other regions' records.
    pub peers: Vec<String>,
    /// Host of the policy authority.
    pub policy_host: String,
    /// Host of the token service.
    pub token_host: String,
    /// What `iss` must say.
    pub issuer: String,
    /// Whom the replica believes.
    pub keys: PolicyKeys,
    /// The key of its audit log.
    pub audit: NamedKey,
    /// Whether its records lie sealed, and notices are taken.
    pub secrets: bool,
    /// A planted bug, for the proof.
    pub bug: Mutation,
}

/// Runs one region's records.
///
/// # Errors
/// When its disk or its port does not open, or what is on the disk is not to be believed.
pub async fn run_records(start: Start, own: RecordsStart) -> Result<(), NodeError> {
    let member = Member::join(start, None);
    let node = RecordsNode::start(&member, &member, own)?;
    let mut offered = Offered::of(node.records).and(node.replication);
    if let Some(notices) = node.notices {
        offered = offered.and(notices);
    }
    Ok(member.door().serve(PORT, offered).await?)
}

/// One region's records, under way and not to be reached yet.
pub struct RecordsNode {
    /// For callers.
    pub records: RecordsServer<RecordsService>,
    /// For the other regions.
    pub replication: ReplicationServer<ReplicationService>,
    /// For whoever sends notices, if they are taken.
    pub notices: Option<NoticesServer<NoticesService>>,
}

impl RecordsNode {
    /// Starts it. `callers` judges those who call, and `among` is who this node is among the
    /// others: one member, unless callers come in by a door of their own.
    ///
    /// # Errors
    /// When its disk does not open, or what is on it is not to be believed.
    pub fn start(callers: &Member, among: &Member, own: RecordsStart) -> Result<Self, NodeError> {
        let Start {
            seams,
            posture,
            name,
            ..
        } = &among.start;
        let trust = Trust {
            log: own.keys.log.clone(),
            quorum: own.keys.quorum(posture.policy.quorum)?,
            tolerance: posture.tls.tolerance,
            bug: own.bug,
        };
        let replica = Replica::open(&seams.disk, POLICY_FOLDER, trust, seams.clock.now())?;
        let (log, recovery) = AuditLog::open(&seams.disk, name, own.audit.signing()?)?;
        if recovery.cut_bytes > 0 {
            tracing::warn!(
                cut_bytes = recovery.cut_bytes,
                "the audit log had a torn tail"
            );
        }
        let store = Store::open(&*seams.disk, &own.region)?;
        let (store, secrets) = sealing(among, store, &own)?;
        let follower = Follower::start(among, replica, &own.policy_host);
        let audit = AuditWriter::start(log, seams);
        let identifier = Identifier::new(callers, AUDIENCE, &own.issuer, &own.token_host);
        let guard = Arc::new(Guard::new(callers, identifier, follower, audit, own.bug));
        let warming = Arc::clone(&guard);
        tokio::spawn(async move { warming.warm().await });
        let replicator = Replicator::start(among, &own.peers);
        resume(&replicator, &store)?;
        if secrets.is_some() {
            tokio::spawn(sweep(store.clone(), seams.clone()));
        }
        let changed = Arc::new(watch::Sender::new(0));
        let replication =
            ReplicationService::new(among.clone(), store.clone(), Arc::clone(&changed));
        let recheck = callers.start.posture.tls.recheck;
        let records = RecordsService::new(guard, store, replicator, recheck, changed);
        let notices = secrets
            .map(|secrets| NoticesService::new(among.clone(), secrets, records.clone()).server());
        Ok(Self {
            records: records.server(),
            replication: replication.server(),
            notices,
        })
    }
}

/// The store as the node has it, and its secrets, if it has any.
fn sealing(
    member: &Member,
    store: Store,
    own: &RecordsStart,
) -> Result<(Store, Option<Secrets>), NodeError> {
    if !own.secrets {
        return Ok((store, None));
    }
    let under = [(at_rest(&own.region)?, store.under()?)].into();
    let secrets = Secrets::follow(member, under);
    let keys = Arc::clone(&member.start.seams.keys);
    Ok((store.sealed(secrets.clone(), keys)?, Some(secrets)))
}

/// Offers again what was last written here: at once, or as soon as it can be opened.
fn resume(replicator: &Replicator, store: &Store) -> Result<(), NodeError> {
    let Some((name, secrets)) = store.sealed_with() else {
        return Ok(replicator.resume(store)?);
    };
    let (replicator, store) = (replicator.clone(), store.clone());
    tokio::spawn(async move {
        let mut changes = secrets.changes();
        // The sender is there for as long as the node runs.
        let _ = changes.wait_for(|own| own.contains_key(&name)).await;
        if let Err(error) = replicator.resume(&store) {
            tracing::error!(%error, "what was written here before is not offered again");
        }
    });
    Ok(())
}
