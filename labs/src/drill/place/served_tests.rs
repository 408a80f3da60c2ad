//! Hands and eyes together: what is written is what the planted service serves and judges by.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use super::*;
use crate::drill::authority::{Authority, CrlWish, Issuer, Leaf, Life, Root};
use crate::drill::clock;
use crate::drill::eyes::{Call, Client, Door, Identity, Reply, Sessions};
use crate::drill::file::Piece;
use crate::drill::planted::{self, Callers, Fault, Planted, Settings};

/// A planted service that reads the files of a drill.toml, and who may call it.
struct House {
    drill: DrillFile,
    place: Place,
    root: Root,
    issuer: Issuer,
    served: Leaf,
    /// Dropped, it serves no more.
    planted: Planted,
    _temp: tempfile::TempDir,
}

fn life() -> Life {
    Life::from_now(clock::date(), Duration::from_secs(3600))
}

impl House {
    async fn open(swap: &str, fault: Fault) -> Self {
        let temp = tempfile::tempdir().unwrap();
        let text = format!(
            "format = 1\n[target]\naddress = \"localhost:1\"\nreload = []\n\
             settle = \"10s\"\n[files]\nkey = {{ path = \"tls/key.pem\", form = \"sec1\" }}\n\
             chain = \"tls/chain.pem\"\n\
             trust = \"tls/trust.pem\"\ncrl = \"tls/crl.pem\"\nswap = \"{swap}\"\n\
             [caller]\nuri = \"spiffe://shop.example/cart\"\n[calls]\n\
             allowed = {{ http = \"GET {}\" }}\n",
            planted::ORDERS
        );
        let drill = DrillFile::parse("drill.toml", &text, temp.path()).unwrap();
        let mut place = Place::take(&drill, false).unwrap();
        let root = Authority::new(clock::date()).new_root("root").unwrap();
        let issuer = root.issuer("issuer").unwrap();
        let served = issuer.leaf(&drill.target_leaf(life())).unwrap();
        let first = Material::leaf(&served).trusting(&[&root]);
        place
            .write(&with_lists(first, &issuer, &root, 1, &[]))
            .await
            .unwrap();
        let at = |piece| drill.files.of(piece).map(|file| file.path.clone());
        let settings = Settings {
            files: planted::Files {
                key: at(Piece::Key).unwrap(),
                chain: at(Piece::Chain).unwrap(),
                trust: at(Piece::Trust).unwrap(),
                crl: at(Piece::Crl),
            },
            callers: Callers {
                uris: drill.caller.uri.iter().cloned().collect(),
                ..Callers::default()
            },
            token: None,
        };
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let planted = Planted::start(fault, settings, address).await.unwrap();
        Self {
            drill,
            place,
            root,
            issuer,
            served,
            planted,
            _temp: temp,
        }
    }

    fn caller(&self) -> Leaf {
        self.issuer.leaf(&self.drill.caller_leaf(life())).unwrap()
    }

    /// What is answered to a caller, and which leaf was served.
    async fn asked(&self, caller: &Leaf) -> (Reply, Option<Vec<u8>>) {
        let door = Door::at(&self.planted.address().to_string()).unwrap();
        let identity = Identity::of(caller.chain_der.clone(), caller.key_der());
        let client = Client::new(door, &identity, Sessions::None).unwrap();
        let call = Call::get(planted::ORDERS);
        let reply = match client.connect().await {
            Ok(connection) => connection.ask(&call, None).await,
            Err(reply) => reply,
        };
        let served = client.last_served();
        (reply, served.first().map(|leaf| leaf.to_vec()))
    }

    /// Asks until it is as wanted, for a long while.
    async fn until(&self, caller: &Leaf, wanted: impl Fn(&(Reply, Option<Vec<u8>>)) -> bool) {
        let mut last = None;
        for _ in 0..200 {
            let asked = self.asked(caller).await;
            if wanted(&asked) {
                return;
            }
            last = Some(asked.0);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("it never came to that: {last:?}");
    }

    fn is_served(&self, leaf: &Leaf) -> impl Fn(&(Reply, Option<Vec<u8>>)) -> bool {
        let leaf = leaf.certificate().to_vec();
        move |(reply, served)| matches!(reply, Reply::Served(_)) && *served == Some(leaf.clone())
    }
}

fn with_lists(
    material: Material,
    issuer: &Issuer,
    root: &Root,
    number: u64,
    revoked: &[&Leaf],
) -> Material {
    let revoked = revoked.iter().map(|leaf| leaf.serial.clone()).collect();
    let life = life();
    let own = issuer
        .crl(&CrlWish {
            number,
            life,
            revoked,
        })
        .unwrap();
    let roots = root
        .crl(&CrlWish {
            number,
            life,
            revoked: vec![],
        })
        .unwrap();
    material.revoking(&[&own, &roots])
}

#[tokio::test(flavor = "multi_thread")]
async fn in_each_way_a_new_leaf_is_served_and_half_of_one_is_not() {
    let ways = if cfg!(unix) {
        &["rename", "in-place", "symlink"][..]
    } else {
        &["rename"]
    };
    for way in ways {
        let mut house = House::open(way, Fault::None).await;
        let caller = house.caller();
        house.until(&caller, house.is_served(&house.served)).await;
        let second = house.issuer.leaf(&house.drill.target_leaf(life())).unwrap();
        house.place.write(&Material::leaf(&second)).await.unwrap();
        house.until(&caller, house.is_served(&second)).await;
        let third = house.issuer.leaf(&house.drill.target_leaf(life())).unwrap();
        house.place.write(&Material::half(&third)).await.unwrap();
        tokio::time::sleep(planted::LOOK * 6).await;
        let asked = house.asked(&caller).await;
        assert!(house.is_served(&second)(&asked), "{way}: {:?}", asked.0);
        house
            .place
            .write(&Material::leaf(&third).cutting(Piece::Chain))
            .await
            .unwrap();
        tokio::time::sleep(planted::LOOK * 6).await;
        assert!(
            house.is_served(&second)(&house.asked(&caller).await),
            "{way}"
        );
        house.place.write(&Material::leaf(&third)).await.unwrap();
        house.until(&caller, house.is_served(&third)).await;
        let restored = house.place.restore().await.unwrap();
        assert_eq!(restored.aside, [], "{way}");
        assert!(!Path::new(&house.drill.files.key.path).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_and_roots_that_are_written_are_judged_by() {
    let mut house = House::open("rename", Fault::None).await;
    let (one, two) = (house.caller(), house.caller());
    house.until(&one, house.is_served(&house.served)).await;
    let refused = |asked: &(Reply, Option<Vec<u8>>)| matches!(asked.0, Reply::Refused(_));
    let lists = with_lists(Material::default(), &house.issuer, &house.root, 2, &[&one]);
    house.place.write(&lists).await.unwrap();
    house.until(&one, refused).await;
    house.until(&two, house.is_served(&house.served)).await;
    let other = Authority::new(clock::date()).new_root("other").unwrap();
    house
        .place
        .write(&Material::default().trusting(&[&other]))
        .await
        .unwrap();
    house.until(&two, refused).await;
}
