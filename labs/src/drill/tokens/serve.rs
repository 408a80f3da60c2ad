//! The key list over plain HTTP on a loopback address, for a target that fetches it.
//!
//! Every path gives the list. It counts how often it was fetched, since a target that fetches at
//! every unknown name can be made to do so by anybody. It refuses any other address, and ends when
//! it is dropped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use super::{Flaw, Jwks};

/// A key list that is served.
#[derive(Debug)]
pub struct Served {
    address: SocketAddr,
    shelf: Arc<Shelf>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shelf {
    /// Nothing while the list is withheld.
    document: Mutex<Option<Bytes>>,
    fetches: AtomicU64,
}

impl Served {
    /// Serves a list at an address, such as `127.0.0.1:9080`; port 0 is any free one.
    ///
    /// # Errors
    ///
    /// If the address is taken, is none, or is not a loopback address.
    pub async fn at(address: &str, jwks: &Jwks) -> Result<Self, Flaw> {
        let flaw = |why| Flaw::Listen {
            address: address.to_owned(),
            why,
        };
        let mut found = tokio::net::lookup_host(address).await.map_err(flaw)?;
        let socket = found
            .find(|socket| socket.ip().is_loopback())
            .ok_or_else(|| Flaw::NotLoopback(address.to_owned()))?;
        let listener = TcpListener::bind(socket).await.map_err(flaw)?;
        let address = listener.local_addr().map_err(flaw)?;
        let shelf = Arc::new(Shelf {
            document: Mutex::new(Some(Bytes::from(jwks.bytes()))),
            fetches: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shelf))).abort_handle();
        Ok(Self {
            address,
            shelf,
            task,
        })
    }

    /// Where it is served.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves another list from now on.
    pub fn show(&self, jwks: &Jwks) {
        self.put(Some(Bytes::from(jwks.bytes())));
    }

    /// Answers 503 from now on, as a key server that is down.
    pub fn withhold(&self) {
        self.put(None);
    }

    /// How often it was fetched so far, also while it was withheld.
    pub fn fetches(&self) -> u64 {
        self.shelf.fetches.load(Ordering::Acquire)
    }

    fn put(&self, document: Option<Bytes>) {
        let shown = self.shelf.document.lock();
        *shown.unwrap_or_else(PoisonError::into_inner) = document;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shelf: Arc<Shelf>) {
    let mut open = JoinSet::new();
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            // Too many open files, or a peer that is gone already: the next may be well.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        while open.try_join_next().is_some() {}
        let shelf = Arc::clone(&shelf);
        open.spawn(async move {
            let service = service_fn(move |request| {
                let response = shelf.answer(&request);
                async move { Ok::<_, Infallible>(response) }
            });
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(socket), service);
            // A target that hangs up in the middle is not our trouble.
            let _end = served.await;
        });
    }
}

impl Shelf {
    fn answer(&self, _: &Request<Incoming>) -> Response<Full<Bytes>> {
        self.fetches.fetch_add(1, Ordering::AcqRel);
        let document = self.document.lock();
        let document = document.unwrap_or_else(PoisonError::into_inner).clone();
        let status = match document {
            Some(_) => StatusCode::OK,
            None => StatusCode::SERVICE_UNAVAILABLE,
        };
        let mut response = Response::new(Full::new(document.unwrap_or_default()));
        *response.status_mut() = status;
        response.headers_mut().insert(
            http::header::CONTENT_TYPE,
            http::HeaderValue::from_static("application/json"),
        );
        response
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use super::*;
    use crate::drill::tokens::TokenKey;

    async fn fetch(from: SocketAddr) -> String {
        let mut socket = TcpStream::connect(from).await.unwrap();
        let request = b"GET /jwks HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        socket.write_all(request).await.unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn the_list_is_served_counted_changed_and_withheld() {
        let (one, two) = (TokenKey::new("one").unwrap(), TokenKey::new("two").unwrap());
        let served = Served::at("127.0.0.1:0", &Jwks::of([&one])).await.unwrap();
        let first = fetch(served.address()).await;
        assert!(first.starts_with("HTTP/1.1 200"), "{first}");
        assert!(first.contains("\"one\"") && !first.contains("\"two\""));
        served.show(&Jwks::of([&two]));
        let second = fetch(served.address()).await;
        assert!(second.contains("\"two\"") && !second.contains("\"one\""));
        served.withhold();
        assert!(fetch(served.address()).await.starts_with("HTTP/1.1 503"));
        assert_eq!(served.fetches(), 3);
    }

    #[tokio::test]
    async fn it_is_served_to_no_stranger() {
        let refused = Served::at("0.0.0.0:0", &Jwks::default()).await;
        assert!(matches!(refused, Err(Flaw::NotLoopback(_))));
    }
}
