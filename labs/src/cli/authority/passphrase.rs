//! Passphrases: from a file's first line, or from whoever sits at the terminal.

use std::io::IsTerminal as _;
use std::path::Path;

use zeroize::Zeroizing;

use super::super::origin;
use super::super::stop::Stop;

/// Largest file that is read, in bytes.
const MAX_FILE: usize = 4096;

/// The first line of a file.
pub(super) fn read(file: &Path) -> Result<Zeroizing<String>, Stop> {
    // No copy is left behind unwiped.
    let bytes = Zeroizing::new(origin::read_bytes(file, MAX_FILE)?);
    let text = std::str::from_utf8(&bytes);
    let text = text.map_err(|_| Stop::file(file, "it is not UTF-8"))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.lines().next().unwrap_or_default();
    Ok(Zeroizing::new(line.to_owned()))
}

/// Whether somebody can be asked.
pub(super) fn can_ask() -> bool {
    std::io::stdin().is_terminal()
}

/// Asks once.
pub(super) fn ask(question: &str) -> Result<Zeroizing<String>, Stop> {
    if !can_ask() {
        let said = "a passphrase is needed, and nobody is there to ask: use `--passphrase-file`";
        return Err(Stop::Usage(said.to_owned()));
    }
    let answer = rpassword::prompt_password(format!("{question}: "));
    let answer = answer.map_err(|error| Stop::Stream("standard input", error))?;
    Ok(Zeroizing::new(answer))
}

/// Asks for a new one, which is typed twice.
pub(super) fn twice() -> Result<Zeroizing<String>, Stop> {
    let first = ask("new passphrase for the root's key")?;
    if first != ask("once more")? {
        return Err(Stop::Usage("the two passphrases differ".to_owned()));
    }
    Ok(first)
}
