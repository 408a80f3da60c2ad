//! How a node learns its secrets: it follows the CA, puts what it is given in force, and says so.
//!
//! While the CA is away the last versions stay in force. Under an exposed posture only the one in
//! use is taken, and a rotation is a swap.

use std::sync::Arc;

use ca::conn::{Dialer, MAX_MESSAGE};
use proto::ca::v1::secrets_client::SecretsClient;
use proto::ca::v1::{Secret, SecretHeld, SecretsHeld};
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use zeroize::Zeroizing;

use super::{Held, InUse, Own, SecretKey, SecretName};
use crate::member::{Member, connect};
use crate::posture::Versions;

/// Starts following.
pub(super) fn start(
    member: &Member,
    give: watch::Sender<Arc<Own>>,
    uses: Arc<watch::Sender<InUse>>,
) {
    let member = member.clone();
    tokio::spawn(async move {
        let follower = Follower { member, give, uses };
        follower.run().await;
    });
}

struct Follower {
    member: Member,
    give: watch::Sender<Arc<Own>>,
    uses: Arc<watch::Sender<InUse>>,
}

impl Follower {
    async fn run(mut self) {
        self.member.ready().await;
        let dialer = self.member.ca_dialer();
        loop {
            if let Err(status) = self.listen(&dialer).await {
                tracing::debug!(%status, "no secrets from the CA");
            }
            self.member.pause().await;
        }
    }

    /// One stream, until it ends.
    async fn listen(&self, dialer: &Dialer) -> Result<(), Status> {
        let (say, said) = mpsc::channel(1);
        let ended = |_| Status::unavailable("the stream has ended");
        let mut uses = self.uses.subscribe();
        if !self.give.borrow().is_empty() {
            say.send(self.word()).await.map_err(ended)?;
        }
        let client = SecretsClient::new(connect(dialer).await?);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE);
        let mut given = client.follow(ReceiverStream::new(said)).await?.into_inner();
        loop {
            tokio::select! {
                biased;
                next = given.message() => match next? {
                    Some(given) => self.put_in_force(given.secrets)?,
                    None => return Ok(()),
                },
                changed = uses.changed() => if changed.is_err() {
                    return Ok(());
                },
            }
            if !self.give.borrow().is_empty() {
                say.send(self.word()).await.map_err(ended)?;
            }
        }
    }

    /// What is given is all there is: what is not in it is withdrawn.
    fn put_in_force(&self, given: Vec<Secret>) -> Result<(), Status> {
        let posture = &self.member.start.posture;
        let read = given.into_iter().map(|one| {
            let (name, held) = read(one)?;
            Ok((name, kept(held, posture.secret.versions)))
        });
        let own: Own = read.collect::<Result<_, Status>>()?;
        let last = Arc::clone(&self.give.borrow());
        // Before another one is in use: what was made with the last may not have been counted yet.
        self.uses.send_if_modified(|uses| count_in(uses, &last));
        self.give.send_replace(Arc::new(own));
        Ok(())
    }

    /// What this node holds and uses. What is made from now on is made with the active version.
    fn word(&self) -> SecretsHeld {
        let (held, uses) = (self.give.borrow(), self.uses.borrow());
        let each = held.iter().map(|(name, held)| {
            let mut using = uses.get(name).cloned().unwrap_or_default();
            using.extend(held.active);
            SecretHeld {
                name: name.to_string(),
                generation: held.generation,
                uses: using.into_iter().collect(),
            }
        });
        SecretsHeld {
            secrets: each.collect(),
        }
    }
}

/// Counts the versions in use among those that something is under, where that is counted at all.
/// Says whether any is new.
fn count_in(uses: &mut InUse, held: &Own) -> bool {
    let mut new = false;
    for (name, held) in held {
        if let (Some(using), Some(active)) = (uses.get_mut(name), held.active) {
            new |= using.insert(active);
        }
    }
    new
}

/// What of a secret is held under a posture.
fn kept(held: Held, versions: Versions) -> Held {
    match versions {
        Versions::Two => held,
        Versions::One => danger::only_active(held),
    }
}

/// What an exposed posture does instead.
mod danger {
    use super::Held;

    /// The version in use alone, as a setting with one value has it: what its predecessor made, and
    /// what its successor makes elsewhere already, is nobody's here (octokit/webhooks.js#770).
    pub(super) fn only_active(mut held: Held) -> Held {
        let active = held.active;
        held.versions.retain(|version, _| active == Some(*version));
        held
    }
}

fn read(one: Secret) -> Result<(SecretName, Held), Status> {
    let name = SecretName::new(&one.name);
    let name = name.map_err(|error| Status::internal(error.to_string()))?;
    let versions = one.versions.into_iter().map(|version| {
        let key = SecretKey::new(Zeroizing::new(version.key));
        let key = key.ok_or_else(|| Status::internal("a secret of another length"))?;
        Ok((version.number, key))
    });
    let held = Held {
        generation: one.generation,
        active: (one.active > 0).then_some(one.active),
        versions: versions.collect::<Result<_, Status>>()?,
    };
    Ok((name, held))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_with_the_last_version_is_counted_until_somebody_has_looked() {
        let [data, hook] = ["records-at-rest/south", "webhook"].map(SecretName::new);
        let (data, hook) = (data.unwrap(), hook.unwrap());
        let held = |active| super::super::held(active, &[active]);
        let own: Own = [(data.clone(), held(3)), (hook, held(3))].into();
        let mut uses: InUse = [(data.clone(), [2].into())].into();
        assert!(count_in(&mut uses, &own));
        assert_eq!(uses, [(data, [2, 3].into())].into(), "a notice is not kept");
        assert!(!count_in(&mut uses, &own));
    }

    #[test]
    fn one_version_is_the_one_in_use_and_two_are_all_that_are_not_withdrawn() {
        let three = || super::super::held(2, &[1, 2, 3]);
        let numbers = |versions| {
            let kept = kept(three(), versions);
            let numbers: Vec<u64> = kept.versions.into_keys().collect();
            (kept.generation, numbers)
        };
        assert_eq!(numbers(Versions::Two), (2, vec![1, 2, 3]));
        assert_eq!(numbers(Versions::One), (2, vec![2]));
    }
}
