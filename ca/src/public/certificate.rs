//! The certificate that is shown to strangers: the CA's own leaf (the profile `https_spiffe`), or
//! one of a public CA (`https_web`).
//!
//! Each handshake takes the one of that moment, so either may be replaced while it is being shown.
//! Invariant: a [`WebCertificate`] was fit to be shown when it was read: its key is its own.

use std::fmt;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ServerConfig;
use tokio::sync::watch;

use crate::agent::Published;
use crate::tls::Trust;

/// Most certificates that a chain of a public CA may have.
const MAX_CHAIN: usize = 10;

/// What is shown, as it changes.
#[derive(Clone)]
pub enum Certificate {
    /// The node's own leaf: whoever holds the bundle knows it by its SPIFFE ID.
    Own(watch::Receiver<Option<Arc<Published>>>),
    /// A certificate of a public CA: whoever goes by host names knows it.
    Web(watch::Receiver<Arc<WebCertificate>>),
}

impl Certificate {
    /// The accepting end with the certificate of this moment, if there is one.
    pub(super) fn acceptor(&self, trust: &Trust) -> Option<Arc<ServerConfig>> {
        match self {
            Self::Own(identity) => {
                let own = identity.borrow().clone()?;
                trust.public_acceptor_as(&own.credential).ok()
            }
            Self::Web(web) => {
                let web = Arc::clone(&web.borrow());
                let acceptor = trust.public_acceptor(web.chain.clone(), web.key.clone_key());
                acceptor.ok()
            }
        }
    }
}

/// A certificate of a public CA, with the chain that leads to it.
pub struct WebCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

/// Why files make no [`WebCertificate`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWebCertificate {
    /// No certificates in the one.
    #[error("there is no certificate in PEM, or more than {MAX_CHAIN}")]
    Certificates,
    /// No key in the other.
    #[error("there is no private key in PEM")]
    Key,
    /// They do not fit each other, or are not of a kind that is shown.
    #[error("certificate and key do not fit: {0}")]
    Unfit(String),
}

impl WebCertificate {
    /// Reads a chain, leaf first, and the leaf's private key, both in PEM.
    ///
    /// # Errors
    /// When either is missing, or they do not belong together.
    pub fn read(chain: &[u8], key: &[u8], trust: &Trust) -> Result<Self, InvalidWebCertificate> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain)
            .take(MAX_CHAIN + 1)
            .collect();
        let chain = chain.map_err(|_| InvalidWebCertificate::Certificates)?;
        if !(1..=MAX_CHAIN).contains(&chain.len()) {
            return Err(InvalidWebCertificate::Certificates);
        }
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| InvalidWebCertificate::Key)?;
        let read = Self { chain, key };
        let shown = trust.public_acceptor(read.chain.clone(), read.key.clone_key());
        shown.map_err(|error| InvalidWebCertificate::Unfit(error.to_string()))?;
        Ok(read)
    }
}

impl PartialEq for WebCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.secret_der() == other.key.secret_der()
    }
}

impl fmt::Debug for WebCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebCertificate").finish_non_exhaustive()
    }
}
