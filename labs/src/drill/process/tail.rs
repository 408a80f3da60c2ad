//! The end of what a command says, and no more of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much is kept, in bytes.
const TAIL: usize = 4096;

/// The end of what a command says.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<u8>>>);

impl Tail {
    /// Listens until there is nothing more.
    pub(super) fn listen(&self, said: Option<impl AsyncRead + Unpin + Send + 'static>) {
        let (Some(mut said), tail) = (said, self.clone()) else {
            return;
        };
        tokio::spawn(async move {
            let mut some = [0; 1024];
            while let Ok(count @ 1..) = said.read(&mut some).await {
                let mut kept = tail.0.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&some[..count]);
                let over = kept.len().saturating_sub(TAIL);
                kept.drain(..over);
            }
        });
    }

    /// The last lines of it, on one.
    pub(super) fn said(&self) -> String {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(kept.make_contiguous()).into_owned();
        let lines: Vec<&str> = text
            .lines()
            .map(str::trim)
            .filter(|it| !it.is_empty())
            .collect();
        if lines.is_empty() {
            return "nothing".to_owned();
        }
        let last = lines[lines.len().saturating_sub(6)..].join(" | ");
        last.escape_debug()
            .to_string()
            .replace("\\\"", "\"")
            .replace("\\'", "'")
    }
}
