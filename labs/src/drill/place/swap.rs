//! The ways in which new files take the place of the old: by a name, by a link, or in place.
//!
//! Each is done as it is done out there, with the moments in which a reader sees half of it, since
//! a target has to live with them. Invariant: what is about to be written is noted first, so that
//! whoever puts things back can tell it from what others wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::hand::beside;
use super::journal::{Rights, digest, wrote};
use super::look::{DATA, Spot};
use super::{Material, Place, PlaceError, disk, rights};
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
                let noted = format!("{}\n", digest(&content));
                let path = wrote(&self.home.path);
                self.hand.append(&path, &noted).map_err(disk(&path))?;
                new.insert(at, content);
            }
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
        self.hand.create(&draft, content, None)?;
        self.dress(spot, &draft, &spot.path)?;
        self.hand.rename(&draft, &spot.path)
    }

    /// Cut to nothing and written again, if it is there.
    fn in_place(&self, spot: &Spot, content: &[u8]) -> std::io::Result<()> {
        if !spot.path.exists() {
            return self.by_name(spot, content);
        }
        self.hand.overwrite(&spot.path, content)?;
        let owner = spot.owner.map(|owner| (owner.uid, owner.gid));
        if spot.mode.is_none() && owner.is_none() {
            return Ok(());
        }
        self.hand.set(&spot.path, spot.mode, owner)
    }

    /// Gives a new file its rights: those asked for, else those of the file it replaces, else the
    /// usual.
    fn dress(&self, spot: &Spot, draft: &Path, old: &Path) -> std::io::Result<()> {
        let old = fs::metadata(old)
            .ok()
            .and_then(|metadata| rights::of(&metadata));
        if !cfg!(unix) && spot.mode.is_none() && spot.owner.is_none() {
            return Ok(());
        }
        let mode = spot.mode.or(old.map(|it: Rights| it.mode));
        let owner = spot.owner.map(|owner| (owner.uid, owner.gid));
        let owner = owner.or(old.map(|it| (it.uid, it.gid)));
        self.hand
            .set(draft, Some(mode.unwrap_or_else(|| spot.new_mode())), owner)
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
            self.fill(&folder, new).map_err(disk(&folder))?;
        }
        Ok(())
    }

    fn fill(&self, folder: &Path, new: &BTreeMap<usize, Vec<u8>>) -> std::io::Result<()> {
        let data = folder.join(DATA);
        let old = fs::read_link(&data).ok();
        let name = format!("{GENERATION}{}", self.generation);
        let made = folder.join(&name);
        self.hand.remove_all(&made)?;
        self.hand.folder(&made)?;
        let mut links = Vec::new();
        for (at, spot) in self.spots.iter().enumerate() {
            if spot.folder() != folder {
                continue;
            }
            let here = made.join(spot.name());
            match new.get(&at) {
                Some(content) => self.hand.create(&here, content, None)?,
                None => match fs::read(&spot.path) {
                    Ok(content) => self.hand.create(&here, &content, None)?,
                    Err(_) => continue,
                },
            }
            self.dress(spot, &here, &spot.path)?;
            links.push(spot);
        }
        if old.is_some() {
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
        match old.as_ref().and_then(|it| it.to_str()) {
            Some(old) if old.starts_with(GENERATION) => self.hand.remove_all(&folder.join(old)),
            _ => Ok(()),
        }
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
            self.hand.create(&there, &content, rights.as_ref())?;
        }
        Ok(())
    }
}
