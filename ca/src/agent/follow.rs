//! How an agent learns what there is to believe: it follows the CA's state, puts each in force, and
//! says so.
//!
//! A state is in force at once, so that a full disk keeps no revocation waiting, and acknowledged
//! once it is kept on disk. What is older than what is held is not taken, whoever sends it. While
//! the CA is away the last state stays in force.

use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use proto::ca::v1::trust_client::TrustClient;
use proto::ca::v1::{Acknowledgement, State};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;

use super::{Agent, AgentError, BELIEFS, FOLLOW_RETRY, Published};
use crate::bundle::Bundle;
use crate::conn::MAX_STATE;
use crate::credential::Credential;
use crate::revocation::Revocation;
use crate::trusted::Trusted;

impl Agent {
    /// Begins from the beliefs that were kept, unless those that came with the join code are newer.
    pub(super) fn remember(&self) {
        let mut beliefs = self.locked();
        match Trusted::load(&*self.seams.disk, BELIEFS) {
            Ok(Some(kept)) => {
                let mut next = self.judging(kept);
                // An older one is refused, and that is all that is asked of it here. With a newer
                // one go the token keys of the last: they are of another generation.
                if let Ok(true) = next.bundles.accept(self.config.bundle.clone()) {
                    next.token_keys = Arc::default();
                    next.tainted_keys.clear();
                }
                *beliefs = Arc::new(next);
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "beliefs start over with the join code's"),
        }
    }

    /// Follows the CA for as long as the node runs.
    pub(super) async fn follow(&self) {
        loop {
            let mut credential = self.credential.subscribe();
            let held = {
                let held = credential.wait_for(Option::is_some).await;
                held.map(|held| held.clone()).unwrap_or_default()
            };
            if let Some(held) = held
                && let Err(error) = self.listen(&held).await
            {
                tracing::debug!(%error, id = %self.config.id, "no word from the CA");
                let jitter = self.seams.rng.span(Duration::ZERO, FOLLOW_RETRY / 4);
                self.seams.clock.sleep(FOLLOW_RETRY + jitter).await;
            }
        }
    }

    /// One stream, until it ends or this node has a newer leaf to follow under.
    async fn listen(&self, held: &Credential) -> Result<(), AgentError> {
        let generation = held.generation;
        let connection = self.within(self.dial(Some(held))).await?;
        let (acknowledge, acknowledgements) = mpsc::channel(1);
        let refused = |status| AgentError::Refused(Box::new(status));
        let say = async |met| {
            let generation = self.acknowledgeable().unwrap_or_default();
            let word = Acknowledgement { generation, met };
            acknowledge.send(word).await.map_err(|_| AgentError::Ended)
        };
        let mut told = 0;
        let met = self.met.after(&mut told);
        if self.acknowledgeable().is_some() || !met.is_empty() {
            say(met).await?;
        }
        let mut client = TrustClient::new(connection).max_decoding_message_size(MAX_STATE);
        let following = client.follow(ReceiverStream::new(acknowledgements));
        let mut states = self
            .within(async { following.await.map_err(refused) })
            .await?
            .into_inner();
        let mut credential = self.credential.subscribe();
        loop {
            tokio::select! {
                biased;
                state = states.message() => {
                    self.believe(state.map_err(refused)?.ok_or(AgentError::Ended)?)?;
                    say(Vec::new()).await?;
                }
                () = self.met.news(told) => say(self.met.after(&mut told)).await?,
                () = newer(&mut credential, generation) => return Ok(()),
            }
        }
    }

    /// Puts a state in force, and keeps it. After an error it may be in force and not kept: it is
    /// when it comes again.
    pub(super) fn believe(&self, state: State) -> Result<(), AgentError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        *kept &= !self.put_in_force(state)?;
        if !*kept {
            self.beliefs().persist(&*self.seams.disk, BELIEFS)?;
            *kept = true;
        }
        Ok(())
    }

    /// The generation that this node has in force and would have again after a power cut; nothing
    /// while it has one that is not kept.
    fn acknowledgeable(&self) -> Option<u64> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.then(|| self.own_bundle().generation)
    }

    /// Puts a state in force in memory; says whether anything changed.
    fn put_in_force(&self, state: State) -> Result<bool, AgentError> {
        let mut beliefs = self.locked();
        let held = self.judging((**beliefs).clone());
        let Some(next) = held.take(state, self.config.id.trust_domain())? else {
            return Ok(false);
        };
        let next = Arc::new(next);
        *beliefs = Arc::clone(&next);
        self.publish.send_if_modified(|published| {
            let Some(held) = published else { return false };
            *published = Some(Arc::new(Published {
                trusted: next,
                ..(**held).clone()
            }));
            true
        });
        self.heard.notify_one();
        Ok(true)
    }

    /// The same beliefs, with this node's own dials.
    fn judging(&self, beliefs: Trusted) -> Trusted {
        let crls = beliefs.revocation.crls;
        let revocation = Revocation {
            crls,
            ..self.config.revocation.clone()
        };
        Trusted {
            revocation,
            ..beliefs
        }
    }

    pub(super) fn locked(&self) -> MutexGuard<'_, Arc<Trusted>> {
        self.beliefs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn beliefs(&self) -> Arc<Trusted> {
        Arc::clone(&self.locked())
    }

    /// The bundle of this node's own trust domain.
    pub(super) fn own_bundle(&self) -> Bundle {
        let domain = self.config.id.trust_domain();
        let beliefs = self.beliefs();
        let held = beliefs.bundles.get(domain);
        held.unwrap_or(&self.config.bundle).clone()
    }
}

/// Waits for a credential other than that generation.
async fn newer(credential: &mut watch::Receiver<Option<Credential>>, generation: u64) {
    let is_newer = |held: &Option<Credential>| {
        let held = held.as_ref();
        held.is_some_and(|held| held.generation != generation)
    };
    // The agent holds the sender for as long as it runs.
    let _ = credential.wait_for(is_newer).await;
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;
