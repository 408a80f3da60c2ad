//! The clinic on real sockets: CA, witnesses, policy, tokens and the records of its regions, for
//! callers of ours and for strangers.
//!
//! Every node runs the software that the labs run, on a disk in memory: what is tried here is no
//! disk's patience. Time is the machine's, since strangers read certificates by it. It plants no
//! faults: those are the labs'. Invariant: a node that ends is told of, by [`Clinic::ended`].

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::agent::{Agent, AgentConfig, BearerSource};
use ca::clock::{Clock as _, SystemClock};
use ca::delivery::Delivery;
use ca::disk::MemDisk;
use ca::dns::{DnsName, DnsNames};
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig, Confirm, Returns};
use ca::join::Guest;
use ca::keys::{Keys as _, RingKeys};
use ca::net::Address;
use ca::renewal::Retry;
use ca::seams::Seams;
use services::courier::Direct;
use services::member::{Member, PORT, Start};
use services::node::{
    AUDIENCE, NamedKey, NodeError, POLICY_FOLDER, PolicyKeys, RecordsStart, run_policy,
    run_records, run_tokens, run_witness,
};
use services::policy::authority::Authority;
use services::policy::danger::Mutation;
use services::policy::entry::Entry;
use services::posture::Posture;
use services::token::grpc::TokenSource;
use tokio::task::JoinSet;

use crate::fabric::TrueTime;
use crate::fabric::local::LocalFabric;

/// The regions; each has records and a witness.
pub const REGIONS: [&str; 3] = ["north", "south", "east"];
/// The records node of the south.
pub const RECORDS: &str = "records.south";
/// The token service.
pub const TOKEN: &str = "token";
/// The host name that both carry in their leaves, and can be dialled by.
pub const DNS_NAME: &str = "localhost";

const POLICY: &str = "policy";
const CA_PORT: u16 = 7440;
const ISSUER: &str = "https://token.clinic.example";

const POLICY_TEXT: &str = r#"permit (
  principal in Role::"doctor",
  action in [Action::"read", Action::"write", Action::"share", Action::"watch"],
  resource
);
"#;

/// How a clinic is to be.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The CA's settings.
    pub settings: CaConfig,
    /// How long a token lives.
    pub token_ttl: Duration,
    /// Who has the role of a doctor.
    pub doctors: Vec<String>,
    /// Hosts of further records, which whoever starts the clinic runs: see [`Clinic::node`].
    pub beside: Vec<String>,
}

impl Terms {
    /// Leaves of that life, so many doctors by name.
    ///
    /// # Errors
    /// Never in practice: the clinic's name is one.
    pub fn new(leaf_ttl: Duration, doctors: &[&str]) -> Result<Self, NodeError> {
        Ok(Self {
            settings: CaConfig {
                leaf_ttl,
                stagger: Duration::ZERO,
                backdate: Duration::from_secs(1),
                // Whoever lapses has failed the rehearsal.
                returns: Returns {
                    grace: Duration::ZERO,
                    confirm: Confirm::ByHand,
                },
                cross_sign: true,
                ..CaConfig::lab(TrustDomain::new("clinic.example")?)
            },
            token_ttl: services::token::grpc::TTL,
            doctors: doctors.iter().map(|&name| name.to_owned()).collect(),
            beside: Vec::new(),
        })
    }
}

/// The clinic under way; it ends with this value.
pub struct Clinic {
    fabric: LocalFabric,
    ca: Arc<Mutex<Ca>>,
    policy: PolicyKeys,
    records: Vec<String>,
    nodes: JoinSet<(String, Result<(), NodeError>)>,
}

impl Clinic {
    /// Founds and starts it. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// When a node cannot be set up.
    pub fn start(terms: &Terms) -> Result<Self, NodeError> {
        let fabric = LocalFabric::new(SystemClock.now());
        let seams = place(&fabric, "ca");
        let ca = Arc::new(Mutex::new(Ca::open(&seams, terms.settings.clone())?));
        let log = key("clinic.example/policy")?;
        let witnesses = REGIONS.map(|region| format!("witness.{region}"));
        let mut signing = BTreeMap::new();
        let mut cosigners = Vec::new();
        for name in &witnesses {
            let key = key(name)?;
            cosigners.push(key.signing()?.cosigner());
            signing.insert(name.clone(), key);
        }
        let of_regions = REGIONS.iter().map(|region| format!("records.{region}"));
        let mut clinic = Self {
            fabric,
            ca: Arc::clone(&ca),
            policy: PolicyKeys {
                log: log.signing()?.verifying(),
                witnesses: cosigners,
            },
            records: of_regions.chain(terms.beside.iter().cloned()).collect(),
            nodes: JoinSet::new(),
        };
        clinic.run("ca", async move {
            Ok(ca::node::serve(seams, ca, CA_PORT).await?)
        });
        let keys = clinic.policy.clone();
        for (name, key) in signing {
            let (start, log) = (clinic.node(&name)?, keys.log.clone());
            clinic.run(&name, run_witness(start, key, log));
        }
        let start = clinic.node(POLICY)?;
        found_policy(&start, &log, &keys, &terms.doctors)?;
        clinic.run(POLICY, run_policy(start, log, keys, Mutation::None));
        let (start, ttl) = (clinic.node(TOKEN)?, terms.token_ttl);
        clinic.run(TOKEN, run_tokens(start, ISSUER, ttl));
        for region in REGIONS {
            let own = clinic.records(region)?;
            let name = format!("records.{region}");
            let start = clinic.node(&name)?;
            clinic.run(&name, run_records(start, own));
        }
        Ok(clinic)
    }

    /// What the records of a region need beside their [`Self::node`].
    ///
    /// # Errors
    /// When there is no randomness for a key.
    pub fn records(&self, region: &str) -> Result<RecordsStart, NodeError> {
        let name = format!("records.{region}");
        let others = self.records.iter().filter(|other| **other != name);
        Ok(RecordsStart {
            region: region.to_owned(),
            peers: others.cloned().collect(),
            policy_host: POLICY.to_owned(),
            token_host: TOKEN.to_owned(),
            issuer: ISSUER.to_owned(),
            keys: self.policy.clone(),
            audit: key(&services::audit::origin(&name))?,
            secrets: false,
            bug: Mutation::None,
        })
    }

    /// How true time is read here.
    pub const fn truth(&self) -> TrueTime {
        self.fabric.truth()
    }

    /// The CA, for whoever gives it orders.
    pub fn ca(&self) -> Arc<Mutex<Ca>> {
        Arc::clone(&self.ca)
    }

    /// A user's device, with an agent and a token of its own.
    ///
    /// # Errors
    /// When there is no invitation for it.
    pub fn user(&self, user: &str) -> Result<Member, NodeError> {
        let seams = place(&self.fabric, user);
        let start = self.start_of(user, &format!("/user/{user}"), seams)?;
        let source: Arc<dyn BearerSource> = Arc::new(TokenSource {
            start: start.clone(),
            host: TOKEN.to_owned(),
            audience: AUDIENCE.to_owned(),
        });
        Ok(Member::join(start, Some(source)))
    }

    /// Waits for a node to end, which none should; says which, and why.
    pub async fn ended(&mut self) -> String {
        match self.nodes.join_next().await {
            Some(Ok((name, Ok(())))) => format!("{name} ended"),
            Some(Ok((name, Err(error)))) => format!("{name} ended: {error}"),
            Some(Err(error)) => error.to_string(),
            None => "no node was started".to_owned(),
        }
    }

    /// An agent for a user, whose files are delivered to that folder.
    ///
    /// # Errors
    /// When there is no invitation for them.
    pub fn deliver(&mut self, user: &str, to: &Path) -> Result<(), NodeError> {
        let seams = place(&self.fabric, user);
        let config = self.invite(&format!("/user/{user}"), &seams)?;
        let (agent, mut published) = Agent::new(seams, config, None);
        let delivery = Delivery::to(to);
        self.run(user, async move {
            let deliver = async {
                while published.changed().await.is_ok() {
                    let now = published.borrow_and_update().clone();
                    if let Some(now) = now {
                        delivery.deliver(&now)?;
                    }
                }
                Ok(())
            };
            tokio::select! {
                () = agent.run() => Ok(()),
                delivered = deliver => delivered,
            }
        });
        Ok(())
    }

    /// The port of this machine at which a service listens, once it does.
    pub async fn port(&self, host: &str) -> u16 {
        loop {
            if let Some(socket) = self.fabric.socket(host, PORT) {
                return socket.port();
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn run(&mut self, name: &str, node: impl Future<Output = Result<(), NodeError>> + 'static) {
        let name = name.to_owned();
        self.nodes.spawn_local(async move { (name, node.await) });
    }

    /// What a node of that name is started with.
    ///
    /// # Errors
    /// When there is no invitation for it.
    pub fn node(&self, name: &str) -> Result<Start, NodeError> {
        let seams = place(&self.fabric, name);
        self.start_of(name, &format!("/{name}"), seams)
    }

    fn start_of(&self, name: &str, path: &str, seams: Seams) -> Result<Start, NodeError> {
        Ok(Start {
            name: name.to_owned(),
            agent: self.invite(path, &seams)?,
            seams,
            courier: Arc::new(Direct),
            posture: Posture::hardened(),
        })
    }

    fn invite(&self, path: &str, seams: &Seams) -> Result<AgentConfig, NodeError> {
        let posture = Posture::hardened();
        let mut ca = self.ca.lock().map_err(|_| "the CA broke")?;
        let domain = ca.config().trust_domain.clone();
        let id = SpiffeId::new(&domain, path)?;
        let dns = [RECORDS, TOKEN]
            .iter()
            .any(|host| path == format!("/{host}"));
        let names = dns.then(|| DnsName::new(DNS_NAME)).transpose()?;
        let guest = Guest {
            spiffe_id: id.clone(),
            dns_names: DnsNames::new(names)?,
            ttl: ca.config().join_ttl,
        };
        let code = ca.invite(guest, seams.clock.now())?;
        Ok(AgentConfig {
            id,
            ca: Address::new("ca", CA_PORT),
            ca_id: SpiffeId::new(&domain, ca::node::PATH)?,
            join_code: code.reveal().to_owned(),
            bundle: ca.bundle(),
            tolerance: posture.tls.tolerance,
            revocation: posture.revocation.without_lists(),
            retry: Retry::Window,
            swap: ca::agent::Swap::Whole,
        })
    }
}

/// A node's seams, with a disk of its own.
fn place(fabric: &LocalFabric, name: &str) -> Seams {
    let (seams, _) = fabric.place(name, Path::new(""));
    Seams {
        disk: Arc::new(MemDisk::new()),
        ..seams
    }
}

fn key(name: &str) -> Result<NamedKey, NodeError> {
    Ok(NamedKey {
        name: name.to_owned(),
        pkcs8: RingKeys.ed25519()?,
    })
}

/// The first policy, and a role for each user.
fn found_policy(
    start: &Start,
    log: &NamedKey,
    keys: &PolicyKeys,
    doctors: &[String],
) -> Result<(), NodeError> {
    let quorum = keys.quorum(start.posture.policy.quorum)?;
    let (disk, bug) = (&start.seams.disk, Mutation::None);
    let (mut authority, _) = Authority::open(disk, POLICY_FOLDER, log.signing()?, quorum, bug)?;
    let policy = Entry::PutPolicy {
        policy: POLICY_TEXT.to_owned(),
        entities: Vec::new(),
    };
    let granted = doctors.iter().map(|doctor| Entry::Grant {
        principal: doctor.clone(),
        role: "doctor".to_owned(),
    });
    for entry in [policy].into_iter().chain(granted) {
        authority.append(&entry.to_bytes()?)?;
    }
    authority.commit()?;
    Ok(())
}
