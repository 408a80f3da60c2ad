//! The cases of the key list where the target fetches it from the drill: each fails the planted
//! twin with its fault and passes the good service. With a list in a file they are the run's test.

use std::time::Duration;

use crate::drill::answer::{Answer, CaseRow};
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::planted::Fault;
use crate::drill::run::{Options, Unwatched};

async fn row(fault: Fault, word: &'static str) -> CaseRow {
    // It fetches once a second, and two cores may be busy with other things.
    let setting = Setting {
        settle: Duration::from_secs(4),
        demand: Duration::from_secs(3),
        serves_keys: true,
        is_client: false,
    };
    let options = Options {
        cases: vec![word.to_owned()],
        ..Options::default()
    };
    let exhibit = Exhibit::set_up(fault, setting).unwrap();
    let report = exhibit.run(&options, &mut Unwatched).await.unwrap();
    let mut rows = report.rows.into_iter();
    rows.find(|row| row.word == word).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_finds_its_twin_and_passes_the_good_service() {
    let mut tried = Vec::new();
    for word in ["jwks-new-key", "jwks-removed-key", "jwks-unknown-kid"] {
        let twin: Fault = word.parse().unwrap();
        for (fault, wanted) in [(twin, Answer::Fail), (Fault::None, Answer::Pass)] {
            tried.push((wanted, tokio::spawn(row(fault, word))));
        }
    }
    for (wanted, tried) in tried {
        let row = tried.await.unwrap();
        assert_eq!(row.answer, wanted, "{row:#?}");
    }
}
