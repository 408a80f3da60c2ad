//! `vanished-forbid` from end to end: a rule whose list is not there yet, under both values of
//! `policy.errors`, and what is left of the attack when rule and list are one act.

use std::ops::ControlFlow;

use labs::history::History;
use labs::invariant::Verdict;
use labs::report::control::control;
use labs::report::{Attack, RunFacts, RunReport};
use labs::run::{Ran, RunRequest, run};
use labs::scenario::{Act, Scenario};
use labs::trace::trace_hash;
use services::policy::danger::Mutation;
use services::posture::{Errors, Posture};

const LAB: &str = include_str!("../../labs/catalog/vanished-forbid/lab.toml");
const POLICY: &str = include_str!("../../labs/catalog/vanished-forbid/exposed/policy.cedar");

fn lab() -> Scenario {
    Scenario::parse("lab.toml", LAB).expect("the lab parses")
}

fn ran(scenario: &Scenario, errors: Errors, seed: u64) -> Ran {
    let mut posture = Posture::hardened();
    posture.policy.errors = errors;
    let request = RunRequest {
        scenario: scenario.clone(),
        posture,
        policy: POLICY.to_owned(),
        seed,
        mutation: Mutation::None,
    };
    run(&request, &mut |_| ControlFlow::Continue(())).expect("the world holds")
}

fn judged(scenario: &Scenario, errors: Errors, seed: u64) -> (RunReport, History) {
    let history = ran(scenario, errors, seed).history;
    let posture = errors.word().to_owned();
    let facts = RunFacts {
        posture,
        ..RunFacts::default()
    };
    (RunReport::judge(&history, facts), history)
}

#[test]
fn skipping_a_rule_without_its_list_lets_the_suspended_in_under_that_very_rule() {
    let (exposed, open) = judged(&lab(), Errors::Skip, 7);
    let (solution, closed) = judged(&lab(), Errors::Deny, 7);
    let verdict = control(&[exposed.clone(), solution.clone()], &[&open, &closed]);
    assert_eq!(verdict.verdict, Verdict::Kept, "{:?}", verdict.reasons);
    assert_eq!(exposed.attack, Attack::Succeeded);
    assert_eq!(solution.attack, Attack::Refused);
    let [rule, list] = open.acts.as_slice() else {
        panic!("two acts: {:?}", open.acts);
    };
    assert!(rule.acknowledged_us < list.acknowledged_us);
    // Whoever let her in after the acknowledgement had the rule.
    let after = rule.acknowledged_us.expect("acknowledged") + 1_000_000;
    let log = open.audits["records.south"].as_ref().expect("it verifies");
    let mallory = log.iter().filter(|entry| {
        entry.principal == "mallory"
            && entry.at_us - open.epoch_us > after
            && entry.refusal.is_none()
    });
    let sizes: Vec<u64> = mallory.map(|entry| entry.policy_size).collect();
    assert!(sizes.len() > 50 && sizes.iter().all(|size| *size == rule.policy_size));
}

/// Rule and list in one entry: no node has one without the other, so nothing is left to skip.
#[test]
fn rule_and_list_in_one_act_leave_no_moment_between_them() {
    let mut scenario = lab();
    let list = scenario
        .schedule
        .iter()
        .position(|step| step.act.verb() == "put_entities");
    let list = scenario.schedule.remove(list.expect("the lab puts a list"));
    let Act::PutEntities { entities: put, .. } = list.act else {
        panic!("{list:?}");
    };
    let Act::PutPolicy { entities, .. } = &mut scenario.schedule[0].act else {
        panic!("{:?}", scenario.schedule[0]);
    };
    *entities = put;
    for errors in [Errors::Skip, Errors::Deny] {
        let (report, history) = judged(&scenario, errors, 7);
        assert_ne!(report.attack, Attack::Succeeded);
        assert_eq!(report.refusals.get("policy-error"), None);
        let after = history.acts[0].acknowledged_us.expect("acknowledged") + 500_000;
        let later = history
            .requests
            .iter()
            .filter(|request| request.started_us > after);
        for request in later.filter(|request| request.tag != "attack") {
            assert!(request.outcome.is_served(), "{request:?}");
        }
    }
}

/// The administrator's act gets through once the line is back, and an act that never does is
/// pending: nobody may call such a run a pass.
#[test]
fn an_act_that_never_gets_through_leaves_the_verdict_unknown() {
    let mut scenario = lab();
    let cut = scenario
        .schedule
        .iter()
        .position(|step| step.act.verb() == "partition");
    let cut = &mut scenario.schedule[cut.expect("the lab cuts")];
    cut.lasts = None;
    cut.at = std::time::Duration::from_secs(9);
    let (report, history) = judged(&scenario, Errors::Deny, 7);
    assert_eq!(history.acts.len(), 2);
    assert!(history.acts.iter().all(|act| act.acknowledged_us.is_none()));
    assert_eq!(report.attack, Attack::Unknown);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let hash = || trace_hash(&ran(&lab(), Errors::Skip, 11).trace);
    assert_eq!(hash(), hash());
}
