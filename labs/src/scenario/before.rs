//! What must have happened before a step makes sense: a role is held before it is taken, a fault
//! there before it is undone, and nobody goes on asking whose tokens were ended, or whose key was
//! copied with all that goes with it: by which token it was, or who, could not be told.

use super::act::{Act, Booty, Guise};
use super::posing;
use super::signing::Order;
use super::step::Step;
use super::world::World;

/// Whether a step is a request that somebody makes in their own name.
fn asks(step: &Step, whom: &str) -> bool {
    matches!(&step.act, Act::Request { as_, forging: None, .. } if as_ == whom)
}

/// Whose key, certificate and token are copied has no others later, and asks by them no longer.
fn copied(step: &Step, whom: &str, schedule: &[Step], world: &World) -> Result<(), String> {
    let leaf = |other: &&Step| match &other.act {
        Act::Steal {
            what: Booty::Leaf { leaf_of },
            ..
        } => leaf_of == whom,
        _ => false,
    };
    if schedule.iter().filter(leaf).count() > 1 {
        return Err(format!(
            "two steps copy the certificate of `{whom}`: one is enough"
        ));
    }
    let later = |other: &Step| asks(other, whom) && other.latest(world.duration) >= step.at;
    if schedule.iter().any(later) {
        let why = format!("`{whom}` is copied by then, and goes on asking: who it is could not be");
        return Err(format!("{why} told"));
    }
    Ok(())
}

/// Whoever is logged out asks for nothing from then on, and nobody copies another token of theirs.
fn log_out(step: &Step, whom: &str, schedule: &[Step], world: &World) -> Result<(), String> {
    let theirs = |other: &&Step| match &other.act {
        Act::Steal { what, .. } => what.of() == Some(whom),
        _ => asks(other, whom),
    };
    let later = |other: &&Step| other.latest(world.duration) >= step.at;
    match schedule.iter().filter(theirs).find(later) {
        None => Ok(()),
        Some(other) => Err(format!(
            "`{whom}` is logged out by then, and a step `{}` goes on: by which token could not be \
             told",
            other.act.verb()
        )),
    }
}

/// An order may wait for one that was given before it, and for an alarm where there is a cause.
fn ordered(step: &Step, order: &Order, schedule: &[Step]) -> Result<(), String> {
    let rogue = |other: &Step| {
        let Act::Request { forging, .. } = &other.act else {
            return false;
        };
        matches!(forging, Some(Guise::Rogue { .. }))
    };
    if order.on_alarm && !schedule.iter().any(rogue) {
        let why = "nobody comes with a certificate that is in no log: there is never an alarm";
        return Err(why.to_owned());
    }
    let Some(first) = &order.after else {
        return Ok(());
    };
    let is_it = |other: &Step| {
        let named = other.name.as_ref() == Some(first);
        named && other.at < step.at && matches!(other.act, Act::Order(_))
    };
    let why = format!("there is no order `{first}` by then");
    schedule.iter().any(is_it).then_some(()).ok_or(why)
}

/// Whoever asks in another's name has made or copied what they show for it. A namesake has it by
/// right.
fn disguised(step: &Step, (who, guise): (&str, &Guise), schedule: &[Step]) -> Result<(), String> {
    let has = |act: &Act| match (act, guise) {
        (Act::Steal { as_, what }, _) => as_ == who && what.serves(guise),
        (Act::Enrol { as_, name, .. }, Guise::Named { certified_as }) => {
            as_ == who && name == certified_as
        }
        _ => false,
    };
    let namesake = matches!(guise, Guise::Namesake { .. });
    let earlier = schedule.iter().filter(|other| other.at < step.at);
    let has = namesake || earlier.map(|other| &other.act).any(has);
    has.then_some(())
        .ok_or_else(|| format!("`{who}` has {} by then", guise.takes()))
}

/// What must have happened before a step makes sense.
pub(super) fn check(step: &Step, schedule: &[Step], world: &World) -> Result<(), String> {
    let before = |act: &dyn Fn(&Act) -> bool| {
        schedule
            .iter()
            .any(|other| other.at < step.at && act(&other.act))
    };
    let undone = match &step.act {
        Act::Revoke { principal, role } => {
            let given = world.user(principal).is_some_and(|user| user.role == *role)
                || before(&|act| {
                    matches!(act, Act::Grant { principal: who, role: what }
                        if who == principal && what == role)
                });
            let why = format!("`{principal}` does not hold the role `{role}` by then");
            return given.then_some(()).ok_or(why);
        }
        Act::RevokeLeaf { principal } => {
            let same =
                |act: &Act| matches!(act, Act::RevokeLeaf { principal: who } if who == principal);
            let times = schedule.iter().filter(|other| same(&other.act)).count();
            let why = format!("two steps take the certificates of `{principal}`: one is enough");
            return (times < 2).then_some(()).ok_or(why);
        }
        Act::Request {
            as_,
            forging: Some(guise),
            ..
        } => return disguised(step, (as_, guise), schedule),
        Act::Order(order) => return ordered(step, order, schedule),
        Act::Enrol { as_, .. } => return posing::enrolled(as_, schedule),
        Act::LogOut { principal } => return log_out(step, principal, schedule, world),
        Act::Steal {
            what: Booty::Leaf { leaf_of },
            ..
        } => return copied(step, leaf_of, schedule, world),
        Act::Heal => before(&|act| matches!(act, Act::Partition { .. })),
        Act::Rejoin { node } => {
            before(&|act| matches!(act, Act::Isolate { node: cut } if cut == node))
        }
        Act::Release(what) => before(&|act| matches!(act, Act::Hold(held) if held == what)),
        Act::Restart { node } => {
            before(&|act| matches!(act, Act::Crash { node: down, .. } if down == node))
        }
        Act::Sync { node } => {
            before(&|act| matches!(act, Act::Skew { node: wrong, .. } if wrong == node))
        }
        Act::Crash { .. }
        | Act::Grant { .. }
        | Act::Hold(_)
        | Act::Isolate { .. }
        | Act::Partition { .. }
        | Act::PutEntities { .. }
        | Act::PutPolicy { .. }
        | Act::Request { .. }
        | Act::Skew { .. }
        | Act::Slow { .. }
        | Act::Steal { .. } => true,
    };
    undone
        .then_some(())
        .ok_or_else(|| format!("`{}` undoes nothing by then", step.act.verb()))
}
