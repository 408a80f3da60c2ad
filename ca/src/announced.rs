//! What the CA tells every member: roots, revocation lists, taints. Always whole, never a change.

use std::collections::BTreeSet;

use crate::authorities::{Authorities, Listed};
use crate::bundle::Bundle;

/// What this CA tells every member, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The roots.
    pub bundle: Bundle,
    /// The newest revocation list of each signing certificate.
    pub listed: Vec<Listed>,
    /// SHA-256 of issuers' certificates whose leaves are to be renewed now.
    pub tainted: BTreeSet<[u8; 32]>,
}

impl Announced {
    pub(crate) fn of(authorities: &Authorities) -> Self {
        Self {
            bundle: authorities.bundle(),
            listed: authorities.listed(),
            tainted: authorities.tainted().collect(),
        }
    }
}
