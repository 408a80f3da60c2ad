//! The last word on a demonstration, in one sentence: whether the lesson stands, or why not.
//!
//! It says only what the control found, and every figure in it is this run's.

use super::control::{Attack, control};
use super::{RunReport, figure};
use crate::history::{Harm, History, When};
use crate::invariant::{Verdict, legitimate_users_served};

/// The control's verdict, and the sentence.
pub(super) fn lesson(runs: &[RunReport], histories: &[&History]) -> (Verdict, String) {
    let control = control(runs, histories);
    let last = runs.last().zip(histories.last());
    let outcome = last.map_or(String::new(), |(run, history)| outcome(run, history));
    let text = match (control.verdict, runs.len()) {
        (Verdict::Kept, 2..) => format!("The lesson stands: {}, {outcome}", worked(&runs[0])),
        (Verdict::Kept, _) if runs[0].harm() == Harm::Outage => format!("Kept: {outcome}"),
        (Verdict::Kept, _) => format!("Kept: the attack {outcome}"),
        (Verdict::Broken, 2..) => {
            format!("The lesson does not stand: {}.", control.reasons.join("; "))
        }
        (Verdict::Broken, _) => format!("Broken: {}.", control.reasons.join("; ")),
        (Verdict::Unknown, _) => format!("Cannot tell: {}.", control.reasons.join("; ")),
    };
    (control.verdict, text)
}

/// What came of the first run.
fn worked(run: &RunReport) -> String {
    match run.harm() {
        Harm::Exposure | Harm::Impersonation => format!("the attack worked {}", run.posture),
        Harm::Outage => {
            let longest = run.outage_ms.values().max().copied().unwrap_or(0);
            let longest = figure::seconds(longest.saturating_mul(1_000));
            format!("{} somebody went without for {longest}", run.posture)
        }
    }
}

/// An action as many of it are called: `reads`, `watches`.
fn plural(action: &str) -> String {
    let ending = if action.ends_with("ch") { "es" } else { "s" };
    format!("{action}{ending}")
}

/// How the last run ended: the refusal, and the least share served outside and inside the cut.
fn outcome(run: &RunReport, history: &History) -> String {
    let refusal = match run.attack {
        _ if run.harm() == Harm::Outage => {
            let longest = run.outage_ms.values().max().copied().unwrap_or(0);
            let longest = figure::seconds(longest.saturating_mul(1_000));
            format!("nobody for longer than {longest}")
        }
        Attack::Refused => format!("was refused ({})", history.expect.refusal),
        Attack::Succeeded => "succeeded".to_owned(),
        Attack::Unknown => "was not refused by name".to_owned(),
    };
    let groups = legitimate_users_served::groups(history);
    let least = |inside: bool| {
        let of = groups
            .iter()
            .filter(|g| matches!(g.spec.when, When::Inside(_)) == inside);
        let least = of.min_by_key(|g| (u128::from(g.ok) << 32) / u128::from(g.total.max(1)))?;
        let side = match &least.spec.when {
            When::Inside(fault) => format!("inside the {fault}"),
            When::Outside(fault) => format!("outside the {fault}"),
            When::Throughout => "throughout".to_owned(),
        };
        let share = figure::percent(least.ok, least.total);
        let of = least.spec.action.as_ref();
        let of = of.map_or(String::new(), |action| format!(" of {}", plural(action)));
        Some(format!("{share}{of} served {side}"))
    };
    let shares: Vec<String> = [least(false), least(true)].into_iter().flatten().collect();
    let with = match run.posture.as_str() {
        "solution" => "with the solution".to_owned(),
        "yours" => "with your settings".to_owned(),
        name => format!("with the posture `{name}`"),
    };
    [vec![format!("{refusal} {with}")], shares]
        .concat()
        .join(", ")
        + "."
}
