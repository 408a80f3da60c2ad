//! Verification of Merkle proofs: RFC 9162, sections 2.1.3.2 and 2.1.4.2, which hash as RFC 6962.
//!
//! It needs no tree and trusts nothing but the roots it is given. It refuses a proof that is one
//! hash too long or too short; that is what makes a proof's position and sizes part of what it
//! proves.

use super::tree::{Hash, empty_root, node_hash};

/// The most hashes that a proof may have: no tree is deeper.
pub const MAX_PROOF: usize = 63;

/// Why a proof does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProof {
    /// The leaf would lie outside the tree.
    #[error("index {index} is not below the size {size}")]
    IndexBeyondSize {
        /// The leaf's index.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The number of hashes is not that of a proof for these sizes.
    #[error("a proof for these sizes does not have {hashes} hashes")]
    WrongLength {
        /// How many hashes it has.
        hashes: usize,
    },
    /// The hashes lead to another root.
    #[error("the proof leads to another root")]
    WrongRoot,
    /// A tree cannot get smaller.
    #[error("size {new} is below the earlier size {old}")]
    Shrinks {
        /// The earlier size.
        old: u64,
        /// The later size.
        new: u64,
    },
}

/// Checks that `leaf` (a leaf hash) is at `index` in the tree of `size` leaves with this root.
///
/// # Errors
/// Whatever about the proof does not fit.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: &Hash,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), InvalidProof> {
    if index >= size {
        return Err(InvalidProof::IndexBeyondSize { index, size });
    }
    let wrong_length = InvalidProof::WrongLength {
        hashes: proof.len(),
    };
    if proof.len() > MAX_PROOF {
        return Err(wrong_length);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for other in proof {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(other, &hash);
            skip_lone_nodes(&mut node, &mut last);
        } else {
            hash = node_hash(&hash, other);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    match (last, hash == *root) {
        (0, true) => Ok(()),
        (0, false) => Err(InvalidProof::WrongRoot),
        _ => Err(wrong_length),
    }
}

/// Checks that the tree of `new_size` leaves with `new_root` extends that of `old_size` leaves
/// with `old_root`. Every tree extends the empty one; the proof of that is empty.
///
/// # Errors
/// Whatever about the proof does not fit.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), InvalidProof> {
    let wrong_length = InvalidProof::WrongLength {
        hashes: proof.len(),
    };
    let matches = |fits: bool| fits.then_some(()).ok_or(InvalidProof::WrongRoot);
    if old_size > new_size {
        return Err(InvalidProof::Shrinks {
            old: old_size,
            new: new_size,
        });
    }
    if old_size == 0 || old_size == new_size {
        if !proof.is_empty() {
            return Err(wrong_length);
        }
        let empties = [(old_size, old_root), (new_size, new_root)];
        matches(
            empties
                .into_iter()
                .all(|(size, root)| size != 0 || *root == empty_root())
                && (old_size != new_size || old_root == new_root),
        )?;
        return Ok(());
    }
    // An old tree that is a complete subtree of the new one is its own first hash.
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, proof)
    } else {
        proof.split_first().ok_or(wrong_length)?
    };
    if proof.len() > MAX_PROOF {
        return Err(wrong_length);
    }
    let shift = (old_size - 1).trailing_ones();
    let (mut node, mut last) = ((old_size - 1) >> shift, (new_size - 1) >> shift);
    let (mut old_hash, mut new_hash) = (*first, *first);
    for other in rest {
        if last == 0 {
            return Err(wrong_length);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(other, &old_hash);
            new_hash = node_hash(other, &new_hash);
            skip_lone_nodes(&mut node, &mut last);
        } else {
            new_hash = node_hash(&new_hash, other);
        }
        (node, last) = (node >> 1, last >> 1);
    }
    if last != 0 {
        return Err(wrong_length);
    }
    matches(old_hash == *old_root && new_hash == *new_root)
}

/// A node without a sibling on the right is its own parent: the proof has no hash for such levels.
fn skip_lone_nodes(node: &mut u64, last: &mut u64) {
    let shift = node.trailing_zeros();
    if *node == 0 {
        return;
    }
    (*node, *last) = (*node >> shift, *last >> shift);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::tree::{Tree, leaf_hash};

    fn tree(size: u64) -> Tree {
        let mut tree = Tree::new();
        for index in 0..size {
            tree.push(leaf_hash(&index.to_be_bytes()));
        }
        tree
    }

    #[test]
    fn every_leaf_of_every_size_is_provable_and_nowhere_else() {
        let tree = tree(40);
        for size in 1..=40 {
            let root = tree.root_at(size).unwrap();
            for index in 0..size {
                let proof = tree.inclusion(index, size).unwrap();
                let leaf = tree.leaf(index).unwrap();
                assert_eq!(verify_inclusion(index, size, &leaf, &proof, &root), Ok(()));
                for elsewhere in (0..size).filter(|other| *other != index) {
                    verify_inclusion(elsewhere, size, &leaf, &proof, &root).unwrap_err();
                }
                let longer = [proof.as_slice(), &[root]].concat();
                verify_inclusion(index, size, &leaf, &longer, &root).unwrap_err();
                let inner = proof.first().map_or(root, |other| node_hash(&leaf, other));
                assert_ne!(inner, leaf);
            }
        }
    }

    #[test]
    fn every_size_extends_every_earlier_one_and_no_other_tree() {
        let tree = tree(40);
        let mut other = Tree::new();
        for index in 0..40_u64 {
            other.push(leaf_hash(&(index + 1).to_be_bytes()));
        }
        for new in 0..=40 {
            let new_root = tree.root_at(new).unwrap();
            for old in 0..=new {
                let proof = tree.consistency(old, new).unwrap();
                let old_root = tree.root_at(old).unwrap();
                let verdict = verify_consistency(old, &old_root, new, &new_root, &proof);
                assert_eq!(verdict, Ok(()), "from {old} to {new}");
                let longer = [proof.as_slice(), &[new_root]].concat();
                verify_consistency(old, &old_root, new, &new_root, &longer).unwrap_err();
                if old > 0 {
                    let fork = other.root_at(old).unwrap();
                    verify_consistency(old, &fork, new, &new_root, &proof).unwrap_err();
                }
            }
        }
    }

    #[test]
    fn the_empty_tree_has_one_root() {
        let tree = tree(3);
        let verdict = verify_consistency(0, &tree.root(), 3, &tree.root(), &[]);
        assert_eq!(verdict, Err(InvalidProof::WrongRoot));
        let verdict = verify_consistency(0, &tree.root(), 0, &tree.root(), &[]);
        assert_eq!(verdict, Err(InvalidProof::WrongRoot));
    }

    #[test]
    fn a_tree_does_not_shrink() {
        let tree = tree(3);
        let verdict = verify_consistency(3, &tree.root(), 2, &tree.root_at(2).unwrap(), &[]);
        assert_eq!(verdict, Err(InvalidProof::Shrinks { old: 3, new: 2 }));
    }
}
