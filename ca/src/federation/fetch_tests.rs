//! One look, at servers that are known and behave badly.

use std::future::{pending, ready};
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::clock::{BoxFuture, SystemClock};
use crate::disk::MemDisk;
use crate::public::tests::Hasty;

/// What a server does with a question that it has read.
type Answer = fn(TlsStream<TcpStream>) -> BoxFuture<'static, ()>;

/// A server under `https_web`, whom a look is taken at.
struct Server {
    errand: Errand,
    roots: WebRoots,
    asked: Arc<AtomicUsize>,
    served: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.served.abort();
    }
}

impl Server {
    async fn new(answer: Answer) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let roots = WebRoots::read(cert.pem().as_bytes()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let acceptor = trust().public_acceptor(vec![cert.der().clone()], key);
        let acceptor = TlsAcceptor::from(acceptor.unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/bundle",
            listener.local_addr().unwrap().port()
        );
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let served = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut question = Vec::new();
                while !question.ends_with(b"\r\n\r\n") {
                    question.push(stream.read_u8().await.unwrap());
                }
                tokio::spawn(answer(stream));
            }
        });
        let errand = Errand {
            trust_domain: TrustDomain::new("other.example").unwrap(),
            endpoint: Endpoint {
                url: url.parse().unwrap(),
                profile: Profile::HttpsWeb,
            },
            anchors: None,
            orders: 0,
        };
        Self {
            errand,
            roots,
            asked,
            served,
        }
    }

    /// A look, with spans that are twenty times shorter.
    async fn looked_at(&self) -> Result<Document, FetchError> {
        let seams = Seams {
            clock: Arc::new(Hasty(20)),
            disk: Arc::new(MemDisk::new()),
            ..Seams::real("never-written")
        };
        let trust = trust();
        let look = fetch(&seams, &trust, &self.errand, Some(&self.roots));
        tokio::time::timeout(DEADLINE, look)
            .await
            .expect("it hangs")
    }
}

fn trust() -> Trust {
    Trust {
        clock: Arc::new(SystemClock),
        tolerance: Duration::ZERO,
    }
}

const BUNDLE: &str = r#"{"keys":[],"spiffe_sequence":1}"#;

/// Says it, and stays.
fn says(mut stream: TlsStream<TcpStream>, head: String, body: Vec<u8>) -> BoxFuture<'static, ()> {
    Box::pin(async move {
        // Whoever has read enough hangs up.
        let _ = stream.write_all(head.as_bytes()).await;
        let _ = stream.write_all(&body).await;
        let _ = stream.flush().await;
        pending::<()>().await;
    })
}

fn ok(length: usize) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n")
}

#[tokio::test]
async fn what_is_a_bundle_is_read() {
    let answer: Answer = |stream| says(stream, ok(BUNDLE.len()), BUNDLE.into());
    let read = Server::new(answer).await.looked_at().await.unwrap();
    assert_eq!((read.sequence, read.roots.len()), (1, 0));
}

#[tokio::test]
async fn a_redirect_is_an_error_and_nobody_goes_there() {
    let server = Server::new(|stream| {
        let port = stream.get_ref().0.local_addr().unwrap().port();
        let to = format!("https://localhost:{port}/elsewhere");
        let head = format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        says(stream, head, Vec::new())
    });
    let server = server.await;
    let refused = server.looked_at().await.unwrap_err();
    assert!(
        matches!(refused, FetchError::Status(StatusCode::FOUND)),
        "{refused}"
    );
    assert_eq!(server.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn what_is_too_long_is_not_read_to_its_end() {
    let answers: [Answer; 3] = [
        // As long as it says.
        |stream| says(stream, ok(MAX_DOCUMENT + 1), vec![b' '; MAX_DOCUMENT + 1]),
        // Without an end, and without a word on how long it is.
        |mut stream| {
            Box::pin(async move {
                let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let mut sent = stream.write_all(head).await;
                let chunk = [&b"1000\r\n"[..], &[b' '; 0x1000], b"\r\n"].concat();
                while sent.is_ok() {
                    sent = stream.write_all(&chunk).await;
                }
            })
        },
        // A head without an end.
        |stream| {
            let head = "HTTP/1.1 200 OK\r\n".to_owned();
            says(stream, head, b"a: b\r\n".repeat(MAX_HEAD))
        },
    ];
    for answer in answers {
        let refused = Server::new(answer).await.looked_at().await.unwrap_err();
        assert!(matches!(refused, FetchError::Broken(_)), "{refused}");
    }
}

#[tokio::test]
async fn a_look_that_hangs_ends() {
    let answers: [Answer; 3] = [
        |stream| {
            Box::pin(async move {
                let _open = stream;
                pending::<()>().await;
            })
        },
        |stream| says(stream, ok(BUNDLE.len()), Vec::new()),
        // A byte now and then.
        |mut stream| {
            Box::pin(async move {
                let mut sent = stream.write_all(ok(MAX_DOCUMENT).as_bytes()).await;
                while sent.is_ok() {
                    sent = stream.write_all(b" ").await;
                    let _ = stream.flush().await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            })
        },
    ];
    for answer in answers {
        let ended = Server::new(answer).await.looked_at().await.unwrap_err();
        assert!(matches!(ended, FetchError::Deadline), "{ended}");
    }
    // Nor is a handshake waited for.
    let mut server = Server::new(|_| Box::pin(ready(()))).await;
    let deaf = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}/", deaf.local_addr().unwrap().port());
    server.errand.endpoint.url = url.parse().unwrap();
    let ended = server.looked_at().await.unwrap_err();
    assert!(matches!(ended, FetchError::Deadline), "{ended}");
}
