//! The rules about what a lab is made of: its scenario, its settings, the word no learner reads.
//!
//! Nothing runs here. What cannot be parsed is told with its line, and the lab is handed on to
//! the runs only if all of it can be.

use services::policy::check::check;
use services::posture::Posture;

use super::{Ruling, Subject};
use crate::catalog::folder::LabFiles;
use crate::course::admit::admit;
use crate::course::trial::Entrant;
use crate::scenario::Scenario;

/// It belongs to Rust paths: what a learner reads does not scold.
pub(super) const SCOLDING: &str = concat!("dan", "ger");

pub(super) fn rulings(files: &LabFiles) -> (Vec<Ruling>, Option<Subject>) {
    let mut rulings = vec![words(files)];
    let scenario = match Scenario::parse("lab.toml", &files.lab_toml) {
        Ok(scenario) => scenario,
        Err(why) => {
            let faults = vec![why.to_string()];
            rulings.push(Ruling::new("scenario", "the scenario parses", faults));
            return (rulings, None);
        }
    };
    rulings.push(id(files, &scenario));
    let mut faults = Vec::new();
    let subject = entrants(files, &scenario, &mut faults);
    faults.extend(wrong_messages(files));
    let ruling = Ruling::new(
        "settings",
        "each posture sets the lab's dials and no other, each policy is one",
        faults,
    );
    rulings.push(ruling);
    if let Some(subject) = &subject {
        rulings.push(empty(subject));
    }
    (rulings, subject)
}

fn words(files: &LabFiles) -> Ruling {
    let mut faults = Vec::new();
    for (file, text) in files.files() {
        for (at, line) in text.lines().enumerate() {
            if line.to_lowercase().contains(SCOLDING) {
                faults.push(format!(
                    "{file}:{}: a learner's file does not say `{SCOLDING}`; say what happens",
                    at + 1
                ));
            }
        }
    }
    Ruling::new("words", "no file of the lab scolds", faults)
}

fn id(files: &LabFiles, scenario: &Scenario) -> Ruling {
    let (said, folder) = (&scenario.metadata.id, &files.id);
    let mut faults = Vec::new();
    if said != folder {
        faults.push(format!(
            "lab.toml: `id` is `{said}` and the folder is `{folder}`; give both one name"
        ));
    }
    Ruling::new("id", "the folder has the lab's id for its name", faults)
}

/// Every set of settings, parsed; what is wrong with any is added to the faults.
fn entrants(files: &LabFiles, scenario: &Scenario, faults: &mut Vec<String>) -> Option<Subject> {
    let dials = &scenario.expect.dials;
    // What the lab sets beside its dials belongs to its world: it is the same for everybody.
    let given = Posture::parse("exposed/posture.toml", &files.exposed_posture).ok();
    let mut entrant = |name: &str, posture: &str, policy: &str| {
        let file = format!("{name}/posture.toml");
        let parsed = Posture::parse(&file, posture).map_err(|why| faults.push(why.to_string()));
        let checked = check(&format!("{name}/policy.cedar"), policy);
        let checked = checked.map_err(|why| faults.push(why.to_string()));
        let (posture, sources) = parsed.ok()?;
        let set: Vec<&str> = sources.set_by_file().collect();
        for dial in dials.iter().filter(|dial| !set.contains(&dial.as_str())) {
            faults.push(format!(
                "{file}: it does not set `{dial}`, which `expect.dials` names"
            ));
        }
        let other = |dial: &&str| !dials.iter().any(|own| own == dial);
        let given: Vec<(&str, Option<String>)> =
            given.as_ref().map_or(Vec::new(), |(given, by)| {
                let set = by.set_by_file().filter(other);
                set.map(|dial| (dial, given.value(dial))).collect()
            });
        let is_given = |dial: &&str| given.contains(&(*dial, posture.value(dial)));
        for dial in set.iter().copied().filter(other).filter(|it| !is_given(it)) {
            faults.push(format!(
                "{file}: it sets `{dial}`, which `expect.dials` does not name"
            ));
        }
        let missing = given.iter().map(|(dial, _)| *dial);
        for dial in missing.filter(|it| !set.contains(it)) {
            faults.push(format!(
                "{file}: `{dial}` is not as `exposed` sets it, and `expect.dials` does not name it"
            ));
        }
        checked.ok()?;
        Some(Entrant {
            name: name.to_owned(),
            posture,
            policy: policy.to_owned(),
        })
    };
    let exposed = entrant("exposed", &files.exposed_posture, &files.exposed_policy);
    let solution = entrant("solution", &files.solution_posture, &files.solution_policy);
    let wrong = files.wrong.iter().map(|wrong| {
        let name = format!("wrong/{}", wrong.name);
        entrant(&name, &wrong.posture, &wrong.policy)
    });
    let wrong: Vec<Option<Entrant>> = wrong.collect();
    Some(Subject {
        files: files.clone(),
        scenario: scenario.clone(),
        exposed: exposed?,
        solution: solution?,
        wrong: wrong.into_iter().collect::<Option<_>>()?,
    })
}

fn wrong_messages(files: &LabFiles) -> Vec<String> {
    let silent = files
        .wrong
        .iter()
        .filter(|wrong| wrong.expect.trim().is_empty());
    let told = silent.map(|wrong| {
        format!(
            "wrong/{}/expect.txt: it is empty; write what `lab check` must say of it, a line each",
            wrong.name
        )
    });
    told.collect()
}

/// A learner's posture that names none of the lab's dials is refused before anything runs.
fn empty(subject: &Subject) -> Ruling {
    let claim = "an empty posture is no answer";
    let name = "posture.toml";
    let refused = Posture::parse(name, "").map_err(|why| why.to_string());
    let refused = refused.map(|(posture, sources)| {
        let (dials, exposed) = (&subject.scenario.expect.dials, &subject.exposed.posture);
        admit(dials, exposed, name, (&posture, &sources))
    });
    match refused {
        Ok(Err(why)) if !subject.scenario.expect.dials.is_empty() => {
            Ruling::new("empty", claim, Vec::new()).seen(why.to_string())
        }
        _ => {
            let fault = "lab.toml: `expect.dials` names none, so an empty posture is an answer";
            Ruling::new(
                "empty",
                claim,
                vec![format!("{fault}; name the dials to turn")],
            )
        }
    }
}
