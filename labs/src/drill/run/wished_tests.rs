//! A planted service that a test starts as it wishes: with other settings, other files, or only
//! once. For the tests of the controls.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::sleep;

use crate::drill::file::{DrillFile, Jwks as Where};
use crate::drill::planted::{Callers, Fault, Files, Jwks, Planted, Settings, TokenRules};
use crate::drill::stage::Keeper;

/// The settings of a service that is just what the file says.
pub(super) fn settings(drill: &DrillFile) -> Settings {
    let files = &drill.files;
    let token = drill.token.as_ref().unwrap();
    let Where::File(jwks) = &token.jwks else {
        panic!("the list is in a file");
    };
    Settings {
        files: Files {
            key: files.key.path.clone(),
            chain: files.chain.path.clone(),
            trust: files.trust.path.clone(),
            crl: files.crl.as_ref().map(|crl| crl.path.clone()),
        },
        callers: Callers {
            uris: drill.caller.uri.iter().cloned().collect(),
            dns: drill.caller.dns.iter().cloned().collect(),
        },
        token: Some(TokenRules {
            jwks: Jwks::File(jwks.clone()),
            issuer: token.issuer.clone(),
            audience: token.audience[0].clone(),
            header: token.header.clone(),
        }),
    }
}

pub(super) async fn started(fault: Fault, settings: &Settings, address: SocketAddr) -> Planted {
    for _ in 0..100 {
        if let Ok(planted) = Planted::start(fault, settings.clone(), address).await {
            return planted;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("{address} is not free")
}

pub(super) fn address(drill: &DrillFile) -> SocketAddr {
    drill.target.address.to_string().parse().unwrap()
}

/// Starts a service as a test wishes, and anew only as often as it may.
pub(super) struct Wished {
    pub(super) fault: Fault,
    pub(super) settings: Settings,
    pub(super) address: SocketAddr,
    /// Where it reads instead: what is in the files at its start is copied there.
    pub(super) elsewhere: Option<PathBuf>,
    pub(super) starts: usize,
    pub(super) running: Option<Planted>,
}

impl Wished {
    pub(super) fn new(drill: &DrillFile, fault: Fault, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings(drill);
        change(&mut settings);
        Self {
            fault,
            settings,
            address: address(drill),
            elsewhere: None,
            starts: usize::MAX,
            running: None,
        }
    }

    pub(super) fn reading_in(mut self, folder: &Path) -> Self {
        self.elsewhere = Some(folder.to_owned());
        self.starts = 1;
        self
    }

    pub(super) async fn begin(&mut self) -> Result<(), String> {
        if self.starts == 0 {
            return Ok(());
        }
        self.starts -= 1;
        self.running = None;
        let mut settings = self.settings.clone();
        if let Some(folder) = &self.elsewhere {
            let files = &mut settings.files;
            let all = [&mut files.key, &mut files.chain, &mut files.trust];
            for path in all.into_iter().chain(files.crl.as_mut()) {
                let there = folder.join(path.file_name().unwrap());
                fs::copy(&*path, &there).unwrap();
                *path = there;
            }
        }
        self.running = Some(started(self.fault, &settings, self.address).await);
        Ok(())
    }
}

impl Keeper for Wished {
    fn restart<'k>(&'k mut self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'k>> {
        Box::pin(self.begin())
    }
}
