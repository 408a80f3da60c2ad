//! Dialling an address of a drill.toml.
//!
//! `localhost` may be disturbed without being asked for, so it is this machine here whatever a
//! resolver says of it.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

/// Connects to a host and a port.
///
/// # Errors
/// When nobody answers there.
pub async fn dial(address: &str) -> io::Result<TcpStream> {
    match here(address) {
        Some(here) => TcpStream::connect(&here[..]).await,
        None => TcpStream::connect(address).await,
    }
}

/// This machine, if that is what an address says by name.
fn here(address: &str) -> Option<[SocketAddr; 2]> {
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    let here = [
        (Ipv4Addr::LOCALHOST, port).into(),
        (Ipv6Addr::LOCALHOST, port).into(),
    ];
    (host == "localhost").then_some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn localhost_is_this_machine_and_nobody_is_asked_where_it_is() {
        let here = here("localhost:8443").unwrap();
        assert!(
            here.iter()
                .all(|it| it.ip().is_loopback() && it.port() == 8443)
        );
        for other in ["127.0.0.1:1", "local.host:1", "localhost", "localhost:x"] {
            assert_eq!(super::here(other), None, "{other}");
        }
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        dial(&format!("localhost:{port}")).await.unwrap();
    }
}
