//! A span, or a demand on freshness, as a file says it; and of what is neither, what is wrong.
//!
//! Nothing is guessed: a word that is nearly a span is refused with the span that it may mean.

use std::time::Duration;

use toml::Spanned;
use toml::de::DeValue;

use super::dials::Dial;
use super::document::{instead, nearest, quoted};
use super::flaw::{Flaw, Placed};
use super::parse::string;
use super::{Freshness, span};

/// The longest bound on freshness; beyond it, `any` is the honest word.
const LONGEST_BOUND: Duration = Duration::from_secs(24 * 3600);

/// Units that people try, and how many minutes each has.
const OTHER_UNITS: [(&str, u64); 7] = [
    ("min", 1),
    ("mins", 1),
    ("h", 60),
    ("hour", 60),
    ("hours", 60),
    ("d", 24 * 60),
    ("days", 24 * 60),
];

/// Reads `any`, `latest` or a span.
pub(super) fn demand(dial: &'static Dial, value: &Spanned<DeValue<'_>>) -> Placed<Freshness> {
    let text = string(
        dial.name,
        value,
        "\"any\", \"latest\", a span such as \"10s\", or one of these for each action",
    )?;
    let range = format!(
        "at most {}, which is a day: for an older policy `any` is the honest word",
        span::write(LONGEST_BOUND)
    );
    let Some(demand) = Freshness::parse(text) else {
        let flaw = match nearest(text, ["any", "latest"]) {
            Some(_) => {
                Flaw::UnknownValue(dial.name, quoted(text), instead(text, ["any", "latest"]))
            }
            None => no_span(dial.name, text, "`any`, `latest` or ", range),
        };
        return Err((value.span(), flaw));
    };
    match demand {
        Freshness::Within(bound) if bound > LONGEST_BOUND => Err((
            value.span(),
            Flaw::OutOfRange(dial.name, quoted(text), range),
        )),
        _ => Ok(demand),
    }
}

/// What is wrong with a word where a span belongs, and what to write instead.
pub(super) fn no_span(dial: &'static str, text: &str, or: &str, range: String) -> Flaw {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = text.get(number.len()..).unwrap_or_default();
    if digits(number) && ["ms", "s", "m"].contains(&unit) {
        // Its form is right: it has more digits than any span.
        return Flaw::OutOfRange(dial, quoted(text), range);
    }
    let hint = if number.starts_with('-') {
        "a span is never negative".to_owned()
    } else {
        without_space(text)
            .or_else(|| without_unit(text))
            .or_else(|| other_unit(number, unit))
            .unwrap_or_else(|| format!("it takes {or}a span such as `500ms`, `5s` or `2m`"))
    };
    Flaw::UnknownValue(dial, quoted(text), hint)
}

/// `10 s`: a span, but for its spaces.
fn without_space(text: &str) -> Option<String> {
    let joined: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let is_span = joined != text && span::parse(&joined).is_some();
    is_span.then(|| format!("a span has no space in it: `{joined}`"))
}

/// `10`, `2.5`: a span, but for its unit.
fn without_unit(text: &str) -> Option<String> {
    let seconds = format!("{text}s");
    span::parse(&seconds)?;
    let whole = format!("{text}ms");
    Some(match span::parse(&whole) {
        Some(_) => format!("a span has a unit: `{seconds}`, or `{whole}`"),
        None => format!("a span has a unit: `{seconds}`"),
    })
}

/// `1h`: a span, but its unit is none.
fn other_unit(number: &str, unit: &str) -> Option<String> {
    let number = number.trim_end();
    let (_, minutes) = OTHER_UNITS.into_iter().find(|(name, _)| *name == unit)?;
    let minutes = number.parse::<u64>().ok()?.checked_mul(minutes)?;
    let written = format!("{minutes}m");
    span::parse(&written)?;
    Some(format!("a span's unit is `ms`, `s` or `m`: `{written}`"))
}

#[cfg(test)]
mod tests {
    use super::super::Posture;

    fn refused(text: &str) -> String {
        Posture::parse("posture.toml", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_nearly_a_span_is_answered_with_what_is_missing() {
        let any = "it takes `any`, `latest` or a span such as `500ms`, `5s` or `2m`";
        let cases = [
            ("10", "a span has a unit: `10s`, or `10ms`"),
            ("2.5", "a span has a unit: `2.5s`"),
            ("10 s", "a span has no space in it: `10s`"),
            ("-5s", "a span is never negative"),
            ("ani", "the nearest is `any`"),
            ("1h", "a span's unit is `ms`, `s` or `m`: `60m`"),
            ("2 days", "a span's unit is `ms`, `s` or `m`: `2880m`"),
            ("99999999999999999999h", any),
            ("2w", any),
        ];
        for (word, answer) in cases {
            let said = refused(&format!("policy.freshness = \"{word}\""));
            let answer = format!(": unknown value `{word}`; {answer}");
            assert!(said.ends_with(&answer), "{said}");
        }
        let cases = [
            ("tls.tolerance", "10", "a span has a unit: `10s`, or `10ms`"),
            (
                "token.leeway",
                "soon",
                "it takes a span such as `500ms`, `5s` or `2m`",
            ),
        ];
        for (dial, word, answer) in cases {
            let said = refused(&format!("{dial} = \"{word}\""));
            let answer = format!(": unknown value `{word}`; {answer}");
            assert!(said.ends_with(&answer), "{said}");
        }
        assert_eq!(
            refused("policy.freshness = 10"),
            "posture.toml:1: `policy.freshness` is a whole number; it takes \"any\", \"latest\", \
             a span such as \"10s\", or one of these for each action"
        );
        for bound in ["1s", "0s"] {
            let said = refused(&format!("policy.freshness = \"{bound}\""));
            assert!(said.contains(&format!(
                "freshness bound {bound} for `read` is below 2500ms"
            )));
        }
    }
}
