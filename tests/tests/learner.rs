//! A learner's evening, as they type it: start, attack, change, check, watch. Each command's words,
//! files and exit status; each wrong answer with its own explanation.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;
use tests::program::{binary, root};

const DESK: &str = ".schism/work/stale-acl";

/// Two steps that reach what the lab asks.
const OWN: &str = "format = 1\n[[schedule]]\nat = \"5s\"\nfor = \"30s\"\ndo = \"partition\"\n\
                   between = [[\"south\"], [\"north\", \"east\"]]\n[[schedule]]\nat = \"7s\"\n\
                   do = \"revoke\"\nprincipal = \"mallory\"\nrole = \"nurse\"\n";

/// A folder with a workspace of its own.
struct Learner(TempDir);

impl Learner {
    fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        fs::create_dir(temp.path().join(".schism")).unwrap();
        Self(temp)
    }

    /// One whose desk is laid out.
    fn started() -> Self {
        let learner = Self::new();
        let ended = learner.run("lab start stale-acl");
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        learner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.path(DESK).join(file), text).unwrap();
    }

    /// Puts a part of the lab's own on the desk: `solution`, `wrong/<name>`.
    fn take(&self, side: &str) {
        let from = root().join("labs/catalog/stale-acl").join(side);
        for file in ["posture.toml", "policy.cedar"] {
            fs::copy(from.join(file), self.path(DESK).join(file)).unwrap();
        }
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(binary());
        command.args(line.split_whitespace());
        command.current_dir(self.0.path()).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        for name in ["CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
    }

    fn run(&self, line: &str) -> Ended {
        let output = self.command(line).output().unwrap();
        Ended {
            status: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    fn progress(&self) -> String {
        fs::read_to_string(self.path(".schism/progress")).unwrap_or_default()
    }

    #[track_caller]
    fn refuses(&self, line: &str, part: &str) {
        let ended = self.run(line);
        assert_eq!(
            (ended.status, ended.out.as_str()),
            (Some(2), ""),
            "{}",
            ended.err
        );
        assert_eq!(ended.err.lines().count(), 1, "{}", ended.err);
        assert!(ended.err.contains(part), "no {part} in {}", ended.err);
    }
}

struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

impl Ended {
    /// Everything on one line, however the page was wrapped.
    fn told(&self) -> String {
        self.out.split_whitespace().collect::<Vec<_>>().join(" ")
    }
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn what_is_not_laid_out_is_answered_with_what_to_type() {
    let learner = Learner::new();
    for command in ["attack", "check", "watch"] {
        learner.refuses(&format!("lab {command} stale-acl"), "lab start stale-acl");
    }
    learner.refuses("lab check stale-acls", "the nearest is `stale-acl`");
    learner.refuses("lab check --seeds 0", "--seeds");
}

#[test]
fn the_attack_is_shown_and_kept_and_the_solution_closes_it() {
    let learner = Learner::started();
    let ended = learner.run("lab attack");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    for part in [
        "The first wrongful permit",
        "This was the lab's own attack; yours goes into .schism/work/stale-acl/attack.toml.",
        "Ask yourself:",
        "lab check",
        "lab hint",
    ] {
        assert!(ended.told().contains(part), "no {part} in {}", ended.out);
    }
    assert!(!ended.out.contains("You said"), "nobody was asked");
    assert!(ended.out.lines().all(|line| line.chars().count() <= 80));
    assert!(
        ended.err.contains("kept in .schism/runs/stale-acl-7-1"),
        "{}",
        ended.err
    );
    assert!(learner.progress().contains("stale-acl attacked exposure "));
    learner.take("solution");
    let ended = learner.run("lab attack --ascii");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended
            .told()
            .contains("The attack was refused (policy-stale) on this one seed")
    );
    assert!(ended.out.is_ascii());
}

#[test]
fn a_check_explains_the_exposed_posture_and_passes_the_solution() {
    let learner = Learner::started();
    let ended = learner.run("lab check --seeds 2");
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    for part in [
        "Broken on 2 of 2 seeds.",
        "rule no-permit-after-revoke: nobody revoked is let in later than was promised",
        "dial policy.freshness = any (posture.toml:6)",
        "dial policy.on_stale = allow (posture.toml:7)",
        "smallest 3 of 6 steps still show it: cut: partition ",
        "The other seeds seed 2 broken: the attack succeeded",
    ] {
        assert!(ended.told().contains(part), "no {part} in {}", ended.out);
    }
    let (_, next) = ended.out.split_once("Next:\n").unwrap();
    let next = next.replace("\\\n", " ");
    let (_, trace) = next.lines().next().unwrap().split_once(" trace ").unwrap();
    let looked = learner.run(&format!("trace {}", trace.trim()));
    assert_eq!(looked.status, Some(0), "{}", looked.err);
    assert_eq!(learner.run("rerun stale-acl-1-1").status, Some(0));
    assert!(!learner.progress().contains("passed"));
    learner.take("solution");
    let ended = learner.run("lab check");
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
    assert!(
        ended
            .out
            .starts_with("Kept on 8 seeds: mallory was refused (policy-stale)")
    );
    for next in [" lab quiz ", " lab attack ", " lab solution"] {
        assert!(ended.told().contains(next), "{next}: {}", ended.out);
    }
    assert!(
        learner
            .progress()
            .contains("stale-acl passed seeds 8 posture ")
    );
}

/// The hardened posture locks alice out of reading, and not on every seed.
#[test]
fn a_pass_on_a_few_seeds_is_luck_and_says_so() {
    let learner = Learner::started();
    let hardened = services::posture::Posture::hardened().canonical();
    learner.write("posture.toml", &hardened);
    let ended = learner.run("lab check --seeds 1 --first 10");
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
    assert!(
        ended.out.starts_with("Provisional, on 1 seed: "),
        "{}",
        ended.out
    );
    assert!(ended.told().ends_with(" lab check"), "{}", ended.out);
    assert!(!learner.progress().contains("passed"));
    assert_eq!(learner.run("lab check").status, Some(1));
}

#[test]
fn each_wrong_answer_gets_its_own_explanation() {
    let learner = Learner::started();
    for name in ["everything-strict", "long-bound", "policy-edit"] {
        learner.take(&format!("wrong/{name}"));
        let ended = learner.run("lab check --seeds 1");
        assert_eq!(ended.status, Some(1), "{name}: {}", ended.err);
        let folder = root().join("labs/catalog/stale-acl/wrong").join(name);
        let expect = fs::read_to_string(folder.join("expect.txt")).unwrap();
        for line in expect.lines() {
            assert!(
                ended.told().contains(line),
                "{name}: no `{line}` in {}",
                ended.out
            );
        }
        if name == "everything-strict" {
            assert!(
                ended.told().contains("locked out group legit in "),
                "{}",
                ended.out
            );
            assert!(
                ended.told().contains("smallest 2 of 6 steps"),
                "{}",
                ended.out
            );
        }
    }
}

#[test]
fn neither_no_choice_nor_the_default_one_passes() {
    let learner = Learner::started();
    learner.write("posture.toml", "");
    learner.refuses(
        "lab check",
        "`policy.freshness`, `policy.on_stale` are not set",
    );
    let hardened = services::posture::Posture::hardened().canonical();
    learner.write("posture.toml", &hardened);
    let ended = learner.run("lab check --json");
    assert_eq!(ended.status, Some(1), "{}{}", ended.out, ended.err);
    let told = json(&ended.out);
    assert_eq!(told["explanation"]["rule"], "legitimate-users-served");
    assert_eq!(
        told["explanation"]["locked_out"][0]["heard"],
        "policy-stale"
    );
    learner.take("solution");
    let text = fs::read_to_string(learner.path(DESK).join("posture.toml")).unwrap();
    learner.write(
        "posture.toml",
        &format!("{text}\n[audit]\ndurability = \"async\"\n"),
    );
    learner.refuses("lab check", "`audit.durability` is `async`");
}

#[test]
fn however_many_run_at_a_time_the_answer_is_the_same() {
    let learner = Learner::started();
    learner.take("solution");
    // In a fresh process the first eight worlds begin at once, and set up what is process-wide.
    let beside = learner.run("lab check --seeds 3 --jobs 8 --first 11 --json");
    let alone = learner.run("lab check --seeds 3 --jobs 1 --first 11 --json");
    assert_eq!(beside.status, Some(0), "{}", beside.err);
    assert_eq!(beside.out, alone.out);
    let told = json(&alone.out);
    let seeds: Vec<_> = told["seeds"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["seed"])
        .collect();
    assert_eq!(seeds, [11, 12, 13]);
}

#[test]
fn an_own_attack_is_measured_and_kept_so_that_it_runs_again() {
    let learner = Learner::started();
    learner.write("attack.toml", OWN);
    let ended = learner.run("lab attack --seed 3");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let told = ended.told();
    let reached = "Your own steps, on the posture that you started from: your attack reached 2";
    assert!(told.contains(reached), "{told}");
    assert!(told.contains("20 s were asked: that will do."), "{told}");
    assert!(learner.progress().contains("stale-acl reached exposure "));
    let kept = learner.path(".schism/runs/stale-acl-3-1");
    let report = json(&fs::read_to_string(kept.join("report.json")).unwrap());
    let text = fs::read_to_string(kept.join("scenario.toml")).unwrap();
    let again = labs::scenario::Scenario::parse("scenario.toml", &text).unwrap();
    assert_eq!(report["scenario_sha256"], again.canonical_sha256());
    learner.write(
        "attack.toml",
        &format!("{OWN}[[schedule]]\nat = \"50s\"\ndo = \"heal\"\n"),
    );
    learner.refuses("lab attack", "attack.toml:12: step 3 of at most 2");
    learner.write("attack.toml", &OWN.replace("revoke", "revok"));
    learner.refuses(
        "lab attack",
        "attack.toml:9: unknown verb `revok`; the nearest is `revoke`",
    );
    let ended = learner.run("lab check --seeds 1");
    assert_eq!(ended.status, Some(1), "a check uses no own attack");
}

#[test]
fn an_own_attack_is_tried_on_what_one_started_from_also_after_the_pass() {
    let learner = Learner::started();
    learner.take("solution");
    learner.write("attack.toml", OWN);
    let ended = learner.run("lab attack");
    assert_eq!(ended.status, Some(0), "{}{}", ended.out, ended.err);
    learner.write("attack.toml", &OWN.replace("\"30s\"", "\"12s\""));
    let ended = learner.run("lab attack");
    assert_eq!(ended.status, Some(1), "{}", ended.err);
    assert!(ended.told().contains("not enough yet."), "{}", ended.out);
    assert!(
        ended
            .told()
            .contains("change .schism/work/stale-acl/attack.toml, then"),
        "{}",
        ended.out
    );
    assert!(
        ended.told().ends_with(" lab attack --given"),
        "{}",
        ended.out
    );
    assert!(
        ended.told().contains("price: alice (south)"),
        "{}",
        ended.out
    );
    let ended = learner.run("lab attack --given");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(
        ended.told().contains("This was the lab's own attack"),
        "{}",
        ended.out
    );
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
mod interrupted {
    use std::io::{BufRead as _, BufReader};
    use std::sync::mpsc::{Receiver, channel};
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_interrupted_check_says_what_it_knows() {
        let learner = Learner::started();
        let child = learner
            .command("lab check --seeds 200 --json")
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_secs(2));
        interrupt(&child);
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            (output.status.code(), output.stdout.len()),
            (Some(130), 0),
            "{err}"
        );
        assert!(
            err.starts_with("interrupted: ") && err.contains("of 200"),
            "{err}"
        );
    }

    /// What a stream says, line by line, as it comes.
    fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
        let (told, heard) = channel();
        std::thread::Builder::new()
            .spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = told.send(line);
                }
            })
            .unwrap();
        heard
    }

    fn wait_for(heard: &Receiver<String>, part: &str) {
        let mut said = Vec::new();
        while let Ok(line) = heard.recv_timeout(Duration::from_secs(60)) {
            if line.contains(part) {
                return;
            }
            said.push(line);
        }
        panic!("no `{part}` in {said:?}");
    }

    #[test]
    fn watching_answers_each_save_and_outlives_a_broken_file() {
        let learner = Learner::started();
        let mut child = learner.command("lab watch").spawn().unwrap();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let (out, err) = (lines(out), lines(err));
        wait_for(&err, "watching .schism/work/stale-acl");
        wait_for(&out, "Provisional, on 3 seeds:");
        wait_for(&out, "Broken on 3 of 3 seeds.");
        learner.write("posture.toml", "[policy]\nfreshnes = \"10s\"\n");
        wait_for(
            &err,
            "error: .schism/work/stale-acl/posture.toml:2: unknown dial",
        );
        learner.take("solution");
        wait_for(&out, "Kept on 3 seeds:");
        interrupt(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        wait_for(&err, "watching ended");
        assert!(
            !learner.progress().contains("passed"),
            "nothing provisional is recorded"
        );
    }
}
