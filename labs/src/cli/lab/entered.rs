//! What a learner enters a lab with: the settings on their desk, read and judged before anything
//! runs.
//!
//! Nothing on the desk is changed. A file that does not hold is named as it is seen from here, with
//! its line.

use std::collections::BTreeMap;

use services::policy::entry::MAX_ENTRY;
use services::posture::{MAX_POSTURE, Posture, Source, Sources};

use super::super::Place;
use super::super::origin::{self, Lab, Side, Text};
use super::super::settings::{self, Settings};
use super::super::stop::Stop;
use crate::course::admit;
use crate::course::desk::Desk;
use crate::course::explain::Places;
use crate::course::own::Own;
use crate::course::trial::Entrant;
use crate::scenario::{MAX_SCENARIO, Scenario};
use crate::workspace::Workspace;

/// What the run of a learner's settings is called, in reports and as a folder.
const NAME: &str = "yours";

/// A lab and the learner's own settings for it.
#[derive(Clone, Debug)]
pub(super) struct Entered {
    pub(super) lab: Lab,
    pub(super) desk: Desk,
    pub(super) scenario: Scenario,
    pub(super) scenario_text: Text,
    pub(super) settings: Settings,
    /// What the learner started from.
    pub(super) exposed: Posture,
    posture_name: String,
    sources: Sources,
}

impl Entered {
    /// Reads the lab that the word means, and the desk.
    pub(super) fn read(
        word: Option<&str>,
        place: &Place,
        workspace: &Workspace,
    ) -> Result<Self, Stop> {
        let lab = super::chosen(word, place, workspace)?;
        Self::of(lab, place, workspace)
    }

    /// Reads that lab and its desk.
    pub(super) fn of(lab: Lab, place: &Place, workspace: &Workspace) -> Result<Self, Stop> {
        let scenario_text = lab.scenario()?;
        let scenario = Scenario::parse(&scenario_text.name, &scenario_text.text)?;
        let id = &scenario.metadata.id;
        let desk = Desk::of(workspace, id);
        let missing = desk.missing();
        if !missing.is_empty() {
            let start = place.invocation.command(&["lab", "start", &lab.word()?]);
            let folder = place.shown(desk.folder());
            let why = if desk.is_begun() {
                let files = missing.join("` and `");
                format!("`{files}` is missing from {folder}; `{start}` puts it back")
            } else {
                let elsewhere = place.hidden(|it| Desk::of(it, id).is_begun());
                let elsewhere = elsewhere.unwrap_or_default();
                format!("`{id}` is not laid out in {folder}; type `{start}`{elsewhere}")
            };
            return Err(Stop::Usage(why));
        }
        let read = |path: std::path::PathBuf, most: usize| {
            let mut text = origin::read(&path, most)?;
            text.name = place.shown(&path);
            Ok::<Text, Stop>(text)
        };
        let posture = read(desk.posture(), MAX_POSTURE)?;
        let posture_name = posture.name.clone();
        let (_, sources) = Posture::parse(&posture.name, &posture.text)?;
        let settings = settings::settings(NAME, posture, read(desk.policy(), MAX_ENTRY)?, false)?;
        let exposed = lab.posture(Side::Exposed)?;
        let (exposed, _) = Posture::parse(&exposed.name, &exposed.text)?;
        Ok(Self {
            lab,
            desk,
            scenario,
            scenario_text,
            settings,
            exposed,
            posture_name,
            sources,
        })
    }

    /// The learner's own attack, once it is written, and its file. Only running it reads it: a
    /// mistake in it is no fault of the settings.
    pub(super) fn own(&self, place: &Place) -> Result<Option<(Own, Text)>, Stop> {
        let path = self.desk.attack();
        let mut attack = origin::read(&path, MAX_SCENARIO)?;
        attack.name = place.shown(&path);
        let own = Own::parse(&self.scenario, &attack.name, &attack.text)?;
        Ok(own.map(|own| (own, attack)))
    }

    /// Refuses a posture that leaves out a dial of the lab, or turns another.
    pub(super) fn admit(&self) -> Result<(), Stop> {
        let dials = &self.scenario.expect.dials;
        let own = (&self.settings.posture, &self.sources);
        let admitted = admit::admit(dials, &self.exposed, &self.posture_name, own);
        admitted.map_err(|why| Stop::Usage(why.to_string()))
    }

    pub(super) fn entrant(&self) -> Entrant {
        Entrant {
            name: self.settings.name.clone(),
            posture: self.settings.posture.clone(),
            policy: self.settings.policy.clone(),
        }
    }

    /// Where each dial was set.
    pub(super) fn places(&self) -> Places {
        let place = |dial| match self.sources.get(dial) {
            Source::Line(line) => Some((dial, format!("posture.toml:{line}"))),
            Source::Hardened => None,
        };
        let set: BTreeMap<_, _> = self.sources.set_by_file().filter_map(place).collect();
        set
    }
}
