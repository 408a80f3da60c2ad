//! The program as a person starts it: its words, its files, its exit statuses, one clear line.
//!
//! The binary is that of this tree, never an older one.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod program;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ca::clock::Time;
use ca::identity::SpiffeId;
use ca::keys::{Keys as _, RingKeys};
use serde_json::Value;
use services::token::issue::{Issuer, jwks};

use program::{Desk, Ended, fed};
use tests::program::{binary, root};

/// 2026-01-01.
const NOW: u64 = 1_767_225_600;

#[test]
fn alone_it_shows_its_front_page() {
    let desk = Desk::new();
    let ended = desk.run("");
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    for part in [
        "stale-acl",
        "demo LAB",
        "drill demo",
        "Kept in .schism (found here)\n",
    ] {
        assert!(ended.out.contains(part), "no {part} in {}", ended.out);
    }
    assert!(!ended.out.contains('\u{1b}'));
    assert!(desk.run("--version").out.starts_with("schism 0."));
    assert_eq!(desk.run("demo --help").status, Some(0));
    assert_eq!(desk.runs(), Vec::<String>::new());
}

#[test]
fn words_that_make_no_sense_are_one_line_and_status_2() {
    let desk = Desk::new();
    desk.refuses(
        "demo stale-acls",
        &["unknown lab `stale-acls`", "the nearest is `stale-acl`"],
    );
    desk.refuses("demo no/such/folder", &["no/such/folder", "no such folder"]);
    desk.refuses("demo stale-acl --sed 7", &["--sed", "--seed"]);
    let whole = "a seed is a whole number from 0";
    desk.refuses("demo stale-acl --seed -1", &["-1", whole]);
    desk.refuses("demo stale-acl --seed 18446744073709551616", &["--seed"]);
    desk.refuses("demo stale-acl --width 10", &["--width"]);
    desk.refuses("demo", &["<LAB>"]);
    desk.refuses("dmeo", &["demo"]);
    desk.refuses("token", &["a command is missing: `verify`"]);
    desk.refuses("posture", &["`show`"]);
    desk.refuses("lba", &["unknown command `lba`", "the nearest is `lab`"]);
    desk.refuses("lab chekc", &["the nearest is `check`"]);
    assert!(desk.run("help").out.contains("posture"));
    desk.refuses("demo stale-acl --posture solutoin", &["`solution`"]);
    desk.refuses("demo stale-acl --policy p.cedar", &["--posture"]);
    desk.refuses("demo stale-acl --out no/such/file", &["no/such/file"]);
}

#[test]
fn a_broken_lab_is_named_with_its_file_and_line() {
    let desk = Desk::new();
    let broken = |file: &str, text: &[u8], parts: &[&str]| {
        desk.lab();
        desk.write(&format!("lab/{file}"), text);
        desk.refuses("demo ./lab", parts);
    };
    broken("lab.toml", b"format = 1\n= 2\n", &["lab.toml:2: "]);
    broken(
        "lab.toml",
        b"format = 1\n\xff\n",
        &["lab.toml:2: ", "UTF-8"],
    );
    broken("lab.toml", &vec![b'#'; 300 * 1024], &["lab.toml", "bytes"]);
    broken(
        "exposed/posture.toml",
        b"[policy]\nfreshnes = \"any\"\n",
        &["exposed/posture.toml:2: "],
    );
    broken(
        "solution/posture.toml",
        b"[tls]\nrecheck = 1\n",
        &["solution/posture.toml:2: "],
    );
    broken(
        "solution/policy.cedar",
        b"permit (\n  principal,\n  nobody\n);",
        &["policy.cedar:3: "],
    );
    broken(
        "exposed/policy.cedar",
        &vec![b'/'; 70_000],
        &["exposed/policy.cedar", "65535"],
    );
    desk.lab();
    fs::remove_file(desk.path("lab/solution/policy.cedar")).unwrap();
    desk.refuses("demo ./lab", &["solution/policy.cedar"]);
}

#[test]
fn a_broken_posture_or_policy_file_is_named_with_its_line() {
    let desk = Desk::new();
    desk.write("p.toml", "\n[policy]\nrivals = \"witnessed-epoch\"\n");
    desk.refuses(
        "demo stale-acl --posture p.toml",
        &["p.toml:3: ", "policy.rivals", "not built"],
    );
    desk.write("p.toml", "");
    desk.write(
        "p.cedar",
        "permit (principal, action == Action::\"erase\", resource);\n",
    );
    desk.refuses(
        "demo stale-acl --posture p.toml --policy p.cedar",
        &["p.cedar:1: "],
    );
    desk.refuses("demo stale-acl --posture missing.toml", &["missing.toml"]);
    desk.refuses("demo stale-acl --posture .schism", &[".schism"]);
}

fn issuer() -> Issuer {
    let key = RingKeys.p256().unwrap();
    Issuer::new("clinic.example", "k1", &key).unwrap()
}

fn token(issuer: &Issuer, audience: &str) -> String {
    let alice = SpiffeId::parse("spiffe://clinic.example/user/alice").unwrap();
    let now = Time::from_secs(NOW);
    let ttl = Duration::from_secs(60);
    issuer
        .issue(&alice, audience, &[7; 32], now, ttl, "t-1")
        .unwrap()
}

#[test]
fn each_token_is_answered_by_the_services_own_verdict() {
    let (desk, issuer) = (Desk::new(), issuer());
    desk.write("jwks.json", jwks([&issuer]));
    let (good, other) = (token(&issuer, "records"), token(&issuer, "tokens"));
    let input = format!("{good}\n{other}\n\n{good}x\nno\u{1b}ise\n{good}");
    let at = |now: u64| {
        let line = format!("token verify --jwks jwks.json --aud records --now {now}");
        fed(desk.command(&line), input.as_bytes())
    };
    let ended = at(NOW + 5);
    assert_eq!((ended.status, ended.err.as_str()), (Some(1), ""));
    let said = "valid\ntoken-audience\ntoken-malformed\ntoken-forged\ntoken-malformed\nvalid\n";
    assert_eq!(ended.out, said);
    let good_alone = format!("token verify --jwks jwks.json --aud records --now {NOW}");
    let ended = fed(desk.command(&good_alone), good.as_bytes());
    assert_eq!(ended.status, Some(0), "{}", ended.out);
    assert!(at(NOW + 63).out.starts_with("token-expired\n"));
    assert!(at(NOW - 3).out.starts_with("token-not-yet-valid\n"));
    let line = format!("token verify --jwks jwks.json --aud records --iss other --now {NOW}");
    let ended = fed(desk.command(&line), good.as_bytes());
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (Some(1), "token-issuer\n")
    );
}

#[test]
fn a_key_set_that_is_none_is_refused_before_any_line() {
    let desk = Desk::new();
    desk.refuses(
        "token verify --jwks missing.json --aud a",
        &["missing.json"],
    );
    for (text, part) in [
        ("", "JWKS"),
        ("{}", "keys"),
        ("{\"keys\": [{\"kty\": \"EC\"", "JWKS"),
    ] {
        desk.write("jwks.json", text);
        desk.refuses(
            "token verify --jwks jwks.json --aud a",
            &["jwks.json", part],
        );
    }
    desk.write("jwks.json", "{\"keys\": []}");
    desk.refuses(
        "token verify --jwks jwks.json --aud a --now soon",
        &["seconds since 1970"],
    );
    desk.refuses("token verify --jwks jwks.json", &["--aud"]);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let (desk, issuer) = (Desk::new(), issuer());
    desk.write("jwks.json", jwks([&issuer]));
    for line in ["", "demo --help", "token verify --jwks jwks.json --aud a"] {
        let mut child = desk.command(line).stdin(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let noise = "x\n".repeat(100_000);
        // The program may be gone before all of it is written.
        let _ = child.stdin.take().unwrap().write_all(noise.as_bytes());
        let ended = Ended::from(child.wait_with_output().unwrap());
        assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""), "{line}");
    }
}

fn report(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_demonstration_stands_and_leaves_all_of_it_behind() {
    let desk = Desk::new();
    let ended = desk.run("demo stale-acl --json");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let told = report(&ended.out);
    assert_eq!(
        (&told["format"], &told["control"]),
        (&1.into(), &"kept".into())
    );
    assert_eq!(
        (&told["lab"], &told["seed"]),
        (&"stale-acl".into(), &7.into())
    );
    let runs = told["runs"].as_array().unwrap();
    let ends: Vec<_> = runs
        .iter()
        .map(|run| (&run["posture"], &run["attack"]))
        .collect();
    assert_eq!(ends[0], (&"exposed".into(), &"succeeded".into()));
    assert_eq!(ends[1], (&"solution".into(), &"refused".into()));
    assert!(runs[1]["refusals"]["policy-stale"].as_u64().unwrap() > 0);

    assert_eq!(desk.runs(), ["stale-acl-7-1"]);
    let kept = |name: &str| desk.path(".schism/runs/stale-acl-7-1").join(name);
    assert_eq!(fs::read_to_string(kept("report.json")).unwrap(), ended.out);
    let timeline = fs::read_to_string(kept("timeline.jsonl")).unwrap();
    assert!(timeline.lines().count() > 100);
    let at = |line: &str| report(line)["at_us"].as_u64().unwrap();
    assert!(timeline.lines().all(|line| at(line) <= 60_000_000));
    for run in ["exposed", "solution"] {
        let nodes = fs::read_dir(kept("audit").join(run)).unwrap();
        for node in nodes.map(|node| node.unwrap().path()) {
            for file in ["entries", "checkpoint", "key"] {
                assert!(
                    node.join(file).metadata().unwrap().len() > 0,
                    "{node:?} {file}"
                );
            }
        }
        assert!(kept(run).join("posture.toml").is_file());
    }
    let scenario = fs::read_to_string(root().join("labs/catalog/stale-acl/lab.toml")).unwrap();
    assert_eq!(fs::read_to_string(kept("scenario.toml")).unwrap(), scenario);
}

#[test]
fn a_folder_runs_as_the_built_in_lab_does() {
    let desk = Desk::new();
    desk.lab();
    let hash = |line: &str| {
        let ended = desk.run(line);
        assert_eq!(ended.status, Some(0), "{line}: {}", ended.err);
        report(&ended.out)["runs"][0]["trace_hash"].clone()
    };
    let one = hash("demo stale-acl --seed 3 --posture solution --json");
    assert_eq!(hash("demo lab/ --seed 3 --posture solution --json"), one);
    assert_ne!(hash("demo ./lab --seed 4 --posture solution --json"), one);
    assert_eq!(
        desk.runs(),
        ["stale-acl-3-1", "stale-acl-3-2", "stale-acl-4-1"]
    );
}

/// As an editor of another system saves it.
fn saved_elsewhere(text: &str) -> String {
    format!("\u{feff}{}", text.replace('\n', "\r\n"))
}

#[test]
fn a_lab_saved_on_another_system_is_the_same_lab() {
    let desk = Desk::new();
    desk.lab();
    let run = || {
        let ended = desk.run("demo ./lab --seed 3 --json");
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        let told = report(&ended.out);
        let of = |name: &str| [0, 1].map(|run: usize| told["runs"][run][name].clone());
        let hashes = (of("posture_sha256"), of("trace_hash"));
        (told["scenario_sha256"].clone(), hashes)
    };
    let here = run();
    for file in [
        "lab.toml",
        "exposed/posture.toml",
        "exposed/policy.cedar",
        "solution/posture.toml",
        "solution/policy.cedar",
    ] {
        let path = format!("lab/{file}");
        let text = fs::read_to_string(desk.path(&path)).unwrap();
        desk.write(&path, saved_elsewhere(&text));
    }
    assert_eq!(run(), here);
    let text = fs::read_to_string(desk.path("lab/exposed/posture.toml")).unwrap();
    desk.write(
        "lab/exposed/posture.toml",
        text + "[tls]\r\nnonsense = 1\r\n",
    );
    let line = fs::read_to_string(desk.path("lab/exposed/posture.toml"))
        .unwrap()
        .lines()
        .count();
    let kept = desk.runs();
    let ended = desk.run("demo ./lab");
    assert_eq!((ended.status, desk.runs()), (Some(2), kept));
    let place = format!("posture.toml:{line}: ");
    assert!(ended.err.contains(&place), "{place} in {}", ended.err);
}

#[test]
fn tokens_and_keys_saved_on_another_system_are_the_same() {
    let (desk, issuer) = (Desk::new(), issuer());
    let keys = jwks([&issuer]).replace(',', ",\n");
    desk.write("jwks.json", saved_elsewhere(&keys));
    let input = saved_elsewhere(&format!("{0}\n{0}\n", token(&issuer, "records")));
    let line = format!("token verify --jwks jwks.json --aud records --now {NOW}");
    let ended = fed(desk.command(&line), input.as_bytes());
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    assert_eq!(ended.out, "valid\nvalid\n");
}

#[test]
fn where_nothing_can_be_kept_it_is_shown_all_the_same() {
    let desk = Desk::new();
    fs::remove_dir(desk.path(".schism")).unwrap();
    desk.write("file", "no folder");
    for home in [None, Some(desk.path("file"))] {
        let mut command = desk.command("demo stale-acl --posture solution");
        for name in ["HOME", "XDG_DATA_HOME", "LOCALAPPDATA"] {
            match &home {
                Some(path) => command.env(name, path),
                None => command.env_remove(name),
            };
        }
        let ended = Ended::from(command.output().unwrap());
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        assert!(ended.out.contains("mallory"), "{}", ended.out);
        let said: Vec<&str> = ended.err.lines().collect();
        assert!(said[0].starts_with("nothing will be kept: "), "{said:?}");
        assert!(!ended.err.contains("kept in"), "{said:?}");
    }
}

#[test]
fn one_posture_is_judged_by_itself_and_a_file_is_written_instead() {
    let desk = Desk::new();
    let wrong = root().join("labs/catalog/stale-acl/wrong/everything-strict/posture.toml");
    fs::copy(wrong, desk.path("mine.toml")).unwrap();
    let ended = desk.run("demo stale-acl --posture mine.toml --out page.txt --ascii");
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (Some(1), ""),
        "{}",
        ended.err
    );
    assert!(ended.err.contains("page.txt"), "{}", ended.err);
    let page = fs::read_to_string(desk.path("page.txt")).unwrap();
    assert!(
        page.is_ascii() && page.lines().all(|line| line.len() <= 80),
        "{page}"
    );
    assert!(page.contains("Broken: ") && page.contains("mine"), "{page}");
    let ended = desk.run("demo stale-acl --posture exposed");
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(
        ended.err.contains("policy.freshness = any"),
        "{}",
        ended.err
    );
}

#[test]
fn a_page_for_a_browser_says_what_the_report_says_and_gives_nothing_away() {
    let desk = Desk::new();
    desk.refuses(
        "demo stale-acl --json --out page.html",
        &["page.html", "--json"],
    );
    let ended = desk.run("demo stale-acl --out page.html");
    let quiet = (ended.status, ended.out.as_str());
    assert_eq!(quiet, (Some(0), ""), "{}", ended.err);
    let page = fs::read_to_string(desk.path("page.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.len() < 1_000_000);
    let kept = desk.path(".schism/runs/stale-acl-7-1");
    let told = report(&fs::read_to_string(kept.join("report.json")).unwrap());
    for run in told["runs"].as_array().unwrap() {
        assert!(page.contains(run["trace_hash"].as_str().unwrap()));
        let figures = run["exposure_ms"].as_object().unwrap().values();
        for ms in figures.chain(run["refusals"].as_object().unwrap().values()) {
            let figure = format!("<data value=\"{ms}\">");
            assert!(page.contains(&figure), "{figure}");
        }
    }
    assert!(page.contains("schism demo stale-acl --seed 7 --out page.html"));
    let text = page.replace("&quot;", "\"");
    assert!(
        text.contains("freshness = \"any\""),
        "the exposed posture is shown"
    );
    let solution = fs::read_to_string(kept.join("solution/posture.toml")).unwrap();
    for line in solution.lines().filter(|line| line.contains('=')) {
        assert!(!text.contains(line), "{line}");
    }
    assert!(
        !text.contains("answer = \"b\""),
        "the quiz is for the learner"
    );
    for elsewhere in ["http:", "https:", "<script", "src=", "href=", "url("] {
        assert!(!page.contains(elsewhere), "{elsewhere}");
    }
}

#[test]
fn the_page_gives_nothing_away_and_its_last_lines_can_be_typed() {
    let desk = Desk::new();
    let ended = desk.run("demo stale-acl");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let said = ended.out.clone() + &ended.err;
    assert!(
        !said.contains('\u{1b}') && !said.contains('\r'),
        "nobody is at a terminal"
    );
    assert!(!said.contains("freshness = read"), "{said}");
    let (_, next) = ended
        .out
        .split_once("Next:\n")
        .expect("it says what to type next");
    let commands = next.replace("\\\n", " ");
    let program = binary().to_str().unwrap();
    let typed: Vec<&str> = commands
        .lines()
        .filter_map(|line| line.trim().strip_prefix(program))
        .collect();
    assert!(!typed.is_empty(), "{next}");
    for line in typed {
        assert!(matches!(desk.run(line).status, Some(0 | 1)), "{line}");
    }
}

/// Sends what Ctrl-C sends.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let sent = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

#[cfg(unix)]
#[test]
fn an_interrupted_demonstration_leaves_nothing() {
    let desk = Desk::new();
    let mut child = desk.command("demo stale-acl").spawn().unwrap();
    let mut err = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    err.read_line(&mut line).unwrap();
    assert!(line.starts_with("warning: exposed"), "{line}");
    interrupt(&child);
    let mut rest = String::new();
    err.read_to_string(&mut rest).unwrap();
    let ended = Ended::from(child.wait_with_output().unwrap());
    assert_eq!(
        (ended.status, ended.out.as_str()),
        (Some(130), ""),
        "{rest}"
    );
    assert_eq!(rest, "interrupted: nothing was kept\n");
    assert_eq!(desk.runs(), Vec::<String>::new());
}
