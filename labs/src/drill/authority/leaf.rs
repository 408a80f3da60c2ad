//! Leaves: a target's as a server, and its callers', right and wrong.
//!
//! It checks no rule of SPIFFE's or the Web's, since breaking one is what many cases do.
//! Invariant: what is not wished for is as RFC 5280 would have it.

use std::net::IpAddr;

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, SanType,
    SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::OffsetDateTime;

use super::signer::Issuer;
use super::{AuthorityError, Curve, Key, Life, blank, make_signing};

/// An extension that nobody knows, below the arc for examples.
const UNKNOWN: [u64; 8] = [2, 999, 5, 12, 1, 19, 77, 1];

/// What a leaf is for: its extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// `serverAuth` alone.
    Server,
    /// `clientAuth` alone.
    Caller,
    /// Both, as SPIFFE has it and as a target that also calls needs it.
    Both,
}

/// What a leaf should be.
#[derive(Clone, Debug)]
pub struct LeafWish {
    /// What it is for.
    pub role: Role,
    /// The common name, for people who read it.
    pub name: String,
    /// URIs in it, SPIFFE IDs among them.
    pub uris: Vec<String>,
    /// DNS names in it.
    pub dns: Vec<String>,
    /// Addresses in it.
    pub addresses: Vec<IpAddr>,
    /// From when until when it is valid.
    pub life: Life,
    /// Whether it says that it is a CA: `issuer-as-caller`.
    pub says_ca: bool,
    /// Whether it has a critical extension that nobody knows.
    pub unknown_critical: bool,
    /// The key of another, for `same-key-renewal`; else it gets one of its own.
    pub same_key_as: Option<Key>,
    /// The curve of a key of its own.
    pub curve: Curve,
}

impl LeafWish {
    /// A good leaf with no name in it yet.
    pub fn new(role: Role, life: Life) -> Self {
        Self {
            role,
            name: match role {
                Role::Server | Role::Both => "target".to_owned(),
                Role::Caller => "caller".to_owned(),
            },
            uris: Vec::new(),
            dns: Vec::new(),
            addresses: Vec::new(),
            life,
            says_ca: false,
            unknown_critical: false,
            same_key_as: None,
            curve: Curve::P256,
        }
    }

    /// Adds a URI.
    #[must_use]
    pub fn uri(mut self, uri: impl Into<String>) -> Self {
        self.uris.push(uri.into());
        self
    }

    /// Adds a DNS name, or an address if it is one.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        match host.trim_matches(['[', ']']).parse() {
            Ok(address) => self.addresses.push(address),
            Err(_) => self.dns.push(host.to_owned()),
        }
        self
    }
}

/// A leaf, its key and the issuers after it.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Leaf first, then its issuers, without the root.
    pub chain_der: Vec<CertificateDer<'static>>,
    /// Its key.
    pub key: Key,
    /// Its serial number, big endian.
    pub serial: Vec<u8>,
    /// Its first moment.
    pub not_before: OffsetDateTime,
    /// Its last moment.
    pub not_after: OffsetDateTime,
    params: CertificateParams,
}

impl Leaf {
    pub(super) fn of(
        params: &CertificateParams,
        key: Key,
        chain_der: Vec<CertificateDer<'static>>,
    ) -> Self {
        let serial = params.serial_number.as_ref();
        Self {
            chain_der,
            key,
            serial: serial.map(SerialNumber::to_bytes).unwrap_or_default(),
            not_before: params.not_before,
            not_after: params.not_after,
            params: params.clone(),
        }
    }

    pub(super) const fn params(&self) -> &CertificateParams {
        &self.params
    }

    /// Its key for rustls.
    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        self.key.der()
    }

    /// Its own certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.chain_der[0]
    }

    /// SHA-256 of its certificate: what a bound token carries.
    pub fn sha256(&self) -> [u8; 32] {
        let digest = ring::digest::digest(&ring::digest::SHA256, self.certificate());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest.as_ref());
        bytes
    }
}

/// Signs a leaf.
pub(super) fn sign(issuer: &Issuer, wish: &LeafWish) -> Result<Leaf, AuthorityError> {
    let mut params = blank(&wish.name, wish.life)?;
    params.subject_alt_names = names(&wish.uris, &wish.dns, &wish.addresses)?;
    if wish.says_ca {
        make_signing(&mut params, BasicConstraints::Unconstrained);
    }
    use ExtendedKeyUsagePurpose::{ClientAuth, ServerAuth};
    params.extended_key_usages = match wish.role {
        Role::Server => vec![ServerAuth],
        Role::Caller => vec![ClientAuth],
        Role::Both => vec![ServerAuth, ClientAuth],
    };
    if wish.unknown_critical {
        // A value that is well formed: the empty sequence.
        let mut extension = CustomExtension::from_oid_content(&UNKNOWN, vec![0x30, 0]);
        extension.set_criticality(true);
        params.custom_extensions = vec![extension];
    }
    let key = match &wish.same_key_as {
        Some(key) => key.clone(),
        None => Key::new(wish.curve)?,
    };
    let certificate = params.signed_by(key.pair(), &issuer.signer())?;
    let mut chain = vec![certificate.into()];
    chain.extend(issuer.above().iter().cloned());
    Ok(Leaf::of(&params, key, chain))
}

/// Names as a certificate holds them.
pub(super) fn names(
    uris: &[String],
    dns: &[String],
    addresses: &[IpAddr],
) -> Result<Vec<SanType>, AuthorityError> {
    let ascii = |name: &String| {
        let refused =
            |_| AuthorityError::Wish(format!("`{name}` has letters that no certificate can hold"));
        Ia5String::try_from(name.clone()).map_err(refused)
    };
    let mut names = Vec::new();
    for uri in uris {
        names.push(SanType::URI(ascii(uri)?));
    }
    for name in dns {
        names.push(SanType::DnsName(ascii(name)?));
    }
    names.extend(addresses.iter().copied().map(SanType::IpAddress));
    Ok(names)
}
