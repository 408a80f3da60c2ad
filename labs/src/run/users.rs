//! Those who ask: each user on a host of their own, doing what the schedule says and writing down
//! what they heard.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ca::journal::Event;
use services::client::{Heard as Answer, Show, User};
use services::member::{Member, Start};
use services::node::{AUDIENCE, NodeError};
use services::secret::Secrets;
use services::token::grpc::TokenSource;

use super::impostor::{self, Pretence};
use super::loot::{self, Loot, Theft, lose};
use super::rogue::first_use;
use super::watching;
use crate::fabric::TrueTime;
use crate::history::{self, Outcome, Posing};
use crate::scenario::{self, EDGE, Guise, Scenario};

/// The record that everyone asks for, unless a step names another.
const RECORD: &str = "r1";
/// Pause before an act that got no answer is asked for again.
pub(super) const AGAIN: Duration = Duration::from_millis(200);

/// What users and the administrator wrote down.
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

/// Writes an act down, and says where.
pub(super) fn begin(heard: &Heard, act: history::Act) -> usize {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.1.push(act);
    heard.1.len() - 1
}
