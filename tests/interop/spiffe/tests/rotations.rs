//! The crate `spiffe`, which knows nothing of Schism, as a workload of its CA: it fetches, it
//! follows three rotations, and what it is given verifies at every moment.
//!
//! The chain is verified by webpki and the tokens by `RustCrypto`: neither is the code that signed.

#![cfg(unix)]

#[path = "house/served_unix.rs"]
mod house;

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use rustls_pki_types::{CertificateDer, UnixTime};
use spiffe::{
    JwtBundleSet, JwtSvid, SpiffeId, TrustDomain, WorkloadApiClient, WorkloadApiError, X509Bundle,
    X509Context, X509Source, X509Svid,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert, ring};

use house::{DOMAIN, House};

/// How long any change may take to arrive: the end of a leaf of ten seconds is the longest.
const PATIENCE: Duration = Duration::from_secs(40);

fn domain() -> TrustDomain {
    TrustDomain::new(DOMAIN).expect("it is one")
}

fn id(path: &str) -> SpiffeId {
    SpiffeId::new(format!("spiffe://{DOMAIN}{path}")).expect("it is one")
}

/// What webpki makes of a chain under those roots, now, for a server.
fn verified(svid: &X509Svid, bundle: &X509Bundle) -> Result<(), webpki::Error> {
    let der = |bytes: &[u8]| CertificateDer::from(bytes.to_vec());
    let chain: Vec<_> = svid
        .cert_chain()
        .iter()
        .map(|it| der(it.as_bytes()))
        .collect();
    let roots: Vec<_> = bundle
        .authorities()
        .iter()
        .map(|it| der(it.as_bytes()))
        .collect();
    let anchors = roots.iter().map(|root| anchor_from_trusted_cert(root));
    let anchors: Vec<_> = anchors.collect::<Result<_, _>>()?;
    let leaf = EndEntityCert::try_from(&chain[0])?;
    leaf.verify_for_usage(
        &[ring::ECDSA_P256_SHA256],
        &anchors,
        &chain[1..],
        UnixTime::now(),
        KeyUsage::server_auth(),
        None,
        None,
    )
    .map(drop)
}

/// The roots of a message.
fn roots(context: &X509Context) -> Arc<X509Bundle> {
    context
        .bundle_set()
        .get(&domain())
        .expect("the bundle is there")
}

/// The issuer of the first leaf of a message.
fn issuer(context: &X509Context) -> Vec<u8> {
    let svid = context.default_svid().expect("there is one");
    svid.cert_chain()[1].as_bytes().to_vec()
}

/// A stream that is read as it comes. Each message must verify by itself when it comes.
struct Followed {
    latest: watch::Receiver<Option<Arc<X509Context>>>,
    ended: JoinHandle<WorkloadApiError>,
}

impl Followed {
    async fn by(client: &WorkloadApiClient) -> Self {
        let stream = client.stream_x509_contexts().await;
        let mut stream = Box::pin(stream.expect("it may follow"));
        let (tell, latest) = watch::channel(None);
        let ended = tokio::spawn(async move {
            loop {
                let context = match stream.next().await.expect("the stream says why it ends") {
                    Ok(context) => context,
                    Err(why) => return why,
                };
                let names = context.svids().iter().map(|svid| svid.spiffe_id().clone());
                assert_eq!(names.collect::<Vec<_>>(), [id("/records"), id("/billing")]);
                for svid in context.svids() {
                    let stands = verified(svid, &roots(&context));
                    assert_eq!(stands, Ok(()), "{}", svid.spiffe_id());
                }
                tell.send_replace(Some(Arc::new(context)));
            }
        });
        Self { latest, ended }
    }

    /// The first message that is as wanted, from the latest on.
    async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&X509Context) -> bool,
    ) -> Arc<X509Context> {
        let as_wanted = |it: &Option<Arc<X509Context>>| it.as_deref().is_some_and(&wanted);
        let seen = tokio::time::timeout(PATIENCE, self.latest.wait_for(as_wanted)).await;
        let seen = seen.unwrap_or_else(|_| panic!("never: {what}"));
        let seen = seen.unwrap_or_else(|_| panic!("the stream ended before: {what}"));
        seen.clone().expect("it is as wanted")
    }

    /// Why it ends.
    async fn refused(self) -> WorkloadApiError {
        let ended = tokio::time::timeout(PATIENCE, self.ended).await;
        ended.expect("it ends").expect("every message verifies")
    }
}

async fn client(house: &House) -> WorkloadApiClient {
    let client = WorkloadApiClient::connect_to(house.endpoint()).await;
    client.expect("it connects")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leaf_issuer_and_root_rotate_under_a_stream_and_every_message_verifies() {
    let house = House::founded().await;
    let client = client(&house).await;
    let all = client
        .fetch_all_x509_svids()
        .await
        .expect("it has identities");
    let hints: Vec<_> = all.iter().map(|svid| svid.hint()).collect();
    assert_eq!(hints, [Some("internal"), Some("external")]);
    let bundles = client.fetch_x509_bundles().await.expect("it has roots");
    let first_root = bundles.get(&domain()).expect("the bundle is there");
    assert_eq!(first_root.authorities().len(), 1);

    let mut stream = Followed::by(&client).await;
    let first = stream.until("the first message", |_| true).await;
    let source = X509Source::builder().endpoint(house.endpoint());
    let source = source.build().await.expect("the source syncs");
    let leaf = |context: &X509Context| {
        let svid = context.default_svid().expect("there is one");
        svid.leaf().as_bytes().to_vec()
    };
    let before = leaf(&first);
    let renewed = stream.until("a new leaf", |it| leaf(it) != before).await;
    assert_eq!(issuer(&renewed), issuer(&first));

    for kind in ["root", "x509"] {
        house.order(&format!(
            "prepare --authority {kind} --passphrase-file pass"
        ));
        house
            .as_soon_as_it_may(&format!("activate --authority {kind}"))
            .await;
    }
    stream
        .until("both roots", |it| roots(it).authorities().len() == 2)
        .await;
    house.order("taint --authority x509 --id 1");
    let old = issuer(&first);
    let moved = stream
        .until("a leaf of the new issuer", |it| issuer(it) != old)
        .await;
    house
        .as_soon_as_it_may("revoke --authority x509 --id 1 --passphrase-file pass")
        .await;
    house.order("taint --authority root --id 1");
    house
        .as_soon_as_it_may("revoke --authority root --id 1 --passphrase-file pass")
        .await;
    let alone = |it: &X509Context| {
        let roots = roots(it);
        roots.authorities().len() == 1 && roots.authorities() != first_root.authorities()
    };
    let last = stream.until("the new root alone", alone).await;
    assert_eq!(issuer(&last), issuer(&moved));
    let svid = first.default_svid().expect("there is one");
    assert!(
        verified(svid, &roots(&last)).is_err(),
        "the old root is no root"
    );

    let held = source.svid().expect("the source holds one");
    assert_eq!(
        verified(&held, &roots(&last)),
        Ok(()),
        "the source went along"
    );
    source.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_struck_off_is_refused_and_a_killed_ca_is_found_again() {
    let mut house = House::founded().await;
    let source = X509Source::builder().endpoint(house.endpoint());
    let source = source.build().await.expect("the source syncs");
    let before = source.svid().expect("the source holds one");
    house.kill();
    assert!(source.svid().is_ok(), "what it has, it keeps");
    house.serve().await;
    let followed = async {
        loop {
            let now = source.svid().expect("the source holds one");
            if now.leaf() != before.leaf() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let followed = tokio::time::timeout(PATIENCE, followed).await;
    followed.expect("the source found the CA again");
    source.shutdown().await;

    let client = client(&house).await;
    let mut stream = Followed::by(&client).await;
    stream.until("the first message", |_| true).await;
    house.register(&[]);
    let refused = stream.refused().await;
    assert!(
        matches!(refused, WorkloadApiError::NoIdentityIssued),
        "{refused}"
    );
    let refused = client
        .fetch_x509_svid()
        .await
        .expect_err("it is struck off");
    assert!(
        matches!(refused, WorkloadApiError::NoIdentityIssued),
        "{refused}"
    );
}

/// Whether a token stands: by the keys alone, and by the word of the CA, which agree.
async fn stands(client: &WorkloadApiClient, keys: &JwtBundleSet, token: &str) -> bool {
    let offline = JwtSvid::parse_and_validate(token, keys, &["ledger"]);
    let asked = client.validate_jwt_token("ledger", token).await;
    assert_eq!(offline.is_ok(), asked.is_ok(), "{offline:?} {asked:?}");
    asked.is_ok()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_verify_here_and_at_the_ca_while_their_key_rotates() {
    let house = House::founded().await;
    let client = client(&house).await;
    let x509 = Followed::by(&client).await;
    let all = client.fetch_all_jwt_svids(["ledger"], None).await;
    let all = all.expect("it has identities");
    let said = all
        .iter()
        .map(|it| (it.spiffe_id().clone(), it.hint().map(str::to_owned)));
    let hint = |hint: &str| Some(hint.to_owned());
    let ours = [
        (id("/records"), hint("internal")),
        (id("/billing"), hint("external")),
    ];
    assert_eq!(said.collect::<Vec<_>>(), ours);
    let billing = id("/billing");
    let old = client.fetch_jwt_svid(["ledger"], Some(&billing)).await;
    let old = old.expect("it is one of them");
    assert_eq!(
        (old.spiffe_id(), old.audience()),
        (&billing, &["ledger".to_owned()][..])
    );
    let other = client.fetch_jwt_svid(["ledger"], Some(&id("/other"))).await;
    assert!(
        matches!(other, Err(WorkloadApiError::PermissionDenied(_))),
        "{other:?}"
    );
    let elsewhere = client.validate_jwt_token("elsewhere", old.token()).await;
    assert!(elsewhere.is_err_and(|error| error.is_invalid_argument()));

    let stream = client.stream_jwt_bundles().await.expect("it may follow");
    let mut stream = Box::pin(stream);
    let mut keys = async |what: &str, count: usize| {
        let read = async {
            loop {
                let keys = stream
                    .next()
                    .await
                    .expect("it does not end")
                    .expect("it parses");
                let own = keys.get(&domain()).expect("the bundle is there");
                if own.jwt_authorities().count() == count {
                    return keys;
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, read).await;
        read.unwrap_or_else(|_| panic!("never: {what}"))
    };
    let first = keys("the key", 1).await;
    assert!(stands(&client, &first, old.token()).await);
    house.order("prepare --authority jwt");
    let both = keys("the next key, before it signs", 2).await;
    house.as_soon_as_it_may("activate --authority jwt").await;
    let new = client.fetch_jwt_svid(["ledger"], None).await;
    let new = new.expect("it is signed");
    assert_ne!(new.key_id(), old.key_id());
    assert!(stands(&client, &both, new.token()).await);
    assert!(stands(&client, &both, old.token()).await);
    house.order("taint --authority jwt --id 1");
    house.order("revoke --authority jwt --id 1 --override leaked");
    let last = keys("the next key alone", 1).await;
    assert!(stands(&client, &last, new.token()).await);
    assert!(
        !stands(&client, &last, old.token()).await,
        "its key is revoked"
    );
    assert!(!x509.ended.is_finished());
}
