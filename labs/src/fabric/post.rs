//! The laboratory's courier: holds messages by kind, shows what it holds, and lets them go.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ca::clock::BoxFuture;
use services::courier::{Courier, Delivery, Message};
use tokio::sync::oneshot;

/// Which messages a rule is about. An absent end means any node.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// The kind of message.
    pub kind: String,
    /// Only from this node.
    pub from: Option<String>,
    /// Only to this node.
    pub to: Option<String>,
}

impl Rule {
    fn covers(&self, message: &Message) -> bool {
        let end =
            |rule: &Option<String>, end: &String| rule.as_ref().is_none_or(|node| node == end);
        self.kind == message.kind && end(&self.from, &message.from) && end(&self.to, &message.to)
    }
}

#[derive(Debug, Default)]
struct Office {
    rules: Vec<Rule>,
    held: BTreeMap<u64, (Message, oneshot::Sender<()>)>,
    carried: BTreeMap<&'static str, u64>,
    next: u64,
}

/// One world's post office. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Post(Arc<Mutex<Office>>);

impl Post {
    /// From now on, holds every message that the rule covers.
    pub fn hold(&self, rule: Rule) {
        self.lock().rules.push(rule);
    }

    /// Takes a rule back, and lets go of what no other rule holds, in the order of arrival.
    pub fn release(&self, rule: &Rule) {
        let mut office = self.lock();
        if let Some(at) = office.rules.iter().position(|held| held == rule) {
            office.rules.remove(at);
        }
        let held = std::mem::take(&mut office.held);
        for (number, (message, go)) in held {
            if office.rules.iter().any(|rule| rule.covers(&message)) {
                office.held.insert(number, (message, go));
            } else {
                // A sender that has given up does not mind.
                let _ = go.send(());
            }
        }
    }

    /// What is held now, in the order of arrival. A sender may have given up waiting.
    pub fn held(&self) -> Vec<Message> {
        self.lock()
            .held
            .values()
            .map(|(message, _)| message.clone())
            .collect()
    }

    /// How many messages of each kind were sent so far.
    pub fn carried(&self) -> BTreeMap<&'static str, u64> {
        self.lock().carried.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Office> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place among the held, if a rule covers the message.
    fn stopped(&self, message: &Message) -> Option<oneshot::Receiver<()>> {
        let mut office = self.lock();
        if !office.rules.iter().any(|rule| rule.covers(message)) {
            return None;
        }
        let (go, gone) = oneshot::channel();
        let number = office.next;
        office.next += 1;
        office.held.insert(number, (message.clone(), go));
        Some(gone)
    }
}

impl Courier for Post {
    fn carry(&self, message: Message) -> BoxFuture<'_, Delivery> {
        Box::pin(async move {
            if let Some(gone) = self.stopped(&message) {
                // The office outlives its messages; were it gone, nothing would hold them.
                let _ = gone.await;
            }
            *self.lock().carried.entry(message.kind).or_default() += 1;
            Delivery::Sent(1)
        })
    }
}
