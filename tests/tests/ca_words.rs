//! The CA's commands that need nobody to serve: a budget, a heal, an invitation, a leaf by order.
//!
//! Everything here goes through the program and real files. Where OpenSSL is not installed, its
//! word is left out.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

#[expect(dead_code, reason = "other tests use more of it")]
mod program;

use std::process::Command;

use serde_json::Value;

use program::Desk;
use tests::openssl;

#[test]
fn a_budget_is_by_a_cas_own_settings_and_a_heal_shows_both_ways() {
    let desk = Desk::new();
    desk.write("pass", "correct horse battery\n");
    let founding = "ca init --dir d --trust-domain clinic.example --leaf-ttl 7200";
    let founded = desk.run(&format!("{founding} --passphrase-file pass"));
    assert_eq!(founded.status, Some(0), "{}", founded.err);
    let answer = |line: &str| -> Value {
        let ended = desk.run(&format!("{line} --json"));
        assert_eq!(ended.status, Some(0), "{line}: {}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    };
    let (lab, own) = (answer("ca budget"), answer("ca budget --dir d"));
    assert_eq!(lab["leaf"]["life_us"], 100_000_000);
    assert_eq!(own["leaf"]["life_us"], 7_200_000_000_u64);
    assert_eq!([&lab["limit"], &own["limit"]], ["crl", "crl"]);
    let fixed = answer("ca budget --dir d --leaf-ttl 1m --crl-life none --retry fixed");
    assert_eq!(
        (&fixed["limit"], &fixed["crl"]),
        (&"leaf".into(), &Value::Null)
    );
    assert_eq!(fixed["safe_us"], 20_000_000);
    let page = desk.run("ca budget --crl-life none");
    let last = page.out.lines().last();
    let said = "The CA may be away for 37.5s: a member's leaf ends first.";
    assert_eq!(last, Some(said), "{}", page.err);
    desk.refuses("ca budget --dir none", &["none", "ca init"]);
    desk.refuses("ca budget --leaf-ttl 5", &["--leaf-ttl", "`1h30m`"]);
    desk.refuses("ca budget --leaf-ttl 1000d", &["`--issuer-ttl`"]);

    let heal = answer("ca heal --members 500 --slower 20");
    let outcomes = heal["outcomes"].as_array().unwrap();
    let ways: Vec<_> = outcomes.iter().map(|it| &it["retry"]).collect();
    assert_eq!(ways, ["window", "fixed"]);
    let one = answer("ca heal --members 500 --slower 20 --retry fixed");
    assert_eq!(
        one["outcomes"][0], outcomes[1],
        "the same seed, the same end"
    );
    desk.refuses("ca heal --outage 101s", &["`--outage`"]);
}

#[test]
fn a_leaf_carries_the_dns_names_that_the_operator_gave_and_a_code_lasts_as_long_as_was_said() {
    let desk = Desk::new();
    desk.write("pass", "correct horse battery\n");
    let founding = "ca init --dir d --trust-domain clinic.example --passphrase-file pass";
    assert_eq!(desk.run(founding).status, Some(0));
    let answer = |line: &str| -> Value {
        let ended = desk.run(&format!("ca {line} --dir d --json"));
        assert_eq!(ended.status, Some(0), "{line}: {}", ended.err);
        serde_json::from_str(&ended.out).unwrap()
    };
    let who = "--spiffe-id spiffe://clinic.example/records";
    let joined = answer(&format!(
        "join {who} --dns Records.internal --dns localhost --ttl 2d"
    ));
    assert_eq!(
        joined["dns_names"],
        serde_json::json!(["localhost", "records.internal"])
    );
    let soon = answer(&format!("join {who}"));
    let (late, soon) = (
        joined["until_us"].as_u64().unwrap(),
        soon["until_us"].as_u64().unwrap(),
    );
    let two_days = 2 * 86_400 * 1_000_000;
    let apart = late + 600 * 1_000_000 - soon;
    assert!(two_days - apart < 60 * 1_000_000, "{apart}");

    let request = ca::csr::request(&ca::keys::Keys::p256(&ca::keys::RingKeys).unwrap());
    desk.write("request", request.unwrap());
    let issued = answer(&format!("issue {who} --csr request --dns records.internal"));
    let log = answer("log");
    let entries = log["entries"].as_array().unwrap();
    let last = entries.last().unwrap();
    assert_eq!(last["dns_names"], serde_json::json!(["records.internal"]));
    if openssl::is_there() {
        desk.write("chain.pem", issued["chain_pem"].as_str().unwrap());
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-ext", "subjectAltName", "-in"]);
        let said = openssl.arg(desk.path("chain.pem")).output().unwrap().stdout;
        let said = String::from_utf8(said).unwrap();
        for name in [
            "DNS:records.internal",
            "URI:spiffe://clinic.example/records",
        ] {
            assert!(said.contains(name), "{said}");
        }
    }
    let join = format!("ca join --dir d {who}");
    desk.refuses(
        &format!("{join} --dns *.internal"),
        &["--dns", "`*.internal`"],
    );
    desk.refuses(&format!("{join} --dns 10.0.0.1"), &["--dns", "`10.0.0.1`"]);
    desk.refuses(&format!("{join} --ttl 8d"), &["--ttl", "7d"]);
    desk.refuses(&format!("{join} --ttl 0s"), &["--ttl"]);
    let many: String = (0..9).map(|at| format!(" --dns n{at}.internal")).collect();
    desk.refuses(&format!("{join}{many}"), &["`--dns`", "8 at most"]);
}
