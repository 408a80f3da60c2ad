//! Who calls the drill is written down as they came.

use std::time::Duration;

use super::*;
use crate::drill::authority::{Authority, Issuer, LeafWish, Life, Role};
use crate::drill::eyes::{Call, Client, Door, Identity, Sessions, Speak};

const HOUR: Duration = Duration::from_secs(3600);
const LONG: Duration = Duration::from_secs(10);

fn issuer() -> Issuer {
    let root = Authority::new(clock::date()).new_root("root").unwrap();
    root.issuer("issuer").unwrap()
}

fn leaf(issuer: &Issuer, role: Role) -> Leaf {
    let wish = LeafWish::new(role, Life::from_now(clock::date(), HOUR)).host("localhost");
    issuer.leaf(&wish).unwrap()
}

async fn upstream(leaf: &Leaf) -> Upstream {
    Upstream::at("127.0.0.1:0".parse().unwrap(), leaf)
        .await
        .unwrap()
}

fn client(upstream: &Upstream, leaf: &Leaf, speak: Speak) -> Client {
    let door = Door::at(&upstream.address().to_string()).unwrap();
    let identity = Identity::of(leaf.chain_der.clone(), leaf.key_der());
    Client::new(door.speaking(speak), &identity, Sessions::Kept).unwrap()
}

#[tokio::test]
async fn who_calls_is_written_down_with_what_was_shown_to_them() {
    let issuer = issuer();
    let (server, caller) = (leaf(&issuer, Role::Server), leaf(&issuer, Role::Caller));
    let upstream = upstream(&server).await;
    for (speak, call) in [
        (Speak::Http1, Call::get("/anything")),
        (Speak::Http2, Call::get("/anything")),
        (Speak::Http2, Call::grpc("any.Service/Method")),
    ] {
        let begun = clock::instant();
        let client = client(&upstream, &caller, speak);
        let connection = client.connect().await.unwrap();
        let reply = connection.ask(&call, None).await;
        assert!(reply.is_served(), "{call:?}: {reply}");
        assert!(!connection.ticket_came());
        let asked = upstream.asked_since(begun);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!(asked[0].caller, *caller.certificate());
        assert_eq!(asked[0].shown, *server.certificate());
        assert!(begun <= asked[0].opened && asked[0].opened <= asked[0].at);
    }
    assert!(upstream.asked_since(clock::instant()).is_empty());
    let connections: Vec<u64> = upstream
        .asked_since(clock::instant() - LONG)
        .iter()
        .map(|asked| asked.connection)
        .collect();
    assert_eq!(connections, [1, 2, 3]);
}

#[tokio::test]
async fn another_leaf_is_for_new_connections_and_a_hang_up_ends_the_old_ones() {
    let issuer = issuer();
    let (old, new) = (leaf(&issuer, Role::Server), leaf(&issuer, Role::Server));
    let caller = leaf(&issuer, Role::Caller);
    let upstream = upstream(&old).await;
    for speak in [Speak::Http1, Speak::Http2] {
        upstream.show(&old).unwrap();
        let client = client(&upstream, &caller, speak);
        let kept = client.connect().await.unwrap();
        upstream.show(&new).unwrap();
        let begun = clock::instant();
        assert!(kept.ask(&Call::get("/"), None).await.is_served());
        let asked = upstream.asked_since(begun);
        assert_eq!(asked[0].shown, *old.certificate());
        let fresh = client.connect().await.unwrap();
        assert!(fresh.ask(&Call::get("/"), None).await.is_served());
        assert!(!fresh.resumed());
        let seen = upstream.asked_as(begun, LONG, |asked| asked.shown == *new.certificate());
        assert!(seen.await.is_some());
        upstream.hang_up();
        for _ in 0..500 {
            if !kept.is_open() {
                break;
            }
            sleep(PAUSE / 5).await;
        }
        assert!(!kept.ask(&Call::get("/"), None).await.is_served());
    }
}

#[tokio::test]
async fn who_would_not_is_written_down_too() {
    let issuer = issuer();
    let server = leaf(&issuer, Role::Server);
    let upstream = upstream(&server).await;
    let begun = clock::instant();
    // Nobody's certificate, a connection without a call, and bytes that are no TLS.
    let door = Door::at(&upstream.address().to_string()).unwrap();
    let nobody = Client::new(door, &Identity::nobody(), Sessions::None).unwrap();
    if let Ok(connection) = nobody.connect().await {
        assert!(!connection.ask(&Call::get("/"), None).await.is_served());
    }
    let silent = client(&upstream, &leaf(&issuer, Role::Caller), Speak::Http1);
    drop(silent.connect().await.unwrap());
    let mut plain = TcpStream::connect(upstream.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut plain, b"GET / HTTP/1.1\r\n\r\n")
        .await
        .unwrap();
    let mut declined = Vec::new();
    for _ in 0..500 {
        declined = upstream.declined_since(begun);
        if declined.len() == 3 {
            break;
        }
        sleep(PAUSE / 5).await;
    }
    assert_eq!(declined.len(), 3, "{declined:?}");
    assert!(declined.iter().all(|it| it.shown == *server.certificate()));
    assert!(declined.iter().any(|it| it.how.contains("before any call")));
    assert!(upstream.asked_since(begun).is_empty());
    // Nobody asks, and that is said in time.
    let none = upstream.asked_as(begun, PAUSE, |_| true).await;
    assert_eq!(none, None);
}

#[tokio::test]
async fn it_listens_on_loopback_alone_and_no_longer_than_it_lives() {
    let server = leaf(&issuer(), Role::Server);
    let refused = Upstream::at("0.0.0.0:0".parse().unwrap(), &server).await;
    assert!(matches!(refused, Err(UpstreamError::NotLoopback(_))));
    let first = upstream(&server).await;
    let taken = Upstream::at(first.address(), &server).await;
    assert!(matches!(taken, Err(UpstreamError::Listen(..))));
    let address = first.address();
    drop(first);
    for _ in 0..500 {
        if Upstream::at(address, &server).await.is_ok() {
            return;
        }
        sleep(PAUSE / 5).await;
    }
    panic!("it still listens");
}
