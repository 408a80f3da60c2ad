//! The lists of people as Cedar sees them: entities of the type `List`, one a list.
//!
//! They are made once for each state that has others, checked against the schema, and shared by
//! every decision under it. A list that is not there is not an empty one: a policy that names it
//! fails to evaluate.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use cedar_policy::{Entities, Entity, RestrictedExpression};

use super::fold::Lists;
use super::view::InvalidPolicy;
use super::vocabulary::VOCABULARY;

/// Lists, and the entities made of them.
#[derive(Debug)]
pub struct ListEntities {
    lists: Arc<Lists>,
    entities: Entities,
}

impl ListEntities {
    /// Makes entities of lists, and checks that they fit the schema.
    ///
    /// # Errors
    /// When they do not.
    pub fn compile(lists: &Arc<Lists>) -> Result<Arc<Self>, InvalidPolicy> {
        let invalid = |error: &dyn std::fmt::Display| InvalidPolicy::Entities(error.to_string());
        let words = &*VOCABULARY;
        let mut made = Vec::with_capacity(lists.len());
        for (id, members) in lists.iter() {
            let members = members
                .iter()
                .map(|name| RestrictedExpression::new_entity_uid(words.user(name)));
            let members = RestrictedExpression::new_set(members);
            let attributes = HashMap::from([("members".to_owned(), members)]);
            let entity = Entity::new(words.list(id), attributes, HashSet::new());
            made.push(entity.map_err(|error| invalid(&error))?);
        }
        let fits = Entities::from_entities(made.iter().cloned(), Some(&words.schema));
        fits.map_err(|error| invalid(&error))?;
        // Without the schema's own entities: those are for validation alone.
        let entities = Entities::from_entities(made, None).map_err(|error| invalid(&error))?;
        let lists = Arc::clone(lists);
        Ok(Arc::new(Self { lists, entities }))
    }

    /// The lists that these were made of.
    pub fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// These and others, for one decision.
    pub(super) fn with(&self, others: Vec<Entity>) -> Result<Entities, String> {
        let all = if self.lists.is_empty() {
            Entities::from_entities(others, None)
        } else {
            self.entities.clone().add_entities(others, None)
        };
        all.map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::entry::{Entity as Put, Entry};
    use crate::policy::fold::PolicyState;
    use crate::policy::view::{Mark, PolicyView, Verdict, danger::decide_skipping_errors};
    use ca::clock::Time;

    const NURSES: &str = r#"permit (principal in Role::"nurse", action, resource);
permit (principal in Role::"doctor", action, resource);"#;
    const RULE: &str = r#"forbid (principal in Role::"nurse", action, resource)
when { List::"suspended".members.contains(principal) };"#;
    const GUARDED: &str = r#"forbid (principal in Role::"nurse", action, resource)
when { List::"suspended" has members && List::"suspended".members.contains(principal) };"#;

    fn suspended(members: &[&str]) -> Vec<Put> {
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        let id = "suspended".to_owned();
        vec![Put::List { id, members }]
    }

    /// Two nurses and a doctor under a policy, and then these entries.
    fn view(policy: &str, entities: Vec<Put>, more: &[Entry]) -> PolicyView {
        let mut state = PolicyState::default();
        for (principal, role) in [("mallory", "nurse"), ("emil", "nurse"), ("alice", "doctor")] {
            let (principal, role) = (principal.to_owned(), role.to_owned());
            state.apply(&Entry::Grant { principal, role }).unwrap();
        }
        let policy = format!("{NURSES}\n{policy}");
        let put = Entry::PutPolicy { policy, entities };
        for entry in [&[put][..], more].concat() {
            state.apply(&entry).unwrap();
        }
        let root = [0; 32];
        PolicyView::build(None, &state, Mark { size: 1, root }, Time::default()).unwrap()
    }

    fn skips(view: &PolicyView, who: &str) -> Verdict {
        decide_skipping_errors(view, who, "read", "r1")
    }

    #[test]
    fn a_forbid_whose_list_is_not_there_is_an_error_and_skipping_it_lets_the_suspended_in() {
        let view = view(RULE, Vec::new(), &[]);
        for who in ["mallory", "emil"] {
            let Verdict::Error(reason) = view.decide(who, "read", "r1") else {
                panic!("the list of {who} is not there");
            };
            assert!(
                reason.contains(r#"`List::"suspended"` does not exist"#),
                "{reason}"
            );
            assert_eq!(skips(&view, who), Verdict::Permit);
        }
        // Whom the rule does not touch it does not refuse.
        assert_eq!(view.decide("alice", "read", "r1"), Verdict::Permit);
    }

    #[test]
    fn once_the_list_is_there_it_refuses_whom_it_names_and_nobody_else() {
        let entities = suspended(&["mallory"]);
        let later = view(RULE, Vec::new(), &[Entry::PutEntities { entities }]);
        let at_once = view(RULE, suspended(&["mallory"]), &[]);
        for view in [later, at_once] {
            assert_eq!(view.decide("mallory", "read", "r1"), Verdict::Deny);
            assert_eq!(skips(&view, "mallory"), Verdict::Deny);
            assert_eq!(view.decide("emil", "read", "r1"), Verdict::Permit);
            assert_eq!(view.decide("alice", "read", "r1"), Verdict::Permit);
        }
    }

    #[test]
    fn an_empty_list_is_there() {
        let view = view(RULE, suspended(&[]), &[]);
        assert_eq!(view.decide("mallory", "read", "r1"), Verdict::Permit);
    }

    /// The tempting repair: it does not even leave an error behind.
    #[test]
    fn a_guard_before_the_list_turns_the_error_into_silence() {
        let view = view(GUARDED, Vec::new(), &[]);
        assert_eq!(view.decide("mallory", "read", "r1"), Verdict::Permit);
    }

    #[test]
    fn a_list_named_like_a_user_or_a_role_is_neither() {
        let members = ["nurse".to_owned()].into();
        let id = "alice".to_owned();
        let view = view("", vec![Put::List { id, members }], &[]);
        assert_eq!(view.decide("alice", "read", "r1"), Verdict::Permit);
        assert_eq!(view.decide("nurse", "read", "r1"), Verdict::Deny);
    }

    #[test]
    fn views_of_the_same_lists_share_them() {
        let mut state = PolicyState::default();
        let entities = suspended(&["mallory"]);
        state.apply(&Entry::PutEntities { entities }).unwrap();
        let root = [0; 32];
        let build = |before: Option<&PolicyView>, state: &PolicyState| {
            PolicyView::build(before, state, Mark { size: 1, root }, Time::default()).unwrap()
        };
        let first = build(None, &state);
        let (principal, role) = ("bob".to_owned(), "nurse".to_owned());
        state.apply(&Entry::Grant { principal, role }).unwrap();
        let second = build(Some(&first), &state);
        assert!(Arc::ptr_eq(first.lists(), second.lists()));
        let entities = suspended(&[]);
        state.apply(&Entry::PutEntities { entities }).unwrap();
        assert!(!Arc::ptr_eq(
            second.lists(),
            build(Some(&second), &state).lists()
        ));
    }
}
