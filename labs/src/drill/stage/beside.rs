//! A good caller's open connection and stream, kept beside those of a caller whose access ends.
//!
//! A target that closes its connections for a reason of its own (an age, a restart, an answer that
//! was whole) closes these too: then the end of the other ones says nothing of their caller. They
//! are asked as often as the other ones, and once more after those have ended.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::{sleep, timeout};

use super::{Caller, Obstacle, Stage};
use crate::drill::answer::Path;
use crate::drill::eyes::{Badge, Connection, Next, Sessions, Stream};

/// What a good caller keeps open.
pub(super) struct Beside {
    badge: Option<Badge>,
    connection: Connection,
    stream: Option<Stream>,
    /// What became of each, if it is not served any more.
    ended: [Option<String>; 2],
}

impl Stage {
    /// Opens them. Each of them serves its caller when this returns.
    ///
    /// # Errors
    /// When the caller is not served: that is a control.
    pub(super) async fn open_beside(&self, good: &Caller) -> Result<Beside, Obstacle> {
        let badge = good.badge.as_ref();
        let client = self.client(&good.identity(), Sessions::None)?;
        Ok(Beside {
            connection: self.open_connection(&client, badge).await?,
            stream: match self.stream_call() {
                Some(call) => Some(self.open_stream(&client, call, badge).await?),
                None => None,
            },
            badge: good.badge.clone(),
            ended: [None, None],
        })
    }
}

impl Beside {
    /// Asks until the others are over, and once more then.
    pub(super) async fn keep(&mut self, stage: &Stage, over: &AtomicBool) {
        let step = stage.manner().step;
        let Self {
            badge,
            connection,
            stream,
            ended: [of_connection, of_stream],
        } = self;
        let asked = async {
            loop {
                let last = over.load(Ordering::Acquire);
                let reply = connection.ask(stage.call(), badge.as_ref()).await;
                *of_connection = (!reply.is_served()).then(|| reply.to_string());
                if last || !connection.is_open() {
                    return;
                }
                sleep(step).await;
            }
        };
        let streamed = async {
            let Some(stream) = stream else { return };
            loop {
                let last = over.load(Ordering::Acquire);
                if let Ok(Next::Ended(reply)) = timeout(step, stream.next()).await {
                    *of_stream = Some(reply.to_string());
                    return;
                }
                if last {
                    return;
                }
            }
        };
        tokio::join!(asked, streamed);
    }

    /// How this path of the good caller's ended, if it did.
    pub(super) fn ended(&self, path: Path) -> Option<String> {
        match path {
            Path::Established => self.ended[0].clone(),
            Path::Stream => self.ended[1].clone(),
            Path::New | Path::Resumed | Path::CachedToken => None,
        }
    }
}
