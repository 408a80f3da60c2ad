//! A records node without a network, for the tests: a clock that stands still, a policy that came
//! by hand, and callers made of nothing but a leaf and a token. It dials nobody.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use ca::agent::{AgentConfig, Published};
use ca::authority::Root;
use ca::bundle::Bundle;
use ca::clock::{ManualClock, Time};
use ca::conn::{PeerIdentity, Standing};
use ca::credential::Credential;
use ca::disk::MemDisk;
use ca::identity::{LeafFacts, SpiffeId};
use ca::keys::{Keys as _, RingKeys};
use ca::net::Address;
use ca::profile::Validity;
use ca::renewal::Retry;
use ca::seams::Seams;
use ca::tlog::note::SigningKey;
use ca::trusted::Trusted;
use tokio::sync::watch;
use tonic::Request;

use crate::audit::group::AuditWriter;
use crate::audit::{self, writer::AuditLog};
use crate::courier::Direct;
use crate::guard::{Guard, Identifier};
use crate::member::{Member, Start};
use crate::node::AUDIENCE;
use crate::policy::authority::Authority;
use crate::policy::danger::Mutation;
use crate::policy::entry::Entry;
use crate::policy::follow::Follower;
use crate::policy::quorum::danger::unwitnessed;
use crate::policy::replica::{Replica, Trust};
use crate::posture::Posture;
use crate::token::issue::{self, Issuer};
use crate::token::keys::KeySet;

/// What the clock shows at first, and the as-of of the policy.
pub(crate) const NOW: Time = Time::from_secs(1_767_225_600);
/// The node's name.
pub(crate) const NODE: &str = "records.south";
/// Entries of its policy: doctors may do everything, and alice is one.
pub(crate) const POLICY_SIZE: u64 = 2;

const ISSUER: &str = "clinic.example";

/// The node.
pub(crate) struct Specimen {
    pub(crate) member: Member,
    beliefs: watch::Sender<Option<Arc<Published>>>,
    tokens: Issuer,
}

impl Specimen {
    /// A node under a posture, with its seams as `adapt` leaves them.
    pub(crate) fn new(posture: Posture, adapt: impl FnOnce(&mut Seams)) -> Self {
        let mut seams = Seams {
            clock: Arc::new(ManualClock::new(NOW)),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        adapt(&mut seams);
        let id = spiffe_id(&format!("/{NODE}"));
        let bundle = Bundle {
            trust_domain: id.trust_domain().clone(),
            generation: 0,
            roots: Vec::new(),
        };
        let agent = AgentConfig {
            id,
            ca: Address::new("nowhere", 0),
            ca_id: spiffe_id(ca::node::PATH),
            join_code: String::new(),
            bundle,
            tolerance: Duration::ZERO,
            revocation: ca::revocation::Revocation::ignore(),
            retry: Retry::Window,
            swap: ca::agent::Swap::Whole,
        };
        let start = Start {
            name: NODE.to_owned(),
            seams,
            courier: Arc::new(Direct),
            agent,
            posture,
        };
        let trusted = Arc::new(Trusted::of(CLINIC.bundle.clone()));
        let credential = CLINIC.credential(&spiffe_id(&format!("/{NODE}")));
        let published = Published {
            credential,
            trusted,
            bearer: None,
        };
        let (beliefs, identity) = watch::channel(Some(Arc::new(published)));
        Self {
            beliefs,
            member: Member::known(start, identity),
            tokens: Issuer::new(ISSUER, "k1", &RingKeys.p256().unwrap()).unwrap(),
        }
    }

    /// Withdraws the clinic's root.
    pub(crate) fn distrust(&self) {
        let bundle = Bundle {
            generation: CLINIC.bundle.generation + 1,
            roots: Vec::new(),
            ..CLINIC.bundle.clone()
        };
        self.beliefs.send_modify(|published| {
            let held = published.as_ref().expect("it was published");
            *published = Some(Arc::new(Published {
                trusted: Arc::new(Trusted::of(bundle)),
                ..(**held).clone()
            }));
        });
    }

    /// Believes these token keys from now on, as a later generation.
    pub(crate) fn believes(&self, jwks: &str) {
        self.beliefs.send_modify(|published| {
            let held = published.as_ref().expect("it was published");
            let mut trusted = (*held.trusted).clone();
            let bundle = Bundle {
                generation: trusted.generation(&CLINIC.bundle.trust_domain) + 1,
                ..CLINIC.bundle.clone()
            };
            trusted.bundles = bundle.into();
            trusted.token_keys = jwks.into();
            *published = Some(Arc::new(Published {
                trusted: Arc::new(trusted),
                ..(**held).clone()
            }));
        });
    }

    /// Its guard. Must be called inside a runtime.
    pub(crate) fn guard(&self) -> Arc<Guard> {
        self.followed().0
    }

    /// What judges its callers.
    pub(crate) fn identifier(&self) -> Identifier {
        let identifier = Identifier::new(&self.member, AUDIENCE, ISSUER, "nowhere");
        let keys = issue::jwks([&self.tokens]);
        identifier.take_keys(KeySet::parse(keys.as_bytes()).unwrap());
        identifier
    }

    /// Its guard, its replica under way, and the authority of its policy.
    pub(crate) fn followed(&self) -> (Arc<Guard>, Follower, Authority) {
        let seams = &self.member.start.seams;
        let log = AuditLog::open(&seams.disk, NODE, signing(&audit::origin(NODE)));
        let audit = AuditWriter::start(log.unwrap().0, seams);
        let identifier = self.identifier();
        let (replica, authority) = self.replica();
        let follower = Follower::start(&self.member, replica, "nowhere");
        let (member, bug) = (&self.member, Mutation::None);
        let guard = Guard::new(member, identifier, follower.clone(), audit, bug);
        (Arc::new(guard), follower, authority)
    }

    fn replica(&self) -> (Replica, Authority) {
        let disk = &self.member.start.seams.disk;
        let (mut authority, trust) = authority(&self.member.start.seams);
        let policy = r#"permit (principal in Role::"doctor", action, resource);"#.to_owned();
        let (principal, role) = ("alice".to_owned(), "doctor".to_owned());
        for entry in [
            Entry::PutPolicy {
                policy,
                entities: Vec::new(),
            },
            Entry::Grant { principal, role },
        ] {
            authority.append(&entry.to_bytes().unwrap()).unwrap();
        }
        authority.commit().unwrap();
        let mut replica = Replica::open(disk, "replica", trust, NOW).unwrap();
        let update = authority.update_since(0).unwrap();
        replica.apply(&update, NOW).unwrap();
        (replica, authority)
    }

    /// A request of alice's, with her leaf and her token.
    pub(crate) fn asks<T>(&self, message: T) -> Request<T> {
        let leaf = leaf("/user/alice");
        let (whose, digest) = (leaf.spiffe_id.clone(), leaf.leaf_sha256);
        let life = Duration::from_secs(60);
        let token = self
            .tokens
            .issue(&whose, AUDIENCE, &digest, NOW, life, "t1");
        let header = format!("Bearer {}", token.unwrap()).parse().unwrap();
        let mut request = from(leaf, message);
        request.metadata_mut().insert("authorization", header);
        request
    }
}

/// An authority without witnesses, and what a replica of it trusts.
pub(crate) fn authority(seams: &Seams) -> (Authority, Trust) {
    let log = signing("clinic.example/policy");
    let trust = Trust {
        log: log.verifying(),
        quorum: unwitnessed(Vec::new()).unwrap(),
        tolerance: Duration::from_millis(500),
        bug: Mutation::None,
    };
    let quorum = trust.quorum.clone();
    let opened = Authority::open(&seams.disk, "authority", log, quorum, Mutation::None);
    (opened.unwrap().0, trust)
}

fn signing(name: &str) -> SigningKey {
    SigningKey::new(name, &RingKeys.ed25519().unwrap()).unwrap()
}

fn spiffe_id(path: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://clinic.example{path}")).unwrap()
}

/// A leaf of the clinic, valid for a minute on either side of [`NOW`].
pub(crate) fn leaf(path: &str) -> LeafFacts {
    LeafFacts {
        spiffe_id: spiffe_id(path),
        issuer: Vec::new(),
        serial: vec![1],
        not_before: NOW - Duration::from_secs(60),
        not_after: NOW + Duration::from_secs(60),
        leaf_sha256: [7; 32],
    }
}

/// A request on the connection of whoever has that leaf. The chain behind it is a real one.
pub(crate) fn from<T>(facts: LeafFacts, message: T) -> Request<T> {
    let mut request = Request::new(message);
    let named = spiffe_id(facts.spiffe_id.path());
    let standing = Standing::of(&CLINIC.credential(&named).chain);
    let peer = PeerIdentity {
        facts,
        generation: 1,
        standing,
    };
    request.extensions_mut().insert(peer);
    request
}

/// The trust domain that the node and its callers belong to.
static CLINIC: LazyLock<Clinic> = LazyLock::new(Clinic::found);

struct Clinic {
    bundle: Bundle,
    issuer: ca::authority::Issuer,
}

impl Clinic {
    fn found() -> Self {
        let trust_domain = spiffe_id("/x").trust_domain().clone();
        let day = Duration::from_secs(24 * 3_600);
        let validity = Validity::lasting(NOW - day, day * 2);
        let root = Root::create(&RingKeys, &trust_domain, 1, validity).unwrap();
        Self {
            issuer: root.sign_issuer(&RingKeys, 1, validity).unwrap(),
            bundle: Bundle {
                trust_domain,
                generation: 1,
                roots: vec![root.certificate().clone()],
            },
        }
    }

    fn credential(&self, id: &SpiffeId) -> Credential {
        let key = RingKeys.p256().unwrap();
        let csr = ca::csr::request(&key).unwrap();
        let minute = Duration::from_secs(60);
        let validity = Validity::lasting(NOW - minute, minute * 2);
        let chain = self.issuer.issue(&csr, id, validity, NOW).unwrap().chain;
        let (bundle, tolerance) = (&self.bundle, Duration::ZERO);
        Credential::assemble(1, key, chain, bundle, id, NOW, tolerance).unwrap()
    }
}
