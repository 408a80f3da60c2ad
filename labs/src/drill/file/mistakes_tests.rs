//! One mistake after the other, and what is said of each.

use super::*;

/// What is written otherwise in the least file, and what is said of it.
const MISTAKES: &[(&str, &str, &str)] = &[
    (
        "format = 1",
        "format = 2",
        "drill.toml:1: `format` is 1: this version reads no other",
    ),
    (
        "format = 1\n",
        "",
        "drill.toml:1: the file needs `format`: format = 1",
    ),
    (
        "reload = []",
        "reload = \"./r.sh\"",
        "drill.toml:4: `reload` is a text; it takes a program",
    ),
    (
        "reload = []\n",
        "",
        "drill.toml:2: [target] needs `reload`: the command that makes it",
    ),
    (
        "settle = \"10s\"\n",
        "",
        "drill.toml:2: [target] needs `settle`: how long a change may take to reach it",
    ),
    (
        "reload",
        "relaod",
        "drill.toml:4: unknown field `relaod` in [target]; the nearest is `reload`",
    ),
    (
        "[caller]",
        "[calller]",
        "drill.toml:10: unknown field `calller` in the file; the nearest is `caller`",
    ),
    (
        "127.0.0.1:8443",
        "127.0.0.1",
        "drill.toml:3: `address` is `127.0.0.1`; it takes a host and a port",
    ),
    ("127.0.0.1:8443", "host:0", "drill.toml:3: `address`"),
    (
        "\"chain.pem\"",
        "\"trust.pem\"",
        "drill.toml:9: `chain` and `trust` have the same path",
    ),
    (
        "\"key.pem\"",
        "{ path = \"k\", mode = \"640x\" }",
        "drill.toml:7: `mode` is `640x`; it takes an octal",
    ),
    (
        "\"key.pem\"",
        "{ path = \"k\", mode = \"4755\" }",
        "drill.toml:7: `mode`",
    ),
    (
        "\"key.pem\"",
        "{ path = \"k\", mode = 0o640 }",
        "drill.toml:7: `mode` is a whole number; it takes",
    ),
    (
        "\"key.pem\"",
        "{ path = \"k\", form = \"sec2\" }",
        "unknown form `sec2`; the nearest is `sec1`",
    ),
    (
        "\"key.pem\"",
        "{ path = \"k\", owner = \"nginx\" }",
        "`owner` is `nginx`; it takes the numbers",
    ),
    (
        "\"key.pem\"",
        "{ mode = \"0640\" }",
        "drill.toml:7: `key` needs `path`: where",
    ),
    (
        "trust = \"trust.pem\"",
        "trust = \"t\"\nswap = \"inplace\"",
        "drill.toml:10: unknown swap `inplace`; the nearest is `in-place`",
    ),
    (
        "dns = \"cart.shop\"",
        "",
        "drill.toml:10: [caller] needs `uri`",
    ),
    (
        "GET /orders",
        "GRAB /orders",
        "drill.toml:13: unknown method `GRAB`",
    ),
    (
        "{ http = \"GET /orders\" }",
        "\"GET /orders\"",
        "drill.toml:13: `allowed` is `GET /orders`; it takes a gRPC",
    ),
    (
        "{ http = \"GET /orders\" }",
        "7",
        "`allowed` is a whole number; it takes a gRPC method",
    ),
    (
        "[calls]",
        "[calls]\nrefused = { code = 200 }",
        "it takes an HTTP status from 400",
    ),
    (
        "[calls]",
        "[calls]\nrefused = { token = \"none\" }",
        "without a `[token]`",
    ),
];

#[test]
fn a_mistake_is_told_with_its_line_and_the_way_out() {
    for (from, to, expected) in MISTAKES {
        let said = said(&with(from, to));
        assert!(said.contains(expected), "{to}: {said}");
    }
    assert!(said("a = [").starts_with("drill.toml:1: "));
    assert!(said(&"#".repeat(MAX_FILE + 1)).contains("at most 65536"));
    let none = DrillFile::read(Path::new("/nowhere/drill.toml"))
        .unwrap_err()
        .to_string();
    assert!(none.contains("`schism drill init` writes one"), "{none}");
}
