//! One connection to the socket, from its first byte to its end.
//!
//! It lasts as long as calls are under way on it, and a while between them. Whoever never speaks,
//! or begins a call and never ends its question, is not waited for. Invariant: a connection whose
//! caller is silent is over within [`FIRST`] or [`IDLE`], and [`GRACE`].

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service as _;

use super::admit;
use super::caller::Caller;
use super::places_unix::{Call, Calls, Place};
use crate::clock::Clock;
use crate::conn::{GRACE, KEEP_ALIVE, KEEP_ALIVE_TIMEOUT, MAX_HEADERS};

/// How long a connection may last before its first call.
pub(super) const FIRST: Duration = Duration::from_secs(5);
/// How long a connection may last with no call under way, once there was one.
pub(super) const IDLE: Duration = Duration::from_secs(60);
/// How long a question may take to come whole, and its answer to begin.
pub(super) const ANSWER: Duration = Duration::from_secs(10);
/// Calls at once on one connection.
const MAX_CALLS: u32 = 32;

/// Serves one connection to its end.
pub(super) async fn attend(
    stream: UnixStream,
    caller: Caller,
    mut place: Place,
    routes: Routes,
    clock: Arc<dyn Clock>,
) {
    let (calls, timer) = (Arc::clone(&place.calls), Arc::clone(&clock));
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(caller);
        let (routes, timer) = (routes.clone(), Arc::clone(&timer));
        let call = Call::begin(&calls);
        async move {
            let answer = answer(request, routes, &*timer).await;
            // It is under way until its last message is taken up.
            let body = answer.map(|body| {
                Body::new(body.map_frame(move |frame| {
                    let _under_way = &call;
                    frame
                }))
            });
            Ok::<_, Infallible>(body)
        }
    });
    let mut http = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
    http.timer(TokioTimer::new())
        .auto_date_header(false)
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_TIMEOUT)
        .max_concurrent_streams(MAX_CALLS)
        .max_header_list_size(MAX_HEADERS);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // How it ends is for its caller to mind.
    tokio::select! {
        biased;
        _ = &mut place.give_way => return,
        _ = connection.as_mut() => return,
        () = silence(&*clock, place.calls.subscribe()) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        biased;
        _ = &mut place.give_way => {}
        _ = connection => {}
        () = clock.sleep(GRACE) => {}
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    mut routes: Routes,
    clock: &dyn Clock,
) -> hyper::Response<Body> {
    if let Err(refused) = admit(request.headers()) {
        return refused.into_http();
    }
    tokio::select! {
        biased;
        Ok(answer) = routes.call(request) => answer,
        () = clock.sleep(ANSWER) => {
            Status::deadline_exceeded("the call did not come whole in time").into_http()
        }
    }
}

/// Waits until nothing was under way for as long as it may be so.
async fn silence(clock: &dyn Clock, mut calls: watch::Receiver<Calls>) {
    loop {
        let Calls { begun, under_way } = *calls.borrow_and_update();
        let most = if begun == 0 { FIRST } else { IDLE };
        let over = async {
            match under_way {
                0 => clock.sleep(most).await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            changed = calls.changed() => if changed.is_err() { return },
            () = over => return,
        }
    }
}
