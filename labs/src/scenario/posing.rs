//! The verbs of somebody who asks in a name that was not given to them: `enrol`, `pose`.
//!
//! They say who tries, and whose name it is; the CA and the nodes decide what comes of it. Whoever
//! enrols so has spent the join code on it, and asks for nothing in their own name.

use super::act::{Act, Guise};
use super::fields::Fields;
use super::flaw::{Placed, incoherent};
use super::request::request;
use super::step::{Step, user};
use super::world::World;

/// The fields of a step with one of these verbs; nothing for others.
pub(super) fn known(verb: &str) -> Option<&'static [&'static str]> {
    Some(match verb {
        "enrol" => &["name", "at", "do", "as", "subject", "ca"],
        "pose" => &[
            "name", "at", "do", "every", "until", "as", "subject", "via", "actions", "tag",
            "resource", "what", "edge",
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
            let ca = fields.flag("ca")?;
            Act::Enrol { as_, name, ca }
        }
        "pose" => {
            let whose = user("subject", fields, world)?;
            let what = fields.word("what")?;
            let what =
                what.map(|word| word.known("disguise", ["certificate", "header", "namesake"]));
            let guise = match what.transpose()?.as_deref() {
                Some("header") => Guise::Headed { header_of: whose },
                Some("namesake") => Guise::Namesake { namesake_of: whose },
                _ => Guise::Named {
                    certified_as: whose,
                },
            };
            let is_headed = matches!(guise, Guise::Headed { .. });
            let act = request(fields, world, Some(guise))?;
            match &act {
                Act::Request { actions, .. }
                    if is_headed && actions.iter().any(|it| it == "watch") =>
                {
                    return incoherent(fields.span(), "with a header nobody watches");
                }
                _ => act,
            }
        }
        _ => return Ok(None),
    }))
}

/// Whether a request goes through an edge, in a world that has any.
pub(super) fn through_edge(fields: &Fields<'_, '_>, world: &World) -> Placed<bool> {
    let edge = fields.flag("edge")?;
    if edge && !world.edge {
        let why = "this world has no edges: `[world] edge = true`";
        return incoherent(fields.span(), why);
    }
    Ok(edge)
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
