//! A record as it lies on a disk: sealed with AES-256-GCM under a version of its region's data key.
//!
//! ```text
//! 00 01 | version, 8 bytes | nonce, 12 bytes | ciphertext and tag
//! ```
//!
//! What it is sealed to is its version, its region and its id, each with its length: a record that
//! is put in another's place, in another region, or under another version does not open. A nonce is
//! drawn anew each time. They are not counted: a version is to be replaced long before 2^32 of them
//! (NIST SP 800-38D, 8.3). Invariant: what does not open is
//! an error by name.

use ca::secrets::SecretKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// What no record that is not sealed begins with: no field of a message has the number 0.
const MARK: [u8; 2] = [0, 1];
const VERSION: usize = 8;
const HEAD: usize = MARK.len() + VERSION + NONCE_LEN;

/// What a sealed record is sealed to.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Its region.
    pub region: &'a str,
    /// Its id.
    pub id: &'a str,
}

/// It was not sealed by this key to this place, or is not whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what is sealed does not open")]
pub struct DoesNotOpen;

impl Place<'_> {
    fn bound(&self, version: u64) -> Vec<u8> {
        let mut bound = version.to_be_bytes().to_vec();
        for part in [self.region, self.id] {
            bound.extend((part.len() as u64).to_be_bytes());
            bound.extend(part.as_bytes());
        }
        bound
    }
}

/// Under which version something is sealed; nothing if it is not.
pub fn version(bytes: &[u8]) -> Option<u64> {
    let rest = bytes.strip_prefix(&MARK)?;
    let version = rest.first_chunk::<VERSION>()?;
    Some(u64::from_be_bytes(*version))
}

/// Seals. No two calls with one key may have one nonce.
///
/// # Errors
/// When it is too long to be sealed.
pub fn seal(
    (version, key): (u64, &SecretKey),
    nonce: [u8; NONCE_LEN],
    place: Place<'_>,
    plain: &[u8],
) -> Result<Vec<u8>, DoesNotOpen> {
    let aad = Aad::from(place.bound(version));
    let mut sealed = plain.to_vec();
    let unique = Nonce::assume_unique_for_key(nonce);
    let done = aead(key)?.seal_in_place_append_tag(unique, aad, &mut sealed);
    done.map_err(|_| DoesNotOpen)?;
    let head = [&MARK[..], &version.to_be_bytes(), &nonce].concat();
    Ok([head, sealed].concat())
}

/// Opens what [`seal`] made.
///
/// # Errors
/// When it was made by another key or for another place, or was changed.
pub fn open(key: &SecretKey, place: Place<'_>, bytes: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
    let version = version(bytes).ok_or(DoesNotOpen)?;
    let (head, sealed) = bytes.split_at_checked(HEAD).ok_or(DoesNotOpen)?;
    let nonce = head.last_chunk::<NONCE_LEN>().ok_or(DoesNotOpen)?;
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let (aad, mut sealed) = (Aad::from(place.bound(version)), sealed.to_vec());
    let opened = aead(key)?.open_in_place(nonce, aad, &mut sealed);
    opened.map(|plain| plain.to_vec()).map_err(|_| DoesNotOpen)
}

fn aead(key: &SecretKey) -> Result<LessSafeKey, DoesNotOpen> {
    let key = UnboundKey::new(&AES_256_GCM, key.bytes()).map_err(|_| DoesNotOpen)?;
    Ok(LessSafeKey::new(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUTH: Place<'_> = Place {
        region: "south",
        id: "r1",
    };

    fn key(byte: u8) -> SecretKey {
        SecretKey::new(vec![byte; 32].into()).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_own_place_under_its_own_key_and_version_alone() {
        let plain = b"allergic to penicillin";
        let sealed = seal((7, &key(1)), [9; NONCE_LEN], SOUTH, plain).unwrap();
        assert_eq!(version(&sealed), Some(7));
        assert!(!sealed.windows(8).any(|part| part == &plain[..8]));
        assert_eq!(open(&key(1), SOUTH, &sealed).unwrap(), plain);
        assert_eq!(open(&key(2), SOUTH, &sealed), Err(DoesNotOpen));
        let north = Place {
            region: "north",
            ..SOUTH
        };
        let other = Place { id: "r2", ..SOUTH };
        let shifted = Place {
            region: "southr",
            id: "1",
        };
        for elsewhere in [north, other, shifted] {
            assert_eq!(open(&key(1), elsewhere, &sealed), Err(DoesNotOpen));
        }
        let mut older = sealed;
        older[MARK.len() + VERSION - 1] = 6;
        assert_eq!(open(&key(1), SOUTH, &older), Err(DoesNotOpen));
    }

    #[test]
    fn what_is_not_whole_does_not_open_and_what_is_not_sealed_has_no_version() {
        let sealed = seal((1, &key(1)), [9; NONCE_LEN], SOUTH, b"x").unwrap();
        for length in 0..sealed.len() {
            assert_eq!(open(&key(1), SOUTH, &sealed[..length]), Err(DoesNotOpen));
        }
        for plain in [
            &[][..],
            &[0],
            &[0, 2, 1, 1, 1, 1, 1, 1, 1, 1],
            b"\x0a\x02r1",
        ] {
            assert_eq!(version(plain), None);
        }
    }
}
