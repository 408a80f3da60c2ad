//! Files for a service that knows nothing of us: key, certificate, chain, roots, lists, token keys,
//! one whole generation at a time.
//!
//! A generation is a folder that is complete and durable before `current` points to it, so that a
//! reader who opens its files through `current` at any moment finds ones that fit. The one before
//! stays for readers who are still in it. What came before that is removed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::agent::Published;
use crate::pem;

/// The link, or where there are none the file, that says which generation counts.
pub const CURRENT: &str = "current";

const PREFIX: &str = "generation-";
/// Longest name of another trust domain whose roots have a file, in bytes: no file has a longer.
const MAX_NAME: usize = 240;
/// How many generations are kept.
const KEPT: usize = 2;

/// A folder that generations are delivered to.
#[derive(Clone, Debug)]
pub struct Delivery(PathBuf);

impl Delivery {
    /// Delivers to that folder, which is made at the first delivery.
    pub fn to(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// Puts the next generation in place; gives its folder. Durable on return.
    ///
    /// # Errors
    /// When the disk fails; then what was current still is.
    pub fn deliver(&self, published: &Published) -> io::Result<PathBuf> {
        make_private(&self.0)?;
        let mut numbers = self.generations()?;
        let number = numbers.last().map_or(1, |last| last + 1);
        let made = self.0.join("next");
        if made.exists() {
            fs::remove_dir_all(&made)?;
        }
        make_private(&made)?;
        for (name, text) in files(published) {
            write_private(&made.join(&name), text.as_bytes())?;
        }
        sync_folder(&made)?;
        let name = format!("{PREFIX}{number}");
        let folder = self.0.join(&name);
        fs::rename(&made, &folder)?;
        sync_folder(&self.0)?;
        point(&self.0, &name)?;
        sync_folder(&self.0)?;
        numbers.push(number);
        for old in numbers.iter().rev().skip(KEPT) {
            fs::remove_dir_all(self.0.join(format!("{PREFIX}{old}")))?;
        }
        Ok(folder)
    }

    /// The numbers of the generations that are there, in order.
    fn generations(&self) -> io::Result<Vec<u64>> {
        let mut numbers = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            numbers.extend(number.and_then(|number| number.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        Ok(numbers)
    }
}

/// What a generation is made of.
fn files(published: &Published) -> Vec<(String, zeroize::Zeroizing<String>)> {
    let credential = &published.credential;
    let domain = credential.facts.spiffe_id.trust_domain();
    let leaf = credential.chain.first();
    let bundle = published.trusted.bundles.get(domain);
    let roots = bundle.map_or_else(String::new, |bundle| pem::certificates(&bundle.roots));
    let lists = published.trusted.revocation.crls.of(domain);
    let lists: String = lists.map(|list| pem::crl(list.der())).collect();
    let mut files = [
        ("key.pem", pem::key(&credential.key)),
        ("certificate.pem", pem::certificates(leaf).into()),
        ("chain.pem", pem::certificates(&credential.chain).into()),
        ("trust.pem", roots.into()),
        ("crl.pem", lists.into()),
        ("jwks.json", published.trusted.token_keys.to_string().into()),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .to_vec();
    // A file for each: merged, one domain could vouch for the names of another.
    let others = published.trusted.bundles.iter();
    let fits = |name: &str| name != domain.as_str() && name.len() <= MAX_NAME;
    for other in others.filter(|bundle| fits(bundle.trust_domain.as_str())) {
        let name = format!("trust.{}.pem", other.trust_domain);
        files.push((name, pem::certificates(&other.roots).into()));
    }
    files
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    super::delivery_unix::private_folder(&mut builder);
    builder.create(folder)
}

fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    super::delivery_unix::private_file(&mut options);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    // Elsewhere a folder cannot be opened to be synced.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

/// Makes `current` say `name`, at once and not by halves.
fn point(folder: &Path, name: &str) -> io::Result<()> {
    let next = folder.join("current.next");
    match fs::remove_file(&next) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    #[cfg(unix)]
    super::delivery_unix::link(name, &next)?;
    #[cfg(not(unix))]
    write_private(&next, name.as_bytes())?;
    fs::rename(next, folder.join(CURRENT))
}

#[cfg(test)]
#[path = "delivery_tests.rs"]
pub(crate) mod tests;
