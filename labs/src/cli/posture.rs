//! `schism posture show`: every dial, the value in force, and where that came from.
//!
//! The table is the services' own; nothing is listed here. A dial or a value that a posture cannot
//! have yet is marked, not left out.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;
use services::posture::{DIALS, Dial, MAX_POSTURE, Posture, Source, Sources};

use super::answer::Answer;
use super::origin::{self, Lab, Side};
use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Place};
use crate::report::text::{Page, Style, Tone, width};

/// Columns before a dial's value.
const NAME: usize = 27;

/// Columns of a value, before where it came from.
const VALUE: usize = 26;

/// What is said of what a posture cannot have.
const NOT_BUILT: &str = "not built yet";

/// Look at the dials
#[derive(Debug, clap::Args)]
#[command(subcommand_required = true)]
pub(super) struct Words {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(Show),
}

/// Every dial: its value, where that came from, the hardened value, and who ships another
///
/// Without a file and a lab, every dial is at its hardened default.
#[derive(Debug, clap::Args)]
struct Show {
    /// The posture to show
    #[arg(long, value_name = "FILE", conflicts_with = "lab")]
    file: Option<PathBuf>,
    /// A lab's id or folder: the exposed posture that its learner starts from
    #[arg(long, value_name = "LAB")]
    lab: Option<String>,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, _place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let Command::Show(show) = &words.command;
    show.answer.can_be_given()?;
    let text = match (&show.file, &show.lab) {
        (Some(path), _) => Some(origin::read(path, MAX_POSTURE)?),
        (None, Some(lab)) => Some(Lab::find(lab)?.posture(Side::Exposed)?),
        (None, None) => None,
    };
    let (name, text) = text.map_or((None, String::new()), |it| (Some(it.name), it.text));
    let (posture, sources) = Posture::parse(name.as_deref().unwrap_or_default(), &text)?;
    let table = Table::new(name.as_deref(), &posture, &sources);
    let said = if show.answer.json {
        serde_json::to_string(&table).expect("a table has text for keys") + "\n"
    } else {
        page(&table, &show.answer.style(printer))
    };
    show.answer.give(&said, printer)?;
    Ok(Exit::Done)
}

/// Every dial of one posture. The shape is format 1 and only grows.
#[derive(Debug, Serialize)]
struct Table<'a> {
    format: u32,
    /// The file; nothing for the hardened defaults.
    file: Option<&'a str>,
    posture_sha256: String,
    dials: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    dial: &'static str,
    /// The value in force; nothing if no posture can have one.
    value: Option<String>,
    /// The line that says so; nothing for the hardened default.
    line: Option<usize>,
    /// The parts of a value that is set action by action.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    actions: Vec<Part>,
    hardened: &'static str,
    exposed: Vec<Exposed>,
    built: bool,
    /// Who ships the value in force, if it is an exposed one.
    exposed_as: Option<&'static str>,
    refusals: &'static [&'static str],
}

#[derive(Debug, Serialize)]
struct Part {
    action: String,
    value: String,
    line: Option<usize>,
}

#[derive(Debug, Serialize)]
struct Exposed {
    value: &'static str,
    shipped_by: &'static str,
    built: bool,
}

const fn line(source: Source) -> Option<usize> {
    match source {
        Source::Hardened => None,
        Source::Line(line) => Some(line),
    }
}

impl<'a> Table<'a> {
    fn new(file: Option<&'a str>, posture: &Posture, sources: &Sources) -> Self {
        Self {
            format: 1,
            file,
            posture_sha256: posture.sha256(),
            dials: DIALS
                .iter()
                .map(|dial| row(dial, posture, sources))
                .collect(),
        }
    }

    fn from(&self, line: Option<usize>) -> String {
        match (line, self.file) {
            (Some(line), Some(file)) => format!("{file}:{line}"),
            _ => "hardened default".to_owned(),
        }
    }
}

fn row(dial: &'static Dial, posture: &Posture, sources: &Sources) -> Row {
    let dangers = posture.dangers();
    let exposed_as = dangers.iter().find(|(name, ..)| *name == dial.name);
    let exposed = dial.exposed.iter().map(|exposed| Exposed {
        value: exposed.value,
        shipped_by: exposed.shipped_by,
        built: dial.can_be(exposed.value),
    });
    let actions = posture
        .policy
        .freshness
        .iter()
        .map(|(action, demand)| Part {
            action: action.to_owned(),
            value: demand.text(),
            line: line(sources.action(action)),
        });
    let by_action = dial.name == "policy.freshness";
    Row {
        dial: dial.name,
        value: posture.value(dial.name),
        line: line(sources.get(dial.name)),
        actions: actions.filter(|_| by_action).collect(),
        hardened: dial.hardened,
        exposed: exposed.collect(),
        built: dial.is_built(),
        exposed_as: exposed_as.map(|(.., ships)| *ships),
        refusals: dial.refusals,
    }
}

fn page(table: &Table<'_>, style: &Style) -> String {
    let mut page = Page::new(style);
    let of = table
        .file
        .map_or("the hardened defaults".to_owned(), |file| {
            format!("{file}; what it does not name is at its hardened default")
        });
    let set = table.dials.iter().filter(|row| row.line.is_some()).count();
    let exposed = table.dials.iter().filter(|row| row.exposed_as.is_some());
    let total = table.dials.len();
    page.wrapped(Tone::Strong, "Posture: ", &of);
    let count = format!("{total} dials, {set} set, {} exposed (!)", exposed.count());
    page.wrapped(Tone::Plain, "", &count);
    for row in &table.dials {
        page.blank();
        values(&mut page, table, row);
        choices(&mut page, row);
    }
    if table.file.is_none() {
        page.blank();
        page.wrapped(
            Tone::Faint,
            "",
            "`--file FILE` shows a posture of your own.",
        );
    }
    page.finish()
}

/// The dial and its value, or its values action by action if they differ.
fn values(page: &mut Page<'_>, table: &Table<'_>, row: &Row) {
    let mark = if row.exposed_as.is_some() { "! " } else { "  " };
    let tone = if row.exposed_as.is_some() {
        Tone::Bad
    } else {
        Tone::Plain
    };
    let name = format!("{mark}{}", row.dial);
    let mut one = |name: &str, value: &str, from: &str| {
        let lead = page.style.cell(name, NAME);
        let value = page.style.cell(value, VALUE - 1) + " ";
        if NAME + VALUE + width(from) <= page.style.columns() {
            return page.row(&[
                (Tone::Plain, &lead),
                (tone, &value),
                (Tone::Plain, &from.to_owned()),
            ]);
        }
        page.row(&[(Tone::Plain, &lead), (tone, &value)]);
        page.wrapped(Tone::Plain, &" ".repeat(NAME), from);
    };
    let differ = row
        .actions
        .windows(2)
        .any(|two| two[0].value != two[1].value);
    if !differ {
        let value = row.value.as_deref().unwrap_or("-");
        let from = if row.built {
            table.from(row.line)
        } else {
            NOT_BUILT.to_owned()
        };
        return one(&name, value, &from);
    }
    for (at, part) in row.actions.iter().enumerate() {
        let name = if at == 0 { name.as_str() } else { "" };
        let value = format!("{} {}", part.action, part.value);
        one(name, &value, &table.from(part.line));
    }
}

fn choices(page: &mut Page<'_>, row: &Row) {
    page.wrapped(Tone::Faint, "      hardened  ", row.hardened);
    for (at, exposed) in row.exposed.iter().enumerate() {
        let lead = if at == 0 {
            "      exposed   "
        } else {
            "                "
        };
        // Of a dial that is not there, the first line says so for all of it.
        let missing = row.built && !exposed.built;
        let missing = if missing {
            format!(" ({NOT_BUILT})")
        } else {
            String::new()
        };
        let text = format!("{}{missing}: {}", exposed.value, exposed.shipped_by);
        page.wrapped(Tone::Faint, lead, &text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table_of(file: Option<&str>, text: &str) -> (String, serde_json::Value) {
        let (posture, sources) = Posture::parse(file.unwrap_or_default(), text).unwrap();
        let table = Table::new(file, &posture, &sources);
        let json = serde_json::to_value(&table).unwrap();
        (page(&table, &Style::default()), json)
    }

    #[test]
    fn every_dial_is_shown_in_80_columns_with_who_ships_what() {
        let long = "a/very/long/path/that/goes/on/".repeat(4) + "posture.toml";
        for file in [None, Some("p.toml"), Some(long.as_str())] {
            let text = if file.is_some() {
                "policy.freshness = \"any\""
            } else {
                ""
            };
            let (page, json) = table_of(file, text);
            assert_eq!(json["format"], 1);
            assert_eq!(json["dials"].as_array().unwrap().len(), DIALS.len());
            let words: String = page.split_whitespace().collect();
            for dial in DIALS {
                assert!(page.contains(&format!(" {}", dial.name)), "{}", dial.name);
                for exposed in dial.exposed {
                    let ships: String = exposed.shipped_by.split_whitespace().collect();
                    assert!(words.contains(&ships), "{ships}");
                }
            }
            for line in page.lines() {
                assert!(line.chars().count() <= 80, "{line}");
            }
            let from: String = file.map_or("hardened default".into(), |it| format!("{it}:1"));
            let from: String = from.split_whitespace().collect();
            assert!(words.contains(&from), "{page}");
        }
    }

    #[test]
    fn a_value_says_its_line_and_a_default_says_so() {
        let text = "[policy.freshness]\nread = \"10s\"\n\n[policy]\non_stale = \"allow\"\n";
        let (page, json) = table_of(Some("p.toml"), text);
        let has = |line: &str| assert!(page.lines().any(|it| it == line), "{line} in\n{page}");
        has("  policy.freshness         read 10s                  p.toml:2");
        has("                           share latest              hardened default");
        has("! policy.on_stale          allow                     p.toml:5");
        has("  policy.errors            deny                      hardened default");
        has("  policy.rivals            -                         not built yet");
        has("      exposed   header (not built yet): CVE-2015-9235");
        let of = |dial: &str| {
            let rows = json["dials"].as_array().unwrap();
            rows.iter().find(|row| row["dial"] == dial).unwrap().clone()
        };
        assert_eq!(of("policy.on_stale")["line"], 5);
        assert_eq!(of("policy.freshness")["actions"][0]["line"], 2);
        assert_eq!(of("policy.errors")["line"], serde_json::Value::Null);
        assert_eq!(of("policy.rivals")["built"], false);
        assert_eq!(of("token.algorithm")["exposed"][0]["built"], false);
        assert_eq!(of("tls.recheck")["exposed"][0]["built"], true);
    }

    #[test]
    fn only_an_exposed_value_in_force_is_marked() {
        assert!(!table_of(None, "").0.contains("! "));
        let (page, _) = table_of(Some("p"), "token.leeway = \"60s\"\ntls.tolerance = \"1s\"");
        assert_eq!(page.matches("! ").count(), 1, "{page}");
        assert!(page.contains("35 dials, 2 set, 1 exposed (!)"), "{page}");
    }
}
