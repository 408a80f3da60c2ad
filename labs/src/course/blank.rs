//! The `attack.toml` of a learner who has written none yet: the task, two steps of the right form,
//! and every word that an attack may use.
//!
//! It reads as an attack that is not written, and what it shows is understood without its `#`.

use services::posture::span;

use crate::report::figure;
use crate::scenario::{KINDS, Scenario};

/// What an `attack.toml` says before the learner has written anything.
pub fn template(scenario: &Scenario) -> String {
    let task = scenario.attack.as_ref().map_or_else(
        || "# Your own attack on this lab's world, if you like.\n".to_owned(),
        |task| {
            let steps = match task.steps {
                1 => "one step".to_owned(),
                many => format!("at most {many} steps"),
            };
            format!(
                "# Your own attack: {steps} that let someone revoked in for {} or longer,\n\
                 # with the posture that you started from.\n",
                figure::span(task.reach)
            )
        },
    );
    let regions = scenario.world.regions.join(", ");
    let end = span::write(scenario.world.duration);
    // A key after a `[[schedule]]` would be the step's, so the format comes before any.
    format!(
        "{task}\
         # The users' requests stay as they are; your steps take the place of everything else.\n\
         # Until there is a step here, `lab attack` uses the lab's own schedule.\n\
         \n\
         format = 1\n\
         \n\
         # The regions are {regions}; the run ends at {end}. Two steps of the right form, which\n\
         # achieve nothing yet:\n\
         #\n\
         #   [[schedule]]\n\
         #   at = \"50s\"\n\
         #   do = \"isolate\"\n\
         #   node = \"witness.{last}\"\n\
         #\n\
         #   [[schedule]]\n\
         #   at = \"52s\"\n\
         #   do = \"rejoin\"\n\
         #   node = \"witness.{last}\"\n\
         #\n\
         {}",
        words(scenario),
        last = scenario.world.regions.last().map_or("", String::as_str),
    )
}

/// What a step of an own attack may do and of what, as comments.
fn words(scenario: &Scenario) -> String {
    let world = &scenario.world;
    let sides = world.regions.split_first().map(|(first, others)| {
        let others: Vec<String> = others.iter().map(|it| format!("\"{it}\"")).collect();
        format!("[[\"{first}\"], [{}]]", others.join(", "))
    });
    let between = format!("between = {}", sides.unwrap_or_default());
    let kinds = format!("kind = {}", KINDS.map(|it| format!("\"{it}\"")).join(" | "));
    let verbs = [
        ("partition", between.as_str()),
        (
            "",
            "and, if you like, one_way = true, how = \"drop\" | \"reset\"",
        ),
        ("heal", "ends every partition"),
        ("isolate", "node: nobody hears it; rejoin undoes it"),
        (
            "crash",
            "node, and power = true if it loses power too; restart undoes it",
        ),
        (
            "skew",
            "node, by = \"-5s\": its clock is wrong; sync undoes it",
        ),
        (
            "slow",
            "node, times = 40: all that it does takes so many times as long",
        ),
        ("hold", &kinds),
        (
            "",
            "and, if you like, from, to: messages wait; release undoes it",
        ),
        ("revoke", "principal, role: what an administrator does"),
        (
            "revoke_leaf",
            "principal: the CA takes back every certificate they have",
        ),
    ];
    let nodes = world.nodes().join(", ");
    let held = world
        .users
        .iter()
        .map(|it| format!("{} ({})", it.name, it.role));
    let users = held.collect::<Vec<_>>().join(", ");
    let mut text =
        "# Each step has `at` and `do`, and may have a `name`. A fault says how long it \
                    lasts with\n# `for = \"5s\"`, or another step undoes it. What a step may do, \
                    and of what:\n#\n"
            .to_owned();
    for (verb, fields) in verbs {
        text.push_str(&format!("#  {verb:11}  {fields}\n"));
    }
    text.push_str("#\n");
    for (lead, all) in [
        ("The nodes:", nodes),
        ("The principals, with their roles:", users),
    ] {
        text.push_str(&comment(&format!("{lead} {all}.")));
    }
    text
}

/// A text in lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.len() + 1 + word.len() > 96 {
            lines.push("#".to_owned());
        }
        let line = lines.last_mut().expect("there is always a line");
        line.push(' ');
        line.push_str(word);
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::super::own::Own;
    use super::*;
    use crate::catalog;
    use crate::scenario::BUILT_VERBS;

    fn lab() -> Scenario {
        let lab = catalog::find("stale-acl").unwrap();
        Scenario::parse("lab.toml", lab.lab_toml).unwrap()
    }

    #[test]
    fn what_is_laid_out_is_not_written_yet_and_what_it_shows_is_understood() {
        let template = template(&lab());
        assert_eq!(Own::parse(&lab(), "attack.toml", &template), Ok(None));
        let shown: String = template
            .lines()
            .take_while(|line| !line.starts_with("# Each step"))
            .map(|line| line.strip_prefix("#   ").unwrap_or(line).to_owned() + "\n")
            .collect();
        let own = Own::parse(&lab(), "attack.toml", &shown).unwrap().unwrap();
        assert_eq!(own.steps().len(), 2);
        assert!(template.lines().all(|line| line.len() <= 100), "{template}");
        assert!(template.contains("at most 2 steps") && template.contains("20 s"));
        for verb in BUILT_VERBS {
            let is_theirs = ["grant", "put_entities", "put_policy", "request"].contains(&verb);
            // What thieves and impostors do, and what is done about it, needs a lab about them.
            let is_of_theft = [
                "activate",
                "enrol",
                "forge",
                "log_out",
                "pose",
                "prepare",
                "replay",
                "revoke_authority",
                "rogue_issue",
                "steal",
                "taint",
            ]
            .contains(&verb);
            assert!(
                is_theirs || is_of_theft || template.contains(verb),
                "{verb} is not told of"
            );
        }
    }
}
