//! Planted bugs, for the proof alone: each must turn an invariant, or a test, red.
//!
//! Nothing selects one but a test; the default is none, and no posture can name them. They are
//! not dials: no system ships them on purpose.

/// A bug that a test plants in the policy's core.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mutation {
    /// None: the code as it should be.
    #[default]
    None,
    /// The authority calls an act acknowledged once it is durable, before a quorum cosigned it.
    AckBeforeQuorum,
    /// A replica takes the newest cosignature time, of any one witness, for the as-of.
    AsOfFromOneWitness,
    /// A replica begins with nothing each time it starts: what it enforced is not on its disk.
    ForgetEnforced,
    /// The guard decides and answers, and records nothing.
    NoAuditAppend,
    /// The age of a policy is never too old.
    NoStalenessCheck,
}

impl Mutation {
    /// What this code makes of a policy that is, or is not, too old.
    pub fn sees_stale(self, stale: bool) -> bool {
        stale && self != Self::NoStalenessCheck
    }
}
