//! Trees with too many leaves for words: nodes packed for walking many rows at once.
//!
//! A node's children are neighbours, so a step is one comparison and one addition; a leaf leads
//! to itself, so rows that have arrived take the same step as the others until all have.

use super::ensemble::{Child, Ensemble, Test, Tree};
use super::plan::place_of;
use super::real::Real;
use crate::model::forest::CategorySets;

/// `x == t` instead of `x <= t`.
pub(super) const EQUAL: u32 = 1 << 31;
/// NaN passes.
pub(super) const NAN_PASSES: u32 = 1 << 30;
/// `x` is in a set instead of `x <= t`.
pub(super) const MEMBER: u32 = 1 << 29;
/// The rest of [`DeepNode::column`].
pub(super) const COLUMN: u32 = MEMBER - 1;

/// A branch or a leaf.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct DeepNode<T> {
    /// Infinity in a leaf.
    pub(super) threshold: T,
    /// The column's place in the block, and the flags.
    pub(super) column: u32,
    /// Where rows that pass go; those that fail go to the node after it. A leaf's own place.
    pub(super) yes: u32,
    /// A leaf's number in its tree; the set that a branch asks for.
    pub(super) leaf: u32,
}

/// Appends a tree and returns its root's place.
pub(super) fn add_tree<T: Real>(
    ensemble: &Ensemble,
    tree: &Tree,
    columns: &[u32],
    nodes: &mut Vec<DeepNode<T>>,
) -> u32 {
    let root = nodes.len();
    nodes.push(leaf_node(0, 0));
    let mut pending = vec![(tree.root, root)];
    while let Some((child, place)) = pending.pop() {
        nodes[place] = match child {
            Child::Leaf(leaf) => leaf_node(place, leaf - tree.leaves.0),
            Child::Branch(branch) => {
                let branch = &ensemble.branches[branch as usize];
                let yes = nodes.len();
                nodes.extend([leaf_node(0, 0), leaf_node(0, 0)]);
                pending.push((branch.no, yes + 1));
                pending.push((branch.yes, yes));
                let mut column = place_of(columns, branch.column);
                column |= if branch.test == Test::Equal { EQUAL } else { 0 };
                column |= if branch.nan_is_yes { NAN_PASSES } else { 0 };
                let mut set = 0;
                if let Test::Member(wanted) = branch.test {
                    column |= MEMBER;
                    set = wanted;
                }
                let threshold = T::from_f64(branch.threshold);
                DeepNode { threshold, column, yes: yes as u32, leaf: set }
            }
        };
    }
    root as u32
}

/// Every value passes a leaf, NaN too, and so stays where it is.
fn leaf_node<T: Real>(place: usize, leaf: u32) -> DeepNode<T> {
    let threshold = T::from_f64(f64::INFINITY);
    DeepNode { threshold, column: NAN_PASSES, yes: place as u32, leaf }
}

impl<T: Real> DeepNode<T> {
    /// The column's place in the block.
    pub(super) fn place(&self) -> u32 {
        self.column & COLUMN
    }

    /// As [`Self::next`], if all tests are `x <= t` and no cell is NaN.
    pub(super) fn next_if_at_most(&self, cell: T) -> u32 {
        self.yes + u32::from(cell > self.threshold)
    }

    /// The node that a row with `cell` in this node's column goes to.
    #[expect(clippy::needless_bitwise_bool, reason = "branches on data are what this avoids")]
    pub(super) fn next(&self, cell: T) -> u32 {
        let at_most = (cell <= self.threshold) & (self.column & EQUAL == 0);
        let equal = (cell == self.threshold) & (self.column & EQUAL != 0);
        let nan = cell.is_nan() & (self.column & NAN_PASSES != 0);
        self.yes + u32::from(!(at_most | equal | nan))
    }

    /// As [`Self::next`], for ensembles that ask for sets.
    pub(super) fn next_with_sets(&self, cell: T, sets: &CategorySets) -> u32 {
        if self.column & MEMBER == 0 {
            return self.next(cell);
        }
        let nan = cell.is_nan() && self.column & NAN_PASSES != 0;
        self.yes + u32::from(!(nan || sets.contains(self.leaf, cell.to_f64())))
    }
}
