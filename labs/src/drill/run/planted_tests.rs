//! Every case of leaf, trust, revocation and time finds the planted service that is bad in its
//! way, and passes the good one. Those of the other groups are shown where their cases are.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Options, Unwatched};
use crate::drill::answer::{Answer, CaseRow, Group, Report};
use crate::drill::case::{self, Case, Need};
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::planted::Fault;

/// How many run at a time: they wait for most of their time, and handshakes cost some.
const AT_ONCE: usize = 64;

/// The groups that are shown here.
const GROUPS: [Group; 4] = [Group::Leaf, Group::Trust, Group::Revocation, Group::Time];

/// What one run shows: of which fault, and what each of its cases must answer.
struct Show {
    fault: Fault,
    cases: Vec<&'static Case>,
    wanted: Answer,
}

impl Show {
    async fn run(&self) -> Report {
        let needs = |need| self.cases.iter().any(|case| case.needs.contains(&need));
        // The service looks at its files twenty times a second, and the two cores are busy.
        let setting = Setting {
            settle: Duration::from_secs(4),
            demand: Duration::from_secs(3),
            serves_keys: needs(Need::Listen),
            is_client: self.cases[0].group == Group::Client,
        };
        let exhibit = Exhibit::set_up(self.fault, setting).unwrap();
        let options = Options {
            cases: self.cases.iter().map(|it| it.word.to_owned()).collect(),
            ..Options::default()
        };
        exhibit.run(&options, &mut Unwatched).await.unwrap()
    }

    /// What is wrong with the answers.
    fn wrong(&self, report: &Report) -> Vec<String> {
        let words: BTreeSet<&str> = report.rows.iter().map(|row| row.word.as_str()).collect();
        let missing = self.cases.iter().filter(|it| !words.contains(it.word));
        let missing = missing.map(|case| format!("{}: no row", case.word));
        let tries = |row: &CaseRow| row.answer != Answer::Fail || row.tries.len() >= 3;
        let wrong = report
            .rows
            .iter()
            .filter(|row| row.answer != self.wanted || !tries(row));
        let told = |row: &CaseRow| format!("{} on {}: {row:#?}", row.word, self.fault);
        missing.chain(wrong.map(told)).collect()
    }
}

/// The good service once for each group, and for each case its own bad twin.
fn shows() -> Vec<Show> {
    let of = |group| case::all().into_iter().filter(move |it| it.group == group);
    let good = GROUPS.into_iter().map(|group| Show {
        fault: Fault::None,
        cases: of(group).collect(),
        wanted: Answer::Pass,
    });
    let bad = GROUPS.into_iter().flat_map(of).map(|case| Show {
        fault: case.word.parse().unwrap(),
        cases: vec![case],
        wanted: Answer::Fail,
    });
    good.chain(bad).filter(|it| !it.cases.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_case_passes_the_good_service_and_fails_its_own_bad_twin() {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for show in shows() {
        let permits = Arc::clone(&permits);
        runs.spawn(async move {
            let _permit = permits.acquire_owned().await.unwrap();
            let report = show.run().await;
            show.wrong(&report)
        });
    }
    let mut wrong = Vec::new();
    while let Some(ran) = runs.join_next().await {
        wrong.extend(ran.unwrap());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
