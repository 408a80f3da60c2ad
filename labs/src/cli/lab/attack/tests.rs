//! Claims about the attack as a learner types it.

use super::*;
use crate::catalog;

#[test]
fn a_guess_is_a_number_of_seconds_however_it_is_typed() {
    for (said, guess) in [
        ("12", 12),
        (" 12 s ", 12),
        ("12s", 12),
        ("12.5", 13),
        ("12,4 sec", 12),
        ("0", 0),
        ("33 Seconds", 33),
    ] {
        assert_eq!(seconds(said), Some(guess), "{said}");
    }
    for said in [
        "", "soon", "-1", "1e3", "12 min", "1.", ".5", "1234567", "12 s s", "1.2.3",
    ] {
        assert_eq!(seconds(said), None, "{said}");
    }
}

fn ask(answers: &[Option<&str>]) -> (Guess, Vec<String>) {
    let (mut asked, mut answers) = (Vec::new(), answers.iter());
    let said = prediction("How long?", &mut |question| {
        asked.push(question.to_owned());
        Ok(answers.next().copied().flatten().map(str::to_owned))
    });
    (said.unwrap(), asked)
}

#[test]
fn what_is_no_number_is_asked_again_and_nothing_goes_on_without() {
    let (said, asked) = ask(&[Some("33 s")]);
    assert_eq!((said, asked.len()), (Guess::Seconds(33), 1));
    assert!(asked[0].contains("How long?"), "{asked:?}");
    let (said, asked) = ask(&[Some("long"), Some("9")]);
    assert_eq!((said, asked.len()), (Guess::Seconds(9), 2));
    assert!(asked[1].starts_with("A number of seconds"), "{asked:?}");
    assert_eq!(ask(&[Some(" ")]).0, Guess::None);
    assert_eq!(ask(&[None]).0, Guess::None);
    assert_eq!(
        ask(&[Some("a"), Some("b"), Some("c"), Some("4")]),
        (Guess::NoNumber, {
            let again = "A number of seconds, such as 12, or nothing to go on without a guess:";
            let first = "Before you look: How long? Your guess in seconds:";
            vec![first.to_owned(), again.to_owned(), again.to_owned()]
        })
    );
}

#[test]
fn the_questions_are_those_of_the_readme() {
    let readme = catalog::find("stale-acl").unwrap().readme;
    let questions = questions(readme);
    assert!(questions.len() >= 3, "{questions:?}");
    assert!(questions[0].contains("What can it know?"), "{questions:?}");
    assert!(
        questions.iter().all(|it| it.trim_end().ends_with('?')),
        "{questions:?}"
    );
    assert_eq!(super::questions("no such part"), Vec::<String>::new());
}
