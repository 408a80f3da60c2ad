//! Dials of identity: whose word counts for who somebody is.
//!
//! `request` is the CA's setting. Nothing here enforces anything.

use ca::csr::danger;
use ca::issue::Names;

words! {
    /// Who says whose name a certificate is in.
    Naming {
        /// The CA, by the join code or the last certificate.
        Decided = "decided",
        /// The signing request, if it asks for one.
        Copied = "copied",
    }
}

/// Dials of identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who says whose name a certificate is in.
    pub request: Naming,
}

impl Identity {
    /// As the CA's settings have it.
    pub const fn names(&self) -> Names {
        match self.request {
            Naming::Decided => Names::Decided,
            Naming::Copied => Names::Copied(danger::Copied),
        }
    }
}
