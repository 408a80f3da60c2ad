//! Claims about scenarios that measure an outage: what they say instead, and what they may not.

use std::time::Duration;

use crate::scenario::Scenario;

const LAB: &str = r#"format = 1
id = "small"
title = "Small"
shelf = 1
level = 1
minutes = "untried"
[world]
regions = ["north", "south", "east"]
users = [{ name = "alice", role = "doctor", region = "south" }]
duration = "60s"
leaf_life = "40s"
[[schedule]]
name = "next"
at = "10s"
do = "prepare"
authority = "root"
[[schedule]]
at = "12s"
do = "activate"
authority = "root"
after = "next"
[[schedule]]
at = "1s"
every = "200ms"
do = "request"
as = "alice"
via = "records.south"
actions = ["read"]
tag = "legit"
[expect]
refusal = "certificate-untrusted"
outage = { read = "3s" }
invariants = ["seamless-rotation"]
dials = ["rotation.activate"]
[[expect.availability]]
tag = "legit"
floor = 0.97
"#;

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse("lab.toml", text).map_err(|error| error.to_string())
}

fn refused(old: &str, new: &str) -> String {
    assert!(LAB.contains(old), "{old}");
    parse(&LAB.replacen(old, new, 1)).expect_err(new)
}

#[test]
fn an_outage_is_bounded_by_action_and_nobody_attacks() {
    let scenario = parse(LAB).unwrap();
    let outage = [("read".to_owned(), Duration::from_secs(3))];
    assert_eq!(scenario.expect.outage, outage.into());
    assert!(scenario.expect.exposure.is_empty());
    assert_eq!(scenario.world.leaf_life, Duration::from_secs(40));
    let both = refused("invariants", "exposure = { read = \"3s\" }\ninvariants");
    assert!(both.contains("not about both"), "{both}");
    let attacked = refused("tag = \"legit\"\n[expect]", "tag = \"attack\"\n[expect]");
    assert!(attacked.contains("unknown tag `legit`"), "{attacked}");
    let text = LAB.replace("tag = \"legit\"", "tag = \"attack\"");
    let attacked = parse(&text).unwrap_err();
    assert!(
        attacked.contains("nobody is the cause by attacking"),
        "{attacked}"
    );
}

#[test]
fn what_nobody_is_owed_has_no_bound() {
    let unasked = refused("outage = { read", "outage = { write");
    assert!(
        unasked.contains("nobody to whom a floor owes it asks for `write`"),
        "{unasked}"
    );
    let more = refused("actions = [\"read\"]", "actions = [\"read\", \"write\"]");
    assert!(more.contains("`write` is owed by a floor"), "{more}");
    let empty = refused("outage = { read = \"3s\" }", "outage = {}");
    assert!(empty.contains("says nothing of any action"), "{empty}");
    let neither = refused("outage = { read = \"3s\" }\n", "");
    assert!(
        neither.contains("no request has the tag `attack`"),
        "{neither}"
    );
}

#[test]
fn an_order_waits_for_one_that_was_given_before_it() {
    for (old, new) in [
        ("after = \"next\"", "after = \"other\""),
        ("at = \"10s\"", "at = \"12s\""),
    ] {
        let answer = refused(old, new);
        assert!(answer.contains("by then"), "{answer}");
    }
}

#[test]
fn a_leaf_lives_long_enough_to_be_renewed() {
    let answer = refused("leaf_life = \"40s\"", "leaf_life = \"20s\"");
    assert!(
        answer.contains("a leaf lives from 30 s to 10 min"),
        "{answer}"
    );
}
