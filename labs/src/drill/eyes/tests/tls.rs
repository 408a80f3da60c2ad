//! The TLS of the small service: a root and its leaves, and a verifier that can be turned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};

use super::host::Manner;
use crate::drill::eyes::{Identity, Versions};

/// A root, and what it signs.
pub(in crate::drill) struct Root {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

pub(in crate::drill) struct Leaf {
    pub(in crate::drill) chain: Vec<CertificateDer<'static>>,
    pub(in crate::drill) key: PrivateKeyDer<'static>,
}

impl Root {
    pub(in crate::drill) fn new(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        Self {
            issuer,
            certificate,
        }
    }

    pub(in crate::drill) fn leaf(&self) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Leaf {
            chain: vec![certificate.der().clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    pub(in crate::drill) fn caller(&self) -> Identity {
        let leaf = self.leaf();
        Identity::of(leaf.chain, leaf.key)
    }
}

/// Refuses everybody once it is told to.
#[derive(Debug)]
struct Turning {
    inner: Arc<dyn ClientCertVerifier>,
    turned: Arc<AtomicBool>,
}

impl ClientCertVerifier for Turning {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        more: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if self.turned.load(Ordering::Acquire) {
            return Err(CertificateError::Revoked.into());
        }
        self.inner.verify_client_cert(leaf, more, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, leaf, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, leaf, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

pub(super) fn settings(
    root: &Root,
    leaf: Leaf,
    manner: Manner,
    turned: &Arc<AtomicBool>,
) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(root.certificate.clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone());
    let versions: &[_] = match manner.versions {
        Versions::Any => &[&TLS13, &TLS12],
        Versions::Only12 => &[&TLS12],
        Versions::Only13 => &[&TLS13],
    };
    let key = if manner.mixed {
        root.leaf().key
    } else {
        leaf.key
    };
    let shown = CertifiedKey::new(leaf.chain, any_supported_type(&key).unwrap());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_client_cert_verifier(Arc::new(Turning {
            inner: verifier.build().unwrap(),
            turned: Arc::clone(turned),
        }))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(shown)));
    if !manner.sessions {
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
    }
    config.alpn_protocols = manner
        .protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();
    config
}
