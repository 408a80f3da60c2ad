//! The state that the policy log's entries add up to.
//!
//! A pure fold: the same entries in the same order give the same state everywhere. It reads no
//! clock and knows no checkpoint. What it refuses (more than it may hold) it refuses for every
//! reader alike, so the authority never appends it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::entry::{Entity, Entry};

/// The most principals that may have a role.
pub const MAX_PRINCIPALS: usize = 100_000;

/// The most roles that one principal may have.
pub const MAX_ROLES: usize = 64;

/// The most lists of people.
pub const MAX_LISTS: usize = 256;

/// Which roles each principal has. A principal without roles is not listed.
pub type Memberships = BTreeMap<String, BTreeSet<String>>;

/// The last second whose tokens are ended, since the epoch, of whoever was logged out.
pub type LogOuts = BTreeMap<String, u64>;

/// Who is on each list. A list that nobody is on is still there.
pub type Lists = BTreeMap<String, BTreeSet<String>>;

/// The entry would make the state larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StateFull {
    /// One list more than [`MAX_LISTS`].
    #[error("more than {MAX_LISTS} lists")]
    Lists,
    /// One principal more than [`MAX_PRINCIPALS`] who was ever logged out: the fold reads no
    /// clock, so it cannot tell when the last token that one ended would have ended of itself.
    #[error("more than {MAX_PRINCIPALS} principals logged out")]
    LogOuts,
    /// One principal more than [`MAX_PRINCIPALS`].
    #[error("more than {MAX_PRINCIPALS} principals")]
    Principals,
    /// One role more than [`MAX_ROLES`] for a principal.
    #[error("more than {MAX_ROLES} roles for one principal")]
    Roles,
}

/// Policies, memberships, lists and log-outs after some number of entries. Cheap to clone: each
/// part is shared until it changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyState {
    policies: Arc<str>,
    memberships: Arc<Memberships>,
    lists: Arc<Lists>,
    log_outs: Arc<LogOuts>,
}

impl PolicyState {
    /// The whole policy set as Cedar text; empty at first, which permits nothing.
    pub fn policies(&self) -> &Arc<str> {
        &self.policies
    }

    /// Who is in which role.
    pub fn memberships(&self) -> &Arc<Memberships> {
        &self.memberships
    }

    /// Who is on which list.
    pub fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// Whose tokens are ended, and up to which second.
    pub fn log_outs(&self) -> &Arc<LogOuts> {
        &self.log_outs
    }

    /// Takes one entry in.
    ///
    /// # Errors
    /// When the state would grow beyond its bounds; it is then unchanged.
    pub fn apply(&mut self, entry: &Entry) -> Result<(), StateFull> {
        match entry {
            Entry::Grant { principal, role } => self.grant(principal, role)?,
            Entry::Revoke { principal, role } => self.revoke(principal, role),
            Entry::LogOut { principal, before } => self.log_out(principal, *before)?,
            Entry::PutEntities { entities } => self.put(entities)?,
            Entry::PutPolicy { policy, entities } => {
                self.put(entities)?;
                self.policies = policy.as_str().into();
            }
        }
        Ok(())
    }

    fn grant(&mut self, principal: &str, role: &str) -> Result<(), StateFull> {
        match self.memberships.get(principal) {
            Some(roles) if roles.contains(role) => return Ok(()),
            Some(roles) if roles.len() >= MAX_ROLES => return Err(StateFull::Roles),
            None if self.memberships.len() >= MAX_PRINCIPALS => return Err(StateFull::Principals),
            _ => {}
        }
        let roles = Arc::make_mut(&mut self.memberships).entry(principal.to_owned());
        roles.or_default().insert(role.to_owned());
        Ok(())
    }

    /// The newest counts, in whatever order they came.
    fn log_out(&mut self, principal: &str, before: u64) -> Result<(), StateFull> {
        match self.log_outs.get(principal) {
            Some(held) if *held >= before => return Ok(()),
            None if self.log_outs.len() >= MAX_PRINCIPALS => return Err(StateFull::LogOuts),
            _ => {}
        }
        Arc::make_mut(&mut self.log_outs).insert(principal.to_owned(), before);
        Ok(())
    }

    fn put(&mut self, entities: &[Entity]) -> Result<(), StateFull> {
        let new = |Entity::List { id, .. }: &&Entity| !self.lists.contains_key(id);
        if self.lists.len() + entities.iter().filter(new).count() > MAX_LISTS {
            return Err(StateFull::Lists);
        }
        for Entity::List { id, members } in entities {
            Arc::make_mut(&mut self.lists).insert(id.clone(), members.clone());
        }
        Ok(())
    }

    fn revoke(&mut self, principal: &str, role: &str) {
        let held = self.memberships.get(principal);
        if !held.is_some_and(|roles| roles.contains(role)) {
            return;
        }
        let memberships = Arc::make_mut(&mut self.memberships);
        if let Some(roles) = memberships.get_mut(principal) {
            roles.remove(role);
            if roles.is_empty() {
                memberships.remove(principal);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(principal: &str, role: &str) -> Entry {
        Entry::Grant {
            principal: principal.to_owned(),
            role: role.to_owned(),
        }
    }

    fn revoke(principal: &str, role: &str) -> Entry {
        Entry::Revoke {
            principal: principal.to_owned(),
            role: role.to_owned(),
        }
    }

    fn fold(entries: &[Entry]) -> PolicyState {
        let mut state = PolicyState::default();
        for entry in entries {
            state.apply(entry).unwrap();
        }
        state
    }

    #[test]
    fn a_revoke_takes_exactly_one_role_away() {
        let state = fold(&[
            grant("alice", "doctor"),
            grant("alice", "auditor"),
            grant("bob", "doctor"),
            revoke("alice", "doctor"),
        ]);
        assert_eq!(
            state.memberships()["alice"],
            BTreeSet::from(["auditor".to_owned()])
        );
        assert_eq!(
            state.memberships()["bob"],
            BTreeSet::from(["doctor".to_owned()])
        );
    }

    #[test]
    fn a_principal_without_roles_leaves_no_trace() {
        let state = fold(&[grant("alice", "doctor"), revoke("alice", "doctor")]);
        assert_eq!(state, PolicyState::default());
    }

    #[test]
    fn granting_twice_and_revoking_what_is_not_there_change_nothing() {
        let once = fold(&[grant("alice", "doctor")]);
        let more = fold(&[
            grant("alice", "doctor"),
            grant("alice", "doctor"),
            revoke("alice", "nurse"),
            revoke("bob", "nurse"),
        ]);
        assert_eq!(once, more);
    }

    #[test]
    fn a_policy_replaces_all_earlier_ones_and_no_membership() {
        let put = |text: &str| Entry::PutPolicy {
            policy: text.to_owned(),
            entities: Vec::new(),
        };
        let state = fold(&[put("a"), grant("alice", "doctor"), put("b")]);
        assert_eq!(&**state.policies(), "b");
        assert!(state.memberships().contains_key("alice"));
    }

    #[test]
    fn one_role_too_many_is_refused_and_leaves_the_state_as_it_was() {
        let roles: Vec<Entry> = (0..MAX_ROLES)
            .map(|n| grant("alice", &n.to_string()))
            .collect();
        let mut state = fold(&roles);
        let before = state.clone();
        assert_eq!(state.apply(&grant("alice", "more")), Err(StateFull::Roles));
        assert_eq!(state, before);
        assert_eq!(state.apply(&grant("alice", "0")), Ok(()), "held already");
    }

    fn list(id: &str, members: &[&str]) -> Entity {
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        let id = id.to_owned();
        Entity::List { id, members }
    }

    fn put(id: &str, members: &[&str]) -> Entry {
        let entities = vec![list(id, members)];
        Entry::PutEntities { entities }
    }

    #[test]
    fn a_list_is_put_whole_and_in_the_place_of_the_one_before() {
        let state = fold(&[
            put("suspended", &["mallory", "trent"]),
            put("away", &[]),
            put("suspended", &["trent"]),
        ]);
        let names: Vec<_> = state.lists().keys().collect();
        assert_eq!(names, ["away", "suspended"]);
        assert_eq!(state.lists()["suspended"], BTreeSet::from(["trent".into()]));
    }

    #[test]
    fn one_list_too_many_is_refused_and_the_policy_that_came_with_it_too() {
        let lists: Vec<Entry> = (0..MAX_LISTS)
            .map(|n| put(&n.to_string(), &["mallory"]))
            .collect();
        let mut state = fold(&lists);
        let before = state.clone();
        let both = Entry::PutPolicy {
            policy: "permit (principal, action, resource);".to_owned(),
            entities: vec![list("0", &[]), list("more", &[])],
        };
        for entry in [put("more", &[]), both] {
            assert_eq!(state.apply(&entry), Err(StateFull::Lists));
            assert_eq!(state, before);
        }
        assert_eq!(state.apply(&put("0", &[])), Ok(()), "it was there already");
    }

    #[test]
    fn the_newest_log_out_of_each_counts_in_whatever_order_they_came() {
        let log_out = |principal: &str, before| Entry::LogOut {
            principal: principal.to_owned(),
            before,
        };
        let state = fold(&[
            grant("alice", "doctor"),
            log_out("alice", 12),
            log_out("bob", 7),
            log_out("alice", 9),
            log_out("alice", 14),
        ]);
        let ended = [("alice".to_owned(), 14), ("bob".to_owned(), 7)];
        assert_eq!(**state.log_outs(), ended.into());
        assert!(
            state.memberships()["alice"].contains("doctor"),
            "no role is lost by it"
        );
        let mut later = state.clone();
        later.apply(&log_out("alice", 13)).unwrap();
        assert!(Arc::ptr_eq(state.log_outs(), later.log_outs()));
    }

    #[test]
    fn a_clone_is_shared_until_it_changes() {
        let first = fold(&[grant("alice", "doctor")]);
        let mut second = first.clone();
        assert!(Arc::ptr_eq(first.memberships(), second.memberships()));
        second.apply(&revoke("alice", "doctor")).unwrap();
        assert!(first.memberships().contains_key("alice"));
    }
}
