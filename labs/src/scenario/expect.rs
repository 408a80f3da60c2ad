//! What a scenario demands of a good posture: the refusal, the promise, the floors.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};
use services::posture::{DIALS, Dial};
use services::refusal::Refusal;
use toml::Spanned;
use toml::de::DeValue;

use super::act::{ASKED, Act, lasts};
use super::bounds::Bounds;
use super::fields::{Fields, Word};
use super::flaw::{Placed, incoherent};
use super::step::Step;
use super::world::World;

/// The invariants that a scenario can name, in order of name.
pub const INVARIANTS: [&str; 12] = [
    "every-leaf-was-issued",
    "legitimate-users-served",
    "monotone-policy",
    "no-expired-credential",
    "no-foreign-identity",
    "no-forged-token",
    "no-permit-after-revoke",
    "no-permit-on-stale-policy",
    "no-retired-key",
    "no-revoked-credential",
    "no-unlogged-decision",
    "seamless-rotation",
];

/// The tag of the attacker's requests.
pub const ATTACK_TAG: &str = "attack";

/// The most floors of a scenario.
const MAX_FLOORS: usize = 20;

/// Which of a group's requests a floor counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum When {
    /// Those of the cut-off side while the named step lasts.
    Inside(String),
    /// All others.
    Outside(String),
    /// All of them.
    Throughout,
}

impl When {
    /// The step that it speaks of, if it speaks of one.
    pub fn step(&self) -> Option<&str> {
        match self {
            Self::Inside(name) | Self::Outside(name) => Some(name),
            Self::Throughout => None,
        }
    }

    /// Why nobody could be counted by this step, if it is the named one: a run keeps account, by
    /// region, of partitions alone.
    pub(super) fn misfit(&self, step: &Step, world: &World) -> Option<String> {
        let name = self.step()?;
        if step.name.as_deref() != Some(name) {
            return None;
        }
        let Act::Partition { between, .. } = &step.act else {
            let verb = step.act.verb();
            let why = format!("`{name}` is a step `{verb}`; a floor counts by a `partition`");
            return Some(why);
        };
        let cut_off = between.iter().min_by_key(|side| side.len());
        let is_region = |place: &String| world.regions.contains(place);
        let nobody = !cut_off.is_some_and(|side| side.iter().any(is_region));
        (nobody && matches!(self, Self::Inside(_)))
            .then(|| format!("`{name}` cuts off no region: nobody is inside it"))
    }
}

/// The least share of a group's requests that must be served.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Floor {
    /// The group.
    pub tag: String,
    /// Which of its requests.
    pub when: When,
    /// The share, from 0 to 1.
    pub floor: f64,
    /// Only this action, if there is one.
    pub action: Option<String>,
}

/// What a good posture does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Expect {
    /// What it answers to the attack; of an outage, what those heard who went without.
    #[serde(serialize_with = "by_name")]
    pub refusal: Refusal,
    /// For each action: no success later than this after the acknowledgement. Empty where the harm
    /// is an outage.
    pub exposure: BTreeMap<String, Duration>,
    /// For each action: nobody who is owed it goes without for longer. Empty where the harm is
    /// that somebody is let in.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outage: BTreeMap<String, Duration>,
    /// To which actions nobody is let in under a name that is not theirs, in the order of the file.
    /// Empty where the harm is another.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub impersonation: Vec<String>,
    /// What is kept, in the order of the file.
    pub invariants: Vec<String>,
    /// The dials that the learner may turn; all must stand in the learner's posture.
    pub dials: Vec<String>,
    /// Those of them without which the solution still holds.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub optional_dials: Vec<String>,
    /// What is owed to whom.
    pub availability: Vec<Floor>,
}

fn by_name<S: Serializer>(refusal: &Refusal, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(refusal.name())
}

impl Expect {
    pub(super) fn read(
        value: &Spanned<DeValue<'_>>,
        schedule: &[Step],
        world: &World,
    ) -> Placed<Self> {
        let known = [
            "refusal",
            "exposure",
            "outage",
            "impersonation",
            "invariants",
            "dials",
            "optional_dials",
            "availability",
        ];
        let fields = Fields::of("[expect]", value, &known)?;
        if fields.get("outage").is_none() && !tags(schedule).contains(&ATTACK_TAG) {
            let why = format!("no request has the tag `{ATTACK_TAG}`");
            return incoherent(fields.span(), why);
        }
        let refusal = fields.needed("refusal")?;
        refusal.known("refusal", Refusal::ALL.iter().map(|refusal| refusal.name()))?;
        let Some(refusal) = Refusal::from_name(refusal.text) else {
            return incoherent(&refusal.span, "a refusal is one of the closed list");
        };
        let mut invariants: Vec<String> = Vec::new();
        for word in fields.words("invariants")? {
            let invariant = word.known("invariant", INVARIANTS)?;
            if invariants.contains(&invariant) {
                return incoherent(&word.span, format!("`{invariant}` is named twice"));
            }
            invariants.push(invariant);
        }
        if invariants.is_empty() {
            fields.need::<()>("invariants", None)?;
        }
        let floors = fields.list("availability", MAX_FLOORS)?.into_iter();
        let availability = floors
            .map(|value| floor(value, schedule, world))
            .collect::<Placed<Vec<Floor>>>()?;
        let bounds = Bounds::read(&fields, schedule, &availability)?;
        let dials = dials(&fields)?;
        let optional = fields.words("optional_dials")?.into_iter();
        let own = || dials.iter().map(String::as_str);
        let optional = optional.map(|word| word.known("dial of `dials`", own()));
        Ok(Self {
            optional_dials: optional.collect::<Placed<_>>()?,
            refusal,
            exposure: bounds.exposure,
            outage: bounds.outage,
            impersonation: bounds.impersonation,
            invariants,
            dials,
            availability,
        })
    }
}

fn dials(fields: &Fields<'_, '_>) -> Placed<Vec<String>> {
    let mut dials: Vec<String> = Vec::new();
    for word in fields.words("dials")? {
        let dial = word.known("dial", DIALS.iter().map(|dial| dial.name))?;
        if !Dial::find(&dial).is_some_and(Dial::is_built) {
            let why = format!("dial `{dial}`: its mechanism is not built yet; remove it");
            return incoherent(&word.span, why);
        }
        if dials.contains(&dial) {
            return incoherent(&word.span, format!("`{dial}` is named twice"));
        }
        dials.push(dial);
    }
    Ok(dials)
}

fn floor(value: &Spanned<DeValue<'_>>, schedule: &[Step], world: &World) -> Placed<Floor> {
    let known = ["tag", "inside", "outside", "floor", "action"];
    let fields = Fields::of("[[expect.availability]]", value, &known)?;
    let fault = |word: &Word<'_>| {
        let faults = schedule.iter().filter(|step| lasts(step.act.verb()));
        word.known(
            "named fault",
            faults.filter_map(|step| step.name.as_deref()),
        )
    };
    let (place, when) = match (fields.word("inside")?, fields.word("outside")?) {
        (Some(word), None) => (word.span.clone(), When::Inside(fault(&word)?)),
        (None, Some(word)) => (word.span.clone(), When::Outside(fault(&word)?)),
        (None, None) => (fields.span().clone(), When::Throughout),
        (Some(_), Some(word)) => {
            let why = "a floor has `inside` or `outside`, or neither and counts throughout";
            return incoherent(&word.span, why);
        }
    };
    if let Some(why) = schedule.iter().find_map(|step| when.misfit(step, world)) {
        return incoherent(&place, why);
    }
    Ok(Floor {
        tag: fields.needed("tag")?.known("tag", tags(schedule))?,
        when,
        floor: fields.share("floor")?,
        action: match fields.word("action")? {
            Some(word) => Some(word.known("action", ASKED)?),
            None => None,
        },
    })
}

fn tags(schedule: &[Step]) -> Vec<&str> {
    let mut tags: Vec<&str> = schedule
        .iter()
        .filter_map(|step| match &step.act {
            Act::Request { tag, .. } => Some(tag.as_str()),
            _ => None,
        })
        .collect();
    tags.sort_unstable();
    tags.dedup();
    tags
}
