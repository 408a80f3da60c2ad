//! The clinic on real sockets: CA, witnesses, policy, tokens and one region's records, for callers
//! that know nothing of us.
//!
//! Every node runs the software that the labs run. Time is the machine's, since strangers read
//! certificates by it. It plants no faults: those are the labs'.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ca::agent::{Agent, AgentConfig};
use ca::clock::{Clock as _, SystemClock};
use ca::delivery::Delivery;
use ca::dns::{DnsName, DnsNames};
use ca::identity::{SpiffeId, TrustDomain};
use ca::issue::{Ca, CaConfig};
use ca::join::Guest;
use ca::keys::{Keys as _, RingKeys};
use ca::net::Address;
use ca::renewal::Retry;
use ca::seams::Seams;
use labs::fabric::local::LocalFabric;
use services::courier::Direct;
use services::member::{PORT, Start};
use services::node::{
    NamedKey, NodeError, POLICY_FOLDER, PolicyKeys, RecordsStart, run_policy, run_records,
    run_tokens, run_witness,
};
use services::policy::authority::Authority;
use services::policy::danger::Mutation;
use services::policy::entry::Entry;
use services::posture::Posture;
use tokio::task::JoinSet;

/// The records node.
pub const RECORDS: &str = "records.south";
/// The token service.
pub const TOKEN: &str = "token";
/// The host name that both carry in their leaves, and can be dialled by.
pub const DNS_NAME: &str = "localhost";

const POLICY: &str = "policy";
const WITNESSES: [&str; 3] = ["witness.north", "witness.south", "witness.east"];
const CA_PORT: u16 = 7440;
const ISSUER: &str = "https://token.clinic.example";
/// Life of a leaf: the first renewal comes after about eight seconds.
const LEAF_TTL: Duration = Duration::from_secs(20);

const POLICY_TEXT: &str = r#"permit (
  principal in Role::"doctor",
  action in [Action::"read", Action::"write", Action::"share", Action::"watch"],
  resource
);
"#;

/// The clinic under way; it ends with this value.
pub struct Clinic {
    fabric: LocalFabric,
    ca: Arc<Mutex<Ca>>,
    nodes: JoinSet<()>,
}

impl Clinic {
    /// Founds and starts it, with files below `root`. Must be called inside a `LocalSet`.
    ///
    /// # Errors
    /// When a node cannot be set up.
    pub fn start(root: &Path) -> Result<Self, NodeError> {
        let fabric = LocalFabric::new(SystemClock.now());
        let (seams, _) = fabric.place("ca", root);
        let settings = CaConfig {
            leaf_ttl: LEAF_TTL,
            stagger: Duration::ZERO,
            ..CaConfig::lab(TrustDomain::new("clinic.example")?)
        };
        let ca = Arc::new(Mutex::new(Ca::open(&seams, settings)?));
        let mut clinic = Self {
            fabric,
            ca: Arc::clone(&ca),
            nodes: JoinSet::new(),
        };
        clinic.run("ca", async move {
            Ok(ca::node::serve(seams, ca, CA_PORT).await?)
        });
        let log = key("clinic.example/policy")?;
        let mut witnesses = Vec::new();
        for name in WITNESSES {
            witnesses.push(key(name)?);
        }
        let cosigners = witnesses.iter().map(|it| Ok(it.signing()?.cosigner()));
        let keys = PolicyKeys {
            log: log.signing()?.verifying(),
            witnesses: cosigners.collect::<Result<_, NodeError>>()?,
        };
        for (name, key) in WITNESSES.into_iter().zip(witnesses) {
            let (start, log) = (clinic.node(name, root)?, keys.log.clone());
            clinic.run(name, run_witness(start, key, log));
        }
        let start = clinic.node(POLICY, root)?;
        found_policy(&start, &log, &keys)?;
        clinic.run(POLICY, run_policy(start, log, keys.clone(), Mutation::None));
        let signs = NamedKey {
            name: "token-1".to_owned(),
            pkcs8: RingKeys.p256()?,
        };
        let start = clinic.node(TOKEN, root)?;
        clinic.run(TOKEN, async move { run_tokens(start, ISSUER, signs).await });
        let own = RecordsStart {
            region: "south".to_owned(),
            peers: Vec::new(),
            policy_host: POLICY.to_owned(),
            token_host: TOKEN.to_owned(),
            issuer: ISSUER.to_owned(),
            keys,
            audit: key(&services::audit::origin(RECORDS))?,
            bug: Mutation::None,
        };
        let start = clinic.node(RECORDS, root)?;
        clinic.run(RECORDS, run_records(start, own));
        Ok(clinic)
    }

    /// An agent for a user, whose files are delivered to that folder.
    ///
    /// # Errors
    /// When there is no invitation for them.
    pub fn deliver(&mut self, user: &str, root: &Path, to: &Path) -> Result<(), NodeError> {
        let (seams, _) = self.fabric.place(user, root);
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

    /// A node's task. That it ends is a failure of the test, which then has nobody to talk to.
    fn run(&mut self, name: &str, node: impl Future<Output = Result<(), NodeError>> + 'static) {
        let name = name.to_owned();
        self.nodes.spawn_local(async move {
            let ended = node.await;
            panic!("{name} ended: {ended:?}");
        });
    }

    fn node(&self, name: &str, root: &Path) -> Result<Start, NodeError> {
        let (seams, _) = self.fabric.place(name, root);
        Ok(Start {
            name: name.to_owned(),
            agent: self.invite(&format!("/{name}"), &seams)?,
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
        })
    }
}

fn key(name: &str) -> Result<NamedKey, NodeError> {
    Ok(NamedKey {
        name: name.to_owned(),
        pkcs8: RingKeys.ed25519()?,
    })
}

/// The first policy, and a role for each user.
fn found_policy(start: &Start, log: &NamedKey, keys: &PolicyKeys) -> Result<(), NodeError> {
    let quorum = keys.quorum(start.posture.policy.quorum)?;
    let (disk, bug) = (&start.seams.disk, Mutation::None);
    let (mut authority, _) = Authority::open(disk, POLICY_FOLDER, log.signing()?, quorum, bug)?;
    let policy = Entry::PutPolicy {
        policy: POLICY_TEXT.to_owned(),
        entities: Vec::new(),
    };
    let granted = ["alice", "bob"].map(|principal| Entry::Grant {
        principal: principal.to_owned(),
        role: "doctor".to_owned(),
    });
    for entry in [policy].into_iter().chain(granted) {
        authority.append(&entry.to_bytes()?)?;
    }
    authority.commit()?;
    Ok(())
}
