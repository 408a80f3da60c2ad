//! The courier seam: application messages, above TLS, at the sender.
//!
//! A network fault cuts bytes; a courier fault touches one kind of message and lets the rest
//! through, which is how a revocation in flight is seen and caught. Senders ask before each
//! message; the real courier says yes at once.

use std::fmt;

use ca::clock::BoxFuture;

/// One message about to be sent.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Message {
    /// What it is: `policy-update`, `replicate`, `request`, ...
    pub kind: &'static str,
    /// The sending node.
    pub from: String,
    /// The receiving node.
    pub to: String,
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// It is lost: the sender behaves as if it had sent it.
    Lost,
    /// It goes out, this many times over.
    Sent(u32),
}

/// Who carries a node's messages.
pub trait Courier: Send + Sync + fmt::Debug {
    /// Waits until the message may go, and says what becomes of it.
    fn carry(&self, message: Message) -> BoxFuture<'_, Delivery>;
}

/// Everything goes out, once, at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Direct;

impl Courier for Direct {
    fn carry(&self, _: Message) -> BoxFuture<'_, Delivery> {
        Box::pin(std::future::ready(Delivery::Sent(1)))
    }
}
