//! The planted service before the authority and the eyes of the drill itself: whole chains, a list
//! of each signer, and the odd certificates as the drill makes them.

use std::fs;
use std::time::Duration;

use super::sample::{CART, files};
use super::{Callers, Fault, ORDERS, Planted, Settings};
use crate::drill::authority::{
    Authority, CrlWish, Issuer, IssuerWish, Leaf, LeafWish, Life, Role, Root, pem,
};
use crate::drill::clock;
use crate::drill::eyes::{Call, Client, Door, Identity, Reply, Sessions};

struct Town {
    authority: Authority,
    root: Root,
    issuer: Issuer,
    dir: tempfile::TempDir,
}

impl Town {
    fn found() -> Self {
        let authority = Authority::new(clock::date());
        let root = authority.new_root("Town root").unwrap();
        let issuer = root.issuer("Town issuer").unwrap();
        let town = Self {
            authority,
            root,
            issuer,
            dir: tempfile::tempdir().unwrap(),
        };
        let target = LeafWish::new(Role::Server, town.authority.life()).host("localhost");
        let target = town.issuer.leaf(&target).unwrap();
        town.put("key.pem", &pem::sec1(&target.key).unwrap());
        town.put("chain.pem", &pem::certificates(&target.chain_der));
        town.put("trust.pem", &pem::certificates([town.root.certificate()]));
        town.revoke(1, &[]);
        town
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.dir.path().join(name), text).unwrap();
    }

    fn revoke(&self, number: u64, revoked: &[&Leaf]) {
        let life = Life::from_now(clock::date(), Duration::from_secs(3600));
        let list = |revoked: &[&Leaf]| CrlWish {
            number,
            life,
            revoked: revoked.iter().map(|leaf| leaf.serial.clone()).collect(),
        };
        let of_issuer = self.issuer.crl(&list(revoked)).unwrap();
        let of_root = self.root.crl(&list(&[])).unwrap();
        let both = [of_issuer.der.as_slice(), of_root.der.as_slice()];
        self.put("crl.pem", &pem::crls(both));
    }

    fn wish(&self) -> LeafWish {
        LeafWish::new(Role::Caller, self.authority.life()).uri(CART)
    }

    fn caller(&self) -> Leaf {
        self.issuer.leaf(&self.wish()).unwrap()
    }

    async fn service(&self, fault: Fault) -> Planted {
        let settings = Settings {
            files: files(&self.dir),
            callers: Callers {
                uris: [CART.to_owned()].into(),
                ..Callers::default()
            },
            token: None,
        };
        Planted::start(fault, settings, "127.0.0.1:0".parse().unwrap())
            .await
            .unwrap()
    }
}

async fn ask(service: &Planted, caller: &Leaf) -> Reply {
    let door = Door::at(&service.address().to_string()).unwrap();
    let identity = Identity::of(caller.chain_der.clone(), caller.key_der());
    let client = Client::new(door, &identity, Sessions::None).unwrap();
    match client.connect().await {
        Ok(connection) => connection.ask(&Call::get(ORDERS), None).await,
        Err(reply) => reply,
    }
}

#[tokio::test]
async fn whole_chains_are_served_and_a_list_of_their_issuer_is_heeded() {
    let town = Town::found();
    let service = town.service(Fault::None).await;
    let (good, bad) = (town.caller(), town.caller());
    assert!(matches!(ask(&service, &good).await, Reply::Served(_)));
    assert!(matches!(ask(&service, &bad).await, Reply::Served(_)));
    town.revoke(2, &[&bad]);
    for _ in 0..200 {
        tokio::time::sleep(super::LOOK).await;
        if service.has_looked() {
            break;
        }
    }
    assert!(matches!(ask(&service, &bad).await, Reply::Refused(_)));
    assert!(matches!(ask(&service, &good).await, Reply::Served(_)));
}

#[tokio::test]
async fn the_odd_certificates_of_the_drill_pass_their_bad_twin_alone() {
    let town = Town::found();
    let issuer = IssuerWish {
        name: "Calling issuer".to_owned(),
        life: town.authority.life(),
        uris: vec![CART.to_owned()],
        dns: Vec::new(),
    };
    let above = town.caller();
    let mut says_ca = town.wish();
    says_ca.says_ca = true;
    let mut unknown = town.wish();
    unknown.unknown_critical = true;
    let server = LeafWish::new(Role::Server, town.authority.life()).uri(CART);
    let issuer_calls = town.issuer.issuer(&issuer).unwrap().as_leaf();
    let leaf = |wish: &LeafWish| town.issuer.leaf(wish).unwrap();
    let odd = [
        (Fault::IssuerAsCaller, issuer_calls),
        (Fault::IssuerAsCaller, leaf(&says_ca)),
        (
            Fault::LeafSignsLeaf,
            Issuer::of_leaf(&above).leaf(&town.wish()).unwrap(),
        ),
        (Fault::UnknownCriticalExtension, leaf(&unknown)),
        (Fault::ServerCertificateAsCaller, leaf(&server)),
    ];
    for (fault, leaf) in odd {
        let good = ask(&town.service(Fault::None).await, &leaf).await;
        assert!(matches!(good, Reply::Refused(_)), "{fault}: {good}");
        let bad = ask(&town.service(fault).await, &leaf).await;
        assert!(matches!(bad, Reply::Served(_)), "{fault}: {bad}");
    }
}
