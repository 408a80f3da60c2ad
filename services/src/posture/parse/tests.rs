//! Claims about reading postures: what is refused, by which line, and what it comes to.

use proptest::prelude::*;

use super::super::{ConnectionDeadline, Durability, OnStale, Recheck};
use super::*;

fn refused(text: &str) -> String {
    Posture::parse("posture.toml", text)
        .unwrap_err()
        .to_string()
}

#[test]
fn an_empty_file_is_the_hardened_posture() {
    for text in ["", "\n# nothing\n", "\u{feff}", "[tls]\n[policy]\n"] {
        let (posture, sources) = Posture::parse("p", text).unwrap();
        assert_eq!(posture, Posture::hardened());
        assert_eq!(sources.get("tls.recheck"), Source::Hardened);
    }
}

#[test]
fn each_dial_is_set_and_its_line_is_known() {
    let text = "\u{feff}[tls]\nrecheck = \"request\"\nconnection_deadline = \"none\"\n\
                tolerance = \"1s\"\n[policy]\n\
                freshness = { read = \"10s\", share = \"latest\" }\n\
                on_stale = \"allow\"\nquorum = 0\n[audit]\ndurability = \"async\"\n"
        .replace('\n', "\r\n");
    let (posture, sources) = Posture::parse("p", &text).unwrap();
    let within = |secs| Freshness::Within(Duration::from_secs(secs));
    assert_eq!(posture.tls.recheck, Recheck::Request);
    assert_eq!(posture.tls.connection_deadline, ConnectionDeadline::None);
    assert_eq!(posture.tls.tolerance, Duration::from_secs(1));
    assert_eq!(posture.policy.freshness.get("read"), within(10));
    assert_eq!(posture.policy.freshness.get("write"), within(5));
    assert_eq!(posture.policy.freshness.get("share"), Freshness::Latest);
    assert_eq!(posture.policy.on_stale, OnStale::Allow);
    assert_eq!(posture.policy.quorum, 0);
    assert_eq!(posture.audit.durability, Durability::Async);
    assert_eq!(sources.get("policy.freshness"), Source::Line(6));
    assert_eq!(sources.get("audit.durability"), Source::Line(10));
    assert_eq!(sources.get("policy.errors"), Source::Hardened);
    assert!(
        !sources
            .set_by_file()
            .any(|dial| dial.starts_with("policy.freshness."))
    );
}

#[test]
fn freshness_can_be_one_word_for_all_actions() {
    let (posture, _) = Posture::parse("p", "policy.freshness = \"any\"").unwrap();
    for action in ACTIONS {
        assert_eq!(posture.policy.freshness.get(action), Freshness::Any);
    }
}

#[test]
fn every_value_of_every_dial_is_taken_or_refused_by_name() {
    for dial in DIALS {
        let exposed = dial.exposed.iter().map(|exposed| exposed.value);
        for value in std::iter::once(dial.hardened).chain(exposed) {
            if dial.form == Form::Freshness && value == dial.hardened {
                continue;
            }
            let spans = matches!(dial.form, Form::Span(..) | Form::Freshness);
            match Posture::parse("p", &format!("{} = \"{value}\"", dial.name)) {
                Ok((posture, _)) => {
                    assert!(
                        spans || dial.built.contains(&value),
                        "{} {value}",
                        dial.name
                    );
                    assert_eq!(posture.value(dial.name).as_deref(), Some(value));
                }
                // A tolerance of 5 min leaves the hardened bounds out of reach.
                Err(error) if matches!(error.flaw, Flaw::BoundTooShort { .. }) => {
                    assert_eq!((dial.name, value), ("tls.tolerance", "5m"));
                }
                Err(error) => {
                    assert!(!dial.built.contains(&value), "{error}");
                    let text = error.to_string();
                    assert!(text.contains("is not built yet"), "{text}");
                    assert!(text.contains(dial.name), "{text}");
                }
            }
        }
    }
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    assert_eq!(
        refused("\n[audit]\nwitness = \"off\"\n"),
        "posture.toml:3: dial `audit.witness`: its mechanism is not built yet; remove it"
    );
    assert_eq!(
        refused("[token]\nalgorithm = \"header\"\n"),
        "posture.toml:2: dial `token.algorithm`: the mechanism of `header` is not built \
         yet; it is `key`"
    );
}

#[test]
fn a_wrong_word_is_answered_with_the_nearest() {
    let cases = [
        (
            "[policy]\n\nfreshnes = \"any\"\n",
            "3: unknown dial `policy.freshnes`; the nearest is `policy.freshness`",
        ),
        (
            "[tls]\nrecheck = \"mesage\"\n",
            "2: dial `tls.recheck`: unknown value `mesage`; the nearest is `message`",
        ),
        (
            "[polcy]\n",
            "1: unknown section `polcy`; the nearest is `policy`",
        ),
        (
            "[tls]\nfreshness = \"any\"\n",
            "2: dial `freshness` belongs under `[policy]`",
        ),
        (
            "recheck = \"any\"",
            "1: dial `recheck` belongs under `[tls]`",
        ),
        (
            "policy.freshness = { raed = \"5s\" }",
            "1: unknown action `raed` in `policy.freshness`; the nearest is `read`",
        ),
        (
            "tls.recheck = true",
            "1: `tls.recheck` is true or false; it takes one of its words, in quotes",
        ),
        (
            "tls = 3",
            "1: `tls` is a whole number; it takes a section of dials",
        ),
    ];
    for (text, answer) in cases {
        assert_eq!(refused(text), format!("posture.toml:{answer}"));
    }
}

#[test]
fn a_bound_that_no_healthy_replica_could_meet_is_refused_with_the_sum() {
    assert_eq!(
        refused("[policy.freshness]\nread = \"10s\"\nwrite = \"2s\""),
        "posture.toml:3: freshness bound 2s for `write` is below 2500ms: \
         heartbeat 1s + rounding 1s + tls.tolerance 500ms; \
         widen the bound or narrow the tolerance"
    );
    // The hardened bound of 5 s is not in the file; the tolerance that breaks it is.
    assert_eq!(
        refused("[tls]\ntolerance = \"5m\""),
        "posture.toml:2: freshness bound 5s for `read` is below 302s: \
         heartbeat 1s + rounding 1s + tls.tolerance 5m; \
         widen the bound or narrow the tolerance"
    );
    assert!(Posture::parse("p", "policy.freshness = \"2500ms\"").is_ok());
    assert!(Posture::parse("p", "policy.freshness = \"2499ms\"").is_err());
}

#[test]
fn a_value_out_of_range_is_refused_with_the_range_and_why() {
    let cases = [
        (
            "token.leeway = \"301s\"",
            "`301s` is out of range; it takes 0s to 5m: \
             a token that needs more should live longer",
        ),
        (
            "tls.tolerance = \"6m\"",
            "`6m` is out of range; it takes 0s to 5m: \
             clocks further apart are broken, not skewed",
        ),
        (
            "policy.freshness = \"99999m\"",
            "`99999m` is out of range; it takes at most 1440m, which is \
             a day: for an older policy `any` is the honest word",
        ),
        (
            "policy.freshness = \"12345678901234567890s\"",
            "`12345678901234567890s` is out of range; it takes at most 1440m, which is \
             a day: for an older policy `any` is the honest word",
        ),
        (
            "policy.quorum = 1",
            "`1` is out of range; it takes 0 or 2: \
             one fast witness could make an old policy look young",
        ),
        (
            "policy.quorum = \"1 of 3\"",
            "`1 of 3` is out of range; it takes 0 or 2: \
             one fast witness could make an old policy look young",
        ),
        (
            "policy.quorum = 3",
            "`3` is out of range; it takes 0 or 2: \
             with 3 of 3, one region cut off stops every act",
        ),
    ];
    for (text, answer) in cases {
        let dial = text.split(' ').next().unwrap();
        let expected = format!("posture.toml:1: dial `{dial}`: {answer}");
        assert_eq!(refused(text), expected);
    }
    for quorum in ["-2", "4", "9", "99999999999999999999", "0x10", "\"two\""] {
        let said = refused(&format!("policy.quorum = {quorum}"));
        assert!(
            said.ends_with("it takes 0 or 2, of three witnesses"),
            "{said}"
        );
    }
}

#[test]
fn each_actions_demand_knows_its_own_line() {
    let text = "[policy.freshness]\nread = \"10s\"\nwrite = \"3s\"\n";
    let (_, sources) = Posture::parse("p", text).unwrap();
    assert_eq!(sources.get("policy.freshness"), Source::Line(1));
    assert_eq!(sources.action("read"), Source::Line(2));
    assert_eq!(sources.action("write"), Source::Line(3));
    assert_eq!(sources.action("share"), Source::Hardened);
    let (_, sources) = Posture::parse("p", "\npolicy.freshness = \"any\"").unwrap();
    assert_eq!(sources.action("share"), Source::Line(2));
}

#[test]
fn a_file_that_is_too_long_or_not_toml_is_refused() {
    assert!(refused(&"#".repeat(MAX_POSTURE + 1)).contains("at most 65536"));
    assert!(refused("[tls]\nrecheck =").starts_with("posture.toml:2: "));
    let twice = "[tls]\nrecheck = \"message\"\nrecheck = \"message\"";
    assert!(refused(twice).starts_with("posture.toml:3: "));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,200}") {
        let _ = Posture::parse("p", &text);
    }

    #[test]
    fn no_arrangement_of_known_words_makes_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "[tls]", "[policy]", "[[policy]]", "freshness", "tls.tolerance", "quorum", "=",
                "{", "}", "[", "]", "read", ",", ".", "\"5s\"", "\"any\"", "\"5m\"", "2",
                "0x2", "nan", "1979-05-27", "\n", "\r\n", "\u{feff}", "\"\"\"", "é",
            ]),
            0..40,
        )
    ) {
        if let Err(error) = Posture::parse("p", &words.join(" ")) {
            prop_assert!(error.line >= 1);
        }
    }
}
