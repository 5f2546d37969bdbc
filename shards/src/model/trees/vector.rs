//! What the block kernels for x86-64 vectors have in common; `avx2` and `avx512` say how a
//! register of rows takes each step.
//!
//! A node costs one comparison and one masked AND for each register of rows. Nothing depends on
//! the data but deep walks.

use std::arch::x86_64::{_CMP_GT_OQ, _CMP_NEQ_OQ, _CMP_NEQ_UQ, _CMP_NLE_UQ};

use super::plan::Plan;
use super::portable::{self, Group};
use super::real::Real;
use super::words::{Finder, LANES, Lanes, MaskEntry, TreePlan, WORD, Word};

/// A set of categories; see `forest::CategorySets`.
#[derive(Clone, Copy)]
pub(super) struct Set<T> {
    pub(super) words: *const u32,
    pub(super) bits: u32,
    pub(super) least: T,
}

/// A register's worth of rows, on a CPU with certain features.
///
/// # Safety
/// All functions need the CPU's features, and to be inlined into a function that enables them.
pub(super) trait Vector {
    /// The precision of cells, values and sums.
    type Cell: Real;
    /// A 32-bit word for each row: leaf bits, or the number of a leaf.
    type Words: Copy;
    /// Rows in a register; 8 or 16.
    const ROWS: usize;

    /// The same word for all rows.
    unsafe fn splat(word: u32) -> Self::Words;

    /// Of rows whose cell compares to `threshold` as `FAILS` says, only the bits in `keep`.
    ///
    /// # Safety
    /// `cells` points to `ROWS` cells, aligned as their size.
    unsafe fn narrow<const FAILS: i32>(
        bits: Self::Words,
        cells: *const Self::Cell,
        threshold: Self::Cell,
        keep: u32,
    ) -> Self::Words;

    /// Of rows whose cell is not in `set`, only the bits in `keep`; a NaN cell is treated as one in
    /// it if `NAN_PASSES`.
    ///
    /// # Safety
    /// `cells` points to `ROWS` cells, aligned as their size, `set.words` to `set.bits / 32` words.
    unsafe fn narrow_to_members<const NAN_PASSES: bool>(
        bits: Self::Words,
        cells: *const Self::Cell,
        set: Set<Self::Cell>,
        keep: u32,
    ) -> Self::Words;

    /// The number of each row's first bit; anything where it has none.
    unsafe fn first_bit(bits: Self::Words) -> Self::Words;

    /// The number of each row's first bit, plus `start`; `other` where it has none.
    unsafe fn first_bit_or(bits: Self::Words, start: u32, other: Self::Words) -> Self::Words;

    /// Adds the values of `leaves` to `sums`.
    ///
    /// # Safety
    /// `sums` points to `ROWS` cells, aligned as their size; `values` to as many as `finder` can
    /// name, and it can name each of `leaves`.
    unsafe fn add_values(
        sums: *mut Self::Cell,
        values: *const Self::Cell,
        finder: Finder,
        leaves: Self::Words,
    );

    /// The words of as many rows.
    ///
    /// # Safety
    /// `words` points to `ROWS` words.
    unsafe fn read(words: *const u32) -> Self::Words;

    /// The leaves that the rows of a block reach in the tree whose root is node `root`.
    ///
    /// # Safety
    /// `root` is a root of the plan, and `block` has `GROUPS * ROWS` cells for each of its columns.
    #[inline(always)]
    unsafe fn walk<const GROUPS: usize, const MIXED: bool>(
        plan: &Plan<Self::Cell>,
        root: u32,
        block: &[Lanes<Self::Cell>],
    ) -> [Self::Words; GROUPS] {
        // SAFETY: as promised to this function.
        unsafe { walk::<Self, GROUPS, MIXED>(plan, root, block) }
    }
}

/// Walks eight rows at a time, with no instruction of the CPU's own.
///
/// # Safety
/// As [`Vector::walk`].
#[inline(always)]
pub(super) unsafe fn walk<V: Vector + ?Sized, const GROUPS: usize, const MIXED: bool>(
    plan: &Plan<V::Cell>,
    root: u32,
    block: &[Lanes<V::Cell>],
) -> [V::Words; GROUPS] {
    let parts = GROUPS * V::ROWS / LANES;
    let mut leaves = [[0; LANES]; GROUPS];
    for (group, leaves) in leaves.iter_mut().enumerate() {
        let eights = leaves[..V::ROWS].as_chunks_mut().0;
        let first = group * eights.len();
        for (eight, leaves) in eights.iter_mut().enumerate() {
            let rows = Group::new(block, parts, first + eight);
            *leaves = portable::walk(plan, root, &rows, MIXED);
        }
    }
    // SAFETY: each of the arrays has at least `ROWS` words.
    leaves.map(|leaves| unsafe { V::read(leaves.as_ptr()) })
}

/// Adds every tree's leaf values to `sums`; see `portable::add_trees`.
///
/// # Safety
/// As for [`Vector`]. `parts` is 1, 2 or 4. `block` has `parts` lane groups for each column of the
/// plan, `sums` as many for each of its sums; the plan's bits are in the order of `V::first_bit`.
///
/// All other indices come from the plan, and `Plan::new` keeps them in range: an entry's column is
/// one of the plan's columns; a word's entries and a finder's words exist; a table has a value for
/// every leaf its finder can name.
#[inline(always)]
pub(super) unsafe fn add_trees<V: Vector>(
    plan: &Plan<V::Cell>,
    block: &[Lanes<V::Cell>],
    parts: usize,
    mixed: bool,
    sums: &mut [Lanes<V::Cell>],
) {
    const { assert!(V::ROWS == LANES || V::ROWS * 2 == LANES) };
    // SAFETY: as promised to this function; the second number is that of registers in a block.
    unsafe {
        match (V::ROWS == LANES, parts, mixed) {
            (true, 1, false) => add_to::<V, 1, false>(plan, block, sums),
            (true, 1, true) => add_to::<V, 1, true>(plan, block, sums),
            (true, 2, false) | (false, 1, false) => add_to::<V, 2, false>(plan, block, sums),
            (true, 2, true) | (false, 1, true) => add_to::<V, 2, true>(plan, block, sums),
            (true, _, false) | (false, 2, false) => add_to::<V, 4, false>(plan, block, sums),
            (true, _, true) | (false, 2, true) => add_to::<V, 4, true>(plan, block, sums),
            (false, _, false) => add_to::<V, 8, false>(plan, block, sums),
            (false, _, true) => add_to::<V, 8, true>(plan, block, sums),
        }
    }
}

/// As [`add_trees`], for blocks of `GROUPS` registers.
///
/// # Safety
/// As [`add_trees`]; `block` and `sums` have `GROUPS * V::ROWS` cells for each column and sum.
#[inline(always)]
unsafe fn add_to<V: Vector, const GROUPS: usize, const MIXED: bool>(
    plan: &Plan<V::Cell>,
    block: &[Lanes<V::Cell>],
    sums: &mut [Lanes<V::Cell>],
) {
    for tree in plan.trees() {
        // SAFETY: as promised to this function.
        unsafe {
            let leaves = find::<V, GROUPS, MIXED>(plan, tree, block);
            for table in plan.tables_of(tree) {
                let values = plan.values().as_ptr().add(table.values as usize);
                let sums = sums.as_mut_ptr().cast::<V::Cell>();
                let sums = sums.add(table.sum as usize * GROUPS * V::ROWS);
                for (group, leaves) in leaves.into_iter().enumerate() {
                    V::add_values(sums.add(group * V::ROWS), values, tree.finder, leaves);
                }
            }
        }
    }
}

/// The leaf that each row reaches.
///
/// # Safety
/// As [`add_to`].
#[inline(always)]
unsafe fn find<V: Vector, const GROUPS: usize, const MIXED: bool>(
    plan: &Plan<V::Cell>,
    tree: &TreePlan,
    block: &[Lanes<V::Cell>],
) -> [V::Words; GROUPS] {
    // SAFETY: as promised to this function.
    unsafe {
        match tree.finder {
            Finder::HalfWord(word) | Finder::OneWord(word) => {
                let mut leaves = bits::<V, GROUPS, MIXED>(plan, word, block);
                for leaves in &mut leaves {
                    // Some bit is always left: the tree's leaf.
                    *leaves = V::first_bit(*leaves);
                }
                leaves
            }
            Finder::TwoWords(first) => find_in_words::<V, GROUPS, MIXED>(plan, first, 2, block),
            Finder::Words(first, count) => {
                find_in_words::<V, GROUPS, MIXED>(plan, first, count, block)
            }
            Finder::Walk(root) => V::walk::<GROUPS, MIXED>(plan, root, block),
        }
    }
}

/// # Safety
/// As [`add_to`].
#[inline(always)]
unsafe fn find_in_words<V: Vector, const GROUPS: usize, const MIXED: bool>(
    plan: &Plan<V::Cell>,
    first: u32,
    count: u32,
    block: &[Lanes<V::Cell>],
) -> [V::Words; GROUPS] {
    // SAFETY: as promised to this function.
    unsafe {
        let mut leaves = [V::splat(0); GROUPS];
        // Backwards, so that the first word with a leaf left has the last say.
        for word in (0..count).rev() {
            let bits = bits::<V, GROUPS, MIXED>(plan, first + word, block);
            for (leaves, bits) in leaves.iter_mut().zip(bits) {
                *leaves = V::first_bit_or(bits, word * WORD as u32, *leaves);
            }
        }
        leaves
    }
}

/// The leaves of a word that no test has excluded.
///
/// # Safety
/// As [`add_to`].
#[inline(always)]
unsafe fn bits<V: Vector, const GROUPS: usize, const MIXED: bool>(
    plan: &Plan<V::Cell>,
    word: u32,
    block: &[Lanes<V::Cell>],
) -> [V::Words; GROUPS] {
    let word = plan.word(word);
    let [at_most, nan_passes, equal, end] = word.ends.map(|end| end as usize);
    let start = word.start as usize;
    let entries = plan.entries();
    // SAFETY: as promised to this function.
    unsafe {
        let mut bits = [V::splat(u32::MAX); GROUPS];
        let of = |range| entries.get_unchecked::<std::ops::Range<usize>>(range);
        if MIXED {
            narrow::<V, GROUPS, _CMP_NLE_UQ>(&mut bits, of(start..at_most), block);
            narrow::<V, GROUPS, _CMP_GT_OQ>(&mut bits, of(at_most..nan_passes), block);
            narrow::<V, GROUPS, _CMP_NEQ_UQ>(&mut bits, of(nan_passes..equal), block);
            narrow::<V, GROUPS, _CMP_NEQ_OQ>(&mut bits, of(equal..end), block);
            if plan.has_sets() {
                exclude_by_sets::<V, GROUPS>(plan, word, block, &mut bits);
            }
        } else {
            narrow::<V, GROUPS, _CMP_NLE_UQ>(&mut bits, of(start..end), block);
        }
        bits
    }
}

/// Takes the leaves that the word's tests for sets exclude.
///
/// # Safety
/// As [`add_to`].
#[inline(always)]
unsafe fn exclude_by_sets<V: Vector, const GROUPS: usize>(
    plan: &Plan<V::Cell>,
    word: &Word,
    block: &[Lanes<V::Cell>],
    bits: &mut [V::Words; GROUPS],
) {
    let [start, nan_passes, end] = word.members.map(|place| place as usize);
    let (words, least) = (plan.sets.words().as_ptr(), V::Cell::from_f64(plan.sets.least));
    let block = block.as_ptr().cast::<V::Cell>();
    for (at, entry) in (start..end).zip(&plan.member_entries()[start..end]) {
        for (group, bits) in bits.iter_mut().enumerate() {
            // SAFETY: as promised to this function; `Plan::new` takes a set's words and bits from
            // the sets that the plan holds.
            *bits = unsafe {
                let cells = block.add((entry.column as usize * GROUPS + group) * V::ROWS);
                let set = words.add(entry.words as usize);
                let set = Set { words: set, bits: entry.bits, least };
                if at < nan_passes {
                    V::narrow_to_members::<false>(*bits, cells, set, entry.keep)
                } else {
                    V::narrow_to_members::<true>(*bits, cells, set, entry.keep)
                }
            };
        }
    }
}

/// Takes the leaves that each entry excludes from the rows for which `FAILS` holds.
///
/// # Safety
/// As [`add_to`].
#[inline(always)]
unsafe fn narrow<V: Vector, const GROUPS: usize, const FAILS: i32>(
    bits: &mut [V::Words; GROUPS],
    entries: &[MaskEntry<V::Cell>],
    block: &[Lanes<V::Cell>],
) {
    let block = block.as_ptr().cast::<V::Cell>();
    for entry in entries {
        for (group, bits) in bits.iter_mut().enumerate() {
            // SAFETY: as promised to this function; lane groups are aligned to 64 bytes.
            *bits = unsafe {
                let cells = block.add((entry.column as usize * GROUPS + group) * V::ROWS);
                V::narrow::<FAILS>(*bits, cells, entry.threshold, entry.keep)
            };
        }
    }
}
