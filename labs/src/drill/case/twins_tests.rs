//! Each case of tokens, bound tokens, hostile certificates, recovery and clients: it fails the
//! planted twin with its fault, and passes the good service. All of a test run at the same time.

use std::time::Duration;

use crate::drill::answer::{Answer, CaseRow};
use crate::drill::exhibit::{Exhibit, Setting};
use crate::drill::planted::Fault;
use crate::drill::run::{Options, Unwatched};

/// What a planted service is told to expect, generous: two cores may be busy with other things.
const SETTLE: Duration = Duration::from_millis(3_500);
const DEMAND: Duration = Duration::from_millis(2_500);

/// The row of one case, run against a planted service with that fault.
async fn row(fault: Fault, word: &'static str, (is_client, serves_keys): (bool, bool)) -> CaseRow {
    let setting = Setting {
        settle: SETTLE,
        demand: DEMAND,
        serves_keys,
        is_client,
    };
    let options = Options {
        cases: vec![word.to_owned()],
        step: Some(Duration::from_millis(100)),
        ..Options::default()
    };
    let exhibit = Exhibit::set_up(fault, setting).unwrap();
    let report = exhibit.run(&options, &mut Unwatched).await.unwrap();
    let rows = report.rows.into_iter();
    rows.into_iter().find(|row| row.word == word).unwrap()
}

/// Every word's twin must be failed, and the good service passed.
async fn each(words: &[&'static str], kind: (bool, bool)) {
    let mut tried = Vec::new();
    for &word in words {
        let twin: Fault = word.parse().unwrap();
        for fault in [twin, Fault::None] {
            tried.push((fault, tokio::spawn(row(fault, word, kind))));
        }
    }
    let mut wrong = Vec::new();
    for (fault, tried) in tried {
        let row = tried.await.unwrap();
        let wanted = match fault {
            Fault::None => Answer::Pass,
            _ => Answer::Fail,
        };
        if row.answer != wanted {
            wrong.push(format!(
                "{} of the service with `{fault}`: {}, {}",
                row.word, row.answer, row.says
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens() {
    let words = [
        "jwks-new-key",
        "jwks-removed-key",
        "jwks-one-kid-two-keys",
        "expired-token",
        "wrong-audience",
        "unsigned-token",
        "token-of-another-leaf",
        "token-after-rotation",
    ];
    each(&words, (false, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_whose_keys_are_fetched() {
    let words = ["jwks-new-key", "jwks-removed-key", "jwks-unknown-kid"];
    each(&words, (false, true)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_certificates() {
    let words = [
        "wrong-name",
        "wrong-trust-domain",
        "two-uri-names",
        "issuer-as-caller",
        "server-certificate-as-caller",
        "leaf-signs-leaf",
        "unknown-critical-extension",
    ];
    each(&words, (false, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovery() {
    let words = ["truncated-chain", "empty-trust", "all-expired"];
    each(&words, (false, false)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_as_a_client() {
    let words = [
        "client-presents-new-leaf",
        "client-pool-keeps-old-leaf",
        "client-refuses-removed-root",
        "client-refuses-expired-server",
        "client-refuses-other-name",
    ];
    each(&words, (true, false)).await;
}
