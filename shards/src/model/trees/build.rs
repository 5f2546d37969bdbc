//! Lays the trees of a model file, which may be hostile, out in preorder.

use super::attributes::{NodeMode, TreeAttributes};
use super::check::{NONE, at_most, check_lengths, check_numbers, check_sizes, fits, name_of};
use super::ensemble::{Branch, Child, Covers, Ensemble, EnsembleLimits, Tree, Weight};
use super::error::EnsembleError;
use super::finish::Finish;
use super::normal_form::normal_form;
use crate::features::Precision;

pub(super) fn build(
    attributes: &TreeAttributes,
    limits: &EnsembleLimits,
) -> Result<Ensemble, EnsembleError> {
    check_lengths(attributes)?;
    let outputs = check_sizes(attributes, limits)?;
    check_numbers(attributes)?;
    let nodes = Nodes::index(attributes, limits)?;
    let (sum_of, sums) = number_sums(attributes, outputs)?;
    let leaf_weights = LeafWeights::index(attributes, &nodes, &sum_of)?;
    let finish = Finish::new(attributes, &sum_of, nodes.roots.len())?;
    let mut ensemble = Ensemble {
        precision: attributes.precision,
        columns: 0,
        trees: Vec::with_capacity(nodes.roots.len()),
        branches: Vec::new(),
        leaves: vec![0],
        weights: Vec::with_capacity(attributes.leaf_weights.len()),
        sums,
        starts: Vec::new(),
        sets: attributes.sets.clone(),
        linear: Vec::new(),
        covers: Covers::default(),
        finish,
    };
    for tree in &nodes.roots {
        plant(&mut ensemble, attributes, limits, &nodes, &leaf_weights, *tree)?;
    }
    let columns = ensemble.branches.iter().map(|branch| branch.column as usize + 1).max();
    ensemble.columns = columns.unwrap_or(0);
    check_overflow(&ensemble, &attributes.base_values)?;
    Ok(ensemble)
}

/// One tree of the file: its root, by position, and how many nodes carry its id.
#[derive(Clone, Copy)]
struct Root {
    node: u32,
    nodes: usize,
}

/// The file's nodes with ids made positions. Every node has at most one parent.
struct Nodes {
    /// `(tree id, node id, position)`, sorted.
    by_id: Vec<(i64, i64, u32)>,
    /// The children of each node; of leaves [`NONE`].
    children: Vec<(u32, u32)>,
    /// The trees, in the order in which the file first names them.
    roots: Vec<Root>,
}

impl Nodes {
    fn index(attributes: &TreeAttributes, limits: &EnsembleLimits) -> Result<Self, EnsembleError> {
        let ids = attributes.nodes_treeids.iter().zip(&attributes.nodes_nodeids);
        let mut by_id: Vec<_> =
            ids.enumerate().map(|(at, (tree, node))| (*tree, *node, at as u32)).collect();
        by_id.sort_unstable();
        let twice = by_id.windows(2).find(|pair| (pair[0].0, pair[0].1) == (pair[1].0, pair[1].1));
        if let Some(&[(tree, node, _), _]) = twice {
            return Err(EnsembleError::DuplicateNode { tree, node });
        }
        let mut nodes = Self { by_id, children: Vec::new(), roots: Vec::new() };
        let has_parent = nodes.join_children(attributes)?;
        nodes.find_roots(attributes, limits, &has_parent)?;
        Ok(nodes)
    }

    fn find(&self, tree: i64, node: i64) -> Option<u32> {
        let at = self.by_id.binary_search_by_key(&(tree, node), |id| (id.0, id.1)).ok()?;
        Some(self.by_id[at].2)
    }

    /// Fills `children` and returns which nodes are one.
    fn join_children(&mut self, attributes: &TreeAttributes) -> Result<Vec<bool>, EnsembleError> {
        let mut has_parent = vec![false; self.by_id.len()];
        let mut children = Vec::with_capacity(self.by_id.len());
        for at in 0..self.by_id.len() {
            if attributes.nodes_modes[at] == NodeMode::Leaf {
                children.push((NONE, NONE));
                continue;
            }
            let (tree, node) = (attributes.nodes_treeids[at], attributes.nodes_nodeids[at]);
            let mut child_of = |side: &'static str, child: i64| {
                let Some(position) = self.find(tree, child) else {
                    return Err(EnsembleError::NoSuchChild { tree, node, side, child });
                };
                if std::mem::replace(&mut has_parent[position as usize], true) {
                    return Err(EnsembleError::SharedChild { tree, node: child });
                }
                Ok(position)
            };
            let yes = child_of("true", attributes.nodes_truenodeids[at])?;
            let no = child_of("false", attributes.nodes_falsenodeids[at])?;
            children.push((yes, no));
        }
        self.children = children;
        Ok(has_parent)
    }

    fn find_roots(
        &mut self,
        attributes: &TreeAttributes,
        limits: &EnsembleLimits,
        has_parent: &[bool],
    ) -> Result<(), EnsembleError> {
        // For each tree: where the file first names it, its root and its size.
        let mut trees: Vec<(u32, Root)> = Vec::new();
        for group in self.by_id.chunk_by(|left, right| left.0 == right.0) {
            at_most("trees", trees.len() + 1, limits.trees_max)?;
            let positions = || group.iter().map(|id| id.2);
            let first = positions().min().unwrap_or(NONE);
            let orphans = positions().filter(|at| !has_parent[*at as usize]);
            let Some(node) = orphans.min() else {
                let node = attributes.nodes_nodeids[first as usize];
                return Err(EnsembleError::SharedChild { tree: group[0].0, node });
            };
            trees.push((first, Root { node, nodes: group.len() }));
        }
        if trees.is_empty() {
            return Err(EnsembleError::Empty);
        }
        trees.sort_unstable_by_key(|(first, _)| *first);
        self.roots = trees.into_iter().map(|(_, root)| root).collect();
        Ok(())
    }
}

/// Numbers the outputs that some leaf adds to: only these need a sum.
fn number_sums(
    attributes: &TreeAttributes,
    outputs: usize,
) -> Result<(Vec<Option<u32>>, usize), EnsembleError> {
    let mut used = vec![false; outputs];
    for (index, output) in attributes.leaf_outputs.iter().enumerate() {
        let Some(used) = usize::try_from(*output).ok().and_then(|output| used.get_mut(output))
        else {
            let limit = outputs - 1;
            return Err(EnsembleError::NoSuchOutput { index, output: *output, limit });
        };
        *used = true;
    }
    let mut sums = 0;
    let mut number = |used: bool| {
        used.then(|| {
            sums += 1;
            sums - 1
        })
    };
    let sum_of = used.into_iter().map(&mut number).collect();
    Ok((sum_of, sums as usize))
}

/// The file's leaf weights, grouped by node and in the file's order within each.
struct LeafWeights {
    /// Node `i` has `weights[starts[i]..starts[i + 1]]`.
    starts: Vec<u32>,
    weights: Vec<Weight>,
}

impl LeafWeights {
    fn index(
        attributes: &TreeAttributes,
        nodes: &Nodes,
        sum_of: &[Option<u32>],
    ) -> Result<Self, EnsembleError> {
        let mut owners = Vec::with_capacity(attributes.leaf_weights.len());
        let mut starts = vec![0_u32; nodes.children.len() + 1];
        let ids = attributes.leaf_treeids.iter().zip(&attributes.leaf_nodeids);
        for (index, (&tree, &node)) in ids.enumerate() {
            let owner = nodes.find(tree, node);
            let Some(owner) = owner.filter(|at| nodes.children[*at as usize].0 == NONE) else {
                return Err(EnsembleError::NotALeaf { index, tree, node });
            };
            starts[owner as usize + 1] += 1;
            owners.push(owner);
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        let mut next = starts.clone();
        let mut weights = vec![Weight { sum: 0, value: 0.0 }; owners.len()];
        for (index, owner) in owners.into_iter().enumerate() {
            // Every output that a weight names was numbered.
            let sum = sum_of[attributes.leaf_outputs[index] as usize].unwrap_or(0);
            let place = &mut next[owner as usize];
            weights[*place as usize] = Weight { sum, value: attributes.leaf_weights[index] };
            *place += 1;
        }
        Ok(Self { starts, weights })
    }

    fn of(&self, node: u32) -> &[Weight] {
        let node = node as usize;
        &self.weights[self.starts[node] as usize..self.starts[node + 1] as usize]
    }
}

/// Appends one tree to the ensemble, in preorder.
fn plant(
    ensemble: &mut Ensemble,
    attributes: &TreeAttributes,
    limits: &EnsembleLimits,
    nodes: &Nodes,
    leaf_weights: &LeafWeights,
    root: Root,
) -> Result<(), EnsembleError> {
    let tree_id = attributes.nodes_treeids[root.node as usize];
    let (first_branch, first_leaf) = (ensemble.branches.len(), ensemble.leaves.len() - 1);
    let mut tree_root = Child::Leaf(first_leaf as u32);
    let (mut depth_max, mut reached) = (0, 0);
    // Node, depth, and which child of which branch it is.
    let mut pending = vec![(root.node, 0_usize, None)];
    while let Some((node, depth, parent)) = pending.pop() {
        reached += 1;
        // As the file says how many rows reached each node, or doesn't.
        let cover = attributes.nodes_hitrates.get(node as usize).copied().unwrap_or(0.0);
        depth_max = depth_max.max(depth);
        if depth > limits.depth_max {
            return Err(EnsembleError::TooDeep { tree: tree_id, limit: limits.depth_max });
        }
        let (yes, no) = nodes.children[node as usize];
        let placed = if yes == NONE {
            ensemble.covers.leaves.push(cover);
            ensemble.weights.extend_from_slice(leaf_weights.of(node));
            ensemble.leaves.push(ensemble.weights.len() as u32);
            Child::Leaf(ensemble.leaves.len() as u32 - 2)
        } else {
            let place = ensemble.branches.len();
            let (branch, swapped) = branch(attributes, limits, node as usize)?;
            ensemble.branches.push(branch);
            ensemble.covers.branches.push(cover);
            let (yes, no) = if swapped { (no, yes) } else { (yes, no) };
            pending.push((no, depth + 1, Some((place, false))));
            pending.push((yes, depth + 1, Some((place, true))));
            Child::Branch(place as u32)
        };
        match parent {
            None => tree_root = placed,
            Some((parent, true)) => ensemble.branches[parent].yes = placed,
            Some((parent, false)) => ensemble.branches[parent].no = placed,
        }
    }
    if reached != root.nodes {
        let root_id = attributes.nodes_nodeids[root.node as usize];
        let (found, expected) = (reached, root.nodes);
        return Err(EnsembleError::Unreachable { tree: tree_id, root: root_id, found, expected });
    }
    ensemble.trees.push(Tree {
        root: tree_root,
        branches: (first_branch as u32, ensemble.branches.len() as u32),
        leaves: (first_leaf as u32, ensemble.leaves.len() as u32 - 1),
        depth: depth_max as u32,
    });
    Ok(())
}

/// The branch at a position of the file, its children not set yet, and whether to swap them.
fn branch(
    attributes: &TreeAttributes,
    limits: &EnsembleLimits,
    at: usize,
) -> Result<(Branch, bool), EnsembleError> {
    let (tree, node) = (attributes.nodes_treeids[at], attributes.nodes_nodeids[at]);
    let column = attributes.nodes_featureids[at];
    let limit = limits.columns_max.min(NONE as usize).saturating_sub(1);
    let Some(column) = usize::try_from(column).ok().filter(|column| *column <= limit) else {
        return Err(EnsembleError::Column { tree, node, column, limit });
    };
    let threshold = attributes.nodes_values[at];
    let precision = attributes.precision;
    if threshold.is_nan() || !fits(threshold, precision) {
        let precision = name_of(precision);
        return Err(EnsembleError::Threshold { tree, node, threshold, precision });
    }
    let tracks = attributes.nodes_missing_value_tracks_true.get(at);
    let tracks = tracks.is_some_and(|tracks| *tracks != 0);
    let mode = attributes.nodes_modes[at];
    let sets = attributes.sets.len();
    if mode == NodeMode::BranchMember && !(0.0..sets as f64).contains(&threshold) {
        let (output, limit) = (threshold as i64, sets.saturating_sub(1));
        return Err(EnsembleError::NoSuchOutput { index: at, output, limit });
    }
    let (test, threshold, nan_is_yes, swapped) = normal_form(mode, threshold, tracks, precision);
    let nowhere = Child::Leaf(0);
    let column = column as u32;
    Ok((Branch { column, test, nan_is_yes, threshold, yes: nowhere, no: nowhere }, swapped))
}

/// No sum of leaves may overflow: infinity minus infinity would be NaN in a score.
pub(super) fn check_overflow(ensemble: &Ensemble, bases: &[f64]) -> Result<(), EnsembleError> {
    let greatest_of = |tree: &Tree| {
        let leaves = tree.leaves.0..tree.leaves.1;
        let magnitude = |leaf| ensemble.weights_of(leaf).iter().map(|w| w.value.abs()).sum::<f64>();
        leaves.map(magnitude).fold(0.0, f64::max)
    };
    let bases: f64 = bases.iter().map(|base| base.abs()).sum();
    let found = ensemble.trees.iter().map(greatest_of).sum::<f64>() + bases;
    let limit = match ensemble.precision {
        Precision::F32 => f64::from(f32::MAX),
        Precision::F64 => f64::MAX,
    };
    if found <= limit / 2.0 {
        Ok(())
    } else {
        Err(EnsembleError::Overflow { found, precision: name_of(ensemble.precision) })
    }
}
