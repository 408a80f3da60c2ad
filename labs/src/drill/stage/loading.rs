//! Good callers at a steady rate while a case changes something.
//!
//! It goes on by itself from [`Stage::load`] until [`Loading::end`]; dropped, it ends as well.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Caller, Obstacle, Stage};
use crate::drill::eyes::Sessions;
use crate::drill::sampling::{self, Lane, Load, Loaded, Real, under};

/// Requests a second.
const PER_SECOND: u32 = 40;

/// Connections that are kept open.
const LANES: usize = 4;

/// No load lasts longer.
const LIMIT: Duration = Duration::from_secs(900);

/// A load that goes on.
#[derive(Debug)]
pub struct Loading {
    stop: watch::Sender<bool>,
    task: JoinHandle<Loaded>,
}

impl Stage {
    /// Asks the allowed call as this caller, on several connections, from now on.
    ///
    /// # Errors
    /// When the caller's key cannot sign.
    pub fn load(&self, caller: &Caller) -> Result<Loading, Obstacle> {
        let client = Arc::new(self.client(&caller.identity(), Sessions::None)?);
        let lane = |_| {
            let (client, call) = (Arc::clone(&client), self.call().clone());
            sampling::Caller::new(client, call, caller.badge.clone())
        };
        Ok(Loading::of((0..LANES).map(lane).collect()))
    }
}

impl Loading {
    fn of(lanes: Vec<impl Lane>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let load = Load {
            per_second: PER_SECOND,
            limit: LIMIT,
        };
        let task = tokio::spawn(under(load, lanes, Arc::new(Real), stopped));
        Self { stop, task }
    }

    /// Ends it, and says what it saw.
    pub async fn end(self) -> Loaded {
        // Nobody listens any more if it came to its own end.
        self.stop.send(true).ok();
        self.task.await.unwrap_or_else(|_| Loaded {
            broken: 1,
            ..Loaded::default()
        })
    }
}
