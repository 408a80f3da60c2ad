//! The verbs of somebody who asks in a name that was not given to them: `enrol`, `pose`.
//!
//! They say who tries, and whose name it is; the CA and the nodes decide what comes of it. Whoever
//! enrols so has spent the join code on it, and asks for nothing in their own name.

use super::act::{Act, Guise};
use super::fields::Fields;
use super::flaw::{Placed, incoherent};
use super::step::{Step, request, user};
use super::world::World;

/// The fields of a step with one of these verbs; nothing for others.
pub(super) fn known(verb: &str) -> Option<&'static [&'static str]> {
    Some(match verb {
        "enrol" => &["name", "at", "do", "as", "subject"],
        "pose" => &[
            "name", "at", "do", "every", "until", "as", "subject", "via", "actions", "tag",
            "resource",
        ],
        _ => return None,
    })
}

/// The act of such a verb; nothing for others.
pub(super) fn act(verb: &str, fields: &Fields<'_, '_>, world: &World) -> Placed<Option<Act>> {
    Ok(Some(match verb {
        "enrol" => {
            let (as_, name) = (user("as", fields, world)?, user("subject", fields, world)?);
            if as_ == name {
                let why = format!("`{name}` is the asker's own name");
                return incoherent(fields.span(), why);
            }
            Act::Enrol { as_, name }
        }
        "pose" => {
            let certified_as = user("subject", fields, world)?;
            request(fields, world, Some(Guise::Named { certified_as }))?
        }
        _ => return Ok(None),
    }))
}

/// Whoever enrols does so once, and asks for nothing in a name of their own.
pub(super) fn enrolled(whom: &str, schedule: &[Step]) -> Result<(), String> {
    let again = |step: &&Step| matches!(&step.act, Act::Enrol { as_, .. } if as_ == whom);
    if schedule.iter().filter(again).count() > 1 {
        return Err(format!(
            "two steps enrol `{whom}`: a join code is good once"
        ));
    }
    let own =
        |step: &Step| matches!(&step.act, Act::Request { as_, forging: None, .. } if as_ == whom);
    if schedule.iter().any(own) {
        return Err(format!(
            "`{whom}` enrols in another's name, and asks in their own: whose request it was could \
             not be told"
        ));
    }
    Ok(())
}
