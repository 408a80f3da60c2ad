//! A scenario: a world, a schedule of faults and acts, and what a good posture does about them.
//!
//! It is data, read from a `lab.toml` with a closed set of words and no code. Nothing in a file is
//! ignored and everything is bounded; [`Scenario::parse`] names the line of the first mistake and
//! the word that was probably meant. Nothing here runs anything.

mod act;
mod administration;
mod before;
mod bounds;
mod course;
mod expect;
mod fields;
mod flaw;
mod guise;
mod own;
mod posing;
mod request;
mod signing;
mod step;
mod vary;
mod world;

use serde::Serialize;
use services::posture::document::Document;
use toml::de::DeTable;

use fields::Fields;
use flaw::Placed;

pub use act::{
    Act, BUILT_VERBS, Booty, Guise, How, KINDS, Messages, PLANNED_VERBS, PolicyText, is_fault,
};
pub use course::{Predict, Question, Task};
pub use expect::{ATTACK_TAG, Expect, Floor, INVARIANTS, When};
pub use flaw::{Flaw, ScenarioError};
pub use signing::{Deed, Order};
pub use step::{MAX_REQUESTS, MAX_STEPS, Step};
pub use vary::{Part, Vary};
pub(crate) use world::{AT_REST, EDGE, FLEET};
pub use world::{MAX_DURATION, MAX_USERS, REGIONAL_SERVICES, REGIONS, SINGLE_NODES, User, World};

/// A scenario file is at most this long, in bytes.
pub const MAX_SCENARIO: usize = 256 * 1024;

/// The only format there is.
const FORMAT: u32 = 1;

const TOP: [&str; 17] = [
    "format", "id", "title", "shelf", "level", "minutes", "paths", "needs", "teaches", "refs",
    "world", "vary", "schedule", "expect", "predict", "attack", "quiz",
];

/// How long a lab takes a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Minutes {
    /// Nobody has measured it.
    Untried,
    /// The median of at least three people.
    Median(u32),
}

/// What a catalogue says of a lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// The folder's name.
    pub id: String,
    /// The title.
    pub title: String,
    /// Where it stands, 1 to 5.
    pub shelf: u32,
    /// How hard it is, 1 to 3.
    pub level: u32,
    /// How long it takes.
    pub minutes: Minutes,
    /// The paths it is on.
    pub paths: Vec<String>,
    /// Labs that should come first.
    pub needs: Vec<String>,
    /// What it teaches.
    pub teaches: Vec<String>,
    /// Where it comes from.
    pub refs: Vec<String>,
}

/// A world, a schedule, and what is expected.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Scenario {
    /// What a catalogue says of it.
    pub metadata: Metadata,
    /// Who and what there is.
    pub world: World,
    /// What is drawn anew for a check.
    pub vary: Vec<Vary>,
    /// What happens, in the order of the file.
    pub schedule: Vec<Step>,
    /// What a good posture does about it.
    pub expect: Expect,
    /// A question before the run.
    pub predict: Option<Predict>,
    /// What the learner's own attack must reach.
    pub attack: Option<Task>,
    /// Questions after it.
    pub quiz: Vec<Question>,
}

impl Scenario {
    /// Reads a scenario; `file` is its name for errors.
    ///
    /// # Errors
    ///
    /// The first mistake, its line, and the word that was probably meant.
    pub fn parse(file: &str, text: &str) -> Result<Self, ScenarioError> {
        let document = Document::new(file, text);
        let error = |line, flaw| ScenarioError {
            file: file.into(),
            line,
            flaw,
        };
        if text.len() > MAX_SCENARIO {
            return Err(error(1, Flaw::TooLarge(text.len())));
        }
        let table = document
            .table()
            .map_err(|(line, why)| error(line, Flaw::Toml(why)))?;
        Self::read(&table).map_err(|(span, flaw)| error(document.line(&span), flaw))
    }

    fn read(table: &DeTable<'_>) -> Placed<Self> {
        let top = Fields::open("the scenario", table, 0..0, &TOP)?;
        top.number("format", FORMAT, FORMAT)?;
        let metadata = Metadata::read(&top)?;
        let world = World::read(top.need("world", top.get("world"))?)?;
        let schedule = step::read_all(top.need("schedule", top.get("schedule"))?, &world)?;
        let expect = Expect::read(top.need("expect", top.get("expect"))?, &schedule, &world)?;
        let vary = match top.get("vary") {
            Some(value) => vary::read(value, &world, &schedule)?,
            None => Vec::new(),
        };
        Ok(Self {
            metadata,
            vary,
            schedule,
            expect,
            predict: top.get("predict").map(Predict::read).transpose()?,
            attack: top
                .get("attack")
                .map(|value| Task::read(value, &world))
                .transpose()?,
            quiz: course::read_quiz(&top)?,
            world,
        })
    }

    /// The step of that name.
    pub fn step(&self, name: &str) -> Option<&Step> {
        self.schedule
            .iter()
            .find(|step| step.name.as_deref() == Some(name))
    }

    /// SHA-256 of the parsed form, in lower-case hex: comments, spaces and the order of fields in
    /// the file do not matter, the order of steps does.
    pub fn canonical_sha256(&self) -> String {
        let form = serde_json::to_vec(self).expect("a scenario has text for keys");
        let digest = ring::digest::digest(&ring::digest::SHA256, &form);
        digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

impl Metadata {
    fn read(top: &Fields<'_, '_>) -> Placed<Self> {
        let texts = |field: &str| -> Placed<Vec<String>> {
            Ok(top
                .words(field)?
                .iter()
                .map(|word| word.text.to_owned())
                .collect())
        };
        let paths = top.words("paths")?;
        let path = |word: &fields::Word<'_>| {
            word.known("path", ["core", "rotation", "interview", "class"])
        };
        let needs = top.words("needs")?;
        Ok(Self {
            id: top.needed("id")?.name("id")?,
            title: top.needed("title")?.text.into(),
            shelf: top.number("shelf", 1, 5)?,
            level: top.number("level", 1, 3)?,
            minutes: Minutes::read(top)?,
            paths: paths.iter().map(path).collect::<Placed<_>>()?,
            needs: needs
                .iter()
                .map(|word| word.name("needs"))
                .collect::<Placed<_>>()?,
            teaches: texts("teaches")?,
            refs: texts("refs")?,
        })
    }
}

impl Minutes {
    fn read(top: &Fields<'_, '_>) -> Placed<Self> {
        match top.get("minutes") {
            Some(value) if value.get_ref().is_integer() => {
                top.number("minutes", 1, 600).map(Self::Median)
            }
            _ => {
                top.needed("minutes")?
                    .known("number of minutes", ["untried"])?;
                Ok(Self::Untried)
            }
        }
    }
}

#[cfg(test)]
mod tests;
