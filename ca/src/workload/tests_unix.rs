//! The Workload API over a real socket, as its callers see it.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::task::{Context, Poll};

use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use proto::spiffe::prost_types::value::Kind;
use proto::spiffe::workload as wire;
use proto::spiffe::workload::spiffe_workload_api_client::SpiffeWorkloadApiClient;
use rustls::pki_types::CertificateDer;
use serde_json::json;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tonic::body::Body;
use tonic::{Code, Request, Status, Streaming};
use zeroize::Zeroizing;

use super::jwt::{MAX_AUDIENCES, NotSigned, NotValid, ValidJwt};
use super::socket_unix::Socket;
use super::*;
use crate::clock::{BoxFuture, Clock as _, ManualClock, Time};
use crate::credential::Credential;
use crate::crl::RevocationReason;
use crate::disk::{Disk as _, MemDisk};
use crate::identity::{SpiffeId, TrustDomain};
use crate::issue::CaConfig;
use crate::rotation::AuthorityKind;

const NOW: Time = Time::from_secs(1_800_000_000);

/// A CA whose Workload API is served.
struct House {
    clock: Arc<ManualClock>,
    disk: Arc<MemDisk>,
    ca: Arc<Mutex<Ca>>,
    scratch: TempDir,
    served: JoinHandle<()>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.served.abort();
    }
}

type Client = SpiffeWorkloadApiClient<Near>;

/// The near end of a connection.
#[derive(Clone)]
struct Near(SendRequest<Body>);

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
fn registry(paths: &[&str], uid: u32) -> String {
    let entry =
        |path| format!("[[workload]]\nspiffe_id = 'spiffe://clinic.example{path}'\nuid = {uid}\n");
    format!(
        "format = 1\n{}",
        paths.iter().map(entry).collect::<String>()
    )
}

impl House {
    fn with(jwt: Option<Arc<dyn JwtSvids>>, paths: &[&str]) -> Self {
        let (clock, disk) = (Arc::new(ManualClock::new(NOW)), Arc::new(MemDisk::new()));
        let seams = Seams {
            clock: clock.clone(),
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

    fn new(paths: &[&str]) -> Self {
        Self::with(None, paths)
    }

    fn register(&self, paths: &[&str]) {
        let text = registry(paths, uid(self.scratch.path()));
        self.disk.replace(FILE, text.as_bytes()).unwrap();
    }

    async fn client(&self) -> Client {
        let place = self.scratch.path().join("api.sock");
        let stream = tokio::net::UnixStream::connect(place).await.unwrap();
        let http = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (send, connection) = http.handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        SpiffeWorkloadApiClient::new(Near(send))
    }

    async fn svids(&self) -> Streaming<wire::X509svidResponse> {
        let asked = asked(wire::X509svidRequest {});
        let answer = self.client().await.fetch_x509svid(asked).await;
        answer.unwrap().into_inner()
    }

    fn ca(&self) -> MutexGuard<'_, Ca> {
        lock(&self.ca)
    }

    /// What a workload of that name was told last, as the gates see it.
    fn acknowledged(&self, path: &str) -> Option<u64> {
        let facts = self.ca().facts(self.clock.now());
        facts.members.get(&id(path)).and_then(|it| it.acknowledged)
    }

    fn prepare(&self, kind: AuthorityKind) {
        let now = self.clock.now();
        let act = self.ca().prepare_act(kind, now);
        self.ca().command(&act.into(), now).unwrap();
    }
}

fn uid(of: &Path) -> u32 {
    std::fs::metadata(of).unwrap().uid()
}

fn id(path: &str) -> SpiffeId {
    format!("spiffe://clinic.example{path}").parse().unwrap()
}

/// A request as the standard wants it.
fn asked<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let yes = "true".parse().unwrap();
    request.metadata_mut().insert("workload.spiffe.io", yes);
    request
}

/// The next message, soon.
async fn next<T>(stream: &mut Streaming<T>) -> Result<T, Status> {
    let next = tokio::time::timeout(Duration::from_secs(10), stream.message()).await;
    next.expect("nothing was said")
        .map(|said| said.expect("the stream ended without a word"))
}

/// Certificates that stand one after another.
fn certificates(mut der: &[u8]) -> Vec<CertificateDer<'static>> {
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
async fn refusals(client: &mut Client, dressed: impl Fn() -> Request<()>) -> Vec<Code> {
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

#[tokio::test]
async fn a_call_without_the_metadata_is_refused_whatever_it_asks_for() {
    let house = House::new(&["/records"]);
    let mut client = house.client().await;
    for values in [&[][..], &["True"], &["1"], &["true", "false"]] {
        let dressed = || {
            let mut request = Request::new(());
            for value in values {
                let value = value.parse().unwrap();
                request.metadata_mut().append("workload.spiffe.io", value);
            }
            request
        };
        let refused = refusals(&mut client, dressed).await;
        assert_eq!(refused, [Code::InvalidArgument; 5], "{values:?}");
    }
    assert!(
        client
            .fetch_x509svid(asked(wire::X509svidRequest {}))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_process_that_is_not_registered_is_given_nothing() {
    let house = House::new(&[]);
    let scratch = house.scratch.path();
    let other = registry(&["/records"], uid(scratch) + 1);
    house.disk.replace(FILE, other.as_bytes()).unwrap();
    let mut client = house.client().await;
    let refused = refusals(&mut client, || asked(())).await;
    assert_eq!(refused, [Code::PermissionDenied; 5]);
    tokio::time::sleep(3 * LOOK).await;
    let refused = refusals(&mut client, || asked(())).await;
    assert_eq!(refused, [Code::PermissionDenied; 5], "it is another user's");
    let size = house.ca().log().size();
    assert!(size > 0 && !format!("{:?}", house.ca().facts(NOW)).contains("records"));
}

#[tokio::test]
async fn key_chain_roots_and_lists_come_whole_and_belong_together() {
    let house = House::new(&["/records", "/billing"]);
    let message = next(&mut house.svids().await).await.unwrap();
    let names: Vec<&str> = message.svids.iter().map(|it| &*it.spiffe_id).collect();
    assert_eq!(
        names,
        [id("/records").to_string(), id("/billing").to_string()]
    );
    let announced = house.ca().announced().borrow().clone();
    let lists: Vec<_> = announced.listed.iter().map(|it| it.crl.clone()).collect();
    assert_eq!(message.crl, lists);
    assert_eq!(lists.len(), 2, "the root's and the issuer's");
    for svid in &message.svids {
        assert_eq!(certificates(&svid.bundle), announced.bundle.roots);
        let chain = certificates(&svid.x509_svid);
        assert_eq!(chain.len(), 2, "leaf and issuer, and no root");
        let (key, id) = (Zeroizing::new(svid.x509_svid_key.clone()), &svid.spiffe_id);
        let id = id.parse().unwrap();
        let bundle = &announced.bundle;
        let whole = Credential::assemble(1, key, chain, bundle, &id, NOW, Duration::ZERO);
        assert!(whole.is_ok(), "{:?}", whole.err());
    }
    let mut client = house.client().await;
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let bundles = next(&mut bundles.await.unwrap().into_inner())
        .await
        .unwrap();
    assert_eq!(bundles.crl, lists);
    let roots = &bundles.bundles["spiffe://clinic.example"];
    assert_eq!(certificates(roots), announced.bundle.roots);
}

#[tokio::test]
async fn a_leaf_is_followed_at_half_of_its_life_on_the_open_stream() {
    let house = House::new(&["/records"]);
    let (mut one, mut other) = (house.svids().await, house.svids().await);
    let first = next(&mut one).await.unwrap();
    assert_eq!(next(&mut other).await.unwrap(), first, "one name, one SVID");
    house.clock.set(NOW + Duration::from_secs(60));
    let second = next(&mut one).await.unwrap();
    assert_eq!(next(&mut other).await.unwrap(), second);
    let [before, after] = [&first, &second].map(|it| &it.svids[0]);
    assert_ne!(before.x509_svid, after.x509_svid);
    assert_ne!(before.x509_svid_key, after.x509_svid_key);
}

#[tokio::test]
async fn who_is_struck_off_hears_so_and_others_stay() {
    let house = House::new(&["/records", "/billing"]);
    let mut stream = house.svids().await;
    assert_eq!(next(&mut stream).await.unwrap().svids.len(), 2);
    house.register(&["/billing"]);
    let left = next(&mut stream).await.unwrap();
    let names: Vec<&str> = left.svids.iter().map(|it| &*it.spiffe_id).collect();
    assert_eq!(names, [id("/billing").to_string()]);
    let mut client = house.client().await;
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let mut bundles = bundles.await.unwrap().into_inner();
    next(&mut bundles).await.unwrap();
    house.register(&[]);
    let gone = next(&mut stream).await.unwrap_err();
    assert_eq!(gone.code(), Code::PermissionDenied);
    let gone = next(&mut bundles).await.unwrap_err();
    assert_eq!(gone.code(), Code::PermissionDenied);
    house.register(&["/records"]);
    tokio::time::sleep(3 * LOOK).await;
    assert!(next(&mut house.svids().await).await.is_ok());
}

#[tokio::test]
async fn a_broken_registry_takes_nothing_away() {
    let house = House::new(&["/records"]);
    let mut stream = house.svids().await;
    let first = next(&mut stream).await.unwrap();
    house
        .disk
        .replace(FILE, b"format = 1\n[[workload]]")
        .unwrap();
    tokio::time::sleep(3 * LOOK).await;
    assert_eq!(next(&mut house.svids().await).await.unwrap(), first);
}

#[tokio::test]
async fn roots_and_lists_are_told_as_soon_as_they_change() {
    let house = House::new(&["/records"]);
    let mut svids = house.svids().await;
    let mut client = house.client().await;
    let bundles = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    let mut bundles = bundles.await.unwrap().into_inner();
    let (first, _) = (
        next(&mut svids).await.unwrap(),
        next(&mut bundles).await.unwrap(),
    );
    house.prepare(AuthorityKind::Root);
    let second = next(&mut svids).await.unwrap();
    assert_eq!(certificates(&second.svids[0].bundle).len(), 2);
    assert_eq!(second.svids[0].x509_svid, first.svids[0].x509_svid);
    let told = next(&mut bundles).await.unwrap();
    assert_eq!(
        told.bundles["spiffe://clinic.example"],
        second.svids[0].bundle
    );
    let leaf = &certificates(&second.svids[0].x509_svid)[0];
    let serial = crate::identity::LeafFacts::from_der(leaf)
        .unwrap()
        .serial_hex();
    let now = house.clock.now();
    let reason = RevocationReason::KeyCompromise;
    house.ca().revoke_leaf(&serial, reason, now).unwrap();
    let third = next(&mut svids).await.unwrap();
    assert_ne!(third.crl, second.crl);
    assert_ne!(third.svids[0].x509_svid, second.svids[0].x509_svid);
    assert_eq!(next(&mut bundles).await.unwrap().crl, third.crl);
}

#[tokio::test]
async fn rotation_hears_what_a_workload_was_told_and_waits_for_one_that_hung_up() {
    let house = House::new(&["/records"]);
    let mut stream = house.svids().await;
    next(&mut stream).await.unwrap();
    let generation = || house.ca().bundle().generation;
    let told = async |generation| {
        for _ in 0..100 {
            if house.acknowledged("/records") == Some(generation) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        false
    };
    assert!(told(generation()).await);
    house.prepare(AuthorityKind::Root);
    next(&mut stream).await.unwrap();
    assert!(told(generation()).await);
    let before = generation();
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    house.prepare(AuthorityKind::X509);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(
        house.acknowledged("/records"),
        Some(before),
        "nobody listens"
    );
    assert!(before < generation());
}

/// A maker of tokens that says what it was asked.
#[derive(Debug, Default)]
struct Scribe(Mutex<u32>);

impl JwtSvids for Scribe {
    fn issue(&self, id: &SpiffeId, audience: &[String], now: Time) -> Result<String, NotSigned> {
        match audience {
            [one] if one == "nobody" => Err(NotSigned("the pen is broken".to_owned())),
            _ => Ok(format!(
                "{}|{}|{}",
                id.path(),
                audience.join(","),
                now.as_secs()
            )),
        }
    }

    fn jwks(&self) -> String {
        format!("keys of {}", lock(&self.0))
    }

    fn validate(&self, token: &str, audience: &str, _: Time) -> Result<ValidJwt, NotValid> {
        if token != "good" {
            return Err(NotValid("token-forged".to_owned()));
        }
        let claims = json!({ "sub": "x", "aud": [audience], "exp": 9, "none": null, "yes": true });
        Ok(ValidJwt {
            spiffe_id: id("/records"),
            claims: claims.as_object().unwrap().clone(),
        })
    }
}

/// The tokens for that audience and name, or why there are none.
async fn tokens(client: &mut Client, audience: &[&str], of: &str) -> Result<Vec<String>, Code> {
    let answer = client.fetch_jwtsvid(asked(wire::JwtsvidRequest {
        audience: audience.iter().map(|&one| one.to_owned()).collect(),
        spiffe_id: of.to_owned(),
    }));
    let answer = answer.await.map_err(|status| status.code())?.into_inner();
    Ok(answer.svids.into_iter().map(|it| it.svid).collect())
}

#[tokio::test]
async fn without_a_maker_of_tokens_the_calls_are_not_implemented_by_name() {
    let house = House::new(&["/records"]);
    let mut client = house.client().await;
    let refused = refusals(&mut client, || asked(())).await;
    let none = Code::Unimplemented;
    assert_eq!(refused, [Code::Ok, Code::Ok, none, none, none]);
}

#[tokio::test]
async fn tokens_are_asked_for_and_judged_within_bounds() {
    let scribe = Arc::new(Scribe::default());
    let house = House::with(Some(scribe.clone()), &["/records", "/billing"]);
    let mut client = house.client().await;
    let at = NOW.as_secs();
    let [records, billing] = ["/records", "/billing"].map(|path| id(path).to_string());
    let both = [format!("/records|a,b|{at}"), format!("/billing|a,b|{at}")];
    assert_eq!(tokens(&mut client, &["a", "b"], "").await.unwrap(), both);
    let one = tokens(&mut client, &["a", "b"], &billing).await.unwrap();
    assert_eq!(one, both[1..]);
    for (audience, of, code) in [
        (&[][..], "", Code::InvalidArgument),
        (&[""], "", Code::InvalidArgument),
        (&["a"; MAX_AUDIENCES + 1], "", Code::InvalidArgument),
        (&["a"], "records", Code::InvalidArgument),
        (
            &["a"],
            "spiffe://clinic.example/other",
            Code::PermissionDenied,
        ),
        (&["nobody"], "", Code::Unavailable),
    ] {
        let refused = tokens(&mut client, audience, of).await;
        assert_eq!(refused, Err(code), "{audience:?} {of}");
    }
    let mut judged = async |svid: &str, audience: &str| {
        let (svid, audience) = (svid.to_owned(), audience.to_owned());
        let request = asked(wire::ValidateJwtsvidRequest { audience, svid });
        client.validate_jwtsvid(request).await
    };
    for (token, audience) in [("bad", "a"), ("good", ""), ("", "a")] {
        let refused = judged(token, audience).await.unwrap_err();
        assert_eq!(refused.code(), Code::InvalidArgument, "{token} {audience}");
    }
    let good = judged("good", "a").await.unwrap().into_inner();
    assert_eq!(good.spiffe_id, records);
    let claims = good.claims.unwrap().fields;
    let claim = |name| claims[name].kind.clone().unwrap();
    assert_eq!(claim("exp"), Kind::NumberValue(9.0));
    assert_eq!(claim("none"), Kind::NullValue(0));
    assert!(matches!(claim("aud"), Kind::ListValue(list) if list.values.len() == 1));
}

#[tokio::test]
async fn token_keys_are_told_as_they_change() {
    let scribe = Arc::new(Scribe::default());
    let house = House::with(Some(scribe.clone()), &["/records"]);
    let mut client = house.client().await;
    let keys = client.fetch_jwt_bundles(asked(wire::JwtBundlesRequest {}));
    let mut keys = keys.await.unwrap().into_inner();
    let mut told = async || {
        let bundles = next(&mut keys).await.unwrap().bundles;
        String::from_utf8(bundles["spiffe://clinic.example"].clone()).unwrap()
    };
    assert_eq!(told().await, "keys of 0");
    *lock(&scribe.0) = 1;
    house.prepare(AuthorityKind::Root);
    assert_eq!(told().await, "keys of 1");
}
