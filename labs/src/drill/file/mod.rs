//! drill.toml, format 1: what a drill is told of its target, reviewed like code.
//!
//! Commands are lists of arguments that no shell reads, so that a file means the same on every
//! system; paths start from the file's own folder. Nothing in it is ignored and everything is
//! bounded: the first mistake is told with its line, what was expected, and the word that was
//! probably meant. Reading it touches nothing else.

mod caller;
mod calls;
mod document;
mod fields;
mod files;
mod flaw;
mod objectives;
mod span;
mod target;
mod token;
mod wishes;
mod words;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use document::Document;
use fields::Fields;
use flaw::Placed;

pub use caller::Caller;
pub use calls::{CallWish, Calls, Code};
pub use files::{FileWish, Files, Form, Owner, Piece, Swap};
pub use flaw::{DrillFileError, Flaw};
pub use objectives::{Accept, Objectives};
pub use target::{Address, Reload, Target, Upstream};
pub use token::{Jwks, Token};
pub use words::CASES;

/// A drill.toml is at most this long, in bytes.
pub const MAX_FILE: usize = 64 * 1024;

/// The only format there is.
const FORMAT: u64 = 1;

const TOP: [&str; 9] = [
    "format",
    "target",
    "files",
    "caller",
    "token",
    "calls",
    "objectives",
    "accept",
    "upstream",
];

/// What a drill is told of its target.
#[derive(Clone, Debug, PartialEq)]
pub struct DrillFile {
    /// The file's name as it was given.
    pub file: String,
    /// Its folder: where paths and commands start from.
    pub folder: PathBuf,
    /// Where the target is and how it is handled.
    pub target: Target,
    /// What it reads.
    pub files: Files,
    /// Whom it lets in.
    pub caller: Caller,
    /// What tokens it wants, if any.
    pub token: Option<Token>,
    /// What is asked of it.
    pub calls: Calls,
    /// What its owner demands.
    pub objectives: Objectives,
    /// What its owner puts up with, by the word of the case.
    pub accept: BTreeMap<String, Accept>,
    /// What the drill is for `--as client`, if it is anything.
    pub upstream: Option<Upstream>,
}

impl DrillFile {
    /// Reads the file of that name.
    ///
    /// # Errors
    /// When it cannot be read, and as for [`DrillFile::parse`].
    pub fn read(path: &Path) -> Result<Self, DrillFileError> {
        let file = path.display().to_string();
        let unreadable = |why: std::io::Error| DrillFileError {
            file: file.clone(),
            line: 1,
            flaw: Flaw::Unreadable(why.to_string()),
        };
        // One byte more than may be there, and no more than that.
        let opened = std::fs::File::open(path).map_err(unreadable)?;
        let mut text = Vec::new();
        let most = MAX_FILE as u64 + 1;
        opened
            .take(most)
            .read_to_end(&mut text)
            .map_err(unreadable)?;
        if text.len() > MAX_FILE {
            let flaw = Flaw::TooLarge(text.len());
            return Err(DrillFileError {
                file,
                line: 1,
                flaw,
            });
        }
        let text = String::from_utf8(text)
            .map_err(|_| unreadable(std::io::Error::other("it is no UTF-8 text")))?;
        let whole = std::path::absolute(path).map_err(unreadable)?;
        let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
        Self::parse(&file, &text, &folder)
    }

    /// Reads a drill.toml's text; `file` is its name for errors, `folder` where it stands.
    ///
    /// # Errors
    /// The first mistake, its line, and what was expected there.
    pub fn parse(file: &str, text: &str, folder: &Path) -> Result<Self, DrillFileError> {
        let error = |line, flaw| DrillFileError {
            file: file.into(),
            line,
            flaw,
        };
        if text.len() > MAX_FILE {
            return Err(error(1, Flaw::TooLarge(text.len())));
        }
        let document = Document::new(text);
        let table = document
            .table()
            .map_err(|(line, why)| error(line, Flaw::Toml(why)))?;
        let read = Fields::whole(&document, &table, &TOP);
        let read = read.and_then(|top| Self::build(&top, file, folder));
        read.map_err(|(span, flaw)| error(document.line(&span), flaw))
    }

    /// The acceptances whose time is over, each as the error that fails a build.
    pub fn over(&self, now: OffsetDateTime) -> Vec<DrillFileError> {
        let over = self.accept.iter().filter(|(_, it)| it.is_over(now));
        over.map(|(case, it)| it.over(&self.file, case)).collect()
    }

    fn build(top: &Fields<'_, '_>, file: &str, folder: &Path) -> Placed<Self> {
        let format = top.number("format", u64::MAX)?;
        if top.need("format", format, "format = 1")? != FORMAT {
            let span = top.get("format").map_or(0..0, |value| value.span());
            return flaw::incoherent(&span, "`format` is 1: this version reads no other");
        }
        let section = |name: &str, known: &[&str]| {
            let value = top.get(name);
            value.map(|value| top.table(name, value, known)).transpose()
        };
        let needed = |name: &str, known: &[&str], wanted: &str| {
            top.need(name, section(name, known)?, wanted)
        };
        let target = needed("target", &Target::KNOWN, "where the target is")?;
        let files = needed("files", &Files::KNOWN, "what it reads")?;
        let caller = needed("caller", &Caller::KNOWN, "whom it lets in")?;
        let calls = needed("calls", &Calls::KNOWN, "what is asked of it")?;
        let token = section("token", &Token::KNOWN)?;
        let objectives = section("objectives", &Objectives::known())?;
        let upstream = section("upstream", &Upstream::KNOWN)?;
        let accept = match top.get("accept") {
            Some(value) => Some(top.open("[accept]".to_owned(), value, None)?),
            None => None,
        };
        let built = Self {
            file: file.to_owned(),
            folder: folder.to_owned(),
            target: Target::read(&target)?,
            files: Files::read(&files, folder)?,
            caller: Caller::read(&caller)?,
            token: token
                .as_ref()
                .map(|it| Token::read(it, folder))
                .transpose()?,
            calls: Calls::read(&calls, folder)?,
            objectives: objectives
                .as_ref()
                .map(Objectives::read)
                .transpose()?
                .unwrap_or_default(),
            accept: accept
                .as_ref()
                .map(objectives::accepts)
                .transpose()?
                .unwrap_or_default(),
            upstream: upstream.as_ref().map(Upstream::read).transpose()?,
        };
        built.check(token.as_ref(), &calls)?;
        Ok(built)
    }

    /// What no section can see alone.
    fn check(&self, token: Option<&Fields<'_, '_>>, calls: &Fields<'_, '_>) -> Placed<()> {
        if let (
            Some(fields),
            Some(Token {
                jwks: Jwks::File(jwks),
                ..
            }),
        ) = (token, &self.token)
        {
            let files = Piece::ALL
                .into_iter()
                .filter_map(|piece| self.files.of(piece));
            if files.into_iter().any(|file| file.path == *jwks) {
                return flaw::incoherent(
                    &fields.span,
                    "the file of `jwks` is one of `[files]` too",
                );
            }
        }
        if self.calls.refused_without_token && self.token.is_none() {
            let why = "a call with no token cannot be told from others without a `[token]`";
            return flaw::incoherent(&calls.span, why);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
