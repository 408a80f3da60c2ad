//! Tokens that are copied, replayed and ended, and an issuer that is stolen: a small scenario, and
//! one change at a time.

use super::super::Scenario;
use super::super::act::{Act, Booty, Guise};

const LAB: &str = r#"format = 1
id = "small"
title = "Small"
shelf = 2
level = 1
minutes = "untried"
[world]
regions = ["north", "south", "east"]
users = [
  { name = "mallory", role = "visitor", region = "south" },
  { name = "trent", role = "visitor", region = "east" },
  { name = "chief", role = "doctor", region = "south" },
]
duration = "40s"
[[schedule]]
at = "1s"
every = "200ms"
until = "11s"
do = "request"
as = "chief"
via = "records.south"
actions = ["read"]
tag = "legit"
[[schedule]]
name = "theft"
at = "8s"
do = "steal"
as = "mallory"
what = "token"
of = "chief"
[[schedule]]
name = "log-out"
at = "12s"
do = "log_out"
principal = "chief"
[[schedule]]
at = "9s"
every = "200ms"
until = "38s"
do = "replay"
as = "mallory"
subject = "chief"
via = "records.south"
actions = ["read"]
tag = "attack"
[expect]
refusal = "token-revoked"
exposure = { read = "5s" }
invariants = ["no-permit-after-revoke"]
dials = ["token.status"]
"#;

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse("lab.toml", text).map_err(|error| error.to_string())
}

/// The answer to the lab with one thing replaced.
fn refused(old: &str, new: &str) -> String {
    assert!(LAB.contains(old), "{old}");
    parse(&LAB.replacen(old, new, 1)).expect_err(new)
}

#[test]
fn a_token_is_copied_replayed_as_it_is_and_ended() {
    let schedule = parse(LAB).unwrap().schedule;
    let token_of = || "chief".to_owned();
    let Act::Steal { what, .. } = &schedule[1].act else {
        panic!("{:?}", schedule[1]);
    };
    let token_of_chief = token_of();
    assert_eq!(
        *what,
        Booty::Token {
            token_of: token_of_chief
        }
    );
    let principal = "chief".to_owned();
    assert_eq!(schedule[2].act, Act::LogOut { principal });
    let Act::Request { as_, forging, .. } = &schedule[3].act else {
        panic!("{:?}", schedule[3]);
    };
    let token_of = token_of();
    assert_eq!(*forging, Some(Guise::Replayed { token_of }));
    assert_eq!(as_, "mallory");
    let verbs: Vec<_> = schedule.iter().map(|step| step.act.verb()).collect();
    assert_eq!(verbs, ["request", "steal", "log_out", "replay"]);
}

/// The judge takes every permit after a log-out for a copied token's doing: it must be one.
#[test]
fn whoever_is_logged_out_asks_for_nothing_more_and_loses_no_newer_token() {
    let told = "is logged out by then, and a step `";
    for (old, new) in [
        ("until = \"11s\"", "until = \"12s\""),
        ("until = \"11s\"\n", ""),
        ("at = \"12s\"", "at = \"10s\""),
        ("at = \"8s\"", "at = \"12s\""),
    ] {
        let answer = refused(old, new);
        assert!(answer.contains(told), "{new}: {answer}");
    }
    let mallory = parse(&LAB.replacen("principal = \"chief\"", "principal = \"mallory\"", 1));
    assert_eq!(mallory.err(), None, "what she replays is not hers");
    let range = "[vary]\n\"log-out.at\" = [\"10s\", \"13s\"]\n[[schedule]]\n";
    let answer = parse(&LAB.replacen("[[schedule]]\n", range, 1)).unwrap_err();
    assert!(
        answer.contains("with these ranges `chief` is logged out by then"),
        "{answer}"
    );
}

#[test]
fn nobody_replays_what_they_have_not_copied_by_then() {
    let none = "`mallory` has stolen no token of `chief` by then";
    for (old, new) in [
        ("as = \"mallory\"\nwhat", "as = \"trent\"\nwhat"),
        ("of = \"chief\"", "of = \"trent\""),
        ("at = \"8s\"", "at = \"9s\""),
        ("what = \"token\"\nof = \"chief\"", "what = \"signing-key\""),
    ] {
        let answer = refused(old, new);
        assert!(answer.ends_with(none), "{new}: {answer}");
    }
    let forged = refused("do = \"replay\"", "do = \"forge\"");
    assert!(
        forged.ends_with("`mallory` has stolen no key by then"),
        "{forged}"
    );
}

#[test]
fn a_theft_says_whose_token_and_a_key_is_nobodys() {
    for (old, new, answer) in [
        ("of = \"chief\"\n", "", "step `steal` needs `of`"),
        ("of = \"chief\"", "of = \"cheif\"", "unknown user `cheif`"),
        ("of = \"chief\"", "of = \"mallory\"", "a token of their own"),
        (
            "what = \"token\"",
            "what = \"signing-key\"",
            "the signing key is nobody's",
        ),
        ("what = \"token\"", "what = \"lead\"", "unknown loot `lead`"),
    ] {
        let said = refused(old, new);
        assert!(said.contains(answer), "{new}: {said}");
    }
}

#[test]
fn a_name_that_is_forged_is_still_asked_in_by_nobody_else() {
    let stolen = LAB.replacen(
        "what = \"token\"\nof = \"chief\"",
        "what = \"signing-key\"",
        1,
    );
    let forged = stolen.replacen("do = \"replay\"", "do = \"forge\"", 1);
    let answer = parse(&forged).unwrap_err();
    let told = "`chief` is forged, and must be nobody else who asks";
    assert!(answer.contains(told), "{answer}");
}

/// The small lab in which the whole identity is copied, and nobody is logged out.
fn of_leaf() -> String {
    let lab = LAB.replacen("what = \"token\"", "what = \"leaf\"", 1);
    let replay = "do = \"replay\"\nwhat = \"leaf\"";
    let lab = lab.replacen("do = \"replay\"", replay, 1);
    let (head, rest) = lab.split_once("[[schedule]]\nname = \"log-out\"").unwrap();
    let (_, rest) = rest.split_once("[[schedule]]").unwrap();
    let lab = format!("{head}[[schedule]]{rest}");
    lab.replacen("until = \"11s\"", "until = \"7s\"", 1)
}

#[test]
fn a_key_is_copied_with_its_certificate_and_token_and_both_steps_say_so() {
    let schedule = parse(&of_leaf()).unwrap().schedule;
    let leaf_of = || "chief".to_owned();
    let Act::Steal { what, .. } = &schedule[1].act else {
        panic!("{:?}", schedule[1]);
    };
    let leaf = Booty::Leaf { leaf_of: leaf_of() };
    assert_eq!(*what, leaf);
    let Act::Request { forging, .. } = &schedule[2].act else {
        panic!("{:?}", schedule[2]);
    };
    let leaf_of = leaf_of();
    assert_eq!(*forging, Some(Guise::Copied { leaf_of }));
    let token = parse(&of_leaf().replacen("what = \"leaf\"", "what = \"token\"", 1));
    let told = "`mallory` has stolen no certificate of `chief` by then";
    assert!(token.unwrap_err().contains(told));
    let unsaid =
        parse(&of_leaf().replacen("do = \"replay\"\nwhat = \"leaf\"", "do = \"replay\"", 1));
    let told = "`mallory` has stolen no token of `chief` by then";
    assert!(unsaid.unwrap_err().contains(told));
}

/// The judge takes every permit on a copied certificate after the end for the copy's doing.
#[test]
fn whoever_is_copied_whole_asks_for_nothing_more_and_is_copied_once() {
    let late = parse(&of_leaf().replacen("until = \"7s\"", "until = \"8s\"", 1));
    let told = "`chief` is copied by then, and goes on asking";
    assert!(late.unwrap_err().contains(told));
    let theft = "[[schedule]]\nat = \"9s\"\ndo = \"steal\"\nas = \"trent\"\nwhat = \"leaf\"\n\
                 of = \"chief\"\n[expect]";
    let twice = parse(&of_leaf().replacen("[expect]", theft, 1));
    let told = "two steps copy the certificate of `chief`";
    assert!(twice.unwrap_err().contains(told));
}

/// The same world with senders, and a secret that is rotated.
fn rotating(secret: &str) -> String {
    let senders = "senders = [\"trent\"]\nduration";
    let notices = "[[schedule]]\nat = \"2s\"\ndo = \"request\"\nas = \"trent\"\nvia = \
         \"records.south\"\nactions = [\"notify\"]\ntag = \"notices\"\n";
    let order = format!(
        "[[schedule]]\nat = \"3s\"\ndo = \"revoke_authority\"\nauthority = \"secret\"\n\
         {secret}id = 1\n[expect]"
    );
    let lab = LAB.replacen("duration", senders, 1);
    let lab = lab.replacen("[[schedule]]", &format!("{notices}[[schedule]]"), 1);
    lab.replacen("[expect]", &order, 1)
}

#[test]
fn a_secret_is_ordered_about_by_its_name_and_only_senders_notify() {
    let named = "secret = \"records-at-rest/south\"\n";
    let schedule = parse(&rotating(named)).unwrap().schedule;
    let Some(Act::Order(order)) = schedule.last().map(|step| &step.act) else {
        panic!("{schedule:?}");
    };
    assert_eq!(order.to_string(), "revoke secret records-at-rest/south 1");
    assert_eq!(order.secret.as_deref(), Some("records-at-rest/south"));
    for (lab, why) in [
        (rotating(""), "needs `secret`"),
        (
            rotating("secret = \"records-at-rest/west\"\n"),
            "unknown secret",
        ),
        (
            rotating(named).replacen("senders = [\"trent\"]", "senders = [\"chief\"]", 1),
            "unknown action `notify`",
        ),
        (
            rotating(named).replacen("senders = [\"trent\"]", "senders = []", 1),
            "unknown action `notify`",
        ),
        (
            rotating(named).replacen("authority = \"secret\"", "authority = \"root\"", 1),
            "only a `secret` has a name",
        ),
        (
            LAB.replacen(
                "[expect]",
                "[[schedule]]\nat = \"3s\"\ndo = \"prepare\"\nauthority = \
             \"secret\"\nsecret = \"webhook\"\n[expect]",
                1,
            ),
            "has no secrets",
        ),
    ] {
        let answer = parse(&lab).expect_err(why);
        assert!(answer.contains(why), "{why}: {answer}");
    }
}

/// The small lab in which the issuer is stolen, and an order is given once somebody notices.
fn of_issuer() -> String {
    let lab = LAB.replacen("what = \"token\"\nof = \"chief\"", "what = \"issuer\"", 1);
    let lab = lab.replacen("do = \"replay\"", "do = \"rogue_issue\"", 1);
    let (head, rest) = lab.split_once("[[schedule]]\nat = \"1s\"").unwrap();
    let (_, rest) = rest.split_once("[[schedule]]").unwrap();
    let lab = format!("{head}[[schedule]]{rest}");
    let log_out = "do = \"log_out\"\nprincipal = \"chief\"";
    let order = "do = \"activate\"\non = \"alarm\"\nauthority = \"x509\"";
    lab.replacen(log_out, order, 1)
}

#[test]
fn an_issuer_is_stolen_a_certificate_made_with_it_and_an_order_waits_for_the_alarm() {
    let schedule = parse(&of_issuer()).unwrap().schedule;
    let verbs: Vec<_> = schedule.iter().map(|step| step.act.verb()).collect();
    assert_eq!(verbs, ["steal", "activate", "rogue_issue"]);
    let authority = "x509".to_owned();
    let Act::Steal { what, .. } = &schedule[0].act else {
        panic!("{:?}", schedule[0]);
    };
    assert_eq!(*what, Booty::Issuer { authority });
    let Act::Request { forging, .. } = &schedule[2].act else {
        panic!("{:?}", schedule[2]);
    };
    let rogue_leaf_of = "chief".to_owned();
    assert_eq!(*forging, Some(Guise::Rogue { rogue_leaf_of }));
    assert!(matches!(&schedule[1].act, Act::Order(order) if order.on_alarm));
    let at_once = of_issuer().replacen("on = \"alarm\"\n", "", 1);
    let at_once = parse(&at_once).unwrap();
    assert!(matches!(&at_once.schedule[1].act, Act::Order(order) if !order.on_alarm));
}

#[test]
fn nobody_signs_with_what_was_not_stolen_and_no_alarm_comes_of_nothing() {
    for (old, new, told) in [
        (
            "what = \"issuer\"",
            "what = \"signing-key\"",
            "`mallory` has stolen no issuer by then",
        ),
        (
            "what = \"issuer\"",
            "what = \"issuer\"\nof = \"chief\"",
            "the issuer is nobody's",
        ),
        (
            "on = \"alarm\"",
            "on = \"alert\"",
            "unknown occasion `alert`",
        ),
        (
            "do = \"rogue_issue\"\nas = \"mallory\"\nsubject = \"chief\"",
            "do = \"request\"\nas = \"mallory\"",
            "there is never an alarm",
        ),
        (
            "subject = \"chief\"",
            "subject = \"mallory\"",
            "`mallory` is forged, and must be nobody else who asks",
        ),
    ] {
        let lab = of_issuer();
        assert!(lab.contains(old), "{old}");
        let said = parse(&lab.replacen(old, new, 1)).unwrap_err();
        assert!(said.contains(told), "{new}: {said}");
    }
}
