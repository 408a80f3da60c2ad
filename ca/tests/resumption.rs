//! What a resumed session makes of revocation and of new trust: nothing, since no verifier is
//! called. Here rustls runs with its defaults, under a verifier whose trust is swapped inside it;
//! beside it, what [`ca::tls`] builds.
//!
//! Every visit is one HTTP/2 connection with one request, which the server then ends gracefully,
//! as servers do that give connections an age.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod swapped;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ca::authority::{Issuer, Root};
use ca::bundle::{Bundle, Bundles};
use ca::clock::{ManualClock, Time};
use ca::credential::Credential;
use ca::crl::{Crl, Crls, RevocationReason, RevokedLeaf};
use ca::csr;
use ca::identity::{SpiffeId, TrustDomain};
use ca::keys::{Keys, RingKeys};
use ca::profile::Validity;
use ca::revocation::Revocation;
use ca::tls::Trust;
use ca::trusted::Trusted;
use http_body_util::Empty;
use hyper::client::conn::http2 as client;
use hyper::server::conn::http2 as server;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::HandshakeKind;
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::server::{NoServerSessionStorage, ServerConfig};
use tokio::sync::Notify;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use swapped::Swapped;

/// What every clock shows.
const NOW: Time = Time::from_secs(1_800_000_000);
const HOUR: Duration = Duration::from_secs(3_600);

/// A root, its issuer, and the credentials of two nodes.
struct Clinic {
    root: Root,
    issuer: Issuer,
    server: Credential,
    client: Credential,
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(&TrustDomain::new("clinic.example").unwrap(), path).unwrap()
}

fn bundle(root: &Root) -> Bundle {
    Bundle {
        trust_domain: TrustDomain::new("clinic.example").unwrap(),
        generation: 1,
        roots: vec![root.certificate().clone()],
    }
}

impl Clinic {
    fn new() -> Self {
        let domain = TrustDomain::new("clinic.example").unwrap();
        let validity = Validity::lasting(NOW - HOUR, HOUR * 24);
        let root = Root::create(&RingKeys, &domain, 1, validity).unwrap();
        let issuer = root.sign_issuer(&RingKeys, 1, validity).unwrap();
        let credential = |path| {
            let (key, id) = (RingKeys.p256().unwrap(), id(path));
            let request = csr::request(&key).unwrap();
            let validity = Validity::lasting(NOW, HOUR);
            let chain = issuer.issue(&request, &id, validity, NOW).unwrap().chain;
            let bundle = bundle(&root);
            Credential::assemble(1, key, chain, &bundle, &id, NOW, Duration::ZERO).unwrap()
        };
        Self {
            server: credential("/records"),
            client: credential("/gateway"),
            issuer,
            root,
        }
    }

    fn bundles(&self) -> Bundles {
        Bundles::from(bundle(&self.root))
    }

    /// The hardened dials, and lists that revoke the client's leaf.
    fn client_revoked(&self) -> Revocation {
        let revoked = RevokedLeaf {
            serial: self.client.facts.serial.clone(),
            at: NOW,
            reason: RevocationReason::KeyCompromise,
        };
        let (mut crls, bundle) = (Crls::new(), bundle(&self.root));
        let of_issuer = self
            .issuer
            .sign_crl(1, &[revoked], NOW, NOW + HOUR)
            .unwrap();
        let of_issuer = Crl::parse(&of_issuer).unwrap();
        let signers = [self.issuer.certificate().clone()];
        crls.accept(of_issuer, &signers, &bundle).unwrap();
        let of_root = self.root.sign_crl(1, &[], NOW, NOW + HOUR).unwrap();
        crls.accept(Crl::parse(&of_root).unwrap(), &[], &bundle)
            .unwrap();
        Revocation {
            crls,
            ..Revocation::default()
        }
    }

    fn trusted(&self, revocation: Revocation) -> Arc<Trusted> {
        Arc::new(Trusted {
            revocation,
            ..Trusted::of(bundle(&self.root))
        })
    }
}

fn key(own: &Credential) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(own.key.to_vec()).into()
}

/// A server with rustls's defaults: sessions are kept, tickets are sent.
fn server_of(own: &Credential, verifier: Arc<Swapped>) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(own.chain.clone(), key(own))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// A client with rustls's defaults: sessions are kept and offered.
fn client_of(own: &Credential, verifier: Arc<Swapped>) -> ClientConfig {
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()));
    let mut config = builder
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(own.chain.clone(), key(own))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

/// Serves one request, then ends the connection as if it had come of age.
async fn serve(config: Arc<ServerConfig>, wire: tokio::io::DuplexStream) -> io::Result<()> {
    let stream = TlsAcceptor::from(config).accept(wire).await?;
    let answered = Arc::new(Notify::new());
    let of_age = Arc::clone(&answered);
    let service = service_fn(move |_| {
        answered.notify_one();
        async { Ok::<_, Infallible>(hyper::Response::new(Empty::<Bytes>::new())) }
    });
    let http = server::Builder::new(TokioExecutor::new());
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        biased;
        ended = connection.as_mut() => return ended.map_err(io::Error::other),
        () = of_age.notified() => connection.as_mut().graceful_shutdown(),
    }
    connection.await.map_err(io::Error::other)
}

/// One visit: how the handshake went, if the request was answered and the connection closed well.
async fn visit(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> Result<HandshakeKind, String> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let serving = tokio::spawn(serve(Arc::clone(server), far));
    let name = ServerName::try_from("schism.invalid").unwrap();
    let connector = TlsConnector::from(Arc::clone(client));
    let stream = connector
        .connect(name, near)
        .await
        .map_err(|e| format!("{e:?}"))?;
    let kind = stream.get_ref().1.handshake_kind().unwrap();
    let (mut send, connection) = client::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    let driving = tokio::spawn(connection);
    let request = hyper::Request::get("https://records/").body(Empty::<Bytes>::new());
    let answer = send.send_request(request.unwrap()).await;
    let ended = driving.await.unwrap();
    if let Err(error) = answer {
        return Err(format!("{error:?} {ended:?}"));
    }
    serving
        .await
        .unwrap()
        .map_err(|error| format!("{error:?}"))?;
    Ok(kind)
}

#[tokio::test]
async fn a_session_outlives_the_trust_swapped_inside_one_verifier_of_the_server() {
    let clinic = Clinic::new();
    let verifier = Swapped::new(clinic.bundles());
    let of_client = Swapped::new(clinic.bundles());
    let server = Arc::new(server_of(&clinic.server, Arc::clone(&verifier)));
    let client = Arc::new(client_of(&clinic.client, Arc::clone(&of_client)));
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
    assert_eq!(verifier.calls(), 1);
    verifier.bundles.store(Arc::new(Bundles::new()));
    for _ in 0..3 {
        // Each resumption brings the tickets for the next: there is no end to it.
        assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Resumed));
    }
    assert_eq!(
        (verifier.calls(), of_client.calls()),
        (1, 1),
        "nobody was asked"
    );
    let stranger = Arc::new(client_of(&clinic.client, of_client));
    let refused = visit(&server, &stranger).await;
    assert!(
        refused.is_err(),
        "without a session the swap is seen: {refused:?}"
    );
    assert_eq!(verifier.calls(), 2);
}

#[tokio::test]
async fn a_session_outlives_the_trust_swapped_inside_one_verifier_of_the_client() {
    let clinic = Clinic::new();
    let verifier = Swapped::new(clinic.bundles());
    let server = server_of(&clinic.server, Swapped::new(clinic.bundles()));
    let (server, mine) = (
        Arc::new(server),
        client_of(&clinic.client, Arc::clone(&verifier)),
    );
    let client = Arc::new(mine.clone());
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
    verifier.bundles.store(Arc::new(Bundles::new()));
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Resumed));
    assert_eq!(verifier.calls(), 1, "nobody was asked");
    // A verifier of its own for each trust: rustls itself will not use the sessions of another.
    let other = Swapped::new(Bundles::new());
    let mut config = client_of(&clinic.client, Arc::clone(&other));
    config.resumption = mine.resumption.clone();
    let refused = visit(&server, &Arc::new(config)).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(other.calls(), 1);
}

#[tokio::test]
async fn a_reconnect_after_a_graceful_close_is_resumed_and_nobody_is_asked() {
    let clinic = Clinic::new();
    let verifier = Swapped::new(clinic.bundles());
    let server = Arc::new(server_of(&clinic.server, Arc::clone(&verifier)));
    let client = Arc::new(client_of(&clinic.client, Swapped::new(clinic.bundles())));
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
    verifier.revocation.store(Arc::new(clinic.client_revoked()));
    // The age of connections was to bound how long a revoked leaf is served.
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Resumed));
    assert_eq!(verifier.calls(), 1);
}

#[tokio::test]
async fn either_end_alone_can_turn_resumption_off() {
    let clinic = Clinic::new();
    for (keeps, offers) in [(false, true), (true, false)] {
        let verifier = Swapped::new(clinic.bundles());
        let mut server = server_of(&clinic.server, Arc::clone(&verifier));
        let mut client = client_of(&clinic.client, Swapped::new(clinic.bundles()));
        if !keeps {
            server.session_storage = Arc::new(NoServerSessionStorage {});
            server.send_tls13_tickets = 0;
        }
        if !offers {
            client.resumption = Resumption::disabled();
        }
        let (server, client) = (Arc::new(server), Arc::new(client));
        assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
        assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
        verifier.revocation.store(Arc::new(clinic.client_revoked()));
        assert!(visit(&server, &client).await.is_err());
        assert_eq!(verifier.calls(), 3);
    }
}

#[tokio::test]
async fn our_reconnect_is_full_and_a_revoked_leaf_is_told_so() {
    let clinic = Clinic::new();
    let trust = Trust {
        clock: Arc::new(ManualClock::new(NOW)),
        tolerance: Duration::ZERO,
    };
    let open = clinic.trusted(Revocation::ignore());
    let server = trust.acceptor(&clinic.server, &open, false).unwrap();
    let client = trust
        .connector(Some(&clinic.client), &open, id("/records"))
        .unwrap();
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
    assert_eq!(visit(&server, &client).await, Ok(HandshakeKind::Full));
    let revoking = clinic.trusted(clinic.client_revoked());
    let server = trust.acceptor(&clinic.server, &revoking, false).unwrap();
    let refused = visit(&server, &client).await.unwrap_err();
    assert!(refused.contains("CertificateRevoked"), "{refused}");
}
