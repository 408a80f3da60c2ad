//! Revocation lists as a planted service keeps them: the newest of each issuer.
//!
//! A list counts only under the key that signed it, so two issuers of one name do not speak for
//! each other. It refuses a list with a lower number than it has, and keeps the list of an issuer
//! that is no longer in the file: to take a list away takes no revocation back.

use std::collections::{BTreeMap, BTreeSet};

use rustls::pki_types::{CertificateRevocationListDer, SubjectPublicKeyInfoDer};
use x509_parser::prelude::{FromDer, ParsedExtension};
use x509_parser::revocation_list::CertificateRevocationList;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::path::signed_by;

/// Whose list: the issuer's name and its key's identifier, if the list gives it.
type Whose = (Vec<u8>, Vec<u8>);

/// One list, read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kept {
    number: Vec<u8>,
    next_update: i64,
    revoked: BTreeSet<Vec<u8>>,
    der: Vec<u8>,
}

/// The lists in force.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lists(BTreeMap<Whose, Kept>);

/// What the lists say of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It is on no list, or its issuer never had one.
    Good,
    /// It is on its issuer's list.
    Revoked,
    /// Its issuer's list is past its next update, so nobody knows.
    Unknown,
}

impl Lists {
    /// Takes up what was read; `older` also what is older than what is there.
    pub(super) fn take(
        &mut self,
        read: &[CertificateRevocationListDer<'static>],
        older: bool,
    ) -> Result<(), &'static str> {
        let read: Result<Vec<_>, _> = read.iter().map(|der| parse(der)).collect();
        for (whose, list) in read? {
            let newer = self.0.get(&whose).is_none_or(|kept| {
                let order = |number: &[u8]| (number.len(), number.to_vec());
                order(&kept.number) <= order(&list.number)
            });
            if newer || older {
                self.0.insert(whose, list);
            }
        }
        Ok(())
    }

    /// What the lists of the issuer with this name and key say of a serial at a time.
    pub(super) fn status(
        &self,
        (name, key): (&[u8], &SubjectPublicKeyInfoDer<'_>),
        serial: &[u8],
        now: Option<i64>,
    ) -> Status {
        let of_name = self.0.iter().filter(|((issuer, _), _)| issuer == name);
        let mut own = of_name.filter(|(_, kept)| is_signed(&kept.der, key));
        let Some((_, list)) = own.next() else {
            return Status::Good;
        };
        if list.revoked.contains(serial) {
            Status::Revoked
        } else if now.is_some_and(|now| list.next_update <= now) {
            Status::Unknown
        } else {
            Status::Good
        }
    }
}

fn parse(der: &[u8]) -> Result<(Whose, Kept), &'static str> {
    let (_, list) = CertificateRevocationList::from_der(der).map_err(|_| "it is no list")?;
    let number = list.crl_number().ok_or("it has no number")?.to_bytes_be();
    let next_update = list.next_update().ok_or("it has no next update")?;
    let mut key = Vec::new();
    for extension in list.extensions() {
        if let ParsedExtension::AuthorityKeyIdentifier(of) = extension.parsed_extension() {
            key = of
                .key_identifier
                .as_ref()
                .map_or(Vec::new(), |id| id.0.to_vec());
        }
    }
    let revoked = list.iter_revoked_certificates();
    let kept = Kept {
        number,
        next_update: next_update.timestamp(),
        revoked: revoked.map(|entry| entry.raw_serial().to_vec()).collect(),
        der: der.to_vec(),
    };
    Ok(((list.issuer().as_raw().to_vec(), key), kept))
}

fn is_signed(der: &[u8], key: &SubjectPublicKeyInfoDer<'_>) -> bool {
    let Ok((_, list)) = CertificateRevocationList::from_der(der) else {
        return false;
    };
    let Ok((_, key)) = SubjectPublicKeyInfo::from_der(key) else {
        return false;
    };
    let signature = list.signature_value.data.as_ref();
    signed_by(&key, list.tbs_cert_list.as_ref(), signature)
}
