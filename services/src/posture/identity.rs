//! Dials of identity: whose word counts for who somebody is.
//!
//! `request` is the CA's setting, `header` that of what stands behind an edge, and `forwarding` the
//! edge's own. Nothing here enforces anything.

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

words! {
    /// Whose word counts for the certificate that a caller came with.
    Heeding {
        /// The connection's own handshake alone.
        Ignored = "ignored",
        /// An edge's as well, by the edge's own certificate.
        Attested = "attested",
        /// Whoever writes the header.
        Believed = "believed",
    }
}

words! {
    /// What an edge does with such a header that its caller brought.
    Forwarding {
        /// Its own takes the place of it.
        Replaced = "replaced",
        /// It goes on as it is.
        Passed = "passed",
    }
}

/// Dials of identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who says whose name a certificate is in.
    pub request: Naming,
    /// Whose word counts for the certificate that a caller came with.
    pub header: Heeding,
    /// What an edge does with a header that its caller brought.
    pub forwarding: Forwarding,
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
