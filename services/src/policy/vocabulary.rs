//! The Cedar schema: what kinds of principal, action and resource there are.
//!
//! It is embedded, so every node has the same one; it is not part of the log. An action's
//! `@freshness` annotation is a floor that the posture may raise and never lower.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, Schema, SchemaFragment, Validator};

const SOURCE: &str = include_str!("schema.cedarschema");

/// The embedded schema, read once.
pub(super) static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(Vocabulary::read);

/// What the schema says, in the shapes that decisions need.
pub(super) struct Vocabulary {
    pub(super) schema: Schema,
    pub(super) validator: Validator,
    /// Each action's name in Cedar.
    pub(super) actions: BTreeMap<String, EntityUid>,
    freshness: BTreeMap<String, String>,
    user: EntityTypeName,
    role: EntityTypeName,
    record: EntityTypeName,
    list: EntityTypeName,
}

impl Vocabulary {
    fn read() -> Self {
        let (fragment, _) = SchemaFragment::from_cedarschema_str(SOURCE)
            .expect("the embedded schema is Cedar: a test reads it");
        let schema = Schema::from_schema_fragments([fragment.clone()])
            .expect("the embedded schema is whole: a test reads it");
        let mut actions = BTreeMap::new();
        let mut freshness = BTreeMap::new();
        for action in schema.actions() {
            let name: &str = action.id().unescaped();
            actions.insert(name.to_owned(), action.clone());
            if let Some(floor) = fragment.action_annotation(None, action.id(), "freshness") {
                freshness.insert(name.to_owned(), floor.to_owned());
            }
        }
        Self {
            validator: Validator::new(schema.clone()),
            schema,
            actions,
            freshness,
            user: kind("User"),
            role: kind("Role"),
            record: kind("Record"),
            list: kind("List"),
        }
    }

    pub(super) fn user(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.user.clone(), EntityId::new(name))
    }

    pub(super) fn role(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.role.clone(), EntityId::new(name))
    }

    pub(super) fn list(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.list.clone(), EntityId::new(name))
    }

    pub(super) fn record(&self, name: &str) -> EntityUid {
        EntityUid::from_type_name_and_id(self.record.clone(), EntityId::new(name))
    }
}

/// The freshness that the schema demands for an action at the least, as written there: a duration
/// or `latest`. `None` if the action has no such annotation, or does not exist.
pub fn schema_freshness(action: &str) -> Option<String> {
    VOCABULARY.freshness.get(action).cloned()
}

/// The actions there are, in order.
pub fn actions() -> impl Iterator<Item = &'static str> {
    VOCABULARY.actions.keys().map(String::as_str)
}

fn kind(name: &str) -> EntityTypeName {
    name.parse().expect("a plain word names an entity type")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schema_names_four_actions_and_a_floor_for_sharing() {
        assert_eq!(
            actions().collect::<Vec<_>>(),
            ["read", "share", "watch", "write"]
        );
        assert_eq!(schema_freshness("share").as_deref(), Some("latest"));
        assert_eq!(schema_freshness("read"), None);
        assert_eq!(schema_freshness("erase"), None);
    }
}
