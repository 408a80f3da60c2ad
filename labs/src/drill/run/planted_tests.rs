//! Every case finds the planted service that is bad in its way, and passes the good one.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{Options, Unwatched, run_kept};
use crate::drill::answer::{Answer, Group, Report};
use crate::drill::case;
use crate::drill::file::DrillFile;
use crate::drill::planted::{Fault, Kept};

/// A drill.toml whose target is a planted service.
pub(in crate::drill) fn toml(folder: &Path, more: &str) -> DrillFile {
    // A port that was free a moment ago; the service takes it when the drill starts it.
    let port = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = port.local_addr().unwrap().port();
    let text = format!(
        r#"
        format = 1
        [target]
        address = "127.0.0.1:{port}"
        reload = []
        settle = "4s"
        uri = "spiffe://shop.example/orders"
        dns = ["localhost"]
        [files]
        key = "tls.key"
        chain = "tls.crt"
        trust = "ca.crt"
        crl = "crl.pem"
        [caller]
        uri = "spiffe://shop.example/cart"
        [calls]
        allowed = "schism.drill.v1.Orders/Get"
        stream = "schism.drill.v1.Orders/Watch"
        {more}
        "#
    );
    let path = folder.join("drill.toml");
    std::fs::write(&path, text).unwrap();
    DrillFile::read(&path).unwrap()
}

async fn drilled(fault: Fault, cases: Vec<String>) -> Report {
    let folder = TempDir::new().unwrap();
    let drill = toml(folder.path(), "");
    let kept = Box::new(Kept::of(&drill, fault));
    let options = Options {
        cases,
        ..Options::default()
    };
    run_kept(&drill, &options, Some(kept), &mut Unwatched)
        .await
        .unwrap()
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
const AT_ONCE: usize = 11;

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
