//! The smallest schedule that still shows it: steps are dropped while the same thing still breaks.
//!
//! The order is fixed and nothing is drawn, so the same trial shrinks to the same schedule. The
//! number of runs is bounded: what the bound cut short is still a schedule that shows it.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use services::policy::entry::Entity;

use super::explain::{Cause, Smallest};
use super::trial::{Entrant, Trial, trial};
use crate::invariant::{self, Verdict, legitimate_users_served as served};
use crate::report::control::Attack;
use crate::report::figure;
use crate::run::RunError;
use crate::scenario::{Act, Booty, Guise, How, Messages, PolicyText, Scenario, Step};

/// The most runs that one search takes.
pub const MAX_RUNS: usize = 12;

/// A scenario with fewer steps that still shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shrunk {
    /// What is left.
    pub scenario: Scenario,
    /// How many runs it took.
    pub runs: usize,
}

/// What a search is to keep.
pub struct Wanted<'a> {
    /// Steps that are never dropped.
    pub needed: &'a dyn Fn(&Step) -> bool,
    /// What every schedule on the way must show.
    pub shows: &'a dyn Fn(&Trial) -> bool,
}

/// Drops every step that is not needed to show what is wanted, in at most `most` runs. `progress`
/// is told the number of the run under way.
///
/// # Errors
/// When `progress` says stop. A run that breaks down shows nothing.
pub fn shrink(
    scenario: &Scenario,
    entrant: &Entrant,
    seed: u64,
    wanted: &Wanted<'_>,
    most: usize,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Shrunk, RunError> {
    let Wanted { needed, shows } = wanted;
    let mut runs = 0;
    let mut still = |steps: &[Step]| {
        runs += 1;
        let scenario = with(scenario, steps);
        match trial(&scenario, entrant, seed, &mut |_| progress(runs)) {
            Ok(trial) => Ok(shows(&trial)),
            Err(RunError::Interrupted) => Err(RunError::Interrupted),
            Err(_) => Ok(false),
        }
    };
    let mut steps = scenario.schedule.clone();
    let mut left = most;
    // Other people's requests are seldom needed, and without them every further run is shorter.
    let asks = |step: &Step| matches!(step.act, Act::Request { .. });
    let fewer: Vec<Step> = steps
        .iter()
        .filter(|step| needed(step) || !asks(step))
        .cloned()
        .collect();
    if fewer.len() < steps.len() && left > 0 {
        left -= 1;
        if still(&fewer)? {
            steps = fewer;
        }
    }
    // Steps that were tried since the last one went. From the end: an opposite goes before the
    // fault that it undoes.
    let mut kept: BTreeSet<usize> = BTreeSet::new();
    while left > 0 {
        let open = |at: &usize| !kept.contains(at) && !needed(&steps[*at]);
        let Some(at) = (0..steps.len()).rev().find(open) else {
            break;
        };
        let mut fewer = steps.clone();
        fewer.remove(at);
        left -= 1;
        if still(&fewer)? {
            steps = fewer;
            kept.clear();
        } else {
            kept.insert(at);
        }
    }
    let scenario = with(scenario, &steps);
    Ok(Shrunk { scenario, runs })
}

/// Shrinks a trial that failed for this cause; nothing if no schedule can show it.
///
/// # Errors
/// When `progress` says stop.
pub fn smallest(
    failed: &Trial,
    entrant: &Entrant,
    cause: &Cause,
    request: Option<&str>,
    progress: &mut dyn FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<Smallest>, RunError> {
    if matches!(
        cause,
        Cause::NotRefused | Cause::NeverLetIn | Cause::Doubt(_)
    ) {
        return Ok(None);
    }
    let requests = &failed.ran.history.requests;
    let asked = requests.iter().find(|it| Some(it.id.as_str()) == request);
    let needed = |step: &Step| match (&step.act, asked) {
        (Act::Request { as_, tag, .. }, Some(asked)) => as_ == asked.sender() && *tag == asked.tag,
        _ => false,
    };
    let group = short(failed).into_iter().next();
    let shows = |trial: &Trial| match cause {
        Cause::Attack => trial.report.attack == Attack::Succeeded,
        Cause::Invariant(served::NAME) => group.iter().any(|group| short(trial).contains(group)),
        Cause::Invariant(name) => invariant::by_name(name).is_some_and(|invariant| {
            (invariant.check)(&trial.ran.history.placed()).verdict == Verdict::Broken
        }),
        Cause::NotRefused | Cause::NeverLetIn | Cause::Doubt(_) => false,
    };
    let scenario = &failed.scenario;
    let of = scenario.schedule.len();
    let wanted = Wanted {
        needed: &needed,
        shows: &shows,
    };
    let shrunk = shrink(scenario, entrant, failed.seed, &wanted, MAX_RUNS, progress)?;
    Ok(Some(Smallest {
        steps: shrunk.scenario.schedule.iter().map(in_words).collect(),
        of,
        runs: shrunk.runs,
    }))
}

/// Groups below their floor: tag, region, when.
fn short(trial: &Trial) -> Vec<(String, String, String)> {
    let groups = served::groups(&trial.ran.history);
    let short = groups
        .iter()
        .filter(|group| group.ratio().is_some_and(|it| it < group.spec.floor));
    short
        .map(|group| {
            (
                group.spec.tag.clone(),
                group.region.to_owned(),
                group.when(),
            )
        })
        .collect()
}

fn with(scenario: &Scenario, steps: &[Step]) -> Scenario {
    Scenario {
        schedule: steps.to_vec(),
        ..scenario.clone()
    }
}

/// A step as a person says it.
pub fn in_words(step: &Step) -> String {
    let name = step
        .name
        .as_ref()
        .map_or(String::new(), |name| format!("{name}: "));
    let at = format!("at {}", figure::span(step.at));
    let lasts = step
        .lasts
        .map_or(String::new(), |span| format!(" for {}", figure::span(span)));
    let act = match &step.act {
        Act::Crash { node, power } => {
            let how = if *power {
                " and lose what was not synced"
            } else {
                ""
            };
            format!("crash {node}{how}")
        }
        Act::Enrol { as_, name, .. } => format!("{as_} joins and asks to be certified as {name}"),
        Act::Grant { principal, role } => format!("grant {role} to {principal}"),
        Act::Heal => "heal".to_owned(),
        Act::Hold(what) => format!("hold {}", messages(what)),
        Act::Isolate { node } => format!("isolate {node}"),
        Act::LogOut { principal } => format!("log {principal} out everywhere"),
        Act::Partition {
            between,
            one_way,
            how,
        } => {
            let sides: Vec<String> = between.iter().map(|side| side.join(" ")).collect();
            let way = if *one_way { ", one way" } else { "" };
            let how = if *how == How::Reset { ", by reset" } else { "" };
            format!("partition {}{way}{how}", sides.join(" | "))
        }
        Act::PutEntities { .. } | Act::PutPolicy { .. } => put(&step.act),
        Act::Rejoin { node } => format!("rejoin {node}"),
        Act::Release(what) => format!("release {}", messages(what)),
        Act::Request { .. } => return asks(step, &name),
        Act::Restart { node } => format!("restart {node}"),
        Act::Revoke { principal, role } => format!("revoke {role} of {principal}"),
        Act::RevokeLeaf { principal } => format!("revoke the certificates of {principal}"),
        Act::Skew { node, by_ms } => format!("skew {node} by {by_ms} ms"),
        Act::Slow { node, times } => format!("slow {node} to a {times}th of its speed"),
        Act::Order(order) if order.on_alarm => format!("once there is an alarm, {order}"),
        Act::Order(order) => order.to_string(),
        Act::Steal { as_, what } => match what {
            Booty::SigningKey {} => format!("{as_} steals the signing key"),
            Booty::Issuer { .. } => format!("{as_} steals the issuer of certificates"),
            Booty::Token { token_of } => format!("{as_} copies the token of {token_of}"),
            Booty::Leaf { leaf_of } => format!("{as_} copies key, certificate, token of {leaf_of}"),
        },
        Act::Sync { node } => format!("sync {node}"),
    };
    format!("{name}{act} {at}{lasts}")
}

/// What is put into the policy log.
fn put(act: &Act) -> String {
    match act {
        Act::PutEntities { entities, revokes } => {
            format!("put {}{}", lists(entities), meaning(revokes))
        }
        Act::PutPolicy {
            text,
            entities,
            revokes,
        } => {
            let how = match text {
                PolicyText::Whole(_) => "replace the policy",
                PolicyText::Added(_) => "add to the policy",
            };
            let with = if entities.is_empty() {
                String::new()
            } else {
                format!(" and put {}", lists(entities))
            };
            format!("{how}{with}{}", meaning(revokes))
        }
        _ => String::new(),
    }
}

/// What is asked, and in whose name.
fn asks(step: &Step, name: &str) -> String {
    let Act::Request {
        as_,
        via,
        actions,
        forging,
        edge,
        ..
    } = &step.act
    else {
        return String::new();
    };
    let way = if *edge { ", through the edge," } else { "" };
    let guise = match forging {
        None => String::new(),
        Some(Guise::Forged(subject)) => format!("as {subject}, "),
        Some(Guise::Replayed { token_of }) => format!("with the token of {token_of}, "),
        Some(Guise::Copied { leaf_of }) => format!("with all that {leaf_of} had, "),
        Some(Guise::Rogue { rogue_leaf_of }) => {
            format!("with a certificate of {rogue_leaf_of} that nobody issued, ")
        }
        Some(Guise::Named { certified_as }) => format!("as {certified_as}, "),
        Some(Guise::Namesake { namesake_of }) => format!("as another domain's {namesake_of}, "),
        Some(Guise::Headed { header_of }) => format!("with token and header of {header_of}, "),
    };
    let actions = actions.join(", ");
    format!(
        "{name}{guise}{as_} asks {via}{way} to {actions} {}",
        times(step)
    )
}

fn times(step: &Step) -> String {
    let Some(every) = step.every else {
        return format!("at {}", figure::span(step.at));
    };
    let until = step
        .until
        .map_or(String::new(), |it| format!(" until {}", figure::span(it)));
    format!(
        "from {}{until} every {}",
        figure::span(step.at),
        figure::span(every)
    )
}

fn lists(entities: &[Entity]) -> String {
    let list = |Entity::List { id, members }: &Entity| {
        let members: Vec<&str> = members.iter().map(String::as_str).collect();
        format!("list {id} ({})", members.join(" "))
    };
    entities.iter().map(list).collect::<Vec<_>>().join(", ")
}

fn meaning(revokes: &Option<String>) -> String {
    revokes
        .as_ref()
        .map_or(String::new(), |whom| format!(", which revokes {whom},"))
}

fn messages(what: &Messages) -> String {
    let from = what
        .from
        .as_ref()
        .map_or(String::new(), |node| format!(" from {node}"));
    let to = what
        .to
        .as_ref()
        .map_or(String::new(), |node| format!(" to {node}"));
    format!("{}{from}{to}", what.kind)
}

#[cfg(test)]
mod tests;
