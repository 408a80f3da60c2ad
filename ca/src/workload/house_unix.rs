//! A CA whose Workload API is served on a real socket, for the tests, and its callers.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::task::{Context, Poll};

use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::spiffe::workload as wire;
use proto::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::{Code, Request, Status, Streaming};

use super::socket_unix::Socket;
use super::*;
use crate::clock::{BoxFuture, Clock, ManualClock, Time};
use crate::disk::{Disk as _, MemDisk};
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::CaConfig;
use crate::rotation::AuthorityKind;

pub(super) const NOW: Time = Time::from_secs(1_800_000_000);

/// Its hands are another's; what waits for a span waits so many times shorter.
#[derive(Debug)]
struct Hasty(Arc<ManualClock>, u32);

impl Clock for Hasty {
    fn now(&self) -> Time {
        self.0.now()
    }

    fn sleep_until(&self, deadline: Time) -> BoxFuture<'_, ()> {
        self.0.sleep_until(deadline)
    }

    fn sleep(&self, span: Duration) -> BoxFuture<'_, ()> {
        self.0.sleep(span / self.1)
    }
}

/// A CA whose Workload API is served.
pub(super) struct House {
    pub(super) clock: Arc<ManualClock>,
    pub(super) disk: Arc<MemDisk>,
    ca: Arc<Mutex<Ca>>,
    pub(super) scratch: TempDir,
    served: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.served.abort();
    }
}

pub(super) type Client = SpiffeWorkloadApiClient<Near>;

/// The near end of a connection.
#[derive(Clone)]
pub(super) struct Near(pub(super) SendRequest<Body>);

impl tower::Service<http::Request<Body>> for Near {
    type Response = http::Response<hyper::body::Incoming>;
    type Error = hyper::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let path = format!("http://localhost{}", request.uri().path());
        *request.uri_mut() = path.parse().unwrap();
        Box::pin(self.0.send_request(request))
    }
}

/// Workloads of this very user.
pub(super) fn registry(paths: &[&str], uid: u32) -> String {
    let entry =
        |path| format!("[[workload]]\nspiffe_id = 'spiffe://clinic.example{path}'\nuid = {uid}\n");
    format!(
        "format = 1\n{}",
        paths.iter().map(entry).collect::<String>()
    )
}

impl House {
    pub(super) fn with(jwt: Option<Arc<dyn JwtSvids>>, paths: &[&str]) -> Self {
        Self::hasty(1, jwt, paths)
    }

    /// One whose spans are so many times shorter.
    pub(super) fn hasty(times: u32, jwt: Option<Arc<dyn JwtSvids>>, paths: &[&str]) -> Self {
        let (clock, disk) = (Arc::new(ManualClock::new(NOW)), Arc::new(MemDisk::new()));
        let seams = Seams {
            clock: Arc::new(Hasty(Arc::clone(&clock), times)),
            disk: disk.clone(),
            ..Seams::real("never-written")
        };
        let domain = TrustDomain::new("clinic.example").unwrap();
        let ca = Ca::open(&seams, CaConfig::lab(domain)).unwrap();
        let ca = Arc::new(Mutex::new(ca));
        let scratch = tempfile::tempdir().unwrap();
        let text = registry(paths, uid(scratch.path()));
        disk.replace(FILE, text.as_bytes()).unwrap();
        let workloads = Workloads::open(seams, Arc::clone(&ca), jwt).unwrap();
        let socket = Socket::open(&scratch.path().join("api.sock")).unwrap();
        let served = tokio::spawn(async move { match socket.serve(workloads).await {} });
        Self {
            clock,
            disk,
            ca,
            scratch,
            served,
        }
    }

    pub(super) fn new(paths: &[&str]) -> Self {
        Self::with(None, paths)
    }

    pub(super) fn register(&self, paths: &[&str]) {
        let text = registry(paths, uid(self.scratch.path()));
        self.disk.replace(FILE, text.as_bytes()).unwrap();
    }

    /// A connection on which nothing was said.
    pub(super) async fn silent(&self) -> UnixStream {
        let place = self.scratch.path().join("api.sock");
        UnixStream::connect(place).await.unwrap()
    }

    pub(super) async fn client(&self) -> Client {
        let stream = self.silent().await;
        let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (send, connection) = http.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        SpiffeWorkloadApiClient::new(Near(send))
    }

    pub(super) async fn svids(&self) -> Streaming<wire::X509svidResponse> {
        let asked = asked(wire::X509svidRequest {});
        let answer = self.client().await.fetch_x509svid(asked).await;
        answer.unwrap().into_inner()
    }

    pub(super) fn ca(&self) -> MutexGuard<'_, Ca> {
        lock(&self.ca)
    }

    /// What a workload of that name was told last, as the gates see it.
    pub(super) fn acknowledged(&self, path: &str) -> Option<u64> {
        let facts = self.ca().facts(self.clock.now());
        facts.members.get(&id(path)).and_then(|it| it.acknowledged)
    }

    pub(super) fn prepare(&self, kind: AuthorityKind) {
        let now = self.clock.now();
        let act = self.ca().prepare_act(kind, now);
        self.ca().command(&act.into(), now).unwrap();
    }
}

pub(super) fn uid(of: &Path) -> u32 {
    std::fs::metadata(of).unwrap().uid()
}

pub(super) fn id(path: &str) -> SpiffeId {
    format!("spiffe://clinic.example{path}").parse().unwrap()
}

/// A request as the standard wants it.
pub(super) fn asked<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let yes = "true".parse().unwrap();
    request.metadata_mut().insert("workload.spiffe.io", yes);
    request
}

/// The next message, sooner than the clock alone would bring it.
pub(super) async fn next<T>(stream: &mut Streaming<T>) -> Result<T, Status> {
    let next = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    next.expect("nothing was said")
        .map(|said| said.expect("the stream ended without a word"))
}

/// Certificates that stand one after another.
pub(super) fn certificates(mut der: &[u8]) -> Vec<CertificateDer<'static>> {
    let mut found = Vec::new();
    while let [0x30, 0x82, high, low, ..] = der {
        let (one, rest) = der.split_at(4 + usize::from(u16::from_be_bytes([*high, *low])));
        found.push(one.to_vec().into());
        der = rest;
    }
    assert!(der.is_empty());
    found
}

/// Every call, and how it is refused.
pub(super) async fn refusals(client: &mut Client, dressed: impl Fn() -> Request<()>) -> Vec<Code> {
    let with = |message| {
        let (metadata, extensions, ()) = dressed().into_parts();
        Request::from_parts(metadata, extensions, message)
    };
    macro_rules! refusal {
        ($call:ident, $message:expr) => {
            match client.$call(with(()).map(|()| $message)).await {
                Err(status) => status.code(),
                Ok(_) => Code::Ok,
            }
        };
    }
    let audience = vec!["a".to_owned()];
    vec![
        refusal!(fetch_x509svid, wire::X509svidRequest {}),
        refusal!(fetch_x509_bundles, wire::X509BundlesRequest {}),
        refusal!(fetch_jwt_bundles, wire::JwtBundlesRequest {}),
        refusal!(
            fetch_jwtsvid,
            wire::JwtsvidRequest {
                audience: audience.clone(),
                spiffe_id: String::new()
            }
        ),
        refusal!(
            validate_jwtsvid,
            wire::ValidateJwtsvidRequest {
                audience: "a".to_owned(),
                svid: "t".to_owned()
            }
        ),
    ]
}
