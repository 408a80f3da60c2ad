//! `schism drill planted`: every case on the good service and on its bad twin, as a table.
//!
//! The table is committed; this is the command that writes it. It touches nothing of anybody's.

use serde_json::json;

use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::super::{Exit, daemon};
use super::causes;
use crate::drill::planted::Fault;
use crate::drill::proof::{self, Proven};
use crate::drill::report::markdown::{self, PlantedRow};

/// What stands above the table.
const HEAD: &str = "# What each case says of a good service and of its bad twin\n\n\
    Written by `schism drill planted`, and by no hand. The two services of a row are the same\n\
    program; the bad one does the one thing that its row says. A case that did not pass the good\n\
    one and fail the bad one would be marked (!), and would prove nothing.\n\n";

/// Prove that every case can fail: run each on the good service and on its own bad twin
///
/// Ends with status 0 if every case passes the good one and fails the bad one, else 1.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// Only these cases, or groups of cases
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    cases: Vec<String>,
    /// So many cases at a time
    #[arg(long, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=64))]
    at_once: u16,
    #[command(flatten)]
    answer: Answer,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    words.answer.can_be_given()?;
    let faults = faults(&words.cases)?;
    let all = faults.len();
    let mut done = 0;
    let proven = daemon::runtime()?.block_on(async {
        let told = |it: &Proven| {
            done += 1;
            printer.note(&line(it, done, all));
        };
        tokio::select! {
            biased;
            () = daemon::interrupted() => Err(Stop::Interrupted),
            proven = proof::prove(&faults, usize::from(words.at_once), told) => {
                proven.map_err(|why| Stop::Unclear(causes(&why)))
            }
        }
    })?;
    let rows: Vec<PlantedRow> = proven.iter().map(|it| it.row).collect();
    let text = if words.answer.json {
        format!("{:#}\n", json(&proven))
    } else {
        HEAD.to_owned() + &markdown::planted(&rows)
    };
    words.answer.give(&text, printer)?;
    Ok(if rows.iter().all(PlantedRow::proves) {
        Exit::Done
    } else {
        Exit::Broken
    })
}

/// The faults whose cases are wanted; all of them if nothing is said.
fn faults(words: &[String]) -> Result<Vec<Fault>, Stop> {
    let is = |fault: &Fault, word: &str| {
        let group = fault.group().map(|group| group.word());
        fault.word() == word || group == Some(word)
    };
    let unknown = |word: &&String| !Fault::ALL.iter().any(|fault| is(fault, word));
    if let Some(word) = words.iter().find(unknown) {
        return Err(Stop::Usage(format!("`{word}` is no case and no group")));
    }
    let wanted = |fault: &&Fault| words.is_empty() || words.iter().any(|word| is(fault, word));
    Ok(Fault::ALL.iter().filter(wanted).copied().collect())
}

fn line(it: &Proven, done: usize, all: usize) -> String {
    let PlantedRow { fault, good, bad } = it.row;
    let told = format!(
        "{done:>2} of {all}  {:<28} good: {good:<14} bad: {bad}",
        fault.word()
    );
    if it.row.proves() {
        return told;
    }
    format!(
        "{told} (!)  of the good one it says: {}; of the bad one: {}",
        it.good, it.bad
    )
}

fn json(proven: &[Proven]) -> serde_json::Value {
    let rows = proven.iter().map(|it| {
        json!({
            "case": it.row.fault.word(),
            "good": it.row.good,
            "bad": it.row.bad,
            "proves": it.row.proves(),
            "of_the_good": it.good,
            "of_the_bad": it.bad,
        })
    });
    json!({ "cases": rows.collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::answer::Answer as Said;

    #[test]
    fn cases_are_found_by_their_words_and_groups_and_no_word_is_passed_over() {
        let found = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|it| (*it).to_owned()).collect();
            faults(&words)
        };
        assert_eq!(found(&[]).unwrap(), Fault::ALL);
        let some = found(&["older-crl", "bound"]).unwrap();
        let words: Vec<&str> = some.iter().map(|it| it.word()).collect();
        let expected = ["older-crl", "token-of-another-leaf", "token-after-rotation"];
        assert_eq!(words, expected);
        let said = found(&["leaf", "leef"]).unwrap_err().to_string();
        assert!(said.starts_with("`leef`"), "{said}");
    }

    #[test]
    fn a_case_that_proves_nothing_says_what_it_said() {
        let of = |bad| Proven {
            row: PlantedRow {
                fault: Fault::LeafSwap,
                good: Said::Pass,
                bad,
            },
            good: "all well".to_owned(),
            bad: "nothing seen".to_owned(),
        };
        assert!(!line(&of(Said::Fail), 1, 2).contains("(!)"));
        let told = line(&of(Said::Pass), 1, 2);
        assert!(
            told.contains("(!)") && told.ends_with("nothing seen"),
            "{told}"
        );
        assert_eq!(json(&[of(Said::Pass)])["cases"][0]["proves"], false);
    }
}
