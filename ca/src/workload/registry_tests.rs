//! The registry: what it refuses, whom it names, and when a change counts.

use proptest::prelude::*;

use super::*;
use crate::workload::caller::Program;

const DOMAIN: &str = "clinic.example";

fn domain() -> TrustDomain {
    TrustDomain::new(DOMAIN).unwrap()
}

fn parse(text: &str) -> Result<Registry, InvalidRegistry> {
    Registry::parse(text.as_bytes(), &domain())
}

/// A registry with these workloads, each the rest of an entry.
fn registry(workloads: &[&str]) -> Result<Registry, InvalidRegistry> {
    let entries = workloads.iter().map(|it| format!("[[workload]]\n{it}\n"));
    parse(&format!("format = 1\n{}", entries.collect::<String>()))
}

fn caller(uid: u32, gid: u32) -> Caller {
    Caller {
        uid,
        gid,
        program: None,
    }
}

const RECORDS: &str = "spiffe_id = 'spiffe://clinic.example/records'\nuid = 7";
const BILLING: &str = "spiffe_id = 'spiffe://clinic.example/billing'\nuid = 7";

#[test]
fn a_caller_is_every_workload_that_names_it_in_the_order_of_the_file() {
    let records = format!("{RECORDS}\ngid = 8\nhint = 'inside'");
    let registry = registry(&[BILLING, &records, BILLING]).unwrap();
    let names = |caller| -> Vec<String> {
        let own = registry.of(&caller).into_iter();
        own.map(|it| it.spiffe_id.path().to_owned()).collect()
    };
    assert_eq!(names(caller(7, 8)), ["/billing", "/records"]);
    assert_eq!(names(caller(7, 9)), ["/billing"]);
    assert_eq!(names(caller(8, 8)), [""; 0]);
}

#[test]
fn a_program_that_the_system_does_not_tell_of_is_nobodys() {
    let path = if cfg!(windows) { "C:\\none" } else { "/none" };
    let registry = registry(&[&format!("{RECORDS}\npath = '{path}'")]).unwrap();
    assert!(registry.of(&caller(7, 7)).is_empty());
    let program = Some(Program {
        device: 1,
        inode: 1,
    });
    let known = Caller {
        program,
        ..caller(7, 7)
    };
    assert!(registry.of(&known).is_empty(), "nothing is at that path");
}

#[test]
fn what_is_wrong_is_named_with_its_place() {
    let said = |text: &str| parse(text).unwrap_err().to_string();
    assert!(said("format = 1\ncolour = 2\n").starts_with("line 2: unknown field `colour`"));
    assert!(said("format = 1\n[[workload]]\nuid = 7\n").contains("spiffe_id"));
    assert_eq!(said("format = 2\n"), "it is of format 2, not 1");
    assert!(said("format = 1\n[[workload]]\nuid = -7\n").starts_with("line 3: "));
    let broken = format!("format = 1\n[[workload]]\n{RECORDS}0\nspiffe_id = 'x'\n");
    assert!(said(&broken).starts_with("line 5: "), "{}", said(&broken));
    let fails = |entry: &str| registry(&[BILLING, entry]).unwrap_err();
    for name in [
        "spiffe://other.example/records",
        "spiffe://clinic.example",
        "spiffe://clinic.example/ca",
    ] {
        let refused = fails(&format!("spiffe_id = '{name}'\nuid = 7"));
        let foreign = matches!(refused, InvalidRegistry::NameForeign { at: 2, .. });
        assert!(foreign, "{name}: {refused}");
    }
    let relative = fails(&format!("{RECORDS}\npath = 'bin/records'"));
    assert!(matches!(
        relative,
        InvalidRegistry::PathNotAbsolute { at: 2, .. }
    ));
    for hint in ["", "a\\u0007b", &"h".repeat(MAX_HINT + 1)] {
        let refused = fails(&format!("{RECORDS}\nhint = \"{hint}\""));
        assert_eq!(refused, InvalidRegistry::Hint(2), "{hint}");
    }
    assert_eq!(
        Registry::parse(b"\xff", &domain()),
        Err(InvalidRegistry::NotText)
    );
    let endless = vec![b'#'; MAX_REGISTRY + 1];
    assert_eq!(
        Registry::parse(&endless, &domain()),
        Err(InvalidRegistry::TooLarge)
    );
    let many = vec![RECORDS; MAX_WORKLOADS + 1];
    assert_eq!(
        registry(&many),
        Err(InvalidRegistry::TooMany(MAX_WORKLOADS + 1))
    );
    assert!(registry(&many[1..]).is_ok());
}

#[test]
fn two_identities_of_one_process_are_not_for_the_same() {
    let hint = "hint = 'inside'";
    let [records, billing] = [RECORDS, BILLING].map(|it| format!("{it}\n{hint}"));
    let twice = InvalidRegistry::HintTwice {
        first: 1,
        second: 2,
    };
    let both = registry(&[&records, &billing]);
    assert_eq!(both, Err(twice.clone()));
    let apart = |one: &str, two: &str| {
        registry(&[&format!("{records}\n{one}"), &format!("{billing}\n{two}")])
    };
    assert!(apart("gid = 1", "gid = 2").is_ok());
    assert_eq!(apart("gid = 1", ""), Err(twice));
    assert!(apart("path = '/a'", "path = '/b'").is_ok() || cfg!(windows));
    assert!(registry(&[&records, &records]).is_ok(), "the same identity");
}

#[test]
fn a_change_counts_once_it_was_seen_twice_and_a_broken_one_never() {
    let text = |entries: &[&str]| {
        let entries = entries.iter().map(|it| format!("[[workload]]\n{it}\n"));
        Some(format!("format = 1\n{}", entries.collect::<String>()).into_bytes())
    };
    let (mut follower, begun) = Follower::begin(None, &domain()).unwrap();
    assert_eq!(begun, Registry::default());
    assert_eq!(follower.look(text(&[RECORDS])), None, "seen once");
    let taken = follower.look(text(&[RECORDS])).unwrap().unwrap();
    assert_eq!(taken.iter().count(), 1);
    assert_eq!(follower.look(text(&[RECORDS])), None, "it is in force");
    // Half way through an editor's writing.
    assert_eq!(follower.look(None), None);
    assert_eq!(follower.look(text(&[RECORDS, BILLING])), None);
    let taken = follower.look(text(&[RECORDS, BILLING])).unwrap().unwrap();
    assert_eq!(taken.iter().count(), 2);
    let broken = || Some(b"format = 1\nworkload".to_vec());
    assert_eq!(follower.look(broken()), None);
    assert!(follower.look(broken()).unwrap().is_err());
    assert_eq!(follower.look(broken()), None, "it is said once");
    assert!(Follower::begin(broken(), &domain()).is_err());
}

#[test]
fn a_file_that_is_empty_or_gone_takes_nobody_away_and_is_told() {
    let text = || Some(format!("format = 1\n[[workload]]\n{RECORDS}\n").into_bytes());
    let (mut follower, begun) = Follower::begin(text(), &domain()).unwrap();
    assert_eq!(begun.iter().count(), 1);
    let empty = || Some(Vec::new());
    for (content, why) in [
        (empty(), InvalidRegistry::Empty),
        (Some(b" \r\n\t".to_vec()), InvalidRegistry::Empty),
        (None, InvalidRegistry::Gone),
        (empty(), InvalidRegistry::Empty),
    ] {
        assert_eq!(follower.look(content.clone()), None, "seen once");
        assert_eq!(follower.look(content.clone()), Some(Err(why)));
        assert_eq!(follower.look(content), None, "it is said once");
    }
    // Nobody at all, said in words.
    let nobody = || Some(b"format = 1\n".to_vec());
    assert_eq!(follower.look(nobody()), None);
    assert_eq!(follower.look(nobody()), Some(Ok(Registry::default())));
    let refused = Follower::begin(empty(), &domain()).unwrap_err();
    assert_eq!(refused, InvalidRegistry::Empty);
}

/// What may stand in an entry, sense and nonsense.
fn field() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["spiffe_id", "uid", "gid", "path", "hint", "other"]);
    let value = prop_oneof![
        "[a-z/. -]{0,12}".prop_map(|text| format!("'{text}'")),
        "[a-z]{1,4}".prop_map(|path| format!("'spiffe://clinic.example/{path}'")),
        "[a-z]{1,4}".prop_map(|path| format!("'/{path}'")),
        any::<i64>().prop_map(|number| number.to_string()),
        (0..9_u32).prop_map(|number| number.to_string()),
    ];
    (name, value).prop_map(|(name, value)| format!("{name} = {value}\n"))
}

proptest! {
    #[test]
    fn whatever_is_taken_keeps_the_rules(
        entries in prop::collection::vec(prop::collection::vec(field(), 0..6), 0..6),
        noise in ".{0,20}",
        uid in 0..9_u32,
    ) {
        let entries = entries.into_iter().map(|it| format!("[[workload]]\n{}", it.concat()));
        let text = format!("format = 1\n{}{noise}", entries.collect::<String>());
        if let Ok(registry) = parse(&text) {
            for workload in registry.iter() {
                prop_assert_eq!(workload.spiffe_id.trust_domain(), &domain());
                prop_assert!(!workload.spiffe_id.is_root() && workload.spiffe_id.path() != "/ca");
                prop_assert!(workload.path.as_ref().is_none_or(|path| path.is_absolute()));
            }
            let own = registry.of(&caller(uid, 1));
            let differ = |count: usize, names: BTreeSet<String>| count == names.len();
            let names = own.iter().map(|it| it.spiffe_id.to_string()).collect();
            prop_assert!(differ(own.len(), names));
            let hints: Vec<String> = own.iter().filter_map(|it| it.hint.clone()).collect();
            prop_assert!(differ(hints.len(), hints.iter().cloned().collect()));
            prop_assert!(own.iter().all(|it| it.uid == uid && it.path.is_none()));
        }
    }

    #[test]
    fn no_bytes_make_it_panic(content in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Err(InvalidRegistry::Toml { line, .. }) = Registry::parse(&content, &domain()) {
            let lines = 1 + content.iter().filter(|byte| **byte == b'\n').count();
            prop_assert!((1..=lines).contains(&line));
        }
    }
}
