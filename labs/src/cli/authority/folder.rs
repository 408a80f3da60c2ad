//! A CA's folder: its settings, its lock, and what is opened in it.
//!
//! One process at a time has the CA open; the lock goes with the process. Settings are a file for
//! people, `ca.toml`, written at the founding; secrets are added by hand. Roots' keys lie in a
//! folder of their own, which may be on another disk.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ca::disk::{Disk, FsDisk};
use ca::identity::TrustDomain;
use ca::issue::{Ca, CaConfig, Returns, WORKING_LEAF_TTL_S};
use ca::root_keys::RootKeys as _;
use ca::sealed_keys::SealedRootKeys;
use ca::seams::Seams;
use ca::way_back::MAX_GRACE;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::super::lock::Lock;
use super::super::origin;
use super::super::stop::Stop;
use super::secret::Secret;

const SETTINGS: &str = "ca.toml";
const FORMAT: u32 = 1;
/// Largest file of settings that is read, in bytes.
const MAX_SETTINGS: usize = 64 * 1024;

/// What is settled at the founding.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Settings {
    pub(super) format: u32,
    pub(super) trust_domain: String,
    /// Life of a leaf, in seconds.
    pub(super) leaf_ttl_s: u64,
    /// Where roots' keys are, from the CA's folder.
    pub(super) root_keys: PathBuf,
    /// How long after its leaf's end a workload may still come back by its key, in seconds; 0: not
    /// at all. Who comes back is confirmed by hand.
    #[serde(default = "a_day")]
    pub(super) way_back_s: u64,
    /// Whether a new root is signed by the one before it too.
    #[serde(default = "yes")]
    pub(super) cross_sign: bool,
    /// Secrets that it makes and hands out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<Secret>,
}

/// The folder of a CA that was founded.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: PathBuf,
    settings: Settings,
}

impl Settings {
    pub(super) const fn new(trust_domain: String, leaf_ttl_s: u64, root_keys: PathBuf) -> Self {
        Self {
            format: FORMAT,
            trust_domain,
            leaf_ttl_s,
            root_keys,
            way_back_s: a_day(),
            cross_sign: yes(),
            secrets: Vec::new(),
        }
    }
}

const fn a_day() -> u64 {
    24 * 60 * 60
}

const fn yes() -> bool {
    true
}

impl Folder {
    /// The CA in that folder.
    pub(super) fn of(path: &Path) -> Result<Self, Stop> {
        let file = path.join(SETTINGS);
        if !file.try_exists().map_err(|why| Stop::file(&file, why))? {
            return Err(Stop::Usage(format!(
                "there is no CA in `{}`: `schism ca init` founds one",
                path.display()
            )));
        }
        let text = origin::read(&file, MAX_SETTINGS)?.text;
        let settings = toml::from_str(&text);
        let settings: Settings = settings.map_err(|error| Stop::file(&file, error.message()))?;
        if settings.format != FORMAT {
            return Err(Stop::file(&file, "it is of another format than 1"));
        }
        let folder = Self {
            path: path.to_owned(),
            settings,
        };
        folder.config().map(|_| folder)
    }

    /// Founds a CA there: nothing may be there before.
    pub(super) fn found(
        path: &Path,
        settings: Settings,
        passphrase: Zeroizing<String>,
    ) -> Result<Ca, Stop> {
        let file = path.join(SETTINGS);
        let nothing_there = || match file.try_exists() {
            Ok(false) => Ok(()),
            Ok(true) => Err(Stop::file(&file, "there is a CA already")),
            Err(why) => Err(Stop::file(&file, why)),
        };
        nothing_there()?;
        let folder = Self {
            path: path.to_owned(),
            settings,
        };
        let config = folder.config()?;
        make_private(path).map_err(|error| Stop::file(path, error))?;
        let Some(_lock) = folder.lock()? else {
            return Err(Stop::file(path, "a CA is being founded there"));
        };
        // Somebody else may have founded one before the lock was free.
        nothing_there()?;
        let keys = || SealedRootKeys::new(folder.keys(), Some(passphrase.clone()));
        let ca = Ca::open_with(&folder.seams(), config, Box::new(keys()?))?;
        // A founding that was cut off may have sealed it under another passphrase.
        keys()?.key(1)?;
        // Last: without it there is no CA here, and the founding can be tried again.
        let text = toml::to_string(&folder.settings).map_err(|error| Stop::file(&file, error))?;
        let disk = FsDisk::new(path);
        disk.replace(SETTINGS, text.as_bytes())
            .map_err(|error| Stop::file(&file, error))?;
        Ok(ca)
    }

    /// Takes the lock; nothing if somebody else has it.
    pub(super) fn lock(&self) -> Result<Option<Lock>, Stop> {
        Lock::take(&self.path)
    }

    /// Takes the lock, and waits a while for a command that has it.
    pub(super) fn lock_soon(&self) -> Result<Option<Lock>, Stop> {
        let (turns, pause) = super::line::TURNS;
        for _ in 0..turns {
            if let Some(lock) = self.lock()? {
                return Ok(Some(lock));
            }
            #[cfg(unix)]
            if super::socket_unix::find(self).is_some() {
                return Ok(None);
            }
            std::thread::sleep(pause);
        }
        Ok(None)
    }

    /// Opens the CA, roots' keys shut. The lock is needed for it.
    pub(super) fn open(&self, _lock: &Lock) -> Result<Ca, Stop> {
        let keys = SealedRootKeys::new(self.keys(), None)?;
        Ok(Ca::open_with(
            &self.seams(),
            self.config()?,
            Box::new(keys),
        )?)
    }

    /// Where roots' keys are.
    pub(super) fn keys(&self) -> Arc<dyn Disk> {
        Arc::new(FsDisk::new(self.path.join(&self.settings.root_keys)))
    }

    pub(super) fn seams(&self) -> Seams {
        Seams::real(&self.path)
    }

    pub(super) fn config(&self) -> Result<CaConfig, Stop> {
        let file = self.path.join(SETTINGS);
        let domain = TrustDomain::new(&self.settings.trust_domain);
        let domain = domain.map_err(|error| Stop::file(&file, error))?;
        let (secs, may_be) = (self.settings.leaf_ttl_s, WORKING_LEAF_TTL_S);
        if !may_be.contains(&secs) {
            let (least, most) = may_be.into_inner();
            let why = format!("`leaf_ttl_s` is {secs}: it is {least} to {most} seconds");
            return Err(Stop::file(&file, why));
        }
        let grace = Duration::from_secs(self.settings.way_back_s);
        if grace > MAX_GRACE {
            let (secs, most) = (grace.as_secs(), MAX_GRACE.as_secs());
            let why = format!("`way_back_s` is {secs}: it is {most} seconds at most, or 0");
            return Err(Stop::file(&file, why));
        }
        let secrets = self.settings.secrets.iter();
        let secrets = secrets.map(|secret| secret.config(&domain));
        let secrets = secrets.collect::<Result<Vec<_>, String>>();
        let working = CaConfig::working(domain, Duration::from_secs(secs));
        let returns = Returns {
            grace,
            ..working.returns
        };
        Ok(CaConfig {
            returns,
            cross_sign: self.settings.cross_sign,
            secrets: secrets.map_err(|error| Stop::file(&file, error))?,
            ..working
        })
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    super::socket_unix::private(&mut builder);
    builder.create(path)
}
