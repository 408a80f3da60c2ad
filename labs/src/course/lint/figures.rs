//! The rule about figures in a lab's pages: a number of seconds or percent is one that the run
//! shows.
//!
//! A figure is a number with the unit `s`, `ms`, `second(s)`, `%` or `percent`. It must stand in
//! the scenario, in one of the lab's postures, or on the page of the demonstration with the seed
//! that the pages use; equal, not near. A figure from elsewhere is listed in its own file:
//! `<!-- figures from elsewhere: 24 s, 3 % -->`. Numbers in words are not looked at.

use std::collections::BTreeSet;

use services::posture::{HEARTBEAT, Posture, least_bound};

use super::Ruling;
use crate::catalog::folder::LabFiles;
use crate::scenario::{Act, Scenario};

/// How a file lists what it took from elsewhere.
const ELSEWHERE: &str = "<!-- figures from elsewhere:";

/// Units and what they are in thousandths: of a second, or of one percent.
const UNITS: [(&str, Kind, u64); 6] = [
    ("ms", Kind::Time, 1),
    ("s", Kind::Time, 1_000),
    ("second", Kind::Time, 1_000),
    ("seconds", Kind::Time, 1_000),
    ("%", Kind::Share, 1_000),
    ("percent", Kind::Share, 1_000),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Time,
    Share,
}

/// A kind and so many thousandths of its unit.
type Figure = (Kind, u64);

/// Judges every page against what the scenario, the postures and the demonstration show.
pub(super) fn ruling(files: &LabFiles, scenario: &Scenario, shown: &str) -> Ruling {
    let mut known = of_scenario(scenario);
    known.extend(figures(shown).map(|(_, _, figure)| figure));
    known.extend(of_postures(files));
    let pages = [
        ("README.md", &files.readme),
        ("demo.md", &files.demo),
        ("hints.md", &files.hints),
        ("why.md", &files.why),
        ("lab.toml", &files.lab_toml),
    ];
    let (mut faults, mut count) = (Vec::new(), 0);
    for (file, text) in pages {
        let listed: BTreeSet<Figure> = elsewhere(text).collect();
        for (at, written, figure) in figures(text) {
            count += 1;
            if !known.contains(&figure) && !listed.contains(&figure) {
                let line = 1 + text[..at].matches('\n').count();
                faults.push(format!(
                    "{file}:{line}: `{written}` is in no scenario, posture or demonstration of \
                     this lab; correct it, or list it: `{ELSEWHERE} {written} -->`"
                ));
            }
        }
    }
    let claim = "every figure in the pages is one that the run shows";
    Ruling::new("figures", claim, faults).seen(format!("{count} figures"))
}

/// Every time and share of the scenario's world, schedule and expectations.
fn of_scenario(scenario: &Scenario) -> BTreeSet<Figure> {
    let ms = |span: std::time::Duration| (Kind::Time, span.as_millis() as u64);
    let expect = &scenario.expect;
    let mut known = BTreeSet::from([ms(scenario.world.duration), ms(HEARTBEAT)]);
    for step in &scenario.schedule {
        let spans = [
            Some(step.at),
            step.lasts,
            step.ends(),
            step.every,
            step.until,
        ];
        known.extend(spans.into_iter().flatten().map(ms));
        if let Act::Skew { by_ms, .. } = &step.act {
            known.insert((Kind::Time, by_ms.unsigned_abs()));
        }
    }
    for vary in &scenario.vary {
        use crate::scenario::Part;
        if let Part::At(low, high) | Part::For(low, high) = vary.part {
            known.extend([ms(low), ms(high)]);
        }
    }
    known.extend(
        expect
            .exposure
            .values()
            .chain(expect.outage.values())
            .map(|span| ms(*span)),
    );
    known.extend([ms(scenario.world.leaf_life), ms(scenario.world.list_life)]);
    known.extend(scenario.attack.iter().map(|task| ms(task.reach)));
    let floors = expect.availability.iter();
    known.extend(floors.map(|floor| (Kind::Share, (floor.floor * 100_000.0).round() as u64)));
    known
}

/// Every time in the lab's postures as they are in force.
fn of_postures(files: &LabFiles) -> BTreeSet<Figure> {
    let wrong = files.wrong.iter().map(|wrong| &wrong.posture);
    let own = wrong.chain([&files.exposed_posture, &files.solution_posture]);
    let parsed = own.filter_map(|text| Posture::parse("", text).ok());
    let all = parsed
        .map(|(posture, _)| posture)
        .chain([Posture::hardened()]);
    let mut known = BTreeSet::new();
    for posture in all {
        let least = least_bound(posture.tls.tolerance);
        known.insert((Kind::Time, least.as_millis() as u64));
        known.extend(figures(&posture.canonical()).map(|(_, _, figure)| figure));
    }
    known
}

fn elsewhere(text: &str) -> impl Iterator<Item = Figure> {
    let lists = text.match_indices(ELSEWHERE).map(|(at, _)| {
        let list = &text[at..];
        &list[..list.find("-->").unwrap_or(list.len())]
    });
    lists.flat_map(figures).map(|(_, _, figure)| figure)
}

/// Every figure of a text: where it begins, as it is written, and what it is.
fn figures(text: &str) -> impl Iterator<Item = (usize, &str, Figure)> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let inside = |at: usize| {
        let before = text[..at].chars().next_back();
        before.is_some_and(|c| c.is_alphanumeric() || ".#_-".contains(c))
    };
    let starts = (0..bytes.len()).filter(move |at| digit(*at) && !inside(*at));
    starts.filter_map(move |at| figure(text, at))
}

/// The figure that begins here, if a unit follows the number.
fn figure(text: &str, at: usize) -> Option<(usize, &str, Figure)> {
    let rest = &text[at..];
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (whole, part) = rest[..end].split_once('.').unwrap_or((&rest[..end], ""));
    let after = &rest[end..];
    let gap = after.chars().next().filter(|c| *c == ' ' || *c == '\u{a0}');
    let unit_at = end + gap.map_or(0, char::len_utf8);
    let unit = &rest[unit_at..];
    let length = unit
        .find(|c: char| !c.is_alphanumeric() && c != '%')
        .unwrap_or(unit.len());
    let (_, kind, scale) = UNITS
        .into_iter()
        .find(|(name, ..)| *name == &unit[..length])?;
    let part = part.get(..3).unwrap_or(part);
    let thousandths = format!("{part:0<3}").parse::<u64>().ok()?;
    let value = whole.parse::<u64>().ok()?.checked_mul(scale)? + thousandths * scale / 1_000;
    Some((at, &rest[..unit_at + length], (kind, value)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_a_number_with_a_unit_however_it_is_written() {
        let text = "at 32.9 s, `10s`, 500ms, 12 seconds, 40 %, 15 percent; not 3 of 4, #99 s, \
                    v1.2 s, 10 stones, 7";
        let found: Vec<_> = figures(text).map(|(_, written, _)| written).collect();
        let wanted = ["32.9 s", "10s", "500ms", "12 seconds", "40 %", "15 percent"];
        assert_eq!(found, wanted);
        let values: Vec<_> = figures(text).map(|(_, _, figure)| figure.1).collect();
        assert_eq!(values, [32_900, 10_000, 500, 12_000, 40_000, 15_000]);
    }

    #[test]
    fn what_a_file_lists_from_elsewhere_is_its_own_to_answer_for() {
        let listed: Vec<_> =
            elsewhere("a\n<!-- figures from elsewhere: 24 s, 3 % -->\n9 s").collect();
        assert_eq!(listed, [(Kind::Time, 24_000), (Kind::Share, 3_000)]);
    }
}
