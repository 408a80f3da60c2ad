//! A planted service set up to be drilled: a folder with a drill.toml and nothing else in it, and
//! a service or client of this process that is started once its files are there.
//!
//! The drill sees of it what it sees of any target. It binds loopback alone, on ports that were
//! free; its folder is private, and gone when the exhibit is dropped.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::sleep;

use super::answer::Report;
use super::file::{DrillFile, DrillFileError};
use super::planted::client::{ClientSettings, PlantedClient};
use super::planted::{
    Callers, Faults, Files, GET, Jwks, Planted, PlantedError, Settings, TokenRules, WATCH,
};
use super::run::{self, Options, RunError, Watcher};
use super::stage::Keeper;

/// Who may call an exhibit.
const CALLER: &str = "spiffe://shop.example/cart";

/// How often an address is asked for that a service just left.
const ASKED: u32 = 100;

/// Why an exhibit is not set up.
#[derive(Debug, thiserror::Error)]
pub enum ExhibitError {
    /// The disk declined its folder.
    #[error("`{0}`: {1}; set TMPDIR to a folder that can be written to")]
    Folder(PathBuf, io::Error),
    /// No port is free.
    #[error("no port of 127.0.0.1 is free: {0}")]
    Port(io::Error),
    /// Its drill.toml is wrong, which is a fault of this program.
    #[error("the built-in drill.toml: {0}")]
    File(#[from] DrillFileError),
}

/// How an exhibit is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How long a change may take to reach it.
    pub settle: Duration,
    /// The longest exposure that its owner demands.
    pub demand: Duration,
    /// Whether the drill serves its key list; else it reads it from a file.
    pub serves_keys: bool,
    /// Whether it is a client that the drill is called by.
    pub is_client: bool,
}

/// A planted service, set up.
#[derive(Debug)]
pub struct Exhibit {
    drill: DrillFile,
    text: String,
    visitor: Revived,
    is_client: bool,
    _folder: Folder,
}

impl Exhibit {
    /// Sets up a service with these faults.
    ///
    /// # Errors
    /// When there is no place for it.
    pub fn set_up(faults: impl Into<Faults>, setting: Setting) -> Result<Self, ExhibitError> {
        let folder = Folder::make()?;
        let ports = Ports::free()?;
        let text = text(setting, &ports);
        let drill = DrillFile::parse("drill.toml", &text, &folder.0)?;
        let visitor = Revived::of(faults.into(), &drill, setting, &ports);
        Ok(Self {
            drill,
            text,
            visitor,
            is_client: setting.is_client,
            _folder: folder,
        })
    }

    /// What the drill is told of it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The same, read.
    pub const fn drill(&self) -> &DrillFile {
        &self.drill
    }

    /// Drills it.
    ///
    /// # Errors
    /// As for [`run::run`].
    pub async fn run(
        &self,
        options: &Options,
        watcher: &mut dyn Watcher,
    ) -> Result<Report, RunError> {
        let options = Options {
            as_client: self.is_client,
            ..options.clone()
        };
        let keeper = Box::new(self.visitor.clone());
        run::run_kept(&self.drill, &options, Some(keeper), watcher).await
    }
}

/// What runs, and what it takes to start it again.
#[derive(Debug)]
struct Revived {
    faults: Faults,
    settings: Settings,
    /// Whom it calls, if it is a client.
    upstream: Option<SocketAddr>,
    address: SocketAddr,
    running: Option<Running>,
}

/// One of the two.
#[derive(Debug)]
#[expect(dead_code, reason = "held so that it runs: dropped, it ends")]
enum Running {
    Service(Planted),
    Client(PlantedClient),
}

impl Clone for Revived {
    /// The same one, not running.
    fn clone(&self) -> Self {
        Self {
            faults: self.faults,
            settings: self.settings.clone(),
            upstream: self.upstream,
            address: self.address,
            running: None,
        }
    }
}

impl Revived {
    fn of(faults: Faults, drill: &DrillFile, setting: Setting, ports: &Ports) -> Self {
        let files = &drill.files;
        let token = drill.token.as_ref().map(|token| TokenRules {
            jwks: match &token.jwks {
                super::file::Jwks::File(path) => Jwks::File(path.clone()),
                super::file::Jwks::Listen(at) => Jwks::Url(format!("http://{at}/jwks.json")),
            },
            issuer: token.issuer.clone(),
            audience: token.audience.first().cloned().unwrap_or_default(),
            header: token.header.clone(),
        });
        Self {
            faults,
            settings: Settings {
                files: Files {
                    key: files.key.path.clone(),
                    chain: files.chain.path.clone(),
                    trust: files.trust.path.clone(),
                    crl: files.crl.as_ref().map(|file| file.path.clone()),
                },
                callers: Callers {
                    uris: drill.caller.uri.iter().cloned().collect(),
                    dns: drill.caller.dns.iter().cloned().collect(),
                },
                token,
            },
            upstream: setting.is_client.then_some(ports.upstream),
            address: ports.target,
            running: None,
        }
    }

    async fn start(&mut self) -> Result<(), PlantedError> {
        self.running = None;
        if let Some(upstream) = self.upstream {
            let settings = ClientSettings {
                files: self.settings.files.clone(),
                upstream,
                name: "localhost".to_owned(),
            };
            let client = PlantedClient::start(self.faults, settings)?;
            self.running = Some(Running::Client(client));
            return Ok(());
        }
        let mut asked = 0;
        loop {
            let planted = Planted::start(self.faults, self.settings.clone(), self.address).await;
            match planted {
                // Who ended a moment ago may not have let go of the address yet.
                Err(PlantedError::Listen(_, why))
                    if why.kind() == io::ErrorKind::AddrInUse && asked < ASKED =>
                {
                    asked += 1;
                    sleep(Duration::from_millis(50)).await;
                }
                planted => {
                    self.running = Some(Running::Service(planted?));
                    return Ok(());
                }
            }
        }
    }
}

impl Keeper for Revived {
    fn restart<'k>(&'k mut self) -> Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'k>> {
        Box::pin(async move { self.start().await.map_err(|why| why.to_string()) })
    }
}

/// Ports that were free a moment ago.
#[derive(Clone, Copy, Debug)]
struct Ports {
    target: SocketAddr,
    upstream: SocketAddr,
    keys: SocketAddr,
}

impl Ports {
    fn free() -> Result<Self, ExhibitError> {
        // All are held at the same time, so that no two are one.
        let hold = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let held = [hold(), hold(), hold()];
        let mut ports = Vec::new();
        for held in &held {
            let address = match held {
                Ok(held) => held.local_addr(),
                Err(why) => Err(why.kind().into()),
            };
            ports.push(address.map_err(ExhibitError::Port)?);
        }
        Ok(Self {
            target: ports[0],
            upstream: ports[1],
            keys: ports[2],
        })
    }
}

fn text(setting: Setting, ports: &Ports) -> String {
    let settle = setting.settle.as_millis();
    let demand = format!("{}ms", setting.demand.as_millis());
    let jwks = if setting.serves_keys {
        format!("{{ listen = \"{}\" }}", ports.keys)
    } else {
        "{ file = \"jwks.json\" }".to_owned()
    };
    let mut text = format!(
        r#"format = 1

[target]
address = "{target}"
reload = []
settle = "{settle}ms"
dns = ["localhost"]

[files]
key = "tls/key.pem"
chain = "tls/chain.pem"
trust = "tls/trust.pem"
crl = "tls/crl.pem"

[caller]
uri = "{CALLER}"
refused-uris = ["spiffe://shop.example/other"]

[calls]
allowed = "{get}"
stream = "{watch}"
"#,
        target = ports.target,
        get = GET.trim_start_matches('/'),
        watch = WATCH.trim_start_matches('/'),
    );
    if setting.is_client {
        let upstream = ports.upstream;
        text.push_str(&format!(
            "\n[upstream]\nlisten = \"{upstream}\"\ndns = [\"localhost\"]\n"
        ));
        return text;
    }
    text.push_str(&format!(
        r#"refused = {{ token = "none", code = "UNAUTHENTICATED" }}

[token]
jwks = {jwks}
issuer = "https://issuer.example"
audience = "orders"
bound = true

[objectives]
revoked-leaf = {{ new = "{demand}", resumed = "{demand}", open = "{demand}", stream = "{demand}" }}
removed-root = {{ new = "{demand}", resumed = "{demand}", open = "{demand}", stream = "{demand}" }}
expired-leaf = {{ new = "{demand}", resumed = "{demand}", open = "{demand}", stream = "{demand}" }}
removed-key = {{ new = "{demand}", cached = "{demand}" }}
withdrawn-token = {{ new = "{demand}", cached = "{demand}" }}
failed-requests = 0
"#
    ));
    text
}

/// A folder of its own, for as long as this lasts.
#[derive(Debug)]
struct Folder(PathBuf);

impl Folder {
    fn make() -> Result<Self, ExhibitError> {
        let mut name = [0; 8];
        let below = std::env::temp_dir();
        // Without randomness nothing else of a drill would come to be either.
        let _ = SystemRandom::new().fill(&mut name);
        let path = below.join(format!("schism-drill-{:016x}", u64::from_be_bytes(name)));
        let fail = |at: &Path| {
            let at = at.to_owned();
            move |why| ExhibitError::Folder(at, why)
        };
        fs::create_dir(&path).map_err(fail(&path))?;
        let folder = Self(path);
        // So that a drill keeps nothing in a workspace that is not this one's.
        let workspace = folder.0.join(".schism");
        fs::create_dir(&workspace).map_err(fail(&workspace))?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed is in a folder that the system empties.
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::super::planted::Fault;
    use super::*;

    fn setting(is_client: bool, serves_keys: bool) -> Setting {
        Setting {
            settle: Duration::from_secs(3),
            demand: Duration::from_millis(1_500),
            serves_keys,
            is_client,
        }
    }

    #[test]
    fn every_kind_has_a_drill_toml_that_is_read_and_a_folder_that_goes() {
        for (is_client, serves_keys) in [(false, false), (false, true), (true, false)] {
            let setting = setting(is_client, serves_keys);
            let exhibit = Exhibit::set_up(Fault::LeafSwap, setting).unwrap();
            let drill = exhibit.drill();
            assert!(drill.target.address.is_loopback());
            assert_eq!(drill.upstream.is_some(), is_client);
            assert_eq!(drill.token.is_some(), !is_client);
            let folder = drill.folder.clone();
            assert!(folder.is_dir() && exhibit.text().starts_with("format = 1\n"));
            drop(exhibit);
            assert!(!folder.exists());
        }
    }
}
