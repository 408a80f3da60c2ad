//! The schedule: steps read one by one, each checked against the world it happens in.

use std::time::Duration;

use serde::Serialize;
use services::posture::span;
use toml::Spanned;
use toml::de::DeValue;

use super::act::{Act, BUILT_VERBS, How, KINDS, Messages, PLANNED_VERBS, lasts};
use super::administration::{PUT_ENTITIES, PUT_POLICY, put_entities, put_policy, suspends};
use super::before;
use super::fields::{Fields, TICK, Word, list, words};
use super::flaw::{Flaw, Placed, incoherent};
use super::posing;
use super::request::request;
use super::signing;
use super::world::{ADMINISTRATOR, World};

/// The most steps of a schedule.
pub const MAX_STEPS: usize = 200;

/// The most requests of a run, all steps together.
pub const MAX_REQUESTS: u64 = 20_000;

/// How many times as long a slow node may take.
const MOST_SLOW: u32 = 1_000;

/// The furthest that a clock can be set wrong.
const MAX_SKEW_MS: i64 = 24 * 3_600_000;

/// One event of a schedule, or a row of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Step {
    /// What expectations call it; unique.
    pub name: Option<String>,
    /// When, from the start of the run in true time.
    pub at: Duration,
    /// For a fault: how long, until it is undone. Absent: until its opposite, or the end.
    pub lasts: Option<Duration>,
    /// For a request: how often.
    pub every: Option<Duration>,
    /// For a request: no later than this.
    pub until: Option<Duration>,
    /// What happens.
    pub act: Act,
}

impl Step {
    /// When a fault is undone, if it says so itself.
    pub fn ends(&self) -> Option<Duration> {
        self.lasts.map(|lasts| self.at + lasts)
    }

    /// No later than this it happens for the last time.
    pub(super) fn latest(&self, duration: Duration) -> Duration {
        let until = self.until.unwrap_or(duration);
        self.every.map_or(self.at, |_| until.min(duration))
    }

    /// The instants at which it happens, in order. A step without `every` happens once.
    pub fn instants(&self, duration: Duration) -> Vec<Duration> {
        let Some(every) = self.every.filter(|every| !every.is_zero()) else {
            return vec![self.at];
        };
        let until = self.until.unwrap_or(duration).min(duration);
        let mut instants = Vec::new();
        let mut at = self.at;
        while at <= until && at < duration {
            instants.push(at);
            at += every;
        }
        instants
    }

    /// How many requests it makes.
    pub(super) fn requests(&self, duration: Duration) -> u64 {
        let Act::Request { actions, .. } = &self.act else {
            return 0;
        };
        let until = self.until.unwrap_or(duration).min(duration);
        let room = until.saturating_sub(self.at).as_micros();
        let times = self
            .every
            .map_or(1, |every| 1 + room / every.as_micros().max(1));
        u64::try_from(times)
            .unwrap_or(u64::MAX)
            .saturating_mul(actions.len() as u64)
    }

    fn read(value: &Spanned<DeValue<'_>>, world: &World) -> Placed<Self> {
        let Some(table) = value.get_ref().as_table() else {
            return incoherent(&value.span(), "a step is a table: `[[schedule]]`");
        };
        let any = Fields {
            place: "a step".into(),
            table,
            span: value.span(),
        };
        let verb = verb(&any.needed("do")?)?;
        let fields = Fields::open(format!("step `{verb}`"), table, value.span(), known(verb))?;
        let at = fields.duration("at")?;
        let step = Self {
            name: fields
                .word("name")?
                .map(|word| word.name("name"))
                .transpose()?,
            at: fields.need("at", at)?,
            lasts: fields.duration("for")?,
            every: fields.duration("every")?,
            until: fields.duration("until")?,
            act: act(verb, &fields, world)?,
        };
        step.check_times(&fields, world.duration)?;
        Ok(step)
    }

    fn check_times(&self, fields: &Fields<'_, '_>, duration: Duration) -> Placed<()> {
        let refuse = |field: &'static str, why: String| {
            let word = fields.needed(field)?;
            Err(word.out_of_range(field, why))
        };
        let end = span::write(duration);
        if self.at >= duration {
            return refuse("at", format!("the run ends at {end}"));
        }
        if self
            .lasts
            .is_some_and(|lasts| lasts < TICK || self.at + lasts > duration)
        {
            return refuse(
                "for",
                format!("the fault must end after it began and by {end}"),
            );
        }
        if self.every.is_some_and(|every| every < TICK) {
            return refuse("every", "it is at least one tick of 5 ms".into());
        }
        if self.until.is_some() && self.every.is_none() {
            return refuse("until", "it needs `every`".into());
        }
        if self
            .until
            .is_some_and(|until| until < self.at || until > duration)
        {
            return refuse("until", format!("it lies between `at` and {end}"));
        }
        Ok(())
    }
}

/// Reads a schedule.
pub(super) fn read_all(steps: &Spanned<DeValue<'_>>, world: &World) -> Placed<Vec<Step>> {
    let mut schedule: Vec<Step> = Vec::new();
    let mut requests = 0_u64;
    for value in list("schedule", steps, MAX_STEPS)? {
        let step = Step::read(value, world)?;
        let taken = |earlier: &Step| step.name.is_some() && earlier.name == step.name;
        if schedule.iter().any(taken) {
            let name = step.name.as_deref().unwrap_or_default();
            return incoherent(&value.span(), format!("two steps are named `{name}`"));
        }
        let whom = suspends(&step.act);
        if let Some(whom) = whom.filter(|_| schedule.iter().any(|s| suspends(&s.act) == whom)) {
            let why = format!("two steps revoke `{whom}`: only the one that completes it says so");
            return incoherent(&value.span(), why);
        }
        requests = requests.saturating_add(step.requests(world.duration));
        if requests > MAX_REQUESTS {
            let why = format!("with this step the run makes more than {MAX_REQUESTS} requests");
            return incoherent(&value.span(), why);
        }
        schedule.push(step);
    }
    for (value, step) in list("schedule", steps, MAX_STEPS)?.iter().zip(&schedule) {
        before::check(step, &schedule, world).or_else(|why| incoherent(&value.span(), why))?;
        signing::check_forged(&step.act, &schedule, &value.span())?;
    }
    Ok(schedule)
}

fn verb(word: &Word<'_>) -> Placed<&'static str> {
    if let Some(verb) = BUILT_VERBS.iter().find(|verb| **verb == word.text) {
        return Ok(verb);
    }
    if let Some(verb) = PLANNED_VERBS.iter().find(|verb| **verb == word.text) {
        return Err((word.span.clone(), Flaw::VerbNotBuilt(verb)));
    }
    word.known("verb", BUILT_VERBS)?;
    incoherent(&word.span, "a verb is one of the closed list")
}

/// The fields of a step with that verb.
fn known(verb: &str) -> &'static [&'static str] {
    if let Some(known) = signing::known(verb).or_else(|| posing::known(verb)) {
        return known;
    }
    match verb {
        "crash" => &["name", "at", "do", "for", "node", "power"],
        "grant" | "revoke" => &["name", "at", "do", "principal", "role"],
        "heal" => &["name", "at", "do"],
        "log_out" | "revoke_leaf" => &["name", "at", "do", "principal"],
        "hold" => &["name", "at", "do", "for", "kind", "from", "to"],
        "release" => &["name", "at", "do", "kind", "from", "to"],
        "isolate" => &["name", "at", "do", "for", "node"],
        "partition" => &["name", "at", "do", "for", "between", "one_way", "how"],
        "put_entities" => PUT_ENTITIES,
        "put_policy" => PUT_POLICY,
        "request" => &[
            "name", "at", "do", "every", "until", "as", "via", "actions", "tag", "resource", "edge",
        ],
        "skew" => &["name", "at", "do", "for", "node", "by"],
        "slow" => &["name", "at", "do", "for", "node", "times"],
        _ => &["name", "at", "do", "node"],
    }
}

fn act(verb: &'static str, fields: &Fields<'_, '_>, world: &World) -> Placed<Act> {
    debug_assert!(
        known(verb).contains(&"for") == lasts(verb),
        "a fault can say how long"
    );
    for act in [signing::act, posing::act] {
        if let Some(act) = act(verb, fields, world)? {
            return Ok(act);
        }
    }
    Ok(match verb {
        "crash" => Act::Crash {
            node: node(fields, world)?,
            power: fields.flag("power")?,
        },
        "grant" => {
            let (principal, role) = principal(fields, world)?;
            Act::Grant { principal, role }
        }
        "heal" => Act::Heal,
        "hold" => Act::Hold(messages(fields, world)?),
        "isolate" => Act::Isolate {
            node: node(fields, world)?,
        },
        "log_out" => Act::LogOut {
            principal: user("principal", fields, world)?,
        },
        "partition" => partition(fields, world)?,
        "put_entities" => put_entities(fields, world)?,
        "put_policy" => put_policy(fields, world)?,
        "rejoin" => Act::Rejoin {
            node: node(fields, world)?,
        },
        "release" => Act::Release(messages(fields, world)?),
        "request" => request(fields, world, None)?,
        "restart" => Act::Restart {
            node: node(fields, world)?,
        },
        "revoke" => {
            let (principal, role) = principal(fields, world)?;
            Act::Revoke { principal, role }
        }
        "revoke_leaf" => Act::RevokeLeaf {
            principal: user("principal", fields, world)?,
        },
        "skew" => Act::Skew {
            node: node(fields, world)?,
            by_ms: offset(fields)?,
        },
        "slow" => Act::Slow {
            node: node(fields, world)?,
            times: fields.number("times", 2, MOST_SLOW)?,
        },
        _ => Act::Sync {
            node: node(fields, world)?,
        },
    })
}

fn node(fields: &Fields<'_, '_>, world: &World) -> Placed<String> {
    let nodes = world.nodes();
    fields
        .needed("node")?
        .known("node", nodes.iter().map(String::as_str))
}

pub(super) fn user(field: &'static str, fields: &Fields<'_, '_>, world: &World) -> Placed<String> {
    let users = world.users.iter().map(|user| user.name.as_str());
    fields.needed(field)?.known("user", users)
}

fn principal(fields: &Fields<'_, '_>, world: &World) -> Placed<(String, String)> {
    let principal = user("principal", fields, world)?;
    Ok((principal, fields.needed("role")?.name("role")?))
}

fn messages(fields: &Fields<'_, '_>, world: &World) -> Placed<Messages> {
    let nodes = world.nodes();
    let end = |field: &str| -> Placed<Option<String>> {
        let known = |word: Word<'_>| word.known("node", nodes.iter().map(String::as_str));
        fields.word(field)?.map(known).transpose()
    };
    Ok(Messages {
        kind: fields.needed("kind")?.known("kind of message", KINDS)?,
        from: end("from")?,
        to: end("to")?,
    })
}

fn partition(fields: &Fields<'_, '_>, world: &World) -> Placed<Act> {
    // Whoever changes the policy can be cut off too, and is no node that a step could stop.
    let mut nodes = world.nodes();
    nodes.push(ADMINISTRATOR.to_owned());
    let places = || world.regions.iter().chain(&nodes).map(String::as_str);
    let value = fields.need("between", fields.get("between"))?;
    let mut between: Vec<Vec<String>> = Vec::new();
    for group in list("between", value, places().count())? {
        let mut members = Vec::new();
        for word in words("between", group)? {
            let member = word.known("region or node", places())?;
            if members.contains(&member) || between.iter().any(|group| group.contains(&member)) {
                return incoherent(&word.span, format!("`{member}` is on two sides of the cut"));
            }
            members.push(member);
        }
        if members.is_empty() {
            return incoherent(&group.span(), "a side of the cut is empty");
        }
        between.push(members);
    }
    let one_way = fields.flag("one_way")?;
    if between.len() < 2 || (one_way && between.len() != 2) {
        let sides = if one_way {
            "exactly two"
        } else {
            "at least two"
        };
        return incoherent(&value.span(), format!("this cut needs {sides} sides"));
    }
    let how = match fields.word("how")? {
        None => How::Drop,
        Some(word) => match word.known("way to cut", ["drop", "reset"])?.as_str() {
            "drop" => How::Drop,
            _ => How::Reset,
        },
    };
    Ok(Act::Partition {
        between,
        one_way,
        how,
    })
}

fn offset(fields: &Fields<'_, '_>) -> Placed<i64> {
    let word = fields.needed("by")?;
    let (sign, rest) = match word.text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, word.text.strip_prefix('+').unwrap_or(word.text)),
    };
    let size = span::parse(rest).and_then(|span| i64::try_from(span.as_millis()).ok());
    match size.filter(|size| (1..=MAX_SKEW_MS).contains(size)) {
        Some(size) => Ok(sign * size),
        None => Err(word.out_of_range("by", "it takes `+` or `-` and a span, 1 ms to 24 h")),
    }
}
