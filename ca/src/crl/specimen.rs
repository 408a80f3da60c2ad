//! A trust domain with two generations of issuers, for the tests: it signs leaves and lists.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::{Crl, Crls, RevocationReason, RevokedLeaf};
use crate::authority::{Issuer, Root};
use crate::bundle::{Bundle, Bundles};
use crate::clock::Time;
use crate::csr;
use crate::identity::{LeafFacts, SpiffeId, TrustDomain};
use crate::keys::{Keys, RingKeys};
use crate::profile::Validity;
use crate::svid;

pub(crate) const NOW: Time = Time::from_secs(1_800_000_000);
pub(crate) const HOUR: Duration = Duration::from_secs(3_600);

/// The day around [`NOW`].
pub(crate) fn day() -> Validity {
    Validity::lasting(NOW - HOUR, HOUR * 24)
}

pub(crate) struct Clinic {
    pub(crate) domain: TrustDomain,
    pub(crate) root: Root,
    pub(crate) issuer: Issuer,
    pub(crate) next: Issuer,
}

/// A leaf, its chain, and what it says.
pub(crate) type Leaf = (Vec<CertificateDer<'static>>, LeafFacts);

impl Clinic {
    pub(crate) fn new(domain: &str) -> Self {
        let domain = TrustDomain::new(domain).unwrap();
        let root = Root::create(&RingKeys, &domain, 1, day()).unwrap();
        let issuer = |generation| root.sign_issuer(&RingKeys, generation, day()).unwrap();
        Self {
            issuer: issuer(1),
            next: issuer(2),
            domain,
            root,
        }
    }

    pub(crate) fn bundle(&self) -> Bundle {
        Bundle {
            trust_domain: self.domain.clone(),
            generation: 1,
            roots: vec![self.root.certificate().clone()],
        }
    }

    pub(crate) fn bundles(&self) -> Bundles {
        Bundles::from(self.bundle())
    }

    /// A leaf of the first issuer.
    pub(crate) fn leaf(&self) -> Leaf {
        self.leaf_of(&self.issuer)
    }

    pub(crate) fn leaf_of(&self, issuer: &Issuer) -> Leaf {
        let request = csr::request(&RingKeys.p256().unwrap()).unwrap();
        let id = SpiffeId::new(&self.domain, "/north/sts").unwrap();
        let validity = Validity::lasting(NOW, HOUR * 2);
        let issued = issuer.issue(&request, &id, validity, NOW).unwrap();
        (issued.chain, issued.facts)
    }

    /// The first issuer's list of that number, for the next hour.
    pub(crate) fn list(&self, number: u64, serials: &[&[u8]]) -> Crl {
        let next_update = NOW + HOUR;
        let der = self
            .issuer
            .sign_crl(number, &all(serials), NOW, next_update);
        Crl::parse(&der.unwrap()).unwrap()
    }

    /// The root's list of that number, for the next hour.
    pub(crate) fn root_list(&self, number: u64, serials: &[&[u8]]) -> Crl {
        let der = self.root.sign_crl(number, &all(serials), NOW, NOW + HOUR);
        Crl::parse(&der.unwrap()).unwrap()
    }

    /// What leads from the first issuer's list to the root.
    pub(crate) fn signers(&self) -> [CertificateDer<'static>; 1] {
        [self.issuer.certificate().clone()]
    }

    /// The first issuer's list and the root's, as they are given.
    pub(crate) fn lists(&self, revoked: &[&[u8]], revoked_issuers: &[&[u8]]) -> Crls {
        let (mut crls, bundle) = (Crls::new(), self.bundle());
        let root_list = self.root_list(1, revoked_issuers);
        crls.accept(self.list(1, revoked), &self.signers(), &bundle)
            .unwrap();
        crls.accept(root_list, &[], &bundle).unwrap();
        crls
    }
}

/// Each revoked now, by somebody who has its key.
pub(crate) fn all(serials: &[&[u8]]) -> Vec<RevokedLeaf> {
    let revoked = serials.iter().map(|serial| RevokedLeaf {
        serial: serial.to_vec(),
        at: NOW,
        reason: RevocationReason::KeyCompromise,
    });
    revoked.collect()
}

/// The serial of any certificate.
pub(crate) fn serial(certificate: &CertificateDer<'_>) -> Vec<u8> {
    svid::issuer_and_serial(certificate).unwrap().1
}
