//! What a step of a schedule does: the closed set of verbs.
//!
//! A verb that a scenario may name and that is not built yet is refused by name; every other word
//! is refused with the nearest verb. Faults come in opposite pairs.

use serde::Serialize;
use services::policy::entry::Entity;

pub use super::guise::Guise;
use super::signing::Order;

/// Verbs that do something today, in order of name.
pub const BUILT_VERBS: [&str; 28] = [
    "activate",
    "crash",
    "enrol",
    "forge",
    "grant",
    "heal",
    "hold",
    "isolate",
    "log_out",
    "partition",
    "pose",
    "prepare",
    "put_entities",
    "put_policy",
    "rejoin",
    "release",
    "replay",
    "request",
    "restart",
    "revoke",
    "revoke_authority",
    "revoke_leaf",
    "rogue_issue",
    "skew",
    "slow",
    "steal",
    "sync",
    "taint",
];

/// Verbs that are known and whose mechanism is not built yet, in order of name.
pub const PLANNED_VERBS: [&str; 25] = [
    "backdate",
    "break_glass",
    "connect",
    "delay",
    "duplicate",
    "equivocate",
    "fill_disk",
    "flood",
    "fork",
    "free_disk",
    "freeze_feed",
    "issue",
    "lose",
    "poison",
    "promote",
    "provision",
    "renew",
    "reorder",
    "resume",
    "retire",
    "rollback_feed",
    "settle",
    "stream",
    "tamper",
    "truncate",
];

/// Kinds of message that the courier carries, in order of name.
pub const KINDS: [&str; 3] = ["policy-update", "replicate", "request"];

/// What a sender does by webhook.
pub(super) const NOTIFY: &str = "notify";

/// What can be asked for, in order of name: what a policy decides, and notices.
pub(super) const ASKED: [&str; 5] = [NOTIFY, "read", "share", "watch", "write"];

/// How a cut treats what crosses it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum How {
    /// Nothing arrives, and nobody is told.
    Drop,
    /// Connections end at once.
    Reset,
}

/// Messages of one kind at the courier. An absent end means any node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Messages {
    /// The kind of message.
    pub kind: String,
    /// Only from this node.
    pub from: Option<String>,
    /// Only to this node.
    pub to: Option<String>,
}

/// A policy's new text, in Cedar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum PolicyText {
    /// In the place of all that was there.
    Whole(String),
    /// After what was there.
    Added(String),
}

/// What somebody copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Booty {
    /// Somebody's token.
    Token {
        /// Whose.
        token_of: String,
    },
    /// Somebody's key, with the certificate and the token that go with it.
    Leaf {
        /// Whose.
        leaf_of: String,
    },
    /// The key that signs tokens.
    SigningKey {},
    /// Key and certificate of the issuer that signs leaves.
    Issuer {
        /// Of which kind of authority.
        authority: String,
    },
}

impl Booty {
    /// Whom it is copied from; nobody where it is the CA's.
    pub fn of(&self) -> Option<&str> {
        match self {
            Self::Token { token_of: whose } | Self::Leaf { leaf_of: whose } => Some(whose),
            Self::SigningKey {} | Self::Issuer { .. } => None,
        }
    }

    /// Whether it is what this guise shows.
    pub(super) fn serves(&self, guise: &Guise) -> bool {
        match (self, guise) {
            (Self::SigningKey {}, Guise::Forged(_))
            | (Self::Issuer { .. }, Guise::Rogue { .. }) => true,
            (Self::Token { token_of: one }, Guise::Replayed { token_of: other })
            | (Self::Token { token_of: one }, Guise::Headed { header_of: other })
            | (Self::Leaf { leaf_of: one }, Guise::Copied { leaf_of: other }) => one == other,
            _ => false,
        }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "do", rename_all = "kebab-case")]
pub enum Act {
    /// A node stops.
    Crash {
        /// Which.
        node: String,
        /// Whether what was not synced is lost.
        power: bool,
    },
    /// A user joins with the code that they were given, and asks the CA for another's name.
    Enrol {
        /// The user.
        #[serde(rename = "as")]
        as_: String,
        /// Whose name they ask for.
        name: String,
        /// Whether they try first to have it as a CA's.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        ca: bool,
    },
    /// A principal is given a role.
    Grant {
        /// Who.
        principal: String,
        /// Which.
        role: String,
    },
    /// Every partition ends.
    Heal,
    /// Messages of a kind wait at the courier.
    Hold(Messages),
    /// A node is cut from every other.
    Isolate {
        /// Which.
        node: String,
    },
    /// Every token of a principal that was issued by then is ended.
    LogOut {
        /// Whose.
        principal: String,
    },
    /// Something is ordered of an authority of the CA.
    Order(Order),
    /// Groups of regions or nodes are cut from each other.
    Partition {
        /// The groups; none shares a member with another.
        between: Vec<Vec<String>>,
        /// Whether only what the first group sends to the second is cut.
        one_way: bool,
        /// What happens to what crosses.
        how: How,
    },
    /// Entities are put into the policy log.
    PutEntities {
        /// Which.
        entities: Vec<Entity>,
        /// Whom nothing is permitted any more once this is acknowledged.
        revokes: Option<String>,
    },
    /// The policy's text is changed, and with it, at the same checkpoint, these entities.
    PutPolicy {
        /// The text.
        text: PolicyText,
        /// Which entities; often none.
        entities: Vec<Entity>,
        /// Whom nothing is permitted any more once this is acknowledged.
        revokes: Option<String>,
    },
    /// An isolated node is reachable again.
    Rejoin {
        /// Which.
        node: String,
    },
    /// Held messages go on.
    Release(Messages),
    /// A user asks for something.
    Request {
        /// The user.
        #[serde(rename = "as")]
        as_: String,
        /// The node that is asked, `records.<region>`.
        via: String,
        /// Whether it is asked through its region's edge.
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        edge: bool,
        /// What is asked for each time, one request an action.
        actions: Vec<String>,
        /// The group that the requests are counted in.
        tag: String,
        /// The record; the world's first if absent.
        resource: Option<String>,
        /// In whose name, with a stolen or forged token; their own if absent.
        #[serde(skip_serializing_if = "Option::is_none")]
        forging: Option<Guise>,
    },
    /// A crashed node starts again.
    Restart {
        /// Which.
        node: String,
    },
    /// A principal loses a role.
    Revoke {
        /// Who.
        principal: String,
        /// Which.
        role: String,
    },
    /// The CA takes back every certificate that a principal has.
    RevokeLeaf {
        /// Whose.
        principal: String,
    },
    /// A node's clock is set wrong.
    Skew {
        /// Which.
        node: String,
        /// By how much, in milliseconds; below zero is in the past.
        by_ms: i64,
    },
    /// Everything that a node does takes so many times as long.
    Slow {
        /// Which.
        node: String,
        /// How many times.
        times: u32,
    },
    /// A user copies a key or a token, as it is then.
    Steal {
        /// The user.
        #[serde(rename = "as")]
        as_: String,
        /// Which, and whose.
        #[serde(flatten)]
        what: Booty,
    },
    /// A node's clock is right again.
    Sync {
        /// Which.
        node: String,
    },
}

impl Act {
    /// The verb, as a scenario writes it.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Enrol { .. } => "enrol",
            Self::Grant { .. } => "grant",
            Self::Heal => "heal",
            Self::Hold(_) => "hold",
            Self::Isolate { .. } => "isolate",
            Self::LogOut { .. } => "log_out",
            Self::Order(order) => order.deed.verb(),
            Self::Partition { .. } => "partition",
            Self::PutEntities { .. } => "put_entities",
            Self::PutPolicy { .. } => "put_policy",
            Self::Rejoin { .. } => "rejoin",
            Self::Release(_) => "release",
            Self::Request { forging, .. } => match forging {
                None => "request",
                Some(Guise::Forged(_)) => "forge",
                Some(Guise::Replayed { .. } | Guise::Copied { .. }) => "replay",
                Some(Guise::Rogue { .. }) => "rogue_issue",
                Some(_) => "pose",
            },
            Self::Restart { .. } => "restart",
            Self::Revoke { .. } => "revoke",
            Self::RevokeLeaf { .. } => "revoke_leaf",
            Self::Skew { .. } => "skew",
            Self::Slow { .. } => "slow",
            Self::Steal { .. } => "steal",
            Self::Sync { .. } => "sync",
        }
    }
}

/// True for what goes wrong of itself, as against what users and administrators do.
pub fn is_fault(verb: &str) -> bool {
    lasts(verb) || matches!(verb, "heal" | "rejoin" | "release" | "restart" | "sync")
}

/// True for a fault that has an end, and so may say `for`.
pub(super) fn lasts(verb: &str) -> bool {
    matches!(
        verb,
        "crash" | "hold" | "isolate" | "partition" | "skew" | "slow"
    )
}
