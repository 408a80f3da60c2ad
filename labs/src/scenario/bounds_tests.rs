//! Claims about scenarios that measure an outage or an impersonation: what they say instead, and
//! what they may not.

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

/// The same world, in which somebody goes under another's name.
fn posing() -> String {
    let users = r#"users = [{ name = "alice", role = "doctor", region = "south" }"#;
    let more = format!("{users}, {{ name = \"mallory\", role = \"visitor\", region = \"south\" }}");
    let steps = r#"[[schedule]]
at = "2s"
do = "enrol"
as = "mallory"
subject = "alice"
[[schedule]]
at = "3s"
do = "pose"
as = "mallory"
subject = "alice"
via = "records.south"
actions = ["read"]
tag = "attack"
[expect]"#;
    LAB.replace(users, &more)
        .replace("[expect]", steps)
        .replace("outage = { read = \"3s\" }", "impersonation = [\"read\"]")
}

#[test]
fn of_an_impersonation_nothing_is_allowed_and_every_action_of_the_attack_is_named() {
    let scenario = parse(&posing()).unwrap();
    assert_eq!(scenario.expect.impersonation, ["read"]);
    assert!(scenario.expect.exposure.is_empty() && scenario.expect.outage.is_empty());
    let refused = |old: &str, new: &str| {
        assert!(posing().contains(old), "{old}");
        parse(&posing().replacen(old, new, 1)).expect_err(new)
    };
    let named = "impersonation = [\"read\"]";
    for (new, why) in [
        (
            "impersonation = []",
            "the attack tries `read`, which is not named",
        ),
        (
            "impersonation = [\"write\"]",
            "the attack never tries `write`",
        ),
        (
            "impersonation = [\"read\"]\noutage = { read = \"3s\" }",
            "about `impersonation` or about `outage`",
        ),
    ] {
        let told = refused(named, new);
        assert!(told.contains(why), "{told}");
    }
    let own = refused(
        "do = \"pose\"\nas = \"mallory\"\nsubject = \"alice\"",
        "do = \"request\"\nas = \"alice\"",
    );
    assert!(own.contains("in the asker's own name"), "{own}");
}

#[test]
fn who_enrols_in_anothers_name_does_so_before_and_once_and_asks_for_nothing_in_their_own() {
    let refused = |old: &str, new: &str| {
        assert!(posing().contains(old), "{old}");
        parse(&posing().replacen(old, new, 1)).expect_err(new)
    };
    let late = refused("at = \"2s\"\ndo = \"enrol\"", "at = \"9s\"\ndo = \"enrol\"");
    assert!(
        late.contains("`mallory` has not enrolled as `alice` by then"),
        "{late}"
    );
    let enrol =
        "[[schedule]]\nat = \"2s\"\ndo = \"enrol\"\nas = \"mallory\"\nsubject = \"alice\"\n";
    let twice = refused(enrol, &enrol.repeat(2));
    assert!(twice.contains("a join code is good once"), "{twice}");
    let own = "[[schedule]]\nat = \"9s\"\ndo = \"request\"\nas = \"mallory\"\n\
               via = \"records.south\"\nactions = [\"read\"]\ntag = \"own\"\n";
    let own = refused(enrol, &format!("{enrol}{own}"));
    assert!(
        own.contains("whose request it was could not be told"),
        "{own}"
    );
    let same = refused(
        "do = \"enrol\"\nas = \"mallory\"",
        "do = \"enrol\"\nas = \"alice\"",
    );
    assert!(same.contains("`alice` is the asker's own name"), "{same}");
    let edge = refused("do = \"pose\"", "do = \"pose\"\nedge = true");
    assert!(edge.contains("this world has no edges"), "{edge}");
}
