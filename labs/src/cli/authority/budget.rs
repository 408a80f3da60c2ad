//! `schism ca budget`: how long the CA may be away, and what ends first.
//!
//! The sums are [`ca::budget`]'s; here they get their terms, from the lab's settings, a CA's own or
//! the words, and are laid out. Nothing is opened but a CA's settings.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use ca::budget::{self, Budget, CrlTerms, InvalidTerms, Limit, Sum, Terms, TokenTerms};
use ca::identity::TrustDomain;
use ca::issue::{CaConfig, WORKING_LEAF_TTL_S};
use ca::renewal::{Retry, danger};

use super::super::Exit;
use super::super::answer::Answer;
use super::super::printer::Printer;
use super::super::span;
use super::super::stop::Stop;
use super::folder::Folder;

/// Say how long the CA may be away so that nobody loses anything by it
///
/// For the member who is worst placed, at its worst luck. Without words it answers for the lab's
/// settings; `--dir` for those of a CA of yours; each word changes one of them. Agents of this
/// package renew at 50 % of a leaf's life, 10 % of that earlier or later: `--due` and `--jitter`
/// are for others.
///
/// What the tests prove of it: for leaves of a minute, 100 s and an hour, a simulated outage that
/// is a millisecond shorter than the leaf's sum takes no leaf in fifty fleets, nor from a member
/// with the worst luck there is, and one a millisecond longer takes that member's. The sums of
/// lists and tokens are held against a member that fetches them, at every moment there is. And the
/// lab's answer is tried on real agents and a real CA in virtual time: an outage as long as that
/// takes neither leaf nor list. The issuer's sum is what its successor leaves of it. All hold for
/// members whom the CA answers in time; for a crowd, see `schism ca heal`.
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// Take the settings of the CA in this folder
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
    /// Life of a leaf, back-dating included, as in 1h
    #[arg(long, value_name = "SPAN", value_parser = span::some)]
    leaf_ttl: Option<Duration>,
    /// How old a leaf is when it is due, in percent of its life
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(1..=99))]
    due: Option<u32>,
    /// How far that strays, either way, in percent of it
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u32).range(0..=99))]
    jitter: Option<u32>,
    /// How much of its life is over when a leaf is issued
    #[arg(long, value_name = "SPAN", value_parser = span::span)]
    backdate: Option<Duration>,
    /// How a failed renewal is tried again: once in the next window, or after a fixed second
    #[arg(long, value_name = "HOW", value_enum)]
    retry: Option<Tried>,
    /// How long an attempt may take
    #[arg(long, value_name = "SPAN", value_parser = span::some)]
    attempt: Option<Duration>,
    /// How far clocks may be apart, and how far past its end a leaf or a list still counts
    #[arg(long, value_name = "SPAN", value_parser = span::span)]
    tolerance: Option<Duration>,
    /// Life of a revocation list, or `none` where a stale one is accepted
    #[arg(long, value_name = "SPAN", value_parser = list_life)]
    crl_life: Option<ListLife>,
    /// Count tokens of this life in: the token service is away too
    #[arg(long, value_name = "SPAN", value_parser = span::some)]
    token_life: Option<Duration>,
    /// How far past its end a token still counts
    #[arg(long, value_name = "SPAN", value_parser = span::span, requires = "token_life")]
    #[arg(default_value = "2s")]
    token_leeway: Duration,
    /// Life of an issuer, whose successor takes over when a sixth of it is left
    #[arg(long, value_name = "SPAN", value_parser = span::some)]
    issuer_ttl: Option<Duration>,
    #[command(flatten)]
    answer: Answer,
}

/// How a failed renewal is tried again, as a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Tried {
    /// Once in the window that opens after it, at a random point
    Window,
    /// After the same short wait each time, as naive agents do
    Fixed,
}

impl From<Tried> for Retry {
    fn from(tried: Tried) -> Self {
        match tried {
            Tried::Window => Self::Window,
            Tried::Fixed => Self::Fixed(danger::Fixed),
        }
    }
}

/// The life of lists; nothing where none has to be fresh.
#[derive(Clone, Copy, Debug)]
struct ListLife(Option<Duration>);

fn list_life(text: &str) -> Result<ListLife, String> {
    if text == "none" {
        return Ok(ListLife(None));
    }
    let life = span::some(text).map_err(|why| format!("{why}, or `none`"))?;
    Ok(ListLife(Some(life)))
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    let answer = &words.answer;
    answer.can_be_given()?;
    let budget = budget::budget(&words.terms()?);
    let budget = budget.map_err(|why| Stop::Usage(format!("{}: {why}", flags(&why))))?;
    let text = if answer.json {
        let json = serde_json::to_value(&budget);
        let json = json.map_err(|error| Stop::Usage(error.to_string()))?;
        format!("{json:#}\n")
    } else {
        page(&budget)
    };
    answer.give(&text, printer)?;
    Ok(Exit::Done)
}

impl Words {
    fn terms(&self) -> Result<Terms, Stop> {
        let config = match &self.dir {
            Some(dir) => self.living(Folder::of(dir)?.config()?),
            None => lab()?,
        };
        let mut terms = Terms::of(&config);
        set(&mut terms.leaf_ttl, self.leaf_ttl);
        set(&mut terms.due_percent, self.due);
        set(&mut terms.jitter_percent, self.jitter);
        set(&mut terms.backdate, self.backdate);
        set(&mut terms.retry, self.retry.map(Retry::from));
        set(&mut terms.attempt, self.attempt);
        set(&mut terms.tolerance, self.tolerance);
        if let Some(life) = self.issuer_ttl {
            (terms.issuer_ttl, terms.issuer_used) = (life, life - life / 6);
        }
        let ListLife(life) = self.crl_life.unwrap_or(ListLife(Some(config.crl_life)));
        terms.crl = life.map(|life| CrlTerms::agents(life, terms.tolerance));
        let life = self.token_life;
        terms.token = life.map(|life| TokenTerms::agents(life, self.token_leeway));
        Ok(terms)
    }
}

impl Words {
    /// A CA's settings, as they would be had it been founded with the life that the words give.
    fn living(&self, config: CaConfig) -> CaConfig {
        let possible = |life: &Duration| WORKING_LEAF_TTL_S.contains(&life.as_secs());
        match self.leaf_ttl.filter(possible) {
            Some(life) => CaConfig::working(config.trust_domain, life),
            None => config,
        }
    }
}

fn set<T>(term: &mut T, word: Option<T>) {
    if let Some(word) = word {
        *term = word;
    }
}

/// The lab's settings.
fn lab() -> Result<CaConfig, Stop> {
    let domain = TrustDomain::new("clinic.example");
    let domain = domain.map_err(|error| Stop::Usage(error.to_string()))?;
    Ok(CaConfig::lab(domain))
}

/// The words that say otherwise.
const fn flags(why: &InvalidTerms) -> &'static str {
    match why {
        InvalidTerms::UsedUp { of, .. } => match of {
            Limit::Leaf => "`--due` and `--jitter`",
            Limit::Crl => "`--crl-life`",
            Limit::Token => "`--token-life`",
            Limit::Issuer => "`--issuer-ttl`",
        },
        InvalidTerms::DueAtOnce { .. } => "`--backdate`, `--due` and `--jitter`",
        InvalidTerms::CutShort { .. } => "`--leaf-ttl` and `--issuer-ttl`",
        // The words themselves do not take these.
        InvalidTerms::Zero(_) | InvalidTerms::TooLong(_) | InvalidTerms::Percent { .. } => {
            "the settings"
        }
    }
}

/// The sums side by side, and what they come to.
fn page(budget: &Budget) -> String {
    let sums = [
        Some(("leaf", &budget.leaf)),
        budget.crl.as_ref().map(|sum| ("list", sum)),
        budget.token.as_ref().map(|sum| ("token", sum)),
        Some(("issuer", &budget.issuer)),
    ];
    let columns: Vec<Vec<String>> = sums.into_iter().flatten().map(column).collect();
    let parts = budget.leaf.parts().map(|(adds, what, _)| {
        let sign = if adds { '+' } else { '-' };
        format!("{sign} {what}")
    });
    let head = "how long it bears that the CA is away".to_owned();
    let names = [head].into_iter().chain(parts).chain(["= safe".to_owned()]);
    let mut text = String::new();
    for (at, name) in names.enumerate() {
        let mut line = format!("{name:<40}");
        for column in &columns {
            // Writing to a string does not fail.
            let _ = write!(line, "{:>10}", column.get(at).map_or("", String::as_str));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text + "\n" + &verdict(budget) + "\n"
}

fn column((name, sum): (&str, &Sum)) -> Vec<String> {
    let mut column = vec![name.to_owned()];
    column.extend(sum.parts().map(|(_, _, part)| {
        if part.is_zero() {
            return "-".to_owned();
        }
        span::shown(part)
    }));
    column.push(span::shown(sum.safe));
    column
}

/// The answer in one sentence.
fn verdict(budget: &Budget) -> String {
    let (first, away) = match budget.limit {
        Limit::Leaf => ("a member's leaf", "the CA"),
        Limit::Crl => ("the revocation list in a member's hands", "the CA"),
        Limit::Token => ("a member's token", "the CA, and the token service with it,"),
        Limit::Issuer => ("the CA's own issuer", "the CA"),
    };
    let mut away = away.to_owned();
    if let Some(first) = away.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    if budget.safe.is_zero() {
        return format!("{away} may not be away at all: {first} has no time to spare.");
    }
    let safe = span::shown(budget.safe);
    format!("{away} may be away for {safe}: {first} ends first.")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        words: Words,
    }

    fn said(line: &str) -> Result<String, String> {
        let words = Line::try_parse_from(format!("budget {line}").split_whitespace());
        let terms = words.map_err(|error| error.to_string())?.words.terms();
        let budget = budget::budget(&terms.map_err(|stop| stop.to_string())?);
        let budget = budget.map_err(|why| format!("{}: {why}", flags(&why)))?;
        Ok(page(&budget))
    }

    #[test]
    fn without_words_it_answers_for_the_lab_and_every_column_adds_up() {
        let page = said("").unwrap();
        let last = "The CA may be away for 36.75s: the revocation list in a member's hands ends \
                    first.";
        assert_eq!(page.lines().last(), Some(last), "{page}");
        for column in 0..3 {
            let mut total = 0_i128;
            for line in page.lines().skip(1).take(8) {
                let cells: Vec<&str> = line[40..].split_whitespace().collect();
                let cell = cells[column].replace('-', "0s");
                let ms = i128::try_from(span::span(&cell).unwrap().as_millis()).unwrap();
                total += if line.starts_with('+') { ms } else { -ms };
            }
            assert_eq!(total, 0, "{page}");
        }
        assert!(page.lines().all(|line| line.len() <= 88), "{page}");
    }

    #[test]
    fn each_word_changes_its_own_term_and_the_answer() {
        let safe = |line: &str| {
            let page = said(line).unwrap();
            let last = page.lines().last().unwrap().to_owned();
            let (_, rest) = last.split_once("away for ").unwrap();
            rest.split(' ')
                .next()
                .unwrap()
                .trim_end_matches(':')
                .to_owned()
        };
        assert_eq!(safe("--crl-life none"), "37.5s");
        for (word, changed) in [
            ("--leaf-ttl 1h", "26m52.5s"),
            ("--due 40", "48.5s"),
            ("--jitter 0", "42.5s"),
            ("--retry fixed", "38s"),
            ("--attempt 1s", "41.5s"),
            ("--tolerance 2s", "37.5s"),
            ("--token-life 60s", "21.5s"),
            ("--token-life 60s --token-leeway 0s", "19.5s"),
            ("--issuer-ttl 601s --crl-life none", "37.5s"),
            ("--crl-life 30s", "14.25s"),
        ] {
            let lists = if word.contains("--crl-life") {
                ""
            } else {
                " --crl-life none"
            };
            assert_eq!(safe(&format!("{word}{lists}")), changed, "{word}");
        }
        let none = said("--leaf-ttl 10s").unwrap();
        let last = "The CA may not be away at all: a member's leaf has no time to spare.";
        assert_eq!(none.lines().last(), Some(last));
        let token = said("--token-life 30s").unwrap();
        assert!(
            token.contains("The CA, and the token service with it, may"),
            "{token}"
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_by_its_flag() {
        for (line, flag) in [
            ("--leaf-ttl 0s", "--leaf-ttl"),
            ("--leaf-ttl 40000d", "--leaf-ttl"),
            ("--leaf-ttl hour", "--leaf-ttl"),
            ("--due 0", "--due"),
            ("--jitter 100", "--jitter"),
            ("--due 99 --jitter 50", "`--due` and `--jitter`"),
            ("--backdate 45s", "`--backdate`, `--due`"),
            ("--leaf-ttl 6d", "`--leaf-ttl` and `--issuer-ttl`"),
            ("--issuer-ttl 500s", "`--leaf-ttl` and `--issuer-ttl`"),
            ("--crl-life 1s", "`--crl-life`"),
            ("--crl-life soon", "--crl-life"),
            ("--attempt 0s", "--attempt"),
            ("--retry never", "--retry"),
            ("--token-leeway 1s", "--token-life"),
        ] {
            let said = said(line).unwrap_err();
            assert!(said.contains(flag), "{line}: {said}");
        }
    }
}
