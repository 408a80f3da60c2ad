//! What can go wrong in the CA, by who is to blame: the caller, the machine, or the state found.
//!
//! Every refusal has a name that never changes; nothing here carries key bytes or join codes.

use std::io;

use crate::clock::Time;
use crate::identity::{InvalidSpiffeId, InvalidSvid, SpiffeId, TrustDomain};
use crate::keys::NoRandomness;
use crate::way_back::NoWayBack;

/// Why the CA would not issue. The caller is to blame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssueRefusal {
    /// The request asks to become a CA, or for a key usage that only a CA has.
    #[error("signing request asks for `CA:TRUE` or a signing key usage")]
    CsrAsksForCa,
    /// The request asks for a name that is not the one decided.
    #[error("signing request asks for the name `{0}`, which is not the caller's")]
    CsrAsksForForeignName(String),
    /// The request asks for a usage or an extension that no leaf gets.
    #[error("signing request asks for {0}, which no leaf gets")]
    CsrAsksForMore(&'static str),
    /// The request is not signed by the key that it holds.
    #[error("signing request is not signed by its own key")]
    CsrForged,
    /// The request's key is not P-256, uncompressed, signed with SHA-256.
    #[error("signing request's key is not P-256 with SHA-256")]
    CsrKey,
    /// The request's key already has a leaf: every renewal takes a new one.
    #[error("signing request's key already has a leaf")]
    CsrKeyReused,
    /// The request is not PKCS#10 in DER.
    #[error("signing request is malformed: {0}")]
    CsrMalformed(&'static str),
    /// The request is larger than any real one, in bytes.
    #[error("signing request of {0} bytes is too large")]
    CsrTooLarge(usize),
    /// The issuer's own certificate has no time left.
    #[error("issuer expired at {0}")]
    IssuerExpired(Time),
    /// The join code's time has passed.
    #[error("join code expired at {0}")]
    JoinCodeExpired(Time),
    /// No such join code.
    #[error("join code is unknown")]
    JoinCodeUnknown,
    /// The join code has been used.
    #[error("join code is already used")]
    JoinCodeUsed,
    /// The caller's leaf has expired on the CA's clock.
    #[error("caller's leaf expired at {0}")]
    LeafExpired(Time),
    /// The caller's leaf is of another trust domain.
    #[error("caller's leaf is of another trust domain: `{0}`")]
    LeafForeign(SpiffeId),
    /// The caller's leaf is not valid yet on the CA's clock.
    #[error("caller's leaf is not valid before {0}")]
    LeafNotYetValid(Time),
    /// The caller's leaf was revoked.
    #[error("caller's leaf is revoked")]
    LeafRevoked,
    /// The caller's leaf is not in the issuance log.
    #[error("caller's leaf is not in the issuance log")]
    LeafUnlogged,
    /// A join code may only be made for a workload of this trust domain.
    #[error("`{0}` is not a workload of this trust domain")]
    NameForeign(SpiffeId),
    /// Such a name is given to those who come back, and to nobody else.
    #[error("`{0}` is a name apart: nobody is invited under it")]
    NameApart(SpiffeId),
    /// Who was there last does not come back.
    #[error(transparent)]
    NoWayBack(#[from] NoWayBack),
    /// Too many join codes wait to be used.
    #[error("{0} join codes wait already")]
    TooManyJoinCodes(usize),
}

impl IssueRefusal {
    /// Its name, as journals and clients see it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CsrAsksForCa => "csr-asks-for-ca",
            Self::CsrAsksForForeignName(_) => "csr-asks-for-foreign-name",
            Self::CsrAsksForMore(_) => "csr-asks-for-more",
            Self::CsrForged => "csr-forged",
            Self::CsrKey => "csr-key",
            Self::CsrKeyReused => "csr-key-reused",
            Self::CsrMalformed(_) => "csr-malformed",
            Self::CsrTooLarge(_) => "csr-too-large",
            Self::IssuerExpired(_) => "issuer-expired",
            Self::JoinCodeExpired(_) => "join-code-expired",
            Self::JoinCodeUnknown => "join-code-unknown",
            Self::JoinCodeUsed => "join-code-used",
            Self::LeafExpired(_) => "leaf-expired",
            Self::LeafForeign(_) => "leaf-foreign",
            Self::LeafNotYetValid(_) => "leaf-not-yet-valid",
            Self::LeafRevoked => "leaf-revoked",
            Self::LeafUnlogged => "leaf-unlogged",
            Self::NameForeign(_) => "name-foreign",
            Self::NameApart(_) => "name-apart",
            Self::NoWayBack(why) => why.name(),
            Self::TooManyJoinCodes(_) => "too-many-join-codes",
        }
    }
}

/// Why the CA did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// The caller may not have this.
    #[error(transparent)]
    Refused(#[from] IssueRefusal),
    /// The settings contradict each other.
    #[error("CA settings: {0}")]
    Settings(&'static str),
    /// The operating system has no randomness.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
    /// The disk failed.
    #[error("CA's disk: {0}")]
    Disk(#[from] io::Error),
    /// The database failed.
    #[error("CA's store: {0}")]
    Store(#[from] redb::Error),
    /// The issuance log failed: without an entry no certificate leaves.
    #[error("issuance log: {0}")]
    Log(String),
    /// An authority is not what the command takes it for, or somebody blocks it.
    #[error(transparent)]
    Rotation(#[from] crate::rotation::Refused),
    /// A bundle of another trust domain may not be taken.
    #[error(transparent)]
    Federation(#[from] crate::federation::FederationRefused),
    /// A root's private key is not at hand.
    #[error("the key of root {0} is not at hand")]
    RootKeyAbsent(u64),
    /// A root's private key is sealed, and no passphrase was given.
    #[error("the key of root {0} is sealed: give its passphrase")]
    RootKeySealed(u64),
    /// The passphrase does not open a root's private key.
    #[error("the passphrase does not open the key of root {0}")]
    PassphraseWrong(u64),
    /// A passphrase that could be guessed.
    #[error(
        "a passphrase has at least {} characters",
        crate::sealed_keys::MIN_PASSPHRASE
    )]
    PassphraseShort,
    /// No living leaf has that serial.
    #[error("no living leaf has the serial `{0}`")]
    NoSuchLeaf(String),
    /// The settings name no such secret.
    #[error("there is no secret `{0}`")]
    NoSuchSecret(String),
    /// Nobody of that name, or with that serial, waits to be confirmed.
    #[error("nobody waits to be confirmed as `{0}`")]
    NothingToConfirm(SpiffeId),
    /// The stored state is not what this CA wrote.
    #[error("CA's state is damaged: {0}")]
    Damaged(String),
    /// The store belongs to another trust domain.
    #[error("the store is of `{found}`, not of `{expected}`")]
    OtherTrustDomain {
        /// Whose store this is.
        found: TrustDomain,
        /// Whose was asked for.
        expected: TrustDomain,
    },
    /// A time that no certificate can hold.
    #[error("no certificate can hold the time {0}")]
    TimeOutOfRange(Time),
    /// A certificate could not be written down, which is a bug here.
    #[error("certificate could not be encoded: {0}")]
    Encoding(String),
}

impl CaError {
    pub(crate) fn encoding(error: impl std::fmt::Display) -> Self {
        Self::Encoding(error.to_string())
    }

    pub(crate) fn damaged(what: impl std::fmt::Display) -> Self {
        Self::Damaged(what.to_string())
    }

    /// The refusal, if the caller is to blame.
    pub const fn refusal(&self) -> Option<&IssueRefusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

impl From<NoWayBack> for CaError {
    fn from(why: NoWayBack) -> Self {
        Self::Refused(why.into())
    }
}

impl From<InvalidSvid> for CaError {
    fn from(error: InvalidSvid) -> Self {
        Self::damaged(error)
    }
}

impl From<InvalidSpiffeId> for CaError {
    fn from(error: InvalidSpiffeId) -> Self {
        Self::damaged(error)
    }
}
