//! Whether the target that the drill started lives, and what it said if it ended of itself.
//!
//! A refusal by nobody is no refusal, and a crash is the first thing that its owner wants to know.
//! Of a target that runs without the drill nothing is known here.

use super::Stage;
use crate::drill::process::{Running, answers};

/// So many of its last lines are told.
const LINES: usize = 2;

/// What is known of a life.
#[derive(Debug, Default)]
pub(super) struct Life {
    /// Whether it was there when somebody last looked.
    is_on: bool,
    /// How it ended.
    end: Option<String>,
}

impl Stage {
    /// From now on an end of what the drill started is told by [`Self::death`].
    pub fn watch_life(&mut self) {
        let ended = self.running.as_mut().and_then(Running::ended);
        self.life = Life {
            is_on: self.running.is_some() && ended.is_none(),
            end: None,
        };
    }

    /// How the target ended of itself since [`Self::watch_life`], if it did: nobody answers in its
    /// place.
    pub async fn death(&mut self) -> Option<String> {
        self.mourn().await;
        self.life.end.take()
    }

    /// Takes note of a target that ended of itself.
    pub(super) async fn mourn(&mut self) {
        let Some(running) = self.running.as_mut().filter(|_| self.life.is_on) else {
            return;
        };
        let Some(status) = running.ended() else {
            return;
        };
        self.life.is_on = false;
        // Its `reload` may have put another process in its place.
        if !answers(&self.drill.target.address).await {
            let said = running.said();
            let lines: Vec<&str> = said.split(" | ").collect();
            let last = lines[lines.len().saturating_sub(LINES)..].join(" | ");
            self.life.end = Some(format!("{status}; it said: {last}"));
        }
    }
}
