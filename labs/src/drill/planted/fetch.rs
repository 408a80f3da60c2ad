//! One small file over plain HTTP from loopback: how a planted service fetches a key set.
//!
//! It refuses anything but `http://` and a loopback address, follows nowhere, reads a megabyte at
//! most and waits two seconds at most.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(2);
const LARGEST: usize = 1 << 20;

/// Why nothing was fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The address is none that is fetched from.
    #[error("`{0}` is no http:// address on loopback: name one like http://127.0.0.1:9080/jwks")]
    Address(String),
    /// The other side did not answer as it should.
    #[error("nothing came from `{0}`: is it being served?")]
    Unavailable(String),
}

/// Fetches what is at an address.
pub(super) async fn get(url: &str) -> Result<Vec<u8>, FetchError> {
    let bad = || FetchError::Address(url.to_owned());
    let rest = url.strip_prefix("http://").ok_or_else(bad)?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = host.replace("localhost", "127.0.0.1");
    let address: SocketAddr = address.parse().map_err(|_| bad())?;
    if !address.ip().is_loopback() {
        return Err(bad());
    }
    let fetched = timeout(PATIENCE, fetch(address, host, path)).await;
    let fetched = fetched.ok().flatten();
    fetched.ok_or_else(|| FetchError::Unavailable(url.to_owned()))
}

async fn fetch(address: SocketAddr, host: &str, path: &str) -> Option<Vec<u8>> {
    let stream = TcpStream::connect(address).await.ok()?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    let request = Request::get(format!("/{path}"))
        .header(http::header::HOST, host)
        .body(Empty::<Bytes>::new())
        .ok()?;
    let asked = async {
        let response = sender.send_request(request).await.ok()?;
        if response.status() != http::StatusCode::OK {
            return None;
        }
        let body = Limited::new(response.into_body(), LARGEST)
            .collect()
            .await
            .ok()?;
        Some(body.to_bytes().to_vec())
    };
    tokio::pin!(asked);
    tokio::pin!(connection);
    tokio::select! {
        biased;
        body = &mut asked => body,
        _ = &mut connection => asked.await,
    }
}
