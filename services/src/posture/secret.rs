//! Dials of secrets that are no certificates. Every node's own; nothing here enforces anything.

words! {
    /// How many versions of a secret a node holds.
    Versions {
        /// The one in use, and its neighbour while one takes over from the other.
        Two = "two",
        /// The one in use: a new one takes the place of the last at once.
        One = "one",
    }
}

/// Dials of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretDials {
    /// How many versions of a secret a node holds.
    pub versions: Versions,
}
