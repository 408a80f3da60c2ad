//! `[target]` and `[upstream]`: where the target is, how it is started and told of new files, and
//! where the drill stands in for what the target calls.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::fields::{Fields, Word};
use super::flaw::{Placed, incoherent};

/// A place to connect to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Address {
    /// Whether it is this machine and cannot be another: such a target may be disturbed.
    pub fn is_loopback(&self) -> bool {
        match self.host.parse::<IpAddr>() {
            Ok(address) => address.to_canonical().is_loopback(),
            Err(_) => self.host == "localhost",
        }
    }

    pub(super) fn read(word: &Word<'_>, field: &str) -> Placed<Self> {
        let wanted = "a host and a port, such as \"localhost:8443\" or \"[::1]:8443\"";
        let refused = || word.refused(field, wanted);
        let (host, port) = word.text.rsplit_once(':').ok_or_else(refused)?;
        let port = port.parse().ok().filter(|port| *port > 0);
        let port = port.ok_or_else(refused)?;
        let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let legal = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        let host = match bare {
            Some(bare) if bare.parse::<std::net::Ipv6Addr>().is_ok() => bare,
            None if !host.is_empty() && host.chars().all(legal) => host,
            _ => return Err(refused()),
        };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// How the target is told that its files are new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It watches them.
    Watches,
    /// By this command.
    Command(Vec<String>),
}

/// The target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Where it listens.
    pub address: Address,
    /// How it is started; else it is running.
    pub start: Option<Vec<String>>,
    /// How it is stopped; else the drill ends what it started.
    pub stop: Option<Vec<String>>,
    /// How it is told of new files.
    pub reload: Reload,
    /// How long a change may take to reach it. It is its owner's demand, and has no usual value: a
    /// build fails by it.
    pub settle: Duration,
    /// URIs in its leaf.
    pub uris: Vec<String>,
    /// DNS names or addresses in its leaf; the address's host if the file says nothing.
    pub hosts: Vec<String>,
}

impl Target {
    pub(super) fn read(fields: &Fields<'_, '_>) -> Placed<Self> {
        let address = fields.word("address")?;
        let wanted = "where it listens, such as \"localhost:8443\"";
        let address = Address::read(&fields.need("address", address, wanted)?, "address")?;
        let program = |field: &str| -> Placed<Option<Vec<String>>> {
            let argv = fields.command(field)?;
            if argv.as_ref().is_some_and(Vec::is_empty) {
                let why = format!("`{field}` names no program; leave it out if there is none");
                return incoherent(&fields.span, why);
            }
            Ok(argv)
        };
        let wanted = "the command that makes it read its files again, or [] if it watches them";
        let reload = fields.need("reload", fields.command("reload")?, wanted)?;
        let wanted = "how long a change may take to reach it, such as \"10s\"; about \"120s\" for \
                      a mounted secret";
        let settle = fields.need("settle", fields.duration("settle")?, wanted)?;
        let mut hosts = owned(fields.words("dns")?);
        if hosts.is_empty() {
            hosts.push(address.host.clone());
        }
        Ok(Self {
            start: program("start")?,
            stop: program("stop")?,
            reload: if reload.is_empty() {
                Reload::Watches
            } else {
                Reload::Command(reload)
            },
            settle,
            uris: fields
                .word("uri")?
                .map(|word| word.text.to_owned())
                .into_iter()
                .collect(),
            hosts,
            address,
        })
    }

    pub(super) const KNOWN: [&'static str; 7] =
        ["address", "start", "stop", "reload", "settle", "uri", "dns"];
}

/// What the drill is when it plays the one that the target calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Where it listens.
    pub listen: SocketAddr,
    /// URIs in its leaf.
    pub uris: Vec<String>,
    /// DNS names or addresses in its leaf.
    pub hosts: Vec<String>,
}

impl Upstream {
    pub(super) fn read(fields: &Fields<'_, '_>) -> Placed<Self> {
        let word = fields.word("listen")?;
        let wanted = "where the target calls, such as \"127.0.0.1:9443\"";
        let listen = listen(&fields.need("listen", word, wanted)?, "listen")?;
        let mut hosts = owned(fields.words("dns")?);
        if hosts.is_empty() {
            hosts.push(listen.ip().to_string());
        }
        Ok(Self {
            listen,
            uris: fields
                .word("uri")?
                .map(|word| word.text.to_owned())
                .into_iter()
                .collect(),
            hosts,
        })
    }

    pub(super) const KNOWN: [&'static str; 3] = ["listen", "uri", "dns"];
}

/// Where the drill itself may listen: on loopback, and nowhere else.
pub(super) fn listen(word: &Word<'_>, field: &str) -> Placed<SocketAddr> {
    let text = word
        .text
        .replacen("localhost:", &format!("{}:", Ipv4Addr::LOCALHOST), 1);
    let address = text.parse::<SocketAddr>().ok();
    let address = address.filter(|it| it.ip().is_loopback());
    address.ok_or_else(|| {
        word.refused(
            field,
            "a loopback address and a port, such as \"127.0.0.1:9080\"",
        )
    })
}

pub(super) fn owned(words: Vec<Word<'_>>) -> Vec<String> {
    words.iter().map(|word| word.text.to_owned()).collect()
}
