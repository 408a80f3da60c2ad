//! Why a request was refused: the closed list that learners, audit logs and labs share.
//!
//! A caller on the wire learns only the gRPC code ([`Refusal::code`]) and the name; what was
//! compared with what stays in the audit log.

use std::fmt;

/// Why a request was refused. Names are what labs and reports print.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The decision could not be made durable in the audit log.
    AuditUnavailable,
    /// The queue before this node's work is full.
    Busy,
    /// The peer's leaf is past its end on this node's clock.
    CertificateExpired,
    /// The peer's leaf has not begun on this node's clock.
    CertificateNotYetValid,
    /// The peer's leaf, or its issuer, stands in a revocation list.
    CertificateRevoked,
    /// The peer's chain ends in no root that this node trusts by now.
    CertificateUntrusted,
    /// The record lies under a version of its region's data key that this node does not hold.
    DataKeyUnknown,
    /// No such record, said only to who may read it.
    NoSuchRecord,
    /// The notice is not signed by the version of the secret that it names.
    NoticeForged,
    /// The notice is of too long ago, or of later, on this node's clock.
    NoticeStale,
    /// This node has not reached the policy size that the caller's consistency mark demands.
    PolicyBehind,
    /// No policy permits this, or one forbids it.
    PolicyDenied,
    /// A policy failed to evaluate; skipping it could drop a `forbid`.
    PolicyError,
    /// The policy offered is smaller than, or does not contain, one already enforced.
    PolicyRolledBack,
    /// The policy's as-of is older than this action's bound.
    PolicyStale,
    /// Too few witnesses have cosigned the policy.
    PolicyUnwitnessed,
    /// The revocation list of the peer's issuer is past its next update on this node's clock.
    RevocationStale,
    /// No revocation list says anything about the peer's issuer.
    RevocationUnknown,
    /// This node holds no such version of the secret: not yet, or not any more.
    SecretUnknown,
    /// The token is for another service.
    TokenAudience,
    /// The token is past its end on this node's clock.
    TokenExpired,
    /// The signature is not by the key that the token names, or the algorithm is not the key's.
    TokenForged,
    /// The token was issued by someone else.
    TokenIssuer,
    /// The key that signed the token was withdrawn.
    TokenKeyRetired,
    /// No key of that name in the current generation.
    TokenKeyUnknown,
    /// Not a token: wrong shape, wrong type, or a claim of the wrong kind.
    TokenMalformed,
    /// No token where one is needed.
    TokenMissing,
    /// The token is bound to another leaf than this connection's.
    TokenNotBound,
    /// The token has not begun on this node's clock.
    TokenNotYetValid,
    /// Whom the token speaks of was logged out everywhere, in or after the second it was issued.
    TokenRevoked,
}

impl Refusal {
    /// Every refusal, in order of name.
    pub const ALL: [Self; 30] = [
        Self::AuditUnavailable,
        Self::Busy,
        Self::CertificateExpired,
        Self::CertificateNotYetValid,
        Self::CertificateRevoked,
        Self::CertificateUntrusted,
        Self::DataKeyUnknown,
        Self::NoSuchRecord,
        Self::NoticeForged,
        Self::NoticeStale,
        Self::PolicyBehind,
        Self::PolicyDenied,
        Self::PolicyError,
        Self::PolicyRolledBack,
        Self::PolicyStale,
        Self::PolicyUnwitnessed,
        Self::RevocationStale,
        Self::RevocationUnknown,
        Self::SecretUnknown,
        Self::TokenAudience,
        Self::TokenExpired,
        Self::TokenForged,
        Self::TokenIssuer,
        Self::TokenKeyRetired,
        Self::TokenKeyUnknown,
        Self::TokenMalformed,
        Self::TokenMissing,
        Self::TokenNotBound,
        Self::TokenNotYetValid,
        Self::TokenRevoked,
    ];

    /// The name in reports, audit logs and labs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AuditUnavailable => "audit-unavailable",
            Self::Busy => "busy",
            Self::CertificateExpired => "certificate-expired",
            Self::CertificateNotYetValid => "certificate-not-yet-valid",
            Self::CertificateRevoked => "certificate-revoked",
            Self::CertificateUntrusted => "certificate-untrusted",
            Self::DataKeyUnknown => "data-key-unknown",
            Self::NoSuchRecord => "no-such-record",
            Self::NoticeForged => "notice-forged",
            Self::NoticeStale => "notice-stale",
            Self::PolicyBehind => "policy-behind",
            Self::PolicyDenied => "policy-denied",
            Self::PolicyError => "policy-error",
            Self::PolicyRolledBack => "policy-rolled-back",
            Self::PolicyStale => "policy-stale",
            Self::PolicyUnwitnessed => "policy-unwitnessed",
            Self::RevocationStale => "revocation-stale",
            Self::RevocationUnknown => "revocation-unknown",
            Self::SecretUnknown => "secret-unknown",
            Self::TokenAudience => "token-audience",
            Self::TokenExpired => "token-expired",
            Self::TokenForged => "token-forged",
            Self::TokenIssuer => "token-issuer",
            Self::TokenKeyRetired => "token-key-retired",
            Self::TokenKeyUnknown => "token-key-unknown",
            Self::TokenMalformed => "token-malformed",
            Self::TokenMissing => "token-missing",
            Self::TokenNotBound => "token-not-bound",
            Self::TokenNotYetValid => "token-not-yet-valid",
            Self::TokenRevoked => "token-revoked",
        }
    }

    /// The refusal of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|refusal| refusal.name() == name)
    }

    /// What the caller learns.
    pub const fn code(self) -> tonic::Code {
        match self {
            Self::AuditUnavailable
            | Self::DataKeyUnknown
            | Self::PolicyBehind
            | Self::PolicyError
            | Self::PolicyRolledBack
            | Self::PolicyStale
            | Self::PolicyUnwitnessed
            | Self::RevocationStale
            | Self::RevocationUnknown => tonic::Code::Unavailable,
            Self::Busy => tonic::Code::ResourceExhausted,
            Self::NoSuchRecord => tonic::Code::NotFound,
            Self::PolicyDenied => tonic::Code::PermissionDenied,
            Self::CertificateExpired
            | Self::CertificateNotYetValid
            | Self::CertificateRevoked
            | Self::CertificateUntrusted
            | Self::NoticeForged
            | Self::NoticeStale
            | Self::SecretUnknown
            | Self::TokenAudience
            | Self::TokenExpired
            | Self::TokenForged
            | Self::TokenIssuer
            | Self::TokenKeyRetired
            | Self::TokenKeyUnknown
            | Self::TokenMalformed
            | Self::TokenMissing
            | Self::TokenNotBound
            | Self::TokenNotYetValid
            | Self::TokenRevoked => tonic::Code::Unauthenticated,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_refusal() {
        for refusal in Refusal::ALL {
            assert_eq!(Refusal::from_name(refusal.name()), Some(refusal));
        }
    }
}
