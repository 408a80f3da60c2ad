//! Explanations of hand-made trials, whose causes are known.

use super::super::answer::Answer;
use super::super::trial::Entrant;
use super::*;
use crate::catalog;
use crate::history::sample::Sample;
use crate::report::text::Style;
use crate::report::text::sample::{exposed, judged, solution};
use crate::run::Ran;
use crate::scenario::Scenario;

fn lab() -> Scenario {
    let lab = catalog::find("stale-acl").unwrap();
    Scenario::parse("lab.toml", lab.lab_toml).unwrap()
}

fn trial(sample: &Sample, seed: u64) -> Trial {
    Trial {
        seed,
        scenario: lab(),
        report: judged(&[&sample.history]).remove(0),
        ran: Ran {
            history: sample.history.clone(),
            trace: Vec::new(),
            audit: BTreeMap::new(),
            sightings: Vec::new(),
            wall_ms: 1,
        },
    }
}

fn posture(text: &str) -> (Posture, Places) {
    let (posture, sources) = Posture::parse("posture.toml", text).unwrap();
    let dials = sources.set_by_file();
    let places = dials.filter_map(|dial| match sources.get(dial) {
        services::posture::Source::Line(line) => Some((dial, format!("posture.toml:{line}"))),
        services::posture::Source::Hardened => None,
    });
    (posture, places.collect())
}

const OPEN: &str = "[policy]\nfreshness = \"any\"\non_stale = \"allow\"\n";
const LONG: &str = "[policy]\nfreshness = \"60s\"\non_stale = \"deny\"\n";
const STRICT: &str = "[policy]\nfreshness = \"2.6s\"\non_stale = \"deny\"\n";

fn explained(sample: &Sample, text: &str) -> Explanation {
    let (posture, places) = posture(text);
    explain(&trial(sample, 7), &posture, &places, "x".to_owned()).expect("it failed")
}

#[test]
fn a_wrongful_permit_is_explained_with_its_moment_its_entry_and_its_dials() {
    let told = explained(&exposed(), OPEN);
    assert_eq!(told.rule, "no-permit-after-revoke");
    assert_eq!(
        told.words,
        "nobody revoked is let in later than was promised"
    );
    let first = told.first.unwrap();
    assert_eq!(
        (first.at_us / 1_000, first.node.as_str()),
        (16_510, "records.south")
    );
    assert_eq!(first.request.as_deref(), Some("mallory-33"));
    assert!(
        first.evidence.contains("let in to write (audit entry ")
            && first.evidence.contains(") 4.4 s after")
            && first.evidence.contains("allows 3.0 s"),
        "{}",
        first.evidence
    );
    let entry = first.entry.unwrap();
    assert!(
        entry.starts_with("records.south ") && entry.contains("permit"),
        "{entry}"
    );
    assert!(first.record.unwrap().starts_with("mallory asked write of"));
    let dials: Vec<&str> = told.dials.iter().map(|dial| dial.dial.as_str()).collect();
    assert_eq!(dials, ["policy.freshness", "policy.on_stale"]);
    assert_eq!(told.dials[0].set_at, "posture.toml:2");
    assert!(told.dials[0].effect.contains("of any age may decide read"));
    assert!(told.dials[1].effect.contains("decides all the same"));
    assert_eq!(told.locked_out, []);
}

#[test]
fn a_bound_beyond_the_labs_is_named_with_both_figures() {
    let told = explained(&exposed(), LONG);
    let effect = &told.dials[0].effect;
    assert!(
        effect.contains("a policy 60 s old may still decide read; this lab allows 10 s"),
        "{effect}"
    );
    assert_eq!(told.dials[1].effect, "", "deny is no fault");
}

/// Alice is refused from the cut's begin to its end.
fn strict() -> Sample {
    let mut sample = solution();
    for request in &mut sample.history.requests {
        if request.principal == "alice" && (10_000_000..45_000_000).contains(&request.started_us) {
            request.outcome = Outcome::Refused("policy-stale".to_owned());
        }
    }
    sample.history.audits.clear();
    sample.history.expect.invariants = vec![served::NAME.to_owned()];
    sample
}

#[test]
fn a_posture_that_is_too_strict_is_told_whom_it_locked_out() {
    let told = explained(&strict(), STRICT);
    assert_eq!(told.rule, "legitimate-users-served");
    let [group] = told.locked_out.as_slice() else {
        panic!("{:?}", told.locked_out)
    };
    assert_eq!(
        (group.region.as_str(), group.ok, group.total),
        ("south", 0, 35)
    );
    assert_eq!(
        (group.floor.as_str(), group.heard.as_str()),
        ("15 %", "policy-stale")
    );
    assert_eq!(group.when, "inside cut, read");
    assert!(
        told.dials[0]
            .effect
            .contains("read is refused to everyone once the policy is 2.6 s")
    );
}

#[test]
fn what_passed_is_not_explained_and_what_was_never_refused_by_name_is() {
    let (posture, places) = posture(LONG);
    let sample = solution();
    assert_eq!(causes(&trial(&sample, 1)), []);
    assert_eq!(
        explain(&trial(&sample, 1), &posture, &places, String::new()),
        None
    );
    let mut denied = solution();
    denied.history.expect.refusal = "policy-denied".to_owned();
    let told = explained(&denied, LONG);
    assert_eq!(told.rule, "refusal");
    assert_eq!(told.words, "the attack is refused by policy-denied");
    assert_eq!(told.dials, [], "no dial governs what the policy says");
}

#[test]
fn a_doubt_is_no_pass_and_says_what_is_missing() {
    let mut pending = solution();
    pending.history.acts[0].acknowledged_us = None;
    let told = explained(&pending, LONG);
    assert_eq!(told.rule, "unknown");
    assert!(told.words.contains("never acknowledged"), "{}", told.words);
}

fn answer(samples: &[&Sample], text: &str) -> Answer {
    let (posture, places) = posture(text);
    let entrant = Entrant {
        name: "posture".to_owned(),
        posture,
        policy: String::new(),
    };
    let trials: Vec<Trial> = (1..)
        .zip(samples)
        .map(|(seed, it)| trial(it, seed))
        .collect();
    Answer::of(&lab(), &entrant, &places, &trials)
}

#[test]
fn a_pass_is_one_sentence_of_its_own_figures() {
    let (one, mut two) = (solution(), solution());
    let last = two.history.requests.iter_mut().rfind(|it| {
        it.principal == "alice"
            && it.action == "read"
            && it.started_us > 19_000_000
            && it.started_us < 20_000_000
    });
    last.unwrap().outcome = Outcome::Unknown;
    let answer = answer(&[&one, &two], LONG);
    assert_eq!(answer.verdict, crate::invariant::Verdict::Kept);
    let page = answer.page(&Style::default(), &[]);
    assert_eq!(
        page.split_whitespace().collect::<Vec<_>>().join(" "),
        "Kept on 2 seeds: mallory was refused (policy-stale) on every one, let in for at most read \
         6.9 s, write 1.4 s after the revocation; served at the least: 100 % of legit outside cut, \
         25 % of legit inside cut, read. - Beyond the promise: a policy 60 s old may decide read, \
         and this lab allows 10 s. That no seed here caught it was luck. - Beyond the promise: a \
         policy 60 s old may decide write, and this lab allows 3 s. That no seed here caught it \
         was luck. - Nobody asked to share or watch: what your settings say of that was not tried."
    );
    assert_eq!(answer.explanation, None);
}

#[test]
fn the_first_that_failed_is_explained_whole_and_each_other_has_its_line() {
    let (kept, broken) = (solution(), exposed());
    let answer = answer(&[&kept, &broken, &kept, &broken], OPEN);
    let page = answer.page(
        &Style {
            ascii: true,
            ..Style::default()
        },
        &["next".to_owned()],
    );
    for line in [
        "Broken on 2 of 4 seeds.",
        "Seed 2: cut at 10 s for 35 s in south",
        "  dial       policy.freshness = any (posture.toml:2): a policy of any age may",
        "The other seeds",
        "  seed 4     broken: the attack succeeded (cut at 10 s for 35 s in south)",
        "  kept       seed 1, 3",
        "  next",
    ] {
        assert!(page.lines().any(|it| it == line), "no `{line}` in\n{page}");
    }
    assert!(
        page.is_ascii() && page.lines().all(|line| line.len() <= 80),
        "{page}"
    );
}

#[test]
fn the_json_has_its_shape() {
    let answer = answer(&[&solution(), &exposed()], OPEN);
    let value: serde_json::Value = serde_json::from_str(&answer.json().unwrap()).unwrap();
    let keys = |value: &serde_json::Value| {
        let mut keys: Vec<String> = value.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        keys.join(" ")
    };
    assert_eq!(keys(&value), "explanation format lab seeds verdict");
    assert_eq!(
        (&value["format"], &value["verdict"]),
        (&1.into(), &"broken".into())
    );
    assert_eq!(
        keys(&value["seeds"][0]),
        "exposure_ms refusals seed trace_hash verdict"
    );
    assert_eq!(value["seeds"][1]["verdict"], "broken");
    assert_eq!(
        keys(&value["explanation"]),
        "also dials first locked_out rule run seed smallest variant words"
    );
    assert_eq!(
        keys(&value["explanation"]["dials"][0]),
        "dial effect set_at value"
    );
    let kept = self::answer(&[&solution()], OPEN).json().unwrap();
    assert!(kept.contains("\"explanation\":null"), "{kept}");
}

#[test]
fn a_policy_that_never_let_the_attacker_in_is_told_so() {
    let mut sample = solution();
    for request in &mut sample.history.requests {
        if request.tag == "attack" && request.started_us < 12_000_000 {
            request.outcome = Outcome::Refused("policy-denied".to_owned());
        }
    }
    let (posture, places) = posture(OPEN);
    let told = explain(&trial(&sample, 7), &posture, &places, "x".to_owned());
    let told = told.expect("it is no pass");
    let said = [vec![format!("{}: {}", told.rule, told.words)], told.also].concat();
    assert!(
        said.iter().any(|it| it.contains("this policy does not")),
        "{said:?}"
    );
}

/// Who cannot wait for a quorum gives up, and the node writes down what it would have said.
#[test]
fn a_refusal_that_no_client_heard_still_names_its_dials() {
    let mut sample = solution();
    let mut unheard = Vec::new();
    for request in &mut sample.history.requests {
        if request.principal == "alice" && (10_000_000..45_000_000).contains(&request.started_us) {
            request.outcome = Outcome::Unknown;
            unheard.push(request.id.clone());
        }
    }
    for entry in sample.log("records.south") {
        if unheard.contains(&entry.request) {
            entry.decision = services::audit::entry::Decision::Refuse;
            entry.refusal = Some("policy-stale".to_owned());
        }
    }
    sample.history.expect.invariants = vec![served::NAME.to_owned()];
    let strictest = "[policy]\nfreshness = \"latest\"\non_stale = \"deny\"\n";
    let told = explained(&sample, strictest);
    assert_eq!(told.rule, "legitimate-users-served");
    let [group] = told.locked_out.as_slice() else {
        panic!("{:?}", told.locked_out)
    };
    assert_eq!(
        (group.heard.as_str(), group.logged.as_deref()),
        ("no answer", Some("policy-stale"))
    );
    assert_eq!(told.dials[0].dial, "policy.freshness");
    assert!(
        told.dials[0].effect.contains("who cannot reach a quorum"),
        "{:?}",
        told.dials
    );
}

#[test]
fn the_first_moment_is_one_that_heard_what_most_heard() {
    let mut sample = strict();
    let mut early = sample.history.requests.clone();
    early.retain(|request| request.principal == "alice" && request.started_us < 10_000_000);
    let first = early.iter().find(|request| request.action == "read");
    let first = first.expect("she reads before the cut").id.clone();
    sample
        .history
        .expect
        .floors
        .retain(|it| it.action.is_none());
    for request in &mut sample.history.requests {
        if request.principal != "alice" {
            continue;
        }
        request.outcome = if request.id == first {
            Outcome::Refused("policy-stale".to_owned())
        } else {
            Outcome::Refused("policy-denied".to_owned())
        };
    }
    let told = explained(&sample, STRICT).first.unwrap();
    assert_ne!(told.request, Some(first));
    assert!(
        told.record.as_ref().unwrap().ends_with("policy-denied"),
        "{told:?}"
    );
}

#[test]
fn a_node_without_a_policy_is_not_said_to_have_an_old_one() {
    let mut sample = exposed();
    for entry in sample.log("records.south") {
        (entry.policy_size, entry.as_of_us) = (0, 0);
    }
    let entry = explained(&sample, OPEN).first.unwrap().entry.unwrap();
    assert!(entry.ends_with("before it had any policy"), "{entry}");
}
