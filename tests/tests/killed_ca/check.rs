//! The parent's eye: what the files hold against what was said, and against what they held before.
//!
//! It reads the issuance log itself, and asks the reopened CA for what its members would be told.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use ca::chain::{InvalidChain, verify_chain};
use ca::clock::{Clock as _, SystemClock};
use ca::identity::LeafFacts;
use ca::issuance::Issuance;
use ca::issue::Ca;
use ca::journaled::Journaled;
use ca::revocation::Revocation;
use ca::rotation::{AuthorityKind, Phase};
use ca::trusted::Trusted;

use super::said::Said;
use super::work::{domain, id, open, request};

/// What one CA has acknowledged so far, and what was seen of it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    said: Vec<Said>,
    /// The issuance log, as it was after the last kill.
    entries: Vec<Vec<u8>>,
    /// The highest number of a list, by its issuer.
    numbers: BTreeMap<String, u64>,
}

impl Known {
    /// Reopens the CA after a kill before which it said `said`; gives what is wrong with it.
    pub(crate) fn check(&mut self, folder: &Path, said: Vec<Said>) -> Vec<String> {
        let asked = said.iter().rev().find_map(|word| match word {
            Said::Asking(code, csr) => Some((code.clone(), csr.clone())),
            _ => None,
        });
        // What came after it may have ended the issuer that answered.
        let turned = said.iter().rev().take_while(|word| word.place() != 3);
        let turned = turned.into_iter().any(|word| matches!(word, Said::Step(_)));
        self.said.extend(said);
        let mut ca = match open(folder) {
            Ok(ca) => ca,
            Err(error) => return vec![format!("it does not open: {error}")],
        };
        let mut faults = Vec::new();
        faults.extend(asked.filter(|_| !turned).and_then(|(code, csr)| {
            let answered = ca.enroll(&code, &csr, SystemClock.now());
            let error = answered
                .map(|again| self.said.push(leaf_of(&again.chain)))
                .err()?;
            Some(format!("a code that was being used gives no leaf: {error}"))
        }));
        self.log_is_whole(&ca, &mut faults);
        self.authorities_are_whole(&mut ca, &mut faults);
        self.revoked_is_revoked(&ca, &mut faults);
        faults
    }

    /// What was said is logged, no serial stands there twice, and nothing that stood there is gone.
    fn log_is_whole(&mut self, ca: &Ca, faults: &mut Vec<String>) {
        let log = ca.log();
        let entries: Vec<Vec<u8>> = log
            .entries(0..log.committed())
            .map(<[u8]>::to_vec)
            .collect();
        if !entries.starts_with(&self.entries) {
            faults.push("the log lost what stood in it".to_owned());
        }
        let issued: Vec<Issuance> = entries
            .iter()
            .filter_map(|it| Issuance::parse(it).ok())
            .collect();
        let serials: BTreeSet<&str> = issued.iter().map(|it| it.serial.as_str()).collect();
        let keys: BTreeSet<&str> = issued.iter().map(|it| it.key_sha256.as_str()).collect();
        if serials.len() != issued.len() || keys.len() != issued.len() {
            faults.push("a serial or a key twice".to_owned());
        }
        let leaves: BTreeSet<&str> = issued.iter().map(|it| it.leaf_sha256.as_str()).collect();
        let journal: Vec<Journaled> = entries
            .iter()
            .filter_map(|it| Journaled::parse(it).ok())
            .collect();
        for word in &self.said {
            let is_logged = match word {
                Said::Leaf(chain) => leaves.contains(&*leaf_sha256(chain)),
                Said::Step(step) => journal.contains(&Journaled::Transition(step.clone())),
                Said::Revoked(one) => journal.contains(&Journaled::Revoked(one.clone())),
                Said::Asking(..) => true,
            };
            if !is_logged {
                faults.push(format!(
                    "it was acknowledged and is not logged: {}",
                    named(word)
                ));
            }
        }
        self.entries = entries;
    }

    /// Every authority stands where its last logged step took it, one of each kind is active, and
    /// what the active ones sign is believed.
    fn authorities_are_whole(&mut self, ca: &mut Ca, faults: &mut Vec<String>) {
        let mut logged = BTreeMap::new();
        for entry in &self.entries {
            if let Ok(Journaled::Transition(step)) = Journaled::parse(entry) {
                let before = logged.insert((step.kind, step.id), step.to);
                if before != step.from {
                    faults.push(format!("a step from elsewhere: {step:?}"));
                }
            }
        }
        let now = SystemClock.now();
        let slots = ca.status(now).slots;
        let stand: BTreeMap<_, _> = (slots.iter().map(|it| &it.slot))
            .map(|slot| ((slot.kind, slot.id), slot.phase))
            .collect();
        let gone = |phase: &Phase| *phase == Phase::Revoked;
        logged.retain(|which, phase| !gone(phase) || stand.contains_key(which));
        if logged != stand {
            faults.push(format!("logged {logged:?}, and they stand {stand:?}"));
        }
        for kind in [AuthorityKind::Root, AuthorityKind::X509] {
            let active = stand
                .iter()
                .filter(|((it, _), phase)| *it == kind && **phase == Phase::Active);
            if active.count() != 1 {
                faults.push(format!("not one {kind} authority is active: {stand:?}"));
            }
        }
        let probe = ca
            .new_join_code(&id("/probe"), now)
            .and_then(|code| ca.enroll(code.reveal(), &request(), SystemClock.now()));
        match probe {
            Err(error) => faults.push(format!("it issues nothing: {error}")),
            Ok(probe) => {
                let word = leaf_of(&probe.chain);
                let judged = judged(&word, &believing(ca));
                faults.extend(
                    judged
                        .err()
                        .map(|why| format!("what it issues is refused: {why}")),
                );
                self.said.push(word);
            }
        }
    }

    /// Every revocation that was said holds for whoever hears from the CA now; lists never fall
    /// back in number.
    fn revoked_is_revoked(&mut self, ca: &Ca, faults: &mut Vec<String>) {
        let trusted = believing(ca);
        for (_, crl) in trusted.revocation.crls.iter() {
            let last = self.numbers.insert(crl.issuer().to_owned(), crl.number());
            if last > Some(crl.number()) {
                faults.push(format!(
                    "a list of {} fell back to {}",
                    crl.issuer(),
                    crl.number()
                ));
            }
        }
        let chains: BTreeMap<String, &Said> = (self.said.iter())
            .filter_map(|word| match word {
                Said::Leaf(chain) => Some((serial(chain), word)),
                _ => None,
            })
            .collect();
        for word in &self.said {
            if let Said::Revoked(one) = word
                && let Some(leaf) = chains.get(&one.serial)
                && judged(leaf, &trusted).is_ok()
            {
                faults.push(format!("it was revoked, and is believed: {one:?}"));
            }
        }
    }
}

fn named(word: &Said) -> String {
    match word {
        Said::Leaf(chain) => format!("leaf {}", serial(chain)),
        other => format!("{other:?}"),
    }
}

fn leaf_of(chain: &[rustls::pki_types::CertificateDer<'_>]) -> Said {
    Said::Leaf(chain.iter().map(|it| it.to_vec()).collect())
}

fn facts(chain: &[Vec<u8>]) -> LeafFacts {
    LeafFacts::from_der(&chain[0]).unwrap()
}

fn serial(chain: &[Vec<u8>]) -> String {
    facts(chain).serial_hex()
}

fn leaf_sha256(chain: &[Vec<u8>]) -> String {
    let digits = facts(chain).leaf_sha256.into_iter();
    digits.map(|byte| format!("{byte:02x}")).collect()
}

/// What a member believes that has just heard from the CA.
fn believing(ca: &Ca) -> Trusted {
    let announced = ca.announced();
    let announced = announced.borrow();
    let mut trusted = Trusted::of(announced.bundle.clone());
    trusted.revocation = Revocation::default();
    let state = proto::ca::v1::State::from(&**announced);
    trusted.take(state, &domain()).unwrap().unwrap()
}

fn judged(word: &Said, trusted: &Trusted) -> Result<(), InvalidChain> {
    let Said::Leaf(chain) = word else {
        return Ok(());
    };
    let chain: Vec<_> = chain.iter().map(|der| der.clone().into()).collect();
    let (bundles, revocation, now) = (&trusted.bundles, &trusted.revocation, SystemClock.now());
    verify_chain(&chain, bundles, revocation, now, Duration::ZERO).map(|_| ())
}
