//! The policy at one checkpoint, ready to decide.
//!
//! A view never changes: policies, memberships, lists and log-outs change together, when the next
//! checkpoint's view takes its place. A decision is a function of the view and the request alone;
//! whether the view is too old to be asked is the caller's question ([`super::freshness`]).
//!
//! Cedar decides as if a policy that fails to evaluate were not there, a `forbid` too. Here any
//! such failure is [`Verdict::Error`], which refuses.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use ca::clock::Time;
use ca::tlog::tree::Hash;
use cedar_policy::{
    Authorizer, Context, Decision, Entity, PolicySet, Request, Response, ValidationMode,
};

use super::depth::{MAX_DEPTH, too_deep};
use super::fold::{LogOuts, Memberships, PolicyState};
use super::freshness::is_stale;
use super::lists::ListEntities;
use super::vocabulary::VOCABULARY;

/// How far a policy log has come: its size, and the root that stands for all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// How many entries.
    pub size: u64,
    /// The RFC 6962 root of those entries.
    pub root: Hash,
}

/// What a view says to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A policy permits it and none forbids it.
    Permit,
    /// No policy permits it, or one forbids it.
    Deny,
    /// It could not be decided: the sorted reasons. To be refused.
    Error(String),
}

/// This Cedar text cannot be a policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPolicy {
    /// Its brackets or operators stand in each other more than [`MAX_DEPTH`] deep; from which line.
    #[error("brackets and operators go more than {MAX_DEPTH} deep, on line {0}")]
    Deep(usize),
    /// Not Cedar.
    #[error("not a Cedar policy set: {0}")]
    Syntax(String),
    /// A template: nothing links one here, so a `forbid` in it would never apply.
    #[error("`{0}` is a template, and nothing would link it")]
    Template(String),
    /// What was put beside it does not fit the schema.
    #[error("the entities do not fit the schema: {0}")]
    Entities(String),
    /// Strict validation against the schema found fault.
    #[error("the policy does not fit the schema: {0}")]
    Schema(String),
}

/// A validated policy set, with the text that it came from.
#[derive(Debug)]
pub struct Policies {
    text: Arc<str>,
    set: PolicySet,
}

impl Policies {
    /// Parses and strictly validates a policy set. The empty text is the empty set.
    ///
    /// # Errors
    /// When the text goes too deep, is not Cedar, holds a template, or does not fit the schema.
    pub fn compile(text: &Arc<str>) -> Result<Arc<Self>, InvalidPolicy> {
        if let Some(line) = too_deep(text) {
            return Err(InvalidPolicy::Deep(line));
        }
        let set: PolicySet = text
            .parse()
            .map_err(|error: cedar_policy::ParseErrors| InvalidPolicy::Syntax(error.to_string()))?;
        if let Some(template) = set.templates().next() {
            return Err(InvalidPolicy::Template(template.id().to_string()));
        }
        let result = VOCABULARY.validator.validate(&set, ValidationMode::Strict);
        if !result.validation_passed() {
            let faults = result.validation_errors().map(ToString::to_string);
            return Err(InvalidPolicy::Schema(sorted(faults)));
        }
        Ok(Arc::new(Self {
            text: Arc::clone(text),
            set,
        }))
    }
}

/// An immutable snapshot of who may do what, and how old it is.
#[derive(Clone, Debug)]
pub struct PolicyView {
    policies: Arc<Policies>,
    memberships: Arc<Memberships>,
    lists: Arc<ListEntities>,
    log_outs: Arc<LogOuts>,
    mark: Mark,
    as_of: Time,
    /// When a quorum last vouched for it, if this node's clock had not come to that by then.
    ahead: Option<Time>,
}

impl PolicyView {
    /// A view of `state`, which is that of the log at `mark`. Whatever is the same in `previous`
    /// is shared with it: a heartbeat copies nothing, a grant parses no policy.
    ///
    /// # Errors
    /// When the policy text is not a valid policy set, or a list does not fit the schema.
    pub fn build(
        previous: Option<&Self>,
        state: &PolicyState,
        mark: Mark,
        as_of: Time,
    ) -> Result<Self, InvalidPolicy> {
        let policies = match previous {
            Some(view) if view.policies.text == *state.policies() => Arc::clone(&view.policies),
            _ => Policies::compile(state.policies())?,
        };
        let lists = match previous {
            Some(view) if view.lists.lists() == state.lists() => Arc::clone(&view.lists),
            _ => ListEntities::compile(state.lists())?,
        };
        let memberships = Arc::clone(state.memberships());
        let log_outs = Arc::clone(state.log_outs());
        Ok(Self {
            policies,
            memberships,
            lists,
            log_outs,
            mark,
            as_of,
            ahead: None,
        })
    }

    /// The same policy, vouched for again.
    pub(super) fn renewed(&self, as_of: Time, ahead: Option<Time>) -> Self {
        Self {
            as_of,
            ahead,
            ..self.clone()
        }
    }

    /// When a quorum last vouched for it, if that was later than this node's clock said.
    pub(super) fn ahead(&self) -> Option<Time> {
        self.ahead
    }

    /// Whether it cannot be told how old it is at `now`: a quorum vouched for it later than that,
    /// by more than `tolerance`, so this node's clock is behind.
    pub fn is_ahead(&self, now: Time, tolerance: Duration) -> bool {
        self.ahead.is_some_and(|ahead| ahead > now + tolerance)
    }

    /// Whether it is too old at `now` for an action that bears `bound`, or of no age that could be
    /// told.
    pub fn is_stale(&self, now: Time, bound: Duration, tolerance: Duration) -> bool {
        self.is_ahead(now, tolerance) || is_stale(self.as_of, now, bound, tolerance)
    }

    /// The lists that policies may name.
    pub fn lists(&self) -> &Arc<ListEntities> {
        &self.lists
    }

    /// Size of the log that this view enforces, and its root.
    pub fn mark(&self) -> Mark {
        self.mark
    }

    /// Number of entries that this view enforces.
    pub fn size(&self) -> u64 {
        self.mark.size
    }

    /// Root of the log that this view enforces.
    pub fn root(&self) -> Hash {
        self.mark.root
    }

    /// When a quorum last vouched that there is no larger log; the epoch if none has.
    pub fn as_of(&self) -> Time {
        self.as_of
    }

    /// Whether a token of that principal's, issued then, was ended by a log-out. Tokens say whole
    /// seconds: one of the very second of the log-out may be from before it, and is ended.
    pub fn ends_token(&self, principal: &str, issued_at: Time) -> bool {
        let ended = self.log_outs.get(principal);
        ended.is_some_and(|before| issued_at.as_secs() <= *before)
    }

    /// Decides. Any policy that fails to evaluate makes it an error.
    pub fn decide(&self, principal: &str, action: &str, resource: &str) -> Verdict {
        match self.evaluate(principal, action, resource) {
            Err(reason) => Verdict::Error(reason),
            Ok(response) => {
                let mut errors = response.diagnostics().errors().peekable();
                if errors.peek().is_some() {
                    return Verdict::Error(sorted(errors.map(ToString::to_string)));
                }
                verdict(&response)
            }
        }
    }

    /// Asks Cedar, with no entity but the principal, its roles, and the lists.
    fn evaluate(&self, principal: &str, action: &str, resource: &str) -> Result<Response, String> {
        let words = &*VOCABULARY;
        let Some(act) = words.actions.get(action) else {
            return Err(format!("no action `{}`", action.escape_default()));
        };
        let user = words.user(principal);
        let held = self.memberships.get(principal);
        let roles: HashSet<_> = held
            .into_iter()
            .flatten()
            .map(|role| words.role(role))
            .collect();
        let mut entities: Vec<Entity> = Vec::with_capacity(roles.len() + 1);
        for role in &roles {
            entities.push(Entity::new_no_attrs(role.clone(), HashSet::new()));
        }
        entities.push(Entity::new_no_attrs(user.clone(), roles));
        let entities = self.lists.with(entities)?;
        let record = words.record(resource);
        let request = Request::new(user, act.clone(), record, Context::empty(), None)
            .map_err(|error| error.to_string())?;
        Ok(Authorizer::new().is_authorized(&request, &self.policies.set, &entities))
    }
}

/// What an exposed posture uses instead.
pub mod danger {
    use super::{PolicyView, Verdict, verdict};

    /// Decides as Cedar does by default: a policy that fails to evaluate, `forbid` included, is as
    /// if it were not there.
    pub fn decide_skipping_errors(
        view: &PolicyView,
        principal: &str,
        action: &str,
        resource: &str,
    ) -> Verdict {
        match view.evaluate(principal, action, resource) {
            Ok(response) => verdict(&response),
            Err(reason) => Verdict::Error(reason),
        }
    }
}

fn verdict(response: &Response) -> Verdict {
    match response.decision() {
        Decision::Allow => Verdict::Permit,
        Decision::Deny => Verdict::Deny,
    }
}

/// Cedar gives its findings in no order.
fn sorted(findings: impl Iterator<Item = String>) -> String {
    let mut findings: Vec<String> = findings.collect();
    findings.sort_unstable();
    findings.join("; ")
}

#[cfg(test)]
mod tests;
