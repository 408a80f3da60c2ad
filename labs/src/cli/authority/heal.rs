//! `schism ca heal`: a fleet comes back after an outage, under one way of retrying or under each.
//!
//! The simulation is [`ca::heal`]'s, with the work seam's measured costs; here it gets its figures
//! from the words and is laid out. Same words, same page: how long it took is not on it.

use std::fmt::Write as _;
use std::time::Duration;

use ca::admission::Limits;
use ca::agent::ATTEMPT;
use ca::clock::{Clock as _, SystemClock};
use ca::heal::{Dial, Heal, InvalidHeal, MOST_MEMBERS, Order, Outcome};
use ca::renewal::Retry;
use ca::work::Kind;
use serde_json::{Value, json};

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, span};
use super::budget::Tried;
use crate::fabric::labour;

/// From a member to the CA: a continent away.
const LATENCY: Duration = Duration::from_millis(20);
/// How long it may take before progress is shown.
const SILENT: Duration = Duration::from_secs(1);

/// Simulate a fleet that comes back after the CA was away: who loses a leaf, and how long it takes
///
/// Members plan their renewals and the CA admits them as the real ones do; a handshake and a
/// signature cost what they were measured to. It shows what `schism ca budget` leaves out: after an
/// outage that each member would bear alone, a crowd may still lose leaves.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// How many members there are
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_MEMBERS)))]
    members: u32,
    /// How long the CA is away, as in 33s
    #[arg(long, value_name = "SPAN", value_parser = span::span, default_value = "33s")]
    outage: Duration,
    /// Life of a leaf: 10 s or more
    #[arg(long, value_name = "SPAN", value_parser = span::some, default_value = "100s")]
    leaf_ttl: Duration,
    /// How a failed renewal is tried again; without it, both ways are shown
    #[arg(long, value_name = "HOW", value_enum)]
    retry: Option<Tried>,
    /// Whom the CA serves first
    #[arg(long, value_name = "WHO", value_enum, default_value_t = First::SoonestExpiry)]
    order: First,
    /// How much more slowly the CA works than it was measured to
    #[arg(long, value_name = "TIMES", default_value_t = 1)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1_000))]
    slower: u32,
    /// The seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    answer: Answer,
}

/// Whom the CA serves first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum First {
    /// Whoever's leaf ends first
    SoonestExpiry,
    /// Whoever came first
    FirstCome,
}

/// One line of the page, of one way.
type Figure = fn(&Outcome) -> String;

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let ways = match words.retry {
        Some(way) => vec![way],
        None => vec![Tried::Window, Tried::Fixed],
    };
    let began = SystemClock.now();
    let mut ran = Vec::new();
    for way in ways {
        let heal = words.heal(way);
        let outcome = heal.run(words.seed, &mut |share| {
            if SystemClock.now().since(began) > SILENT {
                printer.progress(name(way), share);
            }
        });
        let outcome = outcome.map_err(|why| Stop::Usage(format!("{}: {why}", flag(&why))))?;
        ran.push((way, outcome));
    }
    printer.clear();
    let text = if words.answer.json {
        format!("{:#}\n", words.json(&ran))
    } else {
        words.page(&ran)
    };
    words.answer.give(&text, printer)?;
    Ok(Exit::Done)
}

impl Words {
    fn heal(&self, way: Tried) -> Heal {
        Heal {
            members: self.members,
            leaf_ttl: self.leaf_ttl,
            outage: self.outage,
            retry: Retry::from(way),
            attempt: ATTEMPT,
            latency: LATENCY,
            tolerance: Duration::from_millis(500),
            handshake: labour::cost(Kind::Handshake) * self.slower,
            issue: labour::cost(Kind::Issue) * self.slower,
            limits: Limits::STANDARD,
            dial: Dial::Hangs,
            order: match self.order {
                First::SoonestExpiry => Order::SoonestExpiry,
                First::FirstCome => Order::FirstCome,
            },
        }
    }

    fn page(&self, ran: &[(Tried, Outcome)]) -> String {
        let order = match self.order {
            First::SoonestExpiry => "the soonest expiry first",
            First::FirstCome => "first come, first served",
        };
        let pace = match self.slower {
            1 => "the CA as fast as it was measured".to_owned(),
            times => format!("the CA {times} times slower than it was measured"),
        };
        let mut page = format!(
            "{} members, leaves of {}, the CA away for {}; then {order}\n{pace}, seed {}\n\n",
            self.members,
            span::shown(self.leaf_ttl),
            span::shown(self.outage),
            self.seed
        );
        let figures: [(&str, Figure); 6] = [
            ("leaves lost", |it| it.lost.to_string()),
            ("longest queue", |it| it.longest_queue.to_string()),
            ("until all who were due are renewed", |it| {
                tenths(it.recovered_in)
            }),
            ("attempts after the heal", |it| it.attempts.to_string()),
            ("attempts refused", |it| it.refused.to_string()),
            ("attempts unanswered", |it| it.unanswered.to_string()),
        ];
        // Writing to a string does not fail.
        let _ = write!(page, "{:<36}", "after a failure, tried again");
        for (way, _) in ran {
            let _ = write!(page, "{:>18}", name(*way));
        }
        for (what, figure) in figures {
            let _ = write!(page, "\n{what:<36}");
            for (_, outcome) in ran {
                let _ = write!(page, "{:>18}", figure(outcome));
            }
        }
        page + "\n"
    }

    fn json(&self, ran: &[(Tried, Outcome)]) -> Value {
        let micros = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(u64::MAX);
        let ran = ran.iter().map(|(way, it)| {
            json!({
                "retry": match way {
                    Tried::Window => "window",
                    Tried::Fixed => "fixed",
                },
                "lost": it.lost,
                "longest_queue": it.longest_queue,
                "recovered_in_us": micros(it.recovered_in),
                "attempts": it.attempts,
                "refused": it.refused,
                "unanswered": it.unanswered,
            })
        });
        json!({
            "members": self.members,
            "leaf_ttl_us": micros(self.leaf_ttl),
            "outage_us": micros(self.outage),
            "order": match self.order {
                First::SoonestExpiry => "soonest-expiry",
                First::FirstCome => "first-come",
            },
            "slower": self.slower,
            "seed": self.seed,
            "outcomes": ran.collect::<Vec<_>>(),
        })
    }
}

const fn name(way: Tried) -> &'static str {
    match way {
        Tried::Window => "once a window",
        Tried::Fixed => "each second",
    }
}

/// The word that says otherwise.
const fn flag(why: &InvalidHeal) -> &'static str {
    match why {
        InvalidHeal::Members | InvalidHeal::Name(_) => "`--members`",
        InvalidHeal::Leaf | InvalidHeal::Attempt => "`--leaf-ttl`",
        InvalidHeal::Outage => "`--outage`",
    }
}

/// To the tenth of a second: more would be read into a simulation than is in it.
fn tenths(span: Duration) -> String {
    let tenths = (span.as_millis() + 50) / 100;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::super::printer::tests::{Paper, printer, written};
    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        words: Words,
    }

    fn said(line: &str) -> Result<String, String> {
        let words = Line::try_parse_from(format!("heal {line}").split_whitespace());
        let words = words.map_err(|error| error.to_string())?.words;
        let page = Paper::default();
        let (mut printer, _) = printer(page.clone(), true);
        let ran = run(&words, &mut printer);
        ran.map(|_| written(&page)).map_err(|stop| stop.to_string())
    }

    #[test]
    fn both_ways_stand_side_by_side_and_only_the_naive_one_loses_leaves() {
        let json = said("--members 1000 --slower 10 --json").unwrap();
        let json: Value = serde_json::from_str(&json).unwrap();
        let lost: Vec<u64> = (json["outcomes"].as_array().unwrap().iter())
            .map(|it| it["lost"].as_u64().unwrap())
            .collect();
        assert!(matches!(lost[..], [0, naive] if naive > 0), "{lost:?}");
        let page = said("--members 1000 --slower 10").unwrap();
        let row = |name: &str| {
            let line = page.lines().find(|line| line.starts_with(name)).unwrap();
            line[36..]
                .split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            row("leaves lost"),
            lost.iter().map(u64::to_string).collect::<Vec<_>>()
        );
        assert_eq!(row("attempts refused").len(), 2, "{page}");
        assert!(page.lines().all(|line| line.len() <= 80), "{page}");
        assert_eq!(page, said("--members 1000 --slower 10").unwrap());
    }

    #[test]
    fn each_word_changes_what_comes_of_it() {
        let lost = |words: &str| {
            let line = format!("--members 1000 --retry window --json {words}");
            let json: Value = serde_json::from_str(&said(&line).unwrap()).unwrap();
            let outcomes = json["outcomes"].as_array().unwrap();
            assert_eq!(outcomes.len(), 1);
            outcomes[0]["lost"].as_u64().unwrap()
        };
        assert_eq!(lost("--slower 10"), 0);
        assert!(lost("--slower 10 --order first-come") > 0);
        assert!(lost("--slower 10 --outage 60s") > 100);
        assert!(lost("--slower 10 --leaf-ttl 60s") > 100);
        assert!(lost("--slower 40") > 100);
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_flag() {
        for (line, flag) in [
            ("--members 0", "--members"),
            ("--members 100001", "--members"),
            ("--outage soon", "--outage"),
            ("--outage 101s", "`--outage`"),
            ("--leaf-ttl 1s", "`--leaf-ttl`"),
            ("--retry never", "--retry"),
            ("--order last", "--order"),
            ("--slower 0", "--slower"),
        ] {
            let said = said(line).unwrap_err();
            assert!(said.contains(flag), "{line}: {said}");
        }
    }
}
