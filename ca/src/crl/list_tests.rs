//! Claims about one list: what is made reads back, and what is unfit is refused by name. Who signed
//! it is tried in `held_tests.rs`.

use rcgen::{
    CertificateParams, CertificateRevocationListParams, CrlDistributionPoint,
    CrlIssuingDistributionPoint, CrlScope, KeyIdMethod, SerialNumber,
};
use x509_parser::extensions::ParsedExtension;

use super::*;
use crate::crl::specimen::{Clinic, HOUR, NOW, all};
use crate::crl::{Crls, RevocationReason, RevokedLeaf};
use crate::error::CaError;
use crate::keys::{Keys, RingKeys};
use crate::p256::P256;
use crate::profile;

fn clinic() -> Clinic {
    Clinic::new("clinic.example")
}

/// One leaf revoked on its own terms.
fn revoked(serial: &[u8], reason: RevocationReason) -> RevokedLeaf {
    RevokedLeaf {
        serial: serial.to_vec(),
        at: NOW,
        reason,
    }
}

#[test]
fn a_list_says_what_was_signed() {
    let clinic = clinic();
    let (_, leaf) = clinic.leaf();
    let late = NOW + std::time::Duration::from_micros(999_999);
    let der = clinic
        .issuer
        .sign_crl(7, &all(&[&leaf.serial, &[9]]), late, late + HOUR);
    let crl = Crl::parse(&der.unwrap()).unwrap();
    assert_eq!(crl.issuer_name(), leaf.issuer);
    assert_eq!(crl.issuer(), "CN=clinic.example issuer generation 1");
    assert_eq!((crl.number(), crl.revoked()), (7, 2));
    assert_eq!(
        (crl.this_update(), crl.next_update()),
        (NOW, NOW + HOUR),
        "whole seconds"
    );
    assert!(crl.contains(&leaf.serial) && crl.contains(&[9]) && crl.contains(&[0, 0, 9]));
    for other in [&[8][..], &[9, 0], &[], &[0], &[9; 21]] {
        assert!(!crl.contains(other), "{other:?}");
    }
    let empty = clinic.list(0, &[]);
    assert_eq!((empty.number(), empty.revoked()), (0, 0));
}

#[test]
fn a_list_has_the_form_that_the_standard_asks_for() {
    let clinic = clinic();
    let reasons = RevocationReason::ALL.iter().zip(1..);
    let leaves: Vec<_> = reasons.map(|(reason, n)| revoked(&[n], *reason)).collect();
    let der = clinic.issuer.sign_crl(7, &leaves, NOW, NOW + HOUR).unwrap();
    let (_, list) = CertificateRevocationList::from_der(&der).unwrap();
    assert_eq!(list.version(), Some(X509Version::V2));
    let key_id = list
        .extensions()
        .iter()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(key) => key.key_identifier.clone(),
            _ => None,
        });
    let (_, issuer) = x509_parser::parse_x509_certificate(clinic.issuer.certificate()).unwrap();
    let own_id = issuer
        .extensions()
        .iter()
        .find_map(|it| match it.parsed_extension() {
            ParsedExtension::SubjectKeyIdentifier(key) => Some(key.clone()),
            _ => None,
        });
    assert!(key_id.is_some());
    assert_eq!(key_id, own_id);
    let codes: Vec<_> = list
        .iter_revoked_certificates()
        .map(|it| it.reason_code())
        .collect();
    let codes: Vec<_> = codes
        .into_iter()
        .map(|it| it.map(|(_, code)| code.0))
        .collect();
    assert_eq!(codes, [None, Some(1), Some(3), Some(4), Some(5), Some(9)]);
    let empty = clinic.list(0, &[]);
    let (_, empty) = CertificateRevocationList::from_der(empty.der()).unwrap();
    assert_eq!(empty.iter_revoked_certificates().count(), 0);
}

#[test]
fn the_same_revocations_make_the_same_content_in_any_order() {
    let clinic = clinic();
    let serials: [&[u8]; 4] = [&[3], &[2, 0], &[0x80], &[1; 20]];
    let list = clinic.list(4, &serials);
    let mut turned = serials;
    turned.reverse();
    let again = clinic.list(4, &turned);
    assert_ne!(list.der(), again.der(), "a signature is never the same");
    assert_eq!(list.signed(), again.signed());
    let (_, parsed) = CertificateRevocationList::from_der(list.der()).unwrap();
    let order: Vec<_> = parsed
        .iter_revoked_certificates()
        .map(|it| it.raw_serial())
        .collect();
    assert_eq!(order, [&[3][..], &[0, 0x80], &[2, 0], &[1; 20]]);
}

#[test]
fn a_reason_goes_by_its_name() {
    for reason in RevocationReason::ALL {
        assert_eq!(RevocationReason::from_name(reason.name()), Some(reason));
    }
    for name in ["", "keyCompromise", "certificate-hold", "remove-from-crl"] {
        assert_eq!(RevocationReason::from_name(name), None, "{name}");
    }
}

#[test]
fn a_list_that_no_reader_would_take_is_not_signed() {
    let issuer = clinic().issuer;
    let sign = |serials: &[&[u8]], until: Time| issuer.sign_crl(1, &all(serials), NOW, until);
    for serial in [&[][..], &[0, 0], &[1; 21]] {
        assert!(matches!(
            sign(&[serial], NOW + HOUR),
            Err(CaError::Damaged(_))
        ));
    }
    let twice = sign(&[&[5], &[0, 5]], NOW + HOUR);
    assert!(matches!(twice, Err(CaError::Damaged(_))));
    let shorter = std::time::Duration::from_micros(999_999);
    assert!(matches!(
        sign(&[], NOW + shorter),
        Err(CaError::Settings(_))
    ));
    assert!(sign(&[], NOW + std::time::Duration::from_secs(1)).is_ok());
}

/// A list by nobody, with one thing about it changed.
fn odd(change: impl FnOnce(&mut CertificateRevocationListParams)) -> Vec<u8> {
    let key = P256::from_pkcs8(&RingKeys.p256().unwrap()).unwrap();
    let signer = rcgen::Issuer::new(CertificateParams::default(), key);
    let mut params = CertificateRevocationListParams {
        this_update: profile::date(NOW).unwrap(),
        next_update: profile::date(NOW + HOUR).unwrap(),
        crl_number: SerialNumber::from(3),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    change(&mut params);
    params.signed_by(&signer).unwrap().der().to_vec()
}

fn refused(der: &[u8]) -> InvalidCrl {
    Crl::parse(der).unwrap_err()
}

/// The list with the one place that holds `old` changed to `new`, of the same length.
fn patched(der: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let places: Vec<_> = (0..der.len())
        .filter(|at| der[*at..].starts_with(old))
        .collect();
    assert_eq!((places.len(), old.len()), (1, new.len()));
    let mut der = der.to_vec();
    der[places[0]..places[0] + new.len()].copy_from_slice(new);
    der
}

/// One value of DER, of at most 255 bytes.
fn value(tag: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let size = u8::try_from(content.len()).unwrap();
    let head: &[u8] = if size < 0x80 {
        &[tag, size]
    } else {
        &[tag, 0x81, size]
    };
    [head, &content].concat()
}

#[test]
fn an_unfit_list_is_refused_by_name() {
    let plain = odd(|_| {});
    assert!(Crl::parse(&plain).is_ok());
    let end = InvalidCrl::Malformed("bytes after its end");
    assert_eq!(refused(&[&plain[..], &[0]].concat()), end);
    for der in [
        &[][..],
        &plain[..plain.len() - 1],
        b"-----BEGIN X509 CRL-----",
    ] {
        assert_eq!(refused(der), InvalidCrl::Malformed("not a list in DER"));
    }
    let large = vec![0; MAX_CRL + 1];
    assert_eq!(refused(&large), InvalidCrl::TooLarge(MAX_CRL + 1));
    let number: [u8; 9] = [1, 0, 0, 0, 0, 0, 0, 0, 0];
    let large = odd(|list| list.crl_number = SerialNumber::from_slice(&number));
    assert_eq!(refused(&large), InvalidCrl::NumberTooLarge);
    let partial = odd(|list| {
        list.issuing_distribution_point = Some(CrlIssuingDistributionPoint {
            distribution_point: CrlDistributionPoint {
                uris: vec!["http://clinic.example/crl".to_owned()],
            },
            scope: Some(CrlScope::CaCertsOnly),
        });
    });
    assert_eq!(refused(&partial), InvalidCrl::Partial);
    // cRLNumber, 2.5.29.20, becomes the harmless 2.5.29.18.
    let unnumbered = patched(&plain, &[0x55, 0x1d, 20], &[0x55, 0x1d, 18]);
    assert_eq!(refused(&unnumbered), InvalidCrl::Unnumbered);
    // A delta list, of its base number 3: webpki's word on it.
    let delta = patched(&plain, &[0x55, 0x1d, 35], &[0x55, 0x1d, 27]);
    assert_eq!(
        refused(&delta),
        InvalidCrl::Unusable(webpki::Error::UnsupportedDeltaCrl)
    );
}

/// A list by hand: version, end, and entries of these INTEGERs.
fn by_hand(version: &[u8], next_update: &[u8], serials: &[&[u8]]) -> Vec<u8> {
    const ALGORITHM: &[u8] = b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02";
    const NAME: &[u8] = b"\x30\x0c\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a";
    const AT: &[u8] = b"\x17\x0d270115080000Z";
    const NUMBER: &[u8] = b"\xa0\x0e\x30\x0c\x30\x0a\x06\x03\x55\x1d\x14\x04\x03\x02\x01\x03";
    let entries = serials
        .iter()
        .map(|serial| value(0x30, &[&value(2, &[serial]), AT]));
    let entries: Vec<u8> = entries.flatten().collect();
    let entries = if serials.is_empty() {
        Vec::new()
    } else {
        value(0x30, &[&entries])
    };
    let tbs = value(
        0x30,
        &[version, ALGORITHM, NAME, AT, next_update, &entries, NUMBER],
    );
    value(0x30, &[&tbs, ALGORITHM, b"\x03\x02\x00\x00"])
}

#[test]
fn a_list_that_could_mean_two_things_is_refused() {
    const V2: &[u8] = b"\x02\x01\x01";
    const END: &[u8] = b"\x17\x0d270115090000Z";
    let list = Crl::parse(&by_hand(V2, END, &[&[5], &[0, 0x80]])).unwrap();
    assert!(list.contains(&[5]) && list.contains(&[0x80]));
    let twice = refused(&by_hand(V2, END, &[&[5], &[6], &[5]]));
    assert_eq!(twice, InvalidCrl::SerialTwice("05".to_owned()));
    let long = [1; MAX_SERIAL + 1];
    for serial in [&[0x80][..], &[0, 5], &[0], &[], &long] {
        let malformed = "a serial is no positive number of 20 bytes or less";
        let refused = refused(&by_hand(V2, END, &[serial]));
        assert_eq!(refused, InvalidCrl::Malformed(malformed), "{serial:?}");
    }
    for version in [&b""[..], b"\x02\x01\x00", b"\x02\x01\x02"] {
        let refused = refused(&by_hand(version, END, &[]));
        assert_eq!(refused, InvalidCrl::Malformed("not version 2"));
    }
    assert_eq!(refused(&by_hand(V2, b"", &[])), InvalidCrl::Endless);
    let ended = refused(&by_hand(V2, b"\x17\x0d270115080000Z", &[]));
    assert_eq!(ended, InvalidCrl::Malformed("it ends before it begins"));
}

#[test]
fn a_hundred_thousand_serials_are_read_and_found() {
    let clinic = clinic();
    let serials: Vec<[u8; 16]> = (0..100_000_u128)
        .map(|n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835) | 1).to_be_bytes())
        .collect();
    let slices: Vec<&[u8]> = serials.iter().map(|serial| &serial[..]).collect();
    let list = clinic.list(1, &slices);
    assert_eq!(list.revoked(), serials.len());
    assert!(list.der().len() < MAX_CRL, "{}", list.der().len());
    assert!(serials.iter().all(|serial| list.contains(serial)));
    let others = serials
        .iter()
        .map(|serial| (u128::from_be_bytes(*serial) ^ 1).to_be_bytes());
    assert!(!others.into_iter().any(|serial| list.contains(&serial)));
    let mut crls = Crls::new();
    assert_eq!(
        crls.accept(list, &clinic.signers(), &clinic.bundle()),
        Ok(true)
    );
    let (_, mut leaf) = clinic.leaf();
    assert!(!crls.revokes(&leaf));
    leaf.serial = serials[70_000].to_vec();
    assert!(crls.revokes(&leaf));
}
