//! The operator of a rehearsal: takes each authority through its phases as soon as the CA's gates
//! allow, and no sooner.
//!
//! A rotation is begun when as many leaves were renewed as fall to one; what it leaves behind is
//! revoked once nothing depends on it, while the next is under way. Invariant: without haste no
//! gate is skipped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ca::clock::{Clock as _, SystemClock};
use ca::issuance::{Issuance, Kind};
use ca::issue::Ca;
use ca::rotation::{Act, AuthorityKind, Command, Phase, Reason};

use super::{Outcome, Plan};

/// Why a hasty operator skips gates, as the log has it.
const HASTE: &str = "we have never waited for anybody";

/// The operator.
pub(super) struct Operator {
    ca: Arc<Mutex<Ca>>,
    plan: Plan,
    /// How far the issuance log was read.
    read: u64,
    /// The steps of the rotation under way, the next one last.
    steps: Vec<Act>,
    begun: [u64; 2],
}

impl Operator {
    pub(super) fn new(ca: Arc<Mutex<Ca>>, plan: &Plan) -> Self {
        let read = lock(&ca).log().committed();
        Self {
            ca,
            plan: *plan,
            read,
            steps: Vec::new(),
            begun: [0; 2],
        }
    }

    /// Does what can be done now, and counts what is done.
    pub(super) fn step(&mut self, outcome: &mut Outcome) {
        self.count(outcome);
        if self.steps.is_empty() {
            self.begin(outcome.leaves);
        }
        while let Some(act) = self.steps.pop() {
            if !self.order(act.clone()) {
                self.steps.push(act);
                break;
            }
        }
        self.sweep();
    }

    /// Begins the next rotation, if its time has come.
    fn begin(&mut self, leaves: u64) {
        let due = |all: u64, begun: u64| {
            begun < all && leaves.saturating_mul(all) >= self.plan.leaves.saturating_mul(begun)
        };
        let rotation = |kind| [Act::Activate { kind, id: None }, self.prepare(kind)];
        let [roots, keys] = self.begun;
        if due(self.plan.roots, roots) {
            let steps = [AuthorityKind::X509, AuthorityKind::Root].map(rotation);
            self.steps = steps.into_iter().flatten().collect();
            self.begun[0] += 1;
        } else if due(self.plan.keys, keys) {
            self.steps = rotation(AuthorityKind::Jwt).into();
            self.begun[1] += 1;
        }
    }

    fn prepare(&self, kind: AuthorityKind) -> Act {
        lock(&self.ca).prepare_act(kind, SystemClock.now())
    }

    /// Taints what is retired, and revokes what nothing depends on any more.
    fn sweep(&self) {
        let slots = lock(&self.ca).status(SystemClock.now()).slots;
        for it in slots {
            let (kind, id) = (it.slot.kind, it.slot.id);
            match it.slot.phase {
                Phase::Retired => drop(self.order(Act::Taint { kind, id })),
                Phase::Tainted => drop(self.order(Act::Revoke { kind, id })),
                Phase::Prepared | Phase::Active | Phase::Revoked => {}
            }
        }
    }

    /// Whether the CA did it.
    fn order(&self, act: Act) -> bool {
        let mut command = Command::from(act);
        if self.plan.hasty
            && let Ok(reason) = Reason::new(HASTE)
        {
            command = command.overriding(reason);
        }
        match lock(&self.ca).command(&command, SystemClock.now()) {
            Ok(_) => true,
            Err(error) => {
                tracing::debug!(%error, "an order waits");
                false
            }
        }
    }

    /// Reads on in the issuance log, and asks how many authorities are gone.
    fn count(&mut self, outcome: &mut Outcome) {
        let ca = lock(&self.ca);
        let end = ca.log().committed();
        let renewed = ca.log().entries(self.read..end).filter(|entry| {
            Issuance::parse(entry)
                .is_ok_and(|it| it.kind == Kind::Renew && it.spiffe_id.path() != ca::node::PATH)
        });
        outcome.leaves += renewed.count() as u64;
        self.read = end;
        let slots = ca.status(SystemClock.now()).slots;
        let gone = |kind| {
            let of = slots.iter().map(|it| &it.slot);
            let gone = of.filter(|slot| slot.kind == kind && slot.phase == Phase::Revoked);
            gone.count() as u64
        };
        outcome.roots = gone(AuthorityKind::Root);
        outcome.issuers = gone(AuthorityKind::X509);
        outcome.keys = gone(AuthorityKind::Jwt);
    }
}

fn lock(ca: &Mutex<Ca>) -> MutexGuard<'_, Ca> {
    ca.lock().unwrap_or_else(PoisonError::into_inner)
}
