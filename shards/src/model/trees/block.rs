//! Scores batches in blocks of 16, 32 or 64 rows: columns side by side, then every tree, then each
//! row's finish. The three steps are loops over lanes; [`Instructions`] says how they are compiled.

use super::cells::Rows;
use super::ensemble::Ensemble;
use super::finish::Finish;
use super::plan::Plan;
use super::portable;
use super::real::Real;
use super::words::{LANES, Lanes};

/// Lane groups in the largest block.
pub(super) const PARTS_MAX: usize = 4;

/// About how long a block of 16 rows takes for a tree besides its entries, in nanoseconds.
const TREE_NS: f64 = 3.0;

type Load<T> = fn(&Rows<'_>, &[u32], Span, &mut [Lanes<T>]) -> bool;
type AddTrees<T> = fn(&Plan<T>, &[Lanes<T>], usize, bool, &mut [Lanes<T>]);
type WriteScores<T> = fn(&Finish, &[Lanes<T>], usize, &mut [[T; LANES]], &mut [T]);

/// The steps of a block, for one set of CPU instructions. All sets compute the same bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Instructions<T> {
    /// See [`load`].
    pub(super) load: Load<T>,
    /// See [`portable::add_trees`].
    pub(super) add_trees: AddTrees<T>,
    /// See [`finish`].
    pub(super) finish: WriteScores<T>,
    /// About how long 16 rows take for an entry of a word, in nanoseconds; measured in 2026 on a
    /// Xeon of the Sapphire Rapids generation.
    pub(super) entry_ns: f64,
    /// The same for a step of a walk.
    pub(super) step_ns: f64,
}

impl<T: Real> Instructions<T> {
    /// Those that every CPU of the target has.
    pub(super) const PORTABLE: Self = Self {
        load: load::<T>,
        add_trees: portable::add_trees::<T>,
        finish: finish::<T>,
        entry_ns: 2.9,
        step_ns: 100.0,
    };
}

/// The rows of a batch that are in a block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) first: usize,
    pub(super) count: usize,
    /// Lane groups of the block, some of which may be partly or wholly empty.
    pub(super) parts: usize,
}

impl Span {
    /// The rows in lane group `part`: the first, and how many.
    pub(super) fn part(self, part: usize) -> (usize, usize) {
        let before = part * LANES;
        (self.first + before, self.count.saturating_sub(before).min(LANES))
    }
}

/// An ensemble's plan, the instructions to run it with, and the memory that both need.
#[derive(Debug, Clone)]
pub(super) struct Blocked<T> {
    plan: Plan<T>,
    instructions: Instructions<T>,
    finish: Finish,
    block: Vec<Lanes<T>>,
    starts: Vec<T>,
    sums: Vec<Lanes<T>>,
    values: Vec<[T; LANES]>,
}

impl<T: Real> Blocked<T> {
    pub(super) fn new(ensemble: &Ensemble, plan: Plan<T>, instructions: Instructions<T>) -> Self {
        Self {
            block: vec![Lanes::default(); plan.columns().len() * PARTS_MAX],
            starts: (0..plan.sums()).map(|sum| T::from_f64(ensemble.start(sum))).collect(),
            sums: vec![Lanes::default(); plan.sums() * PARTS_MAX],
            values: vec![[T::default(); LANES]; ensemble.finish.columns.len()],
            finish: ensemble.finish.clone(),
            plan,
            instructions,
        }
    }

    /// About how long the smallest block takes, in nanoseconds.
    pub(super) fn smallest_ns(&self) -> f64 {
        let entries = self.plan.entries().len() as f64 * self.instructions.entry_ns;
        let entries = entries + self.plan.members() as f64 * self.instructions.entry_ns * 2.0;
        let steps = self.plan.steps() * self.instructions.step_ns;
        entries + steps + self.plan.trees().len() as f64 * TREE_NS
    }

    /// Writes the scores of the first `rows` rows.
    pub(super) fn score(&mut self, from: &Rows<'_>, rows: usize, scores: &mut [T]) {
        let outputs = self.finish.outputs();
        let mut first = 0;
        while first < rows {
            let parts = match (rows - first).div_ceil(LANES) {
                parts @ (1 | 2) => parts,
                _ => PARTS_MAX,
            };
            let count = (rows - first).min(parts * LANES);
            let block = &mut self.block[..self.plan.columns().len() * parts];
            let sums = &mut self.sums[..self.plan.sums() * parts];
            let span = Span { first, count, parts };
            let has_nan = (self.instructions.load)(from, self.plan.columns(), span, block);
            let mixed = self.plan.is_mixed(has_nan);
            for (sums, start) in sums.chunks_exact_mut(parts).zip(&self.starts) {
                sums.fill(Lanes([*start; LANES]));
            }
            (self.instructions.add_trees)(&self.plan, block, parts, mixed, sums);
            let scores = &mut scores[first * outputs..(first + count) * outputs];
            (self.instructions.finish)(&self.finish, sums, parts, &mut self.values, scores);
            first += count;
        }
    }
}

/// Fills a block with the `columns` of the span's rows and its empty lanes with anything but NaN;
/// says whether any cell is NaN. Column `c` of the block is `block[c * parts..][..parts]`.
#[inline(always)]
pub(super) fn load<T: Real>(
    from: &Rows<'_>,
    columns: &[u32],
    span: Span,
    block: &mut [Lanes<T>],
) -> bool {
    let mut has_nan = false;
    for (lanes, column) in block.chunks_exact_mut(span.parts).zip(columns) {
        for (part, lanes) in lanes.iter_mut().enumerate() {
            let (first, count) = span.part(part);
            lanes.0 = from.column(first, *column as usize, count);
            has_nan |= lanes.0.iter().fold(false, |any, cell| any | cell.is_nan());
        }
    }
    has_nan
}

/// Writes the scores of a block's rows, as many as `scores` has room for.
#[inline(always)]
pub(super) fn finish<T: Real>(
    finish: &Finish,
    sums: &[Lanes<T>],
    parts: usize,
    values: &mut [[T; LANES]],
    scores: &mut [T],
) {
    let outputs = finish.outputs();
    for (part, scores) in scores.chunks_mut(LANES * outputs).enumerate() {
        let sums = |sum: usize| sums[sum * parts + part].0;
        finish.rows(sums, values, scores.len() / outputs, scores);
    }
}
