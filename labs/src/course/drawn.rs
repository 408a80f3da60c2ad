//! A variant as a file: the lab's text with what was drawn in it, so that what is kept of a run can
//! be read and run again.
//!
//! It is the variant or nothing: what does not parse back to it is not handed out.

use std::collections::BTreeMap;

use services::posture::span;
use toml::{Table, Value};

use super::variant::{self, SHOWN_SEED};
use crate::scenario::Scenario;

/// The world of a seed, and its text: the lab as it stands for [`SHOWN_SEED`] and where nothing can
/// be drawn, else the variant that a check draws from the same seed.
pub fn world(scenario: &Scenario, text: &str, seed: u64) -> (Scenario, String) {
    if seed == SHOWN_SEED || scenario.vary.is_empty() {
        return (scenario.clone(), text.to_owned());
    }
    let drawn = variant::draw(scenario, seed);
    match written(scenario, text, &drawn) {
        Some(text) => (drawn, text),
        None => (scenario.clone(), text.to_owned()),
    }
}

/// The lab's text with a variant's draws in it; nothing if it would not read back as that variant.
pub fn written(scenario: &Scenario, text: &str, drawn: &Scenario) -> Option<String> {
    let mut table = text.trim_start_matches('\u{feff}').parse::<Table>().ok()?;
    table.remove("vary");
    let traded = scenario.world.regions.iter().zip(&drawn.world.regions);
    let traded: BTreeMap<&str, &str> = traded
        .map(|(from, to)| (from.as_str(), to.as_str()))
        .collect();
    let world = table.get_mut("world")?.as_table_mut()?;
    trade(world.get_mut("regions")?, &traded);
    for user in world.get_mut("users")?.as_array_mut()? {
        trade(user.get_mut("region")?, &traded);
    }
    for step in table.get_mut("schedule")?.as_array_mut()? {
        let step = step.as_table_mut()?;
        for field in ["between", "from", "node", "secret", "to", "via"] {
            if let Some(value) = step.get_mut(field) {
                trade(value, &traded);
            }
        }
        let name = step.get("name").and_then(Value::as_str);
        let is_drawn = |name: &&str| scenario.vary.iter().any(|vary| vary.step == *name);
        let Some(of) = name.filter(is_drawn).and_then(|name| drawn.step(name)) else {
            continue;
        };
        step.insert("at".to_owned(), Value::String(span::write(of.at)));
        if let Some(lasts) = of.lasts {
            step.insert("for".to_owned(), Value::String(span::write(lasts)));
        }
    }
    let text = toml::to_string(&table).ok()?;
    let again = Scenario::parse("scenario.toml", &text).ok()?;
    (again == *drawn).then_some(text)
}

/// Puts each region, and each region's node and data key, in the place of the one it traded with.
fn trade(value: &mut Value, traded: &BTreeMap<&str, &str>) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(|one| trade(one, traded)),
        Value::String(place) => {
            // `south`, `records.south`, `records-at-rest/south`.
            let at = place.rfind(['.', '/']).map_or(0, |at| at + 1);
            if let Some(to) = place.get(at..).and_then(|region| traded.get(region)) {
                place.replace_range(at.., to);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;

    #[test]
    fn each_variant_of_each_lab_reads_back_from_its_text() {
        for lab in catalog::all() {
            let scenario = Scenario::parse(lab.id, lab.lab_toml).unwrap();
            let mut regions = std::collections::BTreeSet::new();
            for seed in 0..50 {
                let (drawn, text) = world(&scenario, lab.lab_toml, seed);
                let again = Scenario::parse("scenario.toml", &text).unwrap();
                assert_eq!(again, drawn, "{} {seed}", lab.id);
                assert_eq!(again.canonical_sha256(), drawn.canonical_sha256());
                let mut checked = variant::draw(&scenario, seed);
                if seed == SHOWN_SEED {
                    checked.vary.clone_from(&scenario.vary);
                }
                assert_eq!(drawn, checked, "a check tries another world");
                regions.insert(drawn.world.regions.clone());
            }
            let trades = scenario
                .vary
                .iter()
                .any(|it| matches!(it.part, crate::scenario::Part::Region(_)));
            assert_eq!(regions.len() > 1, trades, "{}", lab.id);
        }
    }

    #[test]
    fn the_seed_that_the_pages_tell_of_is_the_lab_as_it_stands() {
        let lab = catalog::find("stale-acl").unwrap();
        let scenario = Scenario::parse(lab.id, lab.lab_toml).unwrap();
        let (shown, text) = world(&scenario, lab.lab_toml, SHOWN_SEED);
        assert_eq!((shown, text.as_str()), (scenario.clone(), lab.lab_toml));
        assert_ne!(world(&scenario, lab.lab_toml, 8).0, scenario);
        let drawn = variant::draw(&scenario, 8);
        assert_eq!(written(&scenario, "= 1", &drawn), None);
    }
}
