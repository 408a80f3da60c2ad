//! The rules about a lab's pages: their parts, in their order, none of them empty.
//!
//! They count and look for headings; whether a page is any good is for people to say.

use super::Ruling;
use super::markdown::{Section, rows, sections};
use crate::catalog::folder::LabFiles;
use crate::scenario::Scenario;

/// What begins a sentence that a new lab's author has yet to replace.
pub(crate) const PLACEHOLDER: &str = "Say here";

/// Words of a README: the most that is read before the first run, and the least that is a story.
const WORDS: std::ops::RangeInclusive<usize> = 200..=900;

/// Hints, and questions of a quiz.
const FEW: std::ops::RangeInclusive<usize> = 3..=5;

/// What a learner does, in order.
const STORY: [&str; 5] = ["Run", "Look", "Ask", "Change one thing", "Run again"];

/// The parts of a `why.md`.
const HAPPENS: &str = "What really happens";
const SYSTEMS: &str = "Three systems, side by side";
const COSTS: &str = "What the defence costs";

pub(super) fn rulings(files: &LabFiles) -> Vec<Ruling> {
    vec![
        Ruling::new("readme", "the story has its parts", readme(&files.readme)),
        Ruling::new("hints", "the hints go step by step", hints(&files.hints)),
        Ruling::new("why", "the reasons have their three parts", why(&files.why)),
        Ruling::new("demo", "the demonstration shows this lab", demo(files)),
        written(files),
    ]
}

/// The rules that need the scenario as well.
pub(super) fn of_scenario(files: &LabFiles, scenario: &Scenario) -> Vec<Ruling> {
    vec![
        Ruling::new(
            "refs",
            "the lab says where it comes from",
            refs(files, scenario),
        ),
        Ruling::new(
            "quiz",
            "the quiz has three to five questions",
            quiz(scenario),
        ),
    ]
}

fn readme(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let words = text.split_whitespace().count();
    if !WORDS.contains(&words) {
        let (least, most) = WORDS.into_inner();
        faults.push(format!(
            "README.md: it has {words} words; tell it in {least} to {most}"
        ));
    }
    let sections = sections(text);
    faults.extend(parts("README.md", &sections, &STORY));
    let drawn = sections.first().is_some_and(|intro| {
        let mut lines = intro.lines.iter();
        lines.any(|line| line.block == Some("text"))
    });
    if !drawn {
        faults.push(format!(
            "README.md: no drawing of the world before `## {}`; draw it in a ```text block",
            STORY[0]
        ));
    }
    faults
}

/// Each part is there, after the one before it, and says something.
fn parts(file: &str, sections: &[Section<'_>], wanted: &[&str]) -> Vec<String> {
    let (mut faults, mut from) = (Vec::new(), 0);
    for part in wanted {
        let at = sections.iter().position(|section| section.heading == *part);
        match at {
            None => faults.push(format!("{file}: no section `## {part}`; write it")),
            Some(at) if at < from => {
                faults.push(format!(
                    "{file}: `## {part}` comes too early; its order is fixed"
                ));
            }
            Some(at) => {
                from = at;
                if sections[at].is_empty() {
                    faults.push(format!("{file}: nothing stands under `## {part}`"));
                }
            }
        }
    }
    faults
}

fn hints(text: &str) -> Vec<String> {
    let sections = sections(text);
    let hints = sections.get(1..).unwrap_or_default();
    let mut faults = Vec::new();
    if !FEW.contains(&hints.len()) {
        let count = hints.len();
        faults.push(format!(
            "hints.md: it has {count} hints; give three to five"
        ));
    }
    for (at, hint) in hints.iter().enumerate() {
        let wanted = format!("Hint {}", at + 1);
        if hint.heading != wanted {
            let heading = hint.heading;
            faults.push(format!(
                "hints.md: `## {heading}` stands where `## {wanted}` should"
            ));
        } else if hint.is_empty() {
            faults.push(format!("hints.md: nothing stands under `## {wanted}`"));
        }
    }
    faults
}

fn why(text: &str) -> Vec<String> {
    let sections = sections(text);
    let mut faults = parts("why.md", &sections, &[HAPPENS, SYSTEMS, COSTS]);
    let part = |heading| sections.iter().find(|section| section.heading == heading);
    if part(HAPPENS).is_some_and(|part| !part.says("](https://")) {
        faults.push(format!(
            "why.md: `## {HAPPENS}` has no link; say where it can be read"
        ));
    }
    if let Some(part) = part(SYSTEMS) {
        let rows = rows(part);
        let wide = rows.iter().all(|row| row.len() >= 4);
        if rows.len() < 3 || !wide {
            faults.push(format!(
                "why.md: `## {SYSTEMS}` has no table of three systems in at least two respects"
            ));
        }
    }
    faults
}

fn demo(files: &LabFiles) -> Vec<String> {
    let lines = super::markdown::lines(&files.demo);
    let named = format!("demo {}", files.id);
    let shown = lines.iter().any(|line| {
        let command = line.text.trim_end();
        line.block == Some("sh")
            && (command.ends_with(&named) || command.contains(&format!("{named} ")))
    });
    if shown {
        Vec::new()
    } else {
        vec![format!(
            "demo.md: no ```sh block runs `{named}`; show the lab itself"
        )]
    }
}

/// Sentences that a new lab came with are no fault, and are counted.
fn written(files: &LabFiles) -> Ruling {
    let left: usize = files
        .files()
        .iter()
        .map(|(_, text)| text.matches(PLACEHOLDER).count())
        .sum();
    let seen = match left {
        0 => String::new(),
        1 => format!("1 sentence still begins with `{PLACEHOLDER}`"),
        left => format!("{left} sentences still begin with `{PLACEHOLDER}`"),
    };
    Ruling::new(
        "written",
        "what is yet to be written is counted",
        Vec::new(),
    )
    .seen(seen)
}

fn refs(files: &LabFiles, scenario: &Scenario) -> Vec<String> {
    let refs = &scenario.metadata.refs;
    if refs.is_empty() {
        return vec!["lab.toml: `refs` is empty; name the incident, paper or issue".to_owned()];
    }
    if refs.iter().any(|one| files.why.contains(one.as_str())) {
        return Vec::new();
    }
    vec!["why.md: it names none of lab.toml's `refs`; tell at least one".to_owned()]
}

fn quiz(scenario: &Scenario) -> Vec<String> {
    let count = scenario.quiz.len();
    if FEW.contains(&count) {
        return Vec::new();
    }
    vec![format!(
        "lab.toml: the quiz has {count} questions; ask three to five"
    )]
}
