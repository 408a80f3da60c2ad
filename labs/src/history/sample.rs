//! Hand-made histories: small worlds whose verdict is known before the check runs.
//!
//! Three regions, one cut that takes the south off from 10 s to 45 s, bounds of 10 s for reads
//! and 3 s for writes. Answers take 20 ms and are decided half-way.

use services::audit::entry::{Decision, Entry, Leaf};

use super::*;
use crate::invariant::{
    every_leaf_was_issued, no_expired_credential, no_foreign_identity, no_forged_token,
    no_retired_key, no_revoked_credential, seamless_rotation,
};

/// What an honest clock reads at true time 0.
pub(crate) const EPOCH_US: u64 = 1_767_225_600_000_000;

/// What a world without revoked certificates, keys, secrets, orders, others' names and issuance log
/// has nothing to say of.
const UNASKED: [&str; 7] = [
    every_leaf_was_issued::NAME,
    no_expired_credential::NAME,
    no_foreign_identity::NAME,
    no_forged_token::NAME,
    no_retired_key::NAME,
    no_revoked_credential::NAME,
    seamless_rotation::NAME,
];

/// A history in the making.
pub(crate) struct Sample {
    /// What is there so far.
    pub(crate) history: History,
}

impl Sample {
    /// An empty run of that many seconds with the cut, the promises and the expectations.
    pub(crate) fn new(seconds: u64) -> Self {
        let region = |name: &str| name.to_owned();
        let cut = Fault {
            name: "cut".to_owned(),
            from_us: 10_000_000,
            to_us: Some(45_000_000),
            groups: vec![vec![region("south")], vec![region("north"), region("east")]],
            one_way: false,
        };
        let bounds = [("read", 10_000_000), ("write", 3_000_000)];
        let expect = Expect {
            attack_tag: "attack".to_owned(),
            refusal: "policy-stale".to_owned(),
            exposure_us: bounds
                .iter()
                .map(|(a, us)| ((*a).to_owned(), *us))
                .collect(),
            outage_us: BTreeMap::new(),
            impersonation: std::collections::BTreeSet::new(),
            invariants: crate::invariant::ALL
                .iter()
                .filter(|i| !UNASKED.contains(&i.name))
                .map(|i| i.name.to_owned())
                .collect(),
            floors: vec![
                FloorSpec {
                    tag: "legit".to_owned(),
                    when: When::Outside("cut".to_owned()),
                    action: None,
                    floor: 0.97,
                },
                FloorSpec {
                    tag: "legit".to_owned(),
                    when: When::Inside("cut".to_owned()),
                    action: Some("read".to_owned()),
                    floor: 0.15,
                },
            ],
        };
        let promised = bounds
            .iter()
            .map(|(a, us)| ((*a).to_owned(), Promise::Within(*us)));
        let history = History {
            duration_us: seconds * 1_000_000,
            epoch_us: EPOCH_US,
            faults: vec![cut],
            promised: promised.collect(),
            tolerance_us: 1_000_000,
            expect,
            ..History::default()
        };
        Self { history }
    }

    /// Takes away every promise, as the exposed posture does.
    pub(crate) fn promise_nothing(&mut self) {
        for promise in self.history.promised.values_mut() {
            *promise = Promise::Any;
        }
    }

    pub(crate) fn revoke(&mut self, principal: &str, asked_us: u64, acknowledged: Option<u64>) {
        self.act(ActKind::Revoke, principal, asked_us, acknowledged);
    }

    pub(crate) fn act(&mut self, kind: ActKind, who: &str, asked_us: u64, ack: Option<u64>) {
        self.history.acts.push(Act {
            kind,
            principal: who.to_owned(),
            serials: Vec::new(),
            role: "nurse".to_owned(),
            asked_us,
            acknowledged_us: ack,
            policy_size: 18,
        });
    }

    /// A request to the south's node with no answer yet.
    pub(crate) fn ask(&mut self, id: &str, tag: &str, who: &str, action: &str, started_us: u64) {
        self.history.requests.push(Request {
            id: id.to_owned(),
            tag: tag.to_owned(),
            principal: who.to_owned(),
            posing: None,
            region: "south".to_owned(),
            node: "records.south".to_owned(),
            action: action.to_owned(),
            resource: "r1".to_owned(),
            started_us,
            since_us: None,
            finished_us: None,
            outcome: Outcome::Unknown,
        });
    }

    fn last(&mut self, id: &str) -> &mut Request {
        let asked = self
            .history
            .requests
            .iter_mut()
            .rev()
            .find(|request| request.id == id);
        asked.expect("the request was asked")
    }

    /// The answer to that request arrives, and is that it was served.
    pub(crate) fn answered(&mut self, id: &str, finished_us: u64) {
        let request = self.last(id);
        request.finished_us = Some(finished_us);
        request.outcome = Outcome::Served { policy_size: 18 };
    }

    /// The last request with that id was sent by somebody else than whose name it is in.
    pub(crate) fn sent_by(&mut self, id: &str, by: &str, with_key: bool) {
        let by = by.to_owned();
        self.last(id).posing = Some(Posing { by, with_key });
    }

    /// Moves the last request with that id to another region.
    pub(crate) fn move_to(&mut self, id: &str, region: &str) {
        self.last(id).region = region.to_owned();
    }

    /// A request served, with its audit entry.
    pub(crate) fn served(&mut self, id: &str, tag: &str, who: &str, action: &str, at_us: u64) {
        self.ask(id, tag, who, action, at_us);
        self.answered(id, at_us + 20_000);
        self.entry("records.south", id, who, action, None, at_us + 10_000);
    }

    /// A request refused by that name, with its audit entry.
    pub(crate) fn refused(&mut self, id: &str, tag: &str, who: &str, action: &str, at_us: u64) {
        self.ask(id, tag, who, action, at_us);
        let request = self.last(id);
        request.finished_us = Some(at_us + 20_000);
        request.outcome = Outcome::Refused("policy-stale".to_owned());
        let refusal = Some("policy-stale");
        self.entry("records.south", id, who, action, refusal, at_us + 10_000);
    }

    /// An audit entry under a policy one second old.
    pub(crate) fn entry(
        &mut self,
        node: &str,
        request: &str,
        principal: &str,
        action: &str,
        refusal: Option<&str>,
        true_us: u64,
    ) {
        let log = self
            .history
            .audits
            .entry(node.to_owned())
            .or_insert(Ok(Vec::new()));
        let log = log.as_mut().expect("a sample's log verifies");
        log.push(Entry {
            node: node.to_owned(),
            seq: log.len() as u64,
            prev: if log.is_empty() {
                String::new()
            } else {
                "5f".repeat(32)
            },
            request: request.to_owned(),
            principal: principal.to_owned(),
            spiffe_id: format!("spiffe://clinic.example/user/{principal}"),
            leaf: Some(Leaf {
                serial: format!("{principal}-1"),
                sha256: String::new(),
                not_after_us: EPOCH_US + 100_000_000,
            }),
            action: action.to_owned(),
            resource: "r1".to_owned(),
            decision: refusal.map_or(Decision::Permit, |_| Decision::Refuse),
            refusal: refusal.map(str::to_owned),
            policy_size: 18,
            policy_root: "e9".repeat(32),
            as_of_us: (EPOCH_US + true_us).saturating_sub(1_000_000),
            at_us: EPOCH_US + true_us,
        });
    }

    /// The entries of that node's log.
    pub(crate) fn log(&mut self, node: &str) -> &mut Vec<Entry> {
        let log = self
            .history
            .audits
            .get_mut(node)
            .expect("the node has a log");
        log.as_mut().expect("a sample's log verifies")
    }
}
