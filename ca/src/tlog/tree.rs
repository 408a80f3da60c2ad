//! The Merkle tree of RFC 6962, section 2.1, held in memory.
//!
//! It only grows, and it answers for every size that it ever had. Level `l` keeps the hashes of
//! the complete subtrees of `2^l` leaves, so that no hash is computed twice. It refuses, with
//! `None`, every size or index that it does not reach.

use ring::digest::{Context, SHA256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

fn sha256(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of an entry. Leaves and inner nodes differ in their first byte, so that neither can
/// pass for the other.
pub fn leaf_hash(entry: &[u8]) -> Hash {
    sha256(&[&[0], entry])
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root of a tree without leaves.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// A tree in memory, all levels.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// A tree without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a leaf, by its hash, and returns its index.
    pub fn push(&mut self, leaf_hash: Hash) -> u64 {
        let index = self.size();
        let mut hash = leaf_hash;
        for level in 0.. {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let row = &mut self.levels[level];
            row.push(hash);
            if row.len() % 2 == 1 {
                break;
            }
            hash = node_hash(&row[row.len() - 2], &row[row.len() - 1]);
        }
        index
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// The hash of the leaf at `index`.
    pub fn leaf(&self, index: u64) -> Option<Hash> {
        let leaves = self.levels.first()?;
        leaves.get(usize::try_from(index).ok()?).copied()
    }

    /// Its root.
    pub fn root(&self) -> Hash {
        self.range(0, self.size())
    }

    /// The root that it had at `size` leaves; `None` if it never had as many.
    pub fn root_at(&self, size: u64) -> Option<Hash> {
        (size <= self.size()).then(|| self.range(0, size))
    }

    /// The proof that the leaf at `index` is in the tree of `size` leaves, from the leaf upwards.
    pub fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut low, mut high) = (0, size);
        let mut proof = Vec::new();
        while high - low > 1 {
            let middle = low + split(high - low);
            if index < middle {
                proof.push(self.range(middle, high));
                high = middle;
            } else {
                proof.push(self.range(low, middle));
                low = middle;
            }
        }
        proof.reverse();
        Some(proof)
    }

    /// The proof that the tree of `new` leaves extends the one of `old` leaves. It is empty if
    /// they are the same, or if `old` is zero: everything extends nothing.
    pub fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        let (mut low, mut high) = (0, new);
        let mut proof = Vec::new();
        while old != 0 && old != high {
            let middle = low + split(high - low);
            if old <= middle {
                proof.push(self.range(middle, high));
                high = middle;
            } else {
                proof.push(self.range(low, middle));
                low = middle;
            }
        }
        // Whoever verifies knows the old root itself, but not a part of it.
        if low > 0 {
            proof.push(self.range(low, high));
        }
        proof.reverse();
        Some(proof)
    }

    /// The root over the leaves from `low` to before `high`, where `low` is a multiple of the
    /// largest power of two that is at most `high - low`.
    fn range(&self, low: u64, high: u64) -> Hash {
        match high - low {
            0 => empty_root(),
            width if width.is_power_of_two() => {
                let row = &self.levels[width.trailing_zeros() as usize];
                row[usize::try_from(low / width).expect("a row in memory has a usize of hashes")]
            }
            width => {
                let middle = low + split(width);
                node_hash(&self.range(low, middle), &self.range(middle, high))
            }
        }
    }
}

/// The largest power of two below `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (u64::BITS - 1 - (width - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves that RFC 6962 implementations share, and the starts of the roots over the
    /// first 1 to 8 of them.
    const LEAVES: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    const ROOTS: [u32; 8] = [
        0x6e34_0b9c,
        0xfac5_4203,
        0xaeb6_bcfe,
        0xd37e_e418,
        0x4e3b_bb1f,
        0x76e6_7dad,
        0xddb8_9be4,
        0x5dc9_da79,
    ];

    fn start(hash: &Hash) -> u32 {
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }

    #[test]
    fn the_known_roots_come_out() {
        let mut tree = Tree::new();
        assert_eq!(start(&tree.root()), 0xe3b0_c442);
        for (leaf, root) in LEAVES.iter().zip(ROOTS) {
            tree.push(leaf_hash(leaf));
            assert_eq!(start(&tree.root()), root, "at size {}", tree.size());
        }
        for (size, root) in (1..).zip(ROOTS) {
            assert_eq!(start(&tree.root_at(size).unwrap()), root);
        }
    }

    #[test]
    fn what_lies_beyond_the_tree_is_refused() {
        let mut tree = Tree::new();
        assert_eq!(tree.inclusion(0, 0), None);
        tree.push(leaf_hash(b"a"));
        assert_eq!(tree.leaf(0), Some(leaf_hash(b"a")));
        assert_eq!(tree.leaf(1), None);
        assert_eq!(tree.root_at(2), None);
        assert_eq!(tree.inclusion(1, 1), None);
        assert_eq!(tree.inclusion(0, 2), None);
        assert_eq!(tree.consistency(1, 2), None);
        assert_eq!(tree.consistency(1, 0), None);
    }
}
