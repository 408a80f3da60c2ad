//! The posture: every dial of a node in one value, hardened unless a file says otherwise.
//!
//! It holds only what is built; [`dials`] lists the rest, and [`Posture::parse`] refuses it by
//! name. Nothing here enforces anything: guard, tokens, policy and audit read these values.

use std::time::Duration;

use ca::revocation::Revocation;

mod demand;
pub mod dials;
pub mod document;
mod flaw;
mod freshness;
mod parse;
pub mod span;
mod text;

pub use ca::revocation::{Lists, Older, Stale};
pub use dials::{DIALS, Dial};
pub use flaw::{Flaw, PostureError};
pub use freshness::{ACTIONS, Freshness, Freshnesses, HEARTBEAT, ROUNDING, least_bound};
pub use parse::{MAX_POSTURE, Source, Sources};

/// Gives each value of a dial its word in a file.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$value_doc])* $value,)+
        }

        impl $name {
            /// The word in a posture file.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// The value of that word.
            pub fn from_word(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$value),)+
                    _ => None,
                }
            }
        }
    };
}

mod identity;
mod rotation;
mod secret;

pub use identity::{Forwarding, Heeding, Identity, Naming};
pub use rotation::{Activation, Retrying, Rotation, Swapping, WayBack, Withdrawal};
pub use secret::{SecretDials, Versions};

words! {
    /// Whether a session is taken up again without a handshake's checks.
    Resumption {
        /// Every connection begins with a handshake in which both ends are judged.
        Off = "off",
        /// A ticket will do: whoever was let in once comes in with it, unseen.
        On = "on",
    }
}

words! {
    /// When a peer's leaf is looked at again.
    Recheck {
        /// Never: what held at the handshake holds for the connection's life.
        Handshake = "handshake",
        /// At the start of every request.
        Request = "request",
        /// At every request, and before every message of a stream.
        Message = "message",
    }
}

words! {
    /// When a connection must end.
    ConnectionDeadline {
        /// With the peer's leaf.
        Leaf = "leaf",
        /// When either end likes.
        None = "none",
    }
}

words! {
    /// Whether a token must name this service.
    Audience {
        /// It must.
        Require = "require",
        /// Any token of the issuer will do.
        Ignore = "ignore",
    }
}

words! {
    /// What a token is tied to.
    Binding {
        /// The leaf of the connection that it comes over.
        Certificate = "certificate",
        /// Nothing: whoever holds it may use it.
        None = "none",
    }
}

words! {
    /// How the keys that verify tokens come here.
    Keys {
        /// With what the node believes of its trust domain, as the CA changes it.
        Generation = "generation",
        /// Fetched, and kept for a time whatever becomes of them.
        Ttl = "ttl",
    }
}

words! {
    /// What happens when a token names a key that is not in the key set.
    UnknownKey {
        /// The set is fetched again, once for each unknown key and not too often.
        RefetchOnce = "refetch-once",
        /// The token is refused until the set is replaced.
        Refuse = "refuse",
    }
}

words! {
    /// Whether a token may be ended before its time.
    TokenStatus {
        /// By a log-out, which is an entry of the policy and as fresh as that.
        Check = "check",
        /// It is good until it expires, whatever its owner did.
        Ignore = "ignore",
    }
}

words! {
    /// What happens when the policy is older than an action allows.
    OnStale {
        /// The request is refused.
        Deny = "deny",
        /// The old policy decides.
        Allow = "allow",
    }
}

words! {
    /// What happens when a policy fails to evaluate.
    Errors {
        /// The request is refused.
        Deny = "deny",
        /// The decision is made without that policy, even if it is a `forbid`.
        Skip = "skip",
    }
}

words! {
    /// What an audit entry must have survived before the reply leaves.
    Durability {
        /// A sync of its own or of its group.
        Sync = "sync",
        /// A write; syncs follow at intervals.
        Batch = "batch",
        /// Nothing: it is written when there is time.
        Async = "async",
    }
}

words! {
    /// Whether anybody holds the leaves that were let in against the issuance log.
    Reconcile {
        /// A node tells the CA whom it let in, and the CA looks them up.
        On = "on",
        /// Nobody does: whoever has a chain has a name.
        Off = "off",
    }
}

/// Dials of the transport.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// Whether sessions are taken up again.
    pub resumption: Resumption,
    /// When a peer's leaf is looked at again.
    pub recheck: Recheck,
    /// When a connection must end.
    pub connection_deadline: ConnectionDeadline,
    /// How far apart two clocks may be without it showing; 0 s to 5 min.
    pub tolerance: Duration,
}

/// Dials of revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationDials {
    /// Whether a chain needs revocation lists.
    pub crl: Lists,
    /// Whether a list counts past its next update.
    pub stale_crl: Stale,
    /// Whether an older list may take the place of a newer one.
    pub older_crl: Older,
}

impl RevocationDials {
    /// As connections use them; lists are still to come.
    pub fn without_lists(&self) -> Revocation {
        Revocation {
            lists: self.crl,
            stale: self.stale_crl,
            older: self.older_crl,
            ..Revocation::default()
        }
    }
}

/// Dials of token verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Whether a token must name this service.
    pub audience: Audience,
    /// How long past its end a token still counts; 0 s to 300 s.
    pub leeway: Duration,
    /// What a token is tied to.
    pub binding: Binding,
    /// How the keys that verify tokens come here.
    pub keys: Keys,
    /// What happens when a token names an unknown key.
    pub unknown_key: UnknownKey,
    /// Whether a token may be ended before its time.
    pub status: TokenStatus,
}

/// Dials of the policy view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How old the policy may be, for each action.
    pub freshness: Freshnesses,
    /// What happens when it is older.
    pub on_stale: OnStale,
    /// What happens when a policy fails to evaluate.
    pub errors: Errors,
    /// Witnesses of three that must have cosigned: 0 or 2.
    pub quorum: u8,
}

/// Dials of the audit log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// What an entry must have survived before the reply leaves.
    pub durability: Durability,
}

/// Dials of issuance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuance {
    /// Whether leaves that were let in are held against the issuance log.
    pub reconcile: Reconcile,
}

/// Every dial of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posture {
    /// Dials of the transport.
    pub tls: Tls,
    /// Dials of revocation.
    pub revocation: RevocationDials,
    /// Dials of token verification.
    pub token: Token,
    /// Dials of the policy view.
    pub policy: Policy,
    /// Dials of the audit log.
    pub audit: Audit,
    /// Dials of rotation.
    pub rotation: Rotation,
    /// Dials of secrets.
    pub secret: SecretDials,
    /// Dials of issuance.
    pub issuance: Issuance,
    /// Dials of identity.
    pub identity: Identity,
}

impl Posture {
    /// Every dial at its hardened value.
    pub fn hardened() -> Self {
        Self {
            tls: Tls {
                resumption: Resumption::Off,
                recheck: Recheck::Message,
                connection_deadline: ConnectionDeadline::Leaf,
                tolerance: Duration::from_millis(500),
            },
            revocation: RevocationDials {
                crl: Lists::Require,
                stale_crl: Stale::Refuse,
                older_crl: Older::Refuse,
            },
            token: Token {
                audience: Audience::Require,
                leeway: Duration::from_secs(2),
                binding: Binding::Certificate,
                keys: Keys::Generation,
                unknown_key: UnknownKey::RefetchOnce,
                status: TokenStatus::Check,
            },
            policy: Policy {
                freshness: Freshnesses::hardened(),
                on_stale: OnStale::Deny,
                errors: Errors::Deny,
                quorum: 2,
            },
            audit: Audit {
                durability: Durability::Sync,
            },
            rotation: Rotation {
                activate: Activation::Acknowledged,
                revoke: Withdrawal::Converged,
                retry: Retrying::Window,
                swap: Swapping::Whole,
                way_back: WayBack::None,
            },
            secret: SecretDials {
                versions: Versions::Two,
            },
            issuance: Issuance {
                reconcile: Reconcile::On,
            },
            identity: Identity {
                request: Naming::Decided,
                header: Heeding::Ignored,
                forwarding: Forwarding::Replaced,
            },
        }
    }
}

impl Default for Posture {
    fn default() -> Self {
        Self::hardened()
    }
}
