//! The flagship lab, run and judged as `schism demo stale-acl` runs and judges it.

use std::ops::ControlFlow;

use labs::catalog;
use labs::history::History;
use labs::invariant::{Verdict, Violation, by_name, check_expected, expected};
use labs::report::control::control;
use labs::report::{RunFacts, RunReport};
use labs::run::{Ran, RunRequest, Sighting, run};
use labs::scenario::Scenario;
use labs::trace::trace_hash;
use services::policy::danger::Mutation;
use services::posture::Posture;

/// Which of the lab's postures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What the learner starts from.
    Exposed,
    /// One good answer.
    Solution,
}

/// The lab under one seed.
pub struct Flagship {
    /// Its scenario, free to be changed by a test.
    pub scenario: Scenario,
    /// The seed.
    pub seed: u64,
    /// A planted bug.
    pub mutation: Mutation,
}

impl Flagship {
    /// The lab as it is.
    pub fn new(seed: u64) -> Self {
        let lab = catalog::find("stale-acl").expect("the flagship is embedded");
        let scenario = Scenario::parse("lab.toml", lab.lab_toml).expect("and parses");
        Self {
            scenario,
            seed,
            mutation: Mutation::None,
        }
    }

    /// What one posture's run is asked.
    pub fn request(&self, side: Side) -> RunRequest {
        let lab = catalog::find("stale-acl").expect("the flagship is embedded");
        let (posture, policy) = match side {
            Side::Exposed => (lab.exposed_posture, lab.exposed_policy),
            Side::Solution => (lab.solution_posture, lab.solution_policy),
        };
        let (posture, _) = Posture::parse("posture.toml", posture).expect("and its postures");
        RunRequest {
            scenario: self.scenario.clone(),
            posture,
            policy: policy.to_owned(),
            seed: self.seed,
            mutation: self.mutation,
        }
    }

    /// Runs one posture.
    pub fn run(&self, side: Side) -> Ran {
        Self::ran(&self.request(side))
    }

    /// Runs and judges one posture.
    pub fn judge(&self, side: Side) -> (RunReport, History) {
        Self::judged(&format!("{side:?}").to_lowercase(), &self.request(side))
    }

    /// Runs and judges whatever is asked.
    pub fn judged(posture: &str, request: &RunRequest) -> (RunReport, History) {
        let ran = Self::ran(request);
        let facts = RunFacts {
            posture: posture.to_owned(),
            trace_hash: trace_hash(&ran.trace),
            ..RunFacts::default()
        };
        (RunReport::judge(&ran.history, facts), ran.history)
    }

    /// What was seen broken while the run went on must be broken at the end, by the same evidence;
    /// and what is broken at the end and was so early must have been seen.
    fn ran(request: &RunRequest) -> Ran {
        let ran = run(request, &mut |_| ControlFlow::Continue(())).expect("the world holds");
        for seen in &ran.sightings {
            let invariant = by_name(seen.invariant).expect("it is one of ours");
            let found = (invariant.check)(&ran.history.placed()).violations;
            let place = |it: &Violation| (it.node.clone(), it.request.clone(), it.seq);
            let is_found = found.iter().any(|it| place(it) == place(&seen.violation));
            assert!(is_found, "{seen:?} was not found at the end");
        }
        let early = expected(&ran.history).filter(|invariant| invariant.settles_early);
        for invariant in early {
            let is_broken = (invariant.check)(&ran.history.placed()).verdict == Verdict::Broken;
            let was_seen = |seen: &Sighting| seen.invariant == invariant.name;
            assert_eq!(
                is_broken,
                ran.sightings.iter().any(was_seen),
                "{}: broken at the end, and seen",
                invariant.name
            );
        }
        ran
    }

    /// The control: exposed, then the solution.
    pub fn control(&self) -> Verdict {
        let (exposed, solution) = (self.judge(Side::Exposed), self.judge(Side::Solution));
        control(&[exposed.0, solution.0], &[&exposed.1, &solution.1]).verdict
    }

    /// Names of the invariants that a history breaks.
    pub fn broken(history: &History) -> Vec<&'static str> {
        let findings = check_expected(history);
        let broken = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Broken);
        broken.map(|finding| finding.name).collect()
    }
}
