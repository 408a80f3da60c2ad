//! Each rule on a lab broken in exactly that way, and on one that is not.

use std::fs;
use std::path::Path;

use super::*;
use crate::course::new;
use crate::invariant::Verdict;

/// A new lab in a folder, with one of its files edited.
fn planted(file: &str, edit: impl Fn(&str) -> String) -> LabFiles {
    let temp = tempfile::tempdir().unwrap();
    let lab = new::write("planted", temp.path()).unwrap();
    let path = lab.join(file);
    let text = fs::read_to_string(&path).unwrap();
    let edited = edit(&text);
    assert_ne!(edited, text, "nothing was planted in {file}");
    fs::write(path, edited).unwrap();
    LabFiles::read(&lab).unwrap()
}

fn swapped(file: &str, from: &str, to: &str) -> LabFiles {
    planted(file, |text| text.replacen(from, to, 1))
}

fn understood(_: &[&str]) -> Option<String> {
    None
}

/// The rules that are broken, and what is said of them.
fn broken(files: LabFiles) -> Vec<(&'static str, String)> {
    let (rulings, _) = super::files(files, &understood);
    faulty(rulings)
}

fn faulty(rulings: Vec<Ruling>) -> Vec<(&'static str, String)> {
    let broken = rulings.into_iter().filter(|it| it.verdict != Verdict::Kept);
    broken.map(|it| (it.rule, it.faults.join("; "))).collect()
}

#[track_caller]
fn breaks(files: LabFiles, rule: &str, saying: &str) {
    let broken = broken(files);
    assert_eq!(broken.len(), 1, "one rule is broken: {broken:?}");
    assert_eq!(broken[0].0, rule);
    assert!(broken[0].1.contains(saying), "{broken:?}");
}

#[test]
fn a_scenario_that_does_not_parse_is_told_with_its_line_and_nothing_runs() {
    let files = swapped("lab.toml", "\"partition\"", "\"pratition\"");
    let (rulings, subject) = super::files(files, &understood);
    assert!(subject.is_none());
    let broken = faulty(rulings);
    assert_eq!(broken[0].0, "scenario");
    assert!(broken[0].1.starts_with("lab.toml:"), "{broken:?}");
    assert!(broken[0].1.contains("`partition`"), "{broken:?}");
}

#[test]
fn an_id_that_is_not_the_folders_is_seen() {
    let files = swapped("lab.toml", "id = \"planted\"", "id = \"other\"");
    breaks(files, "id", "`id` is `other` and the folder is `planted`");
}

#[test]
fn a_posture_that_sets_too_little_or_too_much_is_seen_and_so_is_a_broken_policy() {
    let less = swapped("exposed/posture.toml", "on_stale = \"allow\"", "");
    breaks(
        less,
        "settings",
        "exposed/posture.toml: it does not set `policy.on_stale`",
    );
    let more = planted("solution/posture.toml", |text| {
        format!("{text}errors = \"deny\"\n")
    });
    breaks(
        more,
        "settings",
        "solution/posture.toml: it sets `policy.errors`",
    );
    let policy = planted("wrong/long-bound/policy.cedar", |text| {
        format!("{text}nonsense")
    });
    breaks(policy, "settings", "wrong/long-bound/policy.cedar:");
    let silent = planted("wrong/long-bound/expect.txt", |_| "\n".to_owned());
    breaks(
        silent,
        "settings",
        "wrong/long-bound/expect.txt: it is empty",
    );
}

#[test]
fn what_every_posture_sets_alike_belongs_to_the_world_and_what_one_alone_sets_does_not() {
    let bearer = |text: &str| format!("{text}\n[token]\nbinding = \"none\"\n");
    let one = planted("exposed/posture.toml", bearer);
    breaks(
        one,
        "settings",
        "`token.binding` is not as `exposed` sets it",
    );
    let mut alike = planted("exposed/posture.toml", bearer);
    alike.solution_posture = bearer(&alike.solution_posture);
    for wrong in &mut alike.wrong {
        wrong.posture = bearer(&wrong.posture);
    }
    let (rulings, _) = super::settings::rulings(&alike);
    assert_eq!(faulty(rulings), []);
}

#[test]
fn a_lab_that_an_empty_posture_would_pass_is_seen() {
    let temp = tempfile::tempdir().unwrap();
    let lab = new::write("planted", temp.path()).unwrap();
    let path = lab.join("lab.toml");
    let text = fs::read_to_string(&path).unwrap();
    let dials = "dials = [\"policy.freshness\", \"policy.on_stale\"]";
    fs::write(path, text.replace(dials, "dials = []")).unwrap();
    for folder in ["exposed", "solution", "wrong/long-bound"] {
        fs::write(lab.join(folder).join("posture.toml"), "").unwrap();
    }
    breaks(LabFiles::read(&lab).unwrap(), "empty", "names none");
}

#[test]
fn a_file_that_scolds_is_seen_in_any_case() {
    let scold = format!("This is {}ous.\n", super::settings::SCOLDING.to_uppercase());
    let files = planted("hints.md", |text| format!("{text}{scold}"));
    breaks(files, "words", "hints.md:");
}

#[test]
fn a_story_too_long_without_a_drawing_or_a_part_is_seen() {
    let long = planted("README.md", |text| text.to_owned() + &"word ".repeat(900));
    breaks(long, "readme", "tell it in 200 to 900");
    let undrawn = swapped("README.md", "```text", "```plain");
    breaks(undrawn, "readme", "no drawing of the world");
    let missing = swapped("README.md", "## Look", "## Gaze");
    breaks(missing, "readme", "no section `## Look`");
    let early = planted("README.md", |text| {
        text.replace("## Look", "## X")
            .replace("## Run\n", "## Look\nat it\n## Run\n")
    });
    breaks(early, "readme", "`## Look` comes too early");
    let empty = planted("README.md", |text| {
        let (before, _) = text.split_once("## Run again").unwrap();
        format!("{before}## Run again\n")
    });
    breaks(empty, "readme", "nothing stands under `## Run again`");
}

#[test]
fn hints_that_are_too_few_out_of_step_or_empty_are_seen() {
    let few = planted("hints.md", |text| {
        text.split_once("## Hint 3").unwrap().0.to_owned()
    });
    breaks(few, "hints", "it has 2 hints");
    let step = swapped("hints.md", "## Hint 2", "## Hint two");
    breaks(
        step,
        "hints",
        "`## Hint two` stands where `## Hint 2` should",
    );
    let empty = planted("hints.md", |text| {
        format!("{}## Hint 3\n\n", text.split_once("## Hint 3").unwrap().0)
    });
    breaks(empty, "hints", "nothing stands under `## Hint 3`");
}

#[test]
fn reasons_without_a_link_three_systems_or_a_cost_are_seen() {
    let link = swapped("why.md", "](https://", "](http://");
    breaks(link, "why", "has no link");
    let systems = swapped("why.md", "| third system |", "|");
    breaks(systems, "why", "no table of three systems");
    let cost = swapped("why.md", "## What the defence costs", "## What it costs");
    breaks(cost, "why", "no section `## What the defence costs`");
}

#[test]
fn a_demonstration_of_another_lab_is_seen() {
    let other = swapped("demo.md", "demo planted", "demo planted-too");
    breaks(other, "demo", "no ```sh block runs `demo planted`");
}

#[test]
fn references_that_are_missing_or_untold_are_seen() {
    let none = swapped("lab.toml", "refs = [\"OWNER/REPOSITORY#1\"]", "refs = []");
    breaks(none, "refs", "`refs` is empty");
    let untold = swapped("lab.toml", "refs = [\"OWNER", "refs = [\"ELSE");
    breaks(untold, "refs", "it names none of lab.toml's `refs`");
}

#[test]
fn a_quiz_of_two_questions_is_seen() {
    let files = planted("lab.toml", |text| {
        text.rsplit_once("[[quiz]]").unwrap().0.to_owned()
    });
    breaks(files, "quiz", "the quiz has 2 questions");
}

#[test]
fn sentences_to_be_replaced_are_counted_and_no_built_in_lab_has_one() {
    let count = |files: LabFiles| {
        let (rulings, _) = super::files(files, &understood);
        let written = rulings.into_iter().find(|it| it.rule == "written").unwrap();
        written.seen
    };
    let left = count(swapped("hints.md", PLACEHOLDER, "Look"));
    assert!(
        left.ends_with("sentences still begin with `Say here`"),
        "{left}"
    );
    for lab in crate::catalog::all() {
        assert_eq!(count(LabFiles::from(lab)), "", "{}", lab.id);
    }
}

#[test]
fn commands_that_are_not_understood_or_not_everywhere_are_seen() {
    let said = |words: &[&str]| (words[0] == "dmeo").then(|| "no such command".to_owned());
    let told = |text: &str| {
        let files = planted("demo.md", |page| format!("{page}{text}"));
        faulty(super::files(files, &said).0)
    };
    for (text, saying) in [
        ("Type `schism dmeo x`.\n", "no such command"),
        ("```text\n$ schism dmeo x\n```\n", "no such command"),
        ("```sh\nschism dmeo x\n```\n", "no such command"),
        ("```sh\ncp a b\n```\n", "is not this program's"),
        ("```sh\nschism demo x | less\n```\n", "takes `|` alike"),
    ] {
        let broken = told(text);
        assert_eq!(broken.len(), 1, "{text}: {broken:?}");
        assert!(
            broken[0].0 == "commands" && broken[0].1.contains(saying),
            "{broken:?}"
        );
    }
    assert_eq!(
        told("Type `schism demo x` or `schism dmeo ...`, then `dmeo`.\n"),
        []
    );
}

fn on(_: f64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

const BENCH: Bench<'static> = Bench {
    seeds: &[1],
    jobs: 1,
    progress: &on,
};

fn subject(files: LabFiles) -> Subject {
    let (rulings, subject) = super::files(files, &understood);
    subject.unwrap_or_else(|| panic!("{:?}", faulty(rulings)))
}

/// A lab with the exposed and the solution's posture exchanged.
fn reversed() -> Subject {
    let temp = tempfile::tempdir().unwrap();
    let lab = new::write("planted", temp.path()).unwrap();
    let [one, other] = ["exposed", "solution"].map(|side| lab.join(side).join("posture.toml"));
    let text = fs::read_to_string(&one).unwrap();
    fs::copy(&other, &one).unwrap();
    fs::write(other, text).unwrap();
    subject(LabFiles::read(&lab).unwrap())
}

#[test]
fn a_new_lab_keeps_every_rule() {
    let temp = tempfile::tempdir().unwrap();
    let lab = new::write("late-letter", temp.path()).unwrap();
    let (files, subject) = super::files(LabFiles::read(&lab).unwrap(), &understood);
    assert_eq!(faulty(files), []);
    let bench = Bench {
        seeds: &[1, 2],
        ..BENCH
    };
    let ran = runs(&subject.unwrap(), &bench).unwrap();
    let told: Vec<_> = ran.iter().map(|it| (it.rule, it.seen.as_str())).collect();
    assert_eq!(faulty(ran.clone()), [], "{told:?}");
    assert!(ran.iter().all(|it| !it.claim.is_empty()));
}

#[test]
fn an_attack_that_is_refused_exposed_and_succeeds_with_the_solution_is_seen() {
    let subject = reversed();
    let mut row = super::runs::Row::new(&subject, &BENCH);
    let ran = super::runs::demonstration(&subject, &mut row).unwrap();
    assert!(faulty(ran)[0].1.contains("the attack no longer works"));
    let ran = runs(&subject, &BENCH).unwrap();
    let broken = faulty(ran);
    let said = |rule| &broken.iter().find(|(broken, _)| *broken == rule).unwrap().1;
    assert!(said("exposed-breaks").contains("seed 1: the attack does not succeed"));
    assert!(said("solution-keeps").contains("seed 1: solution: the attack succeeded"));
}

#[test]
fn a_wrong_fix_that_passes_or_is_told_something_else_is_seen() {
    let ruling = |subject: &Subject| {
        let mut row = super::runs::Row::new(subject, &BENCH);
        faulty(vec![super::runs::wrong(subject, &mut row).unwrap()])
    };
    let passes = swapped("wrong/long-bound/posture.toml", "\"60s\"", "\"3s\"");
    let said = ruling(&subject(passes));
    assert!(
        said[0].1.contains("wrong/long-bound: it passes seed 1"),
        "{said:?}"
    );
    let other = planted("wrong/long-bound/expect.txt", |text| {
        format!("{text}the moon is full\n")
    });
    let said = ruling(&subject(other));
    assert!(
        said[0].1.contains("`the moon is full` is not said of it"),
        "{said:?}"
    );
    assert!(said[0].1.contains("no-permit-after-revoke"), "{said:?}");
}

#[test]
fn a_dial_that_does_not_matter_is_seen_unless_it_is_optional() {
    let idle = "dials = [\"policy.freshness\", \"policy.on_stale\", \"audit.durability\"]";
    let lab = |optional: &str| {
        let temp = tempfile::tempdir().unwrap();
        let lab = new::write("planted", temp.path()).unwrap();
        let edit = |file: &str, edit: &dyn Fn(String) -> String| {
            let path = lab.join(file);
            let text = edit(fs::read_to_string(&path).unwrap());
            fs::write(path, text).unwrap();
        };
        edit("lab.toml", &|text| {
            let from = "dials = [\"policy.freshness\", \"policy.on_stale\"]";
            text.replace(from, &format!("{idle}\n{optional}"))
        });
        for folder in ["exposed", "solution", "wrong/long-bound"] {
            let value = if folder == "exposed" { "batch" } else { "sync" };
            let line = format!("\n[audit]\ndurability = \"{value}\"\n");
            edit(&format!("{folder}/posture.toml"), &|text| text + &line);
        }
        subject(LabFiles::read(Path::new(&lab)).unwrap())
    };
    let ruling = |subject: &Subject| {
        let mut row = super::runs::Row::new(subject, &BENCH);
        super::runs::dials(subject, &mut row).unwrap()
    };
    let idle = ruling(&lab(""));
    assert_eq!(idle.faults.len(), 1, "{idle:?}");
    assert!(
        idle.faults[0].starts_with("`audit.durability`:"),
        "{idle:?}"
    );
    assert!(idle.seen.contains("policy.on_stale on seed 1"), "{idle:?}");
    let optional = ruling(&lab("optional_dials = [\"audit.durability\"]"));
    assert_eq!(optional.verdict, Verdict::Kept, "{optional:?}");
}

#[test]
fn a_figure_that_the_run_does_not_show_is_seen_unless_it_is_listed() {
    let ruling = |text: &str| {
        let subject = subject(planted("README.md", |page| format!("{page}{text}")));
        let mut row = super::runs::Row::new(&subject, &BENCH);
        faulty(super::runs::demonstration(&subject, &mut row).unwrap())
    };
    let said = ruling("\nIt took 13.7 s and served 41 %.\n");
    assert_eq!(said[0].0, "figures");
    assert!(said[0].1.contains("`13.7 s` is in no scenario"), "{said:?}");
    assert!(said[0].1.contains("`41 %` is in no"), "{said:?}");
    let listed = "\n13.7 s and 41 %\n<!-- figures from elsewhere: 13.7 s, 41 % -->\n";
    assert_eq!(ruling(listed), []);
}

#[test]
fn what_stops_a_lint_is_told() {
    let temp = tempfile::tempdir().unwrap();
    let lab = new::write("planted", temp.path()).unwrap();
    let stop = |_: f64| ControlFlow::Break(());
    let bench = Bench {
        progress: &stop,
        ..BENCH
    };
    let subject = subject(LabFiles::read(&lab).unwrap());
    assert!(matches!(runs(&subject, &bench), Err(RunError::Interrupted)));
}
