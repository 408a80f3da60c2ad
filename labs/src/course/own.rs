//! The learner's own attack: their faults and acts in place of the lab's, and whether it reached
//! what the lab asks for.
//!
//! The lab's requests stay as they are, and nothing is drawn: what the learner wrote is what
//! happens. A file without steps is an attack that is not written yet, never an empty one.

use std::time::Duration;

use toml::{Table, Value};

use crate::report::RunReport;
use crate::report::figure;
use crate::scenario::{Act, Scenario, ScenarioError, Step, Task, When, is_fault};

/// A learner's own faults and acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own(Vec<Step>);

impl Own {
    /// Reads an `attack.toml`; `file` is its name for errors. Nothing if it is not written yet.
    ///
    /// # Errors
    /// The first mistake, its line, and the word that was probably meant.
    pub fn parse(
        scenario: &Scenario,
        file: &str,
        text: &str,
    ) -> Result<Option<Self>, ScenarioError> {
        let steps = scenario.parse_own(file, text)?;
        Ok((!steps.is_empty()).then_some(Self(steps)))
    }

    /// The steps, in the order of the file.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// The scenario with these steps instead of the lab's own. A floor that speaks of a step which
    /// is gone cannot be judged and goes with it.
    pub fn onto(&self, scenario: &Scenario) -> Scenario {
        let mut own = scenario.clone();
        own.vary.clear();
        own.schedule
            .retain(|step| matches!(step.act, Act::Request { .. }));
        own.schedule.extend(self.0.iter().cloned());
        let floors = std::mem::take(&mut own.expect.availability);
        // What is owed throughout is owed under the lab's own faults, not under any.
        let faults = self.0.iter().any(|step| is_fault(step.act.verb()));
        let stays = |when: &When| match when.step() {
            Some(name) => own.step(name).is_some(),
            None => !faults,
        };
        let floors: Vec<_> = floors.into_iter().filter(|it| stays(&it.when)).collect();
        if floors.is_empty() {
            let served = crate::invariant::legitimate_users_served::NAME;
            own.expect.invariants.retain(|name| name != served);
        }
        own.expect.availability = floors;
        own
    }
}

/// The text of the same scenario: the lab's file with these steps in it, so that what is kept of a
/// run can be run again. Nothing if either text is not what [`Own::parse`] took.
pub fn written(lab: &str, own: &str) -> Option<String> {
    let table = |text: &str| text.trim_start_matches('\u{feff}').parse::<Table>().ok();
    let (mut lab, mut own) = (table(lab)?, table(own)?);
    lab.remove("vary");
    let steps = lab.get_mut("schedule")?.as_array_mut()?;
    steps.retain(|step| step.get("do").and_then(Value::as_str) == Some("request"));
    steps.append(own.get_mut("schedule")?.as_array_mut()?);
    let name = |step: &Value| Some(step.get("name")?.as_str()?.to_owned());
    let names: Vec<String> = steps.iter().filter_map(name).collect();
    let mut verbs = steps.iter().filter_map(|step| step.get("do")?.as_str());
    let faults = verbs.any(is_fault);
    let expect = lab.get_mut("expect")?.as_table_mut()?;
    let stays = |floor: &Value| match floor.get("inside").or_else(|| floor.get("outside")) {
        Some(of) => of
            .as_str()
            .is_some_and(|of| names.iter().any(|name| name == of)),
        None => !faults,
    };
    let mut left = 0;
    if let Some(floors) = expect.get_mut("availability").and_then(Value::as_array_mut) {
        floors.retain(stays);
        left = floors.len();
    }
    if left == 0 {
        expect.remove("availability");
        let served = crate::invariant::legitimate_users_served::NAME;
        let invariants = expect.get_mut("invariants")?.as_array_mut()?;
        invariants.retain(|name| name.as_str() != Some(served));
    }
    toml::to_string(&lab).ok()
}

/// The longest of what a lab measures in a run over all actions, in milliseconds.
pub fn longest_ms(report: &RunReport) -> u64 {
    report.harm_ms().values().copied().max().unwrap_or(0)
}

/// Whether an own attack reached what was asked, in one sentence without a full stop.
pub fn reached(task: &Task, report: &RunReport) -> (bool, String) {
    let longest = Duration::from_millis(longest_ms(report));
    let shown = figure::seconds(u64::try_from(longest.as_micros()).unwrap_or(u64::MAX));
    let asked = figure::span(task.reach);
    let done = longest >= task.reach;
    let verdict = if done {
        "that will do"
    } else {
        "not enough yet"
    };
    (
        done,
        format!("your attack reached {shown}; {asked} were asked: {verdict}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    fn lab() -> Scenario {
        let lab = catalog::find("stale-acl").unwrap();
        Scenario::parse("lab.toml", lab.lab_toml).unwrap()
    }

    const ATTACK: &str = r#"format = 1
[[schedule]]
name = "cut"
at = "5s"
for = "50s"
do = "partition"
between = [["south"], ["north", "east"]]
[[schedule]]
at = "6s"
do = "revoke"
principal = "mallory"
role = "nurse"
"#;

    fn refused(text: &str) -> String {
        Own::parse(&lab(), "attack.toml", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn own_steps_take_the_place_of_everything_but_the_requests() {
        let own = Own::parse(&lab(), "attack.toml", ATTACK).unwrap().unwrap();
        let scenario = own.onto(&lab());
        let requests = |scenario: &Scenario| -> Vec<Step> {
            let is = |step: &&Step| matches!(step.act, Act::Request { .. });
            scenario.schedule.iter().filter(is).cloned().collect()
        };
        assert_eq!(requests(&scenario), requests(&lab()));
        assert_eq!(scenario.schedule.len(), requests(&lab()).len() + 2);
        assert_eq!(scenario.step("cut").unwrap().at, Duration::from_secs(5));
        assert!(scenario.step("revocation").is_none() && scenario.vary.is_empty());
        assert_eq!(
            scenario.expect.availability.len(),
            2,
            "its cut is named as the lab's is"
        );
    }

    #[test]
    fn a_floor_goes_with_the_step_that_it_speaks_of() {
        let unnamed = ATTACK.replace("name = \"cut\"\n", "");
        let own = Own::parse(&lab(), "attack.toml", &unnamed)
            .unwrap()
            .unwrap();
        let expect = own.onto(&lab()).expect;
        assert!(expect.availability.is_empty());
        assert!(
            !expect
                .invariants
                .iter()
                .any(|it| it == "legitimate-users-served")
        );
        assert!(
            expect
                .invariants
                .iter()
                .any(|it| it == "no-permit-after-revoke")
        );
    }

    #[test]
    fn a_step_that_a_floor_speaks_of_is_one_that_a_run_can_count_by() {
        let cut = "do = \"partition\"\nbetween = [[\"south\"], [\"north\", \"east\"]]";
        let isolate = "do = \"isolate\"\nnode = \"records.south\"";
        let answer = refused(&ATTACK.replace(cut, isolate));
        let why = "attack.toml:2: `cut` is a step `isolate`; a floor counts by a `partition`";
        assert_eq!(answer, why);
        let other = ATTACK.replace("\"cut\"", "\"other\"");
        let other = other.replace(cut, isolate);
        assert!(Own::parse(&lab(), "attack.toml", &other).is_ok());
    }

    #[test]
    fn what_is_kept_of_it_is_the_same_scenario_again() {
        let lab_text = catalog::find("stale-acl").unwrap().lab_toml;
        for text in [ATTACK.to_owned(), ATTACK.replace("name = \"cut\"\n", "")] {
            let own = Own::parse(&lab(), "attack.toml", &text).unwrap().unwrap();
            let written = written(lab_text, &text).unwrap();
            let again = Scenario::parse("scenario.toml", &written).unwrap();
            assert_eq!(again, own.onto(&lab()));
        }
        assert_eq!(written("= 1", ATTACK), None);
    }

    /// A floor that counts throughout goes with the lab's own faults, and stays where there are
    /// none.
    #[test]
    fn what_is_kept_of_it_has_the_floors_that_it_ran_with() {
        let lab_text = catalog::find("zombie-connection").unwrap().lab_toml;
        let lab = Scenario::parse("lab.toml", lab_text).unwrap();
        let revoke = "[[schedule]]\nat = \"20s\"\ndo = \"revoke_leaf\"\nprincipal = \"tablet\"\n";
        let isolate = "[[schedule]]\nat = \"9s\"\nfor = \"9s\"\ndo = \"isolate\"\nnode = \"ca\"\n";
        for (steps, floors) in [(revoke, 1), (isolate, 0)] {
            let text = format!("format = 1\n{steps}");
            let own = Own::parse(&lab, "attack.toml", &text).unwrap().unwrap();
            let ran = own.onto(&lab);
            assert_eq!(ran.expect.availability.len(), floors, "{steps}");
            let written = written(lab_text, &text).unwrap();
            assert_eq!(Scenario::parse("scenario.toml", &written).unwrap(), ran);
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_line_and_the_word_that_was_meant() {
        assert_eq!(
            refused(&ATTACK.replace("partition", "pratition")),
            "attack.toml:6: unknown verb `pratition`; the nearest is `partition`"
        );
        assert_eq!(
            refused(&ATTACK.replace("\"nurse\"", "\"doctor\"")),
            "attack.toml:8: `mallory` does not hold the role `doctor` by then"
        );
        assert_eq!(
            refused(&ATTACK.replace("principal", "principle")),
            "attack.toml:11: unknown field `principle` in step `revoke`; the nearest is `principal`"
        );
        assert_eq!(
            refused("[[schedule]]\n"),
            "attack.toml:1: an attack needs `format`"
        );
        assert_eq!(
            refused("format = 1\n[world]\n"),
            "attack.toml:2: unknown field `world` in an attack; it is one of `format` or `schedule`"
        );
        let request = "[[schedule]]\nat = \"1s\"\ndo = \"request\"\nas = \"mallory\"\n\
                       via = \"records.south\"\nactions = [\"read\"]\ntag = \"attack\"\n";
        assert_eq!(
            refused(&format!("format = 1\n{request}")),
            "attack.toml:2: the requests are the lab's and stay; remove this step"
        );
    }

    #[test]
    fn a_revocation_that_takes_nothing_away_is_no_attack() {
        let step = |act: &str| format!("format = 1\n[[schedule]]\nat = \"3s\"\n{act}\n");
        let grant = step("do = \"grant\"\nprincipal = \"mallory\"\nrole = \"doctor\"");
        assert!(
            refused(&grant).contains("attack.toml:2: "),
            "{}",
            refused(&grant)
        );
        assert!(refused(&grant).contains("may only `revoke`"));
        let list = "entities = [{ id = \"List::none\", members = [] }]";
        let claim = format!("do = \"put_entities\"\n{list}\nrevokes = \"mallory\"");
        assert!(Own::parse(&lab(), "attack.toml", &step(&claim)).is_err());
        let other = step("do = \"revoke\"\nprincipal = \"mallory\"\nrole = \"doctor\"");
        assert!(
            refused(&other).contains("does not hold the role"),
            "{}",
            refused(&other)
        );
    }

    #[test]
    fn too_many_steps_are_refused_at_the_first_too_many() {
        let heal = "[[schedule]]\nat = \"50s\"\ndo = \"heal\"\n";
        assert_eq!(
            refused(&format!("{ATTACK}{heal}")),
            "attack.toml:13: step 3 of at most 2: the lab asks for no more"
        );
    }

    #[test]
    fn what_was_reached_is_measured_against_what_was_asked() {
        let task = lab().attack.unwrap();
        let sample = crate::report::text::sample::exposed();
        let mut report = crate::report::text::sample::judged(&[&sample.history]).remove(0);
        report.exposure_ms = [("read".to_owned(), 32_850), ("write".to_owned(), 12)].into();
        assert_eq!(
            reached(&task, &report),
            (
                true,
                "your attack reached 32.9 s; 20 s were asked: that will do".to_owned()
            )
        );
        report.exposure_ms = [("read".to_owned(), 19_999)].into();
        let (done, said) = reached(&task, &report);
        assert!(!done && said.ends_with("not enough yet"), "{said}");
    }
}
