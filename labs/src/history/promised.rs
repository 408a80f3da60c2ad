//! What a posture promised, and how far a success may miss it: one promise for each kind of thing
//! that can be taken from somebody, or end.

use super::{ActKind, History};

/// What a posture promises about the age of the policy behind a permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Nothing.
    Any,
    /// No older than this, in microseconds.
    Within(u64),
    /// Read from a quorum for this decision.
    Latest,
}

impl Promise {
    /// The longest exposure promised, in microseconds; `None` if nothing is.
    pub const fn bound_us(self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Within(us) => Some(us),
            Self::Latest => Some(0),
        }
    }
}

impl History {
    /// The promise for that action; an action without one has none.
    pub fn promise(&self, action: &str) -> Promise {
        self.promised.get(action).copied().unwrap_or(Promise::Any)
    }

    /// The promise about a certificate that was revoked.
    pub fn leaf_promise(&self, action: &str) -> Promise {
        let promise = self.leaf_promised.get(action);
        promise.copied().unwrap_or(Promise::Any)
    }

    /// The promise about what a revoked key had signed.
    pub fn key_promise(&self, action: &str) -> Promise {
        let promise = self.key_promised.get(action);
        promise.copied().unwrap_or(Promise::Any)
    }

    /// The promise about the tokens of somebody who was logged out.
    pub fn log_out_promise(&self, action: &str) -> Promise {
        let promise = self.log_out_promised.get(action);
        promise.copied().unwrap_or(Promise::Any)
    }

    /// The promise about a certificate and token that have ended.
    pub fn end_promise(&self, action: &str) -> Promise {
        let promise = self.end_promised.get(action);
        promise.copied().unwrap_or(Promise::Any)
    }

    /// The promise about a certificate that nobody issued.
    pub fn rogue_promise(&self, action: &str) -> Promise {
        let promise = self.rogue_promised.get(action);
        promise.copied().unwrap_or(Promise::Any)
    }

    /// The promise about what an act of that kind takes.
    pub fn promise_about(&self, kind: ActKind, action: &str) -> Promise {
        match kind {
            ActKind::Leaf => self.leaf_promise(action),
            ActKind::Authority => self.key_promise(action),
            ActKind::LogOut => self.log_out_promise(action),
            ActKind::Expiry => self.end_promise(action),
            ActKind::Rogue => self.rogue_promise(action),
            ActKind::Grant
            | ActKind::Revoke
            | ActKind::Policy
            | ActKind::Entities
            | ActKind::Rotate
            | ActKind::Enrol => self.promise(action),
        }
    }

    /// The promise that an exposure is shown beside: where nothing but certificates, nothing but
    /// keys, or nothing but tokens, is revoked, or nothing but an end comes, the one about those.
    pub fn shown_promise(&self, action: &str) -> Promise {
        let all = |kind| {
            let mut revoking = self.acts.iter().filter(|act| act.revokes());
            revoking.all(|act| act.kind == kind)
        };
        let kinds = [
            (&self.leaf_promised, ActKind::Leaf),
            (&self.key_promised, ActKind::Authority),
            (&self.log_out_promised, ActKind::LogOut),
            (&self.end_promised, ActKind::Expiry),
            (&self.rogue_promised, ActKind::Rogue),
        ];
        let mut only = kinds.into_iter();
        let only = only.find(|(promised, kind)| !promised.is_empty() && all(*kind));
        only.map_or_else(
            || self.promise(action),
            |(_, kind)| self.promise_about(kind, action),
        )
    }

    /// How much later than allowed a success may be seen though every clock is as good as it is
    /// held to be, in microseconds. The end of a list is written by the CA's clock, read by the
    /// node's, and stretched by what the node itself allows.
    pub fn margin_us(&self, kind: ActKind) -> u64 {
        match kind {
            ActKind::Leaf | ActKind::Authority | ActKind::Rogue => {
                self.tolerance_us.saturating_mul(3)
            }
            ActKind::Grant
            | ActKind::Revoke
            | ActKind::Policy
            | ActKind::Entities
            | ActKind::Rotate
            | ActKind::LogOut
            | ActKind::Expiry
            | ActKind::Enrol => self.tolerance_us,
        }
    }

    /// What exposure is counted from, in words: a revocation, unless all that happened is that
    /// something ended, or that something came which nobody had issued.
    pub fn taken_by(&self) -> &'static str {
        let all = |kind| {
            let mut revoking = self.acts.iter().filter(|act| act.revokes()).peekable();
            revoking.peek().is_some() && revoking.all(|act| act.kind == kind)
        };
        if all(ActKind::Expiry) {
            "the end"
        } else if all(ActKind::Rogue) {
            "its first use"
        } else {
            "the revocation"
        }
    }
}
