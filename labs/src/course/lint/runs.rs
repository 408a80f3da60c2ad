//! The rules about a lab's runs: what breaks exposed holds with the solution, what is wrong is
//! told why, and each dial is there for a reason.
//!
//! Every trial is one of a learner's check: the same variants, the same judge. A trial that could
//! not be told is unknown, never kept.

use std::ops::ControlFlow;

use services::posture::{Freshness, Posture, PostureError, least_bound};

use super::{Bench, Ruling, Subject, figures};
use crate::course::answer::Answer;
use crate::course::check::check;
use crate::course::explain::Places;
use crate::course::trial::{Entrant, Trial, trial};
use crate::course::variant::SHOWN_SEED;
use crate::history::{Harm, History};
use crate::invariant::Verdict;
use crate::report::control::Attack;
use crate::report::text::{self, Style};
use crate::report::{DemoFacts, DemoReport, figure};
use crate::run::RunError;

/// Runs of a demonstration: both sides.
const SHOWN_RUNS: usize = 2;

pub(super) fn rulings(subject: &Subject, bench: &Bench<'_>) -> Result<Vec<Ruling>, RunError> {
    let mut row = Row::new(subject, bench);
    let mut rulings = demonstration(subject, &mut row)?;
    rulings.push(exposed(&row.trials(subject, &subject.exposed)?));
    rulings.push(solution(&row.trials(subject, &subject.solution)?));
    rulings.push(wrong(subject, &mut row)?);
    rulings.push(dials(subject, &mut row)?);
    rulings.push(hardened(subject, &mut row)?);
    Ok(rulings)
}

/// The trials of a lint in a row, and how far they are.
pub(super) struct Row<'b> {
    bench: &'b Bench<'b>,
    done: usize,
    of: usize,
}

impl<'b> Row<'b> {
    pub(super) fn new(subject: &Subject, bench: &'b Bench<'b>) -> Self {
        // Exposed, solution and hardened, each wrong fix, and at most as many for each dial.
        let entrants = 3 + subject.wrong.len() + subject.scenario.expect.dials.len();
        Self {
            bench,
            done: 0,
            of: SHOWN_RUNS + entrants * bench.seeds.len(),
        }
    }

    fn share(&self, more: f64) -> f64 {
        (self.done as f64 + more) / self.of.max(1) as f64
    }

    fn trials(&mut self, subject: &Subject, entrant: &Entrant) -> Result<Vec<Trial>, RunError> {
        self.some(subject, entrant, self.bench.seeds)
    }

    fn some(
        &mut self,
        subject: &Subject,
        entrant: &Entrant,
        seeds: &[u64],
    ) -> Result<Vec<Trial>, RunError> {
        let Bench { jobs, progress, .. } = *self.bench;
        let told = |done: u64| progress(self.share(done as f64));
        let trials = check(&subject.scenario, entrant, seeds, jobs, &told)?;
        self.done += seeds.len();
        Ok(trials)
    }

    /// One run of the lab as it stands, not of a variant.
    fn shown(&mut self, subject: &Subject, entrant: &Entrant) -> Result<Trial, RunError> {
        let progress = self.bench.progress;
        let mut told = |share: f64| -> ControlFlow<()> { progress(self.share(share)) };
        let shown = trial(&subject.scenario, entrant, SHOWN_SEED, &mut told)?;
        self.done += 1;
        Ok(shown)
    }
}

/// The demonstration stands, and the pages quote no figure that it does not show.
pub(super) fn demonstration(subject: &Subject, row: &mut Row<'_>) -> Result<Vec<Ruling>, RunError> {
    let shown = [&subject.exposed, &subject.solution].map(|entrant| row.shown(subject, entrant));
    let shown: Vec<Trial> = shown.into_iter().collect::<Result<_, _>>()?;
    let histories: Vec<&History> = shown.iter().map(|trial| &trial.ran.history).collect();
    let facts = DemoFacts {
        lab: subject.scenario.metadata.id.clone(),
        seed: SHOWN_SEED,
        ..DemoFacts::default()
    };
    let mut runs: Vec<_> = shown.iter().map(|trial| trial.report.clone()).collect();
    for run in &mut runs {
        // How long it took here is no figure of the lab's.
        run.wall_ms = 0;
    }
    let control = crate::report::control::control(&runs, &histories);
    let report = DemoReport::judge(facts, runs, &histories);
    let page = text::render(&report, &histories, &Style::default());
    let claim = "the demonstration stands";
    let mut stands = Ruling::new("demonstration", claim, control.reasons);
    stands.verdict = control.verdict;
    let stands = stands.seen(format!("seed {SHOWN_SEED}"));
    let quoted = figures::ruling(&subject.files, &subject.scenario, &page);
    Ok(vec![stands, quoted])
}

pub(super) fn exposed(trials: &[Trial]) -> Ruling {
    let held = trials
        .iter()
        .filter(|it| it.report.attack != Attack::Succeeded);
    let faults = held.map(|it| {
        format!(
            "seed {}: {}; narrow `vary` or expose more",
            it.seed,
            match it.report.harm() {
                Harm::Exposure | Harm::Impersonation => "the attack does not succeed",
                Harm::Outage => "there is no outage",
            }
        )
    });
    let longest = |trial: &Trial| trial.report.harm_ms().values().copied().max();
    let lasted: Vec<u64> = trials.iter().filter_map(longest).collect();
    let seen = match (lasted.iter().min(), lasted.iter().max()) {
        (Some(least), Some(most)) => {
            let [least, most] = [least, most].map(|ms| figure::seconds(ms * 1_000));
            format!("it lasts from {least} to {most} on {}", seeds(trials.len()))
        }
        _ => String::new(),
    };
    let claim = "the exposed posture lets the attack through on every seed";
    Ruling::new("exposed-breaks", claim, faults.collect()).seen(seen)
}

pub(super) fn solution(trials: &[Trial]) -> Ruling {
    let (mut faults, mut all) = (Vec::new(), Verdict::Kept);
    for trial in trials {
        let control = trial.verdict();
        all = all.and(control.verdict);
        let told = control.reasons.into_iter();
        faults.extend(told.map(|why| format!("seed {}: {why}", trial.seed)));
    }
    let claim = "the solution keeps everything on every seed";
    let mut ruling = Ruling::new("solution-keeps", claim, faults).seen(seeds(trials.len()));
    ruling.verdict = all;
    ruling
}

pub(super) fn wrong(subject: &Subject, row: &mut Row<'_>) -> Result<Ruling, RunError> {
    let mut faults = Vec::new();
    for (entrant, files) in subject.wrong.iter().zip(&subject.files.wrong) {
        let trials = row.trials(subject, entrant)?;
        let name = &entrant.name;
        for trial in &trials {
            match trial.verdict().verdict {
                Verdict::Broken => {}
                Verdict::Kept => faults.push(format!(
                    "{name}: it passes seed {}; then it is no wrong answer",
                    trial.seed
                )),
                Verdict::Unknown => faults.push(format!(
                    "{name}: it cannot be told on seed {}; make it fail plainly",
                    trial.seed
                )),
            }
        }
        let lines = files.expect.lines().map(str::trim);
        let lines: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        let told: Vec<String> = trials.iter().map(|it| said(subject, entrant, it)).collect();
        for line in lines {
            let unsaid = told
                .iter()
                .zip(&trials)
                .filter(|(said, _)| !said.contains(line));
            let unsaid: Vec<_> = unsaid.collect();
            if let Some((said, trial)) = unsaid.first() {
                let (seed, of) = (trial.seed, seeds(trials.len()));
                faults.push(format!(
                    "{name}/expect.txt: `{line}` is not said of it on {} of {of}; on seed {seed} \
                     it is: {said}",
                    unsaid.len()
                ));
            }
        }
    }
    let claim = "each wrong fix fails on every seed, and is told why";
    let seen = format!(
        "{} on {}",
        subject.wrong.len(),
        seeds(row.bench.seeds.len())
    );
    Ok(Ruling::new("wrong-fails", claim, faults).seen(seen))
}

/// What a check of that seed alone says, on one line.
fn said(subject: &Subject, entrant: &Entrant, trial: &Trial) -> String {
    let alone = std::slice::from_ref(trial);
    let answer = Answer::of(&subject.scenario, entrant, &Places::new(), alone);
    let page = answer.page(&Style::default(), &[]);
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

pub(super) fn dials(subject: &Subject, row: &mut Row<'_>) -> Result<Ruling, RunError> {
    let expect = &subject.scenario.expect;
    let (mut faults, mut seen) = (Vec::new(), Vec::new());
    for dial in &expect.dials {
        let before = row.done;
        if expect.optional_dials.contains(dial) {
            seen.push(format!("{dial} is optional"));
        } else {
            for part in parts(subject, dial) {
                let (own, exposed) = (&subject.solution.posture, &subject.exposed.posture);
                let own = if part == "tls.tolerance" {
                    &widened(own, exposed)
                } else {
                    own
                };
                match turned_back(own, exposed, &part) {
                    Err(why) => {
                        faults.push(format!("`{part}`: its exposed value cannot be had: {why}"));
                    }
                    Ok(posture) => match matters(subject, row, &part, posture)? {
                        Some(seed) => seen.push(format!("{part} on seed {seed}")),
                        None => faults.push(format!(
                            "`{part}`: the solution with its exposed value breaks nothing; take \
                             `{dial}` out of `expect.dials`, or list it in \
                             `expect.optional_dials`"
                        )),
                    },
                }
                row.done = before;
            }
        }
        row.done = before + row.bench.seeds.len();
    }
    let claim = "each dial of the solution matters: turned back, something breaks";
    Ok(Ruling::new("dials-matter", claim, faults).seen(seen.join(", ")))
}

/// The dial, and if it is set action by action, each part of it that the lab promises something of.
fn parts(subject: &Subject, dial: &str) -> Vec<String> {
    let mut parts = vec![dial.to_owned()];
    if dial == "policy.freshness" {
        let promised = subject.scenario.expect.exposure.keys();
        parts.extend(promised.map(|action| format!("{dial}.{action}")));
    }
    parts
}

/// The first seed on which the solution breaks without that dial.
fn matters(
    subject: &Subject,
    row: &mut Row<'_>,
    dial: &str,
    posture: Posture,
) -> Result<Option<u64>, RunError> {
    let entrant = Entrant {
        name: format!("solution without {dial}"),
        posture,
        policy: subject.solution.policy.clone(),
    };
    for seeds in row.bench.seeds.chunks(row.bench.jobs.max(1)) {
        for trial in row.some(subject, &entrant, seeds)? {
            if trial.verdict().verdict == Verdict::Broken {
                return Ok(Some(trial.seed));
            }
        }
    }
    Ok(None)
}

/// The posture with one dial at another's value.
fn turned_back(from: &Posture, to: &Posture, dial: &str) -> Result<Posture, PostureError> {
    let of_dial = |line: &&str| {
        let rest = line.strip_prefix(dial);
        rest.is_some_and(|rest| rest.starts_with([' ', '.']))
    };
    let (from, to) = (from.canonical(), to.canonical());
    let kept = from.lines().filter(|line| !of_dial(line));
    let lines: Vec<&str> = kept.chain(to.lines().filter(of_dial)).collect();
    Posture::parse(dial, &lines.join("\n")).map(|(posture, _)| posture)
}

/// The posture with bounds as short as the other's tolerance lets them be: nobody can have both a
/// wide tolerance and the shorter ones, so it is to matter beside these.
fn widened(from: &Posture, to: &Posture) -> Posture {
    let (mut wide, least) = (from.clone(), least_bound(to.tls.tolerance));
    let within = |(action, demand): (&str, Freshness)| match demand {
        Freshness::Within(bound) if bound < least => Some(action.to_owned()),
        Freshness::Within(_) | Freshness::Any | Freshness::Latest => None,
    };
    let short: Vec<String> = from.policy.freshness.iter().filter_map(within).collect();
    for action in short {
        wide.policy.freshness.set(&action, Freshness::Within(least));
    }
    wide
}

/// What becomes of the posture that a node has of itself; a lab may ask for more, or for no more.
pub(super) fn hardened(subject: &Subject, row: &mut Row<'_>) -> Result<Ruling, RunError> {
    let entrant = Entrant {
        name: "hardened".to_owned(),
        posture: Posture::hardened(),
        policy: subject.solution.policy.clone(),
    };
    let trials = row.trials(subject, &entrant)?;
    let (mut failed, mut why, mut doubts) = (0, None, Vec::new());
    for trial in &trials {
        let control = trial.verdict();
        match control.verdict {
            Verdict::Kept => {}
            Verdict::Broken => {
                failed += 1;
                why = why.or(control.reasons.into_iter().next());
            }
            Verdict::Unknown => doubts.extend(control.reasons),
        }
    }
    let seen = match why {
        None => format!("it passes {}", seeds(trials.len())),
        Some(why) => format!("it fails on {failed} of {}: {why}", seeds(trials.len())),
    };
    let unknown = !doubts.is_empty();
    let claim = "what becomes of the built-in hardened posture is known";
    let mut ruling = Ruling::new("hardened", claim, doubts).seen(seen);
    if unknown {
        ruling.verdict = Verdict::Unknown;
    }
    Ok(ruling)
}

fn seeds(count: usize) -> String {
    if count == 1 {
        "1 seed".to_owned()
    } else {
        format!("{count} seeds")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_wide_tolerance_is_tried_beside_bounds_that_it_can_be_had_with() {
        let posture = |text: &str| Posture::parse("posture.toml", text).unwrap().0;
        let own =
            posture("tls.tolerance = \"2s\"\npolicy.freshness = { read = \"5s\", write = \"9m\" }");
        let exposed = posture("tls.tolerance = \"5m\"\npolicy.freshness = \"any\"");
        let dial = "tls.tolerance";
        assert!(turned_back(&own, &exposed, dial).is_err());
        let tried = turned_back(&widened(&own, &exposed), &exposed, dial).unwrap();
        let bound = |action| tried.policy.freshness.get(action);
        let within = |seconds| Freshness::Within(Duration::from_secs(seconds));
        assert_eq!((bound("read"), bound("write")), (within(302), within(540)));
        assert_eq!(tried.tls.tolerance, Duration::from_secs(300));
        assert_eq!(bound("share"), own.policy.freshness.get("share"));
    }
}
