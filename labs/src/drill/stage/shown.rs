//! Which leaf the target shows to a new handshake, whoever comes.
//!
//! That nothing was shown may be the drill's own doing (its machine has no port or file handle
//! left): this is told apart, since it is no word about the target.

use super::{Obstacle, Stage};
use crate::drill::eyes::{Client, Door, Flaw, Identity, Sessions};

/// Why no leaf was seen.
#[derive(Clone, Debug)]
pub(super) struct Unshown {
    /// What happened.
    pub(super) why: String,
    /// Whether it happened on the drill's own side.
    pub(super) here: bool,
}

impl Unshown {
    fn here(flaw: &Flaw) -> Self {
        Self {
            why: flaw.to_string(),
            here: true,
        }
    }
}

/// The certificate that a new handshake shows to somebody without one. A target that wants a
/// caller's may break it off afterwards, which does not matter here.
pub(super) async fn served(door: &Door) -> Result<Vec<u8>, Unshown> {
    let client = Client::new(door.clone(), &Identity::nobody(), Sessions::None);
    let client = client.map_err(|flaw| Unshown::here(&flaw))?;
    if let Err(reply) = client.connect().await
        && !(reply.is_refused() || reply.shut_out())
    {
        return Err(Unshown {
            here: reply.is_ours(),
            why: reply.to_string(),
        });
    }
    match client.last_served().first() {
        Some(leaf) => Ok(leaf.to_vec()),
        None => Err(Unshown {
            why: "the target shows no certificate".to_owned(),
            here: false,
        }),
    }
}

impl Stage {
    /// Whether the leaf that is served now is one that the drill wrote, be it an old one.
    ///
    /// # Errors
    /// When no leaf is served.
    pub async fn serves_one_of_ours(&self) -> Result<bool, Obstacle> {
        match served(&self.door).await {
            Ok(shown) => Ok(self.written.contains(&shown)),
            Err(Unshown { why, .. }) => Err(Obstacle::control(format!(
                "control: no leaf is served: {why}"
            ))),
        }
    }
}
