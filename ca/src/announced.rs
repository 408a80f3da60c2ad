//! What the CA tells every member: roots, revocation lists, taints, token keys. Always whole, never
//! a change.

use std::collections::{BTreeMap, BTreeSet};

use crate::authorities::{Authorities, Listed};
use crate::bundle::Bundle;
use crate::federation::Federation;
use crate::identity::TrustDomain;
use crate::secrets::{Held, SecretName, Secrets};
use crate::token_keys::TokenKey;

/// What this CA tells every member, whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    /// The roots.
    pub bundle: Bundle,
    /// The roots of other trust domains, each domain's by itself, in order of their names.
    pub federated: Vec<Bundle>,
    /// The keys that verify their tokens, each domain's a JWK set by itself; none where it has no
    /// such key. Members are not told: nothing of theirs judges a foreign token.
    pub federated_jwks: BTreeMap<TrustDomain, String>,
    /// The newest revocation list of each signing certificate.
    pub listed: Vec<Listed>,
    /// SHA-256 of issuers' certificates whose leaves are to be renewed now.
    pub tainted: BTreeSet<[u8; 32]>,
    /// The keys that verify tokens, as a JWK set.
    pub jwks: String,
    /// Names of token keys whose tokens are to be renewed now.
    pub tainted_keys: BTreeSet<String>,
    /// Among about how many members those who renew now are to spread.
    pub members: u32,
    /// The key that signs tokens: for the token service, and nobody else.
    pub signing: Option<TokenKey>,
    /// The secrets, each for its holders, and nobody else.
    pub secrets: BTreeMap<SecretName, Held>,
}

impl Announced {
    pub(crate) fn of(
        authorities: &Authorities,
        others: &Federation,
        members: u32,
        secrets: &Secrets,
    ) -> Self {
        Self {
            bundle: authorities.bundle(),
            federated: others.bundles(),
            federated_jwks: others.jwks(),
            listed: authorities.listed(),
            tainted: authorities.tainted().collect(),
            jwks: authorities.jwks(),
            tainted_keys: authorities.tainted_keys(),
            members,
            signing: authorities.token_key().cloned(),
            secrets: secrets.held(),
        }
    }
}
