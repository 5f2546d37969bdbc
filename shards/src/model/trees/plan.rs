//! An ensemble laid out for the kernels that score a block of rows, tree by tree.
//!
//! A tree of few leaves becomes words of leaf bits (`QuickScorer`: Lucchese et al., SIGIR 2015). A
//! word starts with all bits set; a row that fails a test loses the leaves below the test's `yes`
//! side; the first bit left, over all words of the tree, is the leaf that the row reaches. Tests
//! are independent of each other, so nothing waits for a branch. A tree of more leaves is walked.

use super::deep::{self, DeepNode};
use super::ensemble::{Branch, Child, Ensemble, Test, Tree};
use super::real::Real;
use super::words::{BitOrder, Finder, LANES, MaskEntry, MemberEntry, Table, TreePlan, WORD, Word};
use crate::model::forest::CategorySets;

/// The layout. Every index in it is in range; [`Plan::new`] is the only way to make one.
#[derive(Debug, Clone)]
pub(super) struct Plan<T> {
    /// Which column of a row each column of a block is.
    columns: Vec<u32>,
    trees: Vec<TreePlan>,
    words: Vec<Word>,
    entries: Vec<MaskEntry<T>>,
    member_entries: Vec<MemberEntry>,
    /// What the members' entries and the nodes ask for.
    pub(super) sets: CategorySets,
    nodes: Vec<DeepNode<T>>,
    tables: Vec<Table>,
    values: Vec<T>,
    sums: usize,
    order: BitOrder,
    only_at_most: bool,
    nan_may_pass: bool,
    steps: f64,
}

impl<T: Real> Plan<T> {
    /// Lays `ensemble` out; trees of more than `words_max` words are walked.
    ///
    /// None if the leaf weights do not fit tables: too sparse, or two of a leaf for the same sum.
    pub(super) fn new(ensemble: &Ensemble, words_max: usize, order: BitOrder) -> Option<Self> {
        let mut columns: Vec<u32> = ensemble.branches.iter().map(|b| b.column).collect();
        columns.sort_unstable();
        columns.dedup();
        // Gathers have signed 32-bit indices of values, of which a node is 4 and a column 64.
        if columns.len() > 1 << 20 || ensemble.branches.len() > 1 << 26 {
            return None;
        }
        let mut plan = Self {
            columns,
            trees: Vec::with_capacity(ensemble.trees.len()),
            words: Vec::new(),
            entries: Vec::new(),
            member_entries: Vec::new(),
            sets: ensemble.sets.clone(),
            nodes: Vec::new(),
            tables: Vec::new(),
            values: Vec::new(),
            sums: ensemble.sums,
            order,
            only_at_most: ensemble.branches.iter().all(|b| b.test == Test::AtMost),
            nan_may_pass: ensemble.branches.iter().any(|b| b.nan_is_yes),
            steps: 0.0,
        };
        let mut table_of_sum = vec![TableOfSum::default(); ensemble.sums];
        for tree in &ensemble.trees {
            let leaves = (tree.leaves.1 - tree.leaves.0) as usize;
            let words = leaves.div_ceil(WORD);
            let (finder, capacity) = if words <= words_max {
                let first = plan.words.len() as u32;
                plan.add_words(ensemble, tree, words);
                match (words, leaves) {
                    (1, ..=LANES) => (Finder::HalfWord(first), LANES),
                    (1, _) => (Finder::OneWord(first), WORD),
                    (2, _) => (Finder::TwoWords(first), 2 * WORD),
                    _ => (Finder::Words(first, words as u32), words * WORD),
                }
            } else {
                // A leaf that is walked to lets NaN pass.
                plan.nan_may_pass = true;
                let root = deep::add_tree(ensemble, tree, &plan.columns, &mut plan.nodes);
                plan.steps += mean_depth(ensemble, tree) + 1.0;
                (Finder::Walk(root), leaves)
            };
            let tables = plan.add_tables(ensemble, tree, capacity, &mut table_of_sum)?;
            plan.trees.push(TreePlan { finder, tables });
        }
        Some(plan)
    }

    fn add_words(&mut self, ensemble: &Ensemble, tree: &Tree, words: usize) {
        let ranges = leaf_ranges(ensemble, tree);
        for word in 0..words {
            let start = self.entries.len() as u32;
            let mut ends = [0; 4];
            for (kind, end) in ends.iter_mut().enumerate() {
                let of_kind = self.entries.len();
                for (branch, keep) in self.excluding(ensemble, tree, &ranges, word) {
                    if kind_of(branch) == Some(kind) {
                        let column = place_of(&self.columns, branch.column);
                        let threshold = T::from_f64(branch.threshold);
                        push_entry(
                            &mut self.entries,
                            of_kind,
                            MaskEntry { threshold, column, keep },
                        );
                    }
                }
                *end = self.entries.len() as u32;
            }
            let members = self.add_members(ensemble, tree, &ranges, word);
            self.words.push(Word { start, ends, members });
        }
    }

    /// The branches of a tree that exclude leaves of a word, each with the leaves that it keeps.
    fn excluding<'e>(
        &self,
        ensemble: &'e Ensemble,
        tree: &Tree,
        ranges: &[(Leaves, Leaves)],
        word: usize,
    ) -> Vec<(&'e Branch, u32)> {
        let branches = tree.branches.0..tree.branches.1;
        let of = |(branch, (lost, _)): (u32, &(Leaves, Leaves))| {
            let bits = bits_of(*lost, word);
            let keep = match self.order {
                BitOrder::LowestFirst => !bits,
                BitOrder::HighestFirst => !bits.reverse_bits(),
            };
            (bits != 0).then(|| (&ensemble.branches[branch as usize], keep))
        };
        branches.zip(ranges).filter_map(of).collect()
    }

    fn add_members(
        &mut self,
        ensemble: &Ensemble,
        tree: &Tree,
        ranges: &[(Leaves, Leaves)],
        word: usize,
    ) -> [u32; 3] {
        let mut places = [self.member_entries.len() as u32; 3];
        if self.sets.is_empty() {
            return places;
        }
        for (nan_passes, end) in [false, true].into_iter().zip(&mut places[1..]) {
            for (branch, keep) in self.excluding(ensemble, tree, ranges, word) {
                if let Test::Member(set) = branch.test
                    && branch.nan_is_yes == nan_passes
                {
                    let (words, length) = self.sets.span(set);
                    let column = place_of(&self.columns, branch.column);
                    let entry = MemberEntry { column, keep, words, bits: length * 32 };
                    self.member_entries.push(entry);
                }
            }
            *end = self.member_entries.len() as u32;
        }
        places
    }

    /// One table for each sum that the tree adds to. None if a leaf adds twice to the same sum, or
    /// if there are many more places for values than weights.
    fn add_tables(
        &mut self,
        ensemble: &Ensemble,
        tree: &Tree,
        capacity: usize,
        table_of_sum: &mut [TableOfSum],
    ) -> Option<(u32, u32)> {
        let values_max = 4 * ensemble.weights.len() + 2 * WORD * ensemble.trees.len();
        let first = self.tables.len() as u32;
        for leaf in tree.leaves.0..tree.leaves.1 {
            for weight in ensemble.weights_of(leaf) {
                let known = &mut table_of_sum[weight.sum as usize];
                if known.last_leaf == Some(leaf) {
                    return None;
                }
                known.last_leaf = Some(leaf);
                if known.table.is_none_or(|table| table < first) {
                    let start = self.values.len();
                    if start + capacity > values_max.min(u32::MAX as usize) {
                        return None;
                    }
                    known.table = Some(self.tables.len() as u32);
                    self.values.resize(start + capacity, T::default());
                    self.tables.push(Table { sum: weight.sum, values: start as u32 });
                }
                let table = self.tables[known.table? as usize];
                let place = (table.values + leaf - tree.leaves.0) as usize;
                self.values[place] = T::from_f64(weight.value);
            }
        }
        Some((first, self.tables.len() as u32))
    }
}

/// While tables are made: where a sum's values go.
#[derive(Clone, Copy, Default)]
struct TableOfSum {
    /// The last table made for it; not this tree's if it was made before the tree's first.
    table: Option<u32>,
    last_leaf: Option<u32>,
}

impl<T> Plan<T> {
    pub(super) fn columns(&self) -> &[u32] {
        &self.columns
    }

    pub(super) fn trees(&self) -> &[TreePlan] {
        &self.trees
    }

    pub(super) fn word(&self, word: u32) -> &Word {
        &self.words[word as usize]
    }

    pub(super) fn entries(&self) -> &[MaskEntry<T>] {
        &self.entries
    }

    /// The entries of the words' tests for sets.
    pub(super) fn member_entries(&self) -> &[MemberEntry] {
        &self.member_entries
    }

    /// How many of these there are.
    pub(super) fn members(&self) -> usize {
        self.member_entries.len()
    }

    /// Whether any test asks for a set.
    pub(super) fn has_sets(&self) -> bool {
        !self.sets.is_empty()
    }

    pub(super) fn nodes(&self) -> &[DeepNode<T>] {
        &self.nodes
    }

    pub(super) fn tables_of(&self, tree: &TreePlan) -> &[Table] {
        &self.tables[tree.tables.0 as usize..tree.tables.1 as usize]
    }

    pub(super) fn values(&self) -> &[T] {
        &self.values
    }

    pub(super) fn sums(&self) -> usize {
        self.sums
    }

    pub(super) fn order(&self) -> BitOrder {
        self.order
    }

    /// How many steps a row takes in all trees that are walked, if all leaves are equally likely.
    pub(super) fn steps(&self) -> f64 {
        self.steps
    }

    /// Whether a test other than `x <= t`, or one that NaN passes, may come up.
    pub(super) fn is_mixed(&self, block_has_nan: bool) -> bool {
        !self.only_at_most || (block_has_nan && self.nan_may_pass)
    }
}

/// The place of a row's column in a block.
pub(super) fn place_of(columns: &[u32], column: u32) -> u32 {
    // Every column that a branch reads is in the list.
    columns.binary_search(&column).unwrap_or(0) as u32
}

/// Which kind of entry a branch is; none if it asks for a set.
fn kind_of(branch: &Branch) -> Option<usize> {
    match (branch.test, branch.nan_is_yes) {
        (Test::AtMost, false) => Some(0),
        (Test::AtMost, true) => Some(1),
        (Test::Equal, false) => Some(2),
        (Test::Equal, true) => Some(3),
        (Test::Member(_), _) => None,
    }
}

/// Adds an entry to a word's entries of one kind, which start at `first`: to an entry that makes
/// the same test, as all nodes of a level of a symmetric tree do, if there is one.
fn push_entry<T: Real>(entries: &mut Vec<MaskEntry<T>>, first: usize, entry: MaskEntry<T>) {
    let bits = |entry: &MaskEntry<T>| (entry.column, entry.threshold.to_f64().to_bits());
    match entries[first..].iter_mut().find(|known| bits(known) == bits(&entry)) {
        Some(known) => known.keep &= entry.keep,
        None => entries.push(entry),
    }
}

/// The mean number of branches above a leaf.
fn mean_depth(ensemble: &Ensemble, tree: &Tree) -> f64 {
    // Every branch is above the leaves below it.
    let below: usize = leaf_ranges(ensemble, tree).iter().map(|(_, all)| all.1 - all.0).sum();
    below as f64 / f64::from(tree.leaves.1 - tree.leaves.0)
}

/// A range of a tree's leaves, counted from its first.
type Leaves = (usize, usize);

/// For each branch of the tree, the leaves below its `yes` side and all leaves below it.
fn leaf_ranges(ensemble: &Ensemble, tree: &Tree) -> Vec<(Leaves, Leaves)> {
    let (first_branch, first_leaf) = (tree.branches.0 as usize, tree.leaves.0 as usize);
    let mut ranges = vec![((0, 0), (0, 0)); tree.branches.1 as usize - first_branch];
    // Children come after their parent, so backwards.
    for at in (0..ranges.len()).rev() {
        let below = |child| match child {
            Child::Leaf(leaf) => (leaf as usize - first_leaf, leaf as usize - first_leaf + 1),
            Child::Branch(branch) => ranges[branch as usize - first_branch].1,
        };
        let branch = &ensemble.branches[first_branch + at];
        let (yes, no) = (below(branch.yes), below(branch.no));
        ranges[at] = (yes, (yes.0, no.1));
    }
    ranges
}

/// The leaves of a range that are in a word, lowest bit first.
fn bits_of((start, end): Leaves, word: usize) -> u32 {
    let up_to = |leaf: usize| -> u64 {
        let bits = leaf.saturating_sub(word * WORD).min(WORD);
        (1_u64 << bits) - 1
    };
    (up_to(end) & !up_to(start)) as u32
}
