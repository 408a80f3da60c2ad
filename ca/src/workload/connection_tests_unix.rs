//! Who is silent on the socket, and what becomes of the others meanwhile.

use std::fmt::{Debug, Write as _};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use proto::spiffe::workload as wire;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::{Code, Status};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use super::connection_unix::{ANSWER, FIRST, IDLE};
use super::house_unix::{Client, House, asked, next};
use super::places_unix::MAX_OF_ONE_USER;
use super::*;

/// How many times shorter than written these tests wait.
const TIMES: u32 = 10;

/// Waits for the other end to close; false if it does not.
async fn ends(stream: &mut UnixStream, within: Duration) -> bool {
    let mut said = Vec::new();
    timeout(within, stream.read_to_end(&mut said)).await.is_ok()
}

async fn asks(client: &mut Client) -> Result<(), Status> {
    let answer = client.fetch_x509_bundles(asked(wire::X509BundlesRequest {}));
    answer.await.map(drop)
}

#[tokio::test]
async fn a_connection_that_never_speaks_is_ended_and_one_that_is_served_is_not() {
    let house = House::hasty(TIMES, None, &["/records"]);
    let mut stream = house.svids().await;
    next(&mut stream).await.unwrap();
    let (mut silent, mut idle) = (house.silent().await, house.client().await);
    assert!(asks(&mut idle).await.is_ok());
    assert!(ends(&mut silent, FIRST).await, "it was never ended");
    assert!(asks(&mut idle).await.is_ok(), "it spoke a moment ago");
    tokio::time::sleep(IDLE / TIMES * 2).await;
    assert!(asks(&mut idle).await.is_err(), "nothing was under way");
    house.register(&["/records", "/billing"]);
    assert_eq!(next(&mut stream).await.unwrap().svids.len(), 2);
}

#[tokio::test]
async fn half_a_question_is_not_waited_for() {
    let house = House::hasty(TIMES, None, &["/records"]);
    let stream = house.silent().await;
    let executor = hyper_util::rt::TokioExecutor::new();
    let http = hyper::client::conn::http2::Builder::new(executor);
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut send, connection) = http.handshake::<_, Body>(io).await.unwrap();
    tokio::spawn(connection);
    let never = StreamBody::new(tokio_stream::pending::<
        Result<http_body::Frame<Bytes>, Status>,
    >());
    let request = http::Request::post("http://localhost/SpiffeWorkloadAPI/FetchX509SVID")
        .header("workload.spiffe.io", "true")
        .header("content-type", "application/grpc")
        .body(Body::new(never.boxed_unsync()))
        .unwrap();
    let answer = timeout(ANSWER, send.send_request(request)).await;
    let answer = answer.expect("it is waited for").unwrap();
    let code = answer.headers()["grpc-status"].to_str().unwrap();
    assert_eq!(code.parse(), Ok(Code::DeadlineExceeded as i32));
}

#[tokio::test]
async fn silence_keeps_nobody_out() {
    let house = House::new(&["/records"]);
    let mut stream = house.svids().await;
    next(&mut stream).await.unwrap();
    let mut silent = Vec::new();
    for _ in 0..MAX_OF_ONE_USER {
        silent.push(house.silent().await);
    }
    assert!(next(&mut house.svids().await).await.is_ok());
    house.register(&["/records", "/billing"]);
    let told = next(&mut stream).await.unwrap();
    assert_eq!(told.svids.len(), 2, "who is served stays");
}

/// Every warning that was given.
#[derive(Clone, Default)]
struct Ear(Arc<Mutex<Vec<String>>>);

struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, _: &Field, value: &dyn Debug) {
        let _ = write!(self.0, "{value:?} ");
    }
}

impl Subscriber for Ear {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ca::")
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words(String::new());
        event.record(&mut words);
        lock(&self.0).push(words.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test]
async fn dropped_connections_are_told_in_one_line_a_period() {
    let ear = Ear::default();
    let _listening = tracing::subscriber::set_default(ear.clone());
    let house = House::hasty(TIMES, None, &["/records"]);
    let mut streams = Vec::new();
    for _ in 0..MAX_OF_ONE_USER {
        let mut stream = house.svids().await;
        next(&mut stream).await.unwrap();
        streams.push(stream);
    }
    for _ in 0..50 {
        assert!(ends(&mut house.silent().await, Duration::from_secs(5)).await);
    }
    let told = || {
        let said = lock(&ear.0);
        let told = said.iter().filter(|line| line.contains("dropped"));
        told.cloned().collect::<Vec<_>>()
    };
    for _ in 0..200 {
        let told = told();
        if told.iter().any(|line| line.contains("too many")) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let told = told();
    assert!((1..=2).contains(&told.len()), "{told:?}");
    let counts = told.iter().filter_map(|line| {
        let (_, count) = line.split_once("dropped: ")?;
        count.split(' ').next()?.parse::<u64>().ok()
    });
    assert!(counts.sum::<u64>() <= 50, "{told:?}");
}
