//! One row at a time, for batches too small to fill a block: several trees are walked abreast, so
//! that the processor always has a step of another tree to take while one waits for its node.

use super::cells::Rows;
use super::deep::DeepNode;
use super::ensemble::Ensemble;
use super::finish::Finish;
use super::plan::Plan;
use super::real::Real;
use super::words::{BitOrder, Finder, TreePlan};

/// About how long a step of one tree takes, in nanoseconds; see `Instructions::entry_ns`.
const STEP_NS: f64 = 1.7;
/// Trees walked abreast.
const ABREAST: usize = 8;

/// An ensemble whose trees are all laid out for walking.
#[derive(Debug, Clone)]
pub(super) struct Single<T> {
    plan: Plan<T>,
    finish: Finish,
    /// One row, in the plan's order of columns.
    cells: Vec<T>,
    starts: Vec<T>,
    sums: Vec<T>,
    values: Vec<[T; 1]>,
}

impl<T: Real> Single<T> {
    /// None as for [`Plan::new`].
    pub(super) fn new(ensemble: &Ensemble) -> Option<Self> {
        let plan = Plan::new(ensemble, 0, BitOrder::LowestFirst)?;
        Some(Self {
            // A leaf reads the first column, even if no branch reads any.
            cells: vec![T::default(); plan.columns().len().max(1)],
            starts: (0..plan.sums()).map(|sum| T::from_f64(ensemble.start(sum))).collect(),
            sums: vec![T::default(); plan.sums()],
            values: vec![[T::default()]; ensemble.finish.columns.len()],
            finish: ensemble.finish.clone(),
            plan,
        })
    }

    /// About how long a row takes, in nanoseconds.
    pub(super) fn row_ns(&self) -> f64 {
        self.plan.steps() * STEP_NS
    }

    /// Writes the scores of the first `rows` rows.
    pub(super) fn score(&mut self, from: &Rows<'_>, rows: usize, scores: &mut [T]) {
        let outputs = self.finish.outputs();
        for (row, scores) in scores.chunks_exact_mut(outputs).take(rows).enumerate() {
            let mut has_nan = false;
            for (cell, column) in self.cells.iter_mut().zip(self.plan.columns()) {
                [*cell] = from.column(row, *column as usize, 1);
                has_nan |= cell.is_nan();
            }
            self.sums.copy_from_slice(&self.starts);
            if self.plan.has_sets() {
                // By reference, the closure would hold `self`.
                let sets = std::mem::take(&mut self.plan.sets);
                self.add_trees(|node, cell| node.next_with_sets(cell, &sets));
                self.plan.sets = sets;
            } else if self.plan.is_mixed(has_nan) {
                self.add_trees(DeepNode::next);
            } else {
                self.add_trees(DeepNode::next_if_at_most);
            }
            self.finish.rows(|sum| [self.sums[sum]], &mut self.values, 1, scores);
        }
    }

    fn add_trees(&mut self, next: impl Fn(&DeepNode<T>, T) -> u32) {
        let (groups, rest) = self.plan.trees().as_chunks::<ABREAST>();
        for trees in groups {
            let leaves = walk(self.plan.nodes(), &self.cells, trees.map(|tree| root(&tree)), &next);
            add_leaves(&self.plan, trees, leaves, &mut self.sums);
        }
        for tree in rest {
            let leaf = walk(self.plan.nodes(), &self.cells, [root(tree)], &next);
            add_leaves(&self.plan, std::slice::from_ref(tree), leaf, &mut self.sums);
        }
    }
}

fn root(tree: &TreePlan) -> u32 {
    match tree.finder {
        Finder::Walk(root) => root,
        // The plan was made with no words; a word is never found.
        Finder::HalfWord(_) | Finder::OneWord(_) | Finder::TwoWords(_) | Finder::Words(..) => 0,
    }
}

/// The leaves that the row reaches in `N` trees.
#[inline]
fn walk<T: Real, const N: usize>(
    nodes: &[DeepNode<T>],
    cells: &[T],
    roots: [u32; N],
    next: impl Fn(&DeepNode<T>, T) -> u32,
) -> [u32; N] {
    let mut at = roots;
    loop {
        let mut moved = 0;
        for at in &mut at {
            let node = &nodes[*at as usize];
            let to = next(node, cells[node.place() as usize]);
            moved |= to ^ *at;
            *at = to;
        }
        if moved == 0 {
            return at.map(|at| nodes[at as usize].leaf);
        }
    }
}

fn add_leaves<T: Real, const N: usize>(
    plan: &Plan<T>,
    trees: &[TreePlan],
    leaves: [u32; N],
    sums: &mut [T],
) {
    for (tree, leaf) in trees.iter().zip(leaves) {
        for table in plan.tables_of(tree) {
            let sum = &mut sums[table.sum as usize];
            *sum = *sum + plan.values()[(table.values + leaf) as usize];
        }
    }
}
