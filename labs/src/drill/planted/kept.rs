//! A planted service as the target of a drill.toml, in this process: made out from the file, and
//! started anew when the drill says so.
//!
//! It reads the same files and keys as any target of that file would, and listens where the file
//! says that it does. The drill learns nothing from it but what the network shows.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::time::Duration;

use tokio::time::sleep;

use super::{Callers, Faults, Files, Jwks, Planted, PlantedError, Settings, TokenRules};
use crate::drill::file::{self, DrillFile};
use crate::drill::stage::Keeper;

/// How often its address is tried again: what served there before may need a moment to go.
const TRIES: u32 = 100;

/// How far apart two tries are.
const APART: Duration = Duration::from_millis(50);

/// A planted service that can be started anew.
#[derive(Debug)]
pub struct Kept {
    faults: Faults,
    settings: Settings,
    address: SocketAddr,
    running: Option<Planted>,
}

impl Kept {
    /// The target of this file, with these faults. It does not run yet.
    pub fn of(drill: &DrillFile, faults: impl Into<Faults>) -> Self {
        let host = drill.target.address.host.parse();
        let host: IpAddr = host.unwrap_or(Ipv4Addr::LOCALHOST.into());
        Self {
            faults: faults.into(),
            settings: settings(drill),
            address: SocketAddr::new(host, drill.target.address.port),
            running: None,
        }
    }

    async fn start(&mut self) -> Result<(), String> {
        self.running = None;
        let mut tries = 0;
        loop {
            let started = Planted::start(self.faults, self.settings.clone(), self.address).await;
            tries += 1;
            match started {
                Ok(running) => {
                    self.running = Some(running);
                    return Ok(());
                }
                Err(PlantedError::Listen(..)) if tries < TRIES => sleep(APART).await,
                Err(why) => return Err(why.to_string()),
            }
        }
    }
}

impl Keeper for Kept {
    fn restart<'k>(&'k mut self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'k>> {
        Box::pin(self.start())
    }
}

/// What a planted service is told at its start, if it is the target of this file.
pub fn settings(drill: &DrillFile) -> Settings {
    let files = &drill.files;
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
        token: drill.token.as_ref().map(|token| TokenRules {
            jwks: match &token.jwks {
                file::Jwks::File(path) => Jwks::File(path.clone()),
                file::Jwks::Listen(address) => Jwks::Url(format!("http://{address}/jwks.json")),
            },
            issuer: token.issuer.clone(),
            audience: token.audience.first().cloned().unwrap_or_default(),
            header: token.header.clone(),
        }),
    }
}
