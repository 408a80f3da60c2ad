//! The drill as a person uses it: the demonstration, a new drill.toml, a plan, a run and its end.
//!
//! Everything goes through the program, real sockets and real files on this machine alone.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]
#![cfg(unix)]

#[expect(dead_code, reason = "other tests use more of it")]
mod program;

use std::fs;
use std::net::TcpListener;
use std::time::Duration;

use serde_json::Value;

use program::Desk;

/// A service that nobody answers for, as words.
fn init(desk: &Desk, file: &str) -> String {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    let line = format!(
        "drill init {file} --address {address} --key tls/tls.key --chain tls/tls.crt \
         --trust tls/ca.crt --caller spiffe://shop.example/cart --call shop.Orders/Get \
         --settle 1s"
    );
    let ended = desk.run(&line);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    ended.out
}

#[test]
fn the_demonstration_finds_what_is_wrong_and_only_that() {
    let desk = Desk::new();
    let ended = desk.run("drill demo --json --out demo.json");
    let text = fs::read_to_string(desk.path("demo.json")).unwrap();
    let told: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ended.status, Some(0), "{}\n{text}", ended.err);
    assert_eq!(told["stands"], true);
    let rows = |of: &str, answer: &str| {
        let rows = told[of]["rows"].as_array().unwrap().clone();
        let rows = rows.into_iter().filter(|row| row["answer"] == answer);
        rows.map(|row| row["word"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(rows("good", "fail"), Vec::<String>::new());
    let found = rows("bad", "fail");
    for planted in told["planted"].as_array().unwrap() {
        let word = planted.as_str().unwrap();
        assert!(found.iter().any(|it| it == word), "{word}: {found:?}");
    }
    // Nothing of it is left, and nothing of it was anybody's.
    let left = fs::read_dir(desk.path(".schism")).unwrap().count();
    assert_eq!(left, 0);
}

#[test]
fn a_new_file_leads_to_a_plan_that_touches_nothing_and_to_a_run_that_gives_all_back() {
    let desk = Desk::new();
    let said = init(&desk, "drill.toml");
    assert!(said.contains("drill run --cases leaf-swap"), "{said}");
    desk.refuses(
        "drill init --address localhost:1",
        &["drill.toml", "not written over"],
    );
    let plan = desk.run("drill plan --json");
    let told: Value = serde_json::from_str(&plan.out).unwrap();
    assert_eq!(told["files"].as_array().unwrap().len(), 3);
    assert!(!desk.path("tls").exists(), "a plan touches nothing");
    // Nobody listens there: that is no pass and no fail.
    let run = desk.run("drill run --cases leaf-swap --json");
    assert_eq!(run.status, Some(3), "{}{}", run.out, run.err);
    assert!(
        !desk.path("tls").exists(),
        "what was not there is gone again"
    );
    let restored = desk.run("drill restore");
    assert_eq!(restored.status, Some(0));
    assert!(restored.out.starts_with("Nothing to put back"));
}

#[test]
fn a_drill_that_was_killed_is_put_back_and_until_then_no_other_begins() {
    let desk = Desk::new();
    init(&desk, "drill.toml");
    let text = fs::read_to_string(desk.path("drill.toml")).unwrap();
    desk.write("drill.toml", text.replace("\"1s\"", "\"1h\""));
    let mut drill = desk.command("drill run").spawn().unwrap();
    let is_there = || desk.path("tls/ca.crt").exists();
    for _ in 0..600 {
        if is_there() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    drill.kill().unwrap();
    drill.wait().unwrap();
    assert!(is_there(), "it was killed in the middle");
    desk.refuses(
        "drill run",
        &["not wholly put back", "`schism drill restore`"],
    );
    let restored = desk.run("drill restore");
    assert_eq!(restored.status, Some(0), "{}", restored.err);
    assert!(restored.out.contains("tls/tls.key"), "{}", restored.out);
    assert!(!desk.path("tls").exists());
}

#[test]
fn what_is_somebody_elses_is_not_touched_and_words_are_held_to() {
    let desk = Desk::new();
    init(&desk, "drill.toml");
    desk.write("tls/tls.key", "mine");
    desk.refuses("drill run", &["drill.toml:", "`--replace`"]);
    assert_eq!(fs::read(desk.path("tls/tls.key")).unwrap(), b"mine");
    desk.refuses(
        "drill run --cases leef-swap",
        &["`leef-swap`", "`leaf-swap`"],
    );
    desk.refuses("drill run --as client", &["[upstream]"]);
    desk.refuses(
        "drill run other.toml",
        &["other.toml", "`schism drill init`"],
    );
    desk.refuses("drill run --baseline drill.toml", &["drill.toml"]);
    desk.refuses("drill planted --cases leef", &["`leef`"]);
    let text = fs::read_to_string(desk.path("drill.toml")).unwrap();
    let here = text
        .lines()
        .find(|line| line.starts_with("address"))
        .unwrap();
    desk.write(
        "far.toml",
        text.replace(here, "address = \"orders.example:8443\""),
    );
    fs::remove_file(desk.path("tls/tls.key")).unwrap();
    desk.refuses(
        "drill run far.toml",
        &["orders.example:8443", "`--disrupt`"],
    );
}
