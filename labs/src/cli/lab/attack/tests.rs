//! Claims about the attack as a learner types it.

use super::*;
use crate::catalog;

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
