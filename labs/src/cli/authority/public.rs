//! The words of `schism ca serve` for its public port, and the files of a certificate that is shown
//! there.
//!
//! The files are read again while the CA is served, since public CAs' certificates are short-lived
//! as well. Invariant: a pair that does not fit never takes the place of one that did.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ca::federation::WebRoots;
use ca::net::TcpNet;
use ca::node::{Outside, Public};
use ca::public::WebCertificate;
use ca::seams::Seams;
use ca::tls::Trust;
use tokio::sync::watch;

use super::super::origin;
use super::super::stop::Stop;
use super::federate::hint;

/// Largest file of a certificate or a key, in bytes.
const MAX_FILE: usize = 256 * 1024;
/// Largest file of public CAs' certificates, in bytes.
const MAX_ROOTS: usize = 4 * 1024 * 1024;
/// How often the files are read again.
const READ_AGAIN: Duration = Duration::from_secs(60);

/// What anybody may know, on a port of its own
#[derive(Debug, clap::Args)]
pub(super) struct Outward {
    /// Where anybody may read the trust bundle, the token keys and the revocation lists, over HTTPS
    ///
    /// It has `/bundle` (SPIFFE), `/keys` (a plain JWK set), `/.well-known/openid-configuration`
    /// and `/crl` (PEM), and shows the CA's own leaf: the profile `https_spiffe`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(super) http: Option<SocketAddr>,
    /// A certificate of a public CA to show there instead, its chain in PEM: `https_web`
    #[arg(long, value_name = "FILE", requires_all = ["http", "http_key"])]
    http_cert: Option<PathBuf>,
    /// Its private key, in PEM
    #[arg(long, value_name = "FILE", requires = "http_cert")]
    http_key: Option<PathBuf>,
    /// How that port is reached from elsewhere, if by another name
    #[arg(long, value_name = "URL", requires = "http", value_parser = url)]
    http_url: Option<String>,
    /// How often others are to ask for the bundle again
    #[arg(long, value_name = "SPAN", requires = "http", value_parser = hint)]
    #[arg(default_value = "5m")]
    refresh_hint: Duration,
    /// The public CAs by which bundle endpoints of the profile `https_web` are known, in PEM, as in
    /// /etc/ssl/certs/ca-certificates.crt
    #[arg(long, value_name = "FILE")]
    web_roots: Option<PathBuf>,
}

/// The files of a certificate, and where what is in them goes.
pub(super) struct Files {
    certificate: PathBuf,
    key: PathBuf,
    trust: Trust,
    publish: watch::Sender<Arc<WebCertificate>>,
}

impl Outward {
    /// The port as the CA opens it, and the files that are read again meanwhile.
    pub(super) fn outside(&self, seams: &Seams) -> Result<(Outside, Option<Files>), Stop> {
        let web_roots = self.web_roots.as_deref().map(web_roots).transpose()?;
        let public = None;
        let Some(http) = self.http else {
            return Ok((Outside { public, web_roots }, None));
        };
        let files = match (&self.http_cert, &self.http_key) {
            (Some(certificate), Some(key)) => Some(Files::read(certificate, key, seams)?),
            _ => None,
        };
        let public = Public {
            net: Arc::new(TcpNet {
                interface: http.ip(),
            }),
            port: http.port(),
            certificate: files.as_ref().map(|files| files.publish.subscribe()),
            hint: self.refresh_hint,
            url: self
                .http_url
                .clone()
                .unwrap_or_else(|| format!("https://{http}")),
        };
        let public = Some(public);
        Ok((Outside { public, web_roots }, files))
    }
}

impl Files {
    fn read(certificate: &PathBuf, key: &PathBuf, seams: &Seams) -> Result<Self, Stop> {
        let trust = Trust {
            clock: Arc::clone(&seams.clock),
            tolerance: Duration::ZERO,
        };
        let first = pair(certificate, key, &trust)?;
        Ok(Self {
            certificate: certificate.clone(),
            key: key.clone(),
            trust,
            publish: watch::Sender::new(Arc::new(first)),
        })
    }

    /// Reads the files again, for ever; what does not fit is told once and not shown.
    pub(super) async fn keep(self) -> Infallible {
        let mut told = None;
        loop {
            self.trust.clock.sleep(READ_AGAIN).await;
            match pair(&self.certificate, &self.key, &self.trust) {
                Ok(read) => {
                    told = None;
                    self.publish.send_if_modified(|shown| {
                        let changed = **shown != read;
                        if changed {
                            *shown = Arc::new(read);
                        }
                        changed
                    });
                }
                Err(stop) => {
                    let why = stop.to_string();
                    if told.as_ref() != Some(&why) {
                        tracing::warn!(error = %why, "the last certificate is shown on");
                        told = Some(why);
                    }
                }
            }
        }
    }
}

fn web_roots(file: &Path) -> Result<WebRoots, Stop> {
    let pem = origin::read_bytes(file, MAX_ROOTS)?;
    WebRoots::read(&pem).ok_or_else(|| Stop::file(file, "there is no CA's certificate in PEM"))
}

fn pair(certificate: &PathBuf, key: &PathBuf, trust: &Trust) -> Result<WebCertificate, Stop> {
    let chain = origin::read_bytes(certificate, MAX_FILE)?;
    let secret = zeroize::Zeroizing::new(origin::read_bytes(key, MAX_FILE)?);
    WebCertificate::read(&chain, &secret, trust).map_err(|error| {
        let file = match error {
            ca::public::InvalidWebCertificate::Key => key,
            _ => certificate,
        };
        Stop::file(file, error)
    })
}

/// Scheme, host and port, and nothing behind them.
fn url(text: &str) -> Result<String, String> {
    let takes = || "it takes a URL without a path, as in https://ca.clinic.example:8443".to_owned();
    let authority = text.strip_prefix("https://").ok_or_else(takes)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let fits = !authority.is_empty() && authority.chars().all(plain);
    fits.then(|| text.to_owned()).ok_or_else(takes)
}
