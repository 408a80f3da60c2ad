//! Roots and issuers: certificates whose keys sign others.
//!
//! It refuses nobody: a leaf's key signs too, when a case is about who lets that pass.
//! Invariant: a chain is leaf first, and the root is not in it.

use rcgen::{BasicConstraints, CertificateParams, SanType};
use rustls::pki_types::CertificateDer;

use super::crl::{self, Crl, CrlWish};
use super::leaf::{self, Leaf, LeafWish};
use super::{AuthorityError, Curve, Key, Life, blank, make_signing};

/// A key that signs, and the certificate that says whose it is.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) params: CertificateParams,
    pub(super) key: Key,
    certificate: CertificateDer<'static>,
    /// What a leaf of its needs after itself: its own certificate and those above it, but no root.
    above: Vec<CertificateDer<'static>>,
}

/// What an issuer should be.
#[derive(Clone, Debug)]
pub struct IssuerWish {
    /// Its name; give each a name of its own, since lists are found by it.
    pub name: String,
    /// From when until when it is valid.
    pub life: Life,
    /// SPIFFE IDs and other URIs in it, for the cases in which it calls.
    pub uris: Vec<String>,
    /// DNS names in it, likewise.
    pub dns: Vec<String>,
}

impl Issuer {
    /// A leaf as wished, signed by it.
    ///
    /// # Errors
    /// When a name is none, or it cannot be made.
    pub fn leaf(&self, wish: &LeafWish) -> Result<Leaf, AuthorityError> {
        leaf::sign(self, wish)
    }

    /// A further issuer below it.
    ///
    /// # Errors
    /// When a name is none, or it cannot be made.
    pub fn issuer(&self, wish: &IssuerWish) -> Result<Self, AuthorityError> {
        let mut params = blank(&wish.name, wish.life)?;
        make_signing(&mut params, BasicConstraints::Unconstrained);
        params.subject_alt_names = leaf::names(&wish.uris, &wish.dns, &[])?;
        let key = Key::new(Curve::P256)?;
        let certificate = params.signed_by(key.pair(), &self.signer())?;
        Ok(self.below(params, key, certificate.into()))
    }

    /// A revocation list of its.
    ///
    /// # Errors
    /// When it would end before it begins.
    pub fn crl(&self, wish: &CrlWish) -> Result<Crl, AuthorityError> {
        crl::sign(self, wish)
    }

    /// Its certificate.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// What a leaf of its needs after itself.
    pub fn above(&self) -> &[CertificateDer<'static>] {
        &self.above
    }

    /// Itself as whoever presents it in a handshake would: `issuer-as-caller`.
    pub fn as_leaf(&self) -> Leaf {
        Leaf::of(&self.params, self.key.clone(), self.above.clone())
    }

    /// A leaf as whoever signs with its key would: `leaf-signs-leaf`.
    pub fn of_leaf(leaf: &Leaf) -> Self {
        let mut params = leaf.params().clone();
        // What its certificate allows it is no matter to whoever has the key.
        params.key_usages = Vec::new();
        Self {
            params,
            key: leaf.key.clone(),
            certificate: leaf.chain_der[0].clone(),
            above: leaf.chain_der.clone(),
        }
    }

    pub(super) fn signer(&self) -> rcgen::Issuer<'_, &rcgen::KeyPair> {
        rcgen::Issuer::from_params(&self.params, self.key.pair())
    }

    fn below(
        &self,
        params: CertificateParams,
        key: Key,
        certificate: CertificateDer<'static>,
    ) -> Self {
        let mut above = vec![certificate.clone()];
        above.extend(self.above.iter().cloned());
        Self {
            params,
            key,
            certificate,
            above,
        }
    }
}

/// A root: what a target trusts.
#[derive(Clone, Debug)]
pub struct Root(Issuer);

impl Root {
    pub(super) fn new(name: &str, life: Life) -> Result<Self, AuthorityError> {
        let mut params = blank(name, life)?;
        make_signing(&mut params, BasicConstraints::Unconstrained);
        params.subject_alt_names = Vec::<SanType>::new();
        let key = Key::new(Curve::P256)?;
        let certificate = params.self_signed(key.pair())?.into();
        Ok(Self(Issuer {
            params,
            key,
            certificate,
            above: Vec::new(),
        }))
    }

    /// An issuer below it of that name, with the root's own life.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn issuer(&self, name: &str) -> Result<Issuer, AuthorityError> {
        let life = Life::new(self.0.params.not_before, self.0.params.not_after);
        self.issuer_as(&IssuerWish {
            name: name.to_owned(),
            life,
            uris: Vec::new(),
            dns: Vec::new(),
        })
    }

    /// An issuer below it, as wished.
    ///
    /// # Errors
    /// When a name is none, or it cannot be made.
    pub fn issuer_as(&self, wish: &IssuerWish) -> Result<Issuer, AuthorityError> {
        self.0.issuer(wish)
    }

    /// Its certificate: what goes into `trust`.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        self.0.certificate()
    }

    /// A revocation list of its. Many targets want one of every signer of a chain.
    ///
    /// # Errors
    /// When it would end before it begins.
    pub fn crl(&self, wish: &CrlWish) -> Result<Crl, AuthorityError> {
        self.0.crl(wish)
    }

    /// Itself as the signer of leaves, with no issuer between.
    pub const fn as_issuer(&self) -> &Issuer {
        &self.0
    }
}
