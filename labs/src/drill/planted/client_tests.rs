//! Each fault of the planted client, beside the good one, as its upstream sees them.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http::Response;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::crypto::ring::{default_provider, sign::any_supported_type};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme};
use time::Duration as Span;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::Fault;
use super::client::{CALL, ClientSettings, PlantedClient};
use super::sample::*;

/// An upstream: which leaf it shows, and which leaves called it, in order.
struct Upstream {
    shared: Arc<Shared>,
    address: SocketAddr,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    shown: Mutex<Arc<CertifiedKey>>,
    calls: Mutex<Vec<CertificateDer<'static>>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn pair(leaf: &Leaf) -> Arc<CertifiedKey> {
    let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
    Arc::new(CertifiedKey::new(
        leaf.ders(),
        any_supported_type(&key).unwrap(),
    ))
}

impl Upstream {
    async fn start(leaf: &Leaf) -> Self {
        let shared = Arc::new(Shared {
            shown: Mutex::new(pair(leaf)),
            calls: Mutex::default(),
        });
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_client_cert_verifier(shared.clone())
            .with_cert_resolver(shared.clone());
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acceptor.clone(), seen.clone()));
            }
        });
        Self {
            shared,
            address,
            task: task.abort_handle(),
        }
    }

    fn show(&self, leaf: &Leaf) {
        *self.shared.shown.lock().unwrap() = pair(leaf);
    }

    /// Whether these call and nobody else, sooner or later.
    async fn is_called_by(&self, leaves: &[&Leaf]) -> bool {
        let expected: Vec<_> = leaves.iter().map(|leaf| leaf.ders()[0].clone()).collect();
        for _ in 0..6 {
            if self.callers().await == expected {
                return true;
            }
        }
        false
    }

    /// Who calls in a while.
    async fn callers(&self) -> Vec<CertificateDer<'static>> {
        self.shared.calls.lock().unwrap().clear();
        tokio::time::sleep(8 * CALL).await;
        let mut calls = self.shared.calls.lock().unwrap().clone();
        calls.dedup();
        calls
    }
}

async fn serve(stream: tokio::net::TcpStream, acceptor: TlsAcceptor, shared: Arc<Shared>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let leaf = stream.get_ref().1.peer_certificates().unwrap()[0]
        .clone()
        .into_owned();
    let service = service_fn(move |_| {
        shared.calls.lock().unwrap().push(leaf.clone());
        async { Ok::<_, Infallible>(Response::new("ok".to_owned())) }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    let _: Result<(), _> = connection
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

impl ResolvesServerCert for Shared {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.shown.lock().unwrap().clone())
    }
}

impl ClientCertVerifier for Shared {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.3 alone is spoken")
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = default_provider().signature_verification_algorithms;
        known.supported_schemes()
    }
}

/// A client, its files and its upstream.
struct Shop {
    dir: tempfile::TempDir,
    root: Root,
    upstream: Upstream,
    _client: PlantedClient,
}

impl Shop {
    async fn open(fault: Fault) -> Self {
        let (dir, root) = (tempfile::tempdir().unwrap(), root("first"));
        let upstream = Upstream::start(&root.leaf()).await;
        let leaf = root.leaf();
        fs::write(dir.path().join("key.pem"), leaf.key.serialize_pem()).unwrap();
        fs::write(dir.path().join("chain.pem"), &leaf.chain).unwrap();
        fs::write(dir.path().join("trust.pem"), &root.pem).unwrap();
        let settings = ClientSettings {
            files: files(&dir),
            upstream: upstream.address,
            name: "localhost".to_owned(),
        };
        let client = PlantedClient::start(fault, settings).unwrap();
        assert!(
            upstream.is_called_by(&[&leaf]).await,
            "the control, {fault}"
        );
        Self {
            dir,
            root,
            upstream,
            _client: client,
        }
    }

    fn put(&self, name: &str, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.dir.path().join(name)).unwrap();
    }

    fn swap_leaf(&self, leaf: &Leaf) {
        self.put("chain.pem", &leaf.chain);
        self.put("key.pem", &leaf.key.serialize_pem());
    }
}

/// What a client of each fault does; all of them at once.
async fn each<F>(faults: &[Fault], tried: fn(Fault) -> F) -> Vec<bool>
where
    F: Future<Output = bool> + Send + 'static,
{
    let tried: Vec<_> = faults
        .iter()
        .map(|&fault| tokio::spawn(tried(fault)))
        .collect();
    let mut did = Vec::new();
    for one in tried {
        did.push(one.await.unwrap());
    }
    did
}

#[tokio::test]
async fn the_new_leaf_is_shown_also_where_a_connection_was_open() {
    let faults = [
        Fault::None,
        Fault::ClientPresentsNewLeaf,
        Fault::ClientPoolKeepsOldLeaf,
    ];
    let shows_the_new = each(&faults, |fault| async move {
        let shop = Shop::open(fault).await;
        let leaf = shop.root.leaf();
        shop.swap_leaf(&leaf);
        shop.upstream.is_called_by(&[&leaf]).await
    });
    assert_eq!(shows_the_new.await, [true, false, false]);
}

#[tokio::test]
async fn an_upstream_under_a_removed_root_is_called_no_more() {
    let faults = [Fault::None, Fault::ClientRefusesRemovedRoot];
    let stops = each(&faults, |fault| async move {
        let shop = Shop::open(fault).await;
        shop.put("trust.pem", &root("second").pem);
        shop.upstream.is_called_by(&[]).await
    });
    assert_eq!(stops.await, [true, false]);
}

/// Whether a client does not call an upstream that now shows such a leaf.
async fn refuses(fault: Fault, wish: rcgen::CertificateParams) -> bool {
    let shop = Shop::open(fault).await;
    shop.upstream.show(&shop.root.sign(wish));
    // A new leaf of its own makes the client open a new connection.
    shop.swap_leaf(&shop.root.leaf());
    shop.upstream.is_called_by(&[]).await
}

const FAULTS: [Fault; 3] = [
    Fault::None,
    Fault::ClientRefusesExpiredServer,
    Fault::ClientRefusesOtherName,
];

#[tokio::test]
async fn an_upstream_out_of_its_dates_is_not_called() {
    let refused = each(&FAULTS, |fault| async move {
        let mut expired = params(&[CART]);
        expired.not_before -= Span::hours(2);
        expired.not_after -= Span::hours(2);
        refuses(fault, expired).await
    });
    assert_eq!(refused.await, [true, false, true]);
}

#[tokio::test]
async fn an_upstream_of_another_name_is_not_called() {
    let refused = each(&FAULTS, |fault| async move {
        let mut other = params(&[CART]);
        other.subject_alt_names = vec![rcgen::SanType::DnsName("other".try_into().unwrap())];
        refuses(fault, other).await
    });
    assert_eq!(refused.await, [true, true, false]);
}
