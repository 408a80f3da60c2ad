//! Merkle proofs: the one that the tree gives proves, and no other does.

use std::sync::LazyLock;

use ca::tlog::proof::{MAX_PROOF, verify_consistency, verify_inclusion};
use ca::tlog::tree::{Hash, Tree, empty_root, leaf_hash};

/// Leaves of the tree that proofs are about.
const LEAVES: u64 = 40;

static TREE: LazyLock<Tree> = LazyLock::new(|| tree(0));

/// A tree that has nothing in common with the other.
static FORK: LazyLock<Tree> = LazyLock::new(|| tree(1_000));

fn tree(first: u64) -> Tree {
    let mut tree = Tree::new();
    for index in first..first + LEAVES {
        tree.push(leaf_hash(&index.to_be_bytes()));
    }
    tree
}

/// What is left of an input.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let (taken, rest) = self.0.split_at(self.0.len().min(N));
        self.0 = rest;
        let mut out = [0; N];
        out[..taken.len()].copy_from_slice(taken);
        out
    }

    fn byte(&mut self) -> u8 {
        self.take::<1>()[0]
    }

    fn below(&mut self, end: u64) -> u64 {
        u64::from(self.byte()) % end
    }

    fn number(&mut self) -> u64 {
        u64::from_be_bytes(self.take())
    }

    /// A proof with what remains of the input done to it.
    fn changed(&mut self, proof: &[Hash]) -> Vec<Hash> {
        let mut proof = proof.to_vec();
        while !self.0.is_empty() && proof.len() <= MAX_PROOF + 2 {
            let (what, at) = (self.byte(), usize::from(self.byte()));
            let at = at % proof.len().max(1);
            match what % 4 {
                0 => proof.insert(at, self.take()),
                1 if !proof.is_empty() => proof[at][usize::from(what / 8)] ^= self.byte(),
                2 if !proof.is_empty() => drop(proof.remove(at)),
                3 if !proof.is_empty() => proof.rotate_left(at),
                _ => {}
            }
        }
        proof
    }
}

/// What the input asks for: one of the tree's own proofs, changed or not, or one of nothing.
pub fn proof(data: &[u8]) {
    let mut input = Input(data);
    match input.byte() % 4 {
        0 => inclusion(&mut input),
        1 => consistency(&mut input),
        2 => included_in_nothing(&mut input),
        _ => consistent_with_nothing(&mut input),
    }
}

fn inclusion(input: &mut Input<'_>) {
    let size = 1 + input.below(LEAVES);
    let of = input.below(size);
    let claimed = input.below(LEAVES + 9);
    let right = TREE.inclusion(of, size).expect("the tree has it");
    let (leaf, root) = (TREE.leaf(of), TREE.root_at(size));
    let (leaf, root) = (leaf.expect("the tree has it"), root.expect("and its root"));
    let proof = input.changed(&right);
    let verdict = verify_inclusion(claimed, size, &leaf, &proof, &root);
    let is_right = claimed == of && proof == right;
    assert_eq!(
        verdict.is_ok(),
        is_right,
        "{of} as {claimed} in {size}: {verdict:?}"
    );
}

fn consistency(input: &mut Input<'_>) {
    let (old, new) = (input.below(LEAVES + 1), input.below(LEAVES + 1));
    let from = if input.byte().is_multiple_of(2) {
        &*TREE
    } else {
        &*FORK
    };
    let roots = (from.root_at(old), TREE.root_at(new));
    let (old_root, new_root) = (roots.0.expect("it has it"), roots.1.expect("it has it"));
    let right = TREE.consistency(old, new);
    let proof = input.changed(right.as_deref().unwrap_or_default());
    let verdict = verify_consistency(old, &old_root, new, &new_root, &proof);
    let is_right = TREE.root_at(old) == Some(old_root) && right.as_ref() == Some(&proof);
    assert_eq!(verdict.is_ok(), is_right, "{old} to {new}: {verdict:?}");
}

/// The root is one that nobody can aim at: of one chosen by the input, a proof is easily had.
fn aimed_at() -> Hash {
    TREE.root()
}

fn included_in_nothing(input: &mut Input<'_>) {
    let (index, size) = (input.number(), input.number());
    let (leaf, root) = (input.take(), aimed_at());
    let proof = input.changed(&[]);
    if verify_inclusion(index, size, &leaf, &proof, &root).is_ok() {
        assert_eq!((index, size, leaf), (0, 1, root), "a hash was found");
    }
}

fn consistent_with_nothing(input: &mut Input<'_>) {
    let (old, new) = (input.number(), input.number());
    let (old_root, new_root) = (input.take(), aimed_at());
    let proof = input.changed(&[]);
    if verify_consistency(old, &old_root, new, &new_root, &proof).is_ok() {
        let same = old == new && old_root == new_root;
        assert!(proof.is_empty() && (same || old == 0), "a hash was found");
        assert!(old > 0 || old_root == empty_root());
    }
}
