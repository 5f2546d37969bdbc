//! Explains tree ensembles against background rows: what is not known of a row is as in each of
//! these, with the same probability.
//!
//! A leaf is reached by a mixture of a row and a background row where each of its path's columns
//! passes all its tests in the row that the column is taken from. Let x columns pass in the row
//! alone and b in the background row alone; where one passes in neither, the leaf is out of reach.
//! A leaf of value v then adds v / (x · C(x + b, b)) to each of the former and takes
//! v / (b · C(x + b, x)) from each of the latter. Background rows that pass in the same columns are
//! counted together.

use std::collections::BTreeMap;

use super::ExplainError;
use super::outline::{Node, Outline, SplitTest, TreeOutline};
use super::trees::cell_at;
use crate::features::Cells;

/// The most distinct columns of a path: a bit each.
const PATH_COLUMNS_MAX: usize = 64;

/// A branch.
#[derive(Debug, Clone)]
struct Branch {
    column: u32,
    test: SplitTest,
    nan_is_yes: bool,
}

/// A test on the way to a leaf: which branch, what it has to say, and whose bit it clears if not.
#[derive(Debug, Clone, Copy)]
struct Passage {
    branch: u32,
    is_yes: bool,
    bit: u8,
}

#[derive(Debug, Clone)]
struct Leaf {
    value: f64,
    /// A bit for each distinct column of its path.
    full: u64,
    /// The place that each bit's contribution goes to.
    credits: Vec<u32>,
    passages: Vec<Passage>,
    /// Bits that pass in background rows, and the share of rows that it is so of.
    patterns: Vec<(u64, f64)>,
}

#[derive(Debug, Clone, Default)]
struct Tree {
    branches: Vec<Branch>,
    leaves: Vec<Leaf>,
}

/// Exact Shapley values of an ensemble's margin against background rows: the interventional values
/// of `shap.TreeExplainer`. A row's contributions have the same bits wherever they are computed.
#[derive(Debug, Clone)]
pub(super) struct InterventionalExplainer {
    columns: usize,
    is_single: bool,
    base: f64,
    trees: Vec<Tree>,
    /// The columns that share each sum.
    credited: Vec<Vec<u32>>,
    width: usize,
    shares: Shares,
    passed: Vec<bool>,
    sums: Vec<f64>,
}

/// `1 / (x · C(x + b, b))` by x and b.
#[derive(Debug, Clone)]
struct Shares(Vec<f64>);

impl Shares {
    const SIDE: usize = PATH_COLUMNS_MAX + 1;

    fn new() -> Self {
        let mut shares = vec![0.0; Self::SIDE * Self::SIDE];
        for x in 1..Self::SIDE {
            // C(x + b, b) = C(x + b - 1, b - 1) · (x + b) / b
            let mut ways = 1.0;
            for b in 0..Self::SIDE {
                if b > 0 {
                    ways *= (x + b) as f64 / b as f64;
                }
                shares[x * Self::SIDE + b] = 1.0 / (x as f64 * ways);
            }
        }
        Self(shares)
    }

    fn of(&self, x: u32, b: u32) -> f64 {
        self.0[x as usize * Self::SIDE + b as usize]
    }
}

impl InterventionalExplainer {
    /// Against `rows` rows of `cells`.
    pub(super) fn new(
        outline: &Outline,
        cells: Cells<'_>,
        rows: usize,
    ) -> Result<Self, ExplainError> {
        outline.check_shape()?;
        let credited = outline.credits_read();
        let place = |column: u32| {
            let credit = outline.credit_of(column);
            credited.partition_point(|known| *known < credit) as u32
        };
        let mut trees = Vec::with_capacity(outline.trees.len());
        for (number, tree) in outline.trees.iter().enumerate() {
            let tree = laid_out(tree, |column| (outline.player_of(column), place(column)));
            trees.push(
                tree.ok_or(ExplainError::LongPath { tree: number, limit: PATH_COLUMNS_MAX })?,
            );
        }
        let mut explainer = Self {
            columns: outline.columns,
            is_single: outline.is_single,
            base: outline.base,
            passed: vec![false; trees.iter().map(|tree| tree.branches.len()).max().unwrap_or(0)],
            sums: vec![0.0; credited.len()],
            trees,
            credited: credited.iter().map(|credit| outline.shared_by(*credit)).collect(),
            width: outline.credited(),
            shares: Shares::new(),
        };
        explainer.count(cells, rows);
        Ok(explainer)
    }

    /// Counts the background rows that pass in the same columns of each leaf's path.
    fn count(&mut self, cells: Cells<'_>, rows: usize) {
        let share = 1.0 / rows as f64;
        for tree in &mut self.trees {
            let mut counts = vec![BTreeMap::<u64, usize>::new(); tree.leaves.len()];
            for row in 0..rows {
                let cell = |column: u32| {
                    cell_at(cells, row * self.columns + column as usize, self.is_single)
                };
                run_tests(&tree.branches, cell, &mut self.passed);
                for (leaf, counts) in tree.leaves.iter().zip(&mut counts) {
                    *counts.entry(leaf.passing(&self.passed)).or_default() += 1;
                }
            }
            for (leaf, counts) in tree.leaves.iter_mut().zip(counts) {
                let of = |(bits, count): (u64, usize)| (bits, count as f64 * share);
                leaf.patterns = counts.into_iter().map(of).collect();
                let reached = leaf.patterns.iter().find(|(bits, _)| *bits == leaf.full);
                self.base += leaf.value * reached.map_or(0.0, |(_, share)| *share);
            }
        }
    }

    /// The mean margin of the background rows.
    pub(super) fn base(&self) -> f64 {
        self.base
    }

    /// How many contributions a row has.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Adds each row's contributions, which are zeros.
    pub(super) fn explain(&mut self, cells: Cells<'_>, contributions: &mut [f64]) {
        let Self { trees, sums, passed, shares, .. } = self;
        for (row, own) in contributions.chunks_exact_mut(self.width.max(1)).enumerate() {
            sums.fill(0.0);
            let cell =
                |column: u32| cell_at(cells, row * self.columns + column as usize, self.is_single);
            for tree in trees.iter() {
                run_tests(&tree.branches, cell, passed);
                for leaf in &tree.leaves {
                    leaf.add(leaf.passing(passed), shares, sums);
                }
            }
            for (sum, columns) in sums.iter().zip(&self.credited) {
                for column in columns {
                    own[*column as usize] += sum / columns.len() as f64;
                }
            }
        }
    }
}

impl Leaf {
    /// The bits of the columns that pass all their tests.
    fn passing(&self, passed: &[bool]) -> u64 {
        let mut bits = self.full;
        for passage in &self.passages {
            if passed[passage.branch as usize] != passage.is_yes {
                bits &= !(1 << passage.bit);
            }
        }
        bits
    }

    /// Adds what it contributes to a row that passes in the columns of `bits`.
    fn add(&self, bits: u64, shares: &Shares, sums: &mut [f64]) {
        let failing = self.full & !bits;
        let b = failing.count_ones();
        let mut taken = 0.0;
        for (pattern, share) in &self.patterns {
            // Each column has to pass in one of the two rows.
            if failing & !pattern != 0 {
                continue;
            }
            let mut alone = self.full & !pattern;
            let x = alone.count_ones();
            let given = share * shares.of(x, b);
            taken += share * shares.of(b, x);
            while alone != 0 {
                let bit = alone.trailing_zeros();
                sums[self.credits[bit as usize] as usize] += self.value * given;
                alone &= alone - 1;
            }
        }
        let mut others = failing;
        while others != 0 {
            let bit = others.trailing_zeros();
            sums[self.credits[bit as usize] as usize] -= self.value * taken;
            others &= others - 1;
        }
    }
}

fn run_tests(branches: &[Branch], cell: impl Fn(u32) -> f64, passed: &mut [bool]) {
    for (branch, passed) in branches.iter().zip(passed) {
        let cell = cell(branch.column);
        *passed = if cell.is_nan() { branch.nan_is_yes } else { branch.test.passes(cell) };
    }
}

/// The way to a node: the tests before it, the players of its bits and where these are credited.
#[derive(Debug, Clone, Default)]
struct Path {
    passages: Vec<Passage>,
    players: Vec<u32>,
    credits: Vec<u32>,
}

/// A tree's leaves with their paths; none where a path has too many columns. `who` says of a column
/// which player it is, and where that is credited.
fn laid_out(outline: &TreeOutline, who: impl Fn(u32) -> (u32, u32)) -> Option<Tree> {
    let mut tree = Tree::default();
    let mut open = vec![(0_u32, Path::default())];
    while let Some((node, path)) = open.pop() {
        match outline.nodes.get(node as usize) {
            None => {}
            Some(Node::Leaf(value)) => tree.leaves.push(Leaf {
                value: *value,
                full: match path.players.len() {
                    PATH_COLUMNS_MAX => u64::MAX,
                    players => (1 << players) - 1,
                },
                credits: path.credits,
                passages: path.passages,
                patterns: Vec::new(),
            }),
            Some(Node::Branch { column, test, nan_is_yes, yes, no }) => {
                let branch = tree.branches.len() as u32;
                let (column, test, nan_is_yes) = (*column, test.clone(), *nan_is_yes);
                tree.branches.push(Branch { column, test, nan_is_yes });
                let (player, credit) = who(column);
                let mut below = path;
                let known = below.players.iter().position(|known| *known == player);
                let bit = known.unwrap_or_else(|| {
                    below.players.push(player);
                    below.credits.push(credit);
                    below.players.len() - 1
                });
                if bit >= PATH_COLUMNS_MAX {
                    return None;
                }
                for (child, is_yes) in [(*no, false), (*yes, true)] {
                    let mut path = below.clone();
                    path.passages.push(Passage { branch, is_yes, bit: bit as u8 });
                    open.push((child, path));
                }
            }
        }
    }
    Some(tree)
}
