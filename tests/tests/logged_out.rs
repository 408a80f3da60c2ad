//! Somebody who logged out everywhere, and a copy of his token: what each dial does about it, over
//! real TLS, for requests and for a stream that is open.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::collections::BTreeMap;

use labs::catalog;
use labs::history::{History, Outcome};
use labs::invariant::exposure::exposure_us;
use labs::run::RunRequest;
use labs::scenario::Scenario;
use services::policy::danger::Mutation;
use services::posture::Posture;
use tests::flagship::Flagship;

const LAB: &str = "logout-everywhere";

/// The lab, with its text as `change` leaves it, under a posture of two dials.
fn under(status: &str, freshness: &str, change: impl FnOnce(String) -> String) -> History {
    let lab = catalog::find(LAB).unwrap();
    let posture = format!(
        "[token]\nbinding = \"none\"\nstatus = \"{status}\"\n\
         [policy]\nfreshness = \"{freshness}\"\n"
    );
    let text = change(lab.lab_toml.to_owned());
    let request = RunRequest {
        scenario: Scenario::parse("lab.toml", &text).unwrap(),
        posture: Posture::parse("posture.toml", &posture).unwrap().0,
        policy: lab.solution_policy.to_owned(),
        seed: 7,
        mutation: Mutation::None,
    };
    Flagship::judged("posture", &request).1
}

/// The lab without its cut: nothing else is changed.
fn whole(text: String) -> String {
    let text = text.replacen("between = [[\"south\"], [\"north\", \"east\"]]", WHOLE, 1);
    let floor = text.find("# alice pays").unwrap();
    let rest = text.find("[predict]").unwrap();
    let vary = "\"cut.region\" = [\"south\", \"east\"]\n";
    format!("{}{}", &text[..floor], &text[rest..]).replacen(vary, "", 1)
}

/// A cut that nobody notices: the administrator is asked nothing.
const WHOLE: &str = "between = [[\"admin\"], [\"records.east\"]]";

/// How the requests in chief's name ended between two moments, and how often.
fn heard(history: &History, from_us: u64, to_us: u64) -> BTreeMap<&str, usize> {
    let mut heard = BTreeMap::new();
    for request in &history.requests {
        let during = (from_us..to_us).contains(&request.started_us);
        if request.principal == "chief" && during {
            let name = match &request.outcome {
                Outcome::Served { .. } => "served",
                Outcome::Refused(name) => name,
                Outcome::Unknown => "nothing",
            };
            *heard.entry(name).or_insert(0) += 1;
        }
    }
    heard
}

const SECOND: u64 = 1_000_000;

#[test]
fn where_nobody_looks_a_copied_token_is_good_until_it_expires() {
    let history = under("ignore", "any", |text| text);
    assert!(exposure_us(&history)["read"] > 50 * SECOND);
    let last = heard(&history, 74 * SECOND, 80 * SECOND);
    assert_eq!(last.keys().collect::<Vec<_>>(), [&"token-expired"]);
}

#[test]
fn where_it_is_looked_at_a_copied_token_is_out_with_the_news_and_its_owner_was_served_before() {
    let history = under("check", "any", whole);
    assert!(exposure_us(&history)["read"] < SECOND);
    let before = heard(&history, 2 * SECOND, 12 * SECOND);
    assert_eq!(before.keys().collect::<Vec<_>>(), [&"served"]);
    let after = heard(&history, 13 * SECOND, 60 * SECOND);
    assert_eq!(after.keys().collect::<Vec<_>>(), [&"token-revoked"]);
}

#[test]
fn behind_a_cut_the_news_is_worth_what_the_bound_is_worth() {
    let any = under("check", "any", |text| text);
    assert!(exposure_us(&any)["read"] > 20 * SECOND);
    let bound = under("check", "5s", |text| text);
    assert!(exposure_us(&bound)["read"] < 5 * SECOND);
    let cut = heard(&bound, 18 * SECOND, 33 * SECOND);
    assert_eq!(cut.keys().collect::<Vec<_>>(), [&"policy-stale"]);
    let healed = heard(&bound, 38 * SECOND, 60 * SECOND);
    assert_eq!(healed.keys().collect::<Vec<_>>(), [&"token-revoked"]);
}

#[test]
fn a_stream_that_was_opened_with_a_copy_ends_with_the_log_out() {
    let watched = |text: String| {
        let attack = "actions = [\"read\", \"write\"]\ntag = \"attack\"";
        let text = text.replacen(attack, "actions = [\"watch\"]\ntag = \"attack\"", 1);
        let promise = "exposure = { read = \"10s\", write = \"5s\" }";
        let text = text.replacen(promise, "exposure = { watch = \"5s\" }", 1);
        whole(text.replacen(
            "every = \"200ms\"\nuntil = \"78s\"\ndo = \"replay\"",
            "do = \"replay\"",
            1,
        ))
    };
    let check = under("check", "any", watched);
    assert!(exposure_us(&check)["watch"] < SECOND);
    let ends = check.requests.iter().filter(|r| r.action == "watch");
    let last = ends.max_by_key(|request| request.finished_us).unwrap();
    assert_eq!(last.outcome, Outcome::Refused("token-revoked".to_owned()));
    let ignore = under("ignore", "any", watched);
    assert!(exposure_us(&ignore)["watch"] > 40 * SECOND);
}
