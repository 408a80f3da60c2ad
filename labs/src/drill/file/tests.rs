//! What a drill.toml says is what is read, and no text makes the reader panic.

use proptest::prelude::*;
use time::macros::datetime;

use super::*;

#[path = "mistakes_tests.rs"]
mod mistakes;

const WHOLE: &str = r#"format = 1

[target]
address = "localhost:8443"
start = ["./orders"]
stop = ["./stop.sh", "now"]
reload = ["./reload.sh"]
settle = "120s"

[files]
key = { path = "tls/tls.key", mode = "0640", form = "sec1", owner = "101:102" }
chain = { path = "tls/tls.crt" }
trust = "tls/ca.crt"
crl = { path = "/etc/ca.crl", form = "der" }
swap = "symlink"

[caller]
uri = "spiffe://shop.example/cart"
dns = "cart.shop"
refused-uris = ["spiffe://shop.example/other"]

[token]
jwks = { listen = "127.0.0.1:9080" }
issuer = "https://issuer.example"
audience = "orders"
type = "at+jwt"
claims = { scope = "read", roles = ["a"], deep = { n = 1 } }
bound = true

[calls]
allowed = "shop.Orders/Get"
refused = { token = "none", code = "UNAUTHENTICATED" }
stream = { grpc = "shop.Orders/Watch", message = '{"from": 1}' }

[objectives]
revoked-leaf = { new = "5s", open = "30s", stream = "60s" }
failed-requests = 0

[accept]
old-root-open-stream = { reason = "OPS-142", until = "2027-03-01" }
"#;

const LEAST: &str = r#"format = 1
[target]
address = "127.0.0.1:8443"
reload = []
settle = "10s"
[files]
key = "key.pem"
chain = "chain.pem"
trust = "trust.pem"
[caller]
dns = "cart.shop"
[calls]
allowed = { http = "GET /orders" }
"#;

fn parse(text: &str) -> Result<DrillFile, DrillFileError> {
    DrillFile::parse("drill.toml", text, Path::new("/at"))
}

/// The least file with one line another.
fn with(from: &str, to: &str) -> String {
    assert!(LEAST.contains(from), "{from}");
    LEAST.replace(from, to)
}

fn said(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn everything_there_is_to_say_is_read() {
    let file = parse(WHOLE).unwrap();
    assert_eq!(file.target.address.to_string(), "localhost:8443");
    assert!(file.target.address.is_loopback());
    assert_eq!(file.target.hosts, ["localhost"]);
    assert_eq!(
        file.target.reload,
        Reload::Command(vec!["./reload.sh".to_owned()])
    );
    assert_eq!(file.target.settle.as_secs(), 120);
    let key = &file.files.key;
    assert_eq!(key.path, Path::new("/at/tls/tls.key"));
    assert_eq!(
        (key.mode, key.form, key.line),
        (Some(0o640), Form::Sec1, 11)
    );
    assert_eq!(key.owner, Some(Owner { uid: 101, gid: 102 }));
    let crl = file.files.crl.as_ref().unwrap();
    assert_eq!(
        (crl.path.as_path(), crl.form),
        (Path::new("/etc/ca.crl"), Form::Der)
    );
    assert_eq!(file.files.swap, Swap::Symlink);
    assert_eq!(file.caller.trust_domain(), Some("shop.example"));
    let token = file.token.as_ref().unwrap();
    assert_eq!(token.claims["deep"]["n"], 1);
    assert_eq!(token.typ, "at+jwt");
    assert!(token.bound && token.header == "authorization");
    assert_eq!(file.calls.refusal, Some(Code::Grpc(16)));
    assert!(file.calls.refused_without_token);
    use crate::drill::answer::{Change, Path as Way};
    let most = file
        .objectives
        .of(Change::LeafRevoked, Way::Established)
        .unwrap();
    assert_eq!(most.as_secs(), 30);
    assert_eq!(file.objectives.of(Change::LeafRevoked, Way::Resumed), None);
    assert_eq!(
        Objectives::key(Change::LeafRevoked, Way::Established),
        "revoked-leaf.open"
    );
    assert_eq!(file.objectives.failed_requests, Some(0));
}

#[test]
fn the_least_is_enough_and_the_rest_is_as_usual() {
    let file = parse(LEAST).unwrap();
    assert_eq!(file.files.swap, Swap::Rename);
    assert_eq!(file.target.reload, Reload::Watches);
    assert_eq!(
        (file.files.key.form, file.files.chain.form),
        (Form::Pkcs8, Form::Pem)
    );
    assert_eq!(file.token, None);
    let marked = format!("\u{feff}{}", LEAST.replace('\n', "\r\n"));
    assert_eq!(parse(&marked).unwrap(), file);
    let one = with("\"chain.pem\"", "{ path = \"key.pem\" }");
    assert!(parse(&one).unwrap().files.is_combined());
    let sent = with(
        "trust = \"trust.pem\"",
        "trust = \"t\"\ndeliver = [\"kubectl\", \"x y\"]",
    );
    let argv = vec!["kubectl".to_owned(), "x y".to_owned()];
    assert_eq!(parse(&sent).unwrap().files.swap, Swap::Deliver(argv));
}

#[test]
fn what_is_accepted_has_a_reason_and_an_end() {
    let accept = |line: &str| format!("{LEAST}[accept]\n{line}\n");
    let good = accept("leaf-swap = { reason = \"OPS-1\", until = 2027-03-01 }");
    let file = parse(&good).unwrap();
    assert_eq!(file.over(datetime!(2027-03-01 23:59 UTC)), []);
    let over = file.over(datetime!(2027-03-02 00:00 UTC));
    let text = over[0].to_string();
    assert!(
        text.starts_with("drill.toml:15: `leaf-swap` was accepted (OPS-1) until 2027-03-01"),
        "{text}"
    );
    for (line, expected) in [
        (
            "leaf-swop = { reason = \"x\", until = \"2027-03-01\" }",
            "unknown case `leaf-swop`; the nearest is `leaf-swap`",
        ),
        (
            "leaf-swap = { until = \"2027-03-01\" }",
            "`leaf-swap` needs `reason`",
        ),
        (
            "leaf-swap = { reason = \"x\" }",
            "`leaf-swap` needs `until`",
        ),
        (
            "leaf-swap = { reason = \"x\", until = \"soon\" }",
            "`until` is `soon`; it takes the last day",
        ),
        (
            "leaf-swap = { reason = \"x\", until = 2027-02-30 }",
            "drill.toml:15: ",
        ),
    ] {
        let said = said(&accept(line));
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn an_objective_names_a_change_and_a_path() {
    let objective = |line: &str| format!("{LEAST}[objectives]\n{line}\n");
    for (line, expected) in [
        (
            "revoked-leef = { new = \"5s\" }",
            "the nearest is `revoked-leaf`",
        ),
        (
            "revoked-leaf = { opne = \"5s\" }",
            "unknown field `opne` in `revoked-leaf`; the nearest is `open`",
        ),
        (
            "revoked-leaf = { open = 5 }",
            "`open` is a whole number; it takes a text",
        ),
        (
            "revoked-leaf = { open = \"5\" }",
            "`open` is `5`; it takes a span such as",
        ),
        (
            "failed-requests = -1",
            "`failed-requests` is `-1`; it takes 0 to",
        ),
    ] {
        let said = said(&objective(line));
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn the_drill_listens_on_loopback_alone_and_sets_its_own_claims() {
    let token = |line: &str| WHOLE.replace("bound = true", line);
    assert!(parse(&token("bound = false")).is_ok());
    let open = WHOLE.replace("127.0.0.1:9080", "0.0.0.0:9080");
    assert!(said(&open).contains("`listen` is `0.0.0.0:9080`; it takes a loopback"));
    let own = WHOLE.replace("scope = \"read\"", "exp = 1");
    assert!(said(&own).contains("the drill does not set itself"));
    let both = WHOLE.replace(
        "{ listen = \"127.0.0.1:9080\" }",
        "{ file = \"tls/ca.crt\" }",
    );
    assert!(said(&both).contains("is one of `[files]` too"));
}

#[test]
fn the_leaves_have_the_names_of_the_file() {
    use crate::drill::authority::{Life, Role};
    let life = Life::new(
        datetime!(2026-01-01 0:00 UTC),
        datetime!(2026-02-01 0:00 UTC),
    );
    let text = format!("{WHOLE}[upstream]\nlisten = \"127.0.0.1:9443\"\nuri = \"spiffe://a/b\"\n");
    let file = parse(&text).unwrap();
    let target = file.target_leaf(life);
    assert_eq!(
        (target.dns, target.role),
        (vec!["localhost".to_owned()], Role::Both)
    );
    let caller = file.caller_leaf(life);
    assert_eq!(caller.uris, ["spiffe://shop.example/cart"]);
    assert_eq!(
        (caller.dns, caller.role),
        (vec!["cart.shop".to_owned()], Role::Caller)
    );
    let upstream = file.upstream_leaf(life).unwrap();
    assert_eq!((upstream.addresses.len(), upstream.uris.len()), (1, 1));
    assert_eq!(parse(LEAST).unwrap().target_leaf(life).addresses.len(), 1);
    assert!(parse(LEAST).unwrap().upstream_leaf(life).is_none());
}

#[test]
fn no_case_has_two_places() {
    let mut words = CASES.to_vec();
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), CASES.len());
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "\\PC*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_damage_makes_it_panic_and_the_line_is_one_of_the_files(
        at in 0..WHOLE.len(), cut in 0..40_usize, text in "[\\[\\]{}\"'=,.0-9a-z\n\\-]{0,6}"
    ) {
        let until = (at + cut).min(WHOLE.len());
        let damaged = format!("{}{text}{}", &WHOLE[..at], &WHOLE[until..]);
        if let Err(error) = parse(&damaged) {
            prop_assert!(error.line >= 1 && error.line <= 1 + damaged.matches('\n').count());
        }
    }
}

#[test]
#[cfg(unix)]
fn a_file_without_an_end_is_refused_when_there_is_too_much_of_it() {
    let read = DrillFile::read(Path::new("/dev/zero")).unwrap_err();
    let is_little = |flaw: &Flaw| matches!(flaw, Flaw::TooLarge(len) if *len == MAX_FILE + 1);
    assert!(is_little(&read.flaw), "{read}");
}
