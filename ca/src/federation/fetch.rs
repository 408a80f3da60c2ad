//! One look at another domain's bundle endpoint.
//!
//! Under `https_spiffe` its server is known by SPIFFE ID and by the bundle that is held of that
//! ID's domain, and by nothing else; under `https_web` by its host name and the public CAs that an
//! operator named. Redirects are not followed. Invariant: nothing is read of a server before it is
//! known, and never more than a bundle is long.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, HOST};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::client::ClientConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{RootCertStore, pki_types};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::endpoint::{Endpoint, Profile};
use crate::bundle::Bundle;
use crate::bundle_json::{Document, InvalidDocument, MAX_DOCUMENT};
use crate::identity::TrustDomain;
use crate::seams::Seams;
use crate::tls::{HTTP_1_1, Trust};
use crate::trusted::Trusted;

/// How long a look may take.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// Bytes of the answer's head.
const MAX_HEAD: usize = 32 * 1024;

/// A look to be taken.
#[derive(Clone, Debug)]
pub struct Errand {
    /// Whose bundle is to be fetched.
    pub trust_domain: TrustDomain,
    /// Where.
    pub endpoint: Endpoint,
    /// What is held of the domain of the server's own name, under `https_spiffe`.
    pub anchors: Option<Bundle>,
    /// How many orders had been given when it was set out on.
    pub orders: u64,
}

/// The public CAs by which host names are known.
#[derive(Clone, Debug)]
pub struct WebRoots(Arc<RootCertStore>);

impl WebRoots {
    /// Reads their certificates in PEM; nothing if there is none that counts.
    pub fn read(pem: &[u8]) -> Option<Self> {
        let certificates = CertificateDer::pem_slice_iter(pem);
        let certificates: Result<Vec<_>, pki_types::pem::Error> = certificates.collect();
        let mut store = RootCertStore::empty();
        let (added, _) = store.add_parsable_certificates(certificates.ok()?);
        (added > 0).then(|| Self(Arc::new(store)))
    }
}

/// Why there is no bundle from an endpoint.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Nobody said which public CAs count.
    #[error("no public CAs are named by which `https_web` could know a server: `--web-roots`")]
    NoWebRoots,
    /// Nothing is held that could bear out the server's name.
    #[error("no bundle is held by which the endpoint's name could be known")]
    NoAnchors,
    /// It took too long.
    #[error("no answer within {} s", DEADLINE.as_secs())]
    Deadline,
    /// It was not reached, or is not whom it should be.
    #[error("no connection: {0}")]
    Unreachable(std::io::Error),
    /// The connection broke, or what came is no HTTP.
    #[error("no answer: {0}")]
    Broken(String),
    /// Another answer than a bundle.
    #[error("the answer is {0}, and redirects are not followed")]
    Status(StatusCode),
    /// What came is no bundle.
    #[error(transparent)]
    Document(#[from] InvalidDocument),
}

/// Takes a look.
///
/// # Errors
/// When the endpoint is not reached, is not known, or answers with no bundle.
pub async fn fetch(
    seams: &Seams,
    trust: &Trust,
    errand: &Errand,
    web: Option<&WebRoots>,
) -> Result<Document, FetchError> {
    tokio::select! {
        biased;
        got = look(seams, trust, errand, web) => got,
        () = seams.clock.sleep(DEADLINE) => Err(FetchError::Deadline),
    }
}

async fn look(
    seams: &Seams,
    trust: &Trust,
    errand: &Errand,
    web: Option<&WebRoots>,
) -> Result<Document, FetchError> {
    let (config, url) = (connector(trust, errand, web)?, &errand.endpoint.url);
    let unreachable = FetchError::Unreachable;
    let name = ServerName::try_from(url.to().host.clone());
    let name = name.map_err(|error| unreachable(std::io::Error::other(error)))?;
    let wire = seams.net.dial(url.to()).await.map_err(unreachable)?;
    let stream = TlsConnector::from(config).connect(name, wire).await;
    let io = TokioIo::new(stream.map_err(unreachable)?);
    let broken = |error: hyper::Error| FetchError::Broken(error.to_string());
    let mut http = http1::Builder::new();
    http.max_buf_size(MAX_HEAD);
    let (mut send, connection) = http.handshake(io).await.map_err(broken)?;
    // It ends with this look, however that ends.
    let mut alongside = JoinSet::new();
    alongside.spawn(connection);
    let request = Request::get(url.path())
        .header(HOST, url.to().to_string())
        .header(ACCEPT, "application/json")
        .body(Empty::<Bytes>::new())
        .map_err(|error| FetchError::Broken(error.to_string()))?;
    let answer = send.send_request(request).await.map_err(broken)?;
    if answer.status() != StatusCode::OK {
        return Err(FetchError::Status(answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_DOCUMENT).collect();
    let body = body.await;
    let body = body.map_err(|error| FetchError::Broken(error.to_string()))?;
    Ok(Document::parse(&body.to_bytes())?)
}

fn connector(
    trust: &Trust,
    errand: &Errand,
    web: Option<&WebRoots>,
) -> Result<Arc<ClientConfig>, FetchError> {
    let config = match &errand.endpoint.profile {
        Profile::HttpsSpiffe { id } => {
            let anchors = errand.anchors.clone().ok_or(FetchError::NoAnchors)?;
            trust.connector(None, &Arc::new(Trusted::of(anchors)), id.clone())
        }
        Profile::HttpsWeb => {
            let WebRoots(roots) = web.ok_or(FetchError::NoWebRoots)?;
            trust.web_connector(Arc::clone(roots))
        }
    };
    let config = config.map_err(|error| FetchError::Broken(error.to_string()))?;
    let mut config = (*config).clone();
    config.alpn_protocols = vec![HTTP_1_1.to_vec()];
    // Whoever carries the bytes may go by it; under `https_spiffe` nobody is known by it.
    config.enable_sni = true;
    Ok(Arc::new(config))
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
