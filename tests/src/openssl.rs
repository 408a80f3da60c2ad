//! OpenSSL, where it is installed: somebody else's word on what we wrote.

use std::fs;
use std::process::Command;

use base64::prelude::{BASE64_STANDARD, Engine};
use ca::clock::Time;

/// Whether it is there to be asked; if not, the test that asks says so.
#[expect(clippy::print_stdout, reason = "a test that is skipped says so")]
pub fn is_there() -> bool {
    let version = Command::new("openssl").arg("version").output();
    let there = version.is_ok_and(|output| output.status.success());
    if !there {
        println!("SKIPPED: there is no `openssl` to be asked");
    }
    there
}

/// What it says of the leaf of a chain that ends under the only root that it trusts, looking every
/// certificate of the path up in a list: nothing, or why not.
///
/// # Errors
/// What it said, where it does not verify.
///
/// # Panics
/// When it cannot be run, or a file cannot be written for it.
#[expect(clippy::expect_used, reason = "what is not there fails the test")]
pub fn verify(root: &[u8], chain: &[&[u8]], lists: &[&[u8]], at: Time) -> Result<(), String> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, kind: &str, ders: &[&[u8]]| {
        let path = folder.path().join(name);
        let text: String = ders.iter().map(|der| pem(kind, der)).collect();
        fs::write(&path, text).expect("the folder is writable");
        path
    };
    let (leaf, between) = chain.split_first().expect("a chain has a leaf");
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-crl_check_all", "-attime"]);
    command.arg(at.as_secs().to_string());
    for (option, kind, name, ders) in [
        ("-CAfile", "CERTIFICATE", "root.pem", &[root][..]),
        ("-untrusted", "CERTIFICATE", "between.pem", between),
        ("-CRLfile", "X509 CRL", "lists.pem", lists),
    ] {
        command.arg(option).arg(write(name, kind, ders));
    }
    command.arg(write("leaf.pem", "CERTIFICATE", &[leaf]));
    let output = command.output().expect("openssl runs");
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    Err(String::from_utf8_lossy(&said).into_owned())
}

/// DER as it reads it.
fn pem(kind: &str, der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let lines = text.as_bytes().chunks(64);
    let lines: String = lines
        .map(|line| String::from_utf8_lossy(line) + "\n")
        .collect();
    format!("-----BEGIN {kind}-----\n{lines}-----END {kind}-----\n")
}

/// The serial of a certificate of ours: sixteen bytes, after `version 3` and its own head.
///
/// # Panics
/// When it is no certificate of ours.
#[expect(clippy::unwrap_used, reason = "what is not there fails the test")]
pub fn serial(certificate: &[u8]) -> Vec<u8> {
    let head = b"\xa0\x03\x02\x01\x02\x02\x10";
    let at = certificate.windows(head.len()).position(|it| it == head);
    let at = at.unwrap() + head.len();
    certificate[at..at + 16].to_vec()
}
