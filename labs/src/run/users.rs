//! Those who ask: each user on a host of their own, doing what the schedule says and writing down
//! what they heard. So does the administrator.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::clock::Time;
use ca::journal::Event;
use services::client::{Administrator, DEADLINE, Heard as Answer, Show, User};
use services::member::{Member, Start};
use services::node::{AUDIENCE, NodeError};
use services::policy::entry::Entry;
use services::secret::Secrets;
use services::token::grpc::TokenSource;
use tonic::Code;

use super::RunRequest;
use super::impostor::{self, Pretence};
use super::loot::{self, Loot, Theft, lose};
use super::rogue::first_use;
use super::watching;
use super::world::is_administration;
use crate::fabric::TrueTime;
use crate::history::{self, ActKind, Outcome, Posing};
use crate::scenario::{self, EDGE, Guise, PolicyText, Scenario};

/// The record that everyone asks for, unless a step names another.
const RECORD: &str = "r1";
/// Pause before an act that got no answer is asked for again.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// What users and administrators wrote down.
pub(super) type Heard = Arc<Mutex<(Vec<history::Request>, Vec<history::Act>)>>;

/// One moment of one user's schedule.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    at: Duration,
    via: String,
    tag: String,
    action: String,
    pub(super) resource: String,
    /// Whether through the edge before that node.
    edge: bool,
    /// In whose name that is not the asker's, and with what.
    forging: Option<Guise>,
    pub(super) id: String,
}

impl Ask {
    /// The way to whom is asked: under the asker's own identity, or one that they copied.
    fn way(
        &self,
        ways: &mut BTreeMap<(String, String), Arc<User>>,
        own: &Member,
        (loot, secrets): (&Loot, Option<&Secrets>),
    ) -> Arc<User> {
        let copied = match &self.forging {
            Some(Guise::Rogue { rogue_leaf_of }) => {
                loot::rogue(own, rogue_leaf_of, loot).map(|rogue| rogue.member(own))
            }
            Some(Guise::Copied { leaf_of: name } | Guise::Named { certified_as: name }) => {
                loot::copied(own, name, loot)
            }
            Some(Guise::Namesake { namesake_of: name }) => {
                Some(impostor::namesake(own, name, loot))
            }
            _ => None,
        };
        let whose = copied.as_ref().map_or("", |_| self.subject(""));
        let door = self.door();
        let way = ways.entry((door.clone(), whose.to_owned()));
        let member = copied.as_ref().unwrap_or(own);
        let new = || Arc::new(User::new(member, &door).signing(secrets.cloned()));
        Arc::clone(way.or_insert_with(new))
    }

    /// Whose connection it is asked over: the records' own, or that of the edge before them.
    fn door(&self) -> String {
        match self.via.split_once('.') {
            Some((_, region)) if self.edge => format!("{EDGE}.{region}"),
            _ => self.via.clone(),
        }
    }

    /// Whether who asks is of another trust domain.
    pub(super) fn is_strangers(&self) -> bool {
        matches!(self.forging, Some(Guise::Namesake { .. }))
    }

    /// In whose name it is asked: the guise's, or else that of whoever asks.
    fn subject<'a>(&'a self, asker: &'a str) -> &'a str {
        self.forging.as_ref().map_or(asker, Guise::subject)
    }
}

/// Where a user stands.
pub(super) struct Errand {
    pub(super) region: String,
    pub(super) token_host: String,
    /// Whether they deliver notices.
    pub(super) sends: bool,
    /// When their own token is copied.
    pub(super) thefts: Vec<Theft>,
    /// When they join in another's name, if they do.
    pub(super) pretence: Option<Pretence>,
    pub(super) loot: Loot,
}

/// Everything that `user` asks in a scenario, in order.
pub(super) fn errands(scenario: &Scenario, user: &str) -> Vec<Ask> {
    let mut asks = Vec::new();
    for step in &scenario.schedule {
        let scenario::Act::Request {
            as_,
            via,
            edge,
            actions,
            tag,
            resource,
            forging,
        } = &step.act
        else {
            continue;
        };
        if as_ != user {
            continue;
        }
        for at in step.instants(scenario.world.duration) {
            for action in actions {
                let resource = resource.clone().unwrap_or_else(|| RECORD.to_owned());
                let (via, tag, action) = (via.clone(), tag.clone(), action.clone());
                asks.push(Ask {
                    at,
                    via,
                    edge: *edge,
                    tag,
                    action,
                    resource,
                    forging: forging.clone(),
                    id: String::new(),
                });
            }
        }
    }
    asks.sort_by_key(|ask| ask.at);
    for (number, ask) in asks.iter_mut().enumerate() {
        ask.id = format!("{user}-{number}");
    }
    asks
}

/// One act, and when it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Order {
    at: Duration,
    pub(super) entry: Entry,
    /// Whom it revokes without saying so in the entry.
    suspends: String,
}

/// Everything that the administrator does, in order.
pub(super) fn orders(request: &RunRequest) -> Vec<Order> {
    let steps = request.scenario.schedule.iter();
    let mut steps: Vec<_> = steps.filter(|step| is_administration(&step.act)).collect();
    steps.sort_by_key(|step| step.at);
    let mut policy = request.policy.clone();
    let mut orders = Vec::new();
    for step in steps {
        let (entry, suspends) = match step.act.clone() {
            scenario::Act::Grant { principal, role } => (Entry::Grant { principal, role }, None),
            // It is said up to when once it is asked for.
            scenario::Act::LogOut { principal } => {
                let before = 0;
                (Entry::LogOut { principal, before }, None)
            }
            scenario::Act::PutEntities { entities, revokes } => {
                (Entry::PutEntities { entities }, revokes)
            }
            scenario::Act::PutPolicy {
                text,
                entities,
                revokes,
            } => {
                match text {
                    PolicyText::Whole(text) => policy = text,
                    PolicyText::Added(text) => policy = format!("{policy}\n{text}"),
                }
                let policy = policy.clone();
                (Entry::PutPolicy { policy, entities }, revokes)
            }
            scenario::Act::Revoke { principal, role } => (Entry::Revoke { principal, role }, None),
            _ => continue,
        };
        orders.push(Order {
            at: step.at,
            entry,
            suspends: suspends.unwrap_or_default(),
        });
    }
    orders
}

/// Waits for that true time.
pub(super) async fn until(at: Duration) {
    tokio::time::sleep(at.saturating_sub(TrueTime::Sim.elapsed())).await;
}

/// Runs a user until the end of the world.
pub(super) async fn live(
    start: Start,
    errand: Errand,
    asks: Vec<Ask>,
    heard: Heard,
) -> Result<(), NodeError> {
    let source = TokenSource {
        start: start.clone(),
        host: errand.token_host.clone(),
        audience: AUDIENCE.to_owned(),
    };
    let member = impostor::join(start, Arc::new(source), &errand, &asks, &heard).await;
    for theft in errand.thefts {
        let (loot, heard) = (Arc::clone(&errand.loot), Arc::clone(&heard));
        tokio::spawn(lose(member.clone(), theft, loot, heard));
    }
    let follow = || Secrets::follow(&member, BTreeMap::new());
    let secrets = errand.sends.then(follow);
    let mut ways: BTreeMap<(String, String), Arc<User>> = BTreeMap::new();
    for ask in asks {
        until(ask.at).await;
        let user = ask.way(&mut ways, &member, (&errand.loot, secrets.as_ref()));
        let (member, region) = (member.clone(), errand.region.clone());
        let (heard, loot) = (Arc::clone(&heard), Arc::clone(&errand.loot));
        tokio::spawn(async move {
            let started_us = TrueTime::Sim.micros();
            let shown = loot::shown(ask.forging.as_ref(), &member, &loot, &ask.id).await;
            let answer = match &shown {
                // Whoever took nothing has nothing to show.
                None => Answer::Refused("nothing-stolen".to_owned()),
                Some(token) => {
                    let token = token.as_deref();
                    if ask.action == "watch" {
                        return watching::watch((&user, token), &ask, &member, &region, &heard)
                            .await;
                    }
                    let headed = matches!(ask.forging, Some(Guise::Headed { .. }));
                    let header = token.filter(|_| headed).and_then(loot::header);
                    let header = header.as_deref();
                    let show = Show { token, header };
                    let asked = user.ask_showing(&ask.action, &ask.resource, &ask.id, show);
                    asked.await
                }
            };
            let request = write_down(&ask, started_us, answer, &member, &region);
            note(&heard, &ask, request);
        });
    }
    std::future::pending().await
}

pub(super) fn note(heard: &Heard, ask: &Ask, request: history::Request) {
    first_use(heard, ask.forging.as_ref(), &request);
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.0.push(request);
}

pub(super) fn write_down(
    ask: &Ask,
    started_us: u64,
    answer: Answer,
    member: &Member,
    region: &str,
) -> history::Request {
    let (outcome, decision, refusal, policy_size) = match answer {
        Answer::Served { policy_size } => (
            Outcome::Served { policy_size },
            "served",
            String::new(),
            policy_size,
        ),
        Answer::Refused(name) => (Outcome::Refused(name.clone()), "refused", name, 0),
        Answer::Unknown => (Outcome::Unknown, "unanswered", String::new(), 0),
    };
    let principal = ask.subject(&member.start.name).to_owned();
    let posing = ask.forging.as_ref().map(|guise| Posing {
        by: member.start.name.clone(),
        with_key: guise.has_key(),
    });
    member.start.seams.journal.note(Event {
        kind: "request",
        principal: principal.clone(),
        action: ask.action.clone(),
        resource: ask.resource.clone(),
        decision: decision.to_owned(),
        refusal,
        policy_size,
        request: ask.id.clone(),
    });
    history::Request {
        id: ask.id.clone(),
        tag: ask.tag.clone(),
        principal,
        posing,
        region: region.to_owned(),
        node: ask.via.clone(),
        action: ask.action.clone(),
        resource: ask.resource.clone(),
        started_us,
        since_us: None,
        finished_us: Some(TrueTime::Sim.micros()),
        outcome,
    }
}

/// Runs the administrator until the end of the world.
pub(super) async fn administer(
    start: Start,
    policy_host: &'static str,
    orders: Vec<Order>,
    heard: Heard,
) -> Result<(), NodeError> {
    let mut member = Member::join(start, None);
    member.ready().await;
    let admin = Arc::new(Administrator::new(&member, policy_host));
    for order in orders {
        until(order.at).await;
        let (admin, heard, member) = (Arc::clone(&admin), Arc::clone(&heard), member.clone());
        tokio::spawn(async move {
            // Pending from the asking on: it may already be enforced before it is answered.
            let mut act = of_order(&order, TrueTime::Sim.micros());
            let number = begin(&heard, act.clone());
            let entry = asked_for(order.entry, member.start.seams.clock.now());
            let (policy_size, acknowledged) = insist(&admin, &entry).await;
            act.acknowledged_us = acknowledged.then(|| TrueTime::Sim.micros());
            act.policy_size = policy_size;
            let decision = if acknowledged {
                "acknowledged"
            } else {
                "pending"
            };
            member.start.seams.journal.note(Event {
                kind: "administered",
                principal: act.principal.clone(),
                action: act.kind.name().to_owned(),
                resource: act.role.clone(),
                decision: decision.to_owned(),
                policy_size,
                ..Event::default()
            });
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.1[number] = act;
        });
    }
    std::future::pending().await
}

/// Writes an act down, and says where.
pub(super) fn begin(heard: &Heard, act: history::Act) -> usize {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.1.push(act);
    heard.1.len() - 1
}

/// Asks until there is an answer: an act may be put twice, and says the same twice. What is refused
/// as no act is not asked again, and what is never answered carries no promise.
async fn insist(admin: &Administrator, entry: &Entry) -> (u64, bool) {
    loop {
        match tokio::time::timeout(DEADLINE * 10, admin.act(entry)).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(status)) if status.code() == Code::InvalidArgument => return (0, false),
            Ok(Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
        }
    }
}

/// The entry as it is asked for: a log-out ends what was issued up to now, by the clock of whoever
/// asks, and that stays what it says however often it must be asked for.
fn asked_for(entry: Entry, now: Time) -> Entry {
    match entry {
        Entry::LogOut { principal, .. } => Entry::LogOut {
            principal,
            before: now.as_secs(),
        },
        other => other,
    }
}

/// An act that was asked for and not answered yet.
fn of_order(order: &Order, asked_us: u64) -> history::Act {
    let suspends = order.suspends.clone();
    let (kind, principal, role) = match order.entry.clone() {
        Entry::Grant { principal, role } => (ActKind::Grant, principal, role),
        Entry::LogOut { principal, .. } => (ActKind::LogOut, principal, String::new()),
        Entry::PutEntities { .. } => (ActKind::Entities, suspends, String::new()),
        Entry::PutPolicy { .. } => (ActKind::Policy, suspends, String::new()),
        Entry::Revoke { principal, role } => (ActKind::Revoke, principal, role),
    };
    history::Act {
        kind,
        principal,
        role,
        asked_us,
        ..history::Act::default()
    }
}
