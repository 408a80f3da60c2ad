//! `schism lab solution`: one good answer beside what the learner started from, and why.
//!
//! Who has not passed yet is asked first: what is seen cannot be unseen. That it was seen is
//! recorded before it is shown.

use super::super::ask;
use super::super::origin::{Lab, Prose, Side};
use super::super::printer::Printer;
use super::super::prose::prose;
use super::super::stop::Stop;
use super::super::{Exit, Place};
use super::Ahead;
use crate::course::difference::{Line, difference};
use crate::course::progress::{Fact, Progress};
use crate::report::text::{Page, Style, Tone, width};

/// One good answer, and why
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// A lab's id, or the path of a lab's folder; the last one if left out
    lab: Option<String>,
    /// Do not ask first
    #[arg(long)]
    yes: bool,
}

/// Obeys.
pub(super) fn run(words: &Words, place: &Place, printer: &mut Printer) -> Result<Exit, Stop> {
    let workspace = place.workspace()?;
    let lab = super::chosen(words.lab.as_deref(), place, &workspace)?;
    let scenario = lab.parsed()?;
    let id = scenario.metadata.id.clone();
    let style = printer.style();
    let text = page(&id, &lab, &style)?;
    let progress = Progress::read(&workspace)?;
    let seen = Fact::SolutionSeen { lab: id.clone() };
    let knows = progress.has_passed(&id) || progress.facts(&id).any(|fact| *fact == seen);
    let question = format!("You have not passed `{id}` yet. Show a solution all the same?");
    if !knows && !ask::agreed(printer, &question, words.yes)? {
        let hint = place.invocation.command(&["lab", "hint"]);
        printer.note(&format!("not shown; a hint may do: {hint}"));
        return Ok(Exit::Done);
    }
    Progress::record(&workspace, &seen)?;
    printer.page(&text)?;
    let mut page = Page::new(&style);
    page.row(&[(Tone::Plain, "")]);
    Ahead::find(&workspace, &scenario)?.tell(&mut page, place);
    printer.page(&page.finish())?;
    Ok(Exit::Done)
}

fn page(id: &str, lab: &Lab, style: &Style) -> Result<String, Stop> {
    let mut page = Page::new(style);
    page.heading(&format!("{id}: one good answer"));
    page.blank();
    page.wrapped(
        Tone::Plain,
        "",
        "Lines with `-` are what you started from, lines with `+` are the solution's.",
    );
    let texts = [
        (
            "posture.toml",
            lab.posture(Side::Exposed)?,
            lab.posture(Side::Solution)?,
        ),
        (
            "policy.cedar",
            lab.policy(Side::Exposed)?,
            lab.policy(Side::Solution)?,
        ),
    ];
    for (name, old, new) in &texts {
        let lines = difference(&old.text, &new.text);
        if lines.iter().all(|line| matches!(line, Line::Same(_))) {
            page.heading(&format!("{name}: nothing changes"));
            continue;
        }
        page.heading(name);
        for line in lines {
            let (tone, mark, text) = match line {
                Line::Same(text) => (Tone::Plain, "  ", text),
                Line::Gone(text) => (Tone::Bad, "- ", text),
                Line::New(text) => (Tone::Good, "+ ", text),
            };
            whole(&mut page, tone, mark, text);
        }
    }
    page.blank();
    prose(&mut page, &lab.prose(Prose::Why)?.text);
    Ok(page.finish())
}

/// A line of a file, none of it cut.
fn whole(page: &mut Page<'_>, tone: Tone, mark: &str, text: &str) {
    let text = text.replace('\t', "    ");
    if width(mark) + width(&text) <= page.style.columns() {
        page.row(&[(tone, format!("{mark}{text}"))]);
        return;
    }
    let start = text.trim_start();
    let indent = &text[..text.len() - start.len()];
    let comment = ["# ", "// "].into_iter().find(|it| start.starts_with(it));
    let Some(comment) = comment else {
        return page.wrapped(tone, &format!("{mark}{indent}"), start);
    };
    // Each line of a comment is one, so that what is pasted still is.
    let lead = format!("{mark}{indent}{comment}");
    let mut line = String::new();
    for word in start[comment.len()..].split_whitespace() {
        if !line.is_empty() && width(&lead) + width(&line) + 1 + width(word) > page.style.columns()
        {
            page.row(&[(tone, format!("{lead}{line}"))]);
            line.clear();
        }
        line.extend((!line.is_empty()).then_some(' '));
        line.push_str(word);
    }
    page.row(&[(tone, format!("{lead}{line}"))]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_shows_both_sides_of_each_line_that_differs_and_why() {
        let lab = Lab::find("stale-acl").unwrap();
        let text = page("stale-acl", &lab, &Style::default()).unwrap();
        for part in [
            "\n- freshness = \"any\" # read",
            "\n+ on_stale = \"deny\"\n",
            "\npolicy.cedar: nothing changes\n",
            "\nWhat the defence costs\n",
        ] {
            assert!(text.contains(part), "no {part:?} in {text}");
        }
        assert!(
            text.lines().all(|line| line.chars().count() <= 80),
            "{text}"
        );
        let (_, posture) = text.split_once("\nposture.toml\n").unwrap();
        let (posture, _) = posture.split_once("\npolicy.cedar").unwrap();
        let marked = |line: &&str| !line.is_empty() && !line.starts_with(['+', '-', ' ']);
        assert_eq!(posture.lines().find(marked), None, "{posture}");
        let added = posture.lines().filter_map(|line| line.strip_prefix("+ "));
        let added: String = added.map(|line| format!("{line}\n")).collect();
        let pasted = format!("[policy]\n{added}");
        services::posture::Posture::parse("pasted", &pasted).unwrap();
    }
}
