//! The checked form of a tree ensemble, which every kernel is made from.

use super::attributes::TreeAttributes;
use super::build;
use super::error::EnsembleError;
use super::finish::Finish;
use super::{OutputColumns, plant};
use crate::features::Precision;
use crate::model::forest::{CategorySets, Forest};

/// What a model file may ask for; a file that asks for more is refused before memory is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EnsembleLimits {
    /// Most trees.
    pub trees_max: usize,
    /// Most nodes, leaves included, in all trees together.
    pub nodes_max: usize,
    /// Most leaf weights in all trees together.
    pub weights_max: usize,
    /// Most branches between a root and a leaf.
    pub depth_max: usize,
    /// Most classes or targets.
    pub outputs_max: usize,
    /// Most input columns.
    pub columns_max: usize,
}

impl Default for EnsembleLimits {
    fn default() -> Self {
        Self {
            trees_max: 65_536,
            nodes_max: 1 << 24,
            weights_max: 1 << 25,
            depth_max: 4_096,
            outputs_max: 4_096,
            columns_max: 65_536,
        }
    }
}

/// Where a branch leads: to another branch or to a leaf, by position in the ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Child {
    Branch(u32),
    Leaf(u32),
}

/// The tests of kernels: ONNX's six modes come down to the first two, with children swapped for
/// the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Test {
    /// `x <= t`
    AtMost,
    /// `x == t`
    Equal,
    /// `x` is in this one of the ensemble's sets.
    Member(u32),
}

/// A branch. `threshold` is never NaN, and is exact in the ensemble's precision.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Branch {
    pub(super) column: u32,
    pub(super) test: Test,
    /// NaN goes to `yes`.
    pub(super) nan_is_yes: bool,
    pub(super) threshold: f64,
    pub(super) yes: Child,
    pub(super) no: Child,
}

/// What a leaf adds to one sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Weight {
    /// The position of the sum among the ensemble's sums.
    pub(super) sum: u32,
    /// Exact in the ensemble's precision.
    pub(super) value: f64,
}

/// A leaf whose value is a linear function of the row, unless a cell that it reads is NaN.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Linear {
    pub(super) constant: f64,
    /// Columns and coefficients, in the order in which they are added.
    pub(super) terms: Vec<(u32, f64)>,
}

/// A tree: its branches and leaves are contiguous in the ensemble, both in preorder with `yes`
/// before `no`, so the leaves of every subtree are contiguous too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tree {
    pub(super) root: Child,
    pub(super) branches: (u32, u32),
    pub(super) leaves: (u32, u32),
    /// The most branches between the root and a leaf.
    pub(super) depth: u32,
}

/// A tree ensemble whose shape and numbers have been checked.
///
/// Nothing in it can make a kernel read out of bounds, loop for ever or overflow to infinity.
#[derive(Debug, Clone)]
pub struct Ensemble {
    pub(super) precision: Precision,
    pub(super) columns: usize,
    pub(super) trees: Vec<Tree>,
    pub(super) branches: Vec<Branch>,
    /// Leaf `i` adds `weights[leaves[i]..leaves[i + 1]]`.
    pub(super) leaves: Vec<u32>,
    pub(super) weights: Vec<Weight>,
    /// How many sums the leaves add to; outputs without any weight have none.
    pub(super) sums: usize,
    /// Where each sum starts, if not all at zero.
    pub(super) starts: Vec<f64>,
    /// What [`Test::Member`] asks for.
    pub(super) sets: CategorySets,
    /// The leaves that are linear functions, by leaf; only the plain walk knows these.
    pub(super) linear: Vec<(u32, Linear)>,
    pub(super) covers: Covers,
    pub(super) finish: Finish,
}

/// How many training rows reached each node, or the sum of their weights; 0 where the file does not
/// say. Kernels need none of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Covers {
    pub(super) branches: Vec<f64>,
    pub(super) leaves: Vec<f64>,
}

impl Ensemble {
    /// Checks `attributes` and brings them into the form that kernels are made from.
    ///
    /// # Errors
    /// Says which attribute, tree or node is wrong, what was found and what was expected.
    pub fn build(
        attributes: &TreeAttributes,
        limits: &EnsembleLimits,
    ) -> Result<Self, EnsembleError> {
        build::build(attributes, limits)
    }

    /// Checks a library's own forest and brings it into the form that kernels are made from;
    /// `columns` are the outputs that its sums make.
    ///
    /// # Errors
    /// Says which tree or node is wrong, what was found and what was expected.
    pub fn plant(
        forest: &Forest,
        columns: OutputColumns,
        limits: &EnsembleLimits,
    ) -> Result<Self, EnsembleError> {
        plant::plant(forest, columns, limits)
    }

    /// The element type of its input and, as all sums are made in it, of its scores.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// How many input columns it needs at least: the highest column that a node reads, plus one.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// How many scores a row has: classes or targets.
    pub fn outputs(&self) -> usize {
        self.finish.outputs()
    }

    /// How many trees it has.
    pub fn trees(&self) -> usize {
        self.trees.len()
    }

    /// How many leaves its largest tree has.
    pub fn leaves_per_tree_max(&self) -> usize {
        self.trees.iter().map(|tree| (tree.leaves.1 - tree.leaves.0) as usize).max().unwrap_or(0)
    }

    /// Where sum `sum` starts.
    pub(super) fn start(&self, sum: usize) -> f64 {
        self.starts.get(sum).copied().unwrap_or(0.0)
    }

    /// The linear part of leaf `leaf`, if it has one.
    pub(super) fn linear_of(&self, leaf: u32) -> Option<&Linear> {
        let place = self.linear.binary_search_by_key(&leaf, |(leaf, _)| *leaf).ok()?;
        Some(&self.linear[place].1)
    }

    /// The weights of leaf `leaf`.
    pub(super) fn weights_of(&self, leaf: u32) -> &[Weight] {
        let leaf = leaf as usize;
        &self.weights[self.leaves[leaf] as usize..self.leaves[leaf + 1] as usize]
    }

    /// The same ensemble for one output: sums, leaf weights and trees that its score does not
    /// depend on are left out.
    pub(super) fn narrowed_to(&self, output: usize) -> Self {
        let mut finish = self.finish.only(output);
        let mut renumbered = vec![None; self.sums];
        let mut sums = 0;
        for sum in finish.columns.iter_mut().filter_map(|column| column.sum.as_mut()) {
            *sum = *renumbered[*sum as usize].get_or_insert_with(|| {
                sums += 1;
                sums - 1
            });
        }
        let mut narrowed = Self { sums: sums as usize, finish, ..self.clone() };
        if !self.starts.is_empty() {
            narrowed.starts = vec![0.0; narrowed.sums];
            for (start, sum) in self.starts.iter().zip(&renumbered) {
                if let Some(sum) = sum {
                    narrowed.starts[*sum as usize] = *start;
                }
            }
        }
        narrowed.leaves.clear();
        narrowed.leaves.push(0);
        narrowed.weights.clear();
        for leaf in 0..self.leaves.len() - 1 {
            for weight in self.weights_of(leaf as u32) {
                if let Some(sum) = renumbered[weight.sum as usize] {
                    narrowed.weights.push(Weight { sum, value: weight.value });
                }
            }
            narrowed.leaves.push(narrowed.weights.len() as u32);
        }
        let (leaves, trees) = (&narrowed.leaves, &mut narrowed.trees);
        trees.retain(|tree| leaves[tree.leaves.0 as usize] < leaves[tree.leaves.1 as usize]);
        narrowed
    }
}
