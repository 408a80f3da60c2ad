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
use super::fault::Fault;
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
    fault: Fault,
    callers: &Callers,
    chain: &[CertificateDer<'_>],
    world: &World,
    (way, now): (Way, UnixTime),
) -> Result<Caller, &'static str> {
    let leaf = chain.first().ok_or("no certificate")?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let roots = roots(fault, world, way, seconds);
    if !(fault == Fault::EmptyTrust && world.roots.is_empty()) {
        let at = asked_time(fault, chain, way, seconds);
        let links = path::find(fault, chain, &roots, at)?;
        if asks_lists(fault, way) {
            look_up(fault, world, &links, seconds)?;
        }
    }
    let cert = path::read(leaf)?;
    let name = name(fault, callers, &cert)?;
    let leaf = ring::digest::digest(&ring::digest::SHA256, leaf)
        .as_ref()
        .to_vec();
    Ok(Caller { name, leaf })
}

/// The roots that count: those in force and in their dates, or with a fault all there ever were.
fn roots(fault: Fault, world: &World, way: Way, now: i64) -> Vec<CertificateDer<'static>> {
    let forgets = matches!(
        (fault, way),
        (Fault::OldRootResumed, Way::Resumed)
            | (Fault::OldRootEstablished, Way::Established)
            | (Fault::OldRootOpenStream, Way::Stream)
    );
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
fn asked_time(fault: Fault, chain: &[CertificateDer<'_>], way: Way, now: i64) -> UnixTime {
    let ends = matches!(
        (fault, way),
        (Fault::ExpiredCaller, _)
            | (Fault::ExpiresResumed, Way::Resumed)
            | (Fault::ExpiresEstablished, Way::Established)
            | (Fault::ExpiresOpenStream, Way::Stream)
    );
    let mut at = now;
    for cert in chain.iter().filter_map(|cert| path::read(cert).ok()) {
        if ends {
            at = at.min(cert.validity().not_after.timestamp());
        }
        if fault == Fault::NotYetValidCaller {
            at = at.max(cert.validity().not_before.timestamp());
        }
    }
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(at.unsigned_abs()))
}

fn asks_lists(fault: Fault, way: Way) -> bool {
    !matches!(
        (fault, way),
        (Fault::RevokedLeafNew, _)
            | (Fault::RevokedLeafResumed, Way::Resumed)
            | (Fault::RevokedLeafEstablished, Way::Established)
            | (Fault::RevokedLeafOpenStream, Way::Stream)
    )
}

fn look_up(fault: Fault, world: &World, links: &[Link], now: i64) -> Result<(), &'static str> {
    let now = (fault != Fault::CrlPastNextUpdate).then_some(now);
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
    fault: Fault,
    callers: &Callers,
    leaf: &X509Certificate<'_>,
) -> Result<String, &'static str> {
    let usage = leaf
        .key_usage()
        .map_err(|_| "a key usage nobody can read")?;
    let signs = usage.is_some_and(|usage| usage.value.key_cert_sign() || usage.value.crl_sign());
    if signs && fault != Fault::IssuerAsCaller {
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
        let any = if fault == Fault::WrongName {
            dns.first()
        } else {
            None
        };
        return found
            .or(any)
            .map(|name| (*name).to_owned())
            .ok_or("a name it does not let in");
    }
    if uris.len() != 1 && fault != Fault::TwoUriNames {
        return Err("not one URI name");
    }
    let found = uris.iter().find(|uri| lets_in(fault, callers, uri));
    found
        .map(|uri| (*uri).to_owned())
        .ok_or("a name it does not let in")
}

fn lets_in(fault: Fault, callers: &Callers, uri: &str) -> bool {
    let Some((domain, path)) = split(uri) else {
        return false;
    };
    callers.uris.iter().any(|known| match fault {
        Fault::WrongName => split(known).is_some_and(|(of, _)| of == domain),
        Fault::WrongTrustDomain => split(known).is_some_and(|(_, of)| of == path),
        _ => known == uri,
    })
}

/// The trust domain of a SPIFFE ID, and its path.
fn split(uri: &str) -> Option<(&str, &str)> {
    uri.strip_prefix("spiffe://")?.split_once('/')
}
