//! A learner's own schedule: `attack.toml`, read with the scenario's grammar and against its world.
//!
//! It has `format = 1` and `[[schedule]]` and no other word. The users' requests are the lab's and
//! stay; a learner's steps are faults and acts, at most as many as the lab allows.

use services::posture::document::Document;
use toml::de::DeTable;

use super::fields::Fields;
use super::flaw::{Flaw, Placed, ScenarioError, incoherent};
use super::step::{self, MAX_STEPS, Step};
use super::{Act, FORMAT, MAX_SCENARIO, Scenario};

impl Scenario {
    /// Reads a learner's own steps; `file` is its name for errors. None at all is no mistake.
    ///
    /// # Errors
    ///
    /// The first mistake, its line, and the word that was probably meant.
    pub fn parse_own(&self, file: &str, text: &str) -> Result<Vec<Step>, ScenarioError> {
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
        self.read_own(&table)
            .map_err(|(span, flaw)| error(document.line(&span), flaw))
    }

    fn read_own(&self, table: &DeTable<'_>) -> Placed<Vec<Step>> {
        let top = Fields::open("an attack", table, 0..0, &["format", "schedule"])?;
        top.number("format", FORMAT, FORMAT)?;
        let Some(value) = top.get("schedule") else {
            return Ok(Vec::new());
        };
        let steps = step::read_all(value, &self.world)?;
        let places = top.list("schedule", MAX_STEPS)?;
        let most = self
            .attack
            .as_ref()
            .map_or(MAX_STEPS, |task| task.steps as usize);
        for (at, (place, step)) in places.iter().zip(&steps).enumerate() {
            if matches!(step.act, Act::Request { .. }) {
                let why = "the requests are the lab's and stay; remove this step";
                return incoherent(&place.span(), why);
            }
            if let Some(why) = Self::claims_too_much(&step.act) {
                return incoherent(&place.span(), why);
            }
            // A floor that speaks of a step which is gone goes with it; one that speaks of this one
            // stays.
            let mut floors = self.expect.availability.iter();
            if let Some(why) = floors.find_map(|it| it.when.misfit(step, &self.world)) {
                return incoherent(&place.span(), why);
            }
            if at == most {
                let why = format!(
                    "step {} of at most {most}: the lab asks for no more",
                    at + 1
                );
                return incoherent(&place.span(), why);
            }
        }
        Ok(steps)
    }

    /// Why an act may not be in an attack of one's own: the checker takes a revocation at its word,
    /// so it must be one.
    fn claims_too_much(act: &Act) -> Option<&'static str> {
        match act {
            Act::Grant { .. }
            | Act::LogOut { .. }
            | Act::Order(_)
            | Act::PutEntities { .. }
            | Act::PutPolicy { .. } => {
                Some("of what administrators do, an attack of one's own may only `revoke`")
            }
            _ => None,
        }
    }
}
