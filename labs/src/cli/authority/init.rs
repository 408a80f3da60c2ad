//! `schism ca init`: the founding.

use std::path::PathBuf;

use ca::identity::TrustDomain;
use ca::issue::WORKING_LEAF_TTL_S;

use super::super::Exit;
use super::super::printer::Printer;
use super::super::stop::Stop;
use super::folder::{Folder, Settings};
use super::passphrase;

/// Found a CA: a root, whose key is sealed under a passphrase, and a first issuer
#[derive(Debug, clap::Args)]
pub(super) struct Words {
    /// The folder to be
    #[arg(long, value_name = "FOLDER")]
    dir: PathBuf,
    /// Whom it issues for, as in clinic.example
    #[arg(long, value_name = "NAME")]
    trust_domain: TrustDomain,
    /// Life of a leaf, in seconds: 10 or more
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    #[arg(value_parser = clap::value_parser!(u64).range(WORKING_LEAF_TTL_S))]
    leaf_ttl: u64,
    /// Where roots' keys are kept, in or outside the CA's folder
    #[arg(long, value_name = "FOLDER", default_value = "root-keys")]
    root_keys: PathBuf,
    /// A file with the passphrase for the root's key, which is asked for otherwise
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// Obeys.
pub(super) fn run(words: &Words, printer: &mut Printer) -> Result<Exit, Stop> {
    let passphrase = match &words.passphrase_file {
        Some(file) => passphrase::read(file)?,
        None => passphrase::twice()?,
    };
    let settings = Settings::new(
        words.trust_domain.to_string(),
        words.leaf_ttl,
        words.root_keys.clone(),
    );
    let ca = Folder::found(&words.dir, settings, passphrase)?;
    let (dir, keys) = (words.dir.display(), words.dir.join(&words.root_keys));
    let roots = ca.bundle().roots.len();
    let number = if roots == 1 { "one root" } else { "roots" };
    printer.page(&format!(
        "Founded {} in {dir}: {number}, one issuer.\n\
         The root's key is sealed in {}: keep that folder and the passphrase apart.\n\n\
         next: schism ca serve --dir {dir} --listen 127.0.0.1:7443\n",
        words.trust_domain,
        keys.display(),
    ))?;
    Ok(Exit::Done)
}
