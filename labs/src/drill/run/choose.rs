//! Which cases are run: those asked for, and of these what fits into the time.
//!
//! Pure: it reads the file and the options alone, so that a plan is what a run does. What is left
//! out is named, never hidden.

use std::time::Duration;

use super::{Options, RunError};
use crate::drill::answer::Group;
use crate::drill::case::{self, Before, Case, Scene};
use crate::drill::file::DrillFile;

/// About how long it takes to take the files, start the target and put everything back.
const AROUND: Duration = Duration::from_secs(3);

/// A scene and those of its cases that are wanted.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The scene.
    pub scene: &'static Scene,
    /// The cases.
    pub cases: Vec<&'static Case>,
    /// About how long it takes, if the target does well.
    pub about: Duration,
}

impl Chosen {
    /// The cases that a target by this file has something to show for.
    pub fn applicable(&self, drill: &DrillFile) -> Vec<&'static Case> {
        let met = |case: &&&'static Case| case.needs.iter().all(|need| need.is_met(drill));
        self.cases.iter().filter(met).copied().collect()
    }

    fn worth(&self, drill: &DrillFile) -> f64 {
        let worth = self
            .applicable(drill)
            .iter()
            .map(|case| f64::from(case.worth))
            .sum::<f64>();
        worth / self.about.as_secs_f64().max(0.1)
    }
}

/// What is run, and what is not.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// What is run, in order.
    pub chosen: Vec<Chosen>,
    /// What there is no time for.
    pub left_out: Vec<&'static Case>,
    /// About how long all of it takes, if the target does well.
    pub about: Duration,
}

impl Choice {
    /// What there is no time for, in a sentence.
    pub fn note(&self) -> Option<String> {
        let words: Vec<&str> = self.left_out.iter().map(|case| case.word).collect();
        let list = words.join(", ");
        (!words.is_empty()).then(|| format!("left out, since there was no time for them: {list}"))
    }
}

/// Chooses.
///
/// # Errors
/// When a word names no case, or one for the other side of the target.
pub fn choose(drill: &DrillFile, options: &Options) -> Result<Choice, RunError> {
    if options.as_client && drill.upstream.is_none() {
        return Err(RunError::NoUpstream);
    }
    let side = |scene: &Scene| (scene.before == Before::Files) == options.as_client;
    for word in &options.cases {
        known(word)?;
        let other = |scene: &&'static Scene| !side(scene) && is_named(scene, word);
        if case::scenes().iter().any(other) {
            return Err(RunError::OtherSide(word.clone()));
        }
    }
    let wanted = |case: &Case| {
        let is = |word: &String| word == case.word || word == case.group.word();
        options.cases.is_empty() || options.cases.iter().any(is)
    };
    let mut all = Vec::new();
    for scene in case::scenes().into_iter().filter(|scene| side(scene)) {
        let cases: Vec<&'static Case> = scene.cases.iter().filter(|case| wanted(case)).collect();
        if cases.is_empty() {
            continue;
        }
        let mut chosen = Chosen {
            scene,
            cases,
            about: Duration::ZERO,
        };
        if !chosen.applicable(drill).is_empty() {
            chosen.about = (scene.about)(drill);
        }
        all.push(chosen);
    }
    Ok(fit(drill, all, options.within))
}

/// Keeps what is worth most for its time, in the catalogue's order.
fn fit(drill: &DrillFile, all: Vec<Chosen>, within: Option<Duration>) -> Choice {
    let limit = within.unwrap_or(Duration::MAX);
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|a, b| all[*b].worth(drill).total_cmp(&all[*a].worth(drill)));
    let mut about = AROUND;
    let mut kept = vec![false; all.len()];
    for at in order {
        if about + all[at].about <= limit {
            about += all[at].about;
            kept[at] = true;
        }
    }
    let mut choice = Choice {
        about,
        ..Choice::default()
    };
    for (chosen, kept) in all.into_iter().zip(kept) {
        match kept {
            true => choice.chosen.push(chosen),
            false => choice.left_out.extend(chosen.cases),
        }
    }
    choice
}

fn is_named(scene: &Scene, word: &str) -> bool {
    scene.cases.iter().any(|case| case.word == word)
}

fn known(word: &str) -> Result<(), RunError> {
    let cases = case::all();
    let words = cases.iter().map(|case| case.word);
    let words: Vec<&'static str> = words.chain(Group::ALL.map(Group::word)).collect();
    if words.contains(&word) {
        return Ok(());
    }
    let near = words
        .into_iter()
        .map(|it| (strsim::jaro_winkler(it, word), it));
    let near = near.max_by(|a, b| a.0.total_cmp(&b.0));
    Err(RunError::UnknownCase {
        word: word.to_owned(),
        meant: near.filter(|(like, _)| *like > 0.8).map(|(_, it)| it),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drill::exhibit::{Exhibit, Setting};
    use crate::drill::planted::Fault;

    fn drill() -> DrillFile {
        let setting = Setting {
            settle: Duration::from_secs(2),
            demand: Duration::from_secs(2),
            serves_keys: false,
            is_client: false,
        };
        let exhibit = Exhibit::set_up(Fault::None, setting).unwrap();
        exhibit.drill().clone()
    }

    fn options(words: &[&str]) -> Options {
        Options {
            cases: words.iter().map(|it| (*it).to_owned()).collect(),
            ..Options::default()
        }
    }

    fn words(choice: &Choice) -> Vec<&'static str> {
        let cases = choice.chosen.iter().flat_map(|it| &it.cases);
        cases.map(|case| case.word).collect()
    }

    #[test]
    fn a_word_is_a_case_or_a_group_and_the_order_is_the_catalogue_s() {
        let drill = drill();
        let choice = choose(&drill, &options(&["time", "leaf-swap", "old-root-new"])).unwrap();
        let wanted = [
            "leaf-swap",
            "old-root-new",
            "expired-caller",
            "expires-resumed",
            "expires-established",
            "expires-open-stream",
            "not-yet-valid-caller",
        ];
        assert_eq!(words(&choice), wanted);
        let all = choose(&drill, &options(&[])).unwrap();
        assert!(all.left_out.is_empty() && all.note().is_none());
        assert!(words(&all).contains(&"older-crl"));
        let client = |word: &&str| word.starts_with("client-");
        assert!(!words(&all).iter().any(client));
    }

    #[test]
    fn a_word_that_is_none_is_told_with_the_one_that_was_meant() {
        let error = choose(&drill(), &options(&["old-rot-new"])).unwrap_err();
        let said = error.to_string();
        assert_eq!(said, "`old-rot-new` is no case; perhaps `old-root-new`");
        let client = Options {
            as_client: true,
            ..options(&[])
        };
        let error = choose(&drill(), &client).unwrap_err();
        assert!(matches!(error, RunError::NoUpstream), "{error}");
    }

    #[test]
    fn what_there_is_no_time_for_is_named_and_the_rest_fits() {
        let drill = drill();
        let all = choose(&drill, &options(&[])).unwrap();
        let limit = Duration::from_secs(20);
        assert!(all.about > limit);
        let within = Options {
            within: Some(limit),
            ..options(&[])
        };
        let choice = choose(&drill, &within).unwrap();
        assert!(choice.about <= limit, "{:?}", choice.about);
        assert!(!choice.chosen.is_empty() && !choice.left_out.is_empty());
        assert_eq!(
            words(&choice).len() + choice.left_out.len(),
            words(&all).len()
        );
        let note = choice.note().unwrap();
        assert!(note.contains(choice.left_out[0].word), "{note}");
        // The four paths of a change are worth most for their time.
        assert!(words(&choice).contains(&"revoked-leaf-resumed"));
    }
}
