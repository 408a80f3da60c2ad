//! Offline verification of a node's audit log, for whoever does not trust the node.
//!
//! It takes the two files as they were found and the node's public key, and shares types with the
//! writer and no code. A signature makes a log its node's word; the chain and the count make it
//! one story. It cannot see an older log put back whole: only a witness's memory can.

use ca::tlog::log::{LogError, verify_folder};
use ca::tlog::note::VerifyingKey;
use ring::digest::{Context, SHA256};

use super::entry::{Decision, Entry};
use crate::refusal::Refusal;

/// What is wrong with an audit log. Positions count from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuditFlaw {
    /// The checkpoint is not this node's, or not validly signed.
    #[error("the checkpoint is not signed by this node's audit key")]
    BadSignature,
    /// Entries that were promised are not there.
    #[error("{promised} entries are promised, {found} are there")]
    Truncated {
        /// How many were promised.
        promised: u64,
        /// How many whole ones were found.
        found: u64,
    },
    /// The entries are not those that were signed.
    #[error("entry {at} or the next is not as it was signed")]
    Tampered {
        /// The first entry that the chain no longer confirms, or the one before it if it was the
        /// link itself that was changed; the last entry, if the whole chain holds.
        at: u64,
    },
    /// An entry does not follow the one before in the count.
    #[error("entry {seq} does not have that number")]
    Gap {
        /// Its position.
        seq: u64,
    },
    /// An entry does not follow the one before in the chain.
    #[error("entry {seq} does not follow from the one before")]
    BrokenChain {
        /// Its position.
        seq: u64,
    },
    /// An entry of another node.
    #[error("entry {seq} is another node's")]
    ForeignNode {
        /// Its position.
        seq: u64,
    },
    /// Not an entry, or one that contradicts itself.
    #[error("entry {seq} is malformed")]
    Malformed {
        /// Its position.
        seq: u64,
    },
}

/// Verifies the log of `node` and gives its entries. Bytes beyond those that the checkpoint
/// promises were promised to nobody, and are passed over.
///
/// # Errors
/// The first flaw: of the signature, of the whole, then entry by entry.
pub fn verify(
    node: &str,
    entries: &[u8],
    checkpoint: &[u8],
    key: &VerifyingKey,
) -> Result<Vec<Entry>, AuditFlaw> {
    // The key's name is the log's, and the log is called after the node.
    if key.name().strip_suffix("/audit") != Some(node) {
        return Err(AuditFlaw::BadSignature);
    }
    let leaves = match verify_folder(entries, checkpoint, key) {
        Ok(leaves) => leaves,
        Err(LogError::Truncated { size, found }) => {
            return Err(AuditFlaw::Truncated {
                promised: size,
                found,
            });
        }
        Err(LogError::Tampered { size }) => {
            let at = first_suspect(entries, size);
            return Err(AuditFlaw::Tampered { at });
        }
        Err(_) => return Err(AuditFlaw::BadSignature),
    };
    let mut read = Vec::with_capacity(leaves.len());
    let mut prev = String::new();
    for (seq, leaf) in (0..).zip(&leaves) {
        let entry = well_formed(leaf).ok_or(AuditFlaw::Malformed { seq })?;
        if entry.node != node {
            return Err(AuditFlaw::ForeignNode { seq });
        }
        if entry.seq != seq {
            return Err(AuditFlaw::Gap { seq });
        }
        if entry.prev != prev {
            return Err(AuditFlaw::BrokenChain { seq });
        }
        prev = link(leaf);
        read.push(entry);
    }
    Ok(read)
}

/// Reads whole entries from the beginning of these bytes, and says how many bytes they take.
/// Nothing is verified: it is for looking at a log that is still being written.
pub fn skim(bytes: &[u8]) -> (Vec<Entry>, usize) {
    let (mut entries, mut read) = (Vec::new(), 0);
    while let Some((head, rest)) = bytes[read..].split_first_chunk::<2>() {
        let long = usize::from(u16::from_be_bytes(*head));
        let Some(entry) = rest.get(..long).and_then(well_formed) else {
            break;
        };
        entries.push(entry);
        read += head.len() + long;
    }
    (entries, read)
}

/// The entry, if it is one and does not contradict itself.
fn well_formed(leaf: &[u8]) -> Option<Entry> {
    let entry: Entry = serde_json::from_slice(leaf).ok()?;
    let consistent = match (&entry.decision, &entry.refusal) {
        (Decision::Permit, None) => true,
        (Decision::Refuse, Some(name)) => Refusal::from_name(name).is_some(),
        (Decision::Permit, Some(_)) | (Decision::Refuse, None) => false,
    };
    consistent.then_some(entry)
}

/// What the entry after this one must say in `prev`.
fn link(leaf: &[u8]) -> String {
    let mut context = Context::new(&SHA256);
    context.update(&[0]);
    context.update(leaf);
    let digest = context.finish();
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}

/// Where the chain first breaks, in a log whose root is wrong: the entry that the one after it no
/// longer confirms. If the chain holds, it is the last entry that nothing confirms.
fn first_suspect(mut entries: &[u8], size: u64) -> u64 {
    let last = size.saturating_sub(1);
    let mut prev = String::new();
    for seq in 0..size {
        let Some((head, rest)) = entries.split_first_chunk::<2>() else {
            return seq;
        };
        let Some((leaf, rest)) = rest.split_at_checked(usize::from(u16::from_be_bytes(*head)))
        else {
            return seq;
        };
        match well_formed(leaf) {
            Some(entry) if entry.prev == prev => {}
            // A changed entry is unchanged where it points back: it is the next that disowns it.
            Some(entry) if entry.seq == seq => return seq.saturating_sub(1),
            _ => return seq,
        }
        prev = link(leaf);
        entries = rest;
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::specimen::{NODE, Place, draft};
    use super::super::{FOLDER, origin};
    use super::*;
    use ca::tlog::log::Log;

    /// What is said of a log that its own node wrote and signed with these entries.
    fn said(entries: &[Entry]) -> Result<Vec<Entry>, AuditFlaw> {
        let leaves: Vec<Vec<u8>> = entries
            .iter()
            .map(|entry| serde_json::to_vec(entry).unwrap())
            .collect();
        said_of(&leaves)
    }

    fn said_of(leaves: &[Vec<u8>]) -> Result<Vec<Entry>, AuditFlaw> {
        let place = Place::new();
        let (mut log, _) = Log::open(&place.shared(), FOLDER, &origin(NODE), place.key()).unwrap();
        for leaf in leaves {
            log.append(leaf).unwrap();
        }
        log.commit().unwrap();
        place.verify()
    }

    fn good() -> Vec<Entry> {
        Place::filled(4).verify().unwrap()
    }

    /// Where each entry of a log begins, its length included.
    fn starts(entries: &[u8]) -> Vec<usize> {
        let (mut starts, mut at) = (vec![], 0);
        while at < entries.len() {
            starts.push(at);
            at += 2 + usize::from(entries[at]) * 256 + usize::from(entries[at + 1]);
        }
        starts
    }

    #[test]
    fn a_good_log_gives_its_entries() {
        let entries = good();
        assert_eq!(entries.len(), 4);
        assert_eq!(entries[3].request, "q3");
        assert_eq!(entries[0].prev, "");
        assert_eq!(said(&entries), Ok(entries));
    }

    #[test]
    fn no_byte_of_an_entry_can_be_changed() {
        let place = Place::filled(4);
        let (whole, checkpoint) = (place.read("entries"), place.read("checkpoint"));
        let starts = starts(&whole);
        for at in 0..whole.len() {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            let flaw = verify(NODE, &changed, &checkpoint, &place.verifying()).unwrap_err();
            let entry = starts.iter().rposition(|start| *start <= at).unwrap() as u64;
            match flaw {
                AuditFlaw::Tampered { at: named } => {
                    assert!(named == entry || named + 1 == entry, "{at}: {flaw}");
                }
                AuditFlaw::Truncated { .. } => assert!(at < starts[entry as usize] + 2),
                _ => panic!("{at}: {flaw}"),
            }
        }
    }

    #[test]
    fn the_entry_that_was_changed_is_named() {
        let place = Place::filled(4);
        let (whole, checkpoint) = (place.read("entries"), place.read("checkpoint"));
        for n in 0..4 {
            let needle = format!("\"q{n}\"");
            let at = whole
                .windows(needle.len())
                .position(|window| window == needle.as_bytes())
                .unwrap();
            let mut changed = whole.clone();
            changed[at + 1] = b'z';
            let flaw = verify(NODE, &changed, &checkpoint, &place.verifying());
            assert_eq!(flaw, Err(AuditFlaw::Tampered { at: n }));
        }
    }

    #[test]
    fn no_entry_can_be_left_out_swapped_or_cut_off() {
        let place = Place::filled(4);
        let (whole, checkpoint) = (place.read("entries"), place.read("checkpoint"));
        let judge = |entries: &[u8]| verify(NODE, entries, &checkpoint, &place.verifying());
        let starts = starts(&whole);
        let without = [&whole[..starts[1]], &whole[starts[2]..]].concat();
        let truncated = |found| AuditFlaw::Truncated { promised: 4, found };
        assert_eq!(judge(&without), Err(truncated(3)));
        assert_eq!(judge(&whole[..whole.len() - 1]), Err(truncated(3)));
        assert_eq!(judge(&whole[..starts[2]]), Err(truncated(2)));
        assert_eq!(judge(&[]), Err(truncated(0)));
        let swapped = [
            &whole[..starts[1]],
            &whole[starts[2]..starts[3]],
            &whole[starts[1]..starts[2]],
            &whole[starts[3]..],
        ]
        .concat();
        assert_eq!(judge(&swapped), Err(AuditFlaw::Tampered { at: 1 }));
    }

    #[test]
    fn a_torn_tail_was_promised_to_nobody() {
        let place = Place::filled(2);
        let (whole, checkpoint) = (place.read("entries"), place.read("checkpoint"));
        for tail in [&b"\0"[..], b"\0\x09{\"no", b"\0\x02{}"] {
            let torn = [&whole, tail].concat();
            let entries = verify(NODE, &torn, &checkpoint, &place.verifying()).unwrap();
            assert_eq!(entries.len(), 2);
        }
    }

    #[test]
    fn a_checkpoint_that_is_not_the_nodes_is_named() {
        let (place, other) = (Place::filled(2), Place::filled(2));
        let (entries, checkpoint) = (place.read("entries"), place.read("checkpoint"));
        let key = place.verifying();
        let bad = Err(AuditFlaw::BadSignature);
        assert_eq!(verify(NODE, &entries, &checkpoint, &other.verifying()), bad);
        assert_eq!(verify("records.north", &entries, &checkpoint, &key), bad);
        assert_eq!(verify(NODE, &entries, &[], &key), bad);
        for at in 0..checkpoint.len() {
            let mut changed = checkpoint.clone();
            changed[at] ^= 1;
            assert_eq!(verify(NODE, &entries, &changed, &key), bad, "byte {at}");
        }
    }

    #[test]
    fn what_a_node_signed_must_still_be_one_story() {
        let change = |at: usize, change: fn(&mut Entry)| {
            let mut entries = good();
            change(&mut entries[at]);
            said(&entries).unwrap_err()
        };
        assert_eq!(change(2, |e| e.seq = 3), AuditFlaw::Gap { seq: 2 });
        let foreign = change(1, |e| e.node = "records.north".to_owned());
        assert_eq!(foreign, AuditFlaw::ForeignNode { seq: 1 });
        let broken = AuditFlaw::BrokenChain { seq: 2 };
        assert_eq!(change(2, |e| e.prev.clear()), broken);
        assert_eq!(change(1, |e| e.request.push('x')), broken);
        let first = change(0, |e| e.prev.push('0'));
        assert_eq!(first, AuditFlaw::BrokenChain { seq: 0 });
        let mut left_out = good();
        left_out.remove(1);
        assert_eq!(said(&left_out), Err(AuditFlaw::Gap { seq: 1 }));
    }

    #[test]
    fn an_entry_that_contradicts_itself_is_malformed() {
        let change = |change: fn(&mut Entry)| {
            let mut entries = good();
            change(&mut entries[1]);
            said(&entries).unwrap_err()
        };
        let malformed = AuditFlaw::Malformed { seq: 1 };
        assert_eq!(change(|e| e.decision = Decision::Refuse), malformed);
        let excused = change(|e| e.refusal = Some("policy-stale".to_owned()));
        assert_eq!(excused, malformed);
        let unknown = change(|e| {
            e.decision = Decision::Refuse;
            e.refusal = Some("because".to_owned());
        });
        assert_eq!(unknown, malformed);
        let first = serde_json::to_vec(&good()[0]).unwrap();
        for junk in [&b""[..], b"{}", b"\xff", b"[]", b"null"] {
            let said = said_of(&[first.clone(), junk.to_vec()]);
            assert_eq!(said, Err(malformed), "{junk:?}");
        }
        let draft = draft("more");
        let text = serde_json::to_string(&draft.placed(NODE, 0, None)).unwrap();
        let more = text.replacen('{', r#"{"more":1,"#, 1);
        assert_eq!(
            said_of(&[more.into_bytes()]),
            Err(AuditFlaw::Malformed { seq: 0 })
        );
    }
}
