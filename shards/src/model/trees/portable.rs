//! The block kernel that needs nothing of the CPU: plain loops over lanes, which the compiler
//! turns into whatever vectors the target has.

use super::deep::DeepNode;
use super::plan::Plan;
use super::real::Real;
use super::words::{BitOrder, Finder, LANES, Lanes, TreePlan, WORD, Word};

/// The most words that are faster than a walk.
pub(super) const WORDS_MAX: usize = 2;
/// Rows handled together: few enough for their leaf bits to stay in registers.
pub(super) const GROUP: usize = 8;

/// Adds every tree's leaf values to `sums`, for the rows of a block of `parts` lane groups.
///
/// Column `c` of the block is `block[c * parts..][..parts]`, sum `s` is `sums[s * parts..]
/// [..parts]`. The plan's bits are lowest first.
///
/// # Panics
/// If the plan's bits are highest first, or a slice is shorter than the plan needs.
pub(super) fn add_trees<T: Real>(
    plan: &Plan<T>,
    block: &[Lanes<T>],
    parts: usize,
    mixed: bool,
    sums: &mut [Lanes<T>],
) {
    assert_eq!(plan.order(), BitOrder::LowestFirst);
    for tree in plan.trees() {
        for part in 0..parts {
            for group in 0..LANES / GROUP {
                let rows = Group::new(block, parts, part * (LANES / GROUP) + group);
                let leaves = find(plan, tree, &rows, mixed);
                for table in plan.tables_of(tree) {
                    let values = &plan.values()[table.values as usize..];
                    let sums = &mut sums[table.sum as usize * parts + part].0;
                    for (sum, leaf) in sums[rows.half * GROUP..][..GROUP].iter_mut().zip(leaves) {
                        *sum = *sum + values[leaf as usize];
                    }
                }
            }
        }
    }
}

/// Eight rows of a block.
pub(super) struct Group<'a, T> {
    block: &'a [Lanes<T>],
    parts: usize,
    part: usize,
    /// 0 or 1.
    half: usize,
}

impl<'a, T> Group<'a, T> {
    /// The `group`th eight rows of a block of `parts` lane groups.
    pub(super) fn new(block: &'a [Lanes<T>], parts: usize, group: usize) -> Self {
        let halves = LANES / GROUP;
        Self { block, parts, part: group / halves, half: group % halves }
    }

    #[inline]
    fn column(&self, column: u32) -> &[T; GROUP] {
        let lanes = &self.block[column as usize * self.parts + self.part].0;
        &lanes.as_chunks::<GROUP>().0[self.half]
    }
}

fn find<T: Real>(
    plan: &Plan<T>,
    tree: &TreePlan,
    rows: &Group<'_, T>,
    mixed: bool,
) -> [u32; GROUP] {
    match tree.finder {
        Finder::HalfWord(word) | Finder::OneWord(word) => {
            bits(plan, plan.word(word), rows, mixed).map(u32::trailing_zeros)
        }
        Finder::TwoWords(first) => find_in_words(plan, first, 2, rows, mixed),
        Finder::Words(first, count) => find_in_words(plan, first, count, rows, mixed),
        Finder::Walk(root) => walk(plan, root, rows, mixed),
    }
}

fn find_in_words<T: Real>(
    plan: &Plan<T>,
    first: u32,
    count: u32,
    rows: &Group<'_, T>,
    mixed: bool,
) -> [u32; GROUP] {
    let mut leaves = [0; GROUP];
    for word in (0..count).rev() {
        let bits = bits(plan, plan.word(first + word), rows, mixed);
        for (leaf, bits) in leaves.iter_mut().zip(bits) {
            let here = word * WORD as u32 + bits.trailing_zeros();
            *leaf = if bits == 0 { *leaf } else { here };
        }
    }
    leaves
}

/// The leaves of a word that no test has excluded.
#[inline]
fn bits<T: Real>(plan: &Plan<T>, word: &Word, rows: &Group<'_, T>, mixed: bool) -> [u32; GROUP] {
    let entries = plan.entries();
    let [at_most, nan_passes, equal, end] = word.ends.map(|end| end as usize);
    let start = word.start as usize;
    let mut bits = [u32::MAX; GROUP];
    if !mixed {
        for entry in &entries[start..end] {
            let t = entry.threshold;
            narrow(&mut bits, rows.column(entry.column), entry.keep, |x| x <= t);
        }
        return bits;
    }
    for entry in &entries[start..at_most] {
        let t = entry.threshold;
        narrow(&mut bits, rows.column(entry.column), entry.keep, |x| x <= t);
    }
    for entry in &entries[at_most..nan_passes] {
        let t = entry.threshold;
        narrow(&mut bits, rows.column(entry.column), entry.keep, |x| (x <= t) | x.is_nan());
    }
    for entry in &entries[nan_passes..equal] {
        let t = entry.threshold;
        narrow(&mut bits, rows.column(entry.column), entry.keep, |x| x == t);
    }
    for entry in &entries[equal..end] {
        let t = entry.threshold;
        narrow(&mut bits, rows.column(entry.column), entry.keep, |x| (x == t) | x.is_nan());
    }
    if plan.has_sets() {
        exclude_by_sets(plan, word, rows, &mut bits);
    }
    bits
}

fn exclude_by_sets<T: Real>(
    plan: &Plan<T>,
    word: &Word,
    rows: &Group<'_, T>,
    bits: &mut [u32; GROUP],
) {
    let [start, nan_passes, end] = word.members.map(|place| place as usize);
    let (words, least) = (plan.sets.words(), plan.sets.least);
    let entries = plan.member_entries();
    for (at, entry) in (start..end).zip(&entries[start..end]) {
        let words = &words[entry.words as usize..][..entry.bits as usize / 32];
        let or_nan = at >= nan_passes;
        narrow(bits, rows.column(entry.column), entry.keep, |x| {
            let (x, place) = (x.to_f64(), x.to_f64() as u64);
            let word = words.get(place as usize / 32).copied().unwrap_or(0);
            let is_in = x >= least && word >> (place % 32) & 1 == 1;
            is_in || (or_nan && x.is_nan())
        });
    }
}

#[inline]
fn narrow<T: Real>(
    bits: &mut [u32; GROUP],
    cells: &[T; GROUP],
    keep: u32,
    passes: impl Fn(T) -> bool,
) {
    for (bits, cell) in bits.iter_mut().zip(cells) {
        let all_if_passes = 0_u32.wrapping_sub(u32::from(passes(*cell)));
        *bits &= keep | all_if_passes;
    }
}

/// Walks eight rows down a tree until none moves any more.
#[inline]
pub(super) fn walk<T: Real>(
    plan: &Plan<T>,
    root: u32,
    rows: &Group<'_, T>,
    mixed: bool,
) -> [u32; GROUP] {
    if plan.has_sets() {
        walk_by(plan.nodes(), root, rows, |node, cell| node.next_with_sets(cell, &plan.sets))
    } else if mixed {
        walk_by(plan.nodes(), root, rows, DeepNode::next)
    } else {
        walk_by(plan.nodes(), root, rows, DeepNode::next_if_at_most)
    }
}

#[inline]
fn walk_by<T: Real>(
    nodes: &[DeepNode<T>],
    root: u32,
    rows: &Group<'_, T>,
    next: impl Fn(&DeepNode<T>, T) -> u32,
) -> [u32; GROUP] {
    let mut at = [root; GROUP];
    loop {
        let mut moved = 0;
        for (lane, at) in at.iter_mut().enumerate() {
            let node = &nodes[*at as usize];
            let to = next(node, rows.column(node.place())[lane]);
            moved |= to ^ *at;
            *at = to;
        }
        if moved == 0 {
            return at.map(|at| nodes[at as usize].leaf);
        }
    }
}
