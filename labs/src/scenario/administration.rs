//! The verbs `put_policy` and `put_entities`: what they put is checked as the policy log would
//! check it, before anything runs.
//!
//! What an act *means* is for the scenario to say (`revokes`): no checker evaluates a policy.

use services::policy::check::check;
use services::policy::entry::{Entity, Entry};

use super::act::{Act, PolicyText};
use super::fields::{Fields, Word, words};
use super::flaw::{Placed, incoherent};
use super::world::World;

/// The most entities of one step.
const MAX_ENTITIES: usize = 20;

/// Fields of `put_policy`.
pub(super) const PUT_POLICY: &[&str] =
    &["name", "at", "do", "policy", "add", "entities", "revokes"];

/// Fields of `put_entities`.
pub(super) const PUT_ENTITIES: &[&str] = &["name", "at", "do", "entities", "revokes"];

pub(super) fn put_policy(fields: &Fields<'_, '_>, world: &World) -> Placed<Act> {
    let text = match (fields.word("policy")?, fields.word("add")?) {
        (Some(whole), None) => PolicyText::Whole(cedar("policy", &whole)?),
        (None, Some(added)) => PolicyText::Added(cedar("add", &added)?),
        _ => {
            let why = "it says either `policy`, the whole text, or `add`, what comes after it";
            return incoherent(fields.span(), why);
        }
    };
    Ok(Act::PutPolicy {
        text,
        entities: entities(fields, world)?,
        revokes: revokes(fields, world)?,
    })
}

pub(super) fn put_entities(fields: &Fields<'_, '_>, world: &World) -> Placed<Act> {
    let entities = entities(fields, world)?;
    if entities.is_empty() {
        fields.need::<()>("entities", None)?;
    }
    Ok(Act::PutEntities {
        entities,
        revokes: revokes(fields, world)?,
    })
}

/// Says whose revocation these steps are, twice if two say so.
pub(super) fn suspends(act: &Act) -> Option<&str> {
    match act {
        Act::PutEntities { revokes, .. } | Act::PutPolicy { revokes, .. } => revokes.as_deref(),
        Act::Order(order) => order.revokes.as_deref(),
        _ => None,
    }
}

fn cedar(field: &'static str, text: &Word<'_>) -> Placed<String> {
    match check(field, text.text) {
        Ok(()) => Ok(text.text.to_owned()),
        Err(error) => {
            let why = format!("`{field}`, its line {}: {}", error.line, error.flaw);
            incoherent(&text.span, why)
        }
    }
}

fn revokes(fields: &Fields<'_, '_>, world: &World) -> Placed<Option<String>> {
    let users = world.users.iter().map(|user| user.name.as_str());
    let known = |word: Word<'_>| word.known("user", users);
    fields.word("revokes")?.map(known).transpose()
}

/// `entities = [{ type = "List", id = "suspended", members = ["mallory"] }]`.
fn entities(fields: &Fields<'_, '_>, world: &World) -> Placed<Vec<Entity>> {
    let mut entities = Vec::new();
    for value in fields.list("entities", MAX_ENTITIES)? {
        let fields = Fields::of("an entity", value, &["type", "id", "members"])?;
        fields.needed("type")?.known("type of entity", ["List"])?;
        let users = || world.users.iter().map(|user| user.name.as_str());
        let members = fields.need("members", fields.get("members"))?;
        let members = words("members", members)?;
        let members = members.iter().map(|word| word.known("user", users()));
        entities.push(Entity::List {
            id: fields.needed("id")?.name("id")?,
            members: members.collect::<Placed<_>>()?,
        });
    }
    if let Some(value) = fields.get("entities").filter(|_| !entities.is_empty()) {
        let entities = entities.clone();
        let entry = Entry::PutEntities { entities }.to_bytes();
        entry.or_else(|why| incoherent(&value.span(), why.to_string()))?;
    }
    Ok(entities)
}

#[cfg(test)]
mod tests {
    use super::super::Scenario;
    use super::*;

    const LAB: &str = r#"format = 1
id = "small"
title = "Small"
shelf = 3
level = 1
minutes = "untried"
[world]
regions = ["north", "south", "east"]
users = [{ name = "mallory", role = "nurse", region = "south" }]
duration = "20s"
[[schedule]]
name = "rule"
at = "5s"
do = "put_policy"
add = """
forbid (principal in Role::"nurse", action, resource)
when { List::"suspended".members.contains(principal) };
"""
[[schedule]]
name = "list"
at = "8s"
do = "put_entities"
entities = [{ type = "List", id = "suspended", members = ["mallory"] }]
revokes = "mallory"
[[schedule]]
at = "1s"
do = "request"
as = "mallory"
via = "records.south"
actions = ["read"]
tag = "attack"
[expect]
refusal = "policy-error"
exposure = { read = "5s" }
invariants = ["no-permit-after-revoke"]
dials = ["policy.errors"]
"#;

    fn parse(text: &str) -> Result<Scenario, String> {
        Scenario::parse("lab.toml", text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_put_is_what_is_read() {
        let scenario = parse(LAB).unwrap();
        let mallory = || ["mallory".to_owned()].into();
        let id = "suspended".to_owned();
        let entities = vec![Entity::List {
            id,
            members: mallory(),
        }];
        let Act::PutPolicy {
            text: PolicyText::Added(text),
            ..
        } = &scenario.schedule[0].act
        else {
            panic!("{:?}", scenario.schedule[0]);
        };
        assert!(text.starts_with("forbid") && text.contains("suspended"));
        let revokes = Some("mallory".to_owned());
        assert_eq!(
            scenario.schedule[1].act,
            Act::PutEntities {
                entities: entities.clone(),
                revokes
            }
        );

        let at_once = LAB.replacen(
            "add =",
            "entities = [{ type = \"List\", id = \"suspended\", \
            members = [\"mallory\"] }]\npolicy =",
            1,
        );
        let both = parse(&at_once).unwrap();
        let Act::PutPolicy {
            text: PolicyText::Whole(_),
            entities: put,
            revokes: None,
        } = &both.schedule[0].act
        else {
            panic!("{:?}", both.schedule[0]);
        };
        assert_eq!(put, &entities);
        assert_ne!(both.canonical_sha256(), scenario.canonical_sha256());
    }

    #[test]
    fn what_the_log_would_refuse_is_refused_with_its_line() {
        let list = r#"[{ type = "List", id = "suspended", members = ["mallory"] }]"#;
        let twice = format!("[{0}, {0}]", &list[1..list.len() - 1]);
        for (old, new, why) in [
            (
                "add =",
                "text =",
                "15: unknown field `text` in step `put_policy`",
            ),
            ("add =", "policy = \"\"\nadd =", "15: `policy` is"),
            (
                "add =",
                "policy = \"permit (principal, action, resource);\"\nadd =",
                "11: it says either `policy`",
            ),
            (
                "forbid (",
                "forbid forbid (",
                "15: `add`, its line 1: not a Cedar",
            ),
            (
                ".members",
                ".people",
                "15: `add`, its line 2: the policy does not fit the schema",
            ),
            (
                "[\"mallory\"] }]\nrevokes",
                "[\"malory\"] }]\nrevokes",
                "23: unknown user `malory`",
            ),
            (
                "revokes = \"mallory\"",
                "revokes = \"malory\"",
                "24: unknown user `malory`",
            ),
            (
                "type = \"List\"",
                "type = \"Role\"",
                "23: unknown type of entity `Role`",
            ),
            ("id = \"suspended\"", "id = \"Sus pended\"", "23: `id` is"),
            (list, "[]", "19: step `put_entities` needs `entities`"),
            (
                list,
                &twice,
                "23: one entry puts the list `suspended` twice",
            ),
            (
                "at = \"5s\"",
                "revokes = \"mallory\"\nat = \"5s\"",
                "20: two steps revoke `mallory`",
            ),
        ] {
            assert!(LAB.contains(old), "{old}");
            let refused = parse(&LAB.replacen(old, new, 1)).expect_err(new);
            assert!(
                refused.starts_with(&format!("lab.toml:{why}")),
                "{new}: {refused}"
            );
        }
    }
}
