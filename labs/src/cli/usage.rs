//! What is said to words that make no sense: one line, with the word that was probably meant.

use clap::error::ErrorKind;

use super::Exit;
use super::printer::Printer;
use super::stop::Stop;

/// Answers a request for help, or refuses the words.
pub(super) fn answer(error: &clap::Error, printer: &mut Printer) -> Result<Exit, Stop> {
    let text = error.render().to_string();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            printer.page(&text)?;
            Ok(Exit::Done)
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Stop::Usage(
            "a command is missing; `--help` lists them".to_owned(),
        )),
        _ => Err(Stop::Usage(one_line(&text))),
    }
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

    use super::super::Words;
    use super::one_line;

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
        assert!(refused(&["dmeo"]).contains("'demo'"));
        let missing = refused(&["token", "verify"]);
        let end = "not provided: --jwks <FILE>; --aud <AUDIENCE>";
        assert!(missing.ends_with(end), "{missing}");
    }
}
