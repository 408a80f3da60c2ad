//! One line of a node's audit log: who asked for what, what was decided, under which policy.
//!
//! ```json
//! {"node":"records.south","seq":3,"prev":"5f1c…","request":"mallory-17","principal":"mallory",
//!  "spiffe_id":"spiffe://clinic.example/user/mallory",
//!  "leaf":{"serial":"3f0a…","sha256":"77b2…","not_after_us":1767225700000000},"action":"read",
//!  "resource":"r1",
//!  "decision":"permit","policy_size":7,"policy_root":"e9a0…","as_of_us":1767225609000000,
//!  "at_us":1767225612200000}
//! ```
//!
//! 1. An entry is one JSON object; its bytes are the leaf of the log and are never re-serialised.
//! 2. `seq` counts from 0 without gaps; `prev` is the RFC 6962 leaf hash of the entry before, in
//!    lower-case hex, and empty in the first.
//! 3. `refusal` is there if and only if `decision` is `refuse`.
//! 4. `leaf` is the certificate that the caller came with; absent if there was none.
//! 5. Times end in `_us`: microseconds since the Unix epoch; `as_of_us` and `at_us` are read on the
//!    node's own clock.

use serde::{Deserialize, Serialize};

/// How a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// Let in.
    Permit,
    /// Not let in.
    Refuse,
}

/// The certificate that a caller came with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// Its serial, lower-case hex: what a revocation goes by.
    pub serial: String,
    /// SHA-256 of its DER, lower-case hex: what the issuance log knows it by. A serial is whatever
    /// the signer wrote.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Its last moment.
    pub not_after_us: u64,
}

/// One decision, as the node that made it recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// The node that decided.
    pub node: String,
    /// Position in this node's log, from 0.
    pub seq: u64,
    /// Leaf hash of the entry before, lower-case hex; empty in the first.
    pub prev: String,
    /// The request's identifier, the same on every hop.
    pub request: String,
    /// The policy's name for the caller, or empty if nobody was identified.
    pub principal: String,
    /// The caller's SPIFFE ID, or empty.
    pub spiffe_id: String,
    /// The leaf of the connection that the request came on, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<Leaf>,
    /// What the caller wanted to do.
    pub action: String,
    /// To what.
    pub resource: String,
    /// What was decided.
    pub decision: Decision,
    /// The name of the refusal, if refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
    /// Size of the policy log under which it was decided.
    pub policy_size: u64,
    /// Root of that log, lower-case hex.
    pub policy_root: String,
    /// How old that policy may be: the k-th newest cosignature time.
    pub as_of_us: u64,
    /// When it was decided.
    pub at_us: u64,
}
