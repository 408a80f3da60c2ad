//! A certificate that was taken back, on connections that are open and on sessions that are taken
//! up again: what each dial does about it alone, over real TLS.

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

/// The lab under a posture of three dials.
fn under(lab: &str, recheck: &str, resumption: &str, deadline: &str) -> History {
    let lab = catalog::find(lab).unwrap();
    let posture = format!(
        "[tls]\nrecheck = \"{recheck}\"\nresumption = \"{resumption}\"\n\
         connection_deadline = \"{deadline}\"\n"
    );
    let request = RunRequest {
        scenario: Scenario::parse("lab.toml", lab.lab_toml).unwrap(),
        posture: Posture::parse("posture.toml", &posture).unwrap().0,
        policy: lab.solution_policy.to_owned(),
        seed: 7,
        mutation: Mutation::None,
    };
    Flagship::judged("posture", &request).1
}

/// How the tablet's requests ended after the theft at 12 s, and how often.
fn heard(history: &History) -> BTreeMap<&str, usize> {
    let mut heard = BTreeMap::new();
    for request in &history.requests {
        if request.principal == "tablet" && request.started_us > 12_500_000 {
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

#[test]
fn a_session_taken_up_again_lets_a_revoked_leaf_in_where_nobody_looks_again() {
    let history = under("resume-after-revoke", "handshake", "on", "leaf");
    assert!(exposure_us(&history)["read"] > 40_000_000);
    assert!(heard(&history)["served"] > 400, "{:?}", heard(&history));
}

/// A resumed connection has a chain that nobody judged: it must not pass for one that was.
#[test]
fn a_session_taken_up_again_is_judged_at_each_request_where_the_dial_says_so() {
    for recheck in ["request", "message"] {
        let history = under("resume-after-revoke", recheck, "on", "leaf");
        assert_eq!(exposure_us(&history)["read"], 0, "{recheck}");
        let heard = heard(&history);
        assert!(heard["certificate-revoked"] > 300, "{recheck}: {heard:?}");
        assert_eq!(heard.get("served"), None, "{recheck}: {heard:?}");
    }
}

#[test]
fn without_sessions_a_revoked_leaf_is_refused_by_name_in_each_handshake() {
    let history = under("resume-after-revoke", "handshake", "off", "leaf");
    assert_eq!(exposure_us(&history)["read"], 0);
    let heard = heard(&history);
    assert!(heard["handshake: certificate-revoked"] > 400, "{heard:?}");
    assert_eq!(heard.get("served"), None, "{heard:?}");
}

/// Ordered while the CA is down: it is pending, and done once the CA is back.
#[test]
fn an_order_to_a_ca_that_is_down_is_carried_out_when_it_is_back() {
    let lab = catalog::find("zombie-connection").unwrap();
    let crash = |lasts: &str| {
        let step = format!(
            "[[schedule]]\nat = \"11s\"\n{lasts}do = \"crash\"\nnode = \"ca\"\n\
             power = true\n\n[expect]"
        );
        let text = lab.lab_toml.replacen("[expect]", &step, 1);
        let request = RunRequest {
            scenario: Scenario::parse("lab.toml", &text).unwrap(),
            posture: Posture::hardened(),
            policy: lab.solution_policy.to_owned(),
            seed: 7,
            mutation: Mutation::None,
        };
        Flagship::judged("posture", &request).1.acts.remove(0)
    };
    let done = crash("for = \"8s\"\n");
    assert_eq!((done.asked_us / 1_000_000, done.serials.len()), (12, 1));
    assert!(done.acknowledged_us.unwrap() >= 19_000_000, "{done:?}");
    let pending = crash("");
    assert_eq!(
        (pending.acknowledged_us, pending.asked_us / 1_000_000),
        (None, 12)
    );
}

#[test]
fn a_stream_outlives_what_ends_each_request() {
    let each = |recheck| exposure_us(&under("zombie-connection", recheck, "off", "none"));
    let requests = each("request");
    assert_eq!(requests["read"], 0);
    assert!(requests["watch"] > 60_000_000, "{requests:?}");
    assert_eq!(each("message")["watch"], 0);
}
