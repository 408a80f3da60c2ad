//! The parser as a whole: a small scenario, and one change at a time that it must refuse.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const LAB: &str = r#"format = 1
id = "small"
title = "Small"
shelf = 3
level = 1
minutes = "untried"
[world]
regions = ["north", "south", "east"]
users = [{ name = "mallory", role = "nurse", region = "south" },
  { name = "alice", role = "doctor", region = "south" }]
duration = "60s"
[vary]
"cut.at" = ["8s", "11s"]
"cut.region" = ["south", "east"]
[[schedule]]
name = "cut"
at = "10s"
for = "35s"
do = "partition"
between = [["south"], ["north", "east"]]
[[schedule]]
at = "12s"
do = "revoke"
principal = "mallory"
role = "nurse"
[[schedule]]
at = "1s"
every = "200ms"
until = "58s"
do = "request"
as = "mallory"
via = "records.south"
actions = ["read", "write"]
tag = "attack"
[[schedule]]
at = "20s"
do = "skew"
node = "records.south"
by = "-90s"
[expect]
refusal = "policy-stale"
exposure = { read = "10s", write = "3s" }
invariants = ["no-permit-after-revoke"]
dials = ["policy.freshness"]
[[expect.availability]]
tag = "attack"
inside = "cut"
floor = 0.15
"#;

fn parse(text: &str) -> Result<Scenario, String> {
    Scenario::parse("lab.toml", text).map_err(|error| error.to_string())
}

/// What is said of the small scenario with one piece of it replaced.
fn refused(old: &str, new: &str) -> String {
    assert!(LAB.contains(old), "{old}");
    parse(&LAB.replacen(old, new, 1)).expect_err(new)
}

#[test]
fn what_a_scenario_says_is_what_is_read() {
    let scenario = parse(LAB).unwrap();
    let cut = scenario.step("cut").unwrap();
    assert_eq!(cut.ends(), Some(Duration::from_secs(45)));
    let Act::Partition {
        between,
        one_way,
        how,
    } = &cut.act
    else {
        panic!("{cut:?}")
    };
    assert_eq!(between, &[vec!["south"], vec!["north", "east"]]);
    assert_eq!((*one_way, *how), (false, How::Drop));
    let asks = &scenario.schedule[2];
    let instants = asks.instants(scenario.world.duration);
    assert_eq!(instants.len(), 286);
    assert_eq!(instants.last(), Some(&Duration::from_secs(58)));
    let back = Act::Skew {
        node: "records.south".into(),
        by_ms: -90_000,
    };
    assert_eq!(scenario.schedule[3].act, back);
    assert_eq!(scenario.expect.exposure["write"], Duration::from_secs(3));
    assert_eq!(
        scenario.expect.availability[0].when,
        When::Inside("cut".into())
    );
    assert_eq!(scenario.vary.len(), 2);
}

#[test]
fn the_digest_ignores_layout_and_sees_meaning() {
    let digest = parse(LAB).unwrap().canonical_sha256();
    let same = format!("\u{feff}# a comment\n{LAB}").replace('\n', "\r\n");
    assert_eq!(parse(&same).unwrap().canonical_sha256(), digest);
    let other = LAB.replace("35s", "34s");
    assert_ne!(parse(&other).unwrap().canonical_sha256(), digest);
    assert_eq!(digest.len(), 64);
}

/// What is replaced, with what, and the answer: words outside their lists.
const MISSPELT: &[(&str, &str, &str)] = &[
    (
        "\"partition\"",
        "\"partitoin\"",
        "19: unknown verb `partitoin`; the nearest is `partition`",
    ),
    (
        "[[\"south\"]",
        "[[\"suoth\"]",
        "20: unknown region or node `suoth`; the nearest is `south`",
    ),
    (
        "as = \"mallory\"",
        "as = \"malory\"",
        "31: unknown user `malory`; the nearest is `mallory`",
    ),
    (
        "via = \"records.south\"",
        "via = \"record.south\"",
        "32: unknown records service `record.south`; the nearest is `records.south`",
    ),
    (
        "node = \"records.south\"",
        "node = \"recrods.south\"",
        "38: unknown node `recrods.south`; the nearest is `records.south`",
    ),
    (
        "[\"read\", \"write\"]",
        "[\"raed\"]",
        "33: unknown action `raed`; the nearest is `read`",
    ),
    (
        "\"policy-stale\"",
        "\"policy-stael\"",
        "41: unknown refusal `policy-stael`; the nearest is `policy-stale`",
    ),
    (
        "[\"no-permit-after-revoke\"]",
        "[\"no-permit-after-revok\"]",
        "43: unknown invariant `no-permit-after-revok`; \
 the nearest is `no-permit-after-revoke`",
    ),
    (
        "[\"policy.freshness\"]",
        "[\"policy.freshnes\"]",
        "44: unknown dial `policy.freshnes`; the nearest is `policy.freshness`",
    ),
    (
        "inside = \"cut\"",
        "inside = \"cutt\"",
        "47: unknown named fault `cutt`; the nearest is `cut`",
    ),
    (
        "tag = \"attack\"\ninside",
        "tag = \"attac\"\ninside",
        "46: unknown tag `attac`; the nearest is `attack`",
    ),
    (
        "every = \"200ms\"",
        "evry = \"200ms\"",
        "28: unknown field `evry` in step `request`; the nearest is `every`",
    ),
    (
        "level = 1",
        "levle = 1",
        "5: unknown field `levle` in the scenario; the nearest is `level`",
    ),
    (
        "\"cut.at\"",
        "\"cut.att\"",
        "13: unknown part of that step `att`; the nearest is `at`",
    ),
    (
        "region = \"south\" }]",
        "region = \"suoth\" }]",
        "10: unknown region `suoth`; the nearest is `south`",
    ),
];

#[test]
fn a_word_outside_its_list_is_answered_with_the_nearest() {
    for (old, new, answer) in MISSPELT {
        assert_eq!(refused(old, new), format!("lab.toml:{answer}"));
    }
}

#[test]
fn a_verb_that_is_not_built_is_refused_by_name_and_never_ignored() {
    for verb in PLANNED_VERBS {
        let answer = refused("do = \"skew\"", &format!("do = \"{verb}\""));
        let wanted = format!("lab.toml:37: verb `{verb}`: it is not built yet; remove the step");
        assert_eq!(answer, wanted);
    }
    assert!(BUILT_VERBS.is_sorted() && PLANNED_VERBS.is_sorted() && INVARIANTS.is_sorted());
}

#[test]
fn each_verb_is_read_and_its_opposite_must_follow_it() {
    let pairs = [
        (
            "do = \"isolate\"\nnode = \"policy\"",
            "do = \"rejoin\"\nnode = \"policy\"",
        ),
        (
            "do = \"crash\"\nnode = \"ca\"\npower = true",
            "do = \"restart\"\nnode = \"ca\"",
        ),
        (
            "do = \"hold\"\nkind = \"policy-update\"\nto = \"records.east\"",
            "do = \"release\"\nkind = \"policy-update\"\nto = \"records.east\"",
        ),
        (
            "do = \"skew\"\nnode = \"ca\"\nby = \"+1s\"",
            "do = \"sync\"\nnode = \"ca\"",
        ),
        (
            "do = \"partition\"\nbetween = [[\"records.south\"], [\"policy\"]]\n\
 one_way = true\nhow = \"reset\"",
            "do = \"heal\"",
        ),
        (
            "do = \"grant\"\nprincipal = \"alice\"\nrole = \"nurse\"",
            "do = \"revoke\"\nprincipal = \"alice\"\nrole = \"nurse\"",
        ),
    ];
    for (fault, opposite) in pairs {
        let with = |first: &str, second: &str| {
            let steps = format!(
                "[[schedule]]\nat = \"2s\"\n{first}\n\
 [[schedule]]\nat = \"3s\"\n{second}\n[expect]\n"
            );
            parse(&LAB.replace("[expect]\n", &steps))
        };
        assert_eq!(with(fault, opposite).err(), None);
        let answer = with(opposite, fault).unwrap_err();
        assert!(answer.contains("by then"), "{answer}");
    }
}

/// What is replaced, with what, and the answer: parts that do not fit together.
const MISFITS: &[(&str, &str, &str)] = &[
    (
        "at = \"12s\"",
        "at = \"60s\"",
        "22: `at` is `60s`; the run ends at 60s",
    ),
    (
        "at = \"12s\"",
        "at = \"12.001s\"",
        "22: `at` is `12.001s`; time moves in ticks of 5 ms",
    ),
    (
        "for = \"35s\"",
        "for = \"51s\"",
        "18: `for` is `51s`; the fault must end after it began and by 60s",
    ),
    (
        "[\"8s\", \"11s\"]",
        "[\"8s\", \"26s\"]",
        "13: the step may then end after the run, at 60s",
    ),
    (
        "[\"8s\", \"11s\"]",
        "[\"11s\", \"8s\"]",
        "13: a range goes from the lesser to the greater",
    ),
    (
        "[\"north\", \"east\"]",
        "[\"south\"]",
        "20: `south` is on two sides of the cut",
    ),
    (
        "role = \"nurse\"\n[[",
        "role = \"doctor\"\n[[",
        "21: `mallory` does not hold the role `doctor` by then",
    ),
    (
        "\"200ms\"",
        "\"5ms\"",
        "26: with this step the run makes more than 20000 requests",
    ),
    (
        "write = \"3s\" }",
        "share = \"3s\" }",
        "42: a promise for `share`, which the attack never tries",
    ),
    (
        ", write = \"3s\" }",
        " }",
        "42: the attack tries `write`, for which nothing is promised",
    ),
    (
        "\"south\", \"east\"]\nusers",
        "\"south\"]\nusers",
        "7: a world has 3 regions, one witness in each; this one has 2",
    ),
    (
        "\"alice\"",
        "\"mallory\"",
        "10: user `mallory` is named twice",
    ),
    (
        "format = 1",
        "format = 2",
        "1: `format` is `2`; it is 1: this version reads no other",
    ),
    (
        "floor = 0.15",
        "floor = 1.5",
        "48: `floor` is `1.5`; it is between 0 and 1, with at most three \
         decimals",
    ),
    (
        "floor = 0.15",
        "floor = nan",
        "48: `floor` is `nan`; it is between 0 and 1, with at most three \
         decimals",
    ),
    ("level = 1\n", "", "1: the scenario needs `level`"),
    (
        "duration = \"60s\"",
        "duration = \"11m\"",
        "11: `duration` is `11m`; a run lasts from 5 ms to 10 min",
    ),
    (
        "duration = \"60s\"",
        "duration = 60",
        "11: `duration` is a whole number; it takes a text in quotes",
    ),
    (
        "[\"policy.freshness\"]",
        "[\"policy.rivals\"]",
        "44: dial `policy.rivals`: its mechanism is not built yet; remove it",
    ),
    (
        "by = \"-90s\"",
        "by = \"-90h\"",
        "39: `by` is `-90h`; it takes `+` or `-` and a span, 1 ms to 24 h",
    ),
    (
        "tag = \"attack\"\n[[",
        "tag = \"legit\"\n[[",
        "40: no request has the tag `attack`",
    ),
    (
        "\"partition\"\nbetween = [[\"south\"], [\"north\", \"east\"]]",
        "\"isolate\"\nnode = \"records.south\"",
        "47: `cut` is a step `isolate`; a floor counts by a `partition`",
    ),
    (
        "[[\"south\"], [\"north\", \"east\"]]",
        "[[\"records.south\"], [\"north\", \"east\"]]",
        "47: `cut` cuts off no region: nobody is inside it",
    ),
];

#[test]
fn a_list_counts_for_a_while_and_certificates_are_taken_once() {
    let life = |span: &str| {
        let lab = LAB.replacen(
            "duration = ",
            &format!("list_life = \"{span}\"\nduration = "),
            1,
        );
        parse(&lab).map(|scenario| scenario.world.list_life)
    };
    assert_eq!(life("15s").unwrap(), Duration::from_secs(15));
    for wrong in ["7s", "11m"] {
        let answer = life(wrong).unwrap_err();
        assert!(answer.contains("from 8 s to 10 min"), "{answer}");
    }
    let step = "[[schedule]]\nat = \"9s\"\ndo = \"revoke_leaf\"\nprincipal = \"mallory\"\n";
    let with = |steps: String| parse(&LAB.replacen("[expect]", &format!("{steps}[expect]"), 1));
    assert!(with(step.to_owned()).is_ok());
    let twice = with(step.repeat(2)).unwrap_err();
    assert!(twice.contains("one is enough"), "{twice}");
    let unknown = with(step.replace("mallory", "malory")).unwrap_err();
    assert!(unknown.contains("the nearest is `mallory`"), "{unknown}");
}

#[test]
fn a_floor_is_inside_or_outside_or_counts_throughout() {
    let both = refused("inside = \"cut\"", "inside = \"cut\"\noutside = \"cut\"");
    assert!(both.contains("or neither and counts throughout"), "{both}");
    let lab = LAB.replacen("inside = \"cut\"\n", "", 1);
    let floors = parse(&lab).unwrap().expect.availability;
    assert!(
        floors.iter().any(|it| it.when == When::Throughout),
        "{floors:?}"
    );
}

#[test]
fn a_floor_may_be_outside_a_cut_that_leaves_nobody_inside() {
    let between = "between = [[\"admin\"], [\"policy\"]]";
    let lab = LAB.replace("between = [[\"south\"], [\"north\", \"east\"]]", between);
    let lab = lab.replace("\"cut.region\" = [\"south\", \"east\"]\n", "");
    assert_eq!(parse(&lab.replace("inside", "outside")).err(), None);
    let answer = parse(&lab).unwrap_err();
    assert!(answer.contains("cuts off no region"), "{answer}");
}

#[test]
fn no_user_bears_the_name_of_a_host_or_a_region() {
    let hosts = ["admin", "ca", "policy", "token", "north", "south", "east"];
    for taken in hosts {
        let answer = refused("\"alice\"", &format!("\"{taken}\""));
        let wanted = format!("lab.toml:10: `{taken}` is the name of a node or a region");
        assert_eq!(answer, wanted);
    }
    // Services of regions have a dot, which no user's name has.
    let answer = refused("\"alice\"", "\"records.south\"");
    assert!(answer.starts_with("lab.toml:10: `name` is"), "{answer}");
}

#[test]
fn parts_that_do_not_fit_together_are_refused_where_they_stand() {
    for (old, new, answer) in MISFITS {
        assert_eq!(refused(old, new), format!("lab.toml:{answer}"));
    }
}

#[test]
fn no_draw_may_put_a_step_before_what_it_rests_on() {
    let heal = |at: &str| {
        let step = format!("[[schedule]]\nat = \"{at}\"\ndo = \"heal\"\n[expect]\n");
        parse(&LAB.replace("[expect]\n", &step)).err()
    };
    assert_eq!(heal("11.1s"), None);
    let said = heal("10.5s").expect("the cut may begin at 11 s");
    assert!(
        said.ends_with("with these ranges `heal` undoes nothing by then"),
        "{said}"
    );
}

#[test]
fn a_region_is_drawn_only_for_a_cut_that_names_one() {
    let nodes = LAB.replace("[[\"south\"], ", "[[\"records.south\"], ");
    let said = parse(&nodes.replace("inside", "outside")).unwrap_err();
    assert!(
        said.contains(":14: the first side of that cut names no region"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_too_long_too_deep_or_not_toml_is_refused() {
    assert!(
        parse(&" ".repeat(MAX_SCENARIO + 1))
            .unwrap_err()
            .contains("at most 262144")
    );
    assert!(parse(&format!("a = {}", "[".repeat(100_000))).is_err());
    assert!(parse(&format!("a = {}", "{a=".repeat(50_000))).is_err());
    assert!(parse(&"a.".repeat(100_000)).is_err());
    assert!(
        parse("id = \"a\"\nid = \"b\"")
            .unwrap_err()
            .starts_with("lab.toml:2: ")
    );
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in "(?s).{0,300}") {
        let _ = Scenario::parse("f", &text);
    }

    #[test]
    fn no_piece_cut_out_or_put_in_makes_the_parser_panic(
        from in 0_usize..1_400,
        length in 0_usize..60,
        piece in prop::sample::select(vec![
            "", "\"", "[", "]", "{", "}", "=", "\n", "0", "-1", "nan", "true", "\"5s\"", "[[",
            "99999999999999999999", "\"999999999m\"", "do", "é", "'", "schedule", "1979-05-27",
        ]),
    ) {
        let kept = |(at, _): &(usize, char)| *at < from || *at >= from + length;
        let mut text: String = LAB.char_indices().filter(kept).map(|(_, c)| c).collect();
        let at = text.char_indices().map(|(at, _)| at).find(|at| *at >= from);
        text.insert_str(at.unwrap_or(text.len()), piece);
        if let Err(error) = Scenario::parse("f", &text) {
            prop_assert!(error.line >= 1 && error.line <= text.lines().count().max(1) + 1);
        }
    }
}
