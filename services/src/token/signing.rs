//! The token service's key: given by the CA, kept on disk, and followed as it changes.
//!
//! What is given is in use as soon as it is kept, and then the CA is told so, which revokes no key
//! that somebody may still sign with. With the CA away the last key goes on signing; whoever signs
//! with it looks first whether it still verifies here. Invariant: a key is kept before it is used.

use std::sync::Arc;

use ca::conn::{Dialer, MAX_MESSAGE};
use ca::disk::Disk;
use ca::token_keys::TokenKey;
use proto::ca::v1::SigningWith;
use proto::ca::v1::token_keys_client::TokenKeysClient;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;
use zeroize::Zeroizing;

use super::issue::Issuer;
use crate::member::{Member, connect};

/// The key's place on the node's disk, PKCS#8.
pub const FILE: &str = "token/signing-key";

/// Who signs, as it changes; nothing before the first key.
pub type Signer = watch::Receiver<Option<Arc<Issuer>>>;

/// Follows the CA's signing key for as long as the node runs. `issuer` is what `iss` will say. Must
/// be called inside a tokio runtime.
pub fn follow(member: &Member, issuer: &str) -> Signer {
    let (signs, signer) = watch::channel(None);
    let (member, issuer) = (member.clone(), issuer.to_owned());
    tokio::spawn(async move {
        let follower = Follower {
            member,
            issuer,
            signs,
        };
        follower.run().await;
    });
    signer
}

struct Follower {
    member: Member,
    issuer: String,
    signs: watch::Sender<Option<Arc<Issuer>>>,
}

impl Follower {
    async fn run(mut self) {
        match load(&*self.member.start.seams.disk) {
            Ok(kept) => drop(kept.map(|key| self.use_key(&key))),
            Err(error) => tracing::error!(%error, "the signing key that was kept is lost"),
        }
        self.member.ready().await;
        let dialer = self.member.ca_dialer();
        loop {
            if let Err(status) = self.listen(&dialer).await {
                tracing::debug!(%status, "no signing key from the CA");
            }
            self.member.pause().await;
        }
    }

    /// One stream, until it ends.
    async fn listen(&self, dialer: &Dialer) -> Result<(), Status> {
        let (say, said) = mpsc::channel(1);
        let word = |kid: &str| SigningWith {
            kid: kid.to_owned(),
        };
        let ended = |_| Status::unavailable("the stream has ended");
        let using = self.signs.borrow().clone();
        if let Some(using) = using {
            say.send(word(using.key_id())).await.map_err(ended)?;
        }
        let client = TokenKeysClient::new(connect(dialer).await?);
        let mut client = client.max_decoding_message_size(MAX_MESSAGE);
        let mut keys = client.follow(ReceiverStream::new(said)).await?.into_inner();
        while let Some(given) = keys.message().await? {
            let key = TokenKey::new(Zeroizing::new(given.pkcs8));
            let key = key.map_err(|error| Status::internal(error.to_string()))?;
            let kept = self.member.start.seams.disk.replace(FILE, key.pkcs8());
            kept.map_err(|error| Status::unavailable(error.to_string()))?;
            self.use_key(&key);
            say.send(word(key.kid())).await.map_err(ended)?;
        }
        Ok(())
    }

    fn use_key(&self, key: &TokenKey) {
        match Issuer::new(&self.issuer, key.kid(), key.pkcs8()) {
            Ok(issuer) => drop(self.signs.send_replace(Some(Arc::new(issuer)))),
            Err(error) => tracing::error!(%error, "the signing key is not used"),
        }
    }
}

/// The key that was kept, if one was.
fn load(disk: &dyn Disk) -> std::io::Result<Option<TokenKey>> {
    let Some(kept) = disk.read(FILE)? else {
        return Ok(None);
    };
    let broken = |error: ca::error::CaError| std::io::Error::other(error.to_string());
    TokenKey::new(Zeroizing::new(kept))
        .map(Some)
        .map_err(broken)
}
