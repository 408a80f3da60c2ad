//! Each fault about tokens, beside the good service; and the same service over gRPC.

use std::future::Future;
use std::time::Duration;

use http::StatusCode;
use rustls::pki_types::PrivateKeyDer;

use super::sample::*;
use super::{Fault, GET, Jwks, TokenRules, WATCH};
use crate::drill::clock;
use crate::drill::describe::Description;
use crate::drill::eyes::{Badge, Call, Client, Door, How, Identity, Next, Reply, Sessions};
use crate::drill::tokens::{Jwks as Set, Served, TokenKey, Wish};

const OK: Option<StatusCode> = Some(StatusCode::OK);
const REFUSED: Option<StatusCode> = Some(StatusCode::UNAUTHORIZED);

fn wish() -> Wish {
    let now = clock::unix_seconds();
    Wish::new("https://sts.example", "orders", now - 60, now + 600)
}

fn rules(jwks: Jwks) -> TokenRules {
    TokenRules {
        jwks,
        issuer: "https://sts.example".to_owned(),
        audience: "orders".to_owned(),
        header: "authorization".to_owned(),
    }
}

/// A service that reads its keys from a file, and one key that is in it.
struct Bank {
    house: House,
    key: TokenKey,
    caller: Caller,
    leaf: Leaf,
}

impl Bank {
    async fn open(fault: Fault) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = TokenKey::new("one").unwrap();
        let path = dir.path().join("jwks.json");
        std::fs::write(&path, Set::of([&key]).bytes()).unwrap();
        let house = House::start_in(dir, fault, Some(rules(Jwks::File(path)))).await;
        let leaf = house.root.leaf();
        let caller = house.caller(&leaf);
        Self {
            house,
            key,
            caller,
            leaf,
        }
    }

    async fn ask(&self, token: &str) -> Option<StatusCode> {
        self.caller.open().await?.get(Some(token)).await
    }

    async fn publish(&self, keys: &[&TokenKey]) {
        let text = Set::of(keys.iter().copied()).bytes();
        self.house
            .put("jwks.json", &String::from_utf8(text).unwrap())
            .await;
    }
}

/// The good service must do it and the bad twin must not.
async fn tells<F: Future<Output = bool>>(fault: Fault, does_right: impl Fn(Bank) -> F) {
    let answer = async |fault| {
        let bank = Bank::open(fault).await;
        let control = wish().signed(&bank.key).unwrap();
        assert_eq!(bank.ask(&control).await, OK, "the control, {fault}");
        does_right(bank).await
    };
    let (good, bad) = tokio::join!(answer(Fault::None), answer(fault));
    assert!(good, "the good service fails {fault}");
    assert!(!bad, "the bad twin passes {fault}");
}

#[tokio::test]
async fn keys_come_and_go() {
    tells(Fault::JwksNewKey, async |bank: Bank| {
        let new = TokenKey::new("two").unwrap();
        bank.publish(&[&bank.key, &new]).await;
        bank.ask(&wish().signed(&new).unwrap()).await == OK
    })
    .await;
    tells(Fault::JwksRemovedKey, async |bank: Bank| {
        let token = wish().signed(&bank.key).unwrap();
        let mut open = bank.caller.open().await.unwrap();
        let mut stream = bank
            .caller
            .open()
            .await
            .unwrap()
            .watch(Some(&token))
            .await
            .unwrap();
        bank.publish(&[&TokenKey::new("two").unwrap()]).await;
        let established = open.get(Some(&token)).await;
        established == REFUSED && bank.ask(&token).await == REFUSED && !goes_on(&mut stream).await
    })
    .await;
    tells(Fault::JwksOneKidTwoKeys, async |bank: Bank| {
        let twin = TokenKey::new("one").unwrap();
        bank.publish(&[&bank.key, &twin]).await;
        let first = bank.ask(&wish().signed(&bank.key).unwrap()).await;
        first == OK && bank.ask(&wish().signed(&twin).unwrap()).await == OK
    })
    .await;
}

#[tokio::test]
async fn a_token_is_held_to_what_it_says() {
    tells(Fault::ExpiredToken, async |bank: Bank| {
        let over = wish()
            .until(clock::unix_seconds() - 5)
            .signed(&bank.key)
            .unwrap();
        bank.ask(&over).await == REFUSED
    })
    .await;
    tells(Fault::WrongAudience, async |bank: Bank| {
        let other = wish().audience("till").signed(&bank.key).unwrap();
        bank.ask(&other).await == REFUSED
    })
    .await;
    tells(Fault::UnsignedToken, async |bank: Bank| {
        bank.ask(&wish().unsigned()).await == REFUSED
    })
    .await;
}

#[tokio::test]
async fn a_bound_token_is_good_with_its_own_leaf_alone() {
    tells(Fault::TokenOfAnotherLeaf, async |bank: Bank| {
        let own = wish()
            .bound_to(&bank.leaf.ders()[0])
            .signed(&bank.key)
            .unwrap();
        assert_eq!(bank.ask(&own).await, OK);
        let other = bank.house.root.leaf();
        let others = wish().bound_to(&other.ders()[0]).signed(&bank.key).unwrap();
        bank.ask(&others).await == REFUSED
    })
    .await;
    tells(Fault::TokenAfterRotation, async |bank: Bank| {
        let old = wish()
            .bound_to(&bank.leaf.ders()[0])
            .signed(&bank.key)
            .unwrap();
        assert_eq!(bank.ask(&old).await, OK);
        let renewed = bank.house.root.leaf();
        let new = wish()
            .bound_to(&renewed.ders()[0])
            .signed(&bank.key)
            .unwrap();
        let caller = bank.house.caller(&renewed);
        let mut open = caller.open().await.unwrap();
        open.get(Some(&new)).await == OK && open.get(Some(&old)).await == REFUSED
    })
    .await;
}

#[tokio::test]
async fn without_a_token_and_with_nonsense_nobody_is_served() {
    let bank = Bank::open(Fault::None).await;
    let mut open = bank.caller.open().await.unwrap();
    assert_eq!(open.get(None).await, REFUSED);
    let stranger = TokenKey::new("one").unwrap();
    let forged = wish().signed(&stranger).unwrap();
    let other_issuer = wish().claim("iss", "https://evil.example".into());
    let other_issuer = other_issuer.signed(&bank.key).unwrap();
    let endless = wish().without("exp").signed(&bank.key).unwrap();
    let nonsense = ["", ".", "..", "a.b.c", &forged, &other_issuer, &endless];
    for token in nonsense {
        assert_eq!(bank.ask(token).await, REFUSED, "{token}");
    }
}

#[tokio::test]
async fn a_key_nobody_knows_is_looked_for_once_and_not_for_every_token() {
    let asked = async |fault: Fault| {
        let key = TokenKey::new("one").unwrap();
        let served = Served::at("127.0.0.1:0", &Set::of([&key])).await.unwrap();
        let url = format!("http://{}/jwks", served.address());
        let house = House::start(fault, Some(rules(Jwks::Url(url)))).await;
        let caller = house.caller(&house.root.leaf());
        let mut open = caller.open().await.unwrap();
        assert_eq!(open.get(Some(&wish().signed(&key).unwrap())).await, OK);
        let before = served.fetches();
        let began = clock::instant();
        for n in 0..60 {
            let unknown = wish().signed_as(&key, &format!("unknown-{n}")).unwrap();
            assert_eq!(open.get(Some(&unknown)).await, REFUSED);
        }
        let seconds = began.elapsed().as_secs();
        // A key that was published this moment is found without waiting for the next look.
        tokio::time::sleep(Duration::from_millis(1100)).await;
        let new = TokenKey::new("new").unwrap();
        served.show(&Set::of([&key, &new]));
        let found = open.get(Some(&wish().signed(&new).unwrap())).await == OK;
        (served.fetches() - before, seconds, found)
    };
    let (fetches, seconds, found) = asked(Fault::None).await;
    assert!(
        fetches <= 2 * (seconds + 3),
        "{fetches} fetches in {seconds} s"
    );
    assert!(found);
    let (fetches, _, _) = asked(Fault::JwksUnknownKid).await;
    assert!(fetches >= 60, "{fetches} fetches");
}

#[tokio::test]
async fn over_grpc_it_answers_streams_and_refuses_with_a_code() {
    let bank = Bank::open(Fault::None).await;
    let token = wish().signed(&bank.key).unwrap();
    let door = Door::at(&bank.house.service.address().to_string()).unwrap();
    let key = PrivateKeyDer::try_from(bank.leaf.key.serialize_der()).unwrap();
    let identity = Identity::of(bank.leaf.ders(), key);
    let client = Client::new(door, &identity, Sessions::Kept).unwrap();
    let open = client.connect().await.unwrap();
    assert_eq!(open.alpn(), Some(&b"h2"[..]));
    let (get, badge) = (Call::grpc(GET), Badge::bearer(&token));
    assert!(matches!(
        open.ask(&get, Some(&badge)).await,
        Reply::Served(_)
    ));
    assert!(open.ticket_came());
    let described = Description::ask(&open, "schism.drill.v1.Orders/Watch", None)
        .await
        .unwrap();
    assert!(described.streams("schism.drill.v1.Orders/Watch").unwrap());
    assert!(!described.streams("schism.drill.v1.Orders/Get").unwrap());
    let body = serde_json::json!({ "id": "order" });
    let call = described.call("schism.drill.v1.Orders/Get", &body).unwrap();
    assert!(matches!(
        open.ask(&call, Some(&badge)).await,
        Reply::Served(_)
    ));
    let how = |reply: Reply| match reply {
        Reply::Refused(How::Grpc(code)) => Some(code),
        _ => None,
    };
    assert_eq!(how(open.ask(&get, None).await), Some(16));
    let watch = Call::grpc(WATCH);
    let mut stream = open.watch(&watch, Some(&badge)).await.unwrap();
    for _ in 0..3 {
        assert!(matches!(stream.next().await, Next::Message(_)));
    }
    let list = bank
        .house
        .root
        .list(6, time::Duration::hours(1), &[&bank.leaf]);
    bank.house.put("crl.pem", &list).await;
    let ended = loop {
        if let Next::Ended(reply) = stream.next().await {
            break reply;
        }
    };
    assert_eq!(
        how(ended),
        Some(7),
        "the stream ends with PERMISSION_DENIED"
    );
    assert_eq!(how(open.ask(&get, Some(&badge)).await), Some(7));
    let again = client.connect().await.unwrap();
    assert!(again.resumed());
    assert_eq!(how(again.ask(&get, Some(&badge)).await), Some(7), "resumed");
}
