//! Who the drill says it is: a chain with its key, a chain with another's key, or nobody.
//!
//! Whatever is given is shown, also if the server hints at other issuers or the chain is
//! nonsense: the server is to refuse it, and a client that holds it back would prove nothing.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

use super::Flaw;

/// A caller's identity.
pub struct Identity(Option<Shown>);

struct Shown {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    /// This chain, signed for with this key: whether they match is not asked.
    pub const fn of(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Self {
        Self(Some(Shown { chain, key }))
    }

    /// No certificate.
    pub const fn nobody() -> Self {
        Self(None)
    }

    /// What the TLS library asks for.
    pub(super) fn resolver(&self) -> Result<Arc<dyn ResolvesClientCert>, Flaw> {
        let Some(shown) = &self.0 else {
            return Ok(Arc::new(Fixed(None)));
        };
        let key = any_supported_type(&shown.key).map_err(Flaw::Key)?;
        let certified = CertifiedKey::new(shown.chain.clone(), key);
        Ok(Arc::new(Fixed(Some(Arc::new(certified)))))
    }
}

impl Clone for Identity {
    fn clone(&self) -> Self {
        Self(self.0.as_ref().map(|shown| Shown {
            chain: shown.chain.clone(),
            key: shown.key.clone_key(),
        }))
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Some(shown) => write!(f, "Identity({} certificates)", shown.chain.len()),
            None => f.write_str("Identity(nobody)"),
        }
    }
}

#[derive(Debug)]
struct Fixed(Option<Arc<CertifiedKey>>);

impl ResolvesClientCert for Fixed {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.clone()
    }

    fn has_certs(&self) -> bool {
        self.0.is_some()
    }
}
