//! The report as one page for a browser: offline, whole, light and dark.
//!
//! It loads nothing and runs nothing, and a policy in the page forbids both. It is well formed as
//! XML too. What is bad is told by a mark and a word; colour only repeats it.

use super::matrix::{Matrix, Square};
use super::story::story;
use super::text::{served, summary};
use super::words::{clean, seconds};
use crate::drill::answer::{Answer, CaseRow, Group, Report};
use crate::report::markup::Markup;

/// The page's style sheet: light, dark, narrow and printed.
const SHEET: &str = include_str!("page.css");

/// Writes the page.
pub fn write(report: &Report) -> String {
    let target = clean(&report.target);
    let matrix = Matrix::of(report);
    let mut markup = Markup::page();
    markup.element("html", &[("lang", "en")], |markup| {
        markup.head(&format!("The drill of {target} · Schism"), SHEET);
        markup.element("body", &[], |markup| {
            markup.element("header", &[], |markup| {
                let begun = clean(&report.begun);
                let kicker = format!("begun {begun}, {}", seconds(report.took_ms));
                markup.leaf("p", &[("class", "kicker")], &kicker);
                markup.leaf("h1", &[], &format!("The drill of {target}"));
                markup.leaf("p", &[("class", "summary")], &summary(report));
            });
            markup.element("main", &[], |markup| {
                exposure(markup, &matrix);
                markup.leaf("p", &[("class", "story")], &story(report));
                for group in Group::ALL {
                    cases(markup, report, group);
                }
                notes(markup, report);
            });
        });
    });
    markup.finish()
}

fn exposure(markup: &mut Markup, matrix: &Matrix) {
    if matrix.is_empty() {
        return;
    }
    let paths = matrix.paths();
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], "For how long a change was not heeded");
        markup.element("div", &[("class", "scroll"), ("tabindex", "0")], |markup| {
            markup.element("table", &[("class", "matrix")], |markup| {
                markup.element("thead", &[], |markup| {
                    markup.element("tr", &[], |markup| {
                        markup.leaf("td", &[], "");
                        for path in &paths {
                            markup.leaf("th", &[("scope", "col")], path.word());
                        }
                    });
                });
                markup.element("tbody", &[], |markup| {
                    for change in matrix.changes() {
                        markup.element("tr", &[], |markup| {
                            markup.leaf("th", &[("scope", "row")], change.word());
                            for path in &paths {
                                square(markup, matrix.square(change, *path));
                            }
                        });
                    }
                });
            });
        });
        markup.leaf("p", &[("class", "legend")], matrix.legend());
    });
}

fn square(markup: &mut Markup, square: Option<&Square>) {
    match square {
        Some(square) if square.bad => markup.leaf("td", &[("class", "bad")], &square.marked()),
        Some(square) => markup.leaf("td", &[], &square.text),
        None => markup.leaf("td", &[("class", "none")], "-"),
    }
}

fn cases(markup: &mut Markup, report: &Report, group: Group) {
    let rows: Vec<&CaseRow> = report
        .rows
        .iter()
        .filter(|row| row.group == group)
        .collect();
    if rows.is_empty() {
        return;
    }
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], group.title());
        markup.element("div", &[("class", "scroll"), ("tabindex", "0")], |markup| {
            markup.element("table", &[("class", "cases")], |markup| {
                markup.element("tbody", &[], |markup| {
                    for row in rows {
                        case(markup, row);
                    }
                });
            });
        });
    });
}

fn case(markup: &mut Markup, row: &CaseRow) {
    markup.element("tr", &[], |markup| {
        let (class, mark) = match row.answer {
            Answer::Pass => ("good", "✓"),
            Answer::Fail => ("bad", "!"),
            Answer::CannotJudge => ("open", "?"),
            Answer::NotApplicable => ("none", "–"),
        };
        let answer = format!("{mark} {}", row.answer);
        markup.leaf("td", &[("class", class)], &answer);
        markup.element("th", &[("scope", "row")], |markup| {
            markup.leaf("code", &[], &clean(&row.word));
            markup.leaf("p", &[("class", "basis")], &clean(&row.basis.words()));
        });
        markup.element("td", &[], |markup| {
            markup.leaf("p", &[], &clean(&row.says));
            if let Some(counted) = &row.served {
                markup.leaf("p", &[], &served(counted));
            }
            if let Some(why) = &row.accepted {
                markup.leaf("p", &[], &format!("Accepted for now: {}", clean(why)));
            }
        });
        markup.leaf("td", &[("class", "took")], &seconds(row.took_ms));
    });
}

fn notes(markup: &mut Markup, report: &Report) {
    if report.notes.is_empty() {
        return;
    }
    markup.element("section", &[], |markup| {
        markup.leaf("h2", &[], "To be known besides");
        markup.element("ul", &[], |markup| {
            for note in &report.notes {
                markup.leaf("li", &[], &clean(note));
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node, ParsingOptions};

    use super::super::sample::{bad, good, hostile};
    use super::*;

    fn read(page: &str) -> Document<'_> {
        let options = ParsingOptions {
            allow_dtd: true,
            ..ParsingOptions::default()
        };
        Document::parse_with_options(page, options).unwrap()
    }

    fn words(node: Node<'_, '_>) -> String {
        node.descendants()
            .filter(Node::is_text)
            .filter_map(|text| text.text())
            .collect()
    }

    #[test]
    fn what_is_bad_is_told_by_a_mark_and_not_by_colour_alone() {
        let text = write(&bad());
        let page = read(&text);
        let is_bad = |node: &Node<'_, '_>| node.attribute("class") == Some("bad");
        let told: Vec<String> = page.descendants().filter(is_bad).map(words).collect();
        assert_eq!(told.len(), 5, "two squares and three cases");
        assert!(told.iter().all(|text| text.starts_with('!')), "{told:?}");
        assert!(words(page.root_element()).contains(&story(&bad())));
        assert!(!write(&good()).contains("class=\"bad\""));
    }

    #[test]
    fn the_page_loads_nothing_runs_nothing_and_takes_no_name_for_markup() {
        for report in [good(), bad(), hostile()] {
            let text = write(&report);
            let page = read(&text);
            for node in page.descendants().filter(Node::is_element) {
                let tag = node.tag_name().name();
                assert!(
                    !["script", "link", "img", "iframe", "object"].contains(&tag),
                    "<{tag}>"
                );
                for attribute in node.attributes() {
                    let name = attribute.name();
                    assert!(!["src", "href", "style"].contains(&name), "{name}");
                    assert!(!name.starts_with("on"), "{name}");
                }
            }
            assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'));
        }
        assert!(!SHEET.contains("url(") && !SHEET.contains("@import"));
        assert!(write(&good()).contains("default-src &#39;none&#39;"));
    }

    #[test]
    fn every_case_and_note_is_on_the_page() {
        let (report, text) = (bad(), write(&bad()));
        let page = read(&text);
        let all = words(page.root_element());
        for row in &report.rows {
            assert!(all.contains(&row.word) && all.contains(&row.basis.words()));
        }
        assert!(report.notes.iter().all(|note| all.contains(note)));
    }
}
