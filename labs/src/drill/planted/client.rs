//! A client to try the drill on: it calls one upstream ten times a second, over a kept connection.
//!
//! The good one reads its files as the planted service does, opens a new connection when they
//! change, and judges its upstream's chain again before every call; a bad twin has one [`Fault`]
//! of the client's group. It resumes no session. What it saw it tells nobody: the drill plays the
//! upstream, and sees it there.

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsConnector;
use webpki::{EndEntityCert, KeyUsage};

use super::crl::Status;
use super::fault::{Fault, Faults};
use super::world::{Bytes as Look, World};
use super::{Files, ORDERS, PlantedError, path};
use crate::drill::clock;

/// How far apart two calls are.
pub const CALL: Duration = Duration::from_millis(100);

/// How long a call, or the opening of a connection, may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a planted client is told at its start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSettings {
    /// What it reads.
    pub files: Files,
    /// Whom it calls: loopback alone.
    pub upstream: SocketAddr,
    /// The upstream's DNS name.
    pub name: String,
}

/// A planted client that calls until this is dropped.
#[derive(Debug)]
pub struct PlantedClient {
    task: AbortHandle,
}

impl PlantedClient {
    /// Starts a client on the current Tokio runtime.
    pub fn start(
        faults: impl Into<Faults>,
        settings: ClientSettings,
    ) -> Result<Self, PlantedError> {
        if !settings.upstream.ip().is_loopback() {
            return Err(PlantedError::NotLoopback(settings.upstream));
        }
        let faults = faults.into();
        let name = ServerName::try_from(settings.name.clone());
        let name = name.map_err(|_| PlantedError::Name(settings.name.clone()))?;
        let caller = Caller {
            faults,
            files: settings.files,
            upstream: settings.upstream,
            judge: Arc::new(Judge {
                faults,
                name,
                world: RwLock::default(),
                provider: Arc::new(rustls::crypto::ring::default_provider()),
            }),
            taken: Look::default(),
            last: Look::default(),
        };
        let task = tokio::spawn(caller.call_for_ever()).abort_handle();
        Ok(Self { task })
    }
}

impl Drop for PlantedClient {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Caller {
    faults: Faults,
    files: Files,
    upstream: SocketAddr,
    judge: Arc<Judge>,
    taken: Look,
    last: Look,
}

/// A connection that is kept.
struct Kept {
    sender: SendRequest<Empty<Bytes>>,
    chain: Vec<CertificateDer<'static>>,
    /// The world in which it was opened.
    changes: u64,
    driver: AbortHandle,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Caller {
    async fn call_for_ever(mut self) {
        let mut kept: Option<Kept> = None;
        self.last = self.look();
        loop {
            self.take_up();
            let world = self.judge.world();
            let may_go_on = |kept: &Kept| {
                let keeps = self.faults.has(Fault::ClientPoolKeepsOldLeaf);
                (keeps || kept.changes == world.changes)
                    && self.judge.judge(&kept.chain, now()).is_ok()
            };
            if !kept.as_ref().is_some_and(may_go_on) {
                kept = None;
            }
            if kept.is_none() {
                kept = timeout(PATIENCE, self.open(&world)).await.ok().flatten();
            }
            if let Some(open) = &mut kept
                && timeout(PATIENCE, call(&mut open.sender)).await != Ok(true)
            {
                kept = None;
            }
            sleep(CALL).await;
        }
    }

    fn look(&self) -> Look {
        let read = |path: &PathBuf| fs::read(path).ok();
        Look {
            key: read(&self.files.key),
            chain: read(&self.files.chain),
            trust: read(&self.files.trust),
            crl: self.files.crl.as_ref().and_then(read),
            jwks: None,
        }
    }

    /// Takes up what two looks agree on.
    fn take_up(&mut self) {
        let look = self.look();
        if look == self.last && look != self.taken {
            let mut world = World::clone(&self.judge.world());
            let as_service = [
                (Fault::ClientPresentsNewLeaf, Fault::LeafSwap),
                (
                    Fault::ClientRefusesRemovedRoot,
                    Fault::NewRootBeforeItsLeaves,
                ),
            ];
            let as_service = as_service.into_iter();
            let as_service = as_service.filter(|(own, _)| self.faults.has(*own));
            let as_service: Faults = as_service.map(|(_, fault)| fault).collect();
            world.take(as_service, &self.taken, &look, clock::unix_seconds());
            self.judge.put(world);
            self.taken = look.clone();
        }
        self.last = look;
    }

    async fn open(&self, world: &World) -> Option<Kept> {
        let pair = world.leaf.clone()?;
        let builder = ClientConfig::builder_with_provider(self.judge.provider.clone());
        let mut config = builder
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .ok()?
            .dangerous()
            .with_custom_certificate_verifier(self.judge.clone())
            .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(self.upstream).await.ok()?;
        let connector = TlsConnector::from(Arc::new(config));
        let stream = connector
            .connect(self.judge.name.clone(), stream)
            .await
            .ok()?;
        let chain = stream.get_ref().1.peer_certificates()?;
        let chain = chain
            .iter()
            .cloned()
            .map(CertificateDer::into_owned)
            .collect();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
        Some(Kept {
            sender,
            chain,
            changes: world.changes,
            driver: tokio::spawn(async move {
                // How it ends shows at the next call.
                let _: Result<(), _> = connection.await;
            })
            .abort_handle(),
        })
    }
}

async fn call(sender: &mut SendRequest<Empty<Bytes>>) -> bool {
    let request = Request::get(ORDERS).header(http::header::HOST, "upstream");
    let Ok(request) = request.body(Empty::new()) else {
        return false;
    };
    if sender.ready().await.is_err() {
        return false;
    }
    match sender.send_request(request).await {
        Ok(response) => {
            let served = response.status() == StatusCode::OK;
            response.into_body().collect().await.is_ok() && served
        }
        Err(_) => false,
    }
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(clock::unix_seconds().unsigned_abs()))
}

/// Whether the upstream is the one, today.
#[derive(Debug)]
struct Judge {
    faults: Faults,
    name: ServerName<'static>,
    world: RwLock<Arc<World>>,
    provider: Arc<CryptoProvider>,
}

impl Judge {
    fn world(&self) -> Arc<World> {
        self.world
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn put(&self, world: World) {
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(world);
    }

    fn judge(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> Result<(), &'static str> {
        let world = self.world();
        let leaf = chain.first().ok_or("no certificate")?;
        let at = self.asked_time(chain, now);
        let links = path::by_the_book(chain, &world.roots, at, KeyUsage::server_auth())?;
        for link in &links {
            let cert = path::read(&link.cert)?;
            let issuer = (cert.issuer().as_raw(), &link.key);
            let at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            if world.lists.status(issuer, cert.raw_serial(), Some(at)) != Status::Good {
                return Err("a certificate that was taken back");
            }
        }
        if self.faults.has(Fault::ClientRefusesOtherName) {
            return Ok(());
        }
        let leaf = EndEntityCert::try_from(leaf).map_err(|_| "a certificate nobody can read")?;
        let named = leaf.verify_is_valid_for_subject_name(&self.name);
        named.map_err(|_| "another's name")
    }

    /// Now, or with a fault a time that suits the chain.
    fn asked_time(&self, chain: &[CertificateDer<'_>], now: UnixTime) -> UnixTime {
        if !self.faults.has(Fault::ClientRefusesExpiredServer) {
            return now;
        }
        let mut at = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        for cert in chain.iter().filter_map(|cert| path::read(cert).ok()) {
            let validity = cert.validity();
            at = at.clamp(
                validity.not_before.timestamp(),
                validity.not_after.timestamp(),
            );
        }
        UnixTime::since_unix_epoch(Duration::from_secs(at.unsigned_abs()))
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let chain: Vec<_> = std::iter::once(leaf).chain(between).cloned().collect();
        match self.judge(&chain, now) {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let known = &self.provider.signature_verification_algorithms;
        known.supported_schemes()
    }
}
