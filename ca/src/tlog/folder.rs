//! Offline verification of a log's two files, for whoever does not trust the log.
//!
//! It shares types with the writer and no code: entries are read and hashed here once more, in
//! another way, so that a mistake in [`super::log`] or [`super::tree`] does not vouch for itself.

use ring::digest::{Context, SHA256};

use super::checkpoint::SignedCheckpoint;
use super::log::LogError;
use super::note::VerifyingKey;
use super::tree::Hash;

/// Checks that `entries` begins with what `checkpoint`, signed by `key`, promises, and gives the
/// entries that it promises. Bytes beyond them were promised to nobody and are passed over.
///
/// # Errors
/// If the checkpoint is not the log's own, or the entries are not all there or not those.
pub fn verify_folder(
    entries: &[u8],
    checkpoint: &[u8],
    key: &VerifyingKey,
) -> Result<Vec<Vec<u8>>, LogError> {
    let signed = SignedCheckpoint::open(checkpoint, key)?.checkpoint;
    let mut found = Vec::new();
    let mut rest = entries;
    while (found.len() as u64) < signed.size {
        let Some((entry, after)) = first(rest) else {
            return Err(LogError::Truncated {
                size: signed.size,
                found: found.len() as u64,
            });
        };
        found.push(entry.to_vec());
        rest = after;
    }
    if root(&found) == signed.root {
        Ok(found)
    } else {
        Err(LogError::Tampered { size: signed.size })
    }
}

fn first(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [high, low, rest @ ..] = bytes else {
        return None;
    };
    rest.split_at_checked(usize::from(*high) << 8 | usize::from(*low))
}

/// The root, from complete subtrees merged as soon as two have the same number of leaves.
fn root(entries: &[Vec<u8>]) -> Hash {
    let mut subtrees: Vec<(u64, Hash)> = Vec::new();
    for entry in entries {
        subtrees.push((1, hash(&[b"\x00", entry])));
        while let [.., (left, a), (right, b)] = subtrees.as_slice()
            && left == right
        {
            let merged = (left + right, hash(&[b"\x01", a, b]));
            subtrees.truncate(subtrees.len() - 2);
            subtrees.push(merged);
        }
    }
    let joined = subtrees.into_iter().map(|(_, root)| root);
    joined
        .rev()
        .reduce(|right, left| hash(&[b"\x01", &left, &right]))
        .unwrap_or_else(|| hash(&[]))
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    parts.iter().for_each(|part| context.update(part));
    let digest = context.finish();
    digest.as_ref().try_into().expect("SHA-256 gives 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::tree::{Tree, leaf_hash};

    #[test]
    fn both_ways_of_hashing_agree() {
        let (mut tree, mut entries) = (Tree::new(), Vec::new());
        for index in 0..70_u64 {
            assert_eq!(root(&entries), tree.root(), "at size {index}");
            entries.push(index.to_be_bytes().to_vec());
            tree.push(leaf_hash(&index.to_be_bytes()));
        }
    }
}
