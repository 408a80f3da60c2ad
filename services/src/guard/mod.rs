//! The guard: identify, verify, decide, record, and only then let in.
//!
//! Every request ends in one audit entry and either a [`Permit`] or a [`Refusal`]. The reply
//! waits for the entry as long as the posture says, and no longer than the decision keeps: a disk
//! that stalls turns a permit into a refusal. Which policy decided, and how old it was, stands in
//! the entry.

mod caller;
mod keys;
mod permit;
mod proved;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ca::clock::Time;
use ca::journal::Event;
use ca::work::Kind;
use tokio::sync::watch;
use tonic::{Request, Status};

pub use caller::{Caller, Identifier};
pub use permit::{Action, Notify, Permit, Read, Share, Watch, Write};

use crate::audit::draft::Draft;
use crate::audit::group::AuditWriter;
use crate::member::Member;
use crate::policy::danger::Mutation;
use crate::policy::follow::{Follower, SILENCE};
use crate::policy::schema_freshness;
use crate::policy::view::{PolicyView, Verdict, danger::decide_skipping_errors};
use crate::posture::{Durability, Errors, Freshness, HEARTBEAT, OnStale, Recheck, Reconcile};
use crate::refusal::Refusal;

/// How long a decision may wait for its place in the log. Who asked has given up by then, and what
/// was decided has aged.
const RECORD: Duration = Duration::from_secs(1);
/// Header that carries a refusal's name to the caller.
pub const REFUSAL: &str = "x-refusal";

/// What a node's guard is made of.
pub struct Guard {
    member: Member,
    identifier: Identifier,
    follower: Follower,
    view: watch::Receiver<Arc<PolicyView>>,
    audit: AuditWriter,
    bug: Mutation,
    /// Names requests that come without a name.
    unnamed: AtomicU64,
}

/// A decision with what it was based on.
struct Decided {
    view: Arc<PolicyView>,
    refusal: Option<Refusal>,
    at: Time,
    freshness: Freshness,
}

impl Guard {
    /// A guard over one node's identity, policy and log. `bug` is a planted one, for the proof.
    pub fn new(
        member: &Member,
        identifier: Identifier,
        follower: Follower,
        audit: AuditWriter,
        bug: Mutation,
    ) -> Self {
        let (view, member) = (follower.view(), member.clone());
        Self {
            member,
            identifier,
            follower,
            view,
            audit,
            bug,
            unnamed: AtomicU64::new(0),
        }
    }

    /// Fetches what the guard cannot decide without, as often as it takes.
    pub async fn warm(&self) {
        while !self.identifier.has_keys() {
            self.identifier.fetch_keys().await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// The policy in force here, and word of every entry.
    pub fn view(&self) -> watch::Receiver<Arc<PolicyView>> {
        self.view.clone()
    }

    /// Lets a request in for `A` on `resource`, under a policy of at least `at_least` entries.
    ///
    /// # Errors
    /// The refusal, by code and, in a header, by name.
    pub async fn admit<A: Action, T>(
        &self,
        request: &Request<T>,
        resource: &str,
        at_least: u64,
    ) -> Result<(Caller, Permit<A>), Status> {
        let mut caller = self.caller(request);
        let identified = self
            .identifier
            .identify(&mut caller, request.metadata())
            .await;
        let decided = match identified {
            Ok(_) => self.decide(&caller, A::NAME, resource, at_least).await,
            Err(refusal) => self.refuse(self.view.borrow().clone(), refusal),
        };
        let policy_size = decided.view.size();
        match self.record(&caller, A::NAME, resource, decided).await {
            None => Ok((caller, Permit::issue(policy_size))),
            Some(refusal) => Err(status(refusal)),
        }
    }

    fn caller<T>(&self, request: &Request<T>) -> Caller {
        Caller::of(request, || {
            let number = self.unnamed.fetch_add(1, Ordering::Relaxed);
            format!("{}-{number}", self.member.start.name)
        })
    }

    /// Decides once more for a caller that a stream let in earlier: its leaf, its token and the
    /// policy as they are now.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub async fn admit_again<A: Action>(
        &self,
        caller: &mut Caller,
        metadata: &tonic::metadata::MetadataMap,
        resource: &str,
        at_least: u64,
    ) -> Result<Permit<A>, Status> {
        let decided = match self.identifier.identify(caller, metadata).await {
            Ok(_) => self.decide(caller, A::NAME, resource, at_least).await,
            Err(refusal) => self.refuse(self.view.borrow().clone(), refusal),
        };
        let policy_size = decided.view.size();
        match self.record(caller, A::NAME, resource, decided).await {
            None => Ok(Permit::issue(policy_size)),
            Some(refusal) => Err(status(refusal)),
        }
    }

    /// Waits until a stream must be decided again though nothing came that it could say: the policy
    /// is not the one of `policy_size` entries that it was decided under, or what it was let in by
    /// is over. A policy that was only vouched for again is the same policy. Where nobody decides
    /// again, it is the policy alone.
    pub async fn news<A: Action>(&self, caller: &Caller, policy_size: u64) {
        let mut view = self.view();
        let again = self.member.start.posture.tls.recheck == Recheck::Message;
        tokio::select! {
            biased;
            _ = view.wait_for(|view| view.size() != policy_size) => {}
            () = self.lapse(caller, A::NAME), if again => {}
        }
    }

    /// Waits until the caller's leaf or token is over, or the policy older than the action bears.
    /// It looks once a heartbeat, so what is decided again and let in all the same is not decided
    /// without pause.
    async fn lapse(&self, caller: &Caller, action: &str) {
        let posture = &self.member.start.posture;
        let (clock, tolerance) = (&self.member.start.seams.clock, posture.tls.tolerance);
        let bound = match self.freshness(action) {
            Freshness::Any => None,
            Freshness::Within(bound) => Some(bound),
            // A feed that beats is never older.
            Freshness::Latest => Some(SILENCE),
        };
        loop {
            clock.sleep(HEARTBEAT).await;
            let view = self.view.borrow().clone();
            let stale = bound.is_some_and(|bound| view.is_stale(clock.now(), bound, tolerance));
            let stale = self.bug.sees_stale(stale) && posture.policy.on_stale == OnStale::Deny;
            if stale || self.identifier.is_over(caller) {
                return;
            }
        }
    }

    /// Permit or refuse, under the freshest policy that the action needs.
    async fn decide(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        at_least: u64,
    ) -> Decided {
        let seams = &self.member.start.seams;
        if seams.work.charge(Kind::Decide).await.is_err() {
            return self.refuse(self.view.borrow().clone(), Refusal::Busy);
        }
        let (asked, posture) = (seams.clock.now(), &self.member.start.posture.policy);
        let freshness = self.freshness(action);
        let mut view = self.view.borrow().clone();
        if freshness == Freshness::Latest {
            // Before any denial: what the view here denies, the latest may permit.
            match self.follower.latest().await {
                Ok(latest) => view = latest,
                // A quorum that does not answer is a refusal: what is here may be a revocation old.
                Err(_) if posture.on_stale == OnStale::Deny => {
                    return self.refuse(view, Refusal::PolicyStale);
                }
                Err(_) => {}
            }
        }
        let refusal = self.judge(
            &view,
            caller,
            action,
            resource,
            (at_least, freshness, asked),
        );
        Decided {
            view,
            refusal: refusal.err(),
            at: seams.clock.now(),
            freshness,
        }
    }

    /// The pure part: a view, a question, and now.
    fn judge(
        &self,
        view: &PolicyView,
        caller: &Caller,
        action: &str,
        resource: &str,
        (at_least, freshness, asked): (u64, Freshness, Time),
    ) -> Result<(), Refusal> {
        if view.size() < at_least {
            return Err(Refusal::PolicyBehind);
        }
        let posture = &self.member.start.posture;
        let (tolerance, now) = (posture.tls.tolerance, self.member.start.seams.clock.now());
        let stale = match freshness {
            Freshness::Any => false,
            Freshness::Within(bound) => view.is_stale(now, bound, tolerance),
            // It was cosigned after the question; its time is the beginning of its second.
            Freshness::Latest => {
                let since = Time::from_secs((asked - tolerance).as_secs());
                view.as_of() < since || view.is_ahead(now, tolerance)
            }
        };
        if self.bug.sees_stale(stale) && posture.policy.on_stale == OnStale::Deny {
            return Err(Refusal::PolicyStale);
        }
        // After the question whether this view may be asked at all: of a log-out, too, it knows no
        // more than was vouched for.
        if self.identifier.is_ended(caller, view) {
            return Err(Refusal::TokenRevoked);
        }
        let verdict = match posture.policy.errors {
            Errors::Deny => view.decide(&caller.principal, action, resource),
            Errors::Skip => decide_skipping_errors(view, &caller.principal, action, resource),
        };
        match verdict {
            Verdict::Permit => Ok(()),
            Verdict::Deny => Err(Refusal::PolicyDenied),
            Verdict::Error(reason) => {
                tracing::warn!(%reason, "a policy failed to evaluate");
                Err(Refusal::PolicyError)
            }
        }
    }

    /// The posture's demand, made stricter where the schema says so.
    fn freshness(&self, action: &str) -> Freshness {
        let demand = self.member.start.posture.policy.freshness.get(action);
        let floor = schema_freshness(action).and_then(|floor| Freshness::parse(&floor));
        floor.map_or(demand, |floor| demand.stricter(floor))
    }

    fn refuse(&self, view: Arc<PolicyView>, refusal: Refusal) -> Decided {
        Decided {
            view,
            refusal: Some(refusal),
            at: self.member.start.seams.clock.now(),
            freshness: Freshness::Any,
        }
    }

    /// Records a decision. Gives the refusal that it ends in: its own, or that of a log that
    /// cannot hold it.
    async fn record(
        &self,
        caller: &Caller,
        action: &str,
        resource: &str,
        decided: Decided,
    ) -> Option<Refusal> {
        let Decided {
            view,
            refusal,
            at,
            freshness,
        } = decided;
        let seams = &self.member.start.seams;
        seams.journal.note(Event {
            kind: "decision",
            principal: caller.principal.clone(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            decision: if refusal.is_none() {
                "permit"
            } else {
                "refuse"
            }
            .to_owned(),
            refusal: refusal
                .map(|refusal| refusal.to_string())
                .unwrap_or_default(),
            policy_size: view.size(),
            request: caller.request.clone(),
        });
        if self.bug == Mutation::NoAuditAppend {
            return refusal;
        }
        let draft = Draft {
            request: caller.request.clone(),
            principal: caller.principal.clone(),
            spiffe_id: caller.spiffe_id.clone(),
            leaf: caller.leaf(),
            action: action.to_owned(),
            resource: resource.to_owned(),
            refusal,
            policy_size: view.size(),
            policy_root: view.root(),
            as_of: view.as_of(),
            at,
        };
        let durability: Durability = self.member.start.posture.audit.durability;
        let recorded = tokio::time::timeout(RECORD, self.audit.record(draft, durability)).await;
        let late = refusal.is_none() && self.is_overdue(&view, freshness, at);
        match recorded {
            Ok(Ok(_)) if !late => {
                if refusal.is_none() {
                    self.tell(caller);
                }
                refusal
            }
            _ => Some(Refusal::AuditUnavailable),
        }
    }

    /// Tells the CA on which leaf somebody was let in, once the log says so: a chain bears out who
    /// signed it, and not that anybody issued it.
    fn tell(&self, caller: &Caller) {
        let reconcile = self.member.start.posture.issuance.reconcile;
        if let (Reconcile::On, Some(peer)) = (reconcile, &caller.peer) {
            self.member.met.note(&peer.facts);
        }
    }

    /// Whether a permit waited too long for its entry: one that is let go now would be older
    /// than was promised. Asked of the clock, since a disk that stalls may stall this task too.
    fn is_overdue(&self, view: &PolicyView, freshness: Freshness, decided: Time) -> bool {
        let posture = &self.member.start.posture;
        let (tolerance, now) = (posture.tls.tolerance, self.member.start.seams.clock.now());
        let aged = match freshness {
            Freshness::Within(bound) => {
                let stale = view.is_stale(now, bound + tolerance, tolerance);
                self.bug.sees_stale(stale) && posture.policy.on_stale == OnStale::Deny
            }
            Freshness::Any | Freshness::Latest => false,
        };
        aged || now.since(decided) > RECORD
    }
}

/// A refusal as the caller sees it.
pub fn status(refusal: Refusal) -> Status {
    let mut status = Status::new(refusal.code(), refusal.name());
    if let Ok(name) = refusal.name().parse() {
        status.metadata_mut().insert(REFUSAL, name);
    }
    status
}

#[cfg(test)]
mod tests;
