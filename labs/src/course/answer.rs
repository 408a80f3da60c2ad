//! What a check answers: each seed's verdict, and for the first that failed why.
//!
//! A pass is one sentence made of this check's figures and of nothing else. The shape of the JSON
//! is format 1 and only grows.

use std::collections::BTreeMap;

use serde::Serialize;

use super::explain::{self, Cause, Explanation, Moment, Places};
use super::trial::{Entrant, Trial};
use super::{untried, variant};
use crate::history::Harm;
use crate::invariant::Verdict;
use crate::invariant::impersonation::name;
use crate::report::balance::longest_wait;
use crate::report::figure;
use crate::report::text::{Page, Style, Tone};
use crate::report::timeline::attacker;
use crate::scenario::Scenario;

/// The number of the shape.
pub const FORMAT: u32 = 1;

/// One seed of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Seeded {
    /// The seed.
    pub seed: u64,
    /// How it fared.
    pub verdict: Verdict,
    /// From the acknowledgement to the last success, by action, in ms, rounded up.
    pub exposure_ms: BTreeMap<String, u64>,
    /// Of a lab that measures outages, the longest by action, in ms, rounded up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outage_ms: BTreeMap<String, u64>,
    /// Of a lab that measures impersonation, from the first request that was let in under another's
    /// name to the last, by action, in ms, rounded up.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub impersonation_ms: BTreeMap<String, u64>,
    /// How often clients heard each refusal.
    pub refusals: BTreeMap<String, u64>,
    /// The hash of the run's trace.
    pub trace_hash: String,
    /// How its variant differs, for people only.
    #[serde(skip)]
    pub variant: String,
    /// What is broken, by name, for people only.
    #[serde(skip)]
    pub broken: Vec<String>,
}

/// What a check answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// [`FORMAT`].
    pub format: u32,
    /// The lab's id.
    pub lab: String,
    /// Kept if every seed was.
    pub verdict: Verdict,
    /// Each seed that was tried, in order.
    pub seeds: Vec<Seeded>,
    /// Why the first seed that failed did.
    pub explanation: Option<Explanation>,
    /// Of a pass: its figures in one sentence, for people only.
    #[serde(skip)]
    pub sentence: String,
    /// Of a pass: what it does not rest on, a sentence each, for people only.
    #[serde(skip)]
    pub notes: Vec<String>,
}

impl Answer {
    /// Judges the trials of a check, each in its own variant of the scenario.
    pub fn of(scenario: &Scenario, entrant: &Entrant, places: &Places, trials: &[Trial]) -> Self {
        let seeds: Vec<Seeded> = trials.iter().map(|trial| seeded(scenario, trial)).collect();
        let verdict = seeds
            .iter()
            .map(|seed| seed.verdict)
            .reduce(Verdict::and)
            .unwrap_or(Verdict::Unknown);
        let explanation = failed(trials).and_then(|(trial, _)| {
            let variant = variant::in_words(scenario, &trial.scenario);
            explain::explain(trial, &entrant.posture, places, variant)
        });
        let (sentence, notes) = match verdict {
            Verdict::Kept => (sentence(trials), untried::notes(scenario, entrant, trials)),
            Verdict::Broken | Verdict::Unknown => (String::new(), Vec::new()),
        };
        Self {
            format: FORMAT,
            lab: scenario.metadata.id.clone(),
            verdict,
            seeds,
            explanation,
            sentence,
            notes,
        }
    }

    /// The JSON, in one line.
    ///
    /// # Errors
    /// If it cannot be serialised, which no answer of this shape meets.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        Ok(serde_json::to_string(self)? + "\n")
    }

    /// The page that people read.
    pub fn page(&self, style: &Style, next: &[String]) -> String {
        let mut page = Page::new(style);
        let tried = self.seeds.len();
        let count = |verdict| self.seeds.iter().filter(|it| it.verdict == verdict).count();
        let (tone, lead) = match self.verdict {
            Verdict::Kept => (Tone::Good, self.sentence.clone()),
            Verdict::Broken => {
                let broken = count(Verdict::Broken);
                (
                    Tone::Bad,
                    format!("Broken on {broken} of {}.", seeds_of(tried)),
                )
            }
            Verdict::Unknown => {
                let unknown = count(Verdict::Unknown);
                (
                    Tone::Strong,
                    format!("Cannot tell on {unknown} of {}.", seeds_of(tried)),
                )
            }
        };
        page.wrapped(tone, "", &lead);
        for note in &self.notes {
            page.wrapped(Tone::Plain, "  - ", note);
        }
        if let Some(explanation) = &self.explanation {
            explained(&mut page, explanation);
            self.others(&mut page, explanation.seed);
        }
        if !next.is_empty() {
            page.heading("Next:");
            for command in next {
                page.command(command);
            }
        }
        page.finish()
    }

    /// The page in one line, for whoever looks for a sentence in it.
    pub fn told(&self) -> String {
        let page = self.page(
            &Style {
                width: 200,
                ..Style::default()
            },
            &[],
        );
        page.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Every seed that is not explained: a line for each that failed, one for all that passed.
    fn others(&self, page: &mut Page<'_>, told: u64) {
        let others: Vec<&Seeded> = self.seeds.iter().filter(|it| it.seed != told).collect();
        if others.is_empty() {
            return;
        }
        page.heading("The other seeds");
        for it in others.iter().filter(|it| it.verdict != Verdict::Kept) {
            let lead = format!("  {:<11}", format!("seed {}", it.seed));
            let text = format!("{}: {} ({})", it.verdict, it.broken.join(", "), it.variant);
            page.wrapped(Tone::Plain, &lead, &text);
        }
        let kept = others.iter().filter(|it| it.verdict == Verdict::Kept);
        let kept: Vec<String> = kept.map(|it| it.seed.to_string()).collect();
        if !kept.is_empty() {
            page.wrapped(
                Tone::Plain,
                "  kept       ",
                &format!("seed {}", kept.join(", ")),
            );
        }
    }
}

/// The trial to explain and its first cause: the first that broke, else the first doubtful one.
pub fn failed(trials: &[Trial]) -> Option<(&Trial, Cause)> {
    let judged = || trials.iter().map(|trial| (trial, trial.verdict().verdict));
    let first = |wanted| judged().find(|(_, verdict)| *verdict == wanted);
    let (trial, _) = first(Verdict::Broken).or_else(|| first(Verdict::Unknown))?;
    Some((trial, explain::causes(trial).into_iter().next()?))
}

fn seeds_of(count: usize) -> String {
    match count {
        1 => "1 seed".to_owned(),
        many => format!("{many} seeds"),
    }
}

fn seeded(scenario: &Scenario, trial: &Trial) -> Seeded {
    let verdict = trial.verdict().verdict;
    let broken = explain::causes(trial).into_iter().map(|cause| match cause {
        Cause::Attack => match trial.report.harm() {
            Harm::Exposure | Harm::Impersonation => "the attack succeeded".to_owned(),
            Harm::Outage => "an outage".to_owned(),
        },
        Cause::Invariant(name) => name.to_owned(),
        Cause::NotRefused => match trial.report.harm() {
            Harm::Exposure | Harm::Impersonation => "not refused by name".to_owned(),
            Harm::Outage => "an order that waits for ever".to_owned(),
        },
        Cause::NeverLetIn => match trial.report.harm() {
            Harm::Exposure => "the attacker was never let in".to_owned(),
            Harm::Outage => "nobody was ever served".to_owned(),
            Harm::Impersonation => "whoever is posed as was never let in".to_owned(),
        },
        Cause::Doubt(doubt) => doubt,
    });
    Seeded {
        seed: trial.seed,
        verdict,
        exposure_ms: trial.report.exposure_ms.clone(),
        outage_ms: trial.report.outage_ms.clone(),
        impersonation_ms: trial.report.impersonation_ms.clone(),
        refusals: trial.report.refusals.clone(),
        trace_hash: trial.report.trace_hash.clone(),
        variant: variant::in_words(scenario, &trial.scenario),
        broken: if verdict == Verdict::Kept {
            Vec::new()
        } else {
            broken.collect()
        },
    }
}

/// A pass in one sentence: who was refused by what, how late the last success was, and the least
/// share of each floor's requests that was served.
fn sentence(trials: &[Trial]) -> String {
    let Some(first) = trials.first() else {
        return String::new();
    };
    let history = &first.ran.history;
    let who = attacker(history).unwrap_or("the attacker");
    let mut latest: BTreeMap<&str, u64> = BTreeMap::new();
    let mut least: Vec<(String, u64, u64)> = Vec::new();
    for report in trials.iter().map(|trial| &trial.report) {
        for (action, ms) in report.harm_ms() {
            let longest = latest.entry(action).or_insert(0);
            *longest = (*longest).max(*ms);
        }
        for row in &report.availability {
            let group = format!("{} {}", row.tag, row.when);
            let share = |ok: u64, of: u64| (u128::from(ok) << 32) / u128::from(of.max(1));
            match least.iter_mut().find(|(name, ..)| *name == group) {
                Some(it) if share(row.ok, row.total) < share(it.1, it.2) => {
                    (it.1, it.2) = (row.ok, row.total);
                }
                Some(_) => {}
                None => least.push((group, row.ok, row.total)),
            }
        }
    }
    let latest = latest
        .iter()
        .map(|(action, ms)| format!("{action} {}", figure::seconds(ms.saturating_mul(1_000))));
    let served = least
        .iter()
        .map(|(group, ok, of)| format!("{} of {group}", figure::percent(*ok, *of)));
    let served: Vec<String> = served.collect();
    let owed = if served.is_empty() {
        String::new()
    } else {
        format!("; served at the least: {}", served.join(", "))
    };
    if first.report.harm() == Harm::Outage {
        let waits = trials.iter().filter_map(|it| longest_wait(&it.ran.history));
        let waited = waits.max_by_key(|(_, us, _)| *us);
        let waited = waited.map_or(String::new(), |(order, us, _)| {
            format!(
                " every order was carried out, {order} after {};",
                figure::seconds(us)
            )
        });
        return format!(
            "Kept on {}:{waited} the longest outage was {}{owed}.",
            seeds_of(trials.len()),
            latest.collect::<Vec<_>>().join(", "),
        );
    }
    if let (Harm::Impersonation, Some(name)) = (first.report.harm(), name(history)) {
        let refusal = &history.expect.refusal;
        let seeds = seeds_of(trials.len());
        return format!(
            "Kept on {seeds}: {who} was refused ({refusal}) on every one, not once let in as \
             {name}{owed}."
        );
    }
    format!(
        "Kept on {}: {who} was refused ({}) on every one, let in for at most {} after \
         {}{owed}.",
        seeds_of(trials.len()),
        history.expect.refusal,
        latest.collect::<Vec<_>>().join(", "),
        history.taken_by(),
    )
}

fn explained(page: &mut Page<'_>, it: &Explanation) {
    page.heading(&format!("Seed {}: {}", it.seed, it.variant));
    let mut say = |lead: &str, text: &str| {
        page.wrapped(Tone::Plain, &format!("  {lead:<11}"), text);
    };
    say("rule", &format!("{}: {}", it.rule, it.words));
    if let Some(first) = &it.first {
        moment(&mut say, first);
    }
    for dial in &it.dials {
        let effect = if dial.effect.is_empty() {
            String::new()
        } else {
            format!(": {}", dial.effect)
        };
        let text = format!("{} = {} ({}){effect}", dial.dial, dial.value, dial.set_at);
        say("dial", &text);
    }
    if it.dials.is_empty() && it.rule != "unknown" {
        say("dial", "none governs this: look at policy.cedar");
    }
    for group in &it.locked_out {
        let text = format!(
            "group {} in {}, {}: {} of {} served, {} are owed; most heard {}",
            group.tag, group.region, group.when, group.ok, group.total, group.floor, group.heard
        );
        let logged = group.logged.as_ref().map_or(String::new(), |refusal| {
            format!(", the node's log says {refusal}")
        });
        // What the policy's own text refuses, no dial lets in.
        let by_policy = group.heard == services::refusal::Refusal::PolicyDenied.name();
        let tail = if by_policy { ": see policy.cedar" } else { "" };
        say("locked out", &format!("{text}{logged}{tail}"));
    }
    for also in &it.also {
        say("also", also);
    }
    if let Some(smallest) = &it.smallest {
        let (left, of) = (smallest.steps.len(), smallest.of);
        say("smallest", &format!("{left} of {of} steps still show it:"));
        for step in &smallest.steps {
            say("", step);
        }
    }
}

fn moment(say: &mut dyn FnMut(&str, &str), first: &Moment) {
    let request = first
        .request
        .as_ref()
        .map_or(String::new(), |id| format!(", request {id}"));
    let at = figure::seconds(first.at_us);
    say(
        "first",
        &format!("at {at} on {}{request}: {}", first.node, first.evidence),
    );
    if let Some(record) = &first.record {
        say("record", record);
    }
    if let Some(entry) = &first.entry {
        say("entry", entry);
    }
}
