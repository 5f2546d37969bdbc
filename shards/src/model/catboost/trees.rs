//! Makes a forest of a model's trees.

use super::NODES_MAX;
use super::parts::{Missing, Parts, Shape, Split, Step, TreeParts};
use crate::features::Precision;
use crate::model::forest::{Forest, LeafWeight, NativeError, Node, Test, Tree};

/// The forest of a model of `width` columns; its tests read prepared columns if `prepared`.
pub(super) fn plant(parts: &Parts, width: usize, prepared: bool) -> Result<Forest, NativeError> {
    let columns =
        if prepared { parts.floats.len() + parts.cats.len() + parts.ctrs.len() } else { width };
    let planter = Planter { parts, prepared };
    let mut forest = Forest::new(Precision::F64, columns, parts.sums);
    forest.biases.clone_from(&parts.biases);
    let mut nodes = 0;
    for tree in &parts.trees {
        let tree = planter.tree(&mut forest, tree);
        nodes += tree.nodes.len();
        if nodes > NODES_MAX {
            return Err(NativeError::too_many("nodes", nodes, NODES_MAX));
        }
        forest.trees.push(tree);
    }
    Ok(forest)
}

struct Planter<'p> {
    parts: &'p Parts,
    prepared: bool,
}

impl Planter<'_> {
    fn tree(&self, forest: &mut Forest, tree: &TreeParts) -> Tree {
        match &tree.shape {
            Shape::Symmetric(levels) => self.symmetric(forest, tree, levels),
            Shape::Any(steps) => self.any(forest, tree, steps),
        }
    }

    /// Unfolds a symmetric tree, its last split at the root: covers are shared out in that order by
    /// the library too. Nodes are numbered level by level from the root: node `n` of level `l`
    /// follows the `2^l - 1` nodes above. What the rows of a node said before are the highest `l`
    /// bits of its leaves' numbers, and its own number.
    fn symmetric(&self, forest: &mut Forest, tree: &TreeParts, levels: &[Split]) -> Tree {
        let depth = levels.len();
        let mut nodes = Vec::with_capacity((2 << depth) - 1);
        for (level, split) in levels.iter().rev().enumerate() {
            let (first_below, here) = ((2_usize << level) - 1, 1_usize << level);
            for path in 0..here {
                let fails = first_below + 2 * path;
                nodes.push(self.node(*split, fails, fails + 1, 0.0));
            }
        }
        for leaf in 0..1 << depth {
            nodes.push(self.leaf(forest, tree, leaf));
        }
        sum_covers(&mut nodes);
        Tree { nodes }
    }

    fn any(&self, forest: &mut Forest, tree: &TreeParts, steps: &[Step]) -> Tree {
        let node = |step: &Step| match *step {
            Step::Test(split, fails, passes) => self.node(split, fails, passes, 0.0),
            Step::Leaf(leaf) => self.leaf(forest, tree, leaf),
        };
        let mut nodes: Vec<_> = steps.iter().map(node).collect();
        sum_covers(&mut nodes);
        Tree { nodes }
    }

    fn leaf(&self, forest: &mut Forest, tree: &TreeParts, leaf: usize) -> Node {
        let sums = self.parts.sums;
        let first = forest.weights.len() as u32;
        let values = tree.values.get(leaf * sums..(leaf + 1) * sums).unwrap_or_default();
        for (sum, value) in (0..).zip(values) {
            forest.weights.push(LeafWeight { sum, value: value * self.parts.scale });
        }
        let cover = tree.weights.get(leaf).copied().unwrap_or(0.0);
        Node::Leaf { first, count: values.len() as u32, linear: None, cover }
    }

    fn node(&self, split: Split, fails: usize, passes: usize, cover: f64) -> Node {
        let (fails, passes) = (fails as u32, passes as u32);
        let (floats, cats) = (self.parts.floats.len(), self.parts.cats.len());
        match split {
            Split::Float { place, border } => {
                let feature = &self.parts.floats[place];
                let column = if self.prepared { place } else { feature.flat };
                // What is not greater takes the first side.
                Node::Split {
                    column: column as u32,
                    test: Test::AtMost(f64::from(border)),
                    missing_is_yes: feature.missing == Missing::Least,
                    yes: fails,
                    no: passes,
                    cover,
                }
            }
            Split::OneHot { place, value } => Node::Split {
                column: (floats + place) as u32,
                test: Test::Equal(f64::from(value)),
                missing_is_yes: false,
                yes: passes,
                no: fails,
                cover,
            },
            Split::Ctr { place, border } => Node::Split {
                column: (floats + cats + place) as u32,
                test: Test::AtMost(f64::from(border)),
                missing_is_yes: true,
                yes: fails,
                no: passes,
                cover,
            },
        }
    }
}

/// Gives each split the cover of what is below it; children follow their parents.
fn sum_covers(nodes: &mut [Node]) {
    let cover_of = |node: Option<&Node>| match node {
        Some(Node::Split { cover, .. } | Node::Leaf { cover, .. }) => *cover,
        None => 0.0,
    };
    for at in (0..nodes.len()).rev() {
        if let Node::Split { yes, no, .. } = nodes[at] {
            let sum = cover_of(nodes.get(yes as usize)) + cover_of(nodes.get(no as usize));
            if let Node::Split { cover, .. } = &mut nodes[at] {
                *cover = sum;
            }
        }
    }
}
