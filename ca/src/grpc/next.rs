//! What a stream to a member deals with next: a word that the member says, or news for it.
//!
//! It understands neither. Invariant: a word that has come is dealt with before the news, so that
//! what is given next is given to somebody whose last word is known.

use std::sync::Arc;

use tokio::sync::watch;
use tokio_stream::{Stream, StreamExt as _};
use tonic::Status;

use crate::announced::Announced;

/// What is next on a stream.
pub(super) enum Next<T> {
    /// The member said this.
    Said(T),
    /// Something else is announced.
    News,
}

/// Waits for what is next; nothing where the member or the CA has gone.
pub(super) async fn next<T>(
    said: &mut (impl Stream<Item = Result<T, Status>> + Unpin),
    announced: &mut watch::Receiver<Arc<Announced>>,
) -> Result<Option<Next<T>>, Status> {
    tokio::select! {
        biased;
        word = said.next() => Ok(word.transpose()?.map(Next::Said)),
        changed = announced.changed() => Ok(changed.ok().map(|()| Next::News)),
    }
}
