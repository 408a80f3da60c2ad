//! The load of a rehearsal: callers that ask at a steady pace, and write down what they heard.
//!
//! A caller asks whether or not it has heard of what it asked before: a slow answer makes no pause.
//! Invariant: what was asked while it counts is counted, answered or not.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use services::client::{Heard, User};
use services::node::NodeError;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::Outcome;
use super::clinic::{Clinic, REGIONS};
use crate::fabric::TrueTime;

/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Which of a caller's requests writes: each first of so many.
const WRITES: u64 = 10;
/// How many failures are told one by one.
const TOLD: usize = 8;

/// Callers at work. They end with this value.
pub(super) struct Load {
    truth: TrueTime,
    book: Rc<Book>,
    _callers: JoinSet<()>,
}

/// What they write down.
#[derive(Default)]
struct Book {
    /// From when on it counts, in true time.
    since: Cell<Option<Duration>>,
    /// Whether nobody is to ask any more.
    over: Cell<bool>,
    /// Asked and not answered yet.
    open: Cell<u64>,
    asked: Cell<u64>,
    /// How often each caller was served.
    served: RefCell<BTreeMap<String, u64>>,
    failed: RefCell<BTreeMap<String, u64>>,
    first_failed: RefCell<Vec<(Duration, String)>>,
    /// Times until an answer, in microseconds.
    latency: RefCell<Vec<u64>>,
}

impl Load {
    /// Lets these users of a clinic ask, so many requests a second together.
    pub(super) fn begin(
        clinic: &Clinic,
        names: &[&str],
        per_second: u32,
    ) -> Result<Self, NodeError> {
        let (book, mut callers) = (Rc::new(Book::default()), JoinSet::new());
        let count = u32::try_from(names.len()).unwrap_or(1);
        let pace = Duration::from_secs(1) * count / per_second.max(1);
        for (number, name) in (0_u32..).zip(names) {
            book.served.borrow_mut().insert((*name).to_owned(), 0);
            let region = REGIONS.get(number as usize % REGIONS.len());
            let host = format!("records.{}", region.copied().unwrap_or_default());
            let user = User::new(&clinic.user(name)?, &host).waiting(PATIENCE);
            let caller = Caller {
                user: Rc::new(user),
                name: (*name).to_owned(),
                truth: clinic.truth(),
                book: Rc::clone(&book),
            };
            callers.spawn_local(caller.ask_on(pace, pace * number / count));
        }
        Ok(Self {
            truth: clinic.truth(),
            book,
            _callers: callers,
        })
    }

    /// Waits until every caller has been served.
    pub(super) async fn served(&self) {
        let waiting = || {
            self.book
                .served
                .borrow()
                .values()
                .any(|served| *served == 0)
        };
        while waiting() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Counts from now on.
    pub(super) fn count(&self) {
        self.book.since.set(Some(self.truth.elapsed()));
    }

    /// Asks no more, and waits for what was asked.
    pub(super) async fn finish(&self) {
        self.book.over.set(true);
        let end = self.truth.elapsed() + PATIENCE * 2;
        while self.book.open.get() > 0 && self.truth.elapsed() < end {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Writes what was heard so far into an outcome.
    pub(super) fn tell(&self, outcome: &mut Outcome) {
        outcome.asked = self.book.asked.get();
        outcome.failed.clone_from(&self.book.failed.borrow());
        outcome
            .first_failed
            .clone_from(&self.book.first_failed.borrow());
        let mut latency = self.book.latency.borrow().clone();
        latency.sort_unstable();
        let at = |percent: usize| {
            let last = latency.len().saturating_sub(1);
            let us = latency.get(last * percent / 100).copied();
            Duration::from_micros(us.unwrap_or(0))
        };
        outcome.latency = [at(50), at(99), at(100)];
    }
}

struct Caller {
    user: Rc<User>,
    name: String,
    truth: TrueTime,
    book: Rc<Book>,
}

impl Caller {
    async fn ask_on(self, pace: Duration, offset: Duration) {
        tokio::time::sleep(offset).await;
        let mut beats = interval(pace);
        beats.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut asks = JoinSet::new();
        for number in 0_u64.. {
            beats.tick().await;
            if self.book.over.get() {
                break;
            }
            let (user, book) = (Rc::clone(&self.user), Rc::clone(&self.book));
            let (name, truth) = (self.name.clone(), self.truth);
            asks.spawn_local(async move { book.ask(truth, &user, &name, number).await });
            while asks.try_join_next().is_some() {}
        }
        while asks.join_next().await.is_some() {}
    }
}

impl Book {
    /// Asks once, and writes down what was heard.
    async fn ask(&self, truth: TrueTime, user: &User, name: &str, number: u64) {
        let begun = self.served.borrow().get(name).is_some_and(|it| *it > 0);
        let action = if !begun || number.is_multiple_of(WRITES) {
            "write"
        } else {
            "read"
        };
        // Each caller has a record of its own: who reads has written.
        let (asked, counts) = (truth.elapsed(), self.since.get());
        if counts.is_some() {
            self.open.set(self.open.get() + 1);
            self.asked.set(self.asked.get() + 1);
        }
        let heard = user.ask(action, name, &format!("{name}-{number}")).await;
        if matches!(heard, Heard::Served { .. }) {
            *self.served.borrow_mut().entry(name.to_owned()).or_default() += 1;
        }
        let Some(since) = counts else { return };
        self.open.set(self.open.get() - 1);
        let took = truth.elapsed().saturating_sub(asked);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.latency.borrow_mut().push(us);
        let why = match heard {
            Heard::Served { .. } => return,
            Heard::Refused(why) => why,
            Heard::Unknown => "no answer".to_owned(),
        };
        let mut first = self.first_failed.borrow_mut();
        if first.len() < TOLD {
            let at = asked.saturating_sub(since);
            first.push((at, format!("{name}-{number} {action}: {why}")));
        }
        *self.failed.borrow_mut().entry(why).or_default() += 1;
    }
}
