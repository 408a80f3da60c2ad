//! The issuance log: every certificate is an entry before it leaves the CA, and so is what became
//! of authorities and leaves ([`crate::journaled`]).
//!
//! One entry is one line of JSON, for example
//! `{"kind":"enroll","spiffe_id":"spiffe://clinic.example/north/sts","issuer_generation":1,`
//! `"serial":"5e..","not_before":1700000000,"not_after":1700000100,"leaf_sha256":"..",`
//! `"key_sha256":"..","csr_sha256":"..","at_us":1700000002000000}`, hashes in lower-case
//! hexadecimal, validity in seconds; `dns_names` where it has any. Entries that wait at one time
//! share one sync. Invariant: no certificate leaves before its entry is durable and under a signed
//! checkpoint. It holds no certificate and
//! no key.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::authority::Issued;
use crate::clock::Time;
use crate::dns::DnsNames;
use crate::error::CaError;
use crate::identity::SpiffeId;
use crate::journaled::Journaled;
use crate::nonce::{hex, unhex};
use crate::tlog::log::{Log, LogError};

/// Why a certificate was issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A first leaf, for a join code.
    Enroll,
    /// A next leaf, for a caller that proved its last one.
    Renew,
    /// A leaf for somebody who came back after its last one had ended.
    Return,
    /// A leaf with a key that the CA made, for a registered workload of its own machine.
    Deliver,
}

/// What the log says about one certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issuance {
    /// Why it was issued.
    pub kind: Kind,
    /// Whose it is.
    pub spiffe_id: SpiffeId,
    /// The DNS names that it carries beside; the next one has them too.
    #[serde(default, skip_serializing_if = "DnsNames::is_empty")]
    pub dns_names: DnsNames,
    /// Which issuer signed it.
    pub issuer_generation: u64,
    /// Its serial, hexadecimal.
    pub serial: String,
    /// First second of its validity.
    pub not_before: u64,
    /// Last second of its validity.
    pub not_after: u64,
    /// SHA-256 of its DER, hexadecimal.
    pub leaf_sha256: String,
    /// SHA-256 of its public point, hexadecimal.
    pub key_sha256: String,
    /// SHA-256 of the request's DER, hexadecimal.
    pub csr_sha256: String,
    /// When, on the CA's clock, in microseconds.
    pub at_us: u64,
}

impl Issuance {
    pub(crate) fn new(kind: Kind, issued: &Issued, issuer_generation: u64, at: Time) -> Self {
        let facts = &issued.facts;
        Self {
            kind,
            spiffe_id: facts.spiffe_id.clone(),
            dns_names: issued.dns_names.clone(),
            issuer_generation,
            serial: hex(&facts.serial),
            not_before: facts.not_before.as_secs(),
            not_after: facts.not_after.as_secs(),
            leaf_sha256: hex(&facts.leaf_sha256),
            key_sha256: hex(&issued.key_sha256),
            csr_sha256: hex(&issued.csr_sha256),
            at_us: at.as_micros(),
        }
    }

    /// Reads an entry of the log.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(entry: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(entry)
    }
}

/// A leaf that has not long expired.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) kind: Kind,
    pub(crate) not_after: Time,
    pub(crate) spiffe_id: SpiffeId,
    pub(crate) issuer: u64,
    pub(crate) serial: String,
    pub(crate) dns_names: DnsNames,
    /// When the entry was made.
    at: Time,
    key_sha256: [u8; 32],
    index: u64,
}

impl Live {
    /// Whether it came into the log after another.
    pub(crate) const fn is_later_than(&self, other: &Self) -> bool {
        self.index > other.index
    }
}

/// The log, and what follows from it: which leaves are alive, and which keys have one.
#[derive(Debug)]
pub(crate) struct Issuances {
    log: Log,
    leaves: BTreeMap<[u8; 32], Live>,
    /// The hash of each leaf that was ever issued: what a member asks about must cost nothing.
    ever: BTreeSet<[u8; 32]>,
    /// Where the entries of leaves are that expired longer ago, inside the grace of the way back,
    /// and when each ended.
    lapsed: BTreeMap<[u8; 32], (Time, u64)>,
    keys: BTreeSet<[u8; 32]>,
    /// How many entries are the journal's.
    journaled: u64,
    /// Expired leaves are forgotten when there are more than this.
    sweep_at: usize,
    /// The latest time of an entry.
    latest: Time,
    tolerance: Duration,
    grace: Duration,
}

/// Fewer leaves than this are never worth a sweep.
const SWEEP_AT_LEAST: usize = 1_024;

impl Issuances {
    /// Reads the log and forgets leaves that expired more than `tolerance` before `now`, and where
    /// they stand once `grace` has passed as well.
    pub(crate) fn new(
        log: Log,
        now: Time,
        tolerance: Duration,
        grace: Duration,
    ) -> Result<Self, CaError> {
        let (mut found, mut journaled) = (Vec::new(), 0);
        for (index, entry) in (0..).zip(log.entries(0..log.size())) {
            if Journaled::parse(entry).is_ok() {
                journaled += 1;
                continue;
            }
            let live = Issuance::parse(entry).ok();
            let live = live.and_then(|entry| read(&entry, index));
            let unreadable = || CaError::Damaged(format!("entry {index} of the issuance log"));
            found.push(live.ok_or_else(unreadable)?);
        }
        let mut issuances = Self {
            log,
            leaves: BTreeMap::new(),
            ever: BTreeSet::new(),
            lapsed: BTreeMap::new(),
            keys: BTreeSet::new(),
            journaled,
            sweep_at: SWEEP_AT_LEAST,
            latest: Time::from_micros(0),
            tolerance,
            grace,
        };
        for (leaf, live) in found {
            issuances.remember(leaf, live, now);
        }
        Ok(issuances)
    }

    /// Takes the entry into the log and returns its index. It is not durable before
    /// [`Self::settle`], and its certificate must not leave before that. At an error it may or may
    /// not become part of the log.
    pub(crate) fn enter(&mut self, entry: &Issuance, now: Time) -> Result<u64, CaError> {
        let bytes = serde_json::to_vec(entry).map_err(CaError::encoding)?;
        let live = read(entry, self.log.size());
        let (leaf, live) = live.ok_or_else(|| CaError::encoding("hexadecimal"))?;
        let index = self.append(&bytes)?;
        self.remember(leaf, live, now);
        Ok(index)
    }

    /// Whoever gives up between its entry and the sync leaves the entry to the next. Before so many
    /// wait that the log takes no more, they are synced here: else nobody could be the next.
    fn append(&mut self, entry: &[u8]) -> Result<u64, CaError> {
        let failed = |error: LogError| CaError::Log(error.to_string());
        match self.log.append(entry) {
            Err(LogError::Full) => {
                self.log.commit().map_err(failed)?;
                self.log.append(entry).map_err(failed)
            }
            other => other.map_err(failed),
        }
    }

    /// Makes the entry at an index durable, and every other that waits: whoever entered before one
    /// sync has nothing more to pay for. At an error the entry still waits.
    pub(crate) fn settle(&mut self, index: u64) -> Result<(), CaError> {
        if self.log.committed() <= index {
            let failed = |error: LogError| CaError::Log(error.to_string());
            self.log.commit().map_err(failed)?;
        }
        Ok(())
    }

    /// Index of the entry of the leaf with this hash, if it was issued here and has not long
    /// expired.
    pub(crate) fn leaf(&self, leaf_sha256: &[u8; 32]) -> Option<u64> {
        self.leaves.get(leaf_sha256).map(|live| live.index)
    }

    /// Whether the log has a leaf with this hash at all, however long ago it ended.
    pub(crate) fn ever_issued(&self, leaf_sha256: &[u8; 32]) -> bool {
        self.ever.contains(leaf_sha256)
    }

    /// What the log says about the leaf with this hash, if it was issued here and ended no longer
    /// ago than the grace of the way back.
    pub(crate) fn last_leaf(&self, leaf_sha256: &[u8; 32]) -> Option<Live> {
        if let Some(live) = self.leaves.get(leaf_sha256) {
            return Some(live.clone());
        }
        let (_, index) = self.lapsed.get(leaf_sha256)?;
        self.entry(*index).map(|(_, live)| live)
    }

    /// Every leaf that ended no longer ago than that.
    fn last_leaves(&self) -> impl Iterator<Item = Live> {
        let lapsed = self.lapsed.values();
        let lapsed = lapsed.filter_map(|(_, index)| Some(self.entry(*index)?.1));
        self.leaves.values().cloned().chain(lapsed)
    }

    fn entry(&self, index: u64) -> Option<([u8; 32], Live)> {
        let entry = Issuance::parse(self.log.entry(index)?).ok()?;
        read(&entry, index)
    }

    /// The latest time that an entry was made at.
    pub(crate) const fn latest(&self) -> Time {
        self.latest
    }

    /// The DNS names of that leaf; none if it was not issued here.
    pub(crate) fn dns_names(&self, leaf_sha256: &[u8; 32]) -> DnsNames {
        let live = self.leaves.get(leaf_sha256);
        live.map(|live| live.dns_names.clone()).unwrap_or_default()
    }

    /// Whether a living leaf certifies this key.
    pub(crate) fn has_key(&self, key_sha256: &[u8; 32]) -> bool {
        self.keys.contains(key_sha256)
    }

    /// Every leaf that has not long expired, in order of its hash.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Live> {
        self.leaves.values()
    }

    /// The leaf with that serial, hexadecimal. One that has ended may still be the proof of a
    /// return.
    pub(crate) fn with_serial(&self, serial: &str) -> Option<Live> {
        let living = self.living().find(|leaf| leaf.serial == serial).cloned();
        living.or_else(|| self.last_leaves().find(|leaf| leaf.serial == serial))
    }

    /// The serials of every leaf of one workload that may still be used for anything.
    pub(crate) fn serials_of(&self, id: &SpiffeId) -> Vec<String> {
        let of = self.last_leaves().filter(|leaf| leaf.spiffe_id == *id);
        of.map(|leaf| leaf.serial).collect()
    }

    /// How many entries of the log are the journal's.
    pub(crate) const fn journaled(&self) -> u64 {
        self.journaled
    }

    /// Adds the journal's entries that the log has not got yet. The journal comes first: what is in
    /// force is logged even if the power went in between.
    pub(crate) fn catch_up(&mut self, missing: &[Vec<u8>]) -> Result<(), CaError> {
        for entry in missing {
            self.append(entry)?;
            // It waits in the log from here on, whether the commit succeeds now or later.
            self.journaled += 1;
        }
        let failed = |error: LogError| CaError::Log(error.to_string());
        self.log.commit().map_err(failed)?;
        Ok(())
    }

    pub(crate) const fn log(&self) -> &Log {
        &self.log
    }

    fn remember(&mut self, leaf: [u8; 32], live: Live, now: Time) {
        self.keys.insert(live.key_sha256);
        self.latest = self.latest.max(live.at);
        self.ever.insert(leaf);
        self.leaves.insert(leaf, live);
        if self.leaves.len() > self.sweep_at {
            let (tolerance, grace) = (self.tolerance, self.grace);
            let leaves = std::mem::take(&mut self.leaves).into_iter();
            let (alive, over): (BTreeMap<_, _>, BTreeMap<_, _>) =
                leaves.partition(|(_, live)| now <= live.not_after + tolerance);
            self.leaves = alive;
            let over = over.into_iter();
            let lapsed = over.map(|(leaf, live)| (leaf, (live.not_after, live.index)));
            self.lapsed.extend(lapsed);
            self.lapsed.retain(|_, (end, _)| now <= *end + grace);
            self.keys = self.leaves.values().map(|live| live.key_sha256).collect();
            self.sweep_at = (2 * self.leaves.len()).max(SWEEP_AT_LEAST);
        }
    }
}

fn read(entry: &Issuance, index: u64) -> Option<([u8; 32], Live)> {
    let live = Live {
        kind: entry.kind,
        not_after: Time::from_secs(entry.not_after),
        spiffe_id: entry.spiffe_id.clone(),
        issuer: entry.issuer_generation,
        serial: entry.serial.clone(),
        dns_names: entry.dns_names.clone(),
        at: Time::from_micros(entry.at_us),
        key_sha256: unhex(&entry.key_sha256)?,
        index,
    };
    Some((unhex(&entry.leaf_sha256)?, live))
}
