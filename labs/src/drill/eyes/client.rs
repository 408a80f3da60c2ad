//! One caller at one door: dials, shakes hands, and hands over the connection or says what came.
//!
//! All connections of a client share its tickets, and a client has one identity for its life: the
//! TLS library resumes no session that was begun with another. With TLS 1.3 a refused certificate
//! shows only at the first read, so that a connection is no sign yet that the caller was let in.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::connection::{Connection, Opened};
use super::line::{Ear, Line, Wire, alert_in};
use super::server::AnyServer;
use super::sessions::{Tally, Wallet};
use super::{Door, Failure, Flaw, Identity, Reply, Sessions, Speak, Stage, Versions, Why};
use crate::drill::dial::dial;

/// A caller at a door.
pub struct Client {
    door: Arc<Door>,
    provider: Arc<CryptoProvider>,
    server: Arc<AnyServer>,
    // The library tells by the address of these two whether a session may be taken up again.
    verifier: Arc<dyn ServerCertVerifier>,
    resolver: Arc<dyn ResolvesClientCert>,
    wallet: Arc<Wallet>,
}

impl Client {
    /// A caller at a door, who comes back with sessions or not.
    ///
    /// # Errors
    ///
    /// If the identity's key cannot sign.
    pub fn new(door: Door, identity: &Identity, sessions: Sessions) -> Result<Self, Flaw> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = Arc::new(AnyServer::new(provider.signature_verification_algorithms));
        let verifier: Arc<dyn ServerCertVerifier> = Arc::<AnyServer>::clone(&server);
        let client = Self {
            door: Arc::new(door),
            provider,
            server,
            verifier,
            resolver: identity.resolver()?,
            wallet: Wallet::new(sessions),
        };
        // The settings are the same each time: what is wrong with them is said here, once.
        client.settings(&Tally::new(&client.wallet))?;
        Ok(client)
    }

    /// The door.
    pub fn door(&self) -> &Door {
        &self.door
    }

    /// How many tickets are left to come back with.
    pub fn tickets(&self) -> usize {
        self.wallet.tickets()
    }

    /// The chain of the last whole handshake, also of one that failed after it was shown.
    pub fn last_served(&self) -> Vec<CertificateDer<'static>> {
        self.server.last()
    }

    /// Dials and shakes hands.
    ///
    /// # Errors
    ///
    /// The reply that the caller got instead of a connection: refused, or failed.
    pub async fn connect(&self) -> Result<Connection, Reply> {
        let deadlines = self.door.deadlines;
        let dialled = dial(&self.door.address);
        let socket = within(deadlines.dial, Stage::Dial, dialled)
            .await?
            .map_err(|error| unreachable(&error))?;
        // Without it a small request can wait for the acknowledgement of the one before.
        let _best_effort = socket.set_nodelay(true);
        let tally = Tally::new(&self.wallet);
        let settings = self
            .settings(&tally)
            .map_err(|flaw| Reply::failed(Why::Tls(flaw.to_string()), Stage::Handshake))?;
        let connector = TlsConnector::from(Arc::new(settings));
        let shaken = connector.connect(self.door.server_name.clone(), Wire::over(socket));
        let tls = within(deadlines.handshake, Stage::Handshake, shaken)
            .await?
            .map_err(|error| not_shaken(&error))?;
        let ear = Arc::new(Ear::default());
        let session = tls.get_ref().1;
        let opened = Opened {
            served: session.peer_certificates().unwrap_or_default().to_vec(),
            kind: session.handshake_kind(),
            version: session.protocol_version(),
            alpn: session.alpn_protocol().map(<[u8]>::to_vec),
            tally,
            ear: Arc::clone(&ear),
            door: Arc::clone(&self.door),
        };
        let line = Line::over(tls, ear);
        within(
            deadlines.handshake,
            Stage::Handshake,
            Connection::over(line, opened),
        )
        .await?
    }

    fn settings(&self, tally: &Arc<Tally>) -> Result<ClientConfig, Flaw> {
        const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];
        let versions = match self.door.versions {
            Versions::Any => BOTH,
            Versions::Only12 => &[&TLS12],
            Versions::Only13 => &[&TLS13],
        };
        let mut settings = ClientConfig::builder_with_provider(Arc::clone(&self.provider))
            .with_protocol_versions(versions)
            .map_err(Flaw::Tls)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&self.verifier))
            .with_client_cert_resolver(Arc::clone(&self.resolver));
        let tally: Arc<Tally> = Arc::clone(tally);
        settings.resumption = Resumption::store(tally);
        let offered: &[&str] = match self.door.speak {
            Speak::Either => &["h2", "http/1.1"],
            Speak::Http1 => &["http/1.1"],
            Speak::Http2 => &["h2"],
        };
        settings.alpn_protocols = offered
            .iter()
            .map(|protocol| protocol.as_bytes().to_vec())
            .collect();
        Ok(settings)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.door.address)
    }
}

/// A step under its deadline.
pub(super) async fn within<T>(
    deadline: Duration,
    stage: Stage,
    step: impl Future<Output = T>,
) -> Result<T, Reply> {
    timeout(deadline, step)
        .await
        .map_err(|_| Reply::failed(Why::TimedOut(deadline), stage))
}

fn unreachable(error: &io::Error) -> Reply {
    let why = match is_ours(error) {
        true => Why::Here(error.to_string()),
        false => Why::Unreachable(error.to_string()),
    };
    Reply::failed(why, Stage::Dial)
}

/// Whether this machine has no port (its kind) or no file handle (EMFILE and ENFILE, which have the
/// same numbers on every Unix, and Windows' own) left to dial with.
fn is_ours(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable
        || matches!(error.raw_os_error(), Some(23 | 24 | 10_024))
}

/// Why TLS's handshake came to nothing.
fn not_shaken(error: &io::Error) -> Reply {
    if let Some(alert) = alert_in(error) {
        return Reply::alert(alert, Stage::Handshake);
    }
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => Why::Ended,
        io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => Why::Reset,
        _ => Why::Tls(format!("TLS failed: {error}")),
    };
    Reply::Failed(Failure {
        why,
        stage: Stage::Handshake,
        unprocessed: true,
        wordless: true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_ports_or_handles_says_nothing_of_the_target() {
        for errno in [23, 24] {
            let reply = unreachable(&io::Error::from_raw_os_error(errno));
            assert!(reply.is_ours(), "{reply}");
        }
        assert!(unreachable(&io::ErrorKind::AddrNotAvailable.into()).is_ours());
        let refused = unreachable(&io::ErrorKind::ConnectionRefused.into());
        assert!(!refused.is_ours(), "{refused}");
    }
}
