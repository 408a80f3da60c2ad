//! The world of a scenario, provisioned: every host with its keys, its join code and its software.
//!
//! Provisioning happens before time begins, on the nodes' own disks: the CA makes its root and a
//! join code a node, the policy log gets its first policy and grants. From then on every node is
//! on its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::disk::Disk as _;
use ca::identity::TrustDomain;
use ca::issuance::Issuance;
use ca::issue::{Ca, CaConfig, LOG_FOLDER};
use ca::keys::{Keys, RingKeys};
use ca::seams::Seams;
use ca::secrets::SecretConfig;
use ca::tlog::log::verify_folder;
use ca::tlog::note::VerifyingKey;
use services::audit;
use services::member::Start;
use services::node::{
    self, NamedKey, POLICY_FOLDER, PolicyKeys, RecordsStart, run_edge, run_policy, run_records,
    run_tokens, run_witness,
};
use services::policy::authority::Authority;
use services::policy::check;
use services::policy::entry::Entry;
use services::secret::{NOTICE_LIFE, at_rest, webhook};
use services::token::grpc::TTL;

use super::administrator;
use super::fleet;
use super::impostor;
use super::invited::{Invited, invite};
use super::loot::{self, Loot};
use super::operator::{self, Desk};
use super::users::{self, Errand, Heard};
use super::{RunError, RunRequest};
use crate::fabric::post::Post;
use crate::fabric::sim::{SimFabric, Without};
use crate::history;
use crate::scenario::{self, Act, EDGE, FLEET};

/// The clinic's trust domain.
const DOMAIN: &str = "clinic.example";
/// Where the CA listens.
pub(super) const CA_PORT: u16 = 7440;
/// What `iss` says in tokens.
pub(super) const ISSUER: &str = "https://token.clinic.example";
/// The origin of the policy log.
const POLICY_LOG: &str = "clinic.example/policy";
/// Hosts of the single services.
pub(super) const CA: &str = "ca";
const POLICY: &str = "policy";
pub(super) const TOKEN: &str = "token";
/// Who changes the policy.
const ADMIN: &str = "admin";

/// A world under way.
pub(super) struct World {
    pub(super) fabric: SimFabric,
    pub(super) post: Post,
    /// The region of every host.
    pub(super) regions: BTreeMap<String, String>,
    /// Keys that verify the audit logs, by node.
    pub(super) audit_keys: BTreeMap<String, VerifyingKey>,
    /// The key that verifies the CA's issuance log, once there is a CA.
    issuance_key: Option<VerifyingKey>,
    /// What users heard.
    pub(super) heard: Heard,
    /// What thieves hold.
    pub(super) loot: Loot,
}

impl World {
    /// Builds and provisions the world of a request.
    pub(super) fn build(request: &RunRequest) -> Result<Self, RunError> {
        let fabric = SimFabric::new(request.seed, Without::Nothing);
        let mut world = Self {
            fabric,
            post: Post::default(),
            regions: BTreeMap::new(),
            audit_keys: BTreeMap::new(),
            issuance_key: None,
            heard: Arc::default(),
            loot: Arc::default(),
        };
        let hosts = world.name_hosts(request);
        let places: BTreeMap<String, Seams> = hosts
            .iter()
            .map(|host| (host.clone(), world.fabric.place(host).seams))
            .collect();
        let invited = invite(request, &places, &world.post).map_err(broke)?;
        let Invited {
            mut starts,
            fleet,
            issuance_key,
        } = invited;
        world.issuance_key = Some(issuance_key);
        if let Some(place) = places.get(FLEET) {
            world.fabric.host(FLEET, fleet::software(place, fleet));
        }
        let (policy_key, keys, witness_keys) = policy_keys(request).map_err(broke)?;
        found_policy(request, &places[POLICY], &policy_key, &keys)?;
        world.host_ca(&places[CA], request);
        for region in &request.scenario.world.regions {
            let host = format!("witness.{region}");
            let (key, log) = (witness_keys[&host].clone(), keys.log.clone());
            world.host(take(&mut starts, &host), move |start| {
                run_witness(start, key.clone(), log.clone())
            });
        }
        let (key, known, bug) = (policy_key, keys.clone(), request.mutation);
        world.host(take(&mut starts, POLICY), move |start| {
            run_policy(start, key.clone(), known.clone(), bug)
        });
        world.host(take(&mut starts, TOKEN), move |start| {
            run_tokens(start, ISSUER, TTL)
        });
        world
            .host_records(request, &mut starts, &keys)
            .map_err(broke)?;
        world.host_users(request, starts);
        Ok(world)
    }

    /// Names every host and says where it stands; the single services stand in the first region.
    fn name_hosts(&mut self, request: &RunRequest) -> Vec<String> {
        let world = &request.scenario.world;
        let first = world.regions.first().cloned().unwrap_or_default();
        let mut hosts = Vec::new();
        for region in &world.regions {
            hosts.push((format!("witness.{region}"), region.clone()));
            hosts.push((format!("records.{region}"), region.clone()));
            if world.edge {
                hosts.push((format!("{EDGE}.{region}"), region.clone()));
            }
        }
        let single = [CA, POLICY, TOKEN, ADMIN];
        hosts.extend(single.map(|host| (host.to_owned(), first.clone())));
        hosts.extend(
            world
                .users
                .iter()
                .map(|user| (user.name.clone(), user.region.clone())),
        );
        if world.fleet > 0 {
            hosts.push((FLEET.to_owned(), first));
        }
        self.regions = hosts.iter().cloned().collect();
        hosts.into_iter().map(|(host, _)| host).collect()
    }

    fn host_ca(&mut self, seams: &Seams, request: &RunRequest) {
        let (seams, settings) = (seams.clone(), settings(request));
        let orders = operator::orders(&request.scenario);
        let (heard, loot) = (Arc::clone(&self.heard), Arc::clone(&self.loot));
        self.fabric.host(CA, move || {
            let (seams, settings) = (seams.clone(), settings.clone());
            let (orders, heard, loot) = (orders.clone(), Arc::clone(&heard), Arc::clone(&loot));
            async move {
                let ca = Arc::new(Mutex::new(Ca::open(&seams, settings?)?));
                let desk = Desk {
                    seams: seams.clone(),
                    ca: Arc::clone(&ca),
                    heard,
                    loot,
                };
                tokio::select! {
                    biased;
                    served = ca::node::serve(seams, ca, CA_PORT) => Ok(served?),
                    never = desk.operate(orders) => match never {},
                }
            }
        });
    }

    fn host<F, Fut>(&mut self, start: Start, software: F)
    where
        F: Fn(Start) -> Fut + 'static,
        Fut: Future<Output = Result<(), node::NodeError>> + 'static,
    {
        let name = start.name.clone();
        self.fabric.host(&name, move || software(start.clone()));
    }

    fn host_records(
        &mut self,
        request: &RunRequest,
        starts: &mut BTreeMap<String, Start>,
        keys: &PolicyKeys,
    ) -> Result<(), node::NodeError> {
        let regions = &request.scenario.world.regions;
        for region in regions {
            let host = format!("records.{region}");
            let others = regions.iter().filter(|other| *other != region);
            let audit = named(&audit::origin(&host), RingKeys.ed25519())?;
            self.audit_keys
                .insert(host.clone(), audit.signing()?.verifying());
            let own = RecordsStart {
                region: region.clone(),
                peers: others.map(|other| format!("records.{other}")).collect(),
                policy_host: POLICY.to_owned(),
                token_host: TOKEN.to_owned(),
                issuer: ISSUER.to_owned(),
                keys: keys.clone(),
                audit,
                secrets: !request.scenario.world.senders.is_empty(),
                bug: request.mutation,
            };
            let start = take(starts, &host);
            self.host(start, move |start| run_records(start, own.clone()));
            if request.scenario.world.edge {
                let edge = take(starts, &format!("{EDGE}.{region}"));
                self.host(edge, move |start| {
                    let records = host.clone();
                    async move { run_edge(start, &records).await }
                });
            }
        }
        Ok(())
    }

    /// Whoever is left asks, or administers.
    fn host_users(&mut self, request: &RunRequest, starts: BTreeMap<String, Start>) {
        for (host, start) in starts {
            let heard = Arc::clone(&self.heard);
            if host == ADMIN {
                let orders = administrator::orders(request);
                self.host(start, move |start| {
                    administrator::administer(start, POLICY, orders.clone(), Arc::clone(&heard))
                });
            } else {
                let region = self.regions.get(&host).cloned().unwrap_or_default();
                let errands = users::errands(&request.scenario, &host);
                let thefts = loot::thefts(&request.scenario, &host);
                let loot = Arc::clone(&self.loot);
                let sends = request.scenario.world.senders.contains(&host);
                let pretence = impostor::pretence(&request.scenario, &host);
                self.host(start, move |start| {
                    let errand = Errand {
                        sends,
                        region: region.clone(),
                        token_host: TOKEN.to_owned(),
                        thefts: thefts.clone(),
                        pretence: pretence.clone(),
                        loot: Arc::clone(&loot),
                    };
                    users::live(start, errand, errands.clone(), Arc::clone(&heard))
                });
            }
        }
    }

    /// What users and administrators have heard so far, in the order of asking.
    pub(super) fn said(&self) -> (Vec<history::Request>, Vec<history::Act>) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut requests, mut acts) = heard.clone();
        requests.sort_by(|a, b| (a.started_us, &a.id).cmp(&(b.started_us, &b.id)));
        acts.sort_by_key(|act| act.asked_us);
        (requests, acts)
    }

    /// The requests that users wrote down after the first so many, and every act.
    pub(super) fn said_since(&self, known: usize) -> (Vec<history::Request>, Vec<history::Act>) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let (requests, acts) = &*heard;
        (
            requests.get(known..).unwrap_or_default().to_vec(),
            acts.clone(),
        )
    }

    /// Every node's skew, as [`history::History::clocks`] has it.
    pub(super) fn clocks(&self) -> BTreeMap<String, Vec<(u64, i64)>> {
        let names = self.fabric.names().into_iter();
        let clocks = names.filter_map(|name| {
            let steps = self.fabric.at(&name)?.skew.steps();
            Some((name, steps))
        });
        clocks.collect()
    }

    /// What the issuance log says, as the CA's disk holds it now and as it verifies.
    pub(super) fn issued(&self) -> history::Issued {
        let key = self.issuance_key.as_ref()?;
        let read = |name: &str| self.file(CA, &format!("{LOG_FOLDER}/{name}"));
        let entries = verify_folder(&read("entries"), &read("checkpoint"), key);
        let of = |entry: &Vec<u8>| {
            // What is no leaf's is the journal's.
            let leaf = Issuance::parse(entry).ok()?;
            Some((leaf.leaf_sha256, leaf.at_us))
        };
        let entries = entries.map_err(|error| error.to_string());
        Some(entries.map(|entries| entries.iter().filter_map(of).collect()))
    }

    /// A file of a node's audit log, as its disk holds it now; empty if it is not there.
    pub(super) fn audit_file(&self, node: &str, name: &str) -> Vec<u8> {
        self.file(node, &format!("{}/{name}", audit::FOLDER))
    }

    fn file(&self, node: &str, path: &str) -> Vec<u8> {
        let place = self.fabric.at(node);
        let content = place.and_then(|place| place.disk.read(path).ok().flatten());
        content.unwrap_or_default()
    }
}

/// The CA's settings in a world under a posture.
pub(super) fn settings(request: &RunRequest) -> Result<CaConfig, ca::identity::InvalidSpiffeId> {
    let mut settings = CaConfig::lab(TrustDomain::new(DOMAIN)?);
    settings.tolerance = request.posture.tls.tolerance;
    settings.returns = request.posture.rotation.returns();
    settings.gates = request.posture.rotation.gates();
    settings.names = request.posture.identity.names();
    settings.leaf_ttl = request.scenario.world.leaf_life;
    // First leaves are of every age up to then: some are renewed at once, and some much later.
    settings.stagger = settings.leaf_ttl / 2 - Duration::from_secs(5);
    settings.crl_life = request.scenario.world.list_life;
    settings.secrets = secrets(&request.scenario.world);
    // The laboratory's world is made before its clock starts.
    settings.join_ttl = Duration::from_secs(3600);
    Ok(settings)
}

/// A data key a region, and what the senders share with every records service; nothing where nobody
/// sends.
fn secrets(world: &scenario::World) -> Vec<SecretConfig> {
    if world.senders.is_empty() {
        return Vec::new();
    }
    let receivers = world
        .regions
        .iter()
        .map(|region| format!("/records.{region}"));
    let receivers: Vec<String> = receivers.collect();
    let of = |region: &String| {
        let name = at_rest(region).expect("regions have plain names");
        SecretConfig::at_rest(name, &format!("/records.{region}"))
    };
    let mut secrets: Vec<SecretConfig> = world.regions.iter().map(of).collect();
    let senders = world.senders.iter().map(|sender| format!("/user/{sender}"));
    let (senders, life) = (senders.collect(), NOTICE_LIFE);
    secrets.push(SecretConfig::shared(webhook(), senders, receivers, life));
    secrets
}

type Provisioned = (NamedKey, PolicyKeys, BTreeMap<String, NamedKey>);

fn policy_keys(request: &RunRequest) -> Result<Provisioned, node::NodeError> {
    let log = named(POLICY_LOG, RingKeys.ed25519())?;
    let mut witnesses = BTreeMap::new();
    let mut cosigners = Vec::new();
    for region in &request.scenario.world.regions {
        let host = format!("witness.{region}");
        let key = named(&host, RingKeys.ed25519())?;
        cosigners.push(key.signing()?.cosigner());
        witnesses.insert(host, key);
    }
    let keys = PolicyKeys {
        log: log.signing()?.verifying(),
        witnesses: cosigners,
    };
    Ok((log, keys, witnesses))
}

/// Puts the first policy and everyone's role into the log, to be cosigned once the world runs.
fn found_policy(
    request: &RunRequest,
    seams: &Seams,
    key: &NamedKey,
    keys: &PolicyKeys,
) -> Result<(), RunError> {
    let invalid = |error: &dyn std::fmt::Display| RunError::Policy(error.to_string());
    let quorum = keys
        .quorum(request.posture.policy.quorum)
        .map_err(|e| broke(e.into()))?;
    let signing = key.signing().map_err(|error| broke(error.into()))?;
    let opened = Authority::open(
        &seams.disk,
        POLICY_FOLDER,
        signing,
        quorum,
        request.mutation,
    );
    let (mut authority, _) = opened.map_err(|error| broke(error.into()))?;
    let mut entries = vec![Entry::PutPolicy {
        policy: request.policy.clone(),
        entities: Vec::new(),
    }];
    for user in &request.scenario.world.users {
        let (principal, role) = (user.name.clone(), user.role.clone());
        entries.push(Entry::Grant { principal, role });
    }
    for entry in entries {
        let bytes = entry.to_bytes().map_err(|error| invalid(&error))?;
        authority.append(&bytes).map_err(|error| invalid(&error))?;
    }
    authority.commit().map_err(|error| broke(error.into()))?;
    // What is added to a policy may be one thing too many for it: better said before than during.
    for order in administrator::orders(request) {
        if let Entry::PutPolicy { policy, .. } = &order.entry {
            check::check("put_policy", policy).map_err(|error| invalid(&error))?;
        }
    }
    Ok(())
}

fn named(
    name: &str,
    key: Result<ca::keys::Pkcs8, ca::keys::NoRandomness>,
) -> Result<NamedKey, node::NodeError> {
    Ok(NamedKey {
        name: name.to_owned(),
        pkcs8: key?,
    })
}

fn take(starts: &mut BTreeMap<String, Start>, host: &str) -> Start {
    starts.remove(host).expect("every host was invited once")
}

fn broke(error: node::NodeError) -> RunError {
    RunError::Broke {
        at_ms: 0,
        cause: error.to_string(),
    }
}

/// The steps that whoever keeps the policy takes, which are no faults.
pub(super) const fn is_administration(act: &Act) -> bool {
    matches!(
        act,
        Act::Grant { .. }
            | Act::LogOut { .. }
            | Act::PutEntities { .. }
            | Act::PutPolicy { .. }
            | Act::Revoke { .. }
    )
}
