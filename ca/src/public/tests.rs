//! Claims about the public door over real sockets: what strangers get, and what they cannot do.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::Mutex;

use http::Request;
use http_body_util::{BodyExt as _, Empty};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::client::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::*;
use crate::bundle_json::Document;
use crate::clock::{BoxFuture, Clock, SystemClock, Time};
use crate::disk::MemDisk;
use crate::error::CaError;
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::{Ca, CaConfig};
use crate::node::{self, Outside, Public};
use crate::rotation::AuthorityKind;
use crate::tls::HTTP_1_1;
use crate::trusted::Trusted;

const HINT: Duration = Duration::from_secs(60);

/// The machine's clock, whose sleeps are so many times shorter.
#[derive(Debug)]
pub(crate) struct Hasty(pub(crate) u32);

impl Clock for Hasty {
    fn now(&self) -> Time {
        SystemClock.now()
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        SystemClock.sleep_until(deadline)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        SystemClock.sleep(span / self.0)
    }
}

/// A CA with its public port, on this machine.
pub(crate) struct Clinic {
    pub(crate) ca: Arc<Mutex<Ca>>,
    pub(crate) port: u16,
    trust: Trust,
    served: JoinHandle<Result<(), CaError>>,
}

impl Drop for Clinic {
    fn drop(&mut self) {
        self.served.abort();
    }
}

fn free_port() -> u16 {
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    free.local_addr().unwrap().port()
}

impl Clinic {
    async fn open(clock: Arc<dyn Clock>, web: Option<WebCertificate>) -> Self {
        Self::of("clinic.example", HINT, clock, web).await
    }

    pub(crate) async fn of(
        domain: &str,
        hint: Duration,
        clock: Arc<dyn Clock>,
        web: Option<WebCertificate>,
    ) -> Self {
        let seams = Seams {
            clock: Arc::clone(&clock),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new(domain).unwrap();
        let ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
        let (ca, port) = (Arc::new(Mutex::new(ca)), free_port());
        let public = Public {
            net: Arc::clone(&seams.net),
            port,
            certificate: web.map(|web| watch::channel(Arc::new(web)).1),
            hint,
            url: format!("https://127.0.0.1:{port}"),
        };
        let tolerance = Duration::from_secs(1);
        let outside = Outside {
            public: Some(public),
            web_roots: None,
        };
        let serving = node::serve_with(seams, Arc::clone(&ca), free_port(), outside);
        let clinic = Self {
            ca,
            port,
            trust: Trust { clock, tolerance },
            served: tokio::spawn(serving),
        };
        for _ in 0..500 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return clinic;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the port was never opened");
    }

    /// Believes this CA's bundle, and wants its own name.
    fn reader(&self, alpn: &[u8]) -> Arc<ClientConfig> {
        let trusted = Arc::new(Trusted::of(self.ca.lock().unwrap().bundle()));
        let ca = SpiffeId::parse("spiffe://clinic.example/ca").unwrap();
        let config = self.trust.connector(None, &trusted, ca).unwrap();
        let mut config = (*config).clone();
        config.alpn_protocols = vec![alpn.to_vec()];
        Arc::new(config)
    }

    async fn connect(
        &self,
        config: Arc<ClientConfig>,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(config).connect(name, stream).await
    }

    /// One HTTP/1.1 request, as a person would type it; gives head and body.
    async fn types(&self, line: &str, more: &str) -> (String, String) {
        let mut stream = self.connect(self.reader(HTTP_1_1)).await.unwrap();
        let text = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{more}\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        let mut said = String::new();
        // Whoever closes without a last word has said all that it will.
        let _ = stream.read_to_string(&mut said).await;
        let (head, body) = said.split_once("\r\n\r\n").expect(&said);
        (head.to_owned(), body.to_owned())
    }

    async fn document(&self) -> Document {
        let (head, body) = self.types("GET /bundle", "").await;
        assert!(head.contains("content-type: application/json"), "{head}");
        Document::parse(body.as_bytes()).unwrap()
    }
}

#[tokio::test]
async fn the_bundle_is_served_under_the_cas_own_name_over_both_versions_of_http() {
    let clinic = Clinic::open(Arc::new(SystemClock), None).await;
    let document = clinic.document().await;
    let bundle = clinic.ca.lock().unwrap().bundle();
    assert_eq!(document.roots, bundle.roots);
    assert_eq!(document.sequence, bundle.generation);
    assert_eq!(document.refresh_hint, Some(HINT));
    assert_eq!(document.token_keys.len(), 1);

    let stream = clinic.connect(clinic.reader(H2)).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(H2));
    let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut send, connection) = http.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let url = format!("https://localhost:{}/keys", clinic.port);
    let request = Request::get(url)
        .body(Empty::<bytes::Bytes>::new())
        .unwrap();
    let answer = send.send_request(request).await.unwrap();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    let announced = clinic.ca.lock().unwrap().announced();
    assert_eq!(body, announced.borrow().jwks.as_bytes());
}

#[tokio::test]
async fn a_root_that_is_prepared_is_published_under_a_higher_sequence() {
    let clinic = Clinic::open(Arc::new(SystemClock), None).await;
    let before = clinic.document().await;
    {
        let (mut ca, now) = (clinic.ca.lock().unwrap(), SystemClock.now());
        let prepare = ca.prepare_act(AuthorityKind::Root, now);
        ca.command(&prepare.into(), now).unwrap();
    }
    let after = clinic.document().await;
    assert!(after.sequence > before.sequence);
    assert_eq!((before.roots.len(), after.roots.len()), (1, 2));
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_asked_for_in_a_plain_way_is_refused() {
    let clinic = Clinic::open(Arc::new(SystemClock), None).await;
    for (line, status) in [
        ("GET /bundle?again", "200"),
        ("GET /crl", "200"),
        ("GET /", "404"),
        ("GET /bundle/", "404"),
        ("GET /../bundle", "404"),
        ("POST /bundle", "405"),
        ("DELETE /keys", "405"),
        ("NONSENSE", "400"),
    ] {
        let (head, _) = clinic.types(line, "").await;
        let expected = format!("HTTP/1.1 {status}");
        assert!(head.starts_with(&expected), "{line}: {head}");
        assert_eq!(head.contains("allow: GET, HEAD"), status == "405", "{head}");
    }
    let (head, body) = clinic.types("HEAD /bundle", "").await;
    let (again, whole) = clinic.types("GET /bundle", "").await;
    let length = format!("content-length: {}", whole.len());
    assert!(head.contains(&length) && again.contains(&length), "{head}");
    assert_eq!(body, "");
    let many = "x: y\r\n".repeat(MAX_FIELDS + 1);
    let (head, _) = clinic.types("GET /bundle", &many).await;
    assert!(head.starts_with("HTTP/1.1 431"), "{head}");
    let long = format!("x: {}\r\n", "y".repeat(MAX_HEAD));
    let (head, _) = clinic.types("GET /bundle", &long).await;
    assert!(head.starts_with("HTTP/1.1 431"), "{head}");
}

#[tokio::test]
async fn lists_and_discovery_are_what_their_readers_read() {
    let clinic = Clinic::open(Arc::new(SystemClock), None).await;
    let (_, lists) = clinic.types("GET /crl", "").await;
    assert_eq!(lists.matches("-----BEGIN X509 CRL-----").count(), 2);
    let (_, body) = clinic
        .types("GET /.well-known/openid-configuration", "")
        .await;
    let said: serde_json::Value = serde_json::from_str(&body).unwrap();
    let url = format!("https://127.0.0.1:{}", clinic.port);
    assert_eq!(said["issuer"], url);
    assert_eq!(said["jwks_uri"], format!("{url}/keys"));
}

#[tokio::test]
async fn what_the_asker_holds_is_not_sent_again_until_it_changes() {
    let clinic = Clinic::open(Arc::new(SystemClock), None).await;
    let (head, _) = clinic.types("GET /bundle", "").await;
    assert!(head.contains("cache-control: public, max-age=12"), "{head}");
    let (before, _) = clinic.types("GET /bundle", "").await;
    let tag = before.lines().find_map(|line| line.strip_prefix("etag: "));
    assert!(head.contains("\r\ndate: "), "{head}");
    let held = format!("if-none-match: \"other\", W/{}\r\n", tag.unwrap());
    let (head, body) = clinic.types("GET /bundle", &held).await;
    assert!(
        head.starts_with("HTTP/1.1 304") && body.is_empty(),
        "{head}"
    );
    {
        let (mut ca, now) = (clinic.ca.lock().unwrap(), SystemClock.now());
        let prepare = ca.prepare_act(AuthorityKind::Root, now);
        ca.command(&prepare.into(), now).unwrap();
    }
    let (head, body) = clinic.types("GET /bundle", &held).await;
    assert!(
        head.starts_with("HTTP/1.1 200") && !body.is_empty(),
        "{head}"
    );
}

#[tokio::test]
async fn whoever_asks_nothing_or_endlessly_slowly_is_dropped() {
    let clinic = Clinic::open(Arc::new(Hasty(20)), None).await;
    for said in ["", "GET /bundle HTTP/1.1\r\nhost: x\r\nx: "] {
        let mut stream = clinic.connect(clinic.reader(HTTP_1_1)).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        let ended = stream.read_to_end(&mut rest);
        let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
        assert!(ended.is_ok(), "`{said}` still has its connection");
    }
    let mut silent = TcpStream::connect(("127.0.0.1", clinic.port))
        .await
        .unwrap();
    let mut rest = Vec::new();
    let ended = silent.read_to_end(&mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(20), ended).await;
    assert!(ended.is_ok(), "no handshake, and still a connection");
}

#[tokio::test]
async fn a_connection_ends_however_much_is_asked_on_it() {
    let clinic = Clinic::open(Arc::new(Hasty(100)), None).await;
    let mut stream = clinic.connect(clinic.reader(HTTP_1_1)).await.unwrap();
    let asking = async {
        let mut said = vec![0; 64 * 1024];
        loop {
            let line = b"HEAD /bundle HTTP/1.1\r\nhost: x\r\n\r\n";
            if stream.write_all(line).await.is_err() {
                return;
            }
            match stream.read(&mut said).await {
                Ok(0) | Err(_) => return,
                Ok(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    let ended = tokio::time::timeout(Duration::from_secs(20), asking).await;
    assert!(ended.is_ok(), "it goes on for ever");
}

#[tokio::test]
async fn silence_on_every_connection_keeps_nobody_out() {
    let clinic = Clinic::open(Arc::new(SystemClock), None).await;
    let mut silent = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        silent.push(
            TcpStream::connect(("127.0.0.1", clinic.port))
                .await
                .unwrap(),
        );
    }
    clinic.document().await;
    let mut oldest = silent.swap_remove(0);
    let mut rest = Vec::new();
    let ended = oldest.read_to_end(&mut rest);
    let ended = tokio::time::timeout(Duration::from_secs(2), ended).await;
    assert!(ended.is_ok(), "the oldest was to give way");
}

#[tokio::test]
async fn a_certificate_of_a_public_ca_is_shown_where_one_is_given() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let trust = Trust {
        clock: Arc::new(SystemClock),
        tolerance: Duration::ZERO,
    };
    let (chain, key) = (cert.pem(), signing_key.serialize_pem());
    let read = |chain: &str, key: &str| {
        WebCertificate::read(chain.as_bytes(), key.as_bytes(), &trust).map(drop)
    };
    assert_eq!(read(&key, &key), Err(InvalidWebCertificate::Certificates));
    assert_eq!(read(&chain, &chain), Err(InvalidWebCertificate::Key));
    let other = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let unfit = read(&chain, &other.signing_key.serialize_pem());
    assert!(matches!(unfit, Err(InvalidWebCertificate::Unfit(_))));

    let web = WebCertificate::read(chain.as_bytes(), key.as_bytes(), &trust).unwrap();
    let clinic = Clinic::open(Arc::new(SystemClock), Some(web)).await;
    let as_the_ca = clinic.connect(clinic.reader(H2)).await;
    assert!(as_the_ca.is_err(), "that is not the CA's own leaf");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![H2.to_vec()];
    assert!(clinic.connect(Arc::new(config)).await.is_ok());
}
