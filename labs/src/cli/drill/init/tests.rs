//! The questions and their answers, and that what is written is read.

use std::fs;

use clap::Parser as _;

use super::super::super::next::Invocation;
use super::super::super::printer::tests::{Paper, printer, written};
use super::super::super::{Command, Words as All};
use super::*;
use crate::drill::file::{CallWish, Reload, Swap};

const ENOUGH: &str = "schism drill init --address localhost:1 --key k --chain c --trust t \
    --caller cart.shop --call shop.Orders/Get --settle 10s";

fn words(line: &str, file: &Path) -> Words {
    let line = line.split(' ').map(|word| word.replace('~', " "));
    let line = line.chain([file.display().to_string()]);
    match All::try_parse_from(line).unwrap().command {
        Some(Command::Drill(drill)) => match drill.command {
            super::super::Command::Init(words) => words,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn init(line: &str, file: &Path) -> Result<String, Stop> {
    let place = Place {
        folder: None,
        data: None,
        invocation: Invocation::find(Some("schism".into()), |_| None, None::<&Path>),
    };
    let out = Paper::default();
    let (mut printer, _) = printer(out.clone(), false);
    run(&words(line, file), &place, &mut printer).map(|_| written(&out))
}

#[test]
fn without_a_terminal_words_are_enough_and_what_is_written_is_read() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("drill.toml");
    let said = init(ENOUGH, &file).unwrap();
    assert!(
        said.contains("schism drill run --cases leaf-swap"),
        "{said}"
    );
    let drill = DrillFile::read(&file).unwrap();
    assert_eq!(drill.caller.dns.as_deref(), Some("cart.shop"));
    assert_eq!(drill.target.reload, Reload::Watches);
    assert_eq!(drill.target.settle.as_secs(), 10);
    assert_eq!((drill.files.crl, drill.target.start), (None, None));
    assert_eq!(drill.files.swap, Swap::Rename);
}

#[test]
fn every_word_has_its_place_in_the_file() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("all.toml");
    let more = "--crl l.crl --stream GET~/orders/watch --reload nginx~-s~reload --start ./o \
                --swap symlink";
    let said = init(&format!("{ENOUGH} {more}"), &file).unwrap();
    assert!(said.contains("all.toml\n"), "{said}");
    let drill = DrillFile::read(&file).unwrap();
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(
        drill.target.reload,
        Reload::Command(words("nginx -s reload"))
    );
    assert_eq!(drill.target.start, Some(words("./o")));
    assert_eq!(drill.target.settle.as_secs(), 10);
    assert_eq!(drill.files.swap, Swap::Symlink);
    assert!(drill.files.crl.is_some());
    assert!(matches!(drill.calls.stream, Some(CallWish::Http { .. })));
}

#[test]
fn no_file_is_written_over_and_none_is_written_for_nothing() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("drill.toml");
    fs::write(&file, "mine").unwrap();
    let said = init(ENOUGH, &file).unwrap_err().to_string();
    assert!(said.contains("is not written over"), "{said}");
    assert!(write(&file, "x").is_err());
    assert_eq!(fs::read_to_string(&file).unwrap(), "mine");
    let other = temp.path().join("other.toml");
    for (line, part) in [
        (
            "schism drill init --key k --chain c",
            "say `--address`, `--trust`",
        ),
        (
            "schism drill init --address here",
            "`--address`: `address` is `here`",
        ),
        ("schism drill init --settle soon", "`--settle`: `settle` is"),
        ("schism drill init --call GET~orders", "`--call`: `http` is"),
        (
            "schism drill init --key k --trust k",
            "`--trust`: `key` and `trust`",
        ),
    ] {
        let said = init(line, &other).unwrap_err().to_string();
        assert!(said.contains(part), "{line}: {said}");
    }
    assert!(!other.exists());
}

#[test]
fn a_question_is_put_again_until_its_answer_can_be_and_an_end_writes_nothing() {
    let answer = |lines: &[&str]| {
        let (mut printer, err) = printer(Paper::default(), false);
        let mut answers = Answers::default();
        let mut lines = lines.iter();
        let mut line = |printer: &mut Printer, question: &str| {
            printer.note(question);
            Ok(lines.next().map(|line| (*line).to_owned()))
        };
        let done = questions(&mut answers, &mut printer, &mut line);
        (done.map(|()| answers), written(&err))
    };
    let lines = [
        "no port",
        "",
        "",
        "",
        "",
        "",
        "",
        "spiffe://shop.example/cart",
        "GET /orders",
        "",
        "",
        "none",
        "20s",
    ];
    let (answers, err) = answer(&lines);
    let text = answers.unwrap().text();
    let drill = DrillFile::parse("drill.toml", &text, Path::new("/")).unwrap();
    assert_eq!(drill.target.address.to_string(), "localhost:8443");
    assert!(drill.files.key.path.ends_with("tls/tls.key"));
    assert_eq!(drill.target.settle.as_secs(), 20);
    assert!(err.contains("`address` is `no port`"), "{err}");
    assert!(err.contains("this has to be said"), "{err}");
    let (ended, _) = answer(&["", ""]);
    assert_eq!(ended.unwrap_err().exit(), Exit::BadInput);
}

#[test]
fn what_is_said_cannot_be_more_than_a_string() {
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("drill.toml");
    let line = ENOUGH.replace("--key k", "--key a\"~}\\n");
    init(&line, &file).unwrap();
    let drill = DrillFile::read(&file).unwrap();
    assert!(drill.files.key.path.ends_with("a\" }\\n"));
}
