//! What is at the target's paths, and whether the drill may have them.
//!
//! It changes nothing of the target's: copies go into the drill's home. Invariant: what is copied
//! is durable before the journal that names it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::hand::{Hand, beside};
use super::journal::{Before, Entry, Journal, Rights, Wanted, backups};
use super::{PlaceError, disk, rights};
use crate::drill::authority::ORGANISATION;
use crate::drill::file::{DrillFile, Jwks, Owner, Piece, Swap};

/// The link of a folder that says which generation counts, as Kubernetes calls it.
pub(super) const DATA: &str = "..data";

/// One file that the drill writes.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub(super) path: PathBuf,
    /// None for the keys of tokens.
    pub(super) piece: Option<Piece>,
    pub(super) mode: Option<u32>,
    pub(super) owner: Option<Owner>,
    /// The drill.toml and the line that names it.
    pub(super) at: String,
}

impl Spot {
    /// The folder it is in.
    pub(super) fn folder(&self) -> &Path {
        self.path.parent().unwrap_or(Path::new("."))
    }

    /// Its name there.
    pub(super) fn name(&self) -> &std::ffi::OsStr {
        self.path.file_name().unwrap_or_default()
    }

    /// What the file asks for.
    pub(super) fn wanted(&self) -> Wanted {
        Wanted {
            mode: self.mode,
            owner: self.owner.map(|owner| (owner.uid, owner.gid)),
        }
    }

    /// The mode of a new one.
    pub(super) fn new_mode(&self) -> u32 {
        self.mode
            .unwrap_or_else(|| self.piece.map_or(0o644, Piece::usual_mode))
    }
}

/// Every file, once: key and chain may be one.
pub(super) fn spots(drill: &DrillFile) -> Vec<Spot> {
    let mut spots = Vec::new();
    for piece in Piece::ALL {
        let Some(file) = drill.files.of(piece) else {
            continue;
        };
        if piece == Piece::Chain && drill.files.is_combined() {
            continue;
        }
        spots.push(Spot {
            path: file.path.clone(),
            piece: Some(piece),
            mode: file.mode,
            owner: file.owner,
            at: format!("{}:{}", drill.file, file.line),
        });
    }
    let jwks = drill.token.as_ref().map(|token| &token.jwks);
    if let Some(Jwks::File(path)) = jwks {
        spots.push(Spot {
            path: path.clone(),
            piece: None,
            mode: None,
            owner: None,
            at: format!("{}: `jwks`", drill.file),
        });
    }
    spots
}

/// Refuses what the drill may not have.
pub(super) fn over(spots: &[Spot], swap: &Swap, replace: bool) -> Result<(), PlaceError> {
    for spot in spots {
        let (at, path) = (spot.at.clone(), spot.path.clone());
        let draft = beside(&path);
        if fs::symlink_metadata(&draft).is_ok() {
            return Err(PlaceError::Needed { at, path: draft });
        }
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(why) if why.kind() == io::ErrorKind::NotFound => match swap {
                Swap::Deliver(_) => return Err(PlaceError::NothingToDeliver { at, path }),
                Swap::Rename | Swap::Symlink | Swap::InPlace => continue,
            },
            Err(why) => return Err(disk(&path)(why)),
        };
        if metadata.is_symlink() {
            let to = fs::read_link(&path).map_err(disk(&path))?;
            if *swap != Swap::Symlink || to != Path::new(DATA).join(spot.name()) {
                return Err(PlaceError::Link { at, path, to });
            }
        } else if !metadata.is_file() {
            return Err(PlaceError::NoFile { at, path });
        }
        if is_ours(&path) {
            return Err(PlaceError::Ours { at, path });
        }
        if !replace {
            return Err(PlaceError::Foreign { at, path });
        }
        let names = rights::names(&metadata);
        if metadata.is_file() && names > 1 && *swap != Swap::InPlace {
            return Err(PlaceError::Linked { at, path, names });
        }
    }
    Ok(())
}

/// Whether a certificate in a file is one that a drill made: then it is no original to keep.
fn is_ours(path: &Path) -> bool {
    let Ok(bytes) = fs::read(path).map(zeroize::Zeroizing::new) else {
        return false;
    };
    let names_us = |it: &[u8]| {
        let mut windows = it.windows(ORGANISATION.len());
        windows.any(|it| it == ORGANISATION.as_bytes())
    };
    let mut certificates = CertificateDer::pem_slice_iter(&bytes).flatten();
    certificates.any(|it| names_us(&it)) || names_us(&bytes)
}

/// Tries modes, owners and links on a file of the drill's own, while nothing has happened yet.
pub(super) fn may(spots: &[Spot], swap: &Swap, home: &Path, hand: &Hand) -> Result<(), PlaceError> {
    let tried = home.join("tried");
    if *swap == Swap::Symlink {
        let may = hand.link(Path::new("nowhere"), &tried);
        may.and_then(|()| hand.remove(&tried))
            .map_err(disk(&tried))?;
    }
    for spot in spots {
        let wanted = spot.wanted();
        if wanted == Wanted::default() {
            continue;
        }
        let made = hand.create(&tried, b"", Wanted::default());
        made.map_err(disk(&tried))?;
        let may = hand.set(&tried, wanted);
        hand.remove(&tried).map_err(disk(&tried))?;
        may.map_err(|why| PlaceError::Rights {
            at: spot.at.clone(),
            path: spot.path.clone(),
            why,
        })?;
    }
    Ok(())
}

/// Copies what is there, and writes into the journal what was.
pub(super) fn keep(
    spots: &[Spot],
    swap: &Swap,
    home: &Path,
    journal: &mut Journal,
    hand: &Hand,
) -> Result<(), PlaceError> {
    let copies = backups(home);
    hand.remove_all(&copies).map_err(disk(&copies))?;
    hand.private_folder(&copies).map_err(disk(&copies))?;
    for spot in spots {
        let folder = spot.folder().to_owned();
        for above in missing(&folder) {
            if !journal.made.contains(&above) {
                journal.made.push(above);
            }
        }
        if *swap == Swap::Symlink && !journal.generations.contains(&folder) {
            let data = folder.join(DATA);
            let before = before(&data, home, journal.entries.len(), hand)?;
            if matches!(before, Before::File { .. }) {
                let at = spot.at.clone();
                return Err(PlaceError::NoFile { at, path: data });
            }
            journal.entries.push(Entry { path: data, before });
            journal.generations.push(folder);
        }
    }
    for spot in spots {
        let path = spot.path.clone();
        let before = before(&path, home, journal.entries.len(), hand)?;
        journal.entries.push(Entry { path, before });
    }
    Ok(())
}

fn before(path: &Path, home: &Path, number: usize, hand: &Hand) -> Result<Before, PlaceError> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Before::Absent),
        Err(why) => return Err(disk(path)(why)),
    };
    let copied = || -> Result<String, PlaceError> {
        let bytes = zeroize::Zeroizing::new(fs::read(path).map_err(disk(path))?);
        let backup = number.to_string();
        let copy = backups(home).join(&backup);
        let made = hand.create(&copy, &bytes, Wanted::default());
        made.map_err(disk(&copy))?;
        rights::sync_folder(&backups(home)).map_err(disk(&copy))?;
        Ok(backup)
    };
    if metadata.is_symlink() {
        let to = fs::read_link(path).map_err(disk(path))?;
        // What the link leads to may be gone by the time it is put back.
        let backup = path.is_file().then(copied).transpose()?;
        return Ok(Before::Link { to, backup });
    }
    let rights: Option<Rights> = rights::of(&metadata);
    let backup = copied()?;
    Ok(Before::File { backup, rights })
}

/// The folders that are not there, outermost first.
fn missing(folder: &Path) -> Vec<PathBuf> {
    let missing = folder.ancestors().take_while(|it| !it.exists());
    let mut missing: Vec<PathBuf> = missing.map(Path::to_owned).collect();
    missing.retain(|it| !it.as_os_str().is_empty());
    missing.reverse();
    missing
}
