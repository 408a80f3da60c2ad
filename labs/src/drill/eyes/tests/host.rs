//! A small service to look at: TLS that asks for a certificate, and answers that a path asks for.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use rustls::pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::tls::{Root, settings};
use crate::drill::eyes::{Deadlines, Door, Versions};

/// How a host behaves.
#[derive(Clone, Copy)]
pub(in crate::drill) struct Manner {
    pub(in crate::drill) versions: Versions,
    /// Whether sessions may be taken up again.
    pub(in crate::drill) sessions: bool,
    /// Whether it signs with another key than its certificate's.
    pub(in crate::drill) mixed: bool,
    pub(in crate::drill) protocols: &'static [&'static str],
    pub(in crate::drill) above: Above,
    /// A gRPC method of its own: the path and the message in, the message out; UNIMPLEMENTED if
    /// there is none.
    pub(in crate::drill) method: fn(&str, &[u8]) -> Option<Vec<u8>>,
}

/// What the host does above TLS.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::drill) enum Above {
    /// HTTP, by the path.
    Http,
    /// Says GOAWAY at the first request, having taken on streams up to this one, and closes.
    GoAway(u32),
    /// Closes the connection at the first bytes of the client.
    Close,
    /// Resets it then.
    Reset,
    /// Closes before TLS.
    NoTls,
    /// Says nothing, ever, not even TLS.
    Mute,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            versions: Versions::Any,
            sessions: true,
            mixed: false,
            protocols: &["h2", "http/1.1"],
            above: Above::Http,
            method: |_, _| None,
        }
    }
}

/// A host that runs.
pub(in crate::drill) struct Host {
    address: SocketAddr,
    turned: Arc<AtomicBool>,
    pub(in crate::drill) leaf: CertificateDer<'static>,
    task: AbortHandle,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    /// A host that trusts this root, and has its own certificate from it.
    pub(in crate::drill) async fn start(root: &Root, manner: Manner) -> Self {
        let leaf = root.leaf();
        let shown = leaf.chain[0].clone();
        let turned = Arc::new(AtomicBool::new(false));
        let config = settings(root, leaf, manner, &turned);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let (socket, _) = listener.accept().await.unwrap();
                open.spawn(greet(socket, acceptor.clone(), manner));
            }
        });
        Self {
            address,
            turned,
            leaf: shown,
            task: task.abort_handle(),
        }
    }

    /// From now on a whole handshake refuses everybody's certificate as revoked.
    pub(in crate::drill) fn turn(&self) {
        self.turned.store(true, Ordering::Release);
    }

    pub(in crate::drill) fn door(&self) -> Door {
        let door = Door::at(&self.address.to_string()).unwrap();
        let door = door.asked_for("localhost").unwrap();
        door.within(Deadlines::all(Duration::from_secs(20)))
    }
}

async fn greet(mut socket: TcpStream, acceptor: TlsAcceptor, manner: Manner) {
    let above = manner.above;
    match above {
        Above::NoTls => return,
        Above::Mute => {
            let mut heard = Vec::new();
            let _end = socket.read_to_end(&mut heard).await;
            return;
        }
        Above::Reset => socket.set_zero_linger().unwrap(),
        _ => {}
    }
    let Ok(mut tls) = acceptor.accept(socket).await else {
        return;
    };
    match above {
        Above::GoAway(last) => goodbye(tls, last).await,
        Above::Close | Above::Reset => {
            let _some = tls.read(&mut [0; 16]).await;
        }
        _ if tls.get_ref().1.alpn_protocol() == Some(b"h2") => two(tls, manner).await,
        _ => one(tls).await,
    }
}

/// HTTP/1.1: the path is the status, `/cut` is half an answer, `/mute` none.
async fn one(mut tls: TlsStream<TcpStream>) {
    let mut heard = Vec::new();
    loop {
        let mut some = [0; 1024];
        let Ok(read @ 1..) = tls.read(&mut some).await else {
            return;
        };
        heard.extend_from_slice(&some[..read]);
        if !heard.ends_with(b"\r\n\r\n") {
            continue;
        }
        let text = String::from_utf8(std::mem::take(&mut heard)).unwrap();
        let path = text.split(' ').nth(1).unwrap().trim_start_matches('/');
        let answer = match path {
            "mute" => std::future::pending().await,
            "cut" => "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_owned(),
            "token" => format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{text}",
                text.len()
            ),
            status => format!("HTTP/1.1 {status} So\r\ncontent-length: 2\r\n\r\nok"),
        };
        tls.write_all(answer.as_bytes()).await.unwrap();
        tls.flush().await.unwrap();
        if path == "cut" {
            return;
        }
    }
}

/// HTTP/2, by the path.
async fn two(tls: TlsStream<TcpStream>, manner: Manner) {
    let mut connection = h2::server::handshake(tls).await.unwrap();
    let mut open = JoinSet::new();
    loop {
        let Some(Ok((request, respond))) = connection.accept().await else {
            return;
        };
        if request.uri().path() == "/t.S/Cut" {
            // The connection ends in the middle of a stream, with no goodbye.
            let mut respond = respond;
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            sent.send_data(message("one"), false).unwrap();
            let _moment = tokio::time::timeout(
                Duration::from_millis(50),
                std::future::poll_fn(|cx| connection.poll_closed(cx)),
            )
            .await;
            return;
        }
        open.spawn(answer(request, respond, manner));
    }
}

pub(in crate::drill) fn message(text: &str) -> Bytes {
    super::super::grpc::frame(text.as_bytes())
}

fn grpc_head() -> Response<()> {
    let head = Response::builder().header("content-type", "application/grpc");
    head.body(()).unwrap()
}

fn trailers(code: i32) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    trailers
}

async fn answer(
    request: Request<h2::RecvStream>,
    mut respond: h2::server::SendResponse<Bytes>,
    manner: Manner,
) {
    let path = request.uri().path().to_owned();
    let token = request.headers().get("authorization").cloned();
    let mut body = request.into_body();
    let mut heard = Vec::new();
    while let Some(Ok(some)) = body.data().await {
        let _room = body.flow_control().release_capacity(some.len());
        heard.extend_from_slice(&some);
    }
    let plain = |status: u16| Response::builder().status(status).body(()).unwrap();
    match path.trim_start_matches('/') {
        "t.S/Echo" => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            sent.send_data(Bytes::from(heard), false).unwrap();
            sent.send_trailers(trailers(0)).unwrap();
        }
        "t.S/Token" => {
            let mut head = grpc_head();
            let code = if token.is_some() { 0 } else { 16 };
            head.headers_mut().insert("grpc-status", code.into());
            respond.send_response(head, true).unwrap();
        }
        "t.S/Down" => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            sent.send_trailers(trailers(14)).unwrap();
        }
        "t.S/Bare" => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            sent.send_data(message("x"), true).unwrap();
        }
        "t.S/Refuse" => respond.send_reset(h2::Reason::REFUSED_STREAM),
        "t.S/Cancel" => respond.send_reset(h2::Reason::CANCEL),
        "t.S/Mute" => std::future::pending().await,
        "t.S/Watch" => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            sent.send_data(message("one"), false).unwrap();
            sent.send_data(message("two"), false).unwrap();
            sent.send_trailers(trailers(7)).unwrap();
        }
        "t.S/Tick" => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            while sent.send_data(message("tick"), false).is_ok() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
        "t.S/Quiet" => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            sent.send_data(message("one"), false).unwrap();
            std::future::pending::<()>().await;
        }
        own if own.starts_with("own.") || own.starts_with("grpc.") => {
            let mut sent = respond.send_response(grpc_head(), false).unwrap();
            let answer = (manner.method)(own, &heard[5..]);
            let code = if answer.is_some() { 0 } else { 12 };
            if let Some(framed) = answer.map(|it| super::super::grpc::frame(&it)) {
                sent.send_data(framed, false).unwrap();
            }
            sent.send_trailers(trailers(code)).unwrap();
        }
        status => {
            let status = status.parse().unwrap();
            let mut sent = respond.send_response(plain(status), false).unwrap();
            sent.send_data(Bytes::from_static(b"ok"), true).unwrap();
        }
    }
}

/// The bytes of HTTP/2 by hand: settings, and at the first request a goodbye and the end.
async fn goodbye(mut tls: TlsStream<TcpStream>, last: u32) {
    let frame = |kind: u8, payload: &[u8]| {
        let mut bytes = vec![
            0,
            0,
            u8::try_from(payload.len()).unwrap(),
            kind,
            0,
            0,
            0,
            0,
            0,
        ];
        bytes.extend_from_slice(payload);
        bytes
    };
    tls.write_all(&frame(4, &[])).await.unwrap();
    tls.flush().await.unwrap();
    let mut preface = [0; 24];
    tls.read_exact(&mut preface).await.unwrap();
    loop {
        let mut head = [0; 9];
        tls.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        tls.read_exact(&mut payload).await.unwrap();
        if head[3] == 1 {
            break;
        }
    }
    let payload = [last.to_be_bytes(), 0_u32.to_be_bytes()].concat();
    tls.write_all(&frame(7, &payload)).await.unwrap();
    tls.flush().await.unwrap();
    // Long enough for the goodbye to be read before the end.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let _end = tls.shutdown().await;
}
