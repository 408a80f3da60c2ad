//! What lies between two nodes: directed links that can be cut, and the wires that feel it.
//!
//! A cut behaves as a lost route does under TCP. A dial hangs until the link heals; bytes already
//! sent, and those sent during the cut, arrive after it; the end of a connection on the far side
//! is not seen either. Whoever wants to know sooner must use keep-alive, as in life. A cut that
//! resets instead makes every wire across it fail at once. Cuts count: two that overlap must both
//! heal.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use ca::net::Wire;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::wreck::Wreck;

/// What happens to bytes on a cut link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// They wait for the heal.
    Drop,
    /// The connection fails.
    Reset,
}

#[derive(Debug, Default)]
struct Table {
    /// Cuts in force, by sender, then by receiver. Asked at every poll: looking must not allocate.
    cuts: BTreeMap<String, BTreeMap<String, Vec<Cut>>>,
    /// Who waits for a change: wires and dials, by number.
    waiting: BTreeMap<u64, Waker>,
    next: u64,
    /// Bytes written so far, all links together.
    bytes: u64,
    /// Calls made so far, all links together.
    calls: u64,
}

/// Every link of a world. All are open at first.
#[derive(Clone, Debug, Default)]
pub struct Links(Arc<Mutex<Table>>);

impl Links {
    /// Cuts the link from one node to another; the other direction is another link.
    pub fn cut(&self, from: &str, to: &str, how: Cut) {
        let mut table = self.lock();
        let sender = table.cuts.entry(from.to_owned()).or_default();
        sender.entry(to.to_owned()).or_default().push(how);
        drop(table);
        self.wake();
    }

    /// Takes back one cut.
    pub fn heal(&self, from: &str, to: &str, how: Cut) {
        let mut table = self.lock();
        if let Some(sender) = table.cuts.get_mut(from) {
            if let Some(cuts) = sender.get_mut(to)
                && let Some(at) = cuts.iter().position(|cut| *cut == how)
            {
                cuts.remove(at);
            }
            sender.retain(|_, cuts| !cuts.is_empty());
        }
        drop(table);
        self.wake();
    }

    /// How the link is cut, if it is.
    pub fn state(&self, from: &str, to: &str) -> Option<Cut> {
        let table = self.lock();
        let cuts = table.cuts.get(from)?.get(to)?;
        if cuts.contains(&Cut::Reset) {
            Some(Cut::Reset)
        } else {
            cuts.first().copied()
        }
    }

    /// Waits until both directions are open; fails at once where the cut resets.
    pub async fn reachable(&self, from: &str, to: &str) -> io::Result<()> {
        let mut turn = Turn::new(self);
        std::future::poll_fn(|cx| {
            // First to wait and then to look: a heal between the two must find somebody to wake.
            turn.wait(cx);
            match (self.state(from, to), self.state(to, from)) {
                (None, None) => Poll::Ready(Ok(())),
                (Some(Cut::Reset), _) | (_, Some(Cut::Reset)) => {
                    Poll::Ready(Err(io::ErrorKind::ConnectionRefused.into()))
                }
                _ => Poll::Pending,
            }
        })
        .await
    }

    /// Bytes written so far, TLS included.
    pub fn bytes(&self) -> u64 {
        self.lock().bytes
    }

    /// Counts one call.
    pub fn called(&self) {
        self.lock().calls += 1;
    }

    /// Calls made so far, whether they were answered or not.
    pub fn calls(&self) -> u64 {
        self.lock().calls
    }

    /// Puts a node's end of a connection on its link. Where the node crashes, it goes with `wreck`.
    pub(super) fn attach(
        &self,
        wire: Box<dyn Wire>,
        (here, there): (&str, &str),
        wreck: &Wreck,
    ) -> Box<dyn Wire> {
        Box::new(Linked {
            wire,
            wreck: wreck.clone(),
            here: here.to_owned(),
            there: there.to_owned(),
            turn: Turn::new(self),
            links: self.clone(),
        })
    }

    fn wake(&self) {
        let waiting: Vec<Waker> = self.lock().waiting.values().cloned().collect();
        waiting.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One waiter's place in the table, given up when dropped.
#[derive(Debug)]
struct Turn {
    links: Links,
    number: u64,
}

impl Turn {
    fn new(links: &Links) -> Self {
        let mut table = links.lock();
        let number = table.next;
        table.next += 1;
        drop(table);
        Self {
            links: links.clone(),
            number,
        }
    }

    fn wait(&mut self, cx: &Context<'_>) {
        self.links
            .lock()
            .waiting
            .insert(self.number, cx.waker().clone());
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.links.lock().waiting.remove(&self.number);
    }
}

/// One end of a connection, on its link.
struct Linked {
    wire: Box<dyn Wire>,
    wreck: Wreck,
    here: String,
    there: String,
    turn: Turn,
    links: Links,
}

impl Linked {
    /// True if a reset cut lies on the way.
    fn reset(&self) -> bool {
        let ways = [(&self.here, &self.there), (&self.there, &self.here)];
        ways.into_iter()
            .any(|(from, to)| self.links.state(from, to) == Some(Cut::Reset))
    }

    /// The far end's failure cannot be seen across a cut: what was written is merely unanswered.
    fn masked(&self, result: io::Result<usize>, len: usize) -> io::Result<usize> {
        match result {
            Err(_) if self.links.state(&self.there, &self.here).is_some() => Ok(len),
            other => other,
        }
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        let wire = std::mem::replace(&mut self.wire, Box::new(tokio::io::empty()));
        self.wreck.take(self.turn.number, wire);
    }
}

impl AsyncRead for Linked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.turn.wait(cx);
        if self.reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        match self.links.state(&self.there, &self.here) {
            Some(_) => Poll::Pending,
            None => Pin::new(&mut self.wire).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Linked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.reset() {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let wrote = std::task::ready!(Pin::new(&mut self.wire).poll_write(cx, data));
        if let Ok(count) = wrote {
            self.links.lock().bytes += count as u64;
        }
        Poll::Ready(self.masked(wrote, data.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = std::task::ready!(Pin::new(&mut self.wire).poll_flush(cx));
        Poll::Ready(self.masked(flushed.map(|()| 0), 0).map(|_| ()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = std::task::ready!(Pin::new(&mut self.wire).poll_shutdown(cx));
        Poll::Ready(self.masked(shut.map(|()| 0), 0).map(|_| ()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "real sockets are polled by threads; the order of these must not matter"
    )]
    fn a_heal_by_another_thread_is_either_seen_or_heard() {
        const TRIES: u32 = 100_000;
        let (links, turn) = (Links::default(), Barrier::new(2));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                for _ in 0..TRIES {
                    links.cut("a", "b", Cut::Drop);
                    turn.wait();
                    links.heal("a", "b", Cut::Drop);
                    turn.wait();
                }
            });
            let mut lost = 0;
            for _ in 0..TRIES {
                let woken = Arc::new(Woken::default());
                let waker = Waker::from(Arc::clone(&woken));
                let mut reachable = Box::pin(links.reachable("a", "b"));
                turn.wait();
                let polled = reachable.as_mut().poll(&mut Context::from_waker(&waker));
                turn.wait();
                lost += u32::from(polled.is_pending() && !woken.0.load(Ordering::SeqCst));
            }
            assert_eq!(lost, 0, "of {TRIES}");
        });
    }
}
