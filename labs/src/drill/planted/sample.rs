//! A small world for the tests: roots, leaves, lists, tokens, and a caller who looks from outside.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CustomExtension, DnType,
    ExtendedKeyUsagePurpose as Eku, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SanType, SerialNumber,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring::default_provider, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, HandshakeKind, SignatureScheme};
use tempfile::TempDir;
use time::Duration as Span;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{Callers, Fault, Files, LOOK, ORDERS, ORDERS_WATCH, Planted, Settings, TokenRules};
use crate::drill::clock;

pub(super) const CART: &str = "spiffe://shop.example/cart";

pub(super) struct Root {
    pub(super) pem: String,
    pub(super) issuer: Issuer<'static, KeyPair>,
}

pub(super) struct Leaf {
    pub(super) chain: String,
    pub(super) key: KeyPair,
    pub(super) serial: Vec<u8>,
    pub(super) params: CertificateParams,
}

impl Leaf {
    pub(super) fn ders(&self) -> Vec<CertificateDer<'static>> {
        use rustls::pki_types::pem::PemObject;
        CertificateDer::pem_slice_iter(self.chain.as_bytes())
            .map(Result::unwrap)
            .collect()
    }
}

fn serial() -> SerialNumber {
    use ring::rand::SecureRandom;
    let mut bytes = [0; 12];
    ring::rand::SystemRandom::new().fill(&mut bytes).unwrap();
    bytes[0] = 0x11;
    SerialNumber::from_slice(&bytes)
}

pub(super) fn ca_params(name: &str, from: Span, to: Span) -> CertificateParams {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.serial_number = Some(serial());
    params.not_before = clock::date() + from;
    params.not_after = clock::date() + to;
    params
}

pub(super) fn root_in(name: &str, from: Span, to: Span) -> Root {
    let key = KeyPair::generate().unwrap();
    let params = ca_params(name, from, to);
    let pem = params.self_signed(&key).unwrap().pem();
    Root {
        pem,
        issuer: Issuer::new(params, key),
    }
}

pub(super) fn root(name: &str) -> Root {
    root_in(name, Span::hours(-1), Span::hours(10))
}

/// What a leaf of a name says, to be changed before it is signed.
pub(super) fn params(uris: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    for uri in uris {
        params
            .subject_alt_names
            .push(SanType::URI((*uri).try_into().unwrap()));
    }
    params.serial_number = Some(serial());
    params.not_before = clock::date() - Span::minutes(1);
    params.not_after = clock::date() + Span::hours(1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![Eku::ServerAuth, Eku::ClientAuth];
    params
}

pub(super) fn unknown_critical() -> CustomExtension {
    let mut extension =
        CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
    extension.set_criticality(true);
    extension
}

impl Root {
    pub(super) fn sign(&self, params: CertificateParams) -> Leaf {
        self.sign_with(params, KeyPair::generate().unwrap())
    }

    pub(super) fn sign_with(&self, params: CertificateParams, key: KeyPair) -> Leaf {
        Leaf {
            chain: params.signed_by(&key, &self.issuer).unwrap().pem(),
            serial: params.serial_number.as_ref().unwrap().to_bytes(),
            key,
            params,
        }
    }

    pub(super) fn leaf(&self) -> Leaf {
        self.sign(params(&[CART]))
    }

    pub(super) fn list(&self, number: u64, until: Span, revoked: &[&Leaf]) -> String {
        let revoked = revoked.iter().map(|leaf| RevokedCertParams {
            serial_number: SerialNumber::from_slice(&leaf.serial),
            revocation_time: clock::date(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: clock::date() - Span::hours(2),
            next_update: clock::date() + until,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }
}

/// A running service and the folder of its files.
pub(super) struct House {
    pub(super) dir: TempDir,
    pub(super) root: Root,
    pub(super) service: Planted,
}

pub(super) fn files(dir: &TempDir) -> Files {
    Files {
        key: dir.path().join("key.pem"),
        chain: dir.path().join("chain.pem"),
        trust: dir.path().join("trust.pem"),
        crl: Some(dir.path().join("crl.pem")),
    }
}

impl House {
    pub(super) async fn start(fault: Fault, token: Option<TokenRules>) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), fault, token).await
    }

    pub(super) async fn start_in(dir: TempDir, fault: Fault, token: Option<TokenRules>) -> Self {
        let root = root("first");
        let leaf = root.leaf();
        fs::write(dir.path().join("key.pem"), leaf.key.serialize_pem()).unwrap();
        fs::write(dir.path().join("chain.pem"), &leaf.chain).unwrap();
        fs::write(dir.path().join("trust.pem"), &root.pem).unwrap();
        fs::write(
            dir.path().join("crl.pem"),
            root.list(5, Span::hours(1), &[]),
        )
        .unwrap();
        let settings = Settings {
            files: files(&dir),
            callers: Callers {
                uris: [CART.to_owned()].into(),
                dns: ["localhost".to_owned()].into(),
            },
            token,
        };
        let service = Planted::start(fault, settings, "127.0.0.1:0".parse().unwrap()).await;
        Self {
            dir,
            root,
            service: service.unwrap(),
        }
    }

    /// Changes a file and waits until the service has had time to see it.
    pub(super) async fn put(&self, name: &str, text: &str) {
        self.put_soon(name, text);
        for _ in 0..200 {
            tokio::time::sleep(LOOK).await;
            if self.service.has_looked() {
                return;
            }
        }
        panic!("the service does not look at its files");
    }

    pub(super) fn put_soon(&self, name: &str, text: &str) {
        let next = self.dir.path().join("next");
        fs::write(&next, text).unwrap();
        fs::rename(next, self.dir.path().join(name)).unwrap();
    }

    /// The leaf that a caller without a session is shown.
    pub(super) async fn served_leaf(&self) -> Option<CertificateDer<'static>> {
        let open = self.caller(&self.root.leaf()).open().await?;
        open.served.into_iter().next()
    }

    pub(super) fn caller(&self, leaf: &Leaf) -> Caller {
        Caller::new(self.service.address(), leaf)
    }
}

/// Somebody outside, who keeps sessions.
pub(super) struct Caller {
    address: SocketAddr,
    config: Arc<ClientConfig>,
}

pub(super) struct Open {
    sender: SendRequest<Empty<Bytes>>,
    pub(super) resumed: bool,
    pub(super) served: Vec<CertificateDer<'static>>,
}

impl Caller {
    pub(super) fn new(address: SocketAddr, leaf: &Leaf) -> Self {
        let provider = Arc::new(default_provider());
        let key = PrivateKeyDer::try_from(leaf.key.serialize_der()).unwrap();
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        // Not through the builder, which would not let a certificate in that webpki cannot read.
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        let pair = rustls::sign::CertifiedKey::new(leaf.ders(), key);
        let pair = rustls::sign::SingleCertAndKey::from(pair);
        config.client_auth_cert_resolver = Arc::new(pair);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            address,
            config: Arc::new(config),
        }
    }

    pub(super) async fn open(&self) -> Option<Open> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        let name = ServerName::try_from("localhost").unwrap();
        let connector = TlsConnector::from(self.config.clone());
        let stream = connector.connect(name, stream).await.ok()?;
        let tls = stream.get_ref().1;
        let resumed = tls.handshake_kind() == Some(HandshakeKind::Resumed);
        let served = tls.peer_certificates().unwrap_or_default().to_vec();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(Open {
            sender,
            resumed,
            served,
        })
    }

    /// Whether a new connection and a request on it are served.
    pub(super) async fn is_served(&self) -> bool {
        match self.open().await {
            Some(mut open) => open.get(None).await == Some(StatusCode::OK),
            None => false,
        }
    }
}

impl Open {
    async fn send(&mut self, path: &str, token: Option<&str>) -> Option<http::Response<Incoming>> {
        let mut request = Request::get(path).header("host", "localhost");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Empty::new()).unwrap();
        self.sender.ready().await.ok()?;
        self.sender.send_request(request).await.ok()
    }

    /// The answer's status; nothing if the connection was ended instead.
    pub(super) async fn get(&mut self, token: Option<&str>) -> Option<StatusCode> {
        let response = self.send(ORDERS, token).await?;
        let status = response.status();
        response.into_body().collect().await.ok()?;
        Some(status)
    }

    pub(super) async fn watch(&mut self, token: Option<&str>) -> Option<Incoming> {
        let response = self.send(ORDERS_WATCH, token).await?;
        (response.status() == StatusCode::OK).then(|| response.into_body())
    }
}

/// Whether a stream still brings orders: it is read for a second.
pub(super) async fn goes_on(stream: &mut Incoming) -> bool {
    let until = clock::instant() + Duration::from_secs(1);
    while clock::instant() < until {
        match stream.frame().await {
            Some(Ok(frame)) if !frame.data_ref().is_some_and(|d| d.starts_with(b"{\"ref")) => {}
            _ => return false,
        }
    }
    true
}

/// Takes any server for good, if it has the key of the certificate that it shows.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        unreachable!("TLS 1.3 alone is offered")
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
