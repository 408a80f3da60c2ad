//! A variant of a scenario: everything in `[vary]` drawn from a seed.
//!
//! Each thing that is drawn has a source of its own, so that one more line in `[vary]` moves none
//! of the others. A drawn region trades places with the cut's own throughout, so that the story
//! stays the same somewhere else. Times fall on whole 100 ms, which read well in a report. A
//! variant has nothing left to draw.

use std::time::Duration;

use ca::rng::{Rng as _, SeededRng};

use crate::report::figure;
use crate::scenario::{AT_REST, Act, Messages, Part, Scenario, Step};

/// Times are drawn in steps of this length, if one fits between the two ends.
const STEP_MS: u64 = 100;

/// The seed that a lab's pages tell of: whoever runs it, it draws the lab as it stands.
pub const SHOWN_SEED: u64 = 7;

/// The scenario with everything in `[vary]` drawn anew; one seed, one variant. Seed 0 is not
/// special, and [`SHOWN_SEED`] draws what stands there.
pub fn draw(scenario: &Scenario, seed: u64) -> Scenario {
    let mut drawn = scenario.clone();
    drawn.vary.clear();
    if seed == SHOWN_SEED {
        return drawn;
    }
    for vary in &scenario.vary {
        match &vary.part {
            Part::At(low, high) => {
                let at = between(&source(seed, &vary.step, "at"), *low, *high);
                change(&mut drawn, &vary.step, |step| step.at = at);
            }
            Part::For(low, high) => {
                let lasts = between(&source(seed, &vary.step, "for"), *low, *high);
                change(&mut drawn, &vary.step, |step| step.lasts = Some(lasts));
            }
            Part::Region(regions) => {
                let source = source(seed, &vary.step, "region");
                let at = usize::try_from(source.below(regions.len() as u64)).unwrap_or(0);
                let from = cut_region(&drawn, &vary.step).map(str::to_owned);
                if let (Some(from), Some(to)) = (from, regions.get(at)) {
                    trade(&mut drawn, &from, to);
                }
            }
        }
    }
    end_inside(&mut drawn);
    drawn
}

/// How a variant differs from its scenario: `cut at 8.4 s for 31.2 s in east`.
pub fn in_words(scenario: &Scenario, drawn: &Scenario) -> String {
    let mut steps: Vec<(&str, Vec<String>)> = Vec::new();
    for vary in &scenario.vary {
        let Some(step) = drawn.step(&vary.step) else {
            continue;
        };
        let part = match &vary.part {
            Part::At(..) => Some(format!("at {}", figure::span(step.at))),
            Part::For(..) => step
                .lasts
                .map(|lasts| format!("for {}", figure::span(lasts))),
            Part::Region(_) => cut_region(drawn, &vary.step).map(|region| format!("in {region}")),
        };
        match steps.iter_mut().find(|(name, _)| *name == vary.step) {
            Some((_, parts)) => parts.extend(part),
            None => steps.push((&vary.step, part.into_iter().collect())),
        }
    }
    if steps.is_empty() {
        return "as the lab has it".to_owned();
    }
    let told = steps
        .iter()
        .map(|(name, parts)| format!("{name} {}", parts.join(" ")));
    told.collect::<Vec<_>>().join("; ")
}

fn source(seed: u64, step: &str, part: &str) -> SeededRng {
    SeededRng::branch(seed, &format!("vary/{step}.{part}"))
}

/// A time between the two, both included.
fn between(source: &SeededRng, low: Duration, high: Duration) -> Duration {
    let ms = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (first, last) = (ms(low).div_ceil(STEP_MS), ms(high) / STEP_MS);
    if first > last {
        return low;
    }
    Duration::from_millis((first + source.below(last - first + 1)) * STEP_MS)
}

fn change(scenario: &mut Scenario, name: &str, change: impl FnOnce(&mut Step)) {
    let mut steps = scenario.schedule.iter_mut();
    if let Some(step) = steps.find(|step| step.name.as_deref() == Some(name)) {
        change(step);
    }
}

/// The first region of a cut's first side.
fn cut_region<'s>(scenario: &'s Scenario, step: &str) -> Option<&'s str> {
    let Act::Partition { between, .. } = &scenario.step(step)?.act else {
        return None;
    };
    let mut side = between.first()?.iter();
    let region = side.find(|member| scenario.world.regions.contains(member))?;
    Some(region.as_str())
}

/// Two regions trade places wherever either is named.
fn trade(scenario: &mut Scenario, one: &str, other: &str) {
    let region = |name: &mut String| {
        if name == one {
            other.clone_into(name);
        } else if name == other {
            one.clone_into(name);
        }
    };
    // A region, or a region's node: `<service>.<region>`.
    let place = |name: &mut String| match name.split_once('.') {
        None => region(name),
        Some((service, of)) => {
            let mut of = of.to_owned();
            region(&mut of);
            *name = format!("{service}.{of}");
        }
    };
    let data_key = |secret: &mut String| {
        if let Some(of) = secret.strip_prefix(AT_REST) {
            let mut of = of.to_owned();
            region(&mut of);
            *secret = format!("{AT_REST}{of}");
        }
    };
    scenario.world.regions.iter_mut().for_each(region);
    for user in &mut scenario.world.users {
        region(&mut user.region);
    }
    for step in &mut scenario.schedule {
        match &mut step.act {
            Act::Crash { node, .. }
            | Act::Isolate { node }
            | Act::Rejoin { node }
            | Act::Restart { node }
            | Act::Skew { node, .. }
            | Act::Slow { node, .. }
            | Act::Sync { node } => place(node),
            Act::Hold(Messages { from, to, .. }) | Act::Release(Messages { from, to, .. }) => {
                from.iter_mut().chain(to).for_each(place);
            }
            Act::Partition { between, .. } => between.iter_mut().flatten().for_each(place),
            Act::Request { via, .. } => place(via),
            Act::Order(order) => order.secret.iter_mut().for_each(data_key),
            Act::Enrol { .. }
            | Act::Grant { .. }
            | Act::Heal
            | Act::LogOut { .. }
            | Act::PutEntities { .. }
            | Act::PutPolicy { .. }
            | Act::Revoke { .. }
            | Act::RevokeLeaf { .. }
            | Act::Steal { .. } => {}
        }
    }
}

/// A scenario that was parsed cannot draw a fault past the end; one made by hand is held to it.
fn end_inside(scenario: &mut Scenario) {
    let duration = scenario.world.duration;
    for step in &mut scenario.schedule {
        let room = duration.saturating_sub(step.at);
        step.lasts = step.lasts.map(|lasts| lasts.min(room));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::catalog;

    const SECOND: Duration = Duration::from_secs(1);

    fn lab() -> Scenario {
        let lab = catalog::find("stale-acl").unwrap();
        Scenario::parse("lab.toml", lab.lab_toml).unwrap()
    }

    /// Everything that a parsed scenario promises and a drawn one could break.
    fn is_well_formed(drawn: &Scenario) {
        let world = &drawn.world;
        let regions: BTreeSet<&String> = world.regions.iter().collect();
        assert_eq!(regions.len(), world.regions.len());
        assert!(
            world
                .users
                .iter()
                .all(|user| regions.contains(&user.region))
        );
        let nodes = world.nodes();
        let stands = |name: &String| regions.contains(name) || nodes.contains(name);
        for step in &drawn.schedule {
            assert!(step.at < world.duration, "{step:?}");
            assert!(
                step.ends().is_none_or(|end| end <= world.duration),
                "{step:?}"
            );
            assert!(step.until.is_none_or(|until| step.at <= until), "{step:?}");
            match &step.act {
                Act::Partition { between, .. } => {
                    let members: Vec<&String> = between.iter().flatten().collect();
                    let distinct: BTreeSet<&String> = members.iter().copied().collect();
                    assert_eq!(distinct.len(), members.len());
                    assert!(members.into_iter().all(stands));
                }
                Act::Request { as_, via, .. } => {
                    assert!(nodes.contains(via), "{via}");
                    let user = world.user(as_).expect("the user is still there");
                    assert_eq!(
                        *via,
                        format!("records.{}", user.region),
                        "the door moved too"
                    );
                }
                _ => {}
            }
        }
    }

    proptest! {
        #[test]
        fn every_variant_is_well_formed_and_within_its_bounds(seed in any::<u64>()) {
            let scenario = lab();
            let drawn = draw(&scenario, seed);
            is_well_formed(&drawn);
            let cut = drawn.step("cut").unwrap();
            prop_assert!((8 * SECOND..=11 * SECOND).contains(&cut.at));
            prop_assert!((25 * SECOND..=40 * SECOND).contains(&cut.lasts.unwrap()));
            prop_assert_eq!(cut.at.as_millis() % 100, 0);
            prop_assert_eq!(cut.lasts.unwrap().as_millis() % 100, 0);
            prop_assert!(["south", "east"].contains(&cut_region(&drawn, "cut").unwrap()));
            prop_assert_eq!(&drawn, &draw(&scenario, seed), "one seed, one variant");
            prop_assert_eq!(&draw(&drawn, seed ^ 1), &drawn, "nothing is left to draw");
        }
    }

    #[test]
    fn seeds_differ_and_each_end_and_each_region_is_drawn() {
        let scenario = lab();
        let drawn: Vec<Scenario> = (0..400).map(|seed| draw(&scenario, seed)).collect();
        let words: BTreeSet<String> = drawn.iter().map(|it| in_words(&scenario, it)).collect();
        assert!(words.len() > 380, "{} of 400 differ", words.len());
        let at = |span: Duration| drawn.iter().any(|it| it.step("cut").unwrap().at == span);
        assert!(at(8 * SECOND) && at(11 * SECOND), "both ends are included");
        for region in ["south", "east"] {
            let cut = drawn
                .iter()
                .filter(|it| cut_region(it, "cut") == Some(region));
            assert!(cut.count() > 100, "{region} is hardly ever drawn");
        }
    }

    #[test]
    fn the_seed_that_the_pages_tell_of_is_the_same_lab_for_every_command() {
        let (lab, shown) = (lab(), draw(&lab(), SHOWN_SEED));
        assert_eq!(shown.schedule, lab.schedule);
        assert_eq!(shown.world, lab.world);
        assert_ne!(draw(&lab, SHOWN_SEED + 1).schedule, lab.schedule);
    }

    #[test]
    fn one_more_line_in_vary_moves_none_of_the_others() {
        let mut fewer = lab();
        let all = draw(&fewer, 5);
        fewer.vary.retain(|vary| !matches!(vary.part, Part::At(..)));
        let drawn = draw(&fewer, 5);
        assert_eq!(
            drawn.step("cut").unwrap().lasts,
            all.step("cut").unwrap().lasts
        );
        assert_eq!(drawn.step("cut").unwrap().at, 10 * SECOND, "not drawn");
    }

    #[test]
    fn the_data_key_of_a_region_trades_places_with_it() {
        let lab = catalog::find("two-secrets").unwrap();
        let scenario = Scenario::parse("lab.toml", lab.lab_toml).unwrap();
        let mut traded = scenario.clone();
        trade(&mut traded, "south", "east");
        let secrets = |scenario: &Scenario| {
            let orders = scenario.schedule.iter().filter_map(|step| match &step.act {
                Act::Order(order) => order.secret.clone(),
                _ => None,
            });
            orders.collect::<BTreeSet<String>>()
        };
        let named = |region: &str| [format!("{AT_REST}{region}"), "webhook".to_owned()].into();
        assert_eq!(secrets(&scenario), named("south"));
        assert_eq!(secrets(&traded), named("east"));
    }

    #[test]
    fn a_drawn_region_trades_places_throughout() {
        let mut scenario = lab();
        scenario.vary = vec![crate::scenario::Vary {
            step: "cut".to_owned(),
            part: Part::Region(vec!["east".to_owned()]),
        }];
        let hold = Act::Hold(Messages {
            kind: "replicate".to_owned(),
            from: Some("records.south".to_owned()),
            to: Some("policy".to_owned()),
        });
        let isolate = Act::Isolate {
            node: "witness.east".to_owned(),
        };
        for act in [hold, isolate] {
            let mut step = scenario.schedule[0].clone();
            (step.name, step.act) = (None, act);
            scenario.schedule.push(step);
        }
        let drawn = draw(&scenario, 1);
        assert_eq!(drawn.world.regions, ["north", "east", "south"]);
        let home = |name: &str| drawn.world.user(name).unwrap().region.as_str();
        assert_eq!(
            [home("mallory"), home("emil"), home("nadia")],
            ["east", "south", "north"]
        );
        let told = format!("{:?}", drawn.schedule);
        for part in [
            r#"between: [["east"], ["north", "south"]]"#,
            r#"from: Some("records.east"), to: Some("policy")"#,
            r#"node: "witness.south""#,
            r#"as_: "mallory", via: "records.east""#,
        ] {
            assert!(told.contains(part), "no {part} in {told}");
        }
        assert_eq!(draw(&drawn, 9), drawn);
        assert_eq!(in_words(&scenario, &drawn), "cut in east");
        is_well_formed(&drawn);
    }

    #[test]
    fn what_differs_is_said_in_words() {
        let scenario = lab();
        let mut drawn = scenario.clone();
        change(&mut drawn, "cut", |step| {
            step.at = Duration::from_millis(8_400);
            step.lasts = Some(Duration::from_millis(31_000));
        });
        assert_eq!(
            in_words(&scenario, &drawn),
            "cut at 8.4 s for 31 s in south"
        );
        assert_eq!(
            in_words(&drawn, &{
                let mut plain = drawn.clone();
                plain.vary.clear();
                plain
            }),
            "cut at 8.4 s for 31 s in south"
        );
        let plain = draw(&scenario, 0);
        assert_eq!(in_words(&plain, &plain), "as the lab has it");
    }

    #[test]
    fn a_range_without_a_whole_step_keeps_its_lower_end_and_none_runs_past_the_end() {
        let mut scenario = lab();
        let (low, high) = (Duration::from_millis(8_010), Duration::from_millis(8_090));
        let at = |low, high| crate::scenario::Vary {
            step: "cut".to_owned(),
            part: Part::At(low, high),
        };
        scenario.vary = vec![at(low, high)];
        assert_eq!(draw(&scenario, 3).step("cut").unwrap().at, low);
        scenario.vary = vec![at(40 * SECOND, 50 * SECOND)];
        is_well_formed(&draw(&scenario, 3));
    }
}
