//! Revocation lists: what is read is what stands there, and what verifies was signed here.

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ca::authority::{Issuer, Root};
use ca::bundle::Bundle;
use ca::clock::Time;
use ca::crl::{Crl, MAX_CRL, RevocationReason, RevokedLeaf};
use ca::identity::TrustDomain;
use ca::keys::{Keys, NoRandomness, Pkcs8, RingKeys};
use ca::profile::Validity;

use super::der::{value, values};

/// A throw-away P-256 key in PKCS#8. It is public, so that the kept lists go on verifying.
const KEY: &str = "\
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQg0rouaAD0ofhX/6ZEZ6bGOQDSVUPRuENQhbwKOhnL1H2h\
    RANCAASlKefihntfNm6iRVrMTC9bvuH2CqNEBaFp7ztNu+VQHp32A9pJLn6vYNrA/d79A7+Goitr0ZPOURGm8XSTch+R";

/// When the lists were made, and for how long.
const MADE: Time = Time::from_secs(1_767_225_600);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Always the same key.
#[derive(Debug)]
pub(super) struct Known;

impl Keys for Known {
    fn p256(&self) -> Result<Pkcs8, NoRandomness> {
        Ok(Pkcs8::new(STANDARD.decode(KEY).expect("it is base64")))
    }

    fn ed25519(&self) -> Result<Pkcs8, NoRandomness> {
        RingKeys.ed25519()
    }

    fn secret(&self) -> Result<Pkcs8, NoRandomness> {
        RingKeys.secret()
    }
}

/// A root and its issuer, of one key and two names.
static SIGNERS: LazyLock<(Root, Issuer)> = LazyLock::new(|| {
    let validity = Validity::lasting(MADE, DAY);
    let root = Root::create(&Known, &domain(), 1, validity).expect("a day is in range");
    let issuer = root.sign_issuer(&Known, 1, validity);
    (root, issuer.expect("a day is in range"))
});

/// What of the lists is signed. The rest, the signature, may differ from one to the next.
static SIGNED: LazyLock<BTreeSet<Vec<u8>>> = LazyLock::new(|| {
    let lists = signed();
    let contents = lists.iter().filter_map(|list| content(list));
    contents.map(<[u8]>::to_vec).collect()
});

pub(super) fn domain() -> TrustDomain {
    TrustDomain::new("clinic.example").expect("a plain name is a trust domain")
}

/// The root under which the lists verify, in a bundle of that generation.
pub fn bundle(generation: u64) -> Bundle {
    Bundle {
        trust_domain: domain(),
        generation,
        roots: vec![SIGNERS.0.certificate().clone()],
    }
}

/// The certificate of whoever signed the last three of the lists.
pub fn signer() -> Vec<u8> {
    SIGNERS.1.certificate().to_vec()
}

/// Whether what stands in that list was signed here.
pub fn was_signed(list: &[u8]) -> bool {
    content(list).is_some_and(|content| SIGNED.contains(content))
}

/// Every list that was signed: the root's, then three of its issuer.
pub fn signed() -> [Vec<u8>; 4] {
    let revoked = |serials: &[&[u8]]| -> Vec<RevokedLeaf> {
        let reasons = RevocationReason::ALL.into_iter().cycle();
        let revoked = serials.iter().zip(reasons);
        let leaf = |(serial, reason): (&&[u8], _)| RevokedLeaf {
            serial: serial.to_vec(),
            at: MADE,
            reason,
        };
        revoked.map(leaf).collect()
    };
    let (root, issuer) = &*SIGNERS;
    let of_issuer = |number, serials: &[&[u8]]| {
        let list = issuer.sign_crl(number, &revoked(serials), MADE, MADE + DAY);
        list.expect("a day is in range")
    };
    let of_root = root.sign_crl(1, &revoked(&[&[7; 16]]), MADE, MADE + DAY);
    [
        of_root.expect("a day is in range"),
        of_issuer(0, &[]),
        of_issuer(0x80, &[&[1], &[2], &[0x80], &[9; 16], &[5; 20]]),
        of_issuer(u64::MAX, &[&[3; 16]]),
    ]
}

/// What the signature of a list is over.
fn content(list: &[u8]) -> Option<&[u8]> {
    let (_, inside, _) = value(list)?;
    let (content, ..) = value(inside)?;
    Some(content)
}

/// Its number and its serials, in another way; nothing if it has no such form.
fn walked(list: &[u8]) -> Option<(u64, Vec<&[u8]>)> {
    let (_, content, _) = value(content(list)?)?;
    // Version, algorithm, issuer, this update, next update, serials if there are any, extensions.
    let parts = values(content)?;
    let (entries, extensions) = match parts.get(5..)? {
        [extensions] => (Vec::new(), extensions),
        [entries, extensions] => (values(value(entries)?.1)?, extensions),
        _ => return None,
    };
    let serials = entries
        .into_iter()
        .map(|entry| Some(value(value(entry)?.1)?.1));
    let (_, extensions, _) = value(value(extensions)?.1)?;
    let number = values(extensions)?.into_iter().find_map(|extension| {
        let parts = values(value(extension)?.1)?;
        let of_number = parts.first()? == b"\x06\x03\x55\x1d\x14";
        let (_, number, _) = value(value(parts.last().filter(|_| of_number)?)?.1)?;
        let digits = number.iter();
        let number = digits.fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
        u64::try_from(number).ok()
    });
    Some((number?, serials.collect::<Option<_>>()?))
}

/// A list, as a node reads one that comes from anywhere.
pub fn crl(data: &[u8]) {
    let Ok(list) = Crl::parse(data) else {
        return;
    };
    assert!(data.len() <= MAX_CRL);
    assert_eq!(list.der(), data);
    assert!(value(data).is_some_and(|(whole, ..)| whole == data));
    assert!(list.this_update() < list.next_update());
    let (number, serials) = walked(data).expect("what was read can be walked");
    assert_eq!((list.number(), list.revoked()), (number, serials.len()));
    assert!(serials.iter().all(|serial| list.contains(serial)));
    let different: BTreeSet<&[u8]> = serials.iter().copied().collect();
    assert_eq!(different.len(), serials.len(), "a serial stands twice");

    let ((_, issuer), bundle) = (&*SIGNERS, bundle(1));
    let ways = [&[][..], &[issuer.certificate().clone()]];
    if ways.iter().any(|way| list.verify(way, &bundle).is_ok()) {
        assert!(was_signed(data), "verified, and not signed here");
    }
}
