//! A request's story as people and as tools read it.
//!
//! Every line fits the width. The JSON is format 1 and only grows.

use serde::Serialize;

use super::super::kept::Kept;
use super::story::{ActBefore, Asked, Hop, Logged, Story};
use crate::history::ActKind;
use crate::report::figure::seconds;
use crate::report::text::{Page, Style, Tone};

/// The story in words.
pub(super) fn page(id: &str, kept: &str, stories: &[Story], style: &Style) -> String {
    let mut page = Page::new(style);
    page.wrapped(Tone::Strong, "", &format!("{id} · {kept}"));
    for story in stories {
        page.heading(&story.run);
        match &story.asked {
            Some(asked) => client(&mut page, asked),
            None => page.wrapped(Tone::Plain, "  asked     ", "no client kept a record of it"),
        }
        label_each(&mut page, "  acts      ", story.acts.iter().map(act));
        label_each(&mut page, "  timeline  ", story.events.iter().map(hop));
        if story.entries.is_empty() {
            page.wrapped(Tone::Plain, "  entry     ", "no verified log has one");
        }
        for entry in &story.entries {
            logged(&mut page, entry);
        }
        for (node, why) in &story.broken_logs {
            let text = format!("the log of {node} does not verify: {why}");
            page.wrapped(Tone::Bad, "  log       ", &text);
        }
        if let [first, .., last] = story.messages.as_slice() {
            let text = format!("{first} to {last}: what the stream it opened carried");
            page.wrapped(Tone::Plain, "  messages  ", &text);
        } else if let [only] = story.messages.as_slice() {
            page.wrapped(Tone::Plain, "  messages  ", only);
        }
    }
    page.finish()
}

fn client(page: &mut Page<'_>, asked: &Asked) {
    let by = asked.by.as_ref();
    let by = by.map_or(String::new(), |by| format!("{by} as "));
    let text = format!(
        "{}  {by}{} ({}, {}) wants to {} {} at {}",
        exact(asked.at_us),
        asked.principal,
        asked.region,
        asked.tag,
        asked.action,
        asked.resource,
        asked.node
    );
    page.wrapped(Tone::Plain, "  asked     ", &text);
    let text = match asked.answered_us {
        Some(us) => format!(
            "{}  {}, {} ms later",
            exact(us),
            asked.heard,
            millis(us.saturating_sub(asked.at_us))
        ),
        None => "nothing, to the end of the run".to_owned(),
    };
    page.wrapped(Tone::Plain, "  heard     ", &text);
}

fn label_each(page: &mut Page<'_>, label: &str, texts: impl Iterator<Item = String>) {
    for (at, text) in texts.enumerate() {
        let lead = if at == 0 { label } else { "            " };
        page.wrapped(Tone::Plain, lead, &text);
    }
}

fn act(act: &ActBefore) -> String {
    let (at, what) = (exact(act.at_us), act.kind.as_str());
    let whom = [act.principal.as_str(), &act.role].join(" ");
    // An order says what it is about by itself.
    let order = [ActKind::Rotate.name(), ActKind::Authority.name()].contains(&what);
    let what = if order && !act.role.is_empty() {
        act.role.clone()
    } else {
        format!("{what} {}", whom.trim())
    };
    let what = what.trim_end();
    if !act.acknowledged {
        return format!("{at}  {what} pending: no promise");
    }
    if act.policy_size == 0 {
        return format!("{at}  {what}, recorded by the CA");
    }
    let known = match act.known_to_decision {
        Some(true) => "the decision knew it",
        Some(false) => "the decision did NOT know it",
        None => "no entry says whether the decision knew it",
    };
    let size = act.policy_size;
    format!("{at}  {what} acknowledged at checkpoint {size}; {known}")
}

fn hop(hop: &Hop) -> String {
    let words = [hop.kind.as_str(), &hop.decision, &hop.refusal];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let policy = match hop.policy_size {
        0 => String::new(),
        size => format!(", policy {size}"),
    };
    format!(
        "{}  {}: {}{policy}",
        exact(hop.at_us),
        hop.node,
        words.join(" ")
    )
}

fn logged(page: &mut Page<'_>, entry: &Logged) {
    let refusal = entry.refusal.as_deref().unwrap_or_default();
    let decision = if entry.permit {
        "permit".to_owned()
    } else {
        format!("refuse, {refusal}")
    };
    let policy = if entry.policy_size == 0 {
        "before it had any policy".to_owned()
    } else if entry.ahead_us > 0 {
        let (size, ahead) = (entry.policy_size, seconds(entry.ahead_us));
        format!("under policy {size} as it was {ahead} later than the node's clock said")
    } else {
        let (size, age) = (entry.policy_size, seconds(entry.age_us));
        format!("under policy {size} as it was {age} before")
    };
    let text = format!("{} number {}: {decision}, {policy}", entry.node, entry.seq);
    page.wrapped(Tone::Strong, "  entry     ", &text);
    let text = format!("the log verifies: {} entries, signed and chained", entry.of);
    page.wrapped(Tone::Good, "            ", &text);
    page.wrapped(Tone::Faint, "  root      ", &entry.policy_root);
    if let Some(leaf) = &entry.leaf {
        page.wrapped(Tone::Faint, "  leaf      ", &leaf.serial);
        page.wrapped(Tone::Faint, "  its hash  ", &leaf.sha256);
    }
}

fn exact(us: u64) -> String {
    format!("{:>2}.{:06} s", us / 1_000_000, us % 1_000_000)
}

fn millis(us: u64) -> String {
    format!("{}.{}", us / 1_000, us % 1_000 / 100)
}

/// The story as tools read it.
pub(super) fn json(id: &str, kept: &Kept, stories: &[Story]) -> String {
    #[derive(Serialize)]
    struct Traced<'a> {
        format: u32,
        request: &'a str,
        run: &'a str,
        lab: &'a str,
        seed: u64,
        runs: &'a [Story],
    }
    let traced = Traced {
        format: 1,
        request: id,
        run: &kept.name,
        lab: &kept.report.lab,
        seed: kept.report.seed,
        runs: stories,
    };
    serde_json::to_string(&traced).expect("a story has text for keys") + "\n"
}
