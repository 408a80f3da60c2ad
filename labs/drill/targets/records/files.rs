//! The files that the drill writes, as what a node holds and believes.
//!
//! It is what an agent is to a node of ours, except that files are believed: whoever may write them
//! is the authority here. Files that do not fit together yet, or cannot be read, change nothing,
//! and are looked at again. Invariant: a generation is given once, with one content.
#![expect(
    clippy::print_stderr,
    reason = "the drill tells what a target said that did not do as it should"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ca::agent::Published;
use ca::bundle::Bundle;
use ca::clock::Clock;
use ca::credential::Credential;
use ca::crl::{Crl, danger::unverified};
use ca::identity::SpiffeId;
use ca::revocation::{Older, Revocation};
use ca::trusted::Trusted;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivatePkcs8KeyDer};
use services::node::NodeError;
use services::posture::Posture;
use services::token::keys::KeySet;
use tokio::sync::watch;
use zeroize::Zeroizing;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(100);
const KEY: &str = "tls.key";
const CHAIN: &str = "tls.crt";
const TRUST: &str = "ca.crt";
const LISTS: &str = "ca.crl";
const TOKEN_KEYS: &str = "jwks.json";

/// What the files said when they were last read.
type Content = [Vec<u8>; 5];

/// A folder of such files.
pub(crate) struct Files {
    folder: PathBuf,
    clock: Arc<dyn Clock>,
    id: SpiffeId,
    tolerance: Duration,
    revocation: Revocation,
    generation: u64,
    seen: Option<Content>,
}

impl Files {
    /// The files of a node of that name, under that posture.
    pub(crate) fn of(
        folder: &Path,
        clock: Arc<dyn Clock>,
        id: SpiffeId,
        posture: &Posture,
    ) -> Self {
        Self {
            folder: folder.to_owned(),
            clock,
            id,
            tolerance: posture.tls.tolerance,
            revocation: posture.revocation.without_lists(),
            generation: 0,
            seen: None,
        }
    }

    /// Publishes what they say, now and whenever it is something else, until nobody listens.
    pub(crate) async fn follow(mut self, publish: watch::Sender<Option<Arc<Published>>>) {
        while !publish.is_closed() {
            let before = publish.borrow().clone();
            match self.changed(before.as_deref()) {
                Ok(Some(now)) => {
                    publish.send_replace(Some(Arc::new(now)));
                }
                Ok(None) => {}
                Err(error) => eprintln!("records-target: {error}"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What the files say, if it is not what they said last.
    fn changed(&mut self, before: Option<&Published>) -> Result<Option<Published>, NodeError> {
        let mut content = Content::default();
        for (content, name) in content
            .iter_mut()
            .zip([KEY, CHAIN, TRUST, LISTS, TOKEN_KEYS])
        {
            *content = fs::read(self.folder.join(name))?;
        }
        if self.seen.as_ref() == Some(&content) {
            return Ok(None);
        }
        // Another look at the same content would end as this one.
        let [key, chain, trust, lists, token_keys] = self.seen.insert(content);
        let bundle = Bundle {
            trust_domain: self.id.trust_domain().clone(),
            generation: self.generation + 1,
            roots: certificates(trust)?,
        };
        let token_keys = std::str::from_utf8(token_keys)?;
        KeySet::parse(token_keys.as_bytes())?;
        let may_fall = self.revocation.older == Older::Accept;
        for list in CertificateRevocationListDer::pem_slice_iter(lists) {
            let list = Crl::parse(&list?)?;
            unverified(
                &mut self.revocation.crls,
                list,
                &bundle.trust_domain,
                may_fall,
            );
        }
        let (chain, key) = (
            certificates(chain)?,
            PrivatePkcs8KeyDer::from_pem_slice(key)?,
        );
        let credential = match before.map(|before| &before.credential) {
            Some(held) if held.chain == chain => held.clone(),
            held => {
                let assembled = Credential::assemble(
                    bundle.generation,
                    Zeroizing::new(key.secret_pkcs8_der().to_vec()),
                    chain,
                    &bundle,
                    &self.id,
                    self.clock.now(),
                    self.tolerance,
                );
                match (assembled, held) {
                    (Ok(next), _) => next,
                    (Err(error), None) => return Err(error.into()),
                    (Err(error), Some(held)) => {
                        eprintln!("records-target: the last leaf stays: {error}");
                        held.clone()
                    }
                }
            }
        };
        self.generation = bundle.generation;
        Ok(Some(Published {
            credential,
            trusted: Arc::new(Trusted {
                revocation: self.revocation.clone(),
                token_keys: token_keys.into(),
                ..Trusted::of(bundle)
            }),
            bearer: None,
        }))
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NodeError> {
    let read: Result<_, _> = CertificateDer::pem_slice_iter(pem).collect();
    Ok(read?)
}
