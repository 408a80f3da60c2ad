//! Each fault about certificates, beside the good service: what is asked of it, and the answers.

use std::future::Future;

use hyper::body::Incoming;
use rcgen::ExtendedKeyUsagePurpose as Eku;
use rustls::pki_types::CertificateDer;
use time::Duration as Span;

use super::Fault;
use super::sample::*;

const OK: Option<http::StatusCode> = Some(http::StatusCode::OK);

/// The good service must do it and the bad twin must not.
async fn tells<F: Future<Output = bool>>(fault: Fault, does_right: impl Fn(House) -> F) {
    let answer = async |fault| does_right(House::start(fault, None).await).await;
    let (good, bad) = tokio::join!(answer(Fault::None), answer(fault));
    assert!(good, "the good service fails {fault}");
    assert!(!bad, "the bad twin passes {fault}");
}

async fn swap_leaf(house: &House, leaf: &Leaf) {
    house.put_soon("chain.pem", &leaf.chain);
    house.put("key.pem", &leaf.key.serialize_pem()).await;
}

#[tokio::test]
async fn leaf_swap() {
    for fault in [Fault::LeafSwap, Fault::LeafSwapUnderLoad] {
        tells(fault, async |house: House| {
            let (caller, leaf) = (house.caller(&house.root.leaf()), house.root.leaf());
            let mut open = caller.open().await.unwrap();
            assert_eq!(open.get(None).await, OK);
            swap_leaf(&house, &leaf).await;
            let new = house.served_leaf().await == leaf.ders().first().cloned();
            new && open.get(None).await == OK
        })
        .await;
    }
}

#[tokio::test]
async fn leaf_key_mismatch() {
    tells(Fault::LeafKeyMismatch, async |house: House| {
        let (leaf, other) = (house.root.leaf(), house.root.leaf());
        house.put("key.pem", &other.key.serialize_pem()).await;
        let half = house.caller(&house.root.leaf()).is_served().await;
        swap_leaf(&house, &leaf).await;
        half && house.served_leaf().await == leaf.ders().first().cloned()
    })
    .await;
}

#[tokio::test]
async fn same_key_renewal() {
    tells(Fault::SameKeyRenewal, async |house: House| {
        let leaf = house.root.leaf();
        swap_leaf(&house, &leaf).await;
        assert_eq!(house.served_leaf().await, leaf.ders().first().cloned());
        let renewed = house.root.sign_with(params(&[CART]), leaf.key);
        house.put("chain.pem", &renewed.chain).await;
        house.served_leaf().await == renewed.ders().first().cloned()
    })
    .await;
}

#[tokio::test]
async fn roots_come_and_go() {
    tells(Fault::NewRootBeforeItsLeaves, async |house: House| {
        let new = root("second");
        let both = format!("{}{}", house.root.pem, new.pem);
        house.put("trust.pem", &both).await;
        house.caller(&new.leaf()).is_served().await
            && house.caller(&house.root.leaf()).is_served().await
    })
    .await;
    tells(Fault::ExpiredRootInBundle, async |house: House| {
        let old = root_in("old", Span::hours(-2), Span::hours(-1));
        house
            .put("trust.pem", &format!("{}{}", old.pem, house.root.pem))
            .await;
        !house.caller(&old.leaf()).is_served().await
            && house.caller(&house.root.leaf()).is_served().await
    })
    .await;
    tells(Fault::TwoRootsOneName, async |house: House| {
        let twin = root("first");
        house
            .put("trust.pem", &format!("{}{}", house.root.pem, twin.pem))
            .await;
        house.caller(&twin.leaf()).is_served().await
            && house.caller(&house.root.leaf()).is_served().await
    })
    .await;
}

/// Every way in, opened before a change; and what each says after it.
struct Ways {
    caller: Caller,
    open: Open,
    stream: Incoming,
}

impl Ways {
    async fn open(house: &House, leaf: &Leaf) -> Self {
        let caller = house.caller(leaf);
        let mut open = caller.open().await.unwrap();
        assert_eq!(open.get(None).await, OK, "the control");
        let mut other = caller.open().await.unwrap();
        assert_eq!(other.get(None).await, OK, "another connection");
        let stream = caller.open().await.unwrap().watch(None).await.unwrap();
        Self {
            caller,
            open,
            stream,
        }
    }

    /// New, resumed, established, stream: whether each is still served.
    async fn served(mut self, house: &House, leaf: &Leaf) -> [bool; 4] {
        let new = house.caller(leaf).is_served().await;
        let mut again = self.caller.open().await.unwrap();
        assert!(again.resumed, "no session was taken up again");
        let resumed = again.get(None).await == OK;
        let established = self.open.get(None).await == OK;
        [new, resumed, established, goes_on(&mut self.stream).await]
    }
}

/// Makes one change, and says which ways are still served.
async fn after(fault: Fault, what: &str) -> [bool; 4] {
    let house = House::start(fault, None).await;
    let mut wish = params(&[CART]);
    if what == "expired" {
        wish.not_after = clock_soon();
    }
    let leaf = house.root.sign(wish);
    let ways = Ways::open(&house, &leaf).await;
    match what {
        "removed" => house.put("trust.pem", &root("second").pem).await,
        "revoked" => {
            let list = house.root.list(6, Span::hours(1), &[&leaf]);
            house.put("crl.pem", &list).await;
        }
        "stale" => {
            house
                .put("crl.pem", &house.root.list(6, Span::hours(-1), &[]))
                .await
        }
        "expired" => tokio::time::sleep(std::time::Duration::from_secs(5)).await,
        other => panic!("{other}"),
    }
    ways.served(&house, &leaf).await
}

/// Late enough for the ways to be opened, also on a busy machine.
fn clock_soon() -> time::OffsetDateTime {
    crate::drill::clock::date() + Span::seconds(4)
}

const NEW: usize = 0;
const RESUMED: usize = 1;
const ESTABLISHED: usize = 2;
const STREAM: usize = 3;

/// The good service serves no way after the change; each bad twin exactly the ways that are named.
async fn ways(what: &'static str, twins: &[(Fault, &[usize])]) {
    let good: (Fault, &[usize]) = (Fault::None, &[]);
    let all = twins.iter().copied().chain([good]);
    let tried: Vec<_> = all
        .map(|(fault, served)| (fault, served, tokio::spawn(after(fault, what))))
        .collect();
    for (fault, served, after) in tried {
        let expected = [NEW, RESUMED, ESTABLISHED, STREAM].map(|way| served.contains(&way));
        assert_eq!(after.await.unwrap(), expected, "{fault}, {what}");
    }
}

#[tokio::test]
async fn a_removed_root_counts_on_every_way() {
    let twins: [(Fault, &[usize]); 4] = [
        (Fault::OldRootNew, &[NEW, RESUMED, ESTABLISHED, STREAM]),
        (Fault::OldRootResumed, &[RESUMED]),
        (Fault::OldRootEstablished, &[ESTABLISHED]),
        (Fault::OldRootOpenStream, &[STREAM]),
    ];
    ways("removed", &twins).await;
}

#[tokio::test]
async fn a_revocation_counts_on_every_way() {
    let twins: [(Fault, &[usize]); 4] = [
        (Fault::RevokedLeafNew, &[NEW, RESUMED, ESTABLISHED, STREAM]),
        (Fault::RevokedLeafResumed, &[RESUMED]),
        (Fault::RevokedLeafEstablished, &[ESTABLISHED]),
        (Fault::RevokedLeafOpenStream, &[STREAM]),
    ];
    ways("revoked", &twins).await;
    let twins: [(Fault, &[usize]); 1] = [(
        Fault::CrlPastNextUpdate,
        &[NEW, RESUMED, ESTABLISHED, STREAM],
    )];
    ways("stale", &twins).await;
}

#[tokio::test]
async fn an_end_counts_on_every_way() {
    let twins: [(Fault, &[usize]); 4] = [
        (Fault::ExpiredCaller, &[NEW, RESUMED, ESTABLISHED, STREAM]),
        (Fault::ExpiresResumed, &[RESUMED]),
        (Fault::ExpiresEstablished, &[ESTABLISHED]),
        (Fault::ExpiresOpenStream, &[STREAM]),
    ];
    ways("expired", &twins).await;
}

#[tokio::test]
async fn an_older_list_takes_nothing_back() {
    tells(Fault::OlderCrl, async |house: House| {
        let leaf = house.root.leaf();
        let list = |number, revoked: &[&Leaf]| house.root.list(number, Span::hours(1), revoked);
        house.put("crl.pem", &list(300, &[&leaf])).await;
        let revoked = !house.caller(&leaf).is_served().await;
        house.put("crl.pem", &list(299, &[])).await;
        let still = !house.caller(&leaf).is_served().await;
        house.put("crl.pem", "").await;
        let without = !house.caller(&leaf).is_served().await;
        revoked && still && without
    })
    .await;
}

#[tokio::test]
async fn two_issuers_of_one_name_have_lists_of_their_own() {
    let house = House::start(Fault::None, None).await;
    let twin = root("first");
    house
        .put("trust.pem", &format!("{}{}", house.root.pem, twin.pem))
        .await;
    let (one, other) = (house.root.leaf(), twin.leaf());
    let own = house.root.list(9, Span::hours(1), &[]);
    let lists = format!("{own}{}", twin.list(1, Span::hours(1), &[&other]));
    house.put("crl.pem", &lists).await;
    assert!(house.caller(&one).is_served().await);
    assert!(!house.caller(&other).is_served().await);
}

#[tokio::test]
async fn nobody_comes_in_with_what_nobody_should_take() {
    type Make = fn(&House) -> Leaf;
    let made: [(Fault, Make); 8] = [
        (Fault::WrongName, |house| {
            house.root.sign(params(&["spiffe://shop.example/till"]))
        }),
        (Fault::WrongTrustDomain, |house| {
            house.root.sign(params(&["spiffe://evil.example/cart"]))
        }),
        (Fault::TwoUriNames, |house| {
            house.root.sign(params(&["spiffe://shop.example/x", CART]))
        }),
        (Fault::NotYetValidCaller, |house| {
            let mut wish = params(&[CART]);
            wish.not_before += Span::minutes(30);
            house.root.sign(wish)
        }),
        (Fault::IssuerAsCaller, |house| {
            let mut wish = ca_params("issuer", Span::hours(-1), Span::hours(1));
            wish.subject_alt_names = params(&[CART]).subject_alt_names;
            house.root.sign(wish)
        }),
        (Fault::ServerCertificateAsCaller, |house| {
            let mut wish = params(&[CART]);
            wish.extended_key_usages = vec![Eku::ServerAuth];
            house.root.sign(wish)
        }),
        (Fault::LeafSignsLeaf, |house| {
            let signer = house.root.sign(params(&["spiffe://shop.example/x"]));
            let above = signer.chain.clone();
            let mut issuer = signer.params.clone();
            issuer.key_usages.clear();
            let signer = Root {
                pem: above.clone(),
                issuer: rcgen::Issuer::new(issuer, signer.key),
            };
            let mut leaf = signer.leaf();
            leaf.chain.push_str(&above);
            leaf
        }),
        (Fault::UnknownCriticalExtension, |house| {
            let mut wish = params(&[CART]);
            wish.custom_extensions.push(unknown_critical());
            house.root.sign(wish)
        }),
    ];
    for (fault, make) in made {
        tells(fault, async |house: House| {
            assert!(
                house.caller(&house.root.leaf()).is_served().await,
                "the control, {fault}"
            );
            !house.caller(&make(&house)).is_served().await
        })
        .await;
    }
}

#[tokio::test]
async fn a_broken_file_is_got_over() {
    tells(Fault::TruncatedChain, async |house: House| {
        let leaf = house.root.leaf();
        house.put("chain.pem", &leaf.chain[..200]).await;
        let meanwhile = house.caller(&house.root.leaf()).is_served().await;
        swap_leaf(&house, &leaf).await;
        meanwhile && house.served_leaf().await == leaf.ders().first().cloned()
    })
    .await;
    tells(Fault::EmptyTrust, async |house: House| {
        let (good, stranger) = (house.caller(&house.root.leaf()), root("stranger").leaf());
        house.put("trust.pem", "").await;
        let closed = !house.caller(&stranger).is_served().await && !good.is_served().await;
        house.put("trust.pem", &house.root.pem).await;
        closed && good.is_served().await
    })
    .await;
    tells(Fault::AllExpired, async |house: House| {
        let mut wish = params(&[CART]);
        wish.not_before -= Span::hours(2);
        wish.not_after = crate::drill::clock::date() - Span::hours(1);
        swap_leaf(&house, &house.root.sign(wish)).await;
        let old = root_in("old", Span::hours(-2), Span::hours(-1));
        house.put("trust.pem", &old.pem).await;
        let (next, leaf) = (root("next"), house.root.leaf());
        house.put_soon("trust.pem", &next.pem);
        swap_leaf(&house, &leaf).await;
        let caller = house.caller(&next.leaf());
        let served: Option<CertificateDer<'static>> = house.served_leaf().await;
        caller.is_served().await && served == leaf.ders().first().cloned()
    })
    .await;
}

#[tokio::test]
async fn it_serves_loopback_alone() {
    let house = House::start(Fault::None, None).await;
    let settings = super::Settings {
        files: files(&house.dir),
        callers: super::Callers::default(),
        token: None,
    };
    let anywhere = "0.0.0.0:0".parse().unwrap();
    let refused = super::Planted::start(Fault::None, settings, anywhere).await;
    assert!(matches!(refused, Err(super::PlantedError::NotLoopback(_))));
}
