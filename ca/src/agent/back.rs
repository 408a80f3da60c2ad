//! What an agent does whose leaf is over: the way back ([`crate::way_back`]).
//!
//! It proves the key of its last leaf and asks for another, at a random point of the next window as
//! after any failure; a window is no longer than those of a leaf's life, and none opens past
//! [`MAX_GRACE`]. What it gets may be of a name apart: that is kept beside the last good identity,
//! published to nobody, and renewed until it is the node's own again. Invariant: the key that it
//! asks with is durable first, so that a lost answer is had again.

use std::time::Duration;

use proto::ca::v1::{ChallengeRequest, RecoverRequest};

use super::ask::client;
use super::{APART, Agent, AgentError, BACK, FILE, NEVER, Published};
use crate::clock::Time;
use crate::credential::Credential;
use crate::renewal::Renewal;
use crate::way_back::{self, MAX_GRACE};

/// How a node stands with its return.
#[derive(Default)]
pub(super) struct Back {
    /// When it is tried next; nothing: at the first moment that there is for it.
    next: Option<Time>,
    /// The CA has said no, and will again.
    refused: bool,
    /// The newest that it got by the way back: of the name apart, or its own without a bearer.
    got: Option<Credential>,
}

impl Back {
    /// What a return that the power cut short left on the disk, if it is later than `held`.
    pub(super) fn found(agent: &Agent, held: &Published) -> Self {
        let (disk, bundle) = (&*agent.seams.disk, agent.own_bundle());
        let apart = way_back::apart(&agent.config.id).ok();
        let got = apart.and_then(|apart| {
            let got = Credential::load_last(disk, APART, &bundle, &apart);
            got.ok().flatten()
        });
        Self {
            got: got.filter(|got| got.generation > held.credential.generation),
            ..Self::default()
        }
    }

    /// Forgets what was planned, and what the CA said: on another clock it may say something else.
    pub(super) const fn anew(&mut self) {
        self.next = None;
        self.refused = false;
    }

    /// What there is to prove oneself with.
    fn last<'a>(&'a self, held: &'a Published) -> &'a Credential {
        self.got.as_ref().unwrap_or(&held.credential)
    }
}

impl Agent {
    /// Whether a leaf has no use any more, not even to renew.
    pub(super) fn is_over(&self, held: &Credential, now: Time) -> bool {
        now > held.facts.not_after + self.config.tolerance
    }

    /// When the way back is to be tried next.
    pub(super) fn back_at(&self, held: &Published, back: &Back) -> Time {
        let tick = Duration::from_micros(1);
        let over = held.credential.facts.not_after + self.config.tolerance + tick;
        if back.refused {
            return NEVER;
        }
        back.next.unwrap_or(over)
    }

    /// One attempt. Gives the identity that is the node's own again.
    pub(super) async fn come_back(&self, held: &Published, back: &mut Back) -> Option<Published> {
        let came = self.within(self.back(held, back)).await;
        let now = self.seams.clock.now();
        match came {
            Ok(Some(own)) => {
                *back = Back::default();
                self.publish(&own, "returned");
                return Some(own);
            }
            Ok(None) => {
                self.note("stands-apart");
                // It is renewed at half of its life, like any other.
                let got = &back.last(held).facts;
                let renewal = Renewal::plan(got, self.config.retry, &*self.seams.rng);
                back.next = renewal.next_attempt();
            }
            Err(error) => {
                self.failed("return-failed", &error);
                self.later(held, back, &error, now);
            }
        }
        None
    }

    /// Plans the next attempt after one that failed.
    fn later(&self, held: &Published, back: &mut Back, error: &AgentError, now: Time) {
        let last = &back.last(held).facts;
        let life = last.not_after.since(last.not_before);
        let left = (last.not_after + MAX_GRACE).since(now).min(life);
        let (earliest, latest) = match error {
            // It has what it came for, and waits for somebody else.
            AgentError::Bearer(_) => (super::BEARER_RETRY, super::BEARER_RETRY * 2),
            _ => self.config.retry.wait(left, error.hint()),
        };
        back.refused = left.is_zero() || error.is_final();
        back.next = Some(now + self.seams.rng.span(earliest, latest));
    }

    /// The node's own identity, if that is what it gets.
    async fn back(
        &self,
        held: &Published,
        back: &mut Back,
    ) -> Result<Option<Published>, AgentError> {
        let (last, now) = (back.last(held), self.seams.clock.now());
        let is_own = |of: &Credential| of.facts.spiffe_id == self.config.id;
        let alive = !self.is_over(last, now);
        let next = if let Some(kept) = self.kept(now).filter(|_| !(alive && is_own(last))) {
            // It was renewed, and never published for want of a bearer.
            kept
        } else if alive && is_own(last) {
            // Only its bearer was missing.
            last.clone()
        } else if alive {
            self.next(last).await?
        } else {
            self.recover(last).await?
        };
        back.got = Some(next.clone());
        self.forget(BACK)?;
        if is_own(&next) {
            self.forget(APART)?;
            return self.with_bearer(next).await.map(Some);
        }
        // The CA is followed under it, and nobody else hears of it.
        self.credential.send_replace(Some(next));
        Ok(None)
    }

    /// The newest leaf of the node's own name, if it lives.
    fn kept(&self, now: Time) -> Option<Credential> {
        let (disk, bundle) = (&*self.seams.disk, self.own_bundle());
        let (id, tolerance) = (&self.config.id, self.config.tolerance);
        let kept = Credential::load(disk, super::FILE, &bundle, id, now, tolerance);
        kept.ok().flatten()
    }

    /// A leaf for the proof of the last one's key.
    async fn recover(&self, last: &Credential) -> Result<Credential, AgentError> {
        let hash = last.facts.leaf_sha256;
        let (key, csr) = self.asked(BACK, &hash)?;
        let refused = |status| AgentError::Refused(Box::new(status));
        let mut client = client(self.dial(None).await?);
        let leaf_sha256 = hash.to_vec();
        let challenge = client.challenge(ChallengeRequest { leaf_sha256 }).await;
        let nonce = challenge.map_err(refused)?.into_inner().nonce;
        let proof = way_back::prove(&last.key, &nonce, &hash, &csr);
        let proof = proof.map_err(|error| AgentError::Request(error.to_string()))?;
        let leaf = last.chain.first().map_or(&[][..], |leaf| leaf).to_vec();
        let asked = RecoverRequest {
            leaf,
            csr,
            nonce,
            proof,
        };
        let reply = client.recover(asked).await.map_err(refused)?;
        self.accept(last.generation + 1, key, reply.into_inner())
    }

    /// Where a credential is kept, and whose it must be: the node's own, or the name apart of a
    /// node that is on its way back.
    pub(super) fn place(&self, leaf: Option<&[u8]>) -> (&'static str, crate::identity::SpiffeId) {
        let own = &self.config.id;
        let of = leaf.and_then(|leaf| crate::identity::LeafFacts::from_der(leaf).ok());
        let apart = of.map(|facts| facts.spiffe_id);
        let apart = apart.filter(|id| way_back::is_apart(id) && way_back::whose(id) == *own);
        match apart {
            Some(apart) => (APART, apart),
            None => (FILE, own.clone()),
        }
    }
}
