//! What is said to words that make no sense: one line, with the word that was probably meant.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use services::posture::document::{instead, quoted};

use super::printer::Printer;
use super::stop::Stop;
use super::{Exit, Words};

/// Answers a request for help, or refuses the words.
pub(super) fn answer(
    words: &[OsString],
    error: &clap::Error,
    printer: &mut Printer,
) -> Result<Exit, Stop> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.page(&text)?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let (_, names) = level(words);
            let names = names.join("`, `");
            Err(Stop::Usage(format!(
                "a command is missing: `{names}`; `--help` says more"
            )))
        }
        ErrorKind::InvalidSubcommand => match error.get(ContextKind::InvalidSubcommand) {
            Some(ContextValue::String(word)) if word == "help" => {
                let (mut at, _) = level(words);
                printer.page(&at.render_help().to_string())?;
                Ok(Exit::Done)
            }
            Some(ContextValue::String(word)) => Err(Stop::Usage(unknown(words, word))),
            _ => Err(Stop::Usage(one_line(&text))),
        },
        _ => Err(Stop::Usage(one_line(&text))),
    }
}

fn unknown(words: &[OsString], word: &str) -> String {
    let (_, names) = level(words);
    let hint = instead(word, names.iter().map(String::as_str));
    format!("unknown command {}; {hint}", quoted(word))
}

/// The command that the words come to before they go wrong, and the names of those below it.
fn level(words: &[OsString]) -> (clap::Command, Vec<String>) {
    let mut at = Words::command();
    for word in words.iter().skip(1).filter_map(|word| word.to_str()) {
        match at.find_subcommand(word) {
            Some(below) => at = below.clone(),
            None => break,
        }
    }
    let names = at.get_subcommands().map(|it| it.get_name().to_owned());
    let names = names.collect();
    (at, names)
}

/// The parser's paragraphs up to its usage, as one line.
pub(super) fn one_line(text: &str) -> String {
    let said = text.strip_prefix("error: ").unwrap_or(text);
    let lines = said
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more"));
    let words = lines.map(str::trim).filter(|line| !line.is_empty());
    words.collect::<Vec<_>>().join("; ").replace(":; ", ": ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    fn refused(words: &[&str]) -> String {
        let words = [&["schism"], words].concat();
        let error = Words::try_parse_from(words).unwrap_err();
        one_line(&error.render().to_string())
    }

    #[test]
    fn a_misspelt_word_is_answered_in_one_line_with_the_right_one() {
        let said = refused(&["demo", "stale-acl", "--sed", "7"]);
        assert_eq!(
            said,
            "unexpected argument '--sed' found; tip: a similar argument exists: '--seed'"
        );
        let missing = refused(&["token", "verify"]);
        let end = "not provided: --jwks <FILE>; --aud <AUDIENCE>";
        assert!(missing.ends_with(end), "{missing}");
    }

    #[test]
    fn a_command_that_is_none_is_answered_with_the_nearest_or_all() {
        let said = |line: &str, word: &str| {
            let words: Vec<OsString> = line.split(' ').map(Into::into).collect();
            unknown(&words, word)
        };
        assert_eq!(
            said("schism lba", "lba"),
            "unknown command `lba`; the nearest is `lab`"
        );
        let all = said("schism banana", "banana");
        assert!(
            all.contains("one of `agent`, `ca`, `demo`, `drill`, `lab`"),
            "{all}"
        );
        let below = said("schism lab chekc", "chekc");
        assert!(below.ends_with("the nearest is `check`"), "{below}");
    }
}
