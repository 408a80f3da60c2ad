//! The sweep: what was sealed before a data key was rotated is sealed anew, little by little.
//!
//! It begins a while after the change, so that it takes nobody's turn who waits for an answer, and
//! says which versions are still in use whenever that may have changed. A record whose version is
//! withdrawn is left as it is, and is counted.

use std::time::Duration;

use ca::seams::Seams;

use super::Store;

/// How long it waits after a change.
const PAUSE: Duration = Duration::from_secs(1);
/// Between two batches.
const STEP: Duration = Duration::from_millis(200);
/// Records in one batch.
const BATCH: usize = 64;

/// Sweeps for as long as the node runs; at once over if the store does not seal.
pub async fn sweep(store: Store, seams: Seams) {
    let Some((name, secrets)) = store.sealed_with() else {
        return;
    };
    let mut changes = secrets.changes();
    loop {
        if changes.changed().await.is_err() {
            return;
        }
        seams.clock.sleep(PAUSE).await;
        loop {
            match store.reseal(BATCH) {
                Ok(0) => break,
                Ok(count) => tracing::debug!(count, "records were sealed anew"),
                Err(error) => {
                    tracing::error!(%error, "records were not sealed anew");
                    break;
                }
            }
            seams.clock.sleep(STEP).await;
        }
        // Read before it is counted: what is written meanwhile is under that one, or a later one.
        let active = secrets.get(&name).active;
        match store.under() {
            Ok(mut versions) => {
                versions.extend(active);
                secrets.uses(&name, versions);
            }
            Err(error) => tracing::error!(%error, "what is under which data key is not known"),
        }
    }
}
