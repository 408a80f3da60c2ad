//! What a run leaves behind: it runs again from it to the same hash, and one request can be
//! followed through it. What was changed afterwards is found and named.
//!
//! One demonstration is run; each test works on a copy of what it kept.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;
use tests::program::binary;

/// The workspace of the one demonstration.
static KEPT: LazyLock<Desk> = LazyLock::new(|| {
    let desk = Desk::new();
    let ended = desk.run("demo stale-acl --seed 7");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    desk
});

/// The kept run's folder in a workspace.
const RUN: &str = ".schism/runs/stale-acl-7-1";

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join(".schism")).unwrap();
        Self(temp)
    }

    /// A workspace with a copy of the kept run.
    fn with_run() -> Self {
        let desk = Self::new();
        copy(&KEPT.path(RUN), &desk.path(RUN));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn run(&self, line: &str) -> Ended {
        let mut command = Command::new(binary());
        command.args(line.split_whitespace());
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "NO_COLOR"] {
            command.env_remove(name);
        }
        let output = command.output().unwrap();
        Ended {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Replaces the first `from` in a file of the kept run.
    #[track_caller]
    fn edit(&self, file: &str, from: &str, to: &str) {
        let path = self.path(RUN).join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "no {from} in {file}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
    }

    /// Status 2, nothing printed, and one line that says all of this.
    #[track_caller]
    fn refuses(&self, line: &str, parts: &[&str]) {
        let ended = self.run(line);
        assert_eq!(ended.status, Some(2), "{line}: {}{}", ended.out, ended.err);
        assert_eq!(ended.out, "", "{line}");
        assert_eq!(ended.err.lines().count(), 1, "{line}: {}", ended.err);
        for part in parts {
            let said = &ended.err;
            assert!(said.contains(part), "{line}: no {part} in {said}");
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_kept_run_runs_again_to_the_same_hash_and_stays_as_it_was() {
    let desk = Desk::with_run();
    let before = fs::read(desk.path(RUN).join("timeline.jsonl")).unwrap();
    let ended = desk.run("rerun stale-acl-7-1 --json");
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
    let told = json(&ended.out);
    assert_eq!((&told["format"], &told["same"]), (&1.into(), &true.into()));
    let report = fs::read_to_string(desk.path(RUN).join("report.json")).unwrap();
    let report = json(&report);
    for run in 0..2 {
        assert_eq!(told["runs"][run]["hash"], report["runs"][run]["trace_hash"]);
        assert!(told["runs"][run]["events"].as_u64().unwrap() > 100);
    }
    assert_eq!(
        fs::read(desk.path(RUN).join("timeline.jsonl")).unwrap(),
        before
    );
    assert_eq!(fs::read_dir(desk.path(".schism/runs")).unwrap().count(), 1);
}

#[test]
fn another_policy_gives_another_run_and_the_first_difference_is_told() {
    let desk = Desk::with_run();
    let policy = "permit (principal, action == Action::\"read\", resource);\n";
    for run in ["exposed", "solution"] {
        fs::write(desk.path(RUN).join(run).join("policy.cedar"), policy).unwrap();
    }
    desk.edit("report.json", "\"version\":\"", "\"version\":\"0.0.");
    let ended = desk.run(&format!("rerun ./{RUN}"));
    assert_eq!(ended.status, Some(1), "{}{}", ended.out, ended.err);
    let words = ended.out.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "DIFFERS",
        "the first difference is event",
        "it was recorded by schism 0.0.",
    ] {
        assert!(words.contains(part), "no {part} in {}", ended.out);
    }
}

#[test]
fn what_was_edited_after_the_run_is_named_in_one_line() {
    let edited = |file: &str, from: &str, to: &str, parts: &[&str]| {
        let desk = Desk::with_run();
        desk.edit(file, from, to);
        desk.refuses("rerun", &[&[file], parts].concat());
    };
    let hash = "its hash is not the report's";
    edited(
        "solution/posture.toml",
        "write = \"3s\"",
        "write = \"4s\"",
        &[hash],
    );
    edited("scenario.toml", "\"60s\"", "\"59s\"", &[hash]);
    edited(
        "timeline.jsonl",
        "\"permit\"",
        "\"refuse\"",
        &["`exposed`", "hash"],
    );
    edited(
        "timeline.jsonl",
        "{\"run\"",
        "{\"ru\"",
        &["timeline.jsonl:1: "],
    );
    edited(
        "timeline.jsonl",
        "\"run\":\"exposed\"",
        "\"run\":\"x\"",
        &["`exposed`"],
    );
    edited("report.json", "\"format\":1", "\"format\":2", &["format 2"]);
    edited("report.json", "{", "", &["not a report"]);
    edited(
        "report.json",
        "\"posture\":\"exposed\"",
        "\"posture\":\"../x\"",
        &["a name that no folder has"],
    );
    edited("report.json", "\"sim\"", "\"local\"", &["fabric"]);
    edited(
        "exposed/posture.toml",
        "[policy]",
        "[polcy]",
        &["the nearest is `policy`"],
    );
}

#[test]
fn a_damaged_log_request_or_figure_is_not_vouched_for() {
    let node = "audit/exposed/records.south";
    for file in ["entries", "checkpoint", "key"] {
        let desk = Desk::with_run();
        let path = desk.path(RUN).join(node).join(file);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        desk.refuses("rerun", &[node, "does not verify"]);
    }
    let edited = |file: &str, from: &str, to: &str| {
        let desk = Desk::with_run();
        desk.edit(file, from, to);
        desk.refuses("rerun", &[file]);
    };
    edited("requests.jsonl", "\"started_us\":1", "\"started_us\":2");
    edited("requests.jsonl", "policy-stale", "policy-denied");
    edited("report.json", "\"read\":", "\"read\":1");
    edited(
        "report.json",
        "\"control\":\"kept\"",
        "\"control\":\"broken\"",
    );
    edited(
        "report.json",
        "\"lab\":\"stale-acl\"",
        "\"lab\":\"stale-acls\"",
    );
}

#[test]
fn a_comment_and_other_line_ends_are_no_edit() {
    let desk = Desk::with_run();
    let path = desk.path(RUN).join("scenario.toml");
    let text = fs::read_to_string(&path).unwrap().replace('\n', "\r\n");
    fs::write(&path, format!("\u{feff}# mine\r\n{text}")).unwrap();
    let ended = desk.run("rerun");
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
}

#[test]
fn a_missing_file_and_a_misspelt_run_are_named() {
    let desk = Desk::new();
    desk.refuses("rerun", &["no run is kept here"]);
    desk.refuses("trace alice-1", &["no run is kept here"]);
    let desk = Desk::with_run();
    desk.refuses("rerun stale-acl-7", &["the nearest is `stale-acl-7-1`"]);
    desk.refuses("rerun banana", &["the newest is `stale-acl-7-1`"]);
    desk.refuses("rerun no/such", &["`no/such`: no such folder"]);
    desk.refuses("rerun .schism/runs", &["report.json"]);
    for file in [
        "scenario.toml",
        "exposed/policy.cedar",
        "timeline.jsonl",
        "report.json",
    ] {
        let desk = Desk::with_run();
        fs::remove_file(desk.path(RUN).join(file)).unwrap();
        desk.refuses("rerun", &[file]);
    }
    let desk = Desk::with_run();
    fs::remove_file(desk.path(RUN).join("requests.jsonl")).unwrap();
    desk.refuses("trace alice-1", &["requests.jsonl"]);
}

/// The first wrongful permit, as the program suggests it.
fn suggested(desk: &Desk) -> String {
    let ended = desk.run("trace");
    assert_eq!(ended.status, Some(2), "{}", ended.out);
    let (_, rest) = ended.err.split_once("its id is missing; `").unwrap();
    rest.split('`').next().unwrap().to_owned()
}

#[test]
fn a_request_is_followed_through_client_timeline_and_signed_log() {
    let desk = Desk::with_run();
    let id = suggested(&desk);
    assert!(id.starts_with("mallory-"), "{id}");
    let page = KEPT.run("demo stale-acl --seed 7");
    let command = format!("trace {id} --run stale-acl-7-2");
    assert!(page.out.contains(&command), "no {command} in {}", page.out);

    let ended = desk.run(&format!("trace {id}"));
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    for part in ["exposed", "solution", "did NOT know it", "the log verifies"] {
        assert!(ended.out.contains(part), "no {part} in {}", ended.out);
    }
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80));

    let told = json(&desk.run(&format!("trace {id} --json")).out);
    let exposed = &told["runs"][0];
    assert_eq!(exposed["asked"]["principal"], "mallory");
    assert_eq!(exposed["entries"][0]["permit"], true);
    assert_eq!(exposed["acts"][0]["kind"], "revoke");
    let at = |event: &Value| event["at_us"].as_u64().unwrap();
    let decided = at(&exposed["events"][0]);
    assert!(at(&exposed["acts"][0]) < decided);
    assert!(at(&exposed["asked"]) <= decided);
    assert!(exposed["asked"]["answered_us"].as_u64().unwrap() >= decided);
    let events = exposed["events"].as_array().unwrap();
    assert!(
        events.is_sorted_by_key(at) && events.len() >= 2,
        "{events:?}"
    );
    assert!(told["runs"][1]["entries"][0]["refusal"] == "policy-stale");
}

#[test]
fn an_id_that_nobody_used_is_answered_with_the_nearest() {
    let desk = Desk::with_run();
    desk.refuses("trace malory-17", &["the nearest is `mallory-17`"]);
    desk.refuses(
        "trace banana",
        &["is the first wrongful permit of `exposed`"],
    );
    desk.refuses("trace alice-1 --run banana", &["`stale-acl-7-1`"]);
}

#[test]
fn a_changed_audit_log_is_no_evidence_and_says_why() {
    let desk = Desk::with_run();
    let id = suggested(&desk);
    let path = desk.path(RUN).join("audit/exposed/records.south/entries");
    let mut entries = fs::read(&path).unwrap();
    entries[10] ^= 1;
    fs::write(&path, entries).unwrap();
    let ended = desk.run(&format!("trace {id}"));
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended
            .out
            .contains("the log of records.south does not verify: "),
        "{}",
        ended.out
    );
    let told = json(&desk.run(&format!("trace {id} --json")).out);
    assert_eq!(told["runs"][0]["entries"], Value::Array(Vec::new()));
    assert!(told["runs"][1]["entries"][0].is_object());
}

#[test]
fn a_showing_needs_a_terminal_and_a_script_needs_nothing() {
    let desk = Desk::new();
    for line in ["demo stale-acl --step", "demo stale-acl --speed 10x"] {
        desk.refuses(line, &["this is no terminal"]);
    }
    desk.refuses("demo stale-acl --speed 0x", &["1x to 1000x"]);
    desk.refuses("demo stale-acl --step --json", &["--json"]);
    let ended = desk.run("demo stale-acl --script");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(ended.out.starts_with("Showing it in five minutes\n"));
    assert!(!ended.out.contains("cargo") && !ended.out.contains("```"));
    let command = format!("  {} demo stale-acl --seed 42\n", binary().display());
    assert!(
        ended.out.replace(" \\\n    ", " ").contains(&command),
        "{}",
        ended.out
    );
    let wide = |line: &&str| line.chars().count() > 80 && !line.contains("schism");
    assert_eq!(ended.out.lines().find(wide), None);
    assert!(!desk.path(".schism/runs").exists());
}
