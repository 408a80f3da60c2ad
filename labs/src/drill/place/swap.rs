//! The ways in which new files take the place of the old: by a name, by a link, or in place.
//!
//! Each is done as it is done out there, with the moments in which a reader sees half of it, since
//! a target has to live with them. Invariant: what is about to be written is noted first, so that
//! whoever puts things back can tell it from what others wrote; and what others wrote meanwhile
//! is kept aside before it is replaced.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::hand::beside;
use super::journal::{Before, Rights, Wanted, digest, wrote};
use super::look::{DATA, Spot};
use super::{Material, Place, PlaceError, disk, rights, undo};
use crate::drill::file::Swap;

/// How the folders of generations begin.
pub(super) const GENERATION: &str = "..schism-drill-";

impl Place {
    /// Writes what is in a material.
    pub(super) fn write_files(&mut self, material: &Material) -> Result<(), PlaceError> {
        let whole = material.over(&self.last);
        let mut new = BTreeMap::new();
        for (at, spot) in self.spots.iter().enumerate() {
            let content = match spot.piece {
                Some(piece) => material.content(piece, &self.files, &whole)?,
                None => material.jwks.clone(),
            };
            if let Some(content) = content {
                let (digest, path) = (digest(&content), wrote(&self.home.path));
                let noted = format!("{digest}\n");
                self.hand.append(&path, &noted).map_err(disk(&path))?;
                self.known.insert(digest);
                new.insert(at, content);
            }
        }
        for at in new.keys() {
            let path = self.spots[*at].path.clone();
            self.spare(&path)?;
        }
        self.has_written = true;
        match self.swap {
            Swap::Symlink => self.by_link(&new)?,
            Swap::InPlace => self.each(&new, Self::in_place)?,
            Swap::Rename | Swap::Deliver(_) => self.each(&new, Self::by_name)?,
        }
        self.last = whole;
        Ok(())
    }

    /// Keeps what is there if it is neither from before nor the drill's.
    fn spare(&mut self, path: &Path) -> Result<(), PlaceError> {
        if !path.is_file() {
            return Ok(());
        }
        let bytes = zeroize::Zeroizing::new(fs::read(path).map_err(disk(path))?);
        let digest = digest(&bytes);
        if self.known.contains(&digest) {
            return Ok(());
        }
        let kept = undo::keep(&self.home.path, path, &bytes, &self.hand).map_err(disk(path))?;
        self.known.insert(digest);
        self.journal.aside.push((path.to_owned(), kept));
        self.journal.write(&self.home.path, &self.hand)
    }

    fn each(
        &self,
        new: &BTreeMap<usize, Vec<u8>>,
        put: fn(&Self, &Spot, &[u8]) -> std::io::Result<()>,
    ) -> Result<(), PlaceError> {
        for (at, content) in new {
            let spot = &self.spots[*at];
            put(self, spot, content).map_err(disk(&spot.path))?;
        }
        Ok(())
    }

    /// Written beside, and then given the name.
    fn by_name(&self, spot: &Spot, content: &[u8]) -> std::io::Result<()> {
        let draft = beside(&spot.path);
        self.hand.create(&draft, content, dress(spot))?;
        self.hand.rename(&draft, &spot.path)
    }

    /// Cut to nothing and written again, if it is there.
    fn in_place(&self, spot: &Spot, content: &[u8]) -> std::io::Result<()> {
        if !spot.path.exists() {
            return self.by_name(spot, content);
        }
        self.hand.overwrite(&spot.path, content, spot.wanted())
    }

    /// All of a folder at once: a new folder beside, and then the link to it.
    fn by_link(&mut self, new: &BTreeMap<usize, Vec<u8>>) -> Result<(), PlaceError> {
        self.generation += 1;
        let mut folders: Vec<PathBuf> = Vec::new();
        for at in new.keys() {
            let folder = self.spots[*at].folder().to_owned();
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        for folder in folders {
            let old = self.turned(&folder)?;
            self.fill(&folder, old.is_some(), new)
                .map_err(disk(&folder))?;
            // Only what this process made itself: a link may say anything.
            let name = format!("{GENERATION}{}", self.generation);
            let ours = self.generations.insert(folder.clone(), name);
            if let Some(gone) = ours.filter(|it| Some(Path::new(it)) == old.as_deref()) {
                let gone = folder.join(gone);
                self.hand.remove_all(&gone).map_err(disk(&gone))?;
            }
        }
        Ok(())
    }

    /// What the link of a folder says. If somebody else turned it meanwhile, it is theirs that
    /// will be put back.
    fn turned(&mut self, folder: &Path) -> Result<Option<PathBuf>, PlaceError> {
        let data = folder.join(DATA);
        let Ok(now) = fs::read_link(&data) else {
            return Ok(None);
        };
        let ours = self.generations.get(folder);
        let mut entries = self.journal.entries.iter_mut();
        let entry = entries.find(|entry| entry.path == data);
        let Some(entry) = entry.filter(|_| ours.is_none_or(|it| now != Path::new(it))) else {
            return Ok(Some(now));
        };
        let theirs = Before::Link {
            to: now.clone(),
            backup: None,
        };
        if entry.before != theirs {
            entry.before = theirs;
            self.journal.notes.push(format!(
                "somebody turned `{}` to `{}` during the drill, and it leads there again",
                data.display(),
                now.display()
            ));
            self.journal.write(&self.home.path, &self.hand)?;
        }
        Ok(Some(now))
    }

    fn fill(
        &self,
        folder: &Path,
        is_link: bool,
        new: &BTreeMap<usize, Vec<u8>>,
    ) -> std::io::Result<()> {
        let data = folder.join(DATA);
        let name = format!("{GENERATION}{}", self.generation);
        let made = folder.join(&name);
        self.hand.remove_all(&made)?;
        self.hand
            .folder_like(&made, if is_link { &data } else { folder })?;
        let mut links = Vec::new();
        for (at, spot) in self.spots.iter().enumerate() {
            if spot.folder() != folder {
                continue;
            }
            let here = made.join(spot.name());
            match new.get(&at) {
                Some(content) => self.hand.create(&here, content, dress(spot))?,
                None => match fs::read(&spot.path) {
                    Ok(content) => self.hand.create(&here, &content, dress(spot))?,
                    Err(_) => continue,
                },
            }
            links.push(spot);
        }
        if is_link {
            self.carry(&data, &made)?;
        }
        rights::sync_folder(&made)?;
        self.hand.link(Path::new(&name), &data)?;
        for spot in links {
            let to = Path::new(DATA).join(spot.name());
            if fs::read_link(&spot.path).ok().as_ref() != Some(&to) {
                self.hand.link(&to, &spot.path)?;
            }
        }
        Ok(())
    }

    /// Takes what else is in the old generation, and is not the drill's, along.
    fn carry(&self, from: &Path, to: &Path) -> std::io::Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let there = to.join(entry.file_name());
            if there.exists() {
                continue;
            }
            if !entry.metadata()?.is_file() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let why = format!("`{name}` in `{DATA}` is no file, and cannot be taken along");
                return Err(std::io::Error::other(why));
            }
            let content = fs::read(entry.path())?;
            let rights = rights::of(&entry.metadata()?);
            let wanted = Wanted::before(rights.as_ref());
            self.hand.create(&there, &content, wanted)?;
        }
        Ok(())
    }
}

/// The rights of a new file: those asked for, else those of the file it replaces, else the usual.
fn dress(spot: &Spot) -> Wanted {
    let wanted = spot.wanted();
    let old = fs::metadata(&spot.path).ok();
    let old: Option<Rights> = old.and_then(|metadata| rights::of(&metadata));
    if !cfg!(unix) && wanted == Wanted::default() {
        return wanted;
    }
    let mode = wanted.mode.or(old.map(|it| it.mode));
    Wanted {
        mode: Some(mode.unwrap_or_else(|| spot.new_mode())),
        owner: wanted.owner.or(old.map(|it| (it.uid, it.gid))),
    }
}
