//! What the CA tells its members, as bytes on the wire: whoever sent it, nothing that is held is
//! forgotten, nothing is older than what was held, and no list counts that nobody signed.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use ca::bundle::{Bundle, InvalidBundle};
use ca::disk::MemDisk;
use ca::identity::TrustDomain;
use ca::revocation::Revocation;
use ca::trusted::{InvalidState, MAX_FEDERATED, MAX_JWKS, MAX_ROOTS, MAX_TAINTED_KEYS, Trusted};
use prost::Message as _;
use proto::ca::v1 as wire;

use super::crl::{self, domain};

/// What the member holds before: of generation [`GENERATION`], with two lists, and another domain.
static HELD: LazyLock<Trusted> = LazyLock::new(|| {
    let before = Trusted {
        revocation: Revocation::default(),
        ..Trusted::of(crl::bundle(GENERATION - 1))
    };
    let taken = before.take(told(GENERATION), &domain());
    taken.expect("it follows").expect("it is new")
});

/// The generation held.
pub const GENERATION: u64 = 2;
/// How much higher the generation of the other domain is.
const ELSEWHERE: u64 = 5;

/// A state of that generation that is good, and much of what it may hold is in it.
pub fn told(generation: u64) -> wire::State {
    let [root, _, revoking, _] = crl::signed();
    let other = TrustDomain::new("other.example").expect("it is one");
    let other = Bundle {
        trust_domain: other,
        // Whoever makes another root of that name makes it of another generation.
        ..crl::bundle(ELSEWHERE + generation)
    };
    let list = |crl, signers| wire::RevocationList { crl, signers };
    wire::State {
        bundle: Some((&crl::bundle(generation)).into()),
        federated: vec![(&other).into()],
        lists: vec![list(root, vec![]), list(revoking, vec![crl::signer()])],
        tainted: vec![vec![7; 32]],
        jwks: format!(r#"{{"keys":[],"generation":{generation}}}"#),
        tainted_keys: vec!["k1".to_owned()],
        members: 3,
    }
}

/// Whether a member takes it, and hears something new.
pub fn is_news(data: &[u8]) -> bool {
    let sent = wire::State::decode(data);
    sent.is_ok_and(|sent| matches!(HELD.take(sent, &domain()), Ok(Some(_))))
}

/// A state, as a member takes it from the CA of its own trust domain.
pub fn state(data: &[u8]) {
    let Ok(sent) = wire::State::decode(data) else {
        return;
    };
    let next = match HELD.take(sent.clone(), &domain()) {
        Ok(Some(next)) => next,
        Ok(None) => return,
        Err(refused) => return refuses(&refused),
    };
    bundles(&next, &sent);
    lists(&next);
    assert!(next.token_keys.len() <= MAX_JWKS && next.tainted_keys.len() <= MAX_TAINTED_KEYS);
    let tainted: BTreeSet<&[u8]> = sent.tainted.iter().map(|hash| &**hash).collect();
    assert!(next.tainted.iter().map(|hash| &hash[..]).eq(tainted));
    let again = next.take(sent, &domain());
    assert!(!matches!(again, Ok(Some(_))), "the same is news");
    let disk = MemDisk::new();
    next.persist(&disk, "beliefs")
        .expect("memory can be written");
    let read = Trusted::load(&disk, "beliefs").expect("it was written here");
    let read = read.expect("it is there");
    let kept = |of: &Trusted| {
        let lists = of.revocation.crls.iter();
        lists
            .map(|(_, list)| list.der().to_vec())
            .collect::<Vec<_>>()
    };
    assert_eq!((&read.bundles, kept(&read)), (&next.bundles, kept(&next)));
    assert_eq!((&read.tainted, read.members), (&next.tainted, next.members));
    assert_eq!(
        (&read.token_keys, &read.tainted_keys),
        (&next.token_keys, &next.tainted_keys)
    );
}

/// A refusal can be printed.
fn refuses(refused: &InvalidState) {
    assert!(!refused.to_string().contains(char::is_control));
    if let InvalidState::Bundle(InvalidBundle::RolledBack { offered, held, .. }) = refused {
        assert!(offered < held);
    }
}

/// Each domain's roots are those that were sent in its name, and no generation fell.
fn bundles(next: &Trusted, sent: &wire::State) {
    let own = sent.bundle.iter();
    let all: Vec<&wire::Bundle> = own.chain(&sent.federated).collect();
    let count = next.bundles.iter().count();
    assert!((1..=MAX_FEDERATED + 1).contains(&count) && count == all.len());
    for bundle in next.bundles.iter() {
        let name = bundle.trust_domain.as_str();
        let mut its = all.iter().filter(|it| it.trust_domain == name);
        let it = its.next().expect("it was sent");
        assert!(its.next().is_none(), "two for one domain");
        let roots = bundle.roots.iter().map(|root| &**root);
        assert!(bundle.roots.len() <= MAX_ROOTS && roots.eq(it.roots.iter().map(|it| &**it)));
        assert_eq!(bundle.generation, it.generation);
        if let Some(held) = HELD.bundles.get(&bundle.trust_domain) {
            assert!(held.generation <= bundle.generation);
            assert!(held.generation < bundle.generation || held.roots == bundle.roots);
        }
    }
}

/// Every list was signed here, and none took an older one's place.
fn lists(next: &Trusted) {
    let own = domain();
    let numbers = |of: &Trusted| {
        let lists = of.revocation.crls.of(&own);
        lists.map(ca::crl::Crl::number).collect::<Vec<_>>()
    };
    let (held, now) = (numbers(&HELD), numbers(next));
    assert_eq!(held.len(), now.len(), "one list for each of two names");
    assert!(held.iter().zip(&now).all(|(held, now)| held <= now));
    let foreign = next.revocation.crls.iter().filter(|(of, _)| **of != own);
    assert_eq!(foreign.count(), 0);
    let mut all = next.revocation.crls.of(&own);
    assert!(all.all(|list| crl::was_signed(list.der())));
}
