//! The door that is knocked at: the address, the name asked for, what is spoken, the deadlines.
//!
//! Values only: nothing is dialled here. A door says besides which statuses and codes of the
//! target are a refusal, since a service may answer a stranger with a 400 or a code of its own.

use std::collections::BTreeSet;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::Flaw;

/// Which versions of TLS are offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versions {
    /// 1.2 and 1.3.
    #[default]
    Any,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// Which protocols above TLS are offered (ALPN).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Speak {
    /// HTTP/2 first, else HTTP/1.1.
    #[default]
    Either,
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone, as gRPC needs it; spoken also if the server chooses no protocol.
    Http2,
}

/// How long each step may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// To reach the address.
    pub dial: Duration,
    /// For the TLS handshake, and that of HTTP after it.
    pub handshake: Duration,
    /// From a question to its whole answer.
    pub reply: Duration,
    /// To wait for the next message of a stream.
    pub message: Duration,
}

impl Deadlines {
    /// The same for every step.
    pub const fn all(span: Duration) -> Self {
        Self {
            dial: span,
            handshake: span,
            reply: span,
            message: span,
        }
    }
}

impl Default for Deadlines {
    fn default() -> Self {
        Self::all(Duration::from_secs(5))
    }
}

/// Which answers are a refusal of the caller; TLS alerts about a certificate always are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusing {
    /// HTTP statuses: 401 and 403, unless the target has others.
    pub http: BTreeSet<u16>,
    /// gRPC codes: UNAUTHENTICATED and PERMISSION_DENIED, unless the target has others.
    pub grpc: BTreeSet<i32>,
}

impl Default for Refusing {
    fn default() -> Self {
        Self {
            http: BTreeSet::from([401, 403]),
            grpc: BTreeSet::from([super::grpc::PERMISSION_DENIED, super::grpc::UNAUTHENTICATED]),
        }
    }
}

/// A door of a service.
#[derive(Clone, Debug)]
pub struct Door {
    /// Where it is: host:port.
    pub address: String,
    /// The name asked for (SNI), and the authority of HTTP requests.
    pub server_name: ServerName<'static>,
    /// Which TLS is offered.
    pub versions: Versions,
    /// Which HTTP is offered.
    pub speak: Speak,
    /// How long each step may take.
    pub deadlines: Deadlines,
    /// What is a refusal there.
    pub refusing: Refusing,
}

impl Door {
    /// The door at an address (host:port), asked for by that host.
    ///
    /// # Errors
    ///
    /// If there is no port, or the host is neither a DNS name nor an IP address.
    pub fn at(address: &str) -> Result<Self, Flaw> {
        let missing = || Flaw::Address(address.to_owned());
        let (host, port) = address.rsplit_once(':').ok_or_else(missing)?;
        port.parse::<u16>().map_err(|_| missing())?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let server_name = name(bare)?;
        Ok(Self {
            address: address.to_owned(),
            server_name,
            versions: Versions::default(),
            speak: Speak::default(),
            deadlines: Deadlines::default(),
            refusing: Refusing::default(),
        })
    }

    /// The same door, asked for by another name.
    ///
    /// # Errors
    ///
    /// If it is neither a DNS name nor an IP address.
    pub fn asked_for(mut self, server_name: &str) -> Result<Self, Flaw> {
        self.server_name = name(server_name)?;
        Ok(self)
    }

    /// The same door, with these versions of TLS.
    #[must_use]
    pub const fn with_tls(mut self, versions: Versions) -> Self {
        self.versions = versions;
        self
    }

    /// The same door, with this HTTP.
    #[must_use]
    pub const fn speaking(mut self, speak: Speak) -> Self {
        self.speak = speak;
        self
    }

    /// The same door, with these deadlines.
    #[must_use]
    pub const fn within(mut self, deadlines: Deadlines) -> Self {
        self.deadlines = deadlines;
        self
    }

    /// The authority of HTTP requests: the name asked for and the port.
    pub(super) fn authority(&self) -> String {
        let host = self.server_name.to_str();
        let port = self.address.rsplit_once(':').map_or("", |(_, port)| port);
        if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        }
    }
}

fn name(of: &str) -> Result<ServerName<'static>, Flaw> {
    ServerName::try_from(of.to_owned()).map_err(|_| Flaw::ServerName(of.to_owned()))
}
