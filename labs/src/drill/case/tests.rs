//! The catalogue itself: its words, and that each case says what a reader wants to know.

use std::collections::BTreeSet;

use super::*;
use crate::drill::file::CASES;

#[test]
fn each_word_is_one_that_a_drill_toml_may_name_and_groups_come_in_the_report_s_order() {
    let words: Vec<&str> = all().iter().map(|case| case.word).collect();
    let one_each: BTreeSet<&str> = words.iter().copied().collect();
    assert_eq!(one_each.len(), words.len());
    for word in &words {
        assert!(CASES.contains(word), "{word}");
    }
    let groups: Vec<Group> = all().iter().map(|case| case.group).collect();
    assert!(groups.is_sorted(), "{groups:?}");
    assert!(find(words[0]).is_some() && find("nothing").is_none());
}

#[test]
fn each_case_says_what_it_does_and_why() {
    for case in all() {
        for text in [case.does, case.why] {
            assert!(
                text.len() > 40 && text.ends_with('.'),
                "{}: {text}",
                case.word
            );
            assert!(!text.contains("  "), "{}: {text}", case.word);
        }
        assert!(!case.title.ends_with('.'), "{}", case.word);
        assert!((1..=9).contains(&case.worth), "{}", case.word);
    }
}

#[test]
fn an_objective_binds_and_advice_does_not() {
    let mut drill = drill_file();
    let case = find("revoked-leaf-established").unwrap();
    assert!(matches!(case.rests.basis(&drill), Basis::Advice(_)));
    let demanded = (Change::LeafRevoked, Path::Established);
    let exposure = &mut drill.objectives.exposure;
    exposure.insert(demanded, Duration::from_secs(30));
    let key = Basis::Objective("revoked-leaf.open".to_owned());
    assert_eq!(case.rests.basis(&drill), key);
    let load = find("leaf-swap-under-load").unwrap();
    assert!(!load.rests.basis(&drill).binds());
    drill.objectives.failed_requests = Some(0);
    assert!(load.rests.basis(&drill).binds());
    let must = find("expired-caller").unwrap();
    assert!(matches!(must.rests.basis(&drill), Basis::Must(_)));
}

#[test]
fn no_standard_is_claimed_for_when_files_are_read_again() {
    let mut drill = drill_file();
    let key = |key: &str| Basis::Objective(key.to_owned());
    for word in [
        "old-root-new",
        "revoked-leaf-new",
        "client-refuses-removed-root",
    ] {
        let case = find(word).unwrap();
        assert_eq!(case.rests.basis(&drill), key("target.settle"), "{word}");
    }
    let demanded = (Change::LeafRevoked, Path::New);
    let exposure = &mut drill.objectives.exposure;
    exposure.insert(demanded, Duration::from_secs(5));
    let case = find("revoked-leaf-new").unwrap();
    assert_eq!(case.rests.basis(&drill), key("revoked-leaf.new"));
}

#[test]
fn a_name_that_the_owner_wants_refused_is_their_objective_and_a_made_up_one_is_not() {
    let mut drill = drill_file();
    let case = find("wrong-name").unwrap();
    assert!(!case.rests.basis(&drill).binds());
    drill.caller.refused_dns.push("other.shop".to_owned());
    let key = |key: &str| Basis::Objective(key.to_owned());
    assert_eq!(case.rests.basis(&drill), key("caller.refused-dns"));
    drill.caller.refused_uris.push("urn:other".to_owned());
    assert_eq!(case.rests.basis(&drill), key("caller.refused-uris"));
}

fn drill_file() -> DrillFile {
    let text = r#"format = 1
target = { address = "localhost:8443", reload = [], settle = "10s" }
files = { key = "key.pem", chain = "chain.pem", trust = "trust.pem" }
caller = { dns = "cart.shop" }
calls = { allowed = "shop.Orders/Get" }
"#;
    DrillFile::parse("drill.toml", text, std::path::Path::new("/nowhere")).unwrap()
}
