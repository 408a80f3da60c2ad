//! What must have happened before a step makes sense: a role is held before it is taken, a fault
//! there before it is undone, and nobody goes on asking whose tokens were ended: by which token it
//! was could not be told.

use super::act::{Act, Guise};
use super::step::Step;
use super::world::World;

/// Whoever is logged out asks for nothing from then on, and nobody copies another token of theirs.
fn log_out(step: &Step, whom: &str, schedule: &[Step], world: &World) -> Result<(), String> {
    let theirs = |other: &&Step| match &other.act {
        Act::Request {
            as_, forging: None, ..
        } => as_ == whom,
        Act::Steal { token_of, .. } => token_of.as_deref() == Some(whom),
        _ => false,
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
        } => {
            let (wanted, what) = match guise {
                Guise::Forged(_) => (None, "key".to_owned()),
                Guise::Replayed { token_of } => (Some(token_of), format!("token of `{token_of}`")),
            };
            let stolen = before(&|act| {
                matches!(act, Act::Steal { as_: thief, token_of }
                    if thief == as_ && token_of.as_ref() == wanted)
            });
            let why = format!("`{as_}` has stolen no {what} by then");
            return stolen.then_some(()).ok_or(why);
        }
        Act::Order(order) => {
            let Some(first) = &order.after else {
                return Ok(());
            };
            let is_it = |other: &Step| {
                other.at < step.at
                    && other.name.as_ref() == Some(first)
                    && matches!(other.act, Act::Order(_))
            };
            let why = format!("there is no order `{first}` by then");
            return schedule.iter().any(is_it).then_some(()).ok_or(why);
        }
        Act::LogOut { principal } => return log_out(step, principal, schedule, world),
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
