//! What the house looks like, as rules that fail: direction, sizes, words, and who may read a
//! clock.
//!
//! Each rule is a function of names and texts, and is tried on a planted fault beside the real
//! tree, so that a rule that stopped seeing is red too.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use toml::{Table, Value};

const PACKAGES: [&str; 5] = ["proto", "ca", "services", "labs", "tests"];

const TOP: [&str; 18] = [
    ".cargo",
    ".ci",
    ".clippy.toml",
    ".deny.toml",
    ".gitattributes",
    ".gitignore",
    ".rustfmt.toml",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE-APACHE",
    "LICENSE-MIT",
    "README.md",
    "ca",
    "labs",
    "proto",
    "services",
    "tests",
];

const MAX_LINES: usize = 700;
const MANY_LINES: usize = 400;
/// How many files may be longer than [`MANY_LINES`].
const MAX_LONG: usize = 12;
const MAX_COLUMNS: usize = 100;
const MAX_FUNCTION: usize = 70;

/// Words that say nothing of the domain.
const HOLLOW: [&str; 8] = [
    "common", "helper", "helpers", "manager", "misc", "util", "utils", "shared",
];

/// What only a seam may call, and the files that are seams.
const SEAMS: [(&str, &[&str]); 6] = [
    (
        "SystemTime::now",
        &["ca/src/clock.rs", "labs/src/drill/clock.rs"],
    ),
    (
        "Instant::now",
        &["labs/src/fabric/mod.rs", "labs/src/drill/clock.rs"],
    ),
    ("thread_rng", &[]),
    ("spawn_blocking", &[]),
    ("thread::spawn", &[]),
    (
        "thread::scope",
        &[
            "labs/src/course/check.rs",
            "labs/src/fabric/links.rs",
            "tests/tests/trace_hashes.rs",
        ],
    ),
];

/// A file of the tree: its path from the root, with `/`, and its text.
struct Source {
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Every file of these endings below the packages and at the top.
fn sources(endings: &[&str]) -> Vec<Source> {
    let mut folders = vec![root()];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", ".schism"].contains(&name.as_str()) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                let path_from_root = path.strip_prefix(root()).unwrap();
                found.push(Source {
                    path: path_from_root.to_string_lossy().replace('\\', "/"),
                    text: fs::read_to_string(&path).unwrap(),
                });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(found.len() > PACKAGES.len(), "the tree was not found");
    found
}

fn rust() -> Vec<Source> {
    sources(&[".rs"])
}

fn planted(path: &str, text: &str) -> Vec<Source> {
    vec![Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }]
}

/// The tree is clean, and the planted fault is seen.
#[track_caller]
fn holds(rule: impl Fn(&[Source]) -> Vec<String>, tree: &[Source], fault: &[Source]) {
    let faults = rule(tree);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert_eq!(
        rule(fault).len(),
        1,
        "the planted fault is seen: {:?}",
        rule(fault)
    );
}

/// One message for each line of each file that `bad` finds fault with.
fn lines(sources: &[Source], mut bad: impl FnMut(&Source, &str) -> Option<String>) -> Vec<String> {
    let mut faults = Vec::new();
    for source in sources {
        for (at, line) in source.text.lines().enumerate() {
            let fault = bad(source, line);
            faults.extend(fault.map(|why| format!("{}:{}: {why}", source.path, at + 1)));
        }
    }
    faults
}

/// The text with what is in comments, strings and characters blanked out, its lines kept.
fn code(text: &str) -> String {
    let bytes: Vec<char> = text.chars().collect();
    let (mut out, mut at) = (String::new(), 0);
    let blank = |out: &mut String, from: usize, to: usize| {
        let kept = bytes[from..to.min(bytes.len())].iter();
        out.extend(kept.map(|c| if *c == '\n' { '\n' } else { ' ' }));
    };
    while at < bytes.len() {
        let end = skipped(&bytes, at);
        if end > at {
            blank(&mut out, at, end);
            at = end;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

/// Where the comment, string or character that begins at `at` ends; `at` itself if none does.
fn skipped(text: &[char], at: usize) -> usize {
    let starts = |word: &str| {
        word.chars()
            .eq(text[at..].iter().copied().take(word.chars().count()))
    };
    let find = |from: usize, end: &str| {
        let end: Vec<char> = end.chars().collect();
        let windows = text.get(from..).unwrap_or_default().windows(end.len());
        let found = windows.into_iter().position(|window| window == end);
        found.map_or(text.len(), |found| from + found + end.len())
    };
    let after_word = at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_');
    if starts("//") {
        return find(at, "\n").saturating_sub(1).max(at + 2);
    }
    if starts("/*") {
        return find(at + 2, "*/");
    }
    if starts("'") {
        let escaped = text.get(at + 1) == Some(&'\\');
        return match (escaped, text.get(at + 2)) {
            (true, _) => find(at + 3, "'"),
            (false, Some('\'')) => at + 3,
            (false, _) => at,
        };
    }
    let raw = usize::from(starts("r") || starts("br")) * if starts("br") { 2 } else { 1 };
    if raw > 0 && !after_word {
        let hashes = text[at + raw..].iter().take_while(|c| **c == '#').count();
        if text.get(at + raw + hashes) == Some(&'"') {
            return find(at + raw + hashes + 1, &format!("\"{}", "#".repeat(hashes)));
        }
    }
    if starts("\"") {
        let mut end = at + 1;
        while end < text.len() && text[end] != '"' {
            end += if text[end] == '\\' { 2 } else { 1 };
        }
        return end + 1;
    }
    at
}

/// Each function's first line, name, and length in lines.
fn functions(text: &str) -> Vec<(usize, String, usize)> {
    let code = code(text);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back();
        if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let name: String = code[at + 3..]
            .chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let first = code[..at].matches('\n').count() + 1;
        if let (false, Some(length)) = (name.is_empty(), length(&code[at..])) {
            found.push((first, name, length));
        }
    }
    found
}

/// The lines from a `fn` to the end of its body; nothing if it has none.
fn length(code: &str) -> Option<usize> {
    let (mut braces, mut brackets, mut lines) = (0_usize, 0_usize, 1);
    for c in code.chars() {
        match c {
            '\n' => lines += 1,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets = brackets.saturating_sub(1),
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' if braces == 1 => return Some(lines),
            '}' => braces = braces.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The packages of this workspace that a manifest depends on, of any kind.
fn depends_on(manifest: &Table) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for (key, value) in manifest {
        let Value::Table(table) = value else { continue };
        if key.ends_with("dependencies") {
            let named = |package: &&str| {
                table.contains_key(*package)
                    || table
                        .values()
                        .any(|value| value.get("package").and_then(Value::as_str) == Some(*package))
            };
            found.extend(PACKAGES.into_iter().filter(|package| named(package)));
        } else if key == "target" {
            let tables = table.values().filter_map(Value::as_table);
            found.extend(tables.flat_map(depends_on));
        }
    }
    found
}

fn direction(package: &str, manifest: &str) -> Vec<String> {
    let manifest: Table = manifest.parse().unwrap();
    let place = |name: &str| {
        PACKAGES
            .iter()
            .position(|package| *package == name)
            .unwrap()
    };
    let against = depends_on(&manifest)
        .into_iter()
        .filter(|on| place(on) >= place(package));
    against
        .map(|on| format!("{package} must not depend on {on}"))
        .collect()
}

#[test]
fn dependencies_point_one_way() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let workspace: Table = read("Cargo.toml").parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let members: Vec<_> = members.iter().filter_map(Value::as_str).collect();
    assert_eq!(members, PACKAGES);
    for package in PACKAGES {
        let against = direction(package, &read(&format!("{package}/Cargo.toml")));
        assert_eq!(against, Vec::<String>::new());
    }
    for back in [
        "[dependencies]\nlabs.workspace = true",
        "[dev-dependencies]\nx = { package = \"services\", path = \"../services\" }",
        "[target.'cfg(unix)'.build-dependencies]\nservices.workspace = true",
    ] {
        assert_eq!(direction("services", back).len(), 1, "{back}");
    }
}

#[test]
fn no_file_is_long_and_few_are_middling() {
    let long = |sources: &[Source]| {
        let lines = |source: &&Source| source.text.lines().count() > MAX_LINES;
        let long = sources.iter().filter(lines);
        long.map(|source| format!("{}: over {MAX_LINES} lines", source.path))
            .collect()
    };
    let tree = rust();
    holds(long, &tree, &planted("a.rs", &"\n".repeat(MAX_LINES + 1)));
    let middling = tree
        .iter()
        .filter(|source| source.text.lines().count() > MANY_LINES);
    let middling: Vec<&str> = middling.map(|source| source.path.as_str()).collect();
    assert!(
        middling.len() <= MAX_LONG,
        "over {MANY_LINES} lines: {middling:?}"
    );
}

#[test]
fn every_file_says_first_what_it_is() {
    let silent = |sources: &[Source]| {
        let silent = sources
            .iter()
            .filter(|source| !source.text.starts_with("//! "));
        silent
            .map(|source| format!("{}: it does not open with `//!`", source.path))
            .collect()
    };
    holds(
        silent,
        &rust(),
        &planted("a.rs", "use std::fs;\n//! late\n"),
    );
}

#[test]
fn no_line_is_wider_than_its_page() {
    let wide = |sources: &[Source]| {
        lines(sources, |_, line| {
            let columns = line.chars().count();
            (columns > MAX_COLUMNS).then(|| format!("{columns} columns"))
        })
    };
    holds(
        wide,
        &rust(),
        &planted("a.rs", &"x".repeat(MAX_COLUMNS + 1)),
    );
}

#[test]
fn every_function_fits_a_screen() {
    let long = |sources: &[Source]| {
        let mut faults = Vec::new();
        for source in sources {
            let long = functions(&source.text)
                .into_iter()
                .filter(|(.., n)| *n > MAX_FUNCTION);
            let path = &source.path;
            faults.extend(long.map(|(at, name, n)| format!("{path}:{at}: `{name}` has {n} lines")));
        }
        faults
    };
    let body = "    f(\"}\", '}', b'{'); // }\n".repeat(MAX_FUNCTION);
    let text =
        format!("trait T {{ fn g(&self) -> [u8; 2]; }}\nfn long<'a>(x: &'a u8) {{\n{body}}}\n");
    holds(long, &rust(), &planted("a.rs", &text));
    let seen = functions("fn a() {\n    let s = r#\"{\"}\"#;\n}\nfn b() { /* } */ }\n");
    assert_eq!(seen, [(1, "a".into(), 3), (4, "b".into(), 1)]);
}

#[test]
fn files_are_named_after_the_domain() {
    let hollow = |sources: &[Source]| {
        let hollow = sources.iter().filter(|source| {
            let parts = source.path.split(['/', '_', '-', '.']);
            parts.into_iter().any(|part| HOLLOW.contains(&part))
        });
        hollow
            .map(|source| format!("{}: a name that says nothing", source.path))
            .collect()
    };
    holds(hollow, &rust(), &planted("ca/src/tls_utils.rs", ""));
}

#[test]
fn only_seams_read_clocks_draw_randomness_or_start_threads() {
    let banned = |sources: &[Source]| {
        let mut faults = Vec::new();
        for source in sources {
            let code = code(&source.text);
            for (call, allowed) in SEAMS {
                if code.contains(call) && !allowed.contains(&source.path.as_str()) {
                    faults.push(format!("{}: `{call}` outside its seam", source.path));
                }
            }
        }
        faults
    };
    let (mut clean, fault) = (rust(), "// SystemTime::now\nlet t = SystemTime::now();\n");
    holds(banned, &clean, &planted("ca/src/x.rs", fault));
    clean.extend(planted(
        "ca/src/y.rs",
        "// SystemTime::now\nlet t = \"Instant::now\";\n",
    ));
    assert!(banned(&clean).is_empty(), "words about a call are no call");
    for (call, allowed) in SEAMS {
        let unused = |path: &&str| {
            let source = clean.iter().find(|source| source.path == *path);
            source.is_none_or(|source| !code(&source.text).contains(call))
        };
        let unused: Vec<&&str> = allowed.iter().filter(|path| unused(path)).collect();
        assert!(unused.is_empty(), "{unused:?} need not be allowed `{call}`");
    }
}

#[test]
fn only_files_for_unix_call_unix() {
    let foreign = |sources: &[Source]| {
        let elsewhere = sources
            .iter()
            .filter(|source| !source.path.ends_with("_unix.rs"));
        elsewhere
            .filter(|source| {
                let code: String = code(&source.text).split_whitespace().collect();
                ["os::unix", "os::linux", "os::fd"]
                    .iter()
                    .any(|module| code.contains(module))
            })
            .map(|source| format!("{}: it calls Unix", source.path))
            .collect()
    };
    let fault = "use std::{\n    os::unix::fs::MetadataExt,\n};\n";
    holds(foreign, &rust(), &planted("ca/src/x.rs", fault));
    let named = planted("ca/src/x_unix.rs", fault);
    assert!(foreign(&named).is_empty(), "where it belongs");
}

#[test]
fn every_shell_takes_the_commands_of_every_page() {
    let special = |sources: &[Source]| {
        let mut inside = false;
        lines(sources, |_, line| {
            if line.starts_with("```") {
                inside = line == "```sh";
                return None;
            }
            let found = line.chars().find(|c| "|<>\"'`&;$\\*".contains(*c));
            let found = found.filter(|_| inside)?;
            Some(format!("`{found}` in a command"))
        })
    };
    let fault = "a | b\n```sh\nschism demo x > page.txt\nschism demo x\n```\na | b\n";
    holds(special, &sources(&[".md"]), &planted("a.md", fault));
}

#[test]
fn git_changes_no_byte() {
    let attributes = fs::read_to_string(root().join(".gitattributes")).unwrap();
    assert_eq!(attributes, "* -text\n");
    let endings = |sources: &[Source]| {
        let foreign = sources.iter().filter(|source| source.text.contains('\r'));
        foreign
            .map(|source| format!("{}: a carriage return", source.path))
            .collect()
    };
    let tree = sources(&[".rs", ".md", ".toml", ".proto", ".cedar", ".txt", "run"]);
    holds(endings, &tree, &planted("a.md", "one\r\n"));
}

#[test]
fn lints_are_expected_with_a_reason_and_never_allowed() {
    let allowed = |sources: &[Source]| {
        let mine = sources
            .iter()
            .filter(|source| source.path != "proto/src/lib.rs");
        let found = mine.filter(|source| {
            let code: String = code(&source.text).split_whitespace().collect();
            code.contains("#[allow(") || code.contains("#![allow(")
        });
        found
            .map(|source| format!("{}: an `allow`", source.path))
            .collect()
    };
    holds(
        allowed,
        &rust(),
        &planted("a.rs", "#![allow(\n    dead_code\n)]\n"),
    );
}

#[test]
fn nothing_is_left_to_do_in_the_text() {
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("to", "do!("),
        concat!("unimple", "mented!("),
    ];
    let left = |sources: &[Source]| {
        lines(sources, |_, line| {
            let word = words.iter().find(|word| line.contains(**word))?;
            Some(format!("`{word}`"))
        })
    };
    let tree = sources(&[
        ".rs",
        ".md",
        ".toml",
        ".proto",
        ".cedar",
        ".cedarschema",
        ".txt",
        "run",
    ]);
    holds(
        left,
        &tree,
        &planted("a.md", &format!("\n<!-- {}: more -->\n", words[0])),
    );
}

#[test]
fn no_path_of_one_machine_is_named() {
    let roots = [
        concat!("/wo", "rk/"),
        concat!("/ro", "ot/"),
        concat!("/ho", "me/"),
    ];
    // A learner's own folder and a test's invented one are no machine's.
    let inside = |before: &str| before.ends_with(".schism") || before.ends_with("data");
    let named = |sources: &[Source]| {
        lines(sources, |_, line| {
            let find = |root: &&&str| {
                let mut places = line.match_indices(**root);
                places.any(|(at, _)| !inside(&line[..at]))
            };
            roots.iter().find(find).map(|root| format!("`{root}`"))
        })
    };
    let tree = sources(&[
        ".rs", ".md", ".toml", ".proto", ".cedar", ".lock", ".txt", "run",
    ]);
    let fault = format!("see .schism{0}x\nsee {0}x\n", roots[0]);
    holds(named, &tree, &planted("a.md", &fault));
}

#[test]
fn the_top_of_the_tree_is_known_entry_by_entry() {
    let listed = Command::new("git")
        .args(["ls-files"])
        .current_dir(root())
        .output();
    let tracked = match listed {
        Ok(output) if output.status.success() => String::from_utf8(output.stdout).unwrap(),
        _ => return println!("SKIPPED: this is not a git checkout"),
    };
    let top: BTreeSet<&str> = tracked
        .lines()
        .filter_map(|path| path.split('/').next())
        .collect();
    assert_eq!(top, BTreeSet::from(TOP));
}

#[test]
fn there_is_one_provider_of_cryptography() {
    let foreign = |sources: &[Source]| {
        lines(sources, |_, line| {
            let name = line.strip_prefix("name = ")?.trim_matches('"');
            let others = [
                "aws-lc-rs",
                "aws-lc-sys",
                "native-tls",
                "openssl",
                "openssl-sys",
            ];
            others
                .contains(&name)
                .then(|| format!("`{name}` beside ring"))
        })
    };
    let text = fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let lock = planted("Cargo.lock", &text);
    assert!(lock[0].text.contains("\nname = \"ring\"\n"));
    holds(
        foreign,
        &lock,
        &planted("Cargo.lock", "[[package]]\nname = \"aws-lc-rs\"\n"),
    );
}
