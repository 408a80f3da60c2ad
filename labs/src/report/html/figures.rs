//! The figures as tables: exposure beside promise and price, floors, and what a run took.
//!
//! A figure is shown rounded, and carries the report's own value beside it in the markup.

use crate::history::{Harm, History};
use crate::report::balance::{self, Cost, HeldTo, Row};
use crate::report::markup::Markup;
use crate::report::{Availability, RunReport, figure};

/// Writes the section.
pub(super) fn write(markup: &mut Markup, runs: &[RunReport], histories: &[&History]) {
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], "What was promised, and what it cost");
        exposure_and_price(markup, runs, histories);
        markup.leaf("h2", &[], "Who was served");
        floors(markup, runs);
        markup.leaf("h2", &[], "What it took");
        running(markup, runs);
    });
}

/// A table that scrolls by itself where the page is narrow.
fn table(markup: &mut Markup, columns: &[&str], body: impl FnOnce(&mut Markup)) {
    let scroll = [("class", "scroll"), ("tabindex", "0")];
    markup.element("div", &scroll, |markup| {
        markup.element("table", &[], |markup| {
            markup.element("thead", &[], |markup| {
                markup.element("tr", &[], |markup| {
                    for column in columns {
                        markup.leaf("th", &[("scope", "col")], column);
                    }
                });
            });
            markup.element("tbody", &[], body);
        });
    });
}

/// The name of a run over all its rows.
fn run_cell(markup: &mut Markup, run: &RunReport, rows: usize) {
    let rows = rows.to_string();
    let attributes = [
        ("scope", "rowgroup"),
        ("class", "run"),
        ("rowspan", rows.as_str()),
    ];
    markup.leaf("th", &attributes, &run.posture);
}

fn figure_cell(markup: &mut Markup, class: &str, value: &str, shown: &str) {
    markup.element("td", &[("class", class)], |markup| {
        data(markup, value, shown);
    });
}

fn data(markup: &mut Markup, value: &str, shown: &str) {
    markup.leaf("data", &[("value", value)], shown);
}

fn exposure_and_price(markup: &mut Markup, runs: &[RunReport], histories: &[&History]) {
    let user = balance::sides(histories).1;
    let (let_in, price) = balance::heads(histories);
    let harm = runs.first().map_or(Harm::Exposure, RunReport::harm);
    let (beside, last) = match harm {
        Harm::Exposure => ("promised", "requests unserved"),
        Harm::Outage => ("promised", "order"),
        Harm::Impersonation => ("requests let in", "requests unserved"),
    };
    let columns = ["run", "to", &let_in, beside, &price, last];
    table(markup, &columns, |markup| {
        for (run, history) in runs.iter().zip(histories) {
            let rows = balance::rows(history, user);
            for (at, row) in rows.iter().enumerate() {
                let first = [("class", "first")];
                let attributes = if at == 0 { &first[..] } else { &[] };
                markup.element("tr", attributes, |markup| {
                    if at == 0 {
                        run_cell(markup, run, rows.len());
                    }
                    exposure_row(markup, run, row);
                });
            }
        }
    });
}

fn exposure_row(markup: &mut Markup, run: &RunReport, row: &Row) {
    markup.leaf("td", &[], &row.action);
    let ms = |of: Option<&u64>| of.map_or(String::new(), u64::to_string);
    let harm = ms(run.harm_ms().get(&row.action));
    figure_cell(markup, "big", &harm, &row.harm_words());
    let promised = match (run.harm(), row.held_to) {
        (_, HeldTo::Count(let_in, _)) => let_in.to_string(),
        (Harm::Exposure | Harm::Impersonation, HeldTo::Promise(_)) => {
            ms(run.promised_ms.get(&row.action))
        }
        (Harm::Outage, HeldTo::Promise(promise)) => promise
            .bound_us()
            .map_or(String::new(), |us| (us / 1_000).to_string()),
    };
    let words = row.promise_words();
    let words = match words.trim_start_matches("of ") {
        "none promised" => "nothing",
        words => words,
    };
    figure_cell(markup, "number", &promised, words);
    match &row.price {
        Cost::Waited(waited) => waited_cells(markup, waited.as_ref()),
        Cost::Unserved(None) => {
            markup.leaf("td", &[("class", "big")], "-");
            markup.leaf("td", &[("class", "number")], "not asked");
        }
        Cost::Unserved(Some(price)) => {
            let shown = if price.unserved == 0 {
                "never".to_owned()
            } else {
                figure::seconds(price.unserved_us)
            };
            figure_cell(markup, "big", &price.unserved_us.to_string(), &shown);
            let of = format!("{} of {}", price.unserved, price.total);
            figure_cell(markup, "number", &price.unserved.to_string(), &of);
        }
    }
}

/// For how long which order waited, and whether it still does.
fn waited_cells(markup: &mut Markup, waited: Option<&(String, u64, bool)>) {
    let Some((order, us, is_done)) = waited else {
        markup.leaf("td", &[("class", "big")], "");
        return markup.leaf("td", &[("class", "number")], "");
    };
    figure_cell(markup, "big", &us.to_string(), &figure::seconds(*us));
    let end = if *is_done { "" } else { ", and waits still" };
    markup.leaf("td", &[("class", "number")], &format!("{order}{end}"));
}

fn floors(markup: &mut Markup, runs: &[RunReport]) {
    let columns = ["run", "users", "counted", "served", "share", "floor", ""];
    table(markup, &columns, |markup| {
        for run in runs {
            for (at, group) in run.availability.iter().enumerate() {
                let first = [("class", "first")];
                let attributes = if at == 0 { &first[..] } else { &[] };
                markup.element("tr", attributes, |markup| {
                    if at == 0 {
                        run_cell(markup, run, run.availability.len());
                    }
                    floor_row(markup, group);
                });
            }
        }
    });
}

fn floor_row(markup: &mut Markup, group: &Availability) {
    markup.leaf("td", &[], &format!("{}, {}", group.tag, group.region));
    markup.leaf("td", &[], &group.when);
    let of = format!("{} of {}", group.ok, group.total);
    figure_cell(markup, "number", &group.ok.to_string(), &of);
    let share = figure::percent(group.ok, group.total);
    markup.element("td", &[("class", "share")], |markup| {
        bar(markup, group);
        data(markup, &group.ratio.to_string(), &share);
    });
    let floor = group.floor.to_string();
    figure_cell(markup, "number", &floor, &figure::floor(group.floor));
    let (class, words) = match group.total {
        0 => ("unknown", "? nobody asked"),
        total if (group.ok as f64 / total as f64) < group.floor => ("broken", "✗ below"),
        _ => ("kept", "✓ above"),
    };
    markup.leaf("td", &[("class", class)], words);
}

/// The share as a bar, with a line at the floor.
fn bar(markup: &mut Markup, group: &Availability) {
    const LONG: u64 = 120;
    let ok = group.ok.min(group.total);
    let served = u128::from(ok) * u128::from(LONG) / u128::from(group.total.max(1));
    let floor = (group.floor * LONG as f64).round();
    let view = format!("0 0 {LONG} 12");
    let attributes = [
        ("class", "bar"),
        ("aria-hidden", "true"),
        ("viewBox", view.as_str()),
    ];
    markup.element("svg", &attributes, |markup| {
        let rect = |markup: &mut Markup, class: &str, long: &str| {
            let place = [
                ("class", class),
                ("y", "2"),
                ("width", long),
                ("height", "8"),
            ];
            markup.void("rect", &place);
        };
        rect(markup, "whole", &LONG.to_string());
        rect(markup, "part", &served.to_string());
        let d = format!("M{floor} 0V12");
        markup.void("path", &[("class", "floor"), ("d", &d)]);
    });
}

/// One line of the last table: what it is, and for each run its value and how it is shown.
type Measure = (&'static str, fn(&RunReport) -> Vec<(String, String)>);

const MEASURES: [Measure; 4] = [
    ("answers took (simulated), p50 · p95 · p99", |run| {
        let latency = run.latency_ms;
        let took = |ms: Option<f64>| {
            ms.map_or((String::new(), "-".to_owned()), |ms| {
                (ms.to_string(), format!("{ms:.1} ms"))
            })
        };
        [latency.p50, latency.p95, latency.p99].map(took).into()
    }),
    (
        "leaves renewed before the cut · failed during · renewed after",
        |run| {
            let renewals = run.renewals;
            let counts = [renewals.before, renewals.during_failed, renewals.after];
            counts
                .map(|count| (count.to_string(), count.to_string()))
                .into()
        },
    ),
    ("calls between nodes", |run| {
        vec![(run.cost.rpcs.to_string(), run.cost.rpcs.to_string())]
    }),
    ("bytes sent, about", |run| {
        let bytes = run.cost.bytes_about;
        vec![(bytes.to_string(), figure::bytes(bytes))]
    }),
];

fn running(markup: &mut Markup, runs: &[RunReport]) {
    let names = runs.iter().map(|run| run.posture.as_str());
    let columns: Vec<&str> = std::iter::once("").chain(names).collect();
    table(markup, &columns, |markup| {
        for (what, of) in MEASURES {
            markup.element("tr", &[], |markup| {
                markup.leaf("th", &[("scope", "row")], what);
                for run in runs {
                    values(markup, &of(run));
                }
            });
        }
        markup.element("tr", &[], |markup| {
            markup.leaf("th", &[("scope", "row")], "refusals heard");
            for run in runs {
                refusals(markup, run);
            }
        });
    });
}

fn values(markup: &mut Markup, values: &[(String, String)]) {
    markup.element("td", &[("class", "number")], |markup| {
        for (at, (value, shown)) in values.iter().enumerate() {
            if at > 0 {
                markup.text(" · ");
            }
            data(markup, value, shown);
        }
    });
}

fn refusals(markup: &mut Markup, run: &RunReport) {
    markup.element("td", &[("class", "number")], |markup| {
        if run.refusals.is_empty() {
            markup.text("none");
        }
        for (at, (name, count)) in run.refusals.iter().enumerate() {
            if at > 0 {
                markup.text(", ");
            }
            markup.text(&format!("{name} "));
            data(markup, &count.to_string(), &count.to_string());
        }
    });
}
