//! Claims about progress: what is kept, merged, and left alone.

use super::*;

fn workspace(temp: &tempfile::TempDir) -> Workspace {
    Workspace::find(None, Some(temp.path().into())).unwrap()
}

fn every_fact() -> Vec<Fact> {
    let lab = || "a-lab".to_owned();
    vec![
        Fact::Started { lab: lab() },
        Fact::Predicted {
            lab: lab(),
            seconds: 5,
            measured_ms: 33_210,
        },
        Fact::Unguessed { lab: lab() },
        Fact::Attacked {
            lab: lab(),
            harm: Harm::Exposure,
            ms: 33_210,
        },
        Fact::Reached {
            lab: lab(),
            exposure_ms: 33_210,
        },
        Fact::Hinted { lab: lab(), n: 12 },
        Fact::Passed {
            lab: lab(),
            seeds: 8,
            posture_sha256: "3f".repeat(32),
        },
        Fact::AnsweredOne {
            lab: lab(),
            n: 2,
            right: false,
        },
        Fact::Answered {
            lab: lab(),
            right: 3,
            of: 4,
        },
        Fact::SolutionSeen { lab: lab() },
    ]
}

#[test]
fn every_fact_is_read_back_as_it_was_recorded() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(&temp);
    assert_eq!(Progress::read(&workspace).unwrap(), Progress::default());
    for fact in &every_fact() {
        Progress::record(&workspace, fact).unwrap();
        Progress::record(&workspace, fact).unwrap();
    }
    let progress = Progress::read(&workspace).unwrap();
    assert_eq!(progress.facts, every_fact().into_iter().collect());
    assert_eq!(progress.facts("another").count(), 0);
    assert!(progress.has_passed("a-lab") && !progress.has_passed("another"));
    assert_eq!(progress.hints_given("a-lab"), 12);
}

#[test]
fn a_torn_line_is_no_fact_and_the_next_one_is_whole() {
    for fact in every_fact() {
        let line = fact.to_string();
        for end in 0..line.len() {
            assert_eq!(Fact::read(&line[..end]), None, "{}", &line[..end]);
        }
        let temp = tempfile::tempdir().unwrap();
        let workspace = workspace(&temp);
        make_root(&workspace).unwrap();
        fs::write(file(&workspace), &line[..line.len() - 1]).unwrap();
        Progress::record(&workspace, &fact).unwrap();
        let progress = Progress::read(&workspace).unwrap();
        assert_eq!(progress.facts, BTreeSet::from([fact]));
    }
}

#[test]
fn two_files_merge_as_a_union_whatever_the_order_and_strange_lines_stay() {
    let facts = every_fact();
    let lines: Vec<String> = facts.iter().map(Fact::to_string).collect();
    let strange = "<<<<<<< mine\na-lab mastered in 3 days\na-lab hint many given\n";
    let one = format!("\u{feff}{}\r\n{strange}", lines.join("\r\n"));
    let other = format!("{strange}{}\n", lines[3..].join("\n"));
    let expected: BTreeSet<Fact> = facts.into_iter().collect();
    assert_eq!(Progress::facts_of(&(one.clone() + &other)), expected);
    assert_eq!(
        Progress::facts_of(&(other + one.trim_start_matches('\u{feff}'))),
        expected
    );

    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(&temp);
    make_root(&workspace).unwrap();
    fs::write(file(&workspace), format!("{strange}\u{feff}").into_bytes()).unwrap();
    Progress::record(&workspace, &every_fact()[0]).unwrap();
    let text = fs::read_to_string(file(&workspace)).unwrap();
    assert!(text.starts_with(strange), "{text}");
    let unread = Progress::read(&workspace).unwrap().unread();
    assert!(unread.unwrap().starts_with("3 lines of your progress"));
    fs::write(file(&workspace), b"\xff\xfe\na-lab started\n").unwrap();
    assert_eq!(
        Progress::read(&workspace).unwrap().facts("a-lab").count(),
        1
    );
}

#[test]
fn the_last_lab_is_one_word_or_none() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(&temp);
    let last = || {
        Progress::read(&workspace)
            .unwrap()
            .last()
            .map(str::to_owned)
    };
    assert_eq!(last(), None);
    for word in ["a-lab", "/a folder/b"] {
        Progress::set_last(&workspace, word).unwrap();
        assert_eq!(last().as_deref(), Some(word));
    }
    fs::write(last_file(&workspace), " \n").unwrap();
    assert_eq!(last(), None);
    fs::remove_file(last_file(&workspace)).unwrap();
    fs::create_dir(last_file(&workspace)).unwrap();
    let error = Progress::read(&workspace).unwrap_err().to_string();
    assert!(error.contains("/last`: "), "{error}");
}

#[test]
fn a_quiz_that_was_broken_off_goes_on_where_it_was() {
    let temp = tempfile::tempdir().unwrap();
    let workspace = workspace(&temp);
    let score = || Progress::read(&workspace).unwrap().begun_quiz("a-lab", 4);
    let answer = |n, right| {
        let lab = "a-lab".to_owned();
        Progress::record(&workspace, &Fact::AnsweredOne { lab, n, right }).unwrap();
    };
    assert_eq!(score(), Score::default());
    answer(5, true);
    answer(1, true);
    answer(3, true);
    assert_eq!(score(), Score { right: 1, of: 1 }, "the second is open");
    answer(2, false);
    assert_eq!(score(), Score { right: 2, of: 3 });
    answer(1, false);
    assert_eq!(
        score(),
        Score { right: 1, of: 3 },
        "of two answers the worse"
    );
}
