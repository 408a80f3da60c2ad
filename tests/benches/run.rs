//! What one run of the first lab costs in real time: sixty virtual seconds, on one core.
//!
//! The floor is the simulator alone: as many hosts, none of which does anything.

mod pace;

use std::ops::ControlFlow;
use std::time::Duration;

use criterion::SamplingMode;
use labs::catalog::EmbeddedLab;
use labs::fabric::sim::{SimFabric, Without};
use labs::run::{Ran, RunRequest, run};
use labs::scenario::Scenario;
use services::policy::danger::Mutation;
use services::posture::Posture;

const SEED: u64 = 7;

fn request(lab: &EmbeddedLab, posture: &str, policy: &str) -> RunRequest {
    let (posture, _) = Posture::parse(lab.id, posture).expect("a built-in posture is valid");
    RunRequest {
        scenario: Scenario::parse(lab.id, lab.lab_toml).expect("a built-in scenario is valid"),
        posture,
        policy: policy.to_owned(),
        seed: SEED,
        mutation: Mutation::None,
    }
}

fn once(request: &RunRequest) -> Ran {
    run(request, &mut |_| ControlFlow::Continue(())).expect("a built-in lab runs to its end")
}

/// The scenario's hosts for the scenario's time, each asleep.
fn idle(scenario: &Scenario) -> Duration {
    let mut world = SimFabric::new(SEED, Without::Nothing);
    let users = scenario.world.users.iter().map(|user| user.name.clone());
    for name in scenario.world.nodes().into_iter().chain(users) {
        world.place(&name);
        world.host(&name, || async {
            std::future::pending::<()>().await;
            Ok(())
        });
    }
    let end = world.run_until(scenario.world.duration);
    end.expect("no host ends");
    world.elapsed()
}

fn main() {
    let lab = labs::catalog::find("stale-acl").expect("the first lab is built in");
    let exposed = request(lab, lab.exposed_posture, lab.exposed_policy);
    let solution = request(lab, lab.solution_posture, lab.solution_policy);

    let mut criterion = pace::criterion();
    let mut group = criterion.benchmark_group("run");
    // One run a sample: more would take minutes and say the same.
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.bench_function("floor: idle hosts, 60 s", |bencher| {
        bencher.iter(|| idle(&exposed.scenario));
    });
    for (name, request) in [("exposed", &exposed), ("solution", &solution)] {
        let name = format!("stale-acl, {name}, 60 s");
        group.bench_function(name, |bencher| bencher.iter(|| once(request)));
    }
    group.finish();
    criterion.final_summary();
}
