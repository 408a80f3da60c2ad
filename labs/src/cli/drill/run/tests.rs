//! What `schism drill run` tells, writes and takes for its status.

use clap::Parser as _;

use super::super::super::printer::tests::{Paper, printer, written};
use super::super::super::{Command, Words as All};
use super::*;
use crate::drill::report::sample::{bad, good};

const TEXT: &str = "format = 1\n[target]\naddress = \"localhost:8443\"\nreload = []\n\
    settle = \"10s\"\n[files]\nkey = \"k.pem\"\nchain = \"c.pem\"\ntrust = \"t.pem\"\n[caller]\n\
    dns = \"cart\"\n[calls]\nallowed = { http = \"GET /orders\" }\n[accept]\n\
    leaf-swap = { reason = \"OPS-1\", until = 2020-01-01 }\n";

fn words(line: &str) -> Words {
    let all = All::try_parse_from(line.split(' ')).unwrap();
    match all.command {
        Some(Command::Drill(drill)) => match drill.command {
            super::super::Command::Run(words) => words,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn drill() -> DrillFile {
    DrillFile::parse("drill.toml", TEXT, Path::new("/at")).unwrap()
}

fn told(line: &str, report: &Report, baseline: Option<&Report>) -> (Exit, String, String) {
    let drill = drill();
    let out = Paper::default();
    let (mut printer, err) = printer(out.clone(), false);
    let exit = tell(
        &words(line),
        &drill,
        report,
        baseline,
        Besides::default(),
        &mut printer,
    )
    .unwrap();
    (exit, written(&out), written(&err))
}

#[test]
fn the_status_is_the_reports_and_the_page_says_what_it_rests_on() {
    let (exit, page, _) = told("schism drill run", &good(), None);
    assert_eq!(exit, Exit::Done);
    assert!(page.contains("leaf-swap` was accepted (OPS-1)"), "{page}");
    let (exit, page, _) = told("schism drill run", &bad(), None);
    assert_eq!(exit, Exit::Broken);
    assert!(
        page.contains("\nFails the build: revoked-leaf-resumed"),
        "{page}"
    );
}

#[test]
fn json_is_alone_on_standard_output_and_is_a_baseline() {
    let (exit, out, err) = told("schism drill run --json", &bad(), None);
    assert_eq!(exit, Exit::Broken);
    let before = json::read(&out).unwrap();
    assert!(err.contains("Fails the build: "), "{err}");
    let mut before = before;
    before.rows.retain(|row| row.word != "leaf-swap");
    let (exit, page, _) = told("schism drill run", &before, Some(&before));
    assert_eq!(exit, Exit::Done, "{page}");
}

#[test]
fn every_file_that_is_asked_for_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let line = format!(
        "schism drill run --json --out {} --junit {} --html {}",
        at("r.json").display(),
        at("r.xml").display(),
        at("r.html").display()
    );
    let (_, out, err) = told(&line, &good(), None);
    assert_eq!(out, "");
    assert_eq!(err.matches("written to ").count(), 3, "{err}");
    let read = |name: &str| std::fs::read_to_string(at(name)).unwrap();
    assert!(!read("r.xml").contains("drill.run"));
    let mut none = good();
    none.rows.clear();
    assert_eq!(told(&line, &none, None).0, Exit::Unknown);
    assert!(read("r.xml").contains("drill.run"), "no case says so");
    assert!(baseline_of(&drill(), &at("r.json")).is_ok());
    assert!(read("r.xml").contains("<testsuite") && read("r.html").contains("<html"));
    assert!(baseline_of(&drill(), &at("r.xml")).is_err());
}

#[test]
fn of_the_baseline_only_what_was_asked_for_is_missed() {
    let asked = |line: &str| {
        let options = words(line).wished.options();
        let choice = run::choose(&drill(), &options).unwrap();
        let before = of_the_asked(good(), &choice, &options);
        let rows = before.rows.iter().map(|row| row.word.clone());
        rows.collect::<Vec<_>>().join(" ")
    };
    let all = "leaf-swap revoked-leaf-new";
    assert_eq!(asked("schism drill run"), all);
    assert_eq!(asked("schism drill run --cases leaf-swap"), "leaf-swap");
    let hurried = "schism drill run --within 1s --cases revocation";
    assert_eq!(asked(hurried), "revoked-leaf-new");
    let mut now = good();
    now.rows.pop();
    let (exit, page, _) = told("schism drill run", &now, Some(&good()));
    assert_eq!(exit, Exit::Unknown);
    assert!(
        page.contains("not looked at now: revoked-leaf-new."),
        "{page}"
    );
}

#[test]
fn a_report_of_another_target_is_no_baseline() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("r.json");
    let mut other = good();
    other.target = "localhost:9443".to_owned();
    std::fs::write(&path, json::write(&other).unwrap()).unwrap();
    let why = baseline_of(&drill(), &path).unwrap_err();
    assert_eq!(why.exit(), Exit::BadInput);
    assert!(why.to_string().contains("localhost:9443"), "{why}");
}

#[test]
fn nothing_of_an_older_run_is_left_to_be_read_for_this_one() {
    let temp = tempfile::tempdir().unwrap();
    let at = |name: &str| temp.path().join(name);
    let all = ["r.json", "r.xml", "r.html"];
    let line = |baseline: &str| {
        format!(
            "schism drill run --json --out {} --junit {} --html {} --baseline {}",
            at("r.json").display(),
            at("r.xml").display(),
            at("r.html").display(),
            at(baseline).display()
        )
    };
    let left = |baseline| {
        for name in all.iter().chain(&["old.json"]) {
            std::fs::write(at(name), "old").unwrap();
        }
        forget_older(&words(&line(baseline))).unwrap();
        assert!(at("old.json").exists());
        all.map(|name| at(name).exists())
    };
    assert_eq!(left("old.json"), [false; 3]);
    assert_eq!(left("r.json"), [true, false, false], "it is the baseline");
    let (mut printer, _) = printer(Paper::default(), false);
    let why = "the target did not start";
    unbegun(&words(&line("old.json")), &drill(), why, &mut printer).unwrap();
    let text = std::fs::read_to_string(at("r.xml")).unwrap();
    assert!(
        text.contains("<error message=\"the target did not start\""),
        "{text}"
    );
}

#[test]
fn words_are_options() {
    let words = words(
        "schism drill run x.toml --cases leaf,older-crl --within 10m --as client --replace \
         --disrupt --watch 30s",
    );
    let options = words.wished.options();
    assert_eq!(options.cases, ["leaf", "older-crl"]);
    assert_eq!(options.within.map(|it| it.as_secs()), Some(600));
    assert_eq!(options.watch.map(|it| it.as_secs()), Some(30));
    assert!(options.as_client && options.replace && options.disrupt);
    assert_eq!(words.which.file, Path::new("x.toml"));
}
