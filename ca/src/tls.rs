//! TLS 1.3 between nodes: who is on the other end, by SPIFFE ID, under its own trust domain.
//!
//! One configuration is built for each connection from the credential of that moment, so trust,
//! key and certificate never change inside a verifier that rustls has seen. Resumption is off on
//! both sides: a resumed handshake calls no verifier, so it would undo rotation and revocation
//! (CVE-2025-23419, CVE-2025-68121; rustls documents the same of itself). Only [`danger`] has it.

pub mod danger;

use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    SignatureScheme,
};

use crate::chain::{InvalidChain, verify_chain};
use crate::clock::{Clock, RustlsTime};
use crate::credential::Credential;
use crate::identity::{LeafFacts, SpiffeId, Untimely};
use crate::trusted::Trusted;

/// The one protocol spoken between nodes: HTTP/2.
pub(crate) const H2: &[u8] = b"h2";
/// What strangers may speak beside it.
pub(crate) const HTTP_1_1: &[u8] = b"http/1.1";

/// How a node judges the other end of a connection.
#[derive(Debug)]
struct PeerVerifier {
    trust: Trust,
    /// What was believed when the connection began.
    trusted: Arc<Trusted>,
    /// Who it must be; none: anyone of a known trust domain.
    expected: Option<SpiffeId>,
    /// True if a peer may show no certificate at all.
    anonymous: bool,
    algorithms: WebPkiSupportedAlgorithms,
}

impl PeerVerifier {
    fn judge(&self, leaf: &CertificateDer<'_>, rest: &[CertificateDer<'_>]) -> Result<(), Error> {
        let mut chain = vec![leaf.clone()];
        chain.extend_from_slice(rest);
        let facts = self
            .trust
            .judge(&chain, &self.trusted)
            .map_err(|invalid| Error::InvalidCertificate(alert(&invalid)))?;
        match &self.expected {
            Some(expected) if *expected != facts.spiffe_id => {
                Err(Error::InvalidCertificate(CertificateError::NotValidForName))
            }
            _ => Ok(()),
        }
    }

    fn signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, leaf, signed, &self.algorithms)
    }
}

/// What the other end learns of a refused chain.
const fn alert(invalid: &InvalidChain) -> CertificateError {
    match invalid {
        InvalidChain::Untimely(Untimely::Expired { .. }) => CertificateError::Expired,
        InvalidChain::Untimely(Untimely::NotYetValid { .. }) => CertificateError::NotValidYet,
        InvalidChain::Svid(_) | InvalidChain::Empty | InvalidChain::TooLong(_) => {
            CertificateError::BadEncoding
        }
        InvalidChain::TrustDomainUnknown(_)
        | InvalidChain::Distrusted(_)
        | InvalidChain::Untrusted(_) => CertificateError::UnknownIssuer,
        InvalidChain::Revoked(_) => CertificateError::Revoked,
        InvalidChain::RevocationUnknown => CertificateError::UnknownRevocationStatus,
        InvalidChain::RevocationStale { .. } => CertificateError::ExpiredRevocationList,
    }
}

impl ClientCertVerifier for PeerVerifier {
    fn client_auth_mandatory(&self) -> bool {
        !self.anonymous
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // Hints go stale with the bundle and make clients pick a wrong certificate.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(leaf, rest)
            .map(|()| ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl ServerCertVerifier for PeerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        rest: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.judge(leaf, rest)
            .map(|()| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken here".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// How a node judges chains. What it judges them by is [`Trusted`], which changes.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The node's clock.
    pub clock: Arc<dyn Clock>,
    /// How far past its ends a leaf still counts, and a revocation list past its next update.
    pub tolerance: Duration,
}

impl Trust {
    /// Judges a chain, leaf first, now and by these beliefs.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn judge(
        &self,
        chain: &[CertificateDer<'_>],
        trusted: &Trusted,
    ) -> Result<LeafFacts, InvalidChain> {
        let Trusted {
            bundles,
            revocation,
            ..
        } = trusted;
        verify_chain(chain, bundles, revocation, self.clock.now(), self.tolerance)
    }

    fn verifier(
        &self,
        trusted: &Arc<Trusted>,
        expected: Option<SpiffeId>,
        anonymous: bool,
    ) -> Arc<PeerVerifier> {
        Arc::new(PeerVerifier {
            trust: self.clone(),
            trusted: Arc::clone(trusted),
            expected,
            anonymous,
            algorithms: provider().signature_verification_algorithms,
        })
    }

    /// The accepting end. `anonymous` admits a peer without a certificate, for first identities.
    ///
    /// # Errors
    /// When the credential's key is not one that rustls takes.
    pub fn acceptor(
        &self,
        own: &Credential,
        trusted: &Arc<Trusted>,
        anonymous: bool,
    ) -> Result<Arc<ServerConfig>, Error> {
        let time = Arc::new(RustlsTime(Arc::clone(&self.clock)));
        let mut config = ServerConfig::builder_with_details(provider(), time)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(self.verifier(trusted, None, anonymous))
            .with_single_cert(own.chain.clone(), key(own))?;
        config.alpn_protocols = vec![H2.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// The accepting end that asks nobody who it is, and shows this node's own leaf.
    ///
    /// # Errors
    /// When the credential's key is not one that rustls takes.
    pub fn public_acceptor_as(&self, own: &Credential) -> Result<Arc<ServerConfig>, Error> {
        self.public_acceptor(own.chain.clone(), key(own))
    }

    /// The accepting end that asks nobody who it is, and shows this chain, leaf first.
    ///
    /// # Errors
    /// When the key is not the leaf's, or not one that rustls takes.
    pub fn public_acceptor(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Arc<ServerConfig>, Error> {
        let time = Arc::new(RustlsTime(Arc::clone(&self.clock)));
        let mut config = ServerConfig::builder_with_details(provider(), time)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![H2.to_vec(), HTTP_1_1.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    /// The dialling end that knows the other by its host name, under these public CAs.
    ///
    /// # Errors
    /// When rustls does not take it.
    pub fn web_connector(&self, roots: Arc<RootCertStore>) -> Result<Arc<ClientConfig>, Error> {
        let time = Arc::new(RustlsTime(Arc::clone(&self.clock)));
        let mut config = ClientConfig::builder_with_details(provider(), time)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Arc::new(config))
    }

    /// The dialling end, which talks to `expected` alone.
    ///
    /// # Errors
    /// When the credential's key is not one that rustls takes.
    pub fn connector(
        &self,
        own: Option<&Credential>,
        trusted: &Arc<Trusted>,
        expected: SpiffeId,
    ) -> Result<Arc<ClientConfig>, Error> {
        let time = Arc::new(RustlsTime(Arc::clone(&self.clock)));
        let builder = ClientConfig::builder_with_details(provider(), time)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(self.verifier(trusted, Some(expected), false));
        let mut config = match own {
            Some(own) => builder.with_client_auth_cert(own.chain.clone(), key(own))?,
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![H2.to_vec()];
        config.resumption = Resumption::disabled();
        config.enable_sni = false;
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn key(own: &Credential) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(own.key.to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Time;

    #[test]
    fn each_refusal_of_revocation_is_told_apart() {
        let next_update = Time::from_secs(1);
        for (invalid, told) in [
            (
                InvalidChain::Revoked("05".to_owned()),
                CertificateError::Revoked,
            ),
            (
                InvalidChain::RevocationUnknown,
                CertificateError::UnknownRevocationStatus,
            ),
            (
                InvalidChain::RevocationStale { next_update },
                CertificateError::ExpiredRevocationList,
            ),
        ] {
            assert_eq!(alert(&invalid), told, "{invalid}");
        }
    }
}
