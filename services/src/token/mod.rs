//! Tokens: short-lived statements by the trust domain's token service, bound to one leaf.
//!
//! A token is a compact JWS of one explicit type, [`TYPE`]. Its algorithm is the key's, never the
//! header's; its times are judged by the node's own clock; it is worth nothing on a connection of
//! another leaf. Nothing here touches a network or keeps time.

pub mod cache;
pub mod claims;
pub mod grpc;
pub mod issue;
pub mod keys;
pub mod lines;
pub mod provider;
pub mod signing;
pub mod svid;
pub mod verify;

#[cfg(test)]
mod specimen;

/// The `typ` of every token: an explicit type, so that no other JWT by the same key passes for one
/// (RFC 8725, section 3.11).
pub const TYPE: &str = "schism-access+jwt";

/// The longest token that is looked at, in bytes.
pub const MAX_TOKEN: usize = 8 * 1024;
