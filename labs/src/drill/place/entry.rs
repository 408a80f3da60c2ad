//! One file or link put back: the smallest step of putting everything back.
//!
//! It never takes away what somebody else wrote meanwhile without keeping it, and leaves a link
//! that somebody else turned. Invariant: done twice, it is done once.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::hand::{Hand, beside};
use super::journal::{Before, Entry, Journal, Rights, Wanted, backups, digest, wrote};
use super::look::DATA;
use super::swap::GENERATION;
use super::{Restored, rights};

/// Who puts things back, and what is put back so far.
pub(super) struct Undo<'a> {
    home: &'a Path,
    hand: &'a Hand,
    in_place: bool,
    /// Digests of what the drill wrote.
    own: BTreeSet<String>,
    pub(super) restored: Restored,
}

impl<'a> Undo<'a> {
    pub(super) fn new(home: &'a Path, journal: &Journal, hand: &'a Hand) -> Self {
        let own = fs::read_to_string(wrote(home)).unwrap_or_default();
        Self {
            home,
            hand,
            in_place: journal.in_place,
            own: own.lines().map(str::to_owned).collect(),
            restored: Restored {
                target: journal.target.clone(),
                aside: journal.aside.clone(),
                notes: journal.notes.clone(),
                ..Restored::default()
            },
        }
    }

    pub(super) fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        let path = &entry.path;
        self.hand.remove(&beside(path))?;
        match &entry.before {
            Before::Absent => {
                if fs::symlink_metadata(path).is_ok() {
                    self.keep_aside(path, None)?;
                    self.hand.remove(path)?;
                }
                self.restored.removed.push(path.clone());
            }
            Before::Link { to, .. } => self.link(path, to)?,
            Before::File { backup, rights } => {
                let bytes = fs::read(backups(self.home).join(backup))?;
                self.keep_aside(path, Some(&bytes))?;
                self.file(path, &bytes, rights.as_ref())?;
                self.restored.put_back.push(path.clone());
            }
        }
        Ok(())
    }

    fn link(&mut self, path: &Path, to: &Path) -> io::Result<()> {
        let now = fs::read_link(path).ok();
        if now.as_deref() == Some(to) {
            self.restored.put_back.push(path.to_owned());
            return Ok(());
        }
        let of_folder = path.file_name().is_some_and(|name| name == DATA);
        let is_ours = |now: &Path| match of_folder {
            true => now.to_string_lossy().starts_with(GENERATION),
            false => now == Path::new(DATA).join(path.file_name().unwrap_or_default()),
        };
        if let Some(theirs) = now.filter(|now| !is_ours(now)) {
            self.restored.notes.push(format!(
                "somebody turned `{}` to `{}` during the drill, and it stays so",
                path.display(),
                theirs.display()
            ));
            return Ok(());
        }
        if of_folder && !path.with_file_name(to).exists() {
            return Err(io::Error::other(format!(
                "it led to `{}`, which is gone; what the drill wrote stays, and copies of what \
                 was there are in `{}`",
                to.display(),
                backups(self.home).display()
            )));
        }
        self.keep_aside(path, None)?;
        self.hand.link(to, path)?;
        self.restored.put_back.push(path.to_owned());
        Ok(())
    }

    fn file(&self, path: &Path, bytes: &[u8], before: Option<&Rights>) -> io::Result<()> {
        let is_file = fs::symlink_metadata(path).is_ok_and(|it| it.is_file());
        if !is_file || !self.in_place {
            let same = is_file && fs::read(path).is_ok_and(|it| it == bytes);
            if !same {
                let draft = beside(path);
                self.hand.create(&draft, bytes, Wanted::before(before))?;
                return self.hand.rename(&draft, path);
            }
        } else if fs::read(path)? != bytes {
            // Nobody reads a real key by the rights of one of the drill's.
            self.hand.overwrite(path, bytes, Wanted::before(before))?;
        }
        let now = rights::of(&fs::symlink_metadata(path)?);
        match before {
            Some(rights) if now.as_ref() != Some(rights) => {
                self.hand.set(path, Wanted::before(before))
            }
            _ => Ok(()),
        }
    }

    /// Keeps what is there if it is neither from before nor the drill's.
    fn keep_aside(&mut self, path: &Path, before: Option<&[u8]>) -> io::Result<()> {
        if !fs::symlink_metadata(path).is_ok_and(|it| it.is_file()) {
            return Ok(());
        }
        let bytes = zeroize::Zeroizing::new(fs::read(path)?);
        let digest = digest(&bytes);
        let torn = self.in_place && bytes.is_empty();
        if torn || before == Some(&bytes) || self.own.contains(&digest) {
            return Ok(());
        }
        let kept = keep(self.home, path, &bytes, self.hand)?;
        self.restored.aside.push((path.to_owned(), kept));
        Ok(())
    }

    /// Takes the generations of the drill's own away, but one that is still led to.
    pub(super) fn generations(&self, folder: &Path) -> io::Result<()> {
        let led_to = fs::read_link(folder.join(DATA)).unwrap_or_default();
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(why) => return Err(why),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_string_lossy().starts_with(GENERATION) && led_to != Path::new(&name) {
                self.hand.remove_all(&entry.path())?;
            }
        }
        Ok(())
    }
}

/// Keeps what somebody else wrote in the drill's home; where it is now.
pub(super) fn keep(home: &Path, path: &Path, bytes: &[u8], hand: &Hand) -> io::Result<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let kept = home.join(format!("found-{name}-{}", &digest(bytes)[..8]));
    hand.create(&kept, bytes, Wanted::default())?;
    Ok(kept)
}
