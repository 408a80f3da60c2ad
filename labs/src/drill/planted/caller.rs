//! Who may come in: one judgement, asked at the handshake, at every request and every message.
//!
//! It is a function of the chain, of what the service holds now and of the time now; nothing is
//! remembered of an earlier yes. The good service asks everything on every way; a bad twin leaves
//! one question out, on one way or on all.

use std::collections::BTreeSet;

use rustls::pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::crl::Status;
use super::fault::{Fault, Faults};
use super::path::{self, Link};
use super::world::World;

/// The names that are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Callers {
    /// SPIFFE IDs; if there are any, nobody comes in by another name.
    pub uris: BTreeSet<String>,
    /// DNS names, for services that let in by those.
    pub dns: BTreeSet<String>,
}

/// On which way a judgement is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// A whole handshake.
    Handshake,
    /// A request on a resumed session.
    Resumed,
    /// A request on a connection that was opened by a whole handshake.
    Established,
    /// A message of an open stream.
    Stream,
}

/// Who came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Caller {
    /// By which name.
    pub(super) name: String,
    /// SHA-256 of the leaf.
    pub(super) leaf: Vec<u8>,
}

/// Judges a caller's chain.
pub(super) fn judge(
    faults: Faults,
    callers: &Callers,
    chain: &[CertificateDer<'_>],
    world: &World,
    (way, now): (Way, UnixTime),
) -> Result<Caller, &'static str> {
    let leaf = chain.first().ok_or("no certificate")?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let roots = roots(faults, world, way, seconds);
    if !(faults.has(Fault::EmptyTrust) && world.roots.is_empty()) {
        let at = asked_time(faults, chain, way, seconds);
        let links = path::find(faults, chain, &roots, at)?;
        if asks_lists(faults, way) {
            look_up(faults, world, &links, seconds)?;
        }
    }
    let cert = path::read(leaf)?;
    let name = name(faults, callers, &cert)?;
    let leaf = ring::digest::digest(&ring::digest::SHA256, leaf)
        .as_ref()
        .to_vec();
    Ok(Caller { name, leaf })
}

/// The roots that count: those in force and in their dates, or with a fault all there ever were.
fn roots(faults: Faults, world: &World, way: Way, now: i64) -> Vec<CertificateDer<'static>> {
    let forgets = match way {
        Way::Handshake => false,
        Way::Resumed => faults.has(Fault::OldRootResumed),
        Way::Established => faults.has(Fault::OldRootEstablished),
        Way::Stream => faults.has(Fault::OldRootOpenStream),
    };
    let roots: Vec<_> = if forgets {
        world.ever.iter().collect()
    } else {
        world.roots.iter().collect()
    };
    let in_dates = |root: &&CertificateDer<'static>| {
        path::read(root).is_ok_and(|root| {
            let validity = root.validity();
            validity.not_before.timestamp() <= now && now <= validity.not_after.timestamp()
        })
    };
    roots.into_iter().filter(in_dates).cloned().collect()
}

/// The time at which the path must be valid: now, or with a fault one that suits the chain.
fn asked_time(faults: Faults, chain: &[CertificateDer<'_>], way: Way, now: i64) -> UnixTime {
    let ends = match way {
        Way::Handshake => false,
        Way::Resumed => faults.has(Fault::ExpiresResumed),
        Way::Established => faults.has(Fault::ExpiresEstablished),
        Way::Stream => faults.has(Fault::ExpiresOpenStream),
    };
    let ends = ends || faults.has(Fault::ExpiredCaller);
    let mut at = now;
    for cert in chain.iter().filter_map(|cert| path::read(cert).ok()) {
        if ends {
            at = at.min(cert.validity().not_after.timestamp());
        }
        if faults.has(Fault::NotYetValidCaller) {
            at = at.max(cert.validity().not_before.timestamp());
        }
    }
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.unsigned_abs()))
}

fn asks_lists(faults: Faults, way: Way) -> bool {
    let passes_over = match way {
        Way::Handshake => false,
        Way::Resumed => faults.has(Fault::RevokedLeafResumed),
        Way::Established => faults.has(Fault::RevokedLeafEstablished),
        Way::Stream => faults.has(Fault::RevokedLeafOpenStream),
    };
    !(passes_over || faults.has(Fault::RevokedLeafNew))
}

fn look_up(faults: Faults, world: &World, links: &[Link], now: i64) -> Result<(), &'static str> {
    let now = (!faults.has(Fault::CrlPastNextUpdate)).then_some(now);
    for link in links {
        let cert = path::read(&link.cert)?;
        let issuer = (cert.issuer().as_raw(), &link.key);
        match world.lists.status(issuer, cert.raw_serial(), now) {
            Status::Good => {}
            Status::Revoked => return Err("a revoked certificate"),
            Status::Unknown => return Err("a revocation list past its next update"),
        }
    }
    Ok(())
}

/// By which of its names a leaf comes in.
fn name(
    faults: Faults,
    callers: &Callers,
    leaf: &X509Certificate<'_>,
) -> Result<String, &'static str> {
    let usage = leaf
        .key_usage()
        .map_err(|_| "a key usage nobody can read")?;
    let signs = usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if signs && !faults.has(Fault::IssuerAsCaller) {
        return Err("a leaf that may sign certificates");
    }
    let names = leaf
        .subject_alternative_name()
        .map_err(|_| "names nobody can read")?;
    let names = names.map_or(&[][..], |names| &names.value.general_names);
    let mut uris = Vec::new();
    let mut dns = Vec::new();
    for name in names {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::DNSName(name) => dns.push(*name),
            _ => {}
        }
    }
    if callers.uris.is_empty() {
        let found = dns.iter().find(|name| callers.dns.contains(**name));
        let any = if faults.has(Fault::WrongName) {
            dns.first()
        } else {
            None
        };
        return found
            .or(any)
            .map(|name| (*name).to_owned())
            .ok_or("a name it does not let in");
    }
    if uris.len() != 1 && !faults.has(Fault::TwoUriNames) {
        return Err("not one URI name");
    }
    let found = uris.iter().find(|uri| lets_in(faults, callers, uri));
    found
        .map(|uri| (*uri).to_owned())
        .ok_or("a name it does not let in")
}

fn lets_in(faults: Faults, callers: &Callers, uri: &str) -> bool {
    let Some((domain, path)) = split(uri) else {
        return false;
    };
    callers.uris.iter().any(|known| {
        let like = |fault, like: fn((&str, &str), (&str, &str)) -> bool| {
            faults.has(fault) && split(known).is_some_and(|known| like(known, (domain, path)))
        };
        known == uri
            || like(Fault::WrongName, |known, shown| known.0 == shown.0)
            || like(Fault::WrongTrustDomain, |known, shown| known.1 == shown.1)
    })
}

/// The trust domain of a SPIFFE ID, and its path.
fn split(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix("spiffe://")?.split_once('/')
}
