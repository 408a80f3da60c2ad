//! What a case needs where the target is the one that calls: the upstream that it calls, played by
//! the drill for the whole run, so that a target that waits longer after each failure does not
//! find it gone between two cases.

use std::sync::Arc;

use super::{Obstacle, Signer, Stage};
use crate::drill::authority::{Leaf, Life};
use crate::drill::case::Need;
use crate::drill::clock;
use crate::drill::upstream::Upstream;

/// How long the upstream's leaf lives if a case does not say otherwise.
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

impl Stage {
    /// The upstream, which shows this leaf from now on; it begins to listen when it is first
    /// asked for.
    ///
    /// # Errors
    /// When the file names none, or its address is taken.
    pub async fn upstream(&mut self, leaf: &Leaf) -> Result<Arc<Upstream>, Obstacle> {
        let flaw = |why: crate::drill::upstream::UpstreamError| Obstacle::control(why.to_string());
        if let Some(upstream) = &self.upstream {
            upstream.show(leaf).map_err(flaw)?;
            return Ok(Arc::clone(upstream));
        }
        let wish = self.drill().upstream.as_ref();
        let wish = wish.ok_or_else(|| Obstacle::absent(Need::Upstream.missing()))?;
        let upstream = Upstream::at(wish.listen, leaf).await.map_err(flaw)?;
        let upstream = Arc::new(upstream);
        self.upstream = Some(Arc::clone(&upstream));
        Ok(upstream)
    }

    /// A leaf of the upstream's below this signer, of this life, or of a day.
    ///
    /// # Errors
    /// When the file names no upstream, or the leaf cannot be made.
    pub fn upstream_leaf(&self, signer: Signer, life: Option<Life>) -> Result<Leaf, Obstacle> {
        let life = life.unwrap_or_else(|| Life::from_now(clock::date(), DAY));
        let wish = self.drill().upstream_leaf(life);
        let wish = wish.ok_or_else(|| Obstacle::absent(Need::Upstream.missing()))?;
        Ok(self.cast().issuer(signer).leaf(&wish)?)
    }

    /// Whether the drill wrote a leaf with this certificate.
    pub fn wrote(&self, certificate: &[u8]) -> bool {
        self.written.contains(certificate)
    }
}
