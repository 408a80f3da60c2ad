//! Claims about shrinking: what is left still breaks, and is told as a person would.

use services::posture::Posture;

use super::*;
use crate::catalog;

fn lab() -> (Scenario, Entrant) {
    let lab = catalog::find("stale-acl").unwrap();
    let mut scenario = Scenario::parse("lab.toml", lab.lab_toml).unwrap();
    scenario.world.duration = std::time::Duration::from_secs(30);
    scenario.schedule[0].lasts = None;
    let (posture, _) = Posture::parse("p", lab.exposed_posture).unwrap();
    let entrant = Entrant {
        name: "exposed".to_owned(),
        posture,
        policy: lab.exposed_policy.to_owned(),
    };
    (scenario, entrant)
}

fn on(_: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn attackers(step: &Step) -> bool {
    matches!(&step.act, Act::Request { as_, .. } if as_ == "mallory")
}

fn succeeds(trial: &Trial) -> bool {
    trial.report.attack == Attack::Succeeded
}

#[test]
fn what_is_left_is_what_it_takes_and_it_still_shows_it() {
    let (mut scenario, entrant) = lab();
    let mut idle = scenario.schedule[0].clone();
    idle.name = Some("idle".to_owned());
    idle.act = Act::Isolate {
        node: "witness.east".to_owned(),
    };
    idle.at = std::time::Duration::from_secs(25);
    scenario.schedule.push(idle);
    let wanted = Wanted {
        needed: &attackers,
        shows: &succeeds,
    };
    let shrunk = shrink(&scenario, &entrant, 7, &wanted, MAX_RUNS, &mut on).unwrap();
    let told: Vec<String> = shrunk.scenario.schedule.iter().map(in_words).collect();
    assert_eq!(
        told,
        [
            "cut: partition south | north east at 10 s",
            "revocation: revoke nurse of mallory at 12 s",
            "mallory asks records.south to read, write from 1 s until 58 s every 200 ms",
        ]
    );
    assert!(shrunk.runs <= 5, "{} runs", shrunk.runs);
    let again = trial(&shrunk.scenario, &entrant, 7, &mut |_| {
        ControlFlow::Continue(())
    });
    assert!(succeeds(&again.unwrap()));
    let twice = shrink(&scenario, &entrant, 7, &wanted, MAX_RUNS, &mut on).unwrap();
    assert_eq!(twice, shrunk);
}

#[test]
fn the_number_of_runs_is_bounded_and_a_stop_is_heard() {
    let (scenario, entrant) = lab();
    let all = scenario.schedule.len();
    let wanted = Wanted {
        needed: &attackers,
        shows: &succeeds,
    };
    let none = shrink(&scenario, &entrant, 7, &wanted, 0, &mut on).unwrap();
    assert_eq!((none.runs, none.scenario.schedule.len()), (0, all));
    let one = shrink(&scenario, &entrant, 7, &wanted, 1, &mut on).unwrap();
    assert_eq!((one.runs, one.scenario.schedule.len()), (1, 3));
    let stopped = shrink(&scenario, &entrant, 7, &wanted, 9, &mut |_| {
        ControlFlow::Break(())
    });
    assert!(matches!(stopped, Err(RunError::Interrupted)));
}

#[test]
fn what_shows_nothing_keeps_every_step() {
    let (mut scenario, entrant) = lab();
    scenario.world.duration = std::time::Duration::from_secs(1);
    let never = |_: &Trial| false;
    let wanted = Wanted {
        needed: &attackers,
        shows: &never,
    };
    let kept = shrink(&scenario, &entrant, 7, &wanted, MAX_RUNS, &mut on).unwrap();
    assert_eq!(kept.scenario, scenario);
    assert!(kept.runs <= MAX_RUNS);
}
