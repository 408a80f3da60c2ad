//! Every case finds the planted service that is bad in its way, and passes the good one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Options, Unwatched};
use crate::drill::answer::{Answer, Group, Report};
use crate::drill::case;
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::planted::Fault;

/// A service that looks at its files twenty times a second, and the two cores are busy.
const SETTING: Setting = Setting {
    settle: Duration::from_secs(4),
    demand: Duration::from_secs(3),
    serves_keys: false,
    is_client: false,
};

async fn drilled(fault: Fault, cases: Vec<String>) -> Report {
    let exhibit = Exhibit::set_up(fault, SETTING).unwrap();
    let options = Options {
        cases,
        ..Options::default()
    };
    exhibit.run(&options, &mut Unwatched).await.unwrap()
}

const OURS: [Group; 4] = [Group::Leaf, Group::Trust, Group::Revocation, Group::Time];

fn ours() -> Vec<&'static str> {
    let cases = case::all().into_iter();
    let ours = cases.filter(|case| OURS.contains(&case.group));
    ours.map(|case| case.word).collect()
}

#[tokio::test]
async fn the_good_service_passes_every_case() {
    let words = ours().into_iter().map(str::to_owned).collect();
    let report = drilled(Fault::None, words).await;
    let told: BTreeMap<_, _> = report
        .rows
        .iter()
        .map(|row| (row.word.as_str(), (row.answer, row.says.as_str())))
        .collect();
    for word in ours() {
        assert_eq!(told[word].0, Answer::Pass, "{word}: {report:#?}");
    }
}

/// How many twins run at a time: they wait for most of their time, and handshakes cost some.
const AT_ONCE: usize = 22;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_case_fails_its_own_bad_twin() {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for word in ours() {
        let permits = Arc::clone(&permits);
        runs.spawn(async move {
            let _permit = permits.acquire_owned().await.unwrap();
            let fault: Fault = word.parse().unwrap();
            (word, drilled(fault, vec![word.to_owned()]).await)
        });
    }
    let mut wrong = Vec::new();
    while let Some(ran) = runs.join_next().await {
        let (word, report) = ran.unwrap();
        let row = &report.rows[0];
        if (row.word.as_str(), row.answer) != (word, Answer::Fail) || row.tries.len() < 3 {
            wrong.push(format!("{word}: {row:#?}"));
        }
        println!("{word} {:?} {} {} ms", row.answer, row.says, row.took_ms);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
