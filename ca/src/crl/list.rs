//! One revocation list, read from DER.
//!
//! It verifies no signature: until [`Crl::verify`] has said who signed it, a list is a claim. What
//! it refuses is what would make a list mean two things: a serial twice, or written in two ways; a
//! part of what its issuer signed; no number, no end. Invariant: x509-parser and webpki both took
//! the bytes, so that the quick look-up here and the check of a path there read the same serials.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use webpki::{CertRevocationList, OwnedCertRevocationList};
use x509_parser::asn1_rs::Header;
use x509_parser::oid_registry::OID_SIG_ECDSA_WITH_SHA256;
use x509_parser::prelude::{FromDer, X509Version};
use x509_parser::revocation_list::{CertificateRevocationList, TbsCertList};
use x509_parser::time::ASN1Time;

use crate::clock::Time;
use crate::nonce::hex;

use super::signer::key_identifier;

/// Largest list that is looked at, in bytes: more than 150,000 serials with a reason each.
pub const MAX_CRL: usize = 8 * 1024 * 1024;
/// Longest serial, in bytes.
pub const MAX_SERIAL: usize = 20;

/// Longest name of an issuer, in bytes of DER.
const MAX_NAME: usize = 1024;

/// Why a revocation list was not taken.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InvalidCrl {
    /// More than [`MAX_CRL`] bytes.
    #[error("revocation list of {0} bytes is too large")]
    TooLarge(usize),
    /// Not one X.509 list of version 2 in DER.
    #[error("revocation list is malformed: {0}")]
    Malformed(&'static str),
    /// webpki would not work with it.
    #[error("revocation list cannot be used: {0}")]
    Unusable(webpki::Error),
    /// Its signature is of another kind than P-256 with SHA-256.
    #[error("revocation list is not signed with P-256 and SHA-256")]
    Algorithm,
    /// It has no number, so nobody could tell it from an older one.
    #[error("revocation list has no number")]
    Unnumbered,
    /// Its number does not fit 64 bits.
    #[error("revocation list's number does not fit 64 bits")]
    NumberTooLarge,
    /// It does not say by when the next one comes.
    #[error("revocation list has no next update")]
    Endless,
    /// It speaks only for a part of what its issuer signed.
    #[error("revocation list covers only a part of what its issuer signed")]
    Partial,
    /// A serial, in hexadecimal, stands in it more than once.
    #[error("revocation list has the serial `{0}` twice")]
    SerialTwice(String),
    /// A certificate beside it is none that may sign lists, or the next certificate.
    #[error("revocation list's signer: {0}")]
    Signer(&'static str),
    /// Nobody who leads to a root of the bundle signed it under its issuer's name.
    #[error("revocation list of `{0}` is not signed by anyone that a root vouches for")]
    Forged(String),
    /// A lower number than that of the list which is held.
    #[error("revocation list of `{issuer}` rolled back: number {offered} after {held}")]
    RolledBack {
        /// Whose list.
        issuer: String,
        /// The number offered.
        offered: u64,
        /// The number held.
        held: u64,
    },
    /// The number of the list which is held, with other content.
    #[error("revocation list of `{issuer}` has two contents for number {number}")]
    Forked {
        /// Whose list.
        issuer: String,
        /// The number in question.
        number: u64,
    },
}

/// A serial as the number it is: big endian, with zeros before it. Never zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Serial([u8; MAX_SERIAL]);

impl Serial {
    /// From big-endian bytes, with or without zeros before them; nothing if it is zero or too long.
    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = bytes.get(zeros..).filter(|digits| !digits.is_empty())?;
        let mut number = [0; MAX_SERIAL];
        let start = MAX_SERIAL.checked_sub(digits.len())?;
        number.get_mut(start..)?.copy_from_slice(digits);
        Some(Self(number))
    }

    /// From what an INTEGER holds, if that is the one way to write it.
    fn from_integer(content: &[u8]) -> Option<Self> {
        match content {
            [first, ..] if *first >= 0x80 => None,
            [0, second, ..] if *second < 0x80 => None,
            _ => Self::new(content),
        }
    }

    /// Its bytes, without zeros before them.
    pub(super) fn digits(&self) -> &[u8] {
        let zeros = self.0.iter().take_while(|byte| **byte == 0).count();
        self.0.get(zeros..).unwrap_or_default()
    }
}

/// A revocation list. Cheap to clone; a clone shares it.
#[derive(Clone)]
pub struct Crl(Arc<Read>);

struct Read {
    der: Vec<u8>,
    /// Where in `der` that is which the signature is over.
    signed: Range<usize>,
    signature: Vec<u8>,
    issuer_name: Vec<u8>,
    /// The identifier of its issuer's key; nothing if it does not say.
    issuer_key: Vec<u8>,
    issuer: String,
    number: u64,
    this_update: Time,
    next_update: Time,
    /// In order.
    serials: Vec<Serial>,
    /// The same list, as webpki wants it.
    checked: CertRevocationList<'static>,
}

impl Crl {
    /// Reads a list, and believes nothing of it.
    ///
    /// # Errors
    /// Names the rule that it breaks.
    pub fn parse(der: &[u8]) -> Result<Self, InvalidCrl> {
        if der.len() > MAX_CRL {
            return Err(InvalidCrl::TooLarge(der.len()));
        }
        let form = |_| InvalidCrl::Malformed("not a list in DER");
        let (rest, list) = CertificateRevocationList::from_der(der).map_err(form)?;
        if !rest.is_empty() {
            return Err(InvalidCrl::Malformed("bytes after its end"));
        }
        if list.signature_algorithm.algorithm != OID_SIG_ECDSA_WITH_SHA256 {
            return Err(InvalidCrl::Algorithm);
        }
        let (number, this_update, next_update) = head(&list)?;
        let tbs = &list.tbs_cert_list;
        let issuer_name = tbs.issuer.as_raw();
        if issuer_name.len() > MAX_NAME {
            return Err(InvalidCrl::Malformed("its issuer's name is too long"));
        }
        let serials = serials(tbs)?;
        let issuer_key = key_identifier(tbs.extensions());
        let checked = OwnedCertRevocationList::from_der(der).map_err(InvalidCrl::Unusable)?;
        let checked = CertRevocationList::from(checked);
        if checked.issuing_distribution_point().is_some() {
            return Err(InvalidCrl::Partial);
        }
        let (inside, _) =
            Header::from_der(der).map_err(|_| InvalidCrl::Malformed("not a list in DER"))?;
        let start = der.len() - inside.len();
        Ok(Self(Arc::new(Read {
            signed: start..start + tbs.as_ref().len(),
            signature: list.signature_value.data.to_vec(),
            issuer_name: issuer_name.to_vec(),
            issuer_key,
            issuer: tbs.issuer.to_string().escape_debug().to_string(),
            number,
            this_update,
            next_update,
            serials,
            checked,
            der: der.to_vec(),
        })))
    }

    /// Raw DER of its issuer's name.
    pub fn issuer_name(&self) -> &[u8] {
        &self.0.issuer_name
    }

    /// The identifier of its issuer's key, by which issuers of one name differ; nothing if it says
    /// none (RFC 5280, section 5.2.1).
    pub fn issuer_key(&self) -> &[u8] {
        &self.0.issuer_key
    }

    /// Its issuer's name in words, for people.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Rises with every list of one issuer.
    pub fn number(&self) -> u64 {
        self.0.number
    }

    /// When it was made, a whole second. It may be ahead: what is revoked is so all the same.
    pub fn this_update(&self) -> Time {
        self.0.this_update
    }

    /// By when the next one was promised, a whole second.
    pub fn next_update(&self) -> Time {
        self.0.next_update
    }

    /// How many certificates it revokes.
    pub fn revoked(&self) -> usize {
        self.0.serials.len()
    }

    /// Its bytes, as they were signed and sent.
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Whether it is of the same issuer as another, and revokes the same certificates.
    pub(crate) fn revokes_as(&self, other: &Self) -> bool {
        let (own, other) = (&self.0, &other.0);
        let same = || {
            own.issuer_name == other.issuer_name
                && own.issuer_key == other.issuer_key
                && own.serials == other.serials
        };
        Arc::ptr_eq(own, other) || same()
    }

    /// Whether it revokes its issuer's certificate of that serial: big endian, with or without
    /// zeros before it.
    pub fn contains(&self, serial: &[u8]) -> bool {
        Serial::new(serial).is_some_and(|serial| self.0.serials.binary_search(&serial).is_ok())
    }

    /// What the signature is over.
    pub(super) fn signed(&self) -> &[u8] {
        self.0.der.get(self.0.signed.clone()).unwrap_or_default()
    }

    pub(super) fn signature(&self) -> &[u8] {
        &self.0.signature
    }

    /// As webpki wants it.
    pub(crate) fn checked(&self) -> &CertRevocationList<'static> {
        &self.0.checked
    }
}

// By hand, since a hundred thousand serials say nothing to anyone.
impl fmt::Debug for Crl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crl")
            .field("issuer", &self.0.issuer)
            .field("number", &self.0.number)
            .field("next_update", &self.0.next_update)
            .field("revoked", &self.revoked())
            .finish_non_exhaustive()
    }
}

/// Its number, when it was made, and by when the next one comes.
fn head(list: &CertificateRevocationList<'_>) -> Result<(u64, Time, Time), InvalidCrl> {
    let tbs = &list.tbs_cert_list;
    if tbs.version != Some(X509Version::V2) {
        return Err(InvalidCrl::Malformed("not version 2"));
    }
    tbs.extensions_map()
        .map_err(|_| InvalidCrl::Malformed("an extension stands twice"))?;
    let number = list.crl_number().ok_or(InvalidCrl::Unnumbered)?;
    let number = u64::try_from(number).map_err(|_| InvalidCrl::NumberTooLarge)?;
    let this_update = time(tbs.this_update)?;
    let next_update = time(tbs.next_update.ok_or(InvalidCrl::Endless)?)?;
    if next_update <= this_update {
        return Err(InvalidCrl::Malformed("it ends before it begins"));
    }
    Ok((number, this_update, next_update))
}

/// Its serials in order, each once.
fn serials(tbs: &TbsCertList<'_>) -> Result<Vec<Serial>, InvalidCrl> {
    let entries = tbs.revoked_certificates.iter();
    let mut serials = entries
        .map(|entry| Serial::from_integer(entry.raw_serial()))
        .collect::<Option<Vec<_>>>()
        .ok_or(InvalidCrl::Malformed(
            "a serial is no positive number of 20 bytes or less",
        ))?;
    serials.sort_unstable();
    let twice = serials.windows(2).find_map(|pair| match pair {
        [one, other] if one == other => Some(one),
        _ => None,
    });
    match twice {
        Some(serial) => Err(InvalidCrl::SerialTwice(hex(serial.digits()))),
        None => Ok(serials),
    }
}

fn time(at: ASN1Time) -> Result<Time, InvalidCrl> {
    u64::try_from(at.timestamp())
        .map(Time::from_secs)
        .map_err(|_| InvalidCrl::Malformed("a time before 1970"))
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
