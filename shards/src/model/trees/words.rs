//! What a plan is made of: words of leaf bits, the tests that clear them, and tables of leaf values.

/// Leaves in a word.
pub(super) const WORD: usize = 32;
/// Rows in a lane group: the values of one column, or one sum, that lie together.
pub(super) const LANES: usize = 16;

/// One value for each of [`LANES`] rows, aligned for the widest loads.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[repr(C, align(64))]
pub(super) struct Lanes<T>(pub(super) [T; LANES]);

/// Which bit of a word is its first leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BitOrder {
    /// The lowest: found by counting trailing zeros.
    LowestFirst,
    /// The highest: found by counting leading zeros.
    HighestFirst,
}

/// One test of a word: rows that fail it keep only the leaves in `keep`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct MaskEntry<T> {
    pub(super) threshold: T,
    /// The column's place in the block.
    pub(super) column: u32,
    pub(super) keep: u32,
}

/// A test for a set of categories: rows that fail it keep only the leaves in `keep`.
#[derive(Debug, Clone, Copy)]
pub(super) struct MemberEntry {
    /// The column's place in the block.
    pub(super) column: u32,
    pub(super) keep: u32,
    /// The set's first word.
    pub(super) words: u32,
    /// How many bits the set has, a multiple of 32.
    pub(super) bits: u32,
}

/// The entries of one word, sorted by what they test: `x <= t` with NaN failing, `x <= t` with NaN
/// passing, `x == t` with NaN failing, `x == t` with NaN passing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) start: u32,
    /// Where the entries of each kind end.
    pub(super) ends: [u32; 4],
    /// Its tests for sets: where those start that NaN fails, where those that NaN passes, the end.
    pub(super) members: [u32; 3],
}

/// How a tree's leaf is found.
#[derive(Debug, Clone, Copy)]
pub(super) enum Finder {
    /// One word; at most 16 leaves.
    HalfWord(u32),
    /// One word.
    OneWord(u32),
    /// Two words, the second follows the first.
    TwoWords(u32),
    /// This first word, and so many in all.
    Words(u32, u32),
    /// A walk that starts at this node.
    Walk(u32),
}

/// The values that a tree's leaves add to one sum, leaf by leaf.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    pub(super) sum: u32,
    /// Where the values start; there are at least as many as the tree's [`Finder`] can name: 16,
    /// 32 for each word, or one for each leaf.
    pub(super) values: u32,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct TreePlan {
    pub(super) finder: Finder,
    pub(super) tables: (u32, u32),
}
