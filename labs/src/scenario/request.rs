//! The verb `request`, and what the verbs that ask in another's name have of it.

use super::act::{ASKED, Act, Guise, NOTIFY};
use super::fields::Fields;
use super::flaw::{Placed, incoherent};
use super::posing;
use super::step::user;
use super::world::World;

/// What is asked for, by whom and where; in another's name, if there is a guise.
pub(super) fn request(
    fields: &Fields<'_, '_>,
    world: &World,
    forging: Option<Guise>,
) -> Placed<Act> {
    let doors: Vec<String> = world
        .regions
        .iter()
        .map(|region| format!("records.{region}"))
        .collect();
    let as_ = user("as", fields, world)?;
    let sends = world.senders.contains(&as_);
    let mut actions: Vec<String> = Vec::new();
    for word in fields.words("actions")? {
        // Nobody else has anything to sign with, and a world without senders knows no such word.
        let known = ASKED.into_iter().filter(|asked| *asked != NOTIFY || sends);
        let action = word.known("action", known)?;
        if actions.contains(&action) {
            return incoherent(&word.span, format!("action `{action}` is named twice"));
        }
        actions.push(action);
    }
    if actions.is_empty() {
        fields.need::<()>("actions", None)?;
    }
    let via = fields.needed("via")?;
    Ok(Act::Request {
        edge: posing::through_edge(fields, world)?,
        as_,
        via: via.known("records service", doors.iter().map(String::as_str))?,
        actions,
        tag: fields.needed("tag")?.name("tag")?,
        resource: fields
            .word("resource")?
            .map(|word| word.name("resource"))
            .transpose()?,
        forging,
    })
}
