//! A learner's way through a lab as they type it: start, hint, solution, quiz, reset, and back.
//!
//! What they wrote is there after every command, and what they are told to type next works.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

mod program;

use std::fs;
use std::path::PathBuf;

use program::{Desk, Ended, fed};
use tests::program::{binary, root};

/// The command is obeyed; what it said.
#[track_caller]
fn obeyed(desk: &Desk, line: &str) -> Ended {
    let ended = desk.run(line);
    assert_eq!(ended.status, Some(0), "{line}: {}", ended.err);
    for text in ended.out.lines().chain(ended.err.lines()) {
        assert!(
            text.chars().count() <= 80 || text.contains(binary().to_str().unwrap()),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }
    ended
}

fn text(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

fn work(desk: &Desk, name: &str) -> PathBuf {
    desk.path(".schism/work/stale-acl").join(name)
}

/// The last command that a page tells to type, without the program.
fn told(page: &str) -> String {
    let page = page.replace("\\\n", " ");
    let mut commands = page
        .lines()
        .filter_map(|line| line.trim().strip_prefix(binary().to_str()?));
    let last = commands.next_back().expect("it says what to type");
    last.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_lab_is_laid_out_once_and_stays_the_learners() {
    let desk = Desk::new();
    desk.refuses("lab start", &["no lab is begun here", "lab start "]);
    desk.refuses(
        "lab start stale-acls",
        &["unknown lab `stale-acls`", "`stale-acl`"],
    );
    assert!(!desk.path(".schism/work").exists());
    let ended = obeyed(&desk, "lab start stale-acl");
    for part in [
        "Revoked in the north",
        "README.md",
        "policy.freshness, policy.on_stale",
    ] {
        assert!(ended.out.contains(part), "no {part} in {}", ended.out);
    }
    assert_eq!(told(&ended.out), "lab attack");
    let readme = text(work(&desk, "README.md"));
    let (before, after) = readme.split_once("Run it now").unwrap();
    assert!(!before.contains("32.9") && after.contains("It stops at the heal"));
    assert!(!readme.contains("32.9"), "the run says it, not the story");
    let catalog = root().join("labs/catalog/stale-acl");
    for (name, from) in [
        ("README.md", "README.md"),
        ("posture.toml", "exposed/posture.toml"),
        ("policy.cedar", "exposed/policy.cedar"),
    ] {
        let laid = text(catalog.join(from));
        let laid = laid.lines().filter(|line| !line.starts_with("<!--"));
        // What is to be typed starts this very program.
        let here = binary().display().to_string();
        let typed = |line: &str| {
            let starts = ["cargo run --release -- ", "schism "].into_iter();
            let words = starts.clone().find_map(|start| line.strip_prefix(start));
            words.map_or(line.to_owned(), |words| format!("{here} {words}"))
        };
        let laid: Vec<String> = laid.map(typed).collect();
        assert_eq!(text(work(&desk, name)), laid.join("\n") + "\n");
    }
    fs::write(work(&desk, "posture.toml"), "mine\n").unwrap();
    let ended = obeyed(&desk, "lab start");
    assert!(ended.out.contains("already laid out") && ended.out.contains("lab reset"));
    assert_eq!(text(work(&desk, "posture.toml")), "mine\n");
    let list = obeyed(&desk, "lab list").out;
    assert!(
        list.contains("> stale-acl") && list.contains("  started  "),
        "{list}"
    );
    assert!(obeyed(&desk, "").out.contains("\nstarted; "));
}

#[test]
fn hints_come_one_by_one_and_then_there_is_the_solution() {
    let desk = Desk::new();
    let first = obeyed(&desk, "lab hint stale-acl").out;
    assert!(
        first.contains("hint 1 of 5") && first.contains("Which field"),
        "{first}"
    );
    assert_eq!(obeyed(&desk, "lab hint --again").out, first);
    for n in 2..=5 {
        assert_eq!(told(&obeyed(&desk, "lab hint --again").out), "lab hint");
        let hint = obeyed(&desk, "lab hint").out;
        assert!(hint.contains(&format!("hint {n} of 5")), "{hint}");
    }
    let over = obeyed(&desk, "lab hint").out;
    assert!(over.contains("all 5 hints were given"), "{over}");
    assert_eq!(told(&over), "lab solution");
    desk.refuses("lab solution", &["--yes"]);
    let progress = || text(desk.path(".schism/progress"));
    assert!(!progress().contains("solution seen"));
    let solution = obeyed(&desk, "lab solution --yes").out;
    assert!(solution.contains("\n+ on_stale = \"deny\"\n"), "{solution}");
    assert!(solution.contains("Why this lab exists"), "{solution}");
    assert!(progress().contains("stale-acl solution seen\n"));
    assert_eq!(
        obeyed(&desk, "lab solution").out,
        solution,
        "what was seen is not asked for again"
    );
}

#[test]
fn a_quiz_is_scored_when_it_is_whole_and_only_then() {
    let desk = Desk::new();
    let typed = |line: &str, input: &str, status: i32| {
        let ended = fed(desk.command(line), input.as_bytes());
        assert_eq!(ended.status, Some(status), "{}", ended.err);
        ended
    };
    let progress = || fs::read_to_string(desk.path(".schism/progress")).unwrap_or_default();
    let ended = typed("lab quiz stale-acl", "b\na\n", 3);
    assert!(
        ended
            .err
            .contains("broken off after 2 of 4; it goes on where it was: ")
    );
    assert!(!progress().contains("answered"), "{}", progress());
    let ended = typed("lab quiz", "perhaps\na\r\n", 3);
    assert!(
        ended
            .err
            .contains("going on where it was: 2 answered, 2 right"),
        "{}",
        ended.err
    );
    let ended = typed("lab quiz", "b", 0);
    assert!(
        ended.out.contains("3 of 4 right.") && !ended.out.contains("3 of 4. "),
        "{}",
        ended.out
    );
    assert!(
        progress().ends_with("stale-acl answered 3 of 4 right\n"),
        "{}",
        progress()
    );
    let (shown, asked) = (
        obeyed(&desk, "lab quiz --show").out,
        obeyed(&desk, "lab quiz").out,
    );
    assert_eq!(shown, asked, "without anyone to answer it is only shown");
    assert!(shown.contains("4 of 4. ") && !shown.contains("Every signature holds"));
    let answers = obeyed(&desk, "lab quiz --show --answers").out;
    assert_eq!(answers.matches("=> ").count(), 4, "{answers}");
    desk.refuses("lab quiz --answers", &["--show"]);
}

#[test]
fn a_reset_keeps_a_copy_of_everything() {
    let desk = Desk::new();
    obeyed(&desk, "lab start stale-acl");
    let exposed = text(work(&desk, "posture.toml"));
    fs::write(work(&desk, "README.md"), "old").unwrap();
    assert!(
        obeyed(&desk, "lab reset")
            .err
            .contains("is as it was at the beginning")
    );
    assert!(text(work(&desk, "README.md")).len() > 1000);
    for n in 1..=2 {
        fs::write(work(&desk, "posture.toml"), format!("mine {n}\n")).unwrap();
        fs::write(work(&desk, "notes.txt"), "mine too").unwrap();
        obeyed(&desk, "lab reset");
        assert_eq!(text(work(&desk, "posture.toml")), exposed);
        let aside = desk.path(&format!(".schism/work/stale-acl.before-reset-{n}"));
        assert_eq!(text(aside.join("posture.toml")), format!("mine {n}\n"));
        assert_eq!(text(aside.join("notes.txt")), "mine too");
    }
    obeyed(&desk, "lab hint");
    let progress = text(desk.path(".schism/progress"));
    desk.refuses("lab reset --all", &["--yes"]);
    desk.refuses("lab reset stale-acl --all", &["--all"]);
    assert_eq!(text(desk.path(".schism/progress")), progress);
    obeyed(&desk, "lab reset --all --yes");
    let aside = desk.path(".schism/before-reset-1");
    assert_eq!(text(aside.join("progress")), progress);
    assert_eq!(text(aside.join("work/stale-acl/posture.toml")), exposed);
    assert!(!desk.path(".schism/work").exists() && !desk.path(".schism/last").exists());
    assert!(
        obeyed(&desk, "lab reset --all")
            .err
            .contains("nothing is begun")
    );
    assert!(obeyed(&desk, "lab list").out.contains("  new  "));
}

#[test]
fn a_lab_that_is_a_folder_works_everywhere_and_from_anywhere() {
    let desk = Desk::new();
    desk.lab();
    let scenario = text(desk.path("lab/lab.toml")).replace("\"stale-acl\"", "\"my-lab\"");
    desk.write("lab/lab.toml", scenario);
    desk.write("lab/hints.md", "# Hints\n\n## Hint 1\n\nLo\u{1b}[2Jok.\n");
    obeyed(&desk, "lab start ./lab");
    assert!(desk.path(".schism/work/my-lab/attack.toml").is_file());
    fs::create_dir_all(desk.path("deep/er")).unwrap();
    let mut elsewhere = desk.command("lab hint");
    let ended = Ended::from(
        elsewhere
            .current_dir(desk.path("deep/er"))
            .output()
            .unwrap(),
    );
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(ended.out.contains("my-lab: hint 1 of 1") && ended.out.contains("Lo?[2Jok."));
    assert_eq!(
        text(desk.path(".schism/progress")),
        "my-lab started\nmy-lab hint 1 given\n"
    );
    fs::rename(desk.path("lab"), desk.path("moved")).unwrap();
    desk.refuses("lab hint", &["the last lab", "is gone", "lab list"]);
    assert!(obeyed(&desk, "").out.contains("is not to be had"));
    desk.write(
        "moved/exposed/posture.toml",
        "[policy]\nfreshnes = \"any\"\n",
    );
    desk.refuses("lab start ./moved", &["moved/exposed/posture.toml:2: "]);
}

#[test]
fn a_workspace_that_cannot_be_written_is_one_clear_line() {
    let desk = Desk::new();
    desk.write(".schism/work", "a file where the desks should be");
    desk.refuses("lab start stale-acl", &[".schism/work", "make it writable"]);
    fs::create_dir(desk.path(".schism/progress")).unwrap();
    desk.refuses("lab hint stale-acl", &[".schism/progress"]);
    desk.refuses("lab list", &[".schism/progress"]);
    let front = obeyed(&desk, "").out;
    assert!(front.contains("Your progress cannot be read"), "{front}");
}

/// There nobody can make a folder, whoever they are.
#[cfg(target_os = "linux")]
#[test]
fn a_hint_needs_no_place_to_write() {
    let desk = Desk::new();
    fs::remove_dir(desk.path(".schism")).unwrap();
    let in_proc = |line: &str| {
        let mut command = desk.command(line);
        Ended::from(command.env("XDG_DATA_HOME", "/proc").output().unwrap())
    };
    let ended = in_proc("lab hint stale-acl");
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    assert!(ended.out.contains("hint 1 of 5"), "{}", ended.out);
    assert!(ended.err.contains("not counted"), "{}", ended.err);
    let ended = in_proc("lab start stale-acl");
    assert_eq!(ended.status, Some(2), "{}", ended.out);
    assert!(ended.err.contains("make it writable"), "{}", ended.err);
}

#[test]
fn the_list_is_json_too_and_goes_into_a_file() {
    let desk = Desk::new();
    let ended = obeyed(&desk, "lab list --all --json --out list.json");
    assert_eq!(ended.out, "");
    let list: serde_json::Value = serde_json::from_str(&text(desk.path("list.json"))).unwrap();
    assert_eq!(
        (&list["format"], &list["next"]),
        (&1.into(), &"first-handshake".into())
    );
    let labs = list["labs"].as_array().unwrap();
    let flagship = labs.iter().find(|lab| lab["id"] == "stale-acl").unwrap();
    assert_eq!(
        (&flagship["state"], &flagship["level"]),
        (&"new".into(), &1.into())
    );
    desk.write(".schism/progress", "no fact\nstale-acl started\n\u{0}\n");
    let ended = obeyed(&desk, "lab list");
    assert_eq!(
        ended.err,
        "2 lines of your progress are not understood and were left\n"
    );
    assert!(obeyed(&desk, "").out.contains("2 lines of your progress"));
    desk.refuses("lab list --path cor", &["core"]);
    desk.refuses("lab list --all --path core", &["--all"]);
}
