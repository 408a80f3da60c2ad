//! A permit is a value: who holds one was let in, for one action, and nobody can make one up.
//!
//! A handler takes its action's permit by value, so one that forgets to ask does not compile:
//!
//! ```compile_fail
//! use services::guard::{Permit, Read};
//!
//! fn handler(permit: Permit<Read>) -> u64 {
//!     permit.policy_size()
//! }
//!
//! handler(Permit::<Read> { policy_size: 0, action: std::marker::PhantomData });
//! ```
//!
//! One action's permit is not another's:
//!
//! ```compile_fail
//! use services::guard::{Permit, Read, Write};
//!
//! fn erase(permit: Permit<Write>) {}
//!
//! fn reader(permit: Permit<Read>) {
//!     erase(permit);
//! }
//! ```
//!
//! And this is how it is meant:
//!
//! ```
//! use services::guard::{Permit, Read};
//!
//! fn reader(permit: Permit<Read>) -> u64 {
//!     permit.policy_size()
//! }
//! ```

use std::marker::PhantomData;

/// Something that can be permitted.
pub trait Action: Send + Sync + 'static {
    /// The action's name in policies and logs.
    const NAME: &'static str;
}

/// Delivering a notice about a record.
#[derive(Clone, Copy, Debug)]
pub struct Notify;
/// Reading a record.
#[derive(Clone, Copy, Debug)]
pub struct Read;
/// Naming someone with whom a record is shared.
#[derive(Clone, Copy, Debug)]
pub struct Share;
/// Following a record's changes.
#[derive(Clone, Copy, Debug)]
pub struct Watch;
/// Writing a record.
#[derive(Clone, Copy, Debug)]
pub struct Write;

impl Action for Notify {
    const NAME: &'static str = "notify";
}
impl Action for Read {
    const NAME: &'static str = "read";
}
impl Action for Share {
    const NAME: &'static str = "share";
}
impl Action for Watch {
    const NAME: &'static str = "watch";
}
impl Action for Write {
    const NAME: &'static str = "write";
}

/// Proof of one permitted, recorded request.
#[derive(Debug)]
#[must_use]
pub struct Permit<A: Action> {
    policy_size: u64,
    action: PhantomData<A>,
}

impl<A: Action> Permit<A> {
    /// The guard alone issues permits.
    pub(super) const fn issue(policy_size: u64) -> Self {
        Self {
            policy_size,
            action: PhantomData,
        }
    }

    /// A stream's next message under an exposed posture: nobody asked again. A danger that most
    /// systems ship: kube-apiserver checks a watch when it is opened.
    pub(crate) fn danger_unchecked(policy_size: u64) -> Self {
        Self::issue(policy_size)
    }

    /// Size of the policy log that it was decided under.
    pub const fn policy_size(&self) -> u64 {
        self.policy_size
    }
}
