//! The lookout: the invariants while the run goes on.
//!
//! Each step's news (what users heard, what administrators did, what nodes logged) is buffered
//! until the step is over and put in the order of true time, since hosts do not run in that order
//! within it. Then the checks of the end are run on the last few seconds, with what must be
//! remembered of those before: where each log stood, and which root each size of policy had. Only
//! invariants whose violations stay violations are looked at, and logs are read here without being
//! verified: what is seen is the first word, and [`super::run`]'s history the last.

use std::collections::BTreeMap;

use services::audit;
use services::audit::entry::{Decision, Entry};

use super::afflict::micros;
use super::world::World;
use crate::history::{Fault, History, Request, Rooted};
use crate::invariant::{self, Invariant, Violation};

/// How long news is buffered, in microseconds.
pub(super) const STEP_US: u64 = 1_000_000;

/// How long what was heard is looked at, in microseconds.
const REACH_US: u64 = 2 * STEP_US;

/// It may rest on an entry this much older, in microseconds: longer than any client waits, and any
/// message is on its way.
const REST_US: u64 = 6 * STEP_US;

/// The first time that an invariant was seen broken while the run went on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Which invariant.
    pub invariant: &'static str,
    /// When it was seen, in true microseconds: the end of a step, or of the run.
    pub seen_us: u64,
    /// What was seen.
    pub violation: Violation,
}

/// What is known so far.
pub(super) struct Lookout {
    /// Expectations, promises and acts, and the requests and entries of the last steps.
    recent: History,
    /// Each node's log as it was last read.
    logs: BTreeMap<String, Log>,
    /// How many requests were taken over.
    requests: usize,
    /// Answers heard in this step: a log may follow one as late as in the next.
    held: Vec<Request>,
    /// Not yet seen broken.
    watched: Vec<Invariant>,
}

/// One node's log, read as it grows.
#[derive(Default)]
struct Log {
    /// The whole entries that were read.
    bytes: Vec<u8>,
    /// Each with the end of the step that brought it.
    entries: Vec<(u64, Entry)>,
    /// How many of them are looked at no more, and their roots remembered.
    left_out: usize,
}

impl Lookout {
    /// `facts`: a history in which nothing has happened yet.
    pub(super) fn new(facts: History) -> Self {
        let watched = invariant::expected(&facts).filter(|invariant| invariant.settles_early);
        Self {
            watched: watched.collect(),
            recent: facts,
            logs: BTreeMap::new(),
            requests: 0,
            held: Vec::new(),
        }
    }

    /// Looks at what a step brought, and gives what is broken now and was not before.
    pub(super) fn look(&mut self, world: &World, faults: Vec<Fault>) -> Vec<Sighting> {
        let now_us = micros(world.fabric.elapsed());
        if self.watched.is_empty() {
            return Vec::new();
        }
        self.take_in(world, faults, now_us);
        self.judge(now_us)
    }

    /// Looks at what came after the last whole step, and at what was held for the next: nothing
    /// follows any more.
    pub(super) fn look_last(&mut self, world: &World, faults: Vec<Fault>) -> Vec<Sighting> {
        let now_us = micros(world.fabric.elapsed());
        if self.watched.is_empty() {
            return Vec::new();
        }
        self.take_in(world, faults, now_us);
        self.recent.requests.append(&mut self.held);
        self.judge(now_us)
    }

    fn judge(&mut self, now_us: u64) -> Vec<Sighting> {
        let mut seen = Vec::new();
        let recent = self.recent.placed();
        self.watched.retain(|invariant| {
            let first = (invariant.check)(&recent).violations.into_iter().next();
            let is_kept = first.is_none();
            seen.extend(first.map(|violation| Sighting {
                invariant: invariant.name,
                seen_us: now_us,
                violation,
            }));
            is_kept
        });
        seen
    }

    fn take_in(&mut self, world: &World, faults: Vec<Fault>, now_us: u64) {
        let since_us = now_us.saturating_sub(REACH_US);
        let recent = &mut self.recent;
        recent.duration_us = now_us;
        recent.faults = faults;
        recent.clocks = world.clocks();
        let (requests, acts) = world.said_since(self.requests);
        self.requests += requests.len();
        recent.acts = acts;
        recent.acts.sort_by_key(|act| act.asked_us);
        recent
            .requests
            .retain(|request| request.finished_us.is_some_and(|at| at >= since_us));
        recent.requests.append(&mut self.held);
        self.held = requests;
        recent
            .requests
            .sort_by(|a, b| (a.finished_us, &a.id).cmp(&(b.finished_us, &b.id)));
        for node in world.audit_keys.keys() {
            let log = self.logs.entry(node.clone()).or_default();
            log.read_on(&world.audit_file(node, "entries"), now_us);
            // The one before is kept: what follows must follow from it.
            let left_out = log
                .before(since_us.saturating_sub(REST_US))
                .saturating_sub(1);
            log.leave_out(left_out, node, recent);
            let entries = log.entries[left_out..]
                .iter()
                .map(|(_, entry)| entry.clone());
            recent.audits.insert(node.clone(), Ok(entries.collect()));
            recent.left_out.insert(node.clone(), left_out as u64);
        }
    }
}

impl Log {
    /// Takes in what was added; a log that is not what it was, after a power cut, is read anew.
    fn read_on(&mut self, file: &[u8], now_us: u64) {
        if !file.starts_with(&self.bytes) {
            *self = Self::default();
        }
        let added = &file[self.bytes.len()..];
        let (entries, read) = audit::verify::skim(added);
        self.bytes.extend_from_slice(&added[..read]);
        self.entries
            .extend(entries.into_iter().map(|entry| (now_us, entry)));
    }

    /// Remembers of the entries up to that one, which are looked at no more, the roots, and on
    /// which certificate streams were opened.
    fn leave_out(&mut self, until: usize, node: &str, recent: &mut History) {
        for (_, entry) in self.entries.get(self.left_out..until).unwrap_or_default() {
            let first = recent.rooted.entry(entry.policy_size);
            first.or_insert_with(|| Rooted::by(node, entry));
            if let (Decision::Permit, "watch", Some(leaf)) =
                (entry.decision, entry.action.as_str(), &entry.leaf)
            {
                let (principal, request) = (entry.principal.clone(), entry.request.clone());
                let stream = (node.to_owned(), principal, request);
                recent.opened.insert(stream, leaf.serial.clone());
            }
        }
        self.left_out = until.max(self.left_out);
    }

    /// How many entries were read before that time.
    fn before(&self, us: u64) -> usize {
        self.entries.partition_point(|(read_us, _)| *read_us < us)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ca::clock::Time;
    use ca::disk::{Disk, MemDisk};
    use ca::keys::{Keys as _, RingKeys};
    use ca::tlog::note::SigningKey;
    use services::audit::draft::Draft;
    use services::audit::writer::AuditLog;

    use super::*;

    /// The file that a node's log is after these requests.
    fn file(requests: &[&str]) -> Vec<u8> {
        let disk: Arc<dyn Disk> = Arc::new(MemDisk::new());
        let key = RingKeys.ed25519().unwrap();
        let key = SigningKey::new(&audit::origin("records.south"), &key).unwrap();
        let (mut log, _) = AuditLog::open(&disk, "records.south", key).unwrap();
        for request in requests {
            let draft = Draft {
                request: (*request).to_owned(),
                principal: "mallory".to_owned(),
                spiffe_id: "spiffe://clinic.example/user/mallory".to_owned(),
                leaf: None,
                action: "read".to_owned(),
                resource: "r1".to_owned(),
                refusal: None,
                policy_size: 7,
                policy_root: [9; 32],
                as_of: Time::from_secs(1_767_225_600),
                at: Time::from_secs(1_767_225_603),
            };
            log.append(&draft).unwrap();
        }
        log.commit().unwrap();
        let path = format!("{}/entries", audit::FOLDER);
        disk.read(&path).unwrap().unwrap()
    }

    fn requests(log: &Log) -> Vec<(u64, &str)> {
        let entries = log.entries.iter();
        entries
            .map(|(read_us, entry)| (*read_us, entry.request.as_str()))
            .collect()
    }

    #[test]
    fn an_entry_is_taken_in_once_and_when_it_is_whole() {
        let whole = file(&["m-1", "m-2", "m-3"]);
        let mut log = Log::default();
        log.read_on(&whole[..whole.len() - 1], 1);
        assert_eq!(requests(&log), [(1, "m-1"), (1, "m-2")]);
        log.read_on(&whole, 2);
        log.read_on(&whole, 3);
        assert_eq!(requests(&log), [(1, "m-1"), (1, "m-2"), (2, "m-3")]);
        assert_eq!([log.before(1), log.before(2), log.before(3)], [0, 2, 3]);
    }

    #[test]
    fn a_log_that_lost_its_end_is_read_anew() {
        let mut log = Log::default();
        log.read_on(&file(&["m-1", "lost"]), 1);
        log.read_on(&file(&["m-1", "m-2", "m-3"]), 2);
        assert_eq!(requests(&log), [(2, "m-1"), (2, "m-2"), (2, "m-3")]);
    }

    #[test]
    fn the_roots_of_what_is_left_out_are_remembered_once_and_the_first_counts() {
        let mut log = Log::default();
        log.read_on(&file(&["m-1", "m-2", "m-3"]), 1);
        log.entries[2].1.policy_size = 8;
        let mut recent = History::default();
        log.leave_out(0, "records.south", &mut recent);
        assert!(recent.rooted.is_empty());
        log.leave_out(2, "records.south", &mut recent);
        let seven = Rooted::by("records.south", &log.entries[0].1);
        assert_eq!(recent.rooted, BTreeMap::from([(7, seven.clone())]));
        log.leave_out(3, "records.south", &mut recent);
        let eight = Rooted::by("records.south", &log.entries[2].1);
        assert_eq!(recent.rooted, BTreeMap::from([(7, seven), (8, eight)]));
    }
}
