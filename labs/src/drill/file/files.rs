//! `[files]`: what the target reads, in its own form, and how new ones come to be there.

use std::path::{Path, PathBuf};

use super::fields::{Fields, Word, word};
use super::flaw::{Placed, incoherent};

/// Which of the target's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// Its private key.
    Key,
    /// Its leaf and what comes after it.
    Chain,
    /// The roots that it trusts.
    Trust,
    /// The revocation lists.
    Crl,
}

impl Piece {
    /// Every piece.
    pub const ALL: [Self; 4] = [Self::Key, Self::Chain, Self::Trust, Self::Crl];

    /// Its word in the file.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Chain => "chain",
            Self::Trust => "trust",
            Self::Crl => "crl",
        }
    }

    /// The forms it can have, its usual one first.
    const fn forms(self) -> &'static [&'static str] {
        match self {
            Self::Key => &["pkcs8", "sec1"],
            Self::Chain | Self::Trust => &["pem"],
            Self::Crl => &["pem", "der"],
        }
    }

    /// The mode it gets if nobody says otherwise.
    pub const fn usual_mode(self) -> u32 {
        match self {
            Self::Key => 0o600,
            Self::Chain | Self::Trust | Self::Crl => 0o644,
        }
    }
}

/// How a piece is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A key as PKCS#8, in PEM.
    Pkcs8,
    /// A key as SEC 1 has it, in PEM: `EC PRIVATE KEY`.
    Sec1,
    /// Certificates or lists in PEM, one after the other.
    Pem,
    /// One list in DER.
    Der,
}

/// Who owns a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The user's number.
    pub uid: u32,
    /// The group's.
    pub gid: u32,
}

/// One of the target's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileWish {
    /// Where it is.
    pub path: PathBuf,
    /// How it is written down.
    pub form: Form,
    /// Its mode, if the file says one.
    pub mode: Option<u32>,
    /// Its owner, if the file says one.
    pub owner: Option<Owner>,
    /// The line that says so.
    pub line: usize,
}

/// How new files take the place of the old.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Each is written beside, and then has the name.
    Rename,
    /// All of a folder at once, by the link `..data` of Kubernetes.
    Symlink,
    /// Each is cut to nothing and written again, as an editor or `cp` does.
    InPlace,
    /// They are written, and then a command takes them to the target.
    Deliver(Vec<String>),
}

/// The target's files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// Its private key.
    pub key: FileWish,
    /// Its chain. With the same path as the key, both are in one file, the chain first.
    pub chain: FileWish,
    /// The roots that it trusts.
    pub trust: FileWish,
    /// The revocation lists, if it reads any.
    pub crl: Option<FileWish>,
    /// How new ones come to be there.
    pub swap: Swap,
}

impl Files {
    pub(super) const KNOWN: [&'static str; 6] = ["key", "chain", "trust", "crl", "swap", "deliver"];

    /// The file of a piece, if the target reads one.
    pub const fn of(&self, piece: Piece) -> Option<&FileWish> {
        match piece {
            Piece::Key => Some(&self.key),
            Piece::Chain => Some(&self.chain),
            Piece::Trust => Some(&self.trust),
            Piece::Crl => self.crl.as_ref(),
        }
    }

    /// Whether key and chain are one file, as HAProxy reads them.
    pub fn is_combined(&self) -> bool {
        self.key.path == self.chain.path
    }

    pub(super) fn read(fields: &Fields<'_, '_>, folder: &Path) -> Placed<Self> {
        let one = |piece: Piece| -> Placed<FileWish> {
            let wanted = format!("such as {{ path = \"tls/{}.pem\" }}", piece.word());
            let read = file(fields, piece, folder)?;
            fields.need(piece.word(), read, &wanted)
        };
        let files = Self {
            key: one(Piece::Key)?,
            chain: one(Piece::Chain)?,
            trust: one(Piece::Trust)?,
            crl: file(fields, Piece::Crl, folder)?,
            swap: swap(fields)?,
        };
        files.check(fields)?;
        Ok(files)
    }

    fn check(&self, fields: &Fields<'_, '_>) -> Placed<()> {
        for (at, one) in Piece::ALL.into_iter().enumerate() {
            for other in Piece::ALL.into_iter().skip(at + 1) {
                let (Some(a), Some(b)) = (self.of(one), self.of(other)) else {
                    continue;
                };
                if a.path != b.path {
                    continue;
                }
                let span = fields.get(other.word()).map_or(0..0, |value| value.span());
                if (one, other) != (Piece::Key, Piece::Chain) {
                    let (one, other) = (one.word(), other.word());
                    let why = format!(
                        "`{one}` and `{other}` have the same path; only `key` and `chain` can be \
                         one file"
                    );
                    return incoherent(&span, why);
                }
                let same = |a: bool, b: bool| a || b;
                let modes = same(b.mode.is_none(), a.mode == b.mode);
                let owners = same(b.owner.is_none(), a.owner == b.owner);
                if !(modes && owners) {
                    let why = "`key` and `chain` are one file: give its mode and owner once, at \
                               `key`";
                    return incoherent(&span, why);
                }
            }
        }
        Ok(())
    }
}

fn swap(fields: &Fields<'_, '_>) -> Placed<Swap> {
    let word = fields.word("swap")?;
    if let Some(argv) = fields.command("deliver")? {
        if let Some(word) = word {
            let why = "`swap` and `deliver` say the same thing twice; leave one of them out";
            return incoherent(&word.span, why);
        }
        if argv.is_empty() {
            let why = "`deliver` names no program; leave it out, or write the command";
            return incoherent(&fields.span, why);
        }
        return Ok(Swap::Deliver(argv));
    }
    let Some(word) = word else {
        return Ok(Swap::Rename);
    };
    Ok(
        match word.place("swap", &["rename", "symlink", "in-place"])? {
            0 => Swap::Rename,
            1 => Swap::Symlink,
            _ => Swap::InPlace,
        },
    )
}

fn file(fields: &Fields<'_, '_>, piece: Piece, folder: &Path) -> Placed<Option<FileWish>> {
    let Some(value) = fields.get(piece.word()) else {
        return Ok(None);
    };
    let line = fields.line(&value.span());
    if value.get_ref().is_str() {
        let path = path(&word(piece.word(), value)?, piece.word(), folder)?;
        let form = form(piece, piece.forms()[0]);
        return Ok(Some(FileWish {
            path,
            form,
            mode: None,
            owner: None,
            line,
        }));
    }
    let file = fields.table(piece.word(), value, &["path", "mode", "form", "owner"])?;
    let at = file.need("path", file.word("path")?, "where the target reads it")?;
    let written = match file.word("form")? {
        Some(word) => piece.forms()[word.place("form", piece.forms())?],
        None => piece.forms()[0],
    };
    Ok(Some(FileWish {
        path: path(&at, "path", folder)?,
        form: form(piece, written),
        mode: file.word("mode")?.map(|word| mode(&word)).transpose()?,
        owner: file.word("owner")?.map(|word| owner(&word)).transpose()?,
        line,
    }))
}

fn form(piece: Piece, word: &str) -> Form {
    match (piece, word) {
        (Piece::Key, "sec1") => Form::Sec1,
        (Piece::Key, _) => Form::Pkcs8,
        (_, "der") => Form::Der,
        _ => Form::Pem,
    }
}

/// A path from the drill.toml's own folder.
pub(super) fn path(word: &Word<'_>, field: &str, folder: &Path) -> Placed<PathBuf> {
    let path = Path::new(word.text);
    if word.text.contains('\0') || path.file_name().is_none() {
        return Err(word.refused(field, "the path of a file"));
    }
    Ok(folder.join(path))
}

fn mode(word: &Word<'_>) -> Placed<u32> {
    let wanted = "an octal mode in quotes, such as \"0640\", at most \"0777\"";
    let octal = word.text.bytes().all(|byte| byte.is_ascii_digit());
    let mode = u32::from_str_radix(word.text, 8).ok();
    let mode = mode.filter(|mode| octal && *mode <= 0o777 && word.text.len() >= 3);
    mode.ok_or_else(|| word.refused("mode", wanted))
}

fn owner(word: &Word<'_>) -> Placed<Owner> {
    let number = |text: &str| {
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u32>()
            .ok()
            .filter(|it| digits && *it != u32::MAX)
    };
    let read = word.text.split_once(':');
    let read = read.and_then(|(uid, gid)| Some((number(uid)?, number(gid)?)));
    let wanted = "the numbers of a user and a group, such as \"101:101\"";
    let (uid, gid) = read.ok_or_else(|| word.refused("owner", wanted))?;
    Ok(Owner { uid, gid })
}
