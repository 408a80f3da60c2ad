//! Root and issuer: the two keys that stand behind every leaf.
//!
//! A root signs issuers and is not needed to issue; an issuer signs leaves and decides every field
//! of them. Each takes back what it signed by a list of its own. Neither keeps records: see
//! [`crate::issue`]. Invariant: no leaf outlives its issuer.

use std::fmt;

use rustls::pki_types::CertificateDer;

use crate::clock::Time;
use crate::crl::{self, RevokedLeaf};
use crate::csr::Request;
use crate::dns::DnsNames;
use crate::error::{CaError, IssueRefusal};
use crate::identity::{LeafFacts, SpiffeId, TrustDomain};
use crate::keys::{Keys, Pkcs8};
use crate::p256::P256;
use crate::profile::{self, Validity};
use crate::svid::{self, sha256};

/// The root of a trust domain, with its key.
pub struct Root {
    trust_domain: TrustDomain,
    generation: u64,
    validity: Validity,
    signer: rcgen::Issuer<'static, P256>,
    key: Pkcs8,
    certificate: CertificateDer<'static>,
}

impl Root {
    /// Makes a root that signs itself.
    ///
    /// # Errors
    /// When there is no randomness, or a time is out of a certificate's range.
    pub fn create(
        keys: &dyn Keys,
        trust_domain: &TrustDomain,
        generation: u64,
        validity: Validity,
    ) -> Result<Self, CaError> {
        let key = keys.p256()?;
        let signer = P256::from_pkcs8(&key)?;
        let params = profile::root(trust_domain, generation, &validity)?;
        let certificate = params.self_signed(&signer).map_err(CaError::encoding)?;
        Ok(Self {
            trust_domain: trust_domain.clone(),
            generation,
            validity,
            signer: rcgen::Issuer::new(params, signer),
            key,
            certificate: certificate.into(),
        })
    }

    /// A root from its parts, as [`Root::create`] made them.
    ///
    /// # Errors
    /// When the key is no P-256 key, or not the certificate's.
    pub fn new(
        trust_domain: &TrustDomain,
        generation: u64,
        validity: Validity,
        key: Pkcs8,
        certificate: CertificateDer<'static>,
    ) -> Result<Self, CaError> {
        let signer = P256::from_pkcs8(&key)?;
        if svid::public_key(&certificate).as_deref() != Some(signer.public()) {
            return Err(CaError::damaged("the root's key is not its certificate's"));
        }
        // As with an issuer, subject and key identifier follow from the generation.
        let params = profile::root(trust_domain, generation, &validity)?;
        Ok(Self {
            trust_domain: trust_domain.clone(),
            generation,
            validity,
            signer: rcgen::Issuer::new(params, signer),
            key,
            certificate,
        })
    }

    /// Vouches for the root that comes after this one: whoever trusts this one alone finds a path
    /// through this certificate. It lives inside the validity of both.
    ///
    /// # Errors
    /// When there is no randomness, or a time is out of a certificate's range.
    pub fn cross_sign(&self, next: &Self) -> Result<CertificateDer<'static>, CaError> {
        let validity = next.validity.inside(&self.validity);
        let params = profile::cross(&next.trust_domain, next.generation, &validity)?;
        let certificate = params.signed_by(next.signer.key(), &self.signer);
        Ok(certificate.map_err(CaError::encoding)?.into())
    }

    /// Makes an issuer of this root. It lives inside the root's validity.
    ///
    /// # Errors
    /// When there is no randomness, or a time is out of a certificate's range.
    pub fn sign_issuer(
        &self,
        keys: &dyn Keys,
        generation: u64,
        validity: Validity,
    ) -> Result<Issuer, CaError> {
        let validity = validity.inside(&self.validity);
        let key = keys.p256()?;
        let public = P256::from_pkcs8(&key)?;
        let params = profile::issuer(&self.trust_domain, generation, &validity)?;
        let certificate = params
            .signed_by(&public, &self.signer)
            .map_err(CaError::encoding)?;
        Issuer::new(
            &self.trust_domain,
            generation,
            validity,
            key,
            certificate.into(),
        )
    }

    /// Signs the list of the issuers of this root that are revoked. `number` must rise with every
    /// list of this root.
    ///
    /// # Errors
    /// When it would end before it begins, a serial is none or stands twice, a time is out of a
    /// certificate's range, or the whole is over [`crl::MAX_CRL`] bytes.
    pub fn sign_crl(
        &self,
        number: u64,
        revoked: &[RevokedLeaf],
        this_update: Time,
        next_update: Time,
    ) -> Result<Vec<u8>, CaError> {
        crl::sign(&self.signer, number, revoked, this_update, next_update)
    }

    /// Its private key, to be kept apart from the issuer's.
    pub const fn key(&self) -> &Pkcs8 {
        &self.key
    }

    /// What verifiers are given.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

/// What signs leaves.
pub struct Issuer {
    trust_domain: TrustDomain,
    generation: u64,
    validity: Validity,
    signer: rcgen::Issuer<'static, P256>,
    key: Pkcs8,
    certificate: CertificateDer<'static>,
}

/// One certificate, fresh from the issuer.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The leaf, then the issuer; the root is left out.
    pub chain: Vec<CertificateDer<'static>>,
    /// What the leaf says.
    pub facts: LeafFacts,
    /// The DNS names that it carries beside.
    pub dns_names: DnsNames,
    /// SHA-256 of the certified public point.
    pub key_sha256: [u8; 32],
    /// SHA-256 of the request's DER.
    pub csr_sha256: [u8; 32],
}

impl Issuer {
    /// An issuer from its parts, as [`Root::sign_issuer`] made them.
    ///
    /// # Errors
    /// When the key is no P-256 key, or not the certificate's.
    pub fn new(
        trust_domain: &TrustDomain,
        generation: u64,
        validity: Validity,
        key: Pkcs8,
        certificate: CertificateDer<'static>,
    ) -> Result<Self, CaError> {
        let pair = P256::from_pkcs8(&key)?;
        if svid::public_key(&certificate).as_deref() != Some(pair.public()) {
            return Err(CaError::damaged(
                "the issuer's key is not its certificate's",
            ));
        }
        // Only subject and key identifier of these matter, and both follow from the generation.
        let params = profile::issuer(trust_domain, generation, &validity)?;
        let signer = rcgen::Issuer::new(params, pair);
        Ok(Self {
            trust_domain: trust_domain.clone(),
            generation,
            validity,
            signer,
            key,
            certificate,
        })
    }

    /// Issues a leaf for `id` to whoever made the request. `validity` is cut to the issuer's.
    ///
    /// # Errors
    /// Refuses a request that is broken or forged; or as [`Self::issue_named`].
    pub fn issue(
        &self,
        csr: &[u8],
        id: &SpiffeId,
        validity: Validity,
        now: Time,
    ) -> Result<Issued, CaError> {
        let request = Request::read(csr)?;
        self.issue_named(&request, id, &DnsNames::default(), validity, now)
    }

    /// As [`Self::issue`], with DNS names beside the SPIFFE ID.
    ///
    /// # Errors
    /// Refuses a request that asks for anything but this leaf; an `id` of another trust domain; and
    /// everything once the issuer has expired at `now`.
    pub fn issue_named(
        &self,
        request: &Request,
        id: &SpiffeId,
        dns_names: &DnsNames,
        validity: Validity,
        now: Time,
    ) -> Result<Issued, CaError> {
        if id.trust_domain() != &self.trust_domain || id.is_root() {
            return Err(IssueRefusal::NameForeign(id.clone()).into());
        }
        if now >= self.validity.not_after() {
            return Err(IssueRefusal::IssuerExpired(self.validity.not_after()).into());
        }
        request.fits(id)?;
        let params = profile::leaf(id, dns_names, &validity.inside(&self.validity))?;
        let leaf: CertificateDer<'static> = params
            .signed_by(&request.key, &self.signer)
            .map_err(CaError::encoding)?
            .into();
        Ok(Issued {
            facts: LeafFacts::from_der(&leaf)?,
            chain: vec![leaf, self.certificate.clone()],
            dns_names: dns_names.clone(),
            key_sha256: sha256(request.key.as_bytes()),
            csr_sha256: request.sha256,
        })
    }

    /// Signs the list of its leaves that are revoked. `number` must rise with every list of this
    /// issuer.
    ///
    /// # Errors
    /// As for [`Root::sign_crl`].
    pub fn sign_crl(
        &self,
        number: u64,
        revoked: &[RevokedLeaf],
        this_update: Time,
        next_update: Time,
    ) -> Result<Vec<u8>, CaError> {
        crl::sign(&self.signer, number, revoked, this_update, next_update)
    }

    /// The same once more, from its parts.
    pub(crate) fn copied(&self) -> Result<Self, CaError> {
        Self::new(
            &self.trust_domain,
            self.generation,
            self.validity,
            self.key.clone(),
            self.certificate.clone(),
        )
    }

    /// Which issuer of its trust domain this is.
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The validity of its own certificate.
    pub const fn validity(&self) -> &Validity {
        &self.validity
    }

    /// Its private key.
    pub const fn key(&self) -> &Pkcs8 {
        &self.key
    }

    /// Its certificate, which leaves are sent with.
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }
}

// By hand, since a key would print itself.
impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Root")
            .field("trust_domain", &self.trust_domain)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("trust_domain", &self.trust_domain)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}
