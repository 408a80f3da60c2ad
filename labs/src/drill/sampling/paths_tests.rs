//! The real paths before a service that honours a revocation in whole handshakes alone, which is
//! what most do: each path must show its own answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::*;
use crate::drill::answer::Seen;
use crate::drill::clock;
use crate::drill::eyes::tests::host::{Host, Manner};
use crate::drill::eyes::tests::tls::Root;
use crate::drill::eyes::{Call, Client, Next, Sessions, Speak, Versions};

const BRIEFLY: Watch = Watch {
    step: Duration::from_millis(20),
    limit: Duration::from_millis(100),
    calm: Duration::from_millis(40),
};

/// How long a ticket is waited for; all of it passes only where none comes.
const LONG: Duration = Duration::from_millis(500);

async fn turned(manner: Manner) {
    let root = Root::new("root");
    let host = Host::start(&root, manner).await;
    let caller = root.caller();
    let fresh = Client::new(host.door(), &caller, Sessions::None).unwrap();
    let back = Client::new(host.door(), &caller, Sessions::Kept).unwrap();
    let call = Call::grpc("t.S/Echo");
    let connection = back.connect().await.unwrap();
    assert!(connection.ask(&call, None).await.is_served());
    assert_eq!(connection.ticket_within(LONG).await, manner.sessions);
    let ticks = connection.watch(&Call::grpc("t.S/Tick"), None).await;
    let mut ticks = ticks.unwrap();
    assert!(matches!(ticks.next().await, Next::Message(_)));

    host.turn();
    let since = clock::instant();
    let (client, badge) = (&fresh, None);
    let call = &call;
    let mut new = New {
        client,
        call,
        badge,
    };
    let new = BRIEFLY.run(&Real, since, &mut new).await;
    assert_eq!(new.seen, Seen::RefusedAtOnce, "{new:?}");
    let client = &back;
    let mut resumed = Resumed {
        client,
        call,
        badge,
    };
    let resumed = BRIEFLY.run(&Real, since, &mut resumed).await;
    let kept = matches!(resumed.seen, Seen::StillServed { .. });
    assert_eq!(kept, manner.sessions, "{resumed:?}");
    let unclear = matches!(resumed.seen, Seen::CannotJudge { .. });
    assert_eq!(unclear, !manner.sessions, "{resumed:?}");
    let connection = &connection;
    let mut established = Established {
        connection,
        call,
        badge,
    };
    let established = BRIEFLY.run(&Real, since, &mut established).await;
    let served = matches!(established.seen, Seen::StillServed { .. });
    assert!(served, "{established:?}");
    let mut open = Open { stream: &mut ticks };
    let open = BRIEFLY.run(&Real, since, &mut open).await;
    assert!(matches!(open.seen, Seen::StillServed { .. }), "{open:?}");

    drop(host);
    let mut established = Established {
        connection,
        call,
        badge,
    };
    let established = BRIEFLY.run(&Real, since, &mut established).await;
    assert_eq!(established.seen, Seen::RefusedAtOnce, "{established:?}");
    assert_eq!(established.samples, 1);
}

#[tokio::test]
async fn each_path_has_its_own_answer() {
    for versions in [Versions::Only12, Versions::Only13] {
        for sessions in [true, false] {
            turned(Manner {
                versions,
                sessions,
                ..Manner::default()
            })
            .await;
        }
    }
}

#[tokio::test]
async fn good_callers_are_asked_for_over_connections_of_their_own() {
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let client = Client::new(host.door(), &root.caller(), Sessions::None).unwrap();
    let client = Arc::new(client);
    let lane = |call: &str| Caller::new(Arc::clone(&client), Call::grpc(call), None);
    let load = Load {
        per_second: 100,
        limit: Duration::from_millis(300),
    };
    let (_stop, stopped) = watch::channel(false);
    let lanes = vec![lane("t.S/Echo"), lane("t.S/Refuse"), lane("t.S/Down")];
    let all = under(load, lanes, Arc::new(Real), stopped).await;
    assert!(all.served.asked >= 3, "{all:?}");
    assert!(
        all.served.failed >= 2 && all.served.failed < all.served.asked,
        "{all:?}"
    );
    assert_eq!(all.served.failed, all.served.failed_after_retry);
    assert_eq!(all.why.len(), 2, "{all:?}");
}

#[tokio::test]
async fn a_connection_that_we_gave_up_is_no_end_of_access() {
    let root = Root::new("root");
    let host = Host::start(&root, Manner::default()).await;
    let mut door = host.door().speaking(Speak::Http1);
    door.deadlines.reply = Duration::from_millis(50);
    let client = Client::new(door, &root.caller(), Sessions::None).unwrap();
    let connection = client.connect().await.unwrap();
    let mut late = Established {
        connection: &connection,
        call: &Call::get("/mute"),
        badge: None,
    };
    let late = BRIEFLY.run(&Real, clock::instant(), &mut late).await;
    let unclear = matches!(late.seen, Seen::CannotJudge { .. });
    assert!(unclear && late.refused == 0, "{late:?}");
    assert!(!connection.is_open());
}
