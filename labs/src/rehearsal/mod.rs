//! A rehearsal of rotation: a whole clinic on this machine's sockets, asked at a steady pace while
//! leaves, issuers, roots and token keys change under it.
//!
//! Every request is asked once: no client here asks again, and what was not served is a failed
//! request, whatever the reason. Invariant: nothing is counted before everybody has been served
//! once, and nothing that was asked after that is left out.

pub mod clinic;
mod load;
mod operator;

use std::collections::BTreeMap;
use std::time::Duration;

use ca::issue::CaConfig;
use services::node::NodeError;

use self::clinic::{Clinic, Terms};
use self::load::Load;
use self::operator::Operator;

/// Callers; with the eight nodes that have agents too, these make twenty.
pub const CALLERS: usize = 12;
/// The other members: three regions' records and witnesses, policy, tokens.
pub const NODES: usize = 8;
/// Life of a leaf: renewed after about four seconds.
pub const LEAF_TTL: Duration = Duration::from_secs(10);
/// Life of a token.
pub const TOKEN_TTL: Duration = Duration::from_secs(10);
/// How long until the clinic must have begun to serve.
const BEGUN: Duration = Duration::from_secs(30);
/// How often it is looked how far it has got.
const LOOK: Duration = Duration::from_millis(100);

/// What is to be rehearsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Leaves to be renewed.
    pub leaves: u64,
    /// Roots to be replaced, each with an issuer under it.
    pub roots: u64,
    /// Token keys to be replaced.
    pub keys: u64,
    /// Requests a second, all callers together.
    pub per_second: u32,
    /// No longer than this.
    pub within: Duration,
    /// Whether the operator waits for nobody: each step by override, at once.
    pub hasty: bool,
}

/// What became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Requests asked.
    pub asked: u64,
    /// Those that were not served, by what was heard.
    pub failed: BTreeMap<String, u64>,
    /// The first of them, each with when it was asked, from the beginning.
    pub first_failed: Vec<(Duration, String)>,
    /// The time until an answer, of half of them, of 99 in a hundred, and of the slowest.
    pub latency: [Duration; 3],
    /// Leaves renewed, the CA's own not counted.
    pub leaves: u64,
    /// Roots replaced: a new one in use, the old one revoked.
    pub roots: u64,
    /// Issuers replaced.
    pub issuers: u64,
    /// Token keys replaced.
    pub keys: u64,
    /// From the first request that counts to the last.
    pub lasted: Duration,
    /// What broke it off, if anything did.
    pub broken_off: Option<String>,
}

impl Outcome {
    /// How many requests failed.
    pub fn failures(&self) -> u64 {
        self.failed.values().sum()
    }

    /// Whether everything that was planned was done.
    pub const fn reached(&self, plan: &Plan) -> bool {
        let authorities = self.roots >= plan.roots && self.issuers >= plan.roots;
        self.leaves >= plan.leaves && authorities && self.keys >= plan.keys
    }

    /// The part of the plan that is done, from 0 to 1.
    fn share(&self, plan: &Plan) -> f64 {
        let of = |done: u64, all: u64| {
            #[expect(clippy::cast_precision_loss, reason = "a share for the eye")]
            let share = done as f64 / all.max(1) as f64;
            share.min(1.0)
        };
        let leaves = of(self.leaves, plan.leaves);
        leaves.min(of(self.roots + 1, plan.roots + 1))
    }
}

/// Rehearses a plan; tells `progress` the share that is done. Must be called inside a `LocalSet`.
/// Dropping it ends it.
///
/// # Errors
/// When the clinic cannot be set up, or does not begin to serve.
pub async fn rehearse(
    plan: &Plan,
    progress: &mut dyn FnMut(f64, &Outcome),
) -> Result<Outcome, NodeError> {
    let names: Vec<String> = (1..=CALLERS).map(|n| format!("caller-{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut terms = Terms::new(LEAF_TTL, &names)?;
    terms.token_ttl = TOKEN_TTL;
    terms.settings = CaConfig {
        stagger: Duration::from_secs(3),
        token_life: TOKEN_TTL + Duration::from_secs(2),
        ..terms.settings
    };
    let mut clinic = Clinic::start(&terms)?;
    let load = Load::begin(&clinic, &names, plan.per_second)?;
    tokio::time::timeout(BEGUN, load.served())
        .await
        .map_err(|_| "the clinic did not begin to serve")?;
    let (truth, mut outcome) = (clinic.truth(), Outcome::default());
    let began = truth.elapsed();
    let lasted = || truth.elapsed().saturating_sub(began);
    load.count();
    let mut operator = Operator::new(clinic.ca(), plan);
    while !outcome.reached(plan) && lasted() < plan.within {
        let ended = tokio::time::timeout(LOOK, clinic.ended()).await;
        if let Ok(why) = ended {
            outcome.broken_off = Some(why);
            break;
        }
        operator.step(&mut outcome);
        outcome.lasted = lasted();
        load.tell(&mut outcome);
        progress(outcome.share(plan), &outcome);
    }
    // What is on its way is still to be answered.
    load.finish().await;
    outcome.lasted = lasted();
    load.tell(&mut outcome);
    Ok(outcome)
}
