//! An ensemble as explanations read it: the trees of one output.

use super::attributes::Aggregate;
use super::ensemble::{Branch, Child, Ensemble, Test, Tree};
use crate::features::Precision;
use crate::model::explain::{Node, Outline, SplitTest, TreeOutline};

/// Why the sums of an output have no contributions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoOutline {
    /// Leaves that are linear functions of the row.
    #[error("{0} of its leaves are linear functions of the row")]
    LinearLeaves(usize),
    /// Leaves that are compared and not added.
    #[error("its trees' values are not added up: it takes the least or the greatest of them")]
    Extreme,
}

impl Ensemble {
    /// The trees that make output `output`, their leaves as they count in its margin, and how many
    /// training rows reached each node. Where the output falls as its sum grows, as the
    /// probability of the other one of two classes does, the sum is negated.
    pub(in crate::model) fn outline(&self, output: usize) -> Result<Outline, NoOutline> {
        if self.finish.is_extreme() {
            return Err(NoOutline::Extreme);
        }
        let column = self.finish.columns[output];
        let Some(sum) = column.sum else {
            let base = column.mirror.map_or(column.base, |mirror| mirror - column.base);
            return Ok(Outline { base, ..self.empty_outline() });
        };
        let sign = column.sign();
        let scale = match self.finish.aggregate {
            Aggregate::Average => sign / self.finish.trees,
            _ => sign,
        };
        let reads = |tree: &&Tree| {
            (tree.leaves.0..tree.leaves.1)
                .any(|leaf| self.weights_of(leaf).iter().any(|weight| weight.sum == sum))
        };
        let trees: Vec<_> = self.trees.iter().filter(reads).collect();
        let linear = trees.iter().flat_map(|tree| tree.leaves.0..tree.leaves.1);
        let linear = linear.filter(|leaf| self.linear_of(*leaf).is_some()).count();
        if linear > 0 {
            return Err(NoOutline::LinearLeaves(linear));
        }
        let base = self.start(sum as usize) * scale + column.base * sign;
        let trees = trees.into_iter().map(|tree| self.outline_of(tree, sum, scale)).collect();
        Ok(Outline { base: base + column.mirror.unwrap_or(0.0), trees, ..self.empty_outline() })
    }

    fn empty_outline(&self) -> Outline {
        let is_single = self.precision == Precision::F32;
        Outline { columns: self.columns, is_single, ..Outline::default() }
    }

    /// One tree, of whose leaves only the weights of `sum` count.
    fn outline_of(&self, tree: &Tree, sum: u32, scale: f64) -> TreeOutline {
        let branches = (tree.branches.1 - tree.branches.0) as usize;
        // Branches are in preorder already; leaves follow them all.
        let place = |child: Child| match child {
            Child::Branch(branch) => branch - tree.branches.0,
            Child::Leaf(leaf) => branches as u32 + leaf - tree.leaves.0,
        };
        let mut outline = TreeOutline::default();
        for at in tree.branches.0..tree.branches.1 {
            let Branch { column, nan_is_yes, yes, no, .. } = self.branches[at as usize];
            let (yes, no, test) = (place(yes), place(no), self.split_test(at));
            outline.nodes.push(Node::Branch { column, test, nan_is_yes, yes, no });
            outline.covers.push(self.covers.branches[at as usize]);
        }
        for leaf in tree.leaves.0..tree.leaves.1 {
            let weights = self.weights_of(leaf).iter().filter(|weight| weight.sum == sum);
            outline.nodes.push(Node::Leaf(weights.map(|weight| weight.value * scale).sum()));
            outline.covers.push(self.covers.leaves[leaf as usize]);
        }
        outline
    }

    fn split_test(&self, branch: u32) -> SplitTest {
        let branch = self.branches[branch as usize];
        match branch.test {
            Test::AtMost => SplitTest::AtMost(branch.threshold),
            Test::Equal => SplitTest::Equal(branch.threshold),
            Test::Member(set) => {
                let (start, length) = self.sets.span(set);
                let words = &self.sets.words()[start as usize..(start + length) as usize];
                let pair = |pair: &[u32]| {
                    u64::from(pair[0]) | u64::from(pair.get(1).copied().unwrap_or(0)) << 32
                };
                let words = words.chunks(2).map(pair).collect();
                SplitTest::InSet { words, least: self.sets.least }
            }
        }
    }
}
