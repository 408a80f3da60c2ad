//! What `openssl` says of the forms. Where it is not installed, these tests say so and prove
//! nothing.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::*;
use crate::drill::clock;

/// Whether `openssl` is content, and what it says; or nothing if there is none here.
fn asked(folder: &Path, args: &[&str]) -> Option<(bool, String)> {
    let ran = Command::new("openssl")
        .args(args)
        .current_dir(folder)
        .output();
    let Ok(output) = ran else {
        eprintln!("SKIPPED: no `openssl` here, the forms of keys and certificates are unproven");
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    Some((output.status.success(), said))
}

/// What a content `openssl` says.
fn openssl(folder: &Path, args: &[&str]) -> Option<String> {
    let (is_content, said) = asked(folder, args)?;
    assert!(is_content, "openssl {args:?}: {said}");
    Some(said)
}

#[test]
fn both_forms_of_a_key_are_read_and_are_one_key() {
    let temp = tempfile::tempdir().unwrap();
    for curve in [Curve::P256, Curve::P384] {
        let key = Key::new(curve).unwrap();
        std::fs::write(temp.path().join("pkcs8"), pem::pkcs8(&key).as_bytes()).unwrap();
        std::fs::write(
            temp.path().join("sec1"),
            pem::sec1(&key).unwrap().as_bytes(),
        )
        .unwrap();
        let public = |form| openssl(temp.path(), &["pkey", "-in", form, "-pubout"]);
        let Some(one) = public("pkcs8") else { return };
        assert!(one.contains("BEGIN PUBLIC KEY"), "{one}");
        assert_eq!(public("sec1"), Some(one));
        let checked = openssl(temp.path(), &["ec", "-in", "sec1", "-check", "-noout"]);
        assert!(checked.unwrap().contains("Key valid"));
    }
}

#[test]
fn a_chain_a_list_and_their_dates_are_read_as_they_were_wished() {
    let temp = tempfile::tempdir().unwrap();
    let now = clock::date();
    let life = Life::from_now(now, Duration::from_secs(600));
    let root = Authority::new(now).new_root("a root").unwrap();
    let issuer = root.issuer("an issuer").unwrap();
    let wish = LeafWish::new(Role::Both, life)
        .uri("spiffe://shop.example/orders")
        .host("localhost");
    let leaf = issuer.leaf(&wish).unwrap();
    let revoked = vec![leaf.serial.clone()];
    let lists = [
        issuer
            .crl(&CrlWish {
                number: 7,
                life,
                revoked,
            })
            .unwrap(),
        root.crl(&CrlWish {
            number: 1,
            life,
            revoked: vec![],
        })
        .unwrap(),
    ];
    let write = |name: &str, text: String| std::fs::write(temp.path().join(name), text).unwrap();
    write("root.pem", pem::certificates([root.certificate()]));
    write("leaf.pem", pem::certificates([leaf.certificate()]));
    write("issuers.pem", pem::certificates(&leaf.chain_der[1..]));
    write(
        "lists.pem",
        pem::crls(lists.iter().map(|list| list.der.as_slice())),
    );
    let verify = [
        "verify",
        "-x509_strict",
        "-CAfile",
        "root.pem",
        "-untrusted",
        "issuers.pem",
    ];
    let Some(said) = openssl(temp.path(), &[&verify[..], &["leaf.pem"]].concat()) else {
        return;
    };
    assert!(said.contains("leaf.pem: OK"), "{said}");
    let text = openssl(temp.path(), &["x509", "-in", "leaf.pem", "-noout", "-text"]).unwrap();
    for has in [
        "URI:spiffe://shop.example/orders",
        "DNS:localhost",
        "Schism drill",
    ] {
        assert!(text.contains(has), "{has}: {text}");
    }
    let text = openssl(temp.path(), &["crl", "-in", "lists.pem", "-noout", "-text"]).unwrap();
    let number = text.split("X509v3 CRL Number:").nth(1).unwrap();
    assert_eq!(number.split_whitespace().next(), Some("7"), "{text}");
    let serial: String = leaf
        .serial
        .iter()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    assert!(text.contains(&serial), "{serial}: {text}");
}

#[test]
fn lists_of_every_signer_are_enough_for_whoever_checks_them_all() {
    let temp = tempfile::tempdir().unwrap();
    let now = clock::date();
    let life = Life::from_now(now, Duration::from_secs(600));
    let authority = Authority::new(now);
    // Two roots of one name: only the key identifiers tell which list and which root is meant.
    let (twin, root) = (authority.new_root("root"), authority.new_root("root"));
    let (twin, root) = (twin.unwrap(), root.unwrap());
    let issuer = root.issuer("an issuer").unwrap();
    let leaf = || issuer.leaf(&LeafWish::new(Role::Caller, life)).unwrap();
    let (revoked, good) = (leaf(), leaf());
    let list = |signer: &Issuer, revoked: &[&Leaf]| {
        let revoked = revoked.iter().map(|leaf| leaf.serial.clone()).collect();
        let number = 1;
        let wish = CrlWish {
            number,
            life,
            revoked,
        };
        signer.crl(&wish).unwrap().der
    };
    let lists = [list(&issuer, &[&revoked]), list(root.as_issuer(), &[])];
    let write = |name: &str, text: String| std::fs::write(temp.path().join(name), text).unwrap();
    write(
        "roots.pem",
        pem::certificates([twin.certificate(), root.certificate()]),
    );
    write("issuer.pem", pem::certificates([issuer.certificate()]));
    write("lists.pem", pem::crls(lists.iter().map(Vec::as_slice)));
    write("revoked.pem", pem::certificates([revoked.certificate()]));
    write("good.pem", pem::certificates([good.certificate()]));
    let verify = |leaf| {
        let (roots, lists) = (["-CAfile", "roots.pem"], ["-CRLfile", "lists.pem"]);
        let how = [
            "verify",
            "-crl_check_all",
            "-purpose",
            "sslclient",
            "-untrusted",
            "issuer.pem",
        ];
        asked(temp.path(), &[&how[..], &roots, &lists, &[leaf]].concat())
    };
    let Some((is_content, said)) = verify("good.pem") else {
        return;
    };
    assert!(is_content, "{said}");
    let (is_content, said) = verify("revoked.pem").unwrap();
    assert!(
        !is_content && said.contains("certificate revoked"),
        "{said}"
    );
}
