//! The eyes before hosts of every manner: what is served, refused and failed is told apart.

pub(in crate::drill) mod host;
pub(in crate::drill) mod tls;

use std::time::Duration;

use bytes::Bytes;
use rustls::AlertDescription;

use self::host::{Above, Host, Manner};
use self::tls::Root;
use super::*;

fn client(host: &Host, who: &Identity, sessions: Sessions) -> Client {
    Client::new(host.door(), who, sessions).unwrap()
}

async fn asked(host: &Host, who: &Identity, call: &Call) -> Reply {
    match client(host, who, Sessions::None).connect().await {
        Ok(connection) => connection.ask(call, None).await,
        Err(reply) => reply,
    }
}

async fn over(above: Above, call: &str) -> Reply {
    let root = Root::new("root");
    let manner = Manner {
        above,
        ..Manner::default()
    };
    let host = Host::start(&root, manner).await;
    asked(&host, &root.caller(), &Call::grpc(call)).await
}

fn failure(reply: &Reply) -> &Failure {
    match reply {
        Reply::Failed(failure) => failure,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_good_caller_is_served_over_each_tls_and_each_http() {
    let root = Root::new("root");
    for versions in [Versions::Only12, Versions::Only13] {
        for (protocols, alpn) in [(&["h2"], &b"h2"[..]), (&["http/1.1"], b"http/1.1")] {
            let manner = Manner {
                versions,
                protocols,
                ..Manner::default()
            };
            let host = Host::start(&root, manner).await;
            let connection = client(&host, &root.caller(), Sessions::None);
            let connection = connection.connect().await.unwrap();
            assert_eq!(connection.alpn(), Some(alpn));
            assert_eq!(connection.served_chain(), std::slice::from_ref(&host.leaf));
            let tls12 = versions == Versions::Only12;
            assert_eq!(connection.tls_version() == TlsVersion::V12, tls12);
            for _ in 0..3 {
                let reply = connection.ask(&Call::get("/200"), None).await;
                let body = Bytes::from_static(b"ok");
                assert_eq!(reply, Reply::Served(Good { status: 200, body }));
            }
            for (path, refused) in [("/401", true), ("/403", true), ("/500", false)] {
                let reply = connection.ask(&Call::get(path), None).await;
                assert_eq!(reply.is_refused(), refused, "{reply}");
                assert!(!reply.is_served());
            }
        }
    }
}

#[tokio::test]
async fn a_caller_whom_the_host_does_not_trust_is_refused_by_an_alert() {
    let (root, other) = (Root::new("root"), Root::new("other"));
    for versions in [Versions::Only12, Versions::Only13] {
        let manner = Manner {
            versions,
            ..Manner::default()
        };
        let host = Host::start(&root, manner).await;
        for call in [Call::get("/200"), Call::grpc("t.S/Echo")] {
            // Each time: the alert must never be lost to the closing of the connection.
            for _ in 0..10 {
                let reply = asked(&host, &other.caller(), &call).await;
                assert!(matches!(reply, Reply::Refused(How::Alert(_))), "{reply}");
            }
        }
        let reply = asked(&host, &Identity::nobody(), &Call::get("/200")).await;
        assert!(matches!(reply, Reply::Refused(How::Alert(_))), "{reply}");
        let (shown, held) = (root.leaf(), root.leaf());
        let mixed = Identity::of(shown.chain, held.key);
        let reply = asked(&host, &mixed, &Call::get("/200")).await;
        let alert = How::Alert(AlertDescription::DecryptError);
        assert_eq!(reply, Reply::Refused(alert));
    }
}

#[tokio::test]
async fn an_alert_about_protocols_is_no_refusal() {
    let root = Root::new("root");
    let manner = Manner {
        protocols: &["http/1.1"],
        versions: Versions::Only13,
        ..Manner::default()
    };
    let host = Host::start(&root, manner).await;
    let caller = root.caller();
    let door = host.door().speaking(Speak::Http2);
    let tried = Client::new(door, &caller, Sessions::None).unwrap();
    let reply = tried.connect().await.unwrap_err();
    let alert = AlertDescription::NoApplicationProtocol;
    assert_eq!(failure(&reply).why, Why::Alert(alert));
    let door = host.door().with_tls(Versions::Only12);
    let tried = Client::new(door, &caller, Sessions::None).unwrap();
    let reply = tried.connect().await.unwrap_err();
    let alert = AlertDescription::ProtocolVersion;
    assert_eq!(failure(&reply).why, Why::Alert(alert));
}

#[tokio::test]
async fn a_session_is_taken_up_again_only_where_both_sides_keep_it() {
    let root = Root::new("root");
    for versions in [Versions::Only12, Versions::Only13] {
        for (theirs, ours) in [(true, true), (true, false), (false, true)] {
            let manner = Manner {
                versions,
                sessions: theirs,
                ..Manner::default()
            };
            let host = Host::start(&root, manner).await;
            let kept = if ours { Sessions::Kept } else { Sessions::None };
            let client = client(&host, &root.caller(), kept);
            let first = client.connect().await.unwrap();
            assert!(first.ask(&Call::get("/200"), None).await.is_served());
            assert!(!first.resumed());
            let limit = Duration::from_secs(if theirs { 20 } else { 0 });
            assert_eq!(first.ticket_within(limit).await, theirs);
            assert_eq!(first.ticket_came(), theirs);
            assert_eq!(client.tickets() > 0, theirs && ours);
            let second = client.connect().await.unwrap();
            assert_eq!(second.resumed(), theirs && ours);
            assert!(second.ask(&Call::get("/200"), None).await.is_served());
            assert_eq!(second.served_chain(), first.served_chain());
        }
    }
}

#[tokio::test]
async fn grpc_is_read_by_its_status() {
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let client = client(&host, &root.caller(), Sessions::None);
    let connection = client.connect().await.unwrap();
    let call = Call::Grpc {
        method: "t.S/Echo".to_owned(),
        message: Bytes::from_static(b"hello"),
    };
    let body = Bytes::from_static(b"hello");
    let reply = connection.ask(&call, None).await;
    assert_eq!(reply, Reply::Served(Good { status: 200, body }));
    let call = Call::grpc("t.S/Token");
    let reply = connection.ask(&call, None).await;
    assert_eq!(reply, Reply::Refused(How::Grpc(16)));
    let badge = Badge::bearer("token");
    assert!(connection.ask(&call, Some(&badge)).await.is_served());
    let reply = connection.ask(&Call::grpc("t.S/Down"), None).await;
    assert_eq!(failure(&reply).why, Why::Grpc(14, String::new()));
    assert!(!reply.unprocessed());
    let reply = connection.ask(&Call::grpc("t.S/Bare"), None).await;
    assert!(matches!(failure(&reply).why, Why::Garbled(_)), "{reply}");
    // A gateway before a gRPC service answers with plain statuses.
    let reply = connection.ask(&Call::grpc("403"), None).await;
    assert_eq!(reply, Reply::Refused(How::Http(403)));
    let reply = connection.ask(&Call::grpc("503"), None).await;
    assert_eq!(failure(&reply).why, Why::Http(503));
}

#[tokio::test]
async fn only_what_the_host_did_not_take_on_may_be_asked_again() {
    let reply = over(Above::Http, "t.S/Refuse").await;
    assert_eq!(failure(&reply).why, Why::StreamReset(7));
    assert!(reply.unprocessed());
    let reply = over(Above::Http, "t.S/Cancel").await;
    assert_eq!(failure(&reply).why, Why::StreamReset(8));
    assert!(!reply.unprocessed());
    // The first request of a client is stream 1.
    let reply = over(Above::GoAway(0), "t.S/Echo").await;
    assert_eq!(failure(&reply).why, Why::GoAway(0));
    assert!(reply.unprocessed());
    let reply = over(Above::GoAway(1), "t.S/Echo").await;
    assert_eq!(failure(&reply).why, Why::Ended);
    assert!(!reply.unprocessed());
}

#[tokio::test]
async fn a_question_after_the_goodbye_was_never_sent() {
    let root = Root::new("root");
    let manner = Manner {
        above: Above::GoAway(0),
        ..Manner::default()
    };
    let host = Host::start(&root, manner).await;
    let client = client(&host, &root.caller(), Sessions::None);
    let connection = client.connect().await.unwrap();
    assert!(connection.is_open());
    for _ in 0..2 {
        let reply = connection.ask(&Call::grpc("t.S/Echo"), None).await;
        assert!(reply.unprocessed(), "{reply}");
    }
}

#[tokio::test]
async fn a_connection_shut_without_a_word_is_told_apart() {
    for above in [Above::Close, Above::Reset] {
        let reply = over(above, "t.S/Echo").await;
        assert!(reply.shut_out(), "{reply}");
        assert!(!reply.is_refused() && !reply.unprocessed());
    }
    let shut = Manner {
        above: Above::Close,
        protocols: &["http/1.1"],
        ..Manner::default()
    };
    let root = Root::new("root");
    let host = Host::start(&root, shut).await;
    let reply = asked(&host, &root.caller(), &Call::get("/200")).await;
    // It was sent, and who knows what was done with it.
    assert!(reply.shut_out() && !reply.unprocessed(), "{reply}");
    let reply = over(Above::NoTls, "t.S/Echo").await;
    assert!(reply.shut_out() && reply.unprocessed(), "{reply}");
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let connection = client(&host, &root.caller(), Sessions::None);
    let connection = connection.connect().await.unwrap();
    assert!(connection.ask(&Call::get("/200"), None).await.is_served());
    let reply = connection.watch(&Call::grpc("t.S/Cut"), None).await;
    let mut stream = reply.unwrap();
    assert_eq!(
        stream.next().await,
        Next::Message(Bytes::from_static(b"one"))
    );
    let Next::Ended(reply) = stream.next().await else {
        panic!("the stream went on");
    };
    assert!(!reply.shut_out());
    assert_eq!(failure(&reply).why, Why::Ended);
    assert_eq!(failure(&reply).stage, Stage::Stream);
    assert!(!connection.is_open());
}

#[tokio::test]
async fn a_stream_is_read_to_its_end() {
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let mut door = host.door();
    door.deadlines.message = Duration::from_millis(100);
    let client = Client::new(door, &root.caller(), Sessions::None).unwrap();
    let connection = client.connect().await.unwrap();
    let mut stream = connection
        .watch(&Call::grpc("t.S/Quiet"), None)
        .await
        .unwrap();
    assert!(matches!(stream.next().await, Next::Message(_)));
    assert_eq!(stream.next().await, Next::Silence);
    assert_eq!(stream.next().await, Next::Silence);
    let refused = connection.watch(&Call::grpc("t.S/Token"), None).await;
    assert_eq!(refused.unwrap_err(), Reply::Refused(How::Grpc(16)));
    let mut stream = connection
        .watch(&Call::grpc("t.S/Watch"), None)
        .await
        .unwrap();
    let mut heard = Vec::new();
    loop {
        match stream.next().await {
            Next::Message(message) => heard.push(message),
            Next::Silence => {}
            Next::Ended(reply) => {
                assert_eq!(reply, Reply::Refused(How::Grpc(7)));
                break;
            }
        }
    }
    assert_eq!(heard, [&b"one"[..], b"two"]);
    let again = Next::Ended(Reply::Refused(How::Grpc(7)));
    assert_eq!(stream.next().await, again);
}

#[tokio::test]
async fn a_stream_holds_its_connection() {
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let client = client(&host, &root.caller(), Sessions::None);
    let connection = client.connect().await.unwrap();
    let stream = connection.watch(&Call::grpc("t.S/Tick"), None).await;
    let mut stream = stream.unwrap();
    drop(connection);
    for _ in 0..20 {
        assert!(matches!(stream.next().await, Next::Message(_)));
    }
}

#[tokio::test]
async fn a_host_that_signs_with_another_key_is_found_out() {
    let root = Root::new("root");
    for versions in [Versions::Only12, Versions::Only13] {
        let manner = Manner {
            versions,
            mixed: true,
            ..Manner::default()
        };
        let host = Host::start(&root, manner).await;
        let client = client(&host, &root.caller(), Sessions::None);
        let reply = client.connect().await.unwrap_err();
        assert!(matches!(failure(&reply).why, Why::Tls(_)), "{reply}");
        assert_eq!(client.last_served(), std::slice::from_ref(&host.leaf));
    }
}

#[tokio::test]
async fn every_step_has_a_deadline() {
    let root = Root::new("root");
    let short = Deadlines::all(Duration::from_millis(100));
    let late = Why::TimedOut(Duration::from_millis(100));
    let mute = Manner {
        above: Above::Mute,
        ..Manner::default()
    };
    let host = Host::start(&root, mute).await;
    let door = host.door().within(short);
    let tried = Client::new(door, &root.caller(), Sessions::None).unwrap();
    let reply = tried.connect().await.unwrap_err();
    assert_eq!(failure(&reply).why, late);
    assert_eq!(failure(&reply).stage, Stage::Handshake);
    let host = Host::start(&root, Manner::default()).await;
    for (speak, call) in [
        (Speak::Http2, Call::grpc("t.S/Mute")),
        (Speak::Http1, Call::get("/mute")),
    ] {
        let mut door = host.door().speaking(speak);
        door.deadlines.reply = Duration::from_millis(100);
        let tried = Client::new(door, &root.caller(), Sessions::None).unwrap();
        let connection = tried.connect().await.unwrap();
        let reply = connection.ask(&call, None).await;
        assert_eq!(failure(&reply).why, late);
        assert!(!reply.unprocessed());
    }
}

#[tokio::test]
async fn http1_tells_half_an_answer_from_a_whole_one_and_carries_the_token() {
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let door = host.door().speaking(Speak::Http1);
    let client = Client::new(door, &root.caller(), Sessions::None).unwrap();
    let connection = client.connect().await.unwrap();
    let badge = Badge::under("X-Token", "secret");
    let reply = connection.ask(&Call::get("/token"), Some(&badge)).await;
    let Reply::Served(good) = reply else {
        panic!("{reply}");
    };
    let text = String::from_utf8(good.body.to_vec()).unwrap();
    assert!(text.contains("x-token: secret\r\n"), "{text}");
    let reply = connection.ask(&Call::get("/cut"), None).await;
    assert_eq!(failure(&reply).why, Why::Ended);
    assert!(!reply.unprocessed());
    let reply = connection.ask(&Call::get("/200"), None).await;
    assert!(reply.unprocessed(), "{reply}");
    let reply = connection.ask(&Call::grpc("t.S/Echo"), None).await;
    assert!(
        failure(&reply)
            .why
            .to_string()
            .contains("gRPC needs HTTP/2")
    );
}

#[tokio::test]
async fn nobody_there_is_no_refusal_and_may_be_tried_again() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let door = Door::at(&address).unwrap();
    let nobody = Client::new(door, &Identity::nobody(), Sessions::None).unwrap();
    let reply = nobody.connect().await.unwrap_err();
    assert!(
        matches!(failure(&reply).why, Why::Unreachable(_)),
        "{reply}"
    );
    assert!(reply.unprocessed() && !reply.shut_out());
    for wrong in ["localhost", "localhost:door", "a b:80"] {
        assert!(Door::at(wrong).is_err(), "{wrong}");
    }
}
