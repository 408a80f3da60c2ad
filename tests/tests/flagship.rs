//! `stale-acl` from end to end: its control, its figures, and what a stepped clock does to it.

use std::ops::ControlFlow;
use std::time::Duration;

use labs::course::answer::Answer;
use labs::course::explain::Places;
use labs::course::trial::{Entrant, trial};
use labs::history::{Outcome, Renewal};
use labs::invariant::Verdict;
use labs::report::Attack;
use labs::scenario::{Act, Messages, Step};
use labs::trace::trace_hash;
use services::posture::{Freshness, Recheck};
use tests::flagship::{Flagship, Side};

/// Ends of the cut in the lab's schedule, microseconds.
const CUT: (u64, u64) = (10_000_000, 45_000_000);

fn keeps_its_control(seeds: std::ops::RangeInclusive<u64>) {
    for seed in seeds {
        let flagship = Flagship::new(seed);
        let (exposed, open) = flagship.judge(Side::Exposed);
        let (solution, closed) = flagship.judge(Side::Solution);
        let verdict =
            labs::report::control::control(&[exposed.clone(), solution.clone()], &[&open, &closed]);
        assert_eq!(
            verdict.verdict,
            Verdict::Kept,
            "seed {seed}: {:?}",
            verdict.reasons
        );
        assert_eq!(exposed.attack, Attack::Succeeded, "seed {seed}");
        let acknowledged = open.acts[0].acknowledged_us.expect("acknowledged");
        let heal = (CUT.1 - acknowledged) / 1_000;
        for (action, exposure) in &exposed.exposure_ms {
            assert!(
                exposure + 1_500 > heal,
                "seed {seed}: {action} {exposure} of {heal} ms"
            );
        }
        let tolerance = 500;
        for (action, promised) in [("read", 10_000), ("write", 3_000)] {
            let exposure = solution.exposure_ms.get(action).copied().unwrap_or(0);
            assert!(
                exposure <= promised + tolerance,
                "seed {seed}: {action} {exposure} ms"
            );
        }
        for history in [&open, &closed] {
            let during = |at: u64| CUT.0 <= at && at < CUT.1;
            let renewed = |ok: bool, when: &dyn Fn(u64) -> bool| {
                let is = |renewal: &&Renewal| renewal.ok == ok && when(renewal.at_us);
                history.renewals.iter().filter(is).count()
            };
            assert!(
                renewed(true, &|at| at < CUT.0) > 0,
                "seed {seed}: none before"
            );
            assert!(
                renewed(false, &during) > 0,
                "seed {seed}: none failed during"
            );
            assert!(
                renewed(true, &|at| at >= CUT.1) > 0,
                "seed {seed}: none after"
            );
        }
    }
}

// In pieces, so that two cores share them.
#[test]
fn seeds_1_to_10_keep_the_control() {
    keeps_its_control(1..=10);
}

#[test]
fn seeds_11_to_20_keep_the_control() {
    keeps_its_control(11..=20);
}

#[test]
fn seeds_21_to_30_keep_the_control() {
    keeps_its_control(21..=30);
}

#[test]
fn seeds_31_to_40_keep_the_control() {
    keeps_its_control(31..=40);
}

#[test]
fn seeds_41_to_50_keep_the_control() {
    keeps_its_control(41..=50);
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let hash = |seed| trace_hash(&Flagship::new(seed).run(Side::Solution).trace);
    assert_eq!(hash(3), hash(3));
    assert_ne!(hash(3), hash(4));
}

/// The flagship with one node's clock stepped for a while.
fn stepped(node: &str, by_ms: i64, at: u64, lasts: u64) -> Flagship {
    let mut flagship = Flagship::new(7);
    flagship.scenario.schedule.push(Step {
        name: None,
        at: Duration::from_secs(at),
        lasts: Some(Duration::from_secs(lasts)),
        every: None,
        until: None,
        act: Act::Skew {
            node: node.to_owned(),
            by_ms,
        },
    });
    flagship
}

/// Refusals that users of one region heard between two moments, in seconds.
fn heard(history: &labs::history::History, region: &str, from: u64, to: u64) -> Vec<String> {
    let during = |at: u64| (from * 1_000_000..to * 1_000_000).contains(&at);
    let asked = history.requests.iter();
    let asked = asked.filter(|asked| asked.region == region && during(asked.started_us));
    let mut names: Vec<String> = asked
        .filter_map(|asked| match &asked.outcome {
            Outcome::Refused(name) => Some(name.clone()),
            Outcome::Served { .. } | Outcome::Unknown => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn a_clock_ahead_finds_every_policy_stale() {
    let (_, history) = stepped("records.north", 20_000, 50, 5).judge(Side::Solution);
    let names = heard(&history, "north", 51, 54);
    assert!(names.contains(&"policy-stale".to_owned()), "{names:?}");
    assert!(
        heard(&history, "north", 57, 58).is_empty(),
        "and recovers when it is right again"
    );
    assert!(
        heard(&history, "east", 51, 54).is_empty(),
        "nobody else is hurt"
    );
}

#[test]
fn a_clock_behind_finds_tokens_not_yet_valid_or_the_policy_from_the_future() {
    let (_, history) = stepped("records.north", -20_000, 50, 5).judge(Side::Solution);
    let names = heard(&history, "north", 51, 54);
    let named = [
        "token-not-yet-valid",
        "policy-stale",
        "certificate-not-yet-valid",
    ];
    assert!(
        !names.is_empty() && names.iter().all(|name| named.contains(&&**name)),
        "{names:?}"
    );
}

#[test]
fn a_clock_set_back_during_the_cut_buys_a_revoked_user_time_and_the_checker_says_so() {
    let (report, history) = stepped("records.south", -6_000, 16, 25).judge(Side::Solution);
    assert_eq!(report.attack, Attack::Succeeded, "{:?}", report.exposure_ms);
    assert!(Flagship::broken(&history).contains(&"no-permit-after-revoke"));
}

/// The flagship with one more user, who watches a record in the north, where nothing is cut.
fn watched(revoked: bool, recheck: Recheck) -> labs::history::History {
    let mut flagship = Flagship::new(7);
    let user = |region: &str| labs::scenario::User {
        name: "mallory".to_owned(),
        role: "nurse".to_owned(),
        region: region.to_owned(),
    };
    flagship
        .scenario
        .world
        .users
        .retain(|user| user.name != "mallory");
    flagship.scenario.world.users.push(user("north"));
    flagship.scenario.schedule.retain(|step| match &step.act {
        Act::Request { as_, .. } => as_ != "mallory",
        Act::Revoke { .. } => revoked,
        _ => true,
    });
    flagship.scenario.schedule.push(Step {
        name: None,
        at: Duration::from_secs(2),
        lasts: None,
        every: None,
        until: None,
        act: Act::Request {
            as_: "mallory".to_owned(),
            via: "records.north".to_owned(),
            actions: vec!["watch".to_owned()],
            tag: "attack".to_owned(),
            resource: None,
            edge: false,
            forging: None,
        },
    });
    let mut request = flagship.request(Side::Solution);
    request.posture.tls.recheck = recheck;
    Flagship::judged("watched", &request).1
}

/// True times in seconds of a user's last served message and of the refusal that ended the stream.
fn stream_of(history: &labs::history::History) -> (u64, Option<(u64, String)>) {
    let mut last = 0;
    for heard in history
        .requests
        .iter()
        .filter(|heard| heard.principal == "mallory")
    {
        match &heard.outcome {
            Outcome::Served { .. } => last = heard.started_us / 1_000_000,
            Outcome::Refused(name) => {
                return (last, Some((heard.started_us / 1_000_000, name.clone())));
            }
            Outcome::Unknown => {}
        }
    }
    (last, None)
}

#[test]
fn an_open_stream_is_decided_again_and_ends_with_the_revocation() {
    let (last, ended) = stream_of(&watched(true, Recheck::Message));
    assert!(
        (10..=12).contains(&last),
        "served until the revocation at 12 s, not {last}"
    );
    let (at, name) = ended.expect("the stream was refused");
    assert_eq!((at, &*name), (12, "policy-denied"));
    let (last, ended) = stream_of(&watched(false, Recheck::Message));
    assert!(last > 13, "without it the stream goes on: {last} {ended:?}");
    let (last, ended) = stream_of(&watched(true, Recheck::Handshake));
    assert!(
        last > 13,
        "and so it does where nobody looks again: {last} {ended:?}"
    );
}

/// Mallory watches across a line that is down for a second and a half; what is decided meanwhile
/// waits on the way.
#[test]
fn a_message_that_a_cut_holds_up_is_judged_by_when_it_was_decided() {
    let mut flagship = Flagship::new(7);
    flagship.scenario.world.duration = Duration::from_secs(8);
    flagship.scenario.schedule.retain_mut(|step| {
        if step.act.verb() == "partition" {
            (step.at, step.lasts) = (
                Duration::from_millis(2_600),
                Some(Duration::from_millis(1_500)),
            );
        }
        let is_mallorys = matches!(&step.act, Act::Request { as_, .. } if as_ == "mallory");
        !is_mallorys && step.act.verb() != "revoke"
    });
    let step = |at: u64, act: Act| Step {
        name: None,
        at: Duration::from_millis(at),
        lasts: None,
        every: None,
        until: None,
        act,
    };
    let watch = Act::Request {
        as_: "mallory".to_owned(),
        via: "records.north".to_owned(),
        actions: vec!["watch".to_owned()],
        tag: "attack".to_owned(),
        resource: None,
        edge: false,
        forging: None,
    };
    let (principal, role) = ("emil".to_owned(), "visitor".to_owned());
    let news = step(2_650, Act::Grant { principal, role });
    flagship
        .scenario
        .schedule
        .extend([step(1_500, watch), news]);
    let mut request = flagship.request(Side::Solution);
    request
        .posture
        .policy
        .freshness
        .set("watch", Freshness::Latest);
    let (_, history) = Flagship::judged("watched", &request);
    let decisions = history.decisions();
    let messages = decisions.iter().filter(|it| it.entry.action == "watch");
    let held_up = |it: &&labs::history::Decided<'_>| {
        let heard_us = it.request.and_then(|heard| heard.finished_us);
        assert!(it.consistent, "{it:?}");
        heard_us.is_some_and(|heard_us| heard_us > it.latest_us + 500_000)
    };
    assert!(messages.filter(held_up).count() > 0, "nothing was held up");
    assert!(!Flagship::broken(&history).contains(&"no-permit-on-stale-policy"));
}

/// No courier carries anything here but, the second time, one request.
#[test]
fn the_calls_that_are_counted_are_all_between_nodes_and_each_is_counted_once() {
    let step = |at: u64, act: Act| Step {
        name: None,
        at: Duration::from_millis(at),
        lasts: None,
        every: None,
        until: None,
        act,
    };
    let hold = Act::Hold(Messages {
        kind: "policy-update".to_owned(),
        from: None,
        to: None,
    });
    let ask = Act::Request {
        as_: "alice".to_owned(),
        via: "records.north".to_owned(),
        actions: vec!["read".to_owned()],
        tag: "legit".to_owned(),
        resource: None,
        edge: false,
        forging: None,
    };
    let mut flagship = Flagship::new(7);
    flagship.scenario.world.duration = Duration::from_secs(5);
    flagship.scenario.schedule = vec![step(0, hold)];
    let quiet = flagship.run(Side::Solution).history;
    // Three witnesses cosign each second, and everyone was enrolled.
    assert!(quiet.rpcs > 4 * 3 + 13, "{}", quiet.rpcs);
    flagship.scenario.schedule.push(step(3_500, ask));
    let asked = flagship.run(Side::Solution).history;
    assert_eq!(asked.requests.len(), 1);
    assert_eq!(asked.rpcs, quiet.rpcs + 1);
}

#[test]
fn a_clock_that_was_wrong_for_a_while_stops_no_renewal() {
    // Before the first renewal of anyone, so that each has one to come.
    for node in ["records.east", "ca"] {
        let (_, history) = stepped(node, 300_000, 2, 2).judge(Side::Solution);
        let renewed = |renewal: &&Renewal| {
            renewal.ok && renewal.node == "records.east" && renewal.at_us > 4_000_000
        };
        assert!(
            history.renewals.iter().any(|renewal| renewed(&renewal)),
            "{node}"
        );
    }
}

/// The flagship, in whose cut-off region a record is written whose node then crashes; whether a
/// region that never saw the write can read it `at` this second.
fn read_elsewhere(at: u64) -> Vec<Outcome> {
    let mut flagship = Flagship::new(7);
    let step = |at: u64, lasts: Option<u64>, act: Act| Step {
        name: None,
        at: Duration::from_secs(at),
        lasts: lasts.map(Duration::from_secs),
        every: None,
        until: None,
        act,
    };
    let ask = |who: &str, region: &str, action: &str| Act::Request {
        as_: who.to_owned(),
        via: format!("records.{region}"),
        actions: vec![action.to_owned()],
        tag: "late".to_owned(),
        resource: Some("r9".to_owned()),
        edge: false,
        forging: None,
    };
    let (node, power) = ("records.south".to_owned(), true);
    flagship.scenario.schedule.extend([
        step(11, None, ask("alice", "south", "write")),
        step(14, Some(3), Act::Crash { node, power }),
        step(at, None, ask("nadia", "north", "read")),
    ]);
    let (_, history) = flagship.judge(Side::Solution);
    let late = history.requests.iter().filter(|asked| asked.tag == "late");
    late.map(|asked| asked.outcome.clone()).collect()
}

#[test]
fn a_write_of_a_cut_off_region_reaches_the_others_though_its_node_crashed_meanwhile() {
    let during = read_elsewhere(40);
    assert!(during[0].is_served(), "written: {during:?}");
    assert_eq!(during[1], Outcome::Refused("no-such-record".to_owned()));
    let after = read_elsewhere(55);
    assert!(after.iter().all(Outcome::is_served), "{after:?}");
}

#[test]
fn a_posture_cannot_buy_itself_a_kinder_judge() {
    let text = "[tls]\ntolerance = \"20s\"\n[policy]\n\
                freshness = { read = \"22s\", watch = \"22s\", \
                write = \"22s\", share = \"latest\" }\n";
    let mut request = Flagship::new(7).request(Side::Solution);
    request.posture = services::posture::Posture::parse("bought", text)
        .expect("it parses")
        .0;
    let (report, _) = Flagship::judged("bought", &request);
    assert_eq!(report.attack, Attack::Succeeded, "{:?}", report.exposure_ms);
}

#[test]
fn the_latest_policy_that_cannot_be_had_is_a_refusal() {
    let mut flagship = Flagship::new(7);
    // The cut falls between two heartbeats, so that the south's policy is of this very second.
    let cut = Duration::from_millis(10_700);
    for step in &mut flagship.scenario.schedule {
        match &mut step.act {
            Act::Partition { .. } => step.at = cut,
            Act::Request { as_, actions, .. } if as_ == "alice" => {
                *actions = vec!["share".to_owned()];
            }
            _ => {}
        }
    }
    let (_, history) = flagship.judge(Side::Solution);
    let shared = |from: u64, to: u64| {
        let asked = history
            .requests
            .iter()
            .filter(|asked| asked.principal == "alice");
        let during = asked.filter(|asked| (from..to).contains(&asked.started_us));
        during
            .map(|asked| asked.outcome.is_served())
            .collect::<Vec<_>>()
    };
    assert!(
        shared(5_000_000, 10_000_000).iter().all(|served| *served),
        "before the cut"
    );
    let inside = shared(10_700_000, 45_000_000);
    assert!(
        !inside.is_empty() && inside.iter().all(|served| !served),
        "never during it"
    );
    // The client may have given up before a wrongful permit: the node's own log has not.
    let log = history.audits["records.south"].as_ref();
    let log = log.expect("the log verifies");
    let permitted = log.iter().filter(|entry| {
        let at = entry.at_us - history.epoch_us;
        let shared = entry.principal == "alice" && entry.action == "share";
        shared && entry.refusal.is_none() && (10_750_000..45_000_000).contains(&at)
    });
    assert_eq!(permitted.count(), 0, "permitted, though nobody heard of it");
    assert!(
        shared(48_000_000, 58_000_000).iter().all(|served| *served),
        "and again after it"
    );
}

#[test]
fn each_tempting_wrong_answer_gets_its_message() {
    let lab = labs::catalog::find("stale-acl").expect("the flagship is embedded");
    assert_eq!(lab.wrong.len(), 3);
    let flagship = Flagship::new(7);
    for wrong in lab.wrong {
        let (posture, _) = services::posture::Posture::parse(wrong.name, wrong.posture)
            .expect("a wrong answer is still a posture");
        let entrant = Entrant {
            name: wrong.name.to_owned(),
            posture,
            policy: wrong.policy.to_owned(),
        };
        let on = &mut |_| ControlFlow::Continue(());
        let tried = trial(&flagship.scenario, &entrant, 7, on).expect("the world holds");
        let answer = Answer::of(&flagship.scenario, &entrant, &Places::new(), &[tried]);
        assert_eq!(answer.verdict, Verdict::Broken, "{}", wrong.name);
        let why = answer.told();
        for line in wrong.expect.lines().filter(|line| !line.trim().is_empty()) {
            assert!(
                why.contains(line.trim()),
                "{}: `{line}` is not in: {why}",
                wrong.name
            );
        }
    }
}
