//! Claims about the table of dials: each is there once, and no posture's word scolds.

use std::collections::BTreeSet;

use super::*;

#[test]
fn no_dial_is_listed_twice_and_none_is_hardened_by_an_exposed_value() {
    let names: BTreeSet<&str> = DIALS.iter().map(|dial| dial.name).collect();
    assert_eq!(names.len(), DIALS.len());
    for dial in DIALS {
        assert!(
            !dial.exposed.is_empty(),
            "{}: who ships the exposed value?",
            dial.name
        );
        assert_eq!(dial.shipped_by(dial.hardened), None, "{}", dial.name);
    }
}

/// The word belongs to Rust paths; what a learner writes does not scold.
#[test]
fn the_word_danger_is_in_no_posture() {
    for dial in DIALS {
        let values = dial.exposed.iter().map(|exposed| exposed.value);
        for word in values.chain([dial.name, dial.hardened]) {
            assert!(!word.contains("danger"), "{word}");
        }
    }
}

#[test]
fn a_built_dial_can_take_its_hardened_value() {
    for dial in DIALS
        .iter()
        .filter(|dial| dial.form == Form::Words && dial.is_built())
    {
        assert!(dial.built.contains(&dial.hardened), "{}", dial.name);
    }
}
