//! Who was let in under a name that was not given to them.
//!
//! Two witnesses are held against each other: the client's record says who sent a request, and the
//! audit log of the node that let it in says whom the node took them for. Whoever holds the very
//! key that a name is known by, or one that signs for it, is left out: a thief of keys cannot be
//! told from the owner by anybody, and what became of the theft is for the invariants about
//! revocation.

use std::collections::BTreeMap;

use services::audit::entry::{Decision, Entry};

use crate::history::{Decided, History, Placed, Request};

/// A request that was let in under another's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Imposture<'a> {
    /// What was asked, and by whom.
    pub request: &'a Request,
    /// Whom the node took them for.
    pub taken_for: &'a str,
    /// The entry that allowed it.
    pub seq: u64,
    /// When it was decided at the earliest, in true microseconds.
    pub at_us: u64,
}

impl Imposture<'_> {
    /// When it was over for who asked, in true microseconds.
    pub fn ended_us(&self) -> u64 {
        self.request.finished_us.unwrap_or(self.at_us)
    }
}

/// What the logs say about who was let in as whom.
pub struct Seen<'a> {
    /// Every imposture, in order of true time.
    pub impostures: Vec<Imposture<'a>>,
    /// Requests that were let in, and no entry says as whom.
    pub unseen: Vec<&'a Request>,
    /// How many requests were judged.
    pub judged: u64,
}

/// Holds the clients' records against the logs.
pub fn seen<'a>(placed: &'a Placed<'a>) -> Seen<'a> {
    let mut permits: BTreeMap<(&str, &str), Vec<&Decided<'a>>> = BTreeMap::new();
    for decided in &placed.decisions {
        if decided.entry.decision == Decision::Permit {
            let asked = (decided.node, &*decided.entry.request);
            permits.entry(asked).or_default().push(decided);
        }
    }
    let mut seen = Seen {
        impostures: Vec::new(),
        unseen: Vec::new(),
        judged: 0,
    };
    let requests = placed.history.requests.iter();
    let thief = |it: &&Request| it.posing.as_ref().is_some_and(|it| it.with_key);
    for request in requests.filter(|it| !thief(it)) {
        let about = permits.get(&(&*request.node, &*request.id));
        let about = about.into_iter().flatten().copied();
        let mut about = about.filter(|it| it.entry.action == request.action);
        let own = |entry: &Entry| entry.principal == request.sender();
        let first = about.clone().next();
        // One in their own name excuses none in another's: whoever asks chooses the request's id.
        match (about.find(|it| !own(it.entry)), first) {
            (Some(decided), _) => {
                seen.judged += 1;
                seen.impostures.push(Imposture {
                    request,
                    taken_for: &decided.entry.principal,
                    seq: decided.entry.seq,
                    at_us: decided.earliest_us,
                });
            }
            (None, None) if request.outcome.is_let_in() => seen.unseen.push(request),
            (None, None) => seen.judged += u64::from(request.outcome.named().is_some()),
            (None, Some(_)) => seen.judged += 1,
        }
    }
    seen.impostures
        .sort_by_key(|it| (it.at_us, it.request.id.clone()));
    seen
}

/// How often, and for how long, somebody went as somebody else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Posed {
    /// Requests let in.
    pub let_in: u64,
    /// Requests asked in a name that was not the asker's.
    pub asked: u64,
    /// When the first that was let in was asked, in true microseconds.
    pub from_us: u64,
    /// When the last that was let in was answered, in true microseconds.
    pub to_us: u64,
}

impl Posed {
    /// From the first to the last, in microseconds; never 0 where one was let in.
    pub fn lasted_us(&self) -> u64 {
        let lasted = self.to_us.saturating_sub(self.from_us);
        if self.let_in == 0 { 0 } else { lasted.max(1) }
    }
}

/// The same by action: those that the scenario names; nothing where it measures something else.
pub fn posed(history: &History) -> BTreeMap<String, Posed> {
    let expected = &history.expect.impersonation;
    let named = expected.iter().map(|it| (it.clone(), Posed::default()));
    let mut posed: BTreeMap<String, Posed> = named.collect();
    if posed.is_empty() {
        return posed;
    }
    let is_attack = |it: &Request| it.posing.is_some() && it.tag == history.expect.attack_tag;
    for request in history.requests.iter().filter(|it| is_attack(it)) {
        if let Some(of) = posed.get_mut(&request.action) {
            of.asked += 1;
        }
    }
    let placed = history.placed();
    let impostures = seen(&placed).impostures.into_iter();
    for imposture in impostures.filter(|it| is_attack(it.request)) {
        let Some(of) = posed.get_mut(&imposture.request.action) else {
            continue;
        };
        let (from_us, to_us) = (imposture.request.asked_us(), imposture.ended_us());
        of.from_us = if of.let_in == 0 {
            from_us
        } else {
            of.from_us.min(from_us)
        };
        of.to_us = of.to_us.max(to_us);
        of.let_in += 1;
    }
    posed
}

/// In whose name the attack asks: the first of them.
pub fn name(history: &History) -> Option<&str> {
    let tag = &history.expect.attack_tag;
    let mut attacks = history.requests.iter().filter(|it| it.tag == *tag);
    attacks
        .find(|it| it.posing.is_some())
        .map(|it| it.principal.as_str())
}
