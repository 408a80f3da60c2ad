//! One run of one scenario: a world is built, afflicted and ended, and a history comes out.
//!
//! Nothing here judges. The same request gives the same trace hash, on any machine.

mod administrator;
mod afflict;
mod fleet;
mod impostor;
mod invited;
mod lookout;
mod loot;
mod operator;
mod promise;
mod rogue;
mod users;
mod watching;
mod world;

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use services::audit;

use services::policy::danger::Mutation;
use services::posture::Posture;

use self::afflict::{Afflictions, blows, micros};
use self::lookout::Lookout;
use self::world::World;
use crate::fabric::{EPOCH, TrueTime};
use crate::history::{AuditLog, Expect, FloorSpec, History, Renewal, When};
use crate::scenario::{self, ATTACK_TAG, Act, Booty, Guise, Scenario};
use crate::trace::TraceEvent;

pub use self::lookout::Sighting;

/// How far off the judge lets honest clocks be: its own figure, or a posture could buy itself a
/// kinder judge. Microseconds.
const TOLERANCE_US: u64 = 500_000;

/// What to run.
#[derive(Clone, Debug)]
pub struct RunRequest {
    /// World, schedule, expectations.
    pub scenario: Scenario,
    /// The dials of every node.
    pub posture: Posture,
    /// The policy that the log begins with, in Cedar.
    pub policy: String,
    /// Everything random that is not a key.
    pub seed: u64,
    /// A planted bug, for the proof; none in a real run.
    pub mutation: Mutation,
}

/// One node's audit log as its disk holds it.
#[derive(Clone, Debug, Default)]
pub struct AuditFiles {
    /// Length-prefixed entries.
    pub entries: Vec<u8>,
    /// The signed checkpoint over them.
    pub checkpoint: Vec<u8>,
    /// The key that verifies it, in the form of a C2SP vkey.
    pub key: String,
}

/// What a run left behind.
#[derive(Clone, Debug)]
pub struct Ran {
    /// What clients saw, what was logged, what went wrong.
    pub history: History,
    /// Every canonical event, sorted.
    pub trace: Vec<TraceEvent>,
    /// The deciding nodes' audit logs, by node.
    pub audit: BTreeMap<String, AuditFiles>,
    /// What was seen broken while the run went on, an invariant once, in order of time.
    pub sightings: Vec<Sighting>,
    /// Real time spent, milliseconds.
    pub wall_ms: u64,
}

/// Why there is no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The caller asked to stop.
    #[error("interrupted")]
    Interrupted,
    /// The first policy is not valid.
    #[error("policy: {0}")]
    Policy(String),
    /// A node's software ended, or could not start.
    #[error("the run broke down at {at_ms} ms: {cause}")]
    Broke {
        /// Virtual time.
        at_ms: u64,
        /// What the node said.
        cause: String,
    },
}

/// How far a run has come.
#[derive(Clone, Copy, Debug)]
pub struct Progress<'a> {
    /// The share of virtual time that has passed, 0 to 1.
    pub share: f64,
    /// What was seen broken so far.
    pub sightings: &'a [Sighting],
}

/// Runs a scenario on the simulated fabric. `progress` is told the share of virtual time that has
/// passed, 0 to 1, at least ten times a virtual second; `Break` stops the run.
///
/// # Errors
/// When the policy is invalid, a node breaks down, or `progress` says stop.
pub fn run(
    request: &RunRequest,
    progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
) -> Result<Ran, RunError> {
    run_watched(request, &mut |so_far| progress(so_far.share))
}

/// As [`run`], and tells what the invariants say so far.
///
/// # Errors
/// As [`run`].
pub fn run_watched(
    request: &RunRequest,
    progress: &mut dyn FnMut(Progress<'_>) -> ControlFlow<()>,
) -> Result<Ran, RunError> {
    let began = TrueTime::local();
    let mut world = World::build(request)?;
    let mut afflictions = Afflictions::default();
    let mut next = blows(&request.scenario).into_iter().peekable();
    let mut lookout = Lookout::new(facts(request));
    let mut sightings = Vec::new();
    let duration = request.scenario.world.duration;
    while world.fabric.elapsed() < duration {
        let now = world.fabric.elapsed();
        while let Some((_, blow)) = next.next_if(|(at, _)| *at <= now) {
            afflictions.strike(&mut world, &request.scenario, &blow);
        }
        world.fabric.step().map_err(|error| RunError::Broke {
            at_ms: micros(now) / 1_000,
            cause: error.to_string(),
        })?;
        if micros(world.fabric.elapsed()).is_multiple_of(lookout::STEP_US) {
            sightings.extend(lookout.look(&world, afflictions.faults()));
        }
        let share = now.as_secs_f64() / duration.as_secs_f64();
        let sightings = &sightings;
        if micros(now).is_multiple_of(100_000) && progress(Progress { share, sightings }).is_break()
        {
            return Err(RunError::Interrupted);
        }
    }
    sightings.extend(lookout.look_last(&world, afflictions.faults()));
    let (audit, audits) = collect_audits(&world);
    let trace = world.fabric.ledger.sorted();
    let (requests, acts) = world.said();
    let history = History {
        faults: afflictions.faults(),
        acts,
        requests,
        audits,
        issued: world.issued(),
        clocks: world.clocks(),
        renewals: renewals(&trace),
        rpcs: world.fabric.links.calls(),
        bytes_about: world.fabric.links.bytes(),
        ..facts(request)
    };
    let wall_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(Ran {
        history,
        trace,
        audit,
        sightings,
        wall_ms,
    })
}

/// What a history knows before anything has happened.
fn facts(request: &RunRequest) -> History {
    let users = request.scenario.world.users.iter();
    let schedule = &request.scenario.schedule;
    let revokes_leaves = schedule
        .iter()
        .any(|step| matches!(step.act, Act::RevokeLeaf { .. }));
    let revokes_keys = schedule
        .iter()
        .any(|step| matches!(&step.act, Act::Order(order) if order.revokes.is_some()));
    let logs_out = schedule
        .iter()
        .any(|step| matches!(step.act, Act::LogOut { .. }));
    let copies_leaves = schedule.iter().any(|step| {
        let Act::Steal { what, .. } = &step.act else {
            return false;
        };
        matches!(what, Booty::Leaf { .. })
    });
    let makes_leaves = schedule.iter().any(|step| {
        let Act::Request { forging, .. } = &step.act else {
            return false;
        };
        matches!(forging, Some(Guise::Rogue { .. }))
    });
    let life = request.scenario.world.list_life;
    History {
        roles: users
            .map(|user| (user.name.clone(), user.role.clone()))
            .collect(),
        duration_us: micros(request.scenario.world.duration),
        epoch_us: EPOCH.as_micros(),
        promised: promise::of_policy(&request.posture),
        leaf_promised: if revokes_leaves {
            promise::of_leaves(&request.posture, life)
        } else {
            BTreeMap::new()
        },
        key_promised: if revokes_keys {
            promise::of_keys(&request.posture, life)
        } else {
            BTreeMap::new()
        },
        log_out_promised: if logs_out {
            promise::of_log_outs(&request.posture)
        } else {
            BTreeMap::new()
        },
        end_promised: if copies_leaves {
            promise::of_ends(&request.posture)
        } else {
            BTreeMap::new()
        },
        rogue_promised: if makes_leaves {
            promise::of_rogues(&request.posture, life, request.scenario.world.leaf_life)
        } else {
            BTreeMap::new()
        },
        tolerance_us: TOLERANCE_US,
        expect: expectations(&request.scenario),
        ..History::default()
    }
}

/// Every deciding node's log, as its disk holds it and as it verifies.
fn collect_audits(world: &World) -> (BTreeMap<String, AuditFiles>, BTreeMap<String, AuditLog>) {
    let (mut files, mut logs) = (BTreeMap::new(), BTreeMap::new());
    for (node, key) in &world.audit_keys {
        let read = |name: &str| world.audit_file(node, name);
        let (entries, checkpoint) = (read("entries"), read("checkpoint"));
        let verified = audit::verify::verify(node, &entries, &checkpoint, key);
        logs.insert(node.clone(), verified.map_err(|flaw| flaw.to_string()));
        files.insert(
            node.clone(),
            AuditFiles {
                entries,
                checkpoint,
                key: key.vkey(),
            },
        );
    }
    (files, logs)
}

fn renewals(trace: &[TraceEvent]) -> Vec<Renewal> {
    let of = |event: &TraceEvent| {
        let ok = match event.event.kind {
            "renewed" => true,
            "renewal-failed" => false,
            _ => return None,
        };
        Some(Renewal {
            node: event.node.clone(),
            at_us: event.at_us,
            ok,
        })
    };
    trace.iter().filter_map(of).collect()
}

fn expectations(scenario: &Scenario) -> Expect {
    let expect = &scenario.expect;
    let exposure = expect.exposure.iter();
    let floor = |floor: &scenario::Floor| FloorSpec {
        tag: floor.tag.clone(),
        when: match &floor.when {
            scenario::When::Inside(name) => When::Inside(name.clone()),
            scenario::When::Outside(name) => When::Outside(name.clone()),
            scenario::When::Throughout => When::Throughout,
        },
        action: floor.action.clone(),
        floor: floor.floor,
    };
    Expect {
        attack_tag: ATTACK_TAG.to_owned(),
        refusal: expect.refusal.name().to_owned(),
        exposure_us: exposure
            .map(|(action, span)| (action.clone(), micros(*span)))
            .collect(),
        outage_us: expect
            .outage
            .iter()
            .map(|(action, span)| (action.clone(), micros(*span)))
            .collect(),
        impersonation: expect.impersonation.iter().cloned().collect(),
        invariants: expect.invariants.clone(),
        floors: expect.availability.iter().map(floor).collect(),
    }
}
