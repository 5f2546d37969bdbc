//! A test for several categories, as converters without `BRANCH_MEMBER` spell it: a chain of tests for
//! one number each, of one column, whose true children are all the same node. It becomes one test of
//! membership, so that each node has one parent again.

use std::collections::HashMap;

use super::members::Members;
use crate::model::trees::{NodeMode, TreeAttributes};

/// The nodes of a file by tree and id.
type Places = HashMap<(i64, i64), usize>;

/// Merges the chains, where some node has several parents. `None` if there is none to merge, or if
/// they test for too many numbers.
pub(super) fn merge(attributes: &mut TreeAttributes) -> Option<Members> {
    // The error is that of the ensemble, which is built next.
    if attributes.check_lengths().is_err() {
        return None;
    }
    let nodes = attributes.nodes_modes.len();
    let chains = find(attributes)?;
    let tests: Vec<_> = chains
        .iter()
        .filter_map(|chain| {
            let numbers: Vec<_> = chain.iter().map(|at| attributes.nodes_values[*at]).collect();
            Some((usize::try_from(attributes.nodes_featureids[chain[0]]).ok()?, numbers))
        })
        .collect();
    if tests.len() != chains.len() || tests.is_empty() {
        return None;
    }
    let slices: Vec<_> = tests.iter().map(|(column, numbers)| (*column, &numbers[..])).collect();
    let (members, sets) = Members::new(&slices)?;
    attributes.sets = sets;
    let mut stays = vec![true; nodes];
    for (test, chain) in chains.iter().enumerate() {
        let (head, last) = (chain[0], chain[chain.len() - 1]);
        attributes.nodes_modes[head] = NodeMode::BranchMember;
        attributes.nodes_values[head] = test as f64;
        attributes.nodes_falsenodeids[head] = attributes.nodes_falsenodeids[last];
        let tracks = &mut attributes.nodes_missing_value_tracks_true;
        if tracks.len() == nodes {
            // A missing cell leaves the chain at the first test that it passes.
            tracks[head] = i64::from(chain.iter().any(|at| tracks[*at] != 0));
        }
        for at in &chain[1..] {
            stays[*at] = false;
        }
    }
    keep(attributes, &stays);
    Some(members)
}

/// The chains, each by the places of its nodes.
fn find(attributes: &TreeAttributes) -> Option<Vec<Vec<usize>>> {
    let ids = attributes.nodes_treeids.iter().zip(&attributes.nodes_nodeids);
    let places: Places = ids.enumerate().map(|(at, (tree, node))| ((*tree, *node), at)).collect();
    let mut parents = vec![0_u32; attributes.nodes_modes.len()];
    for at in branches(attributes) {
        for child in [attributes.nodes_truenodeids[at], attributes.nodes_falsenodeids[at]] {
            if let Some(child) = places.get(&(attributes.nodes_treeids[at], child)) {
                parents[*child] = parents[*child].saturating_add(1);
            }
        }
    }
    if parents.iter().all(|count| *count < 2) {
        return None;
    }
    let next: Vec<_> = (0..parents.len())
        .map(|at| next_of(attributes, &places, at).filter(|next| parents[*next] == 1))
        .collect();
    let mut is_head = vec![true; next.len()];
    for follower in next.iter().flatten() {
        is_head[*follower] = false;
    }
    let mut chains = Vec::new();
    for at in (0..next.len()).filter(|at| is_head[*at] && next[*at].is_some()) {
        // Each has one node before it at most, and the head none: it ends.
        let mut chain = vec![at];
        while let Some(follower) = next[chain[chain.len() - 1]] {
            chain.push(follower);
        }
        chains.push(chain);
    }
    Some(chains)
}

fn branches(attributes: &TreeAttributes) -> impl Iterator<Item = usize> + '_ {
    let modes = attributes.nodes_modes.iter().enumerate();
    modes.filter(|(_, mode)| **mode != NodeMode::Leaf).map(|(at, _)| at)
}

/// The node that goes on with the chain of this one.
fn next_of(attributes: &TreeAttributes, places: &Places, at: usize) -> Option<usize> {
    let is_test = |at: usize| {
        attributes.nodes_modes[at] == NodeMode::BranchEq && !attributes.nodes_values[at].is_nan()
    };
    let tree = attributes.nodes_treeids[at];
    let next = *places.get(&(tree, attributes.nodes_falsenodeids[at]))?;
    let goes_on = next != at
        && is_test(at)
        && is_test(next)
        && attributes.nodes_featureids[next] == attributes.nodes_featureids[at]
        && attributes.nodes_truenodeids[next] == attributes.nodes_truenodeids[at];
    goes_on.then_some(next)
}

/// Leaves the other nodes out.
fn keep(attributes: &mut TreeAttributes, stays: &[bool]) {
    fn retain<T>(values: &mut Vec<T>, stays: &[bool]) {
        if values.len() == stays.len() {
            let mut stays = stays.iter();
            values.retain(|_| stays.next().is_some_and(|stays| *stays));
        }
    }
    for ids in [
        &mut attributes.nodes_treeids,
        &mut attributes.nodes_nodeids,
        &mut attributes.nodes_featureids,
        &mut attributes.nodes_truenodeids,
        &mut attributes.nodes_falsenodeids,
        &mut attributes.nodes_missing_value_tracks_true,
    ] {
        retain(ids, stays);
    }
    retain(&mut attributes.nodes_modes, stays);
    retain(&mut attributes.nodes_values, stays);
    retain(&mut attributes.nodes_hitrates, stays);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::Precision;
    use crate::model::trees::EnsembleKind;

    /// Column 0 in {4, 5, 7}: leaf 1, else leaf 2.
    fn chain() -> TreeAttributes {
        let kind = EnsembleKind::Regressor { targets: 1 };
        TreeAttributes {
            nodes_treeids: vec![0; 5],
            nodes_nodeids: vec![0, 1, 2, 3, 4],
            nodes_featureids: vec![3, 0, 0, 3, 3],
            nodes_modes: vec![
                NodeMode::BranchEq,
                NodeMode::Leaf,
                NodeMode::Leaf,
                NodeMode::BranchEq,
                NodeMode::BranchEq,
            ],
            nodes_values: vec![4.0, 0.0, 0.0, 5.0, 7.0],
            nodes_truenodeids: vec![1, 0, 0, 1, 1],
            nodes_falsenodeids: vec![3, 0, 0, 4, 2],
            nodes_missing_value_tracks_true: vec![0, 0, 0, 0, 1],
            ..TreeAttributes::new(Precision::F32, kind)
        }
    }

    #[test]
    fn a_chain_becomes_one_test() {
        let mut attributes = chain();
        let members = merge(&mut attributes).expect("it has a chain");
        assert_eq!(members.len(), 1);
        assert_eq!(attributes.nodes_nodeids, [0, 1, 2]);
        assert_eq!(attributes.nodes_modes[0], NodeMode::BranchMember);
        let children = (attributes.nodes_truenodeids[0], attributes.nodes_falsenodeids[0]);
        assert_eq!(children, (1, 2));
        assert_eq!(attributes.nodes_missing_value_tracks_true, [1, 0, 0]);
    }

    #[test]
    fn what_is_no_chain_stays() {
        let mut other_column = chain();
        other_column.nodes_featureids = vec![3, 0, 0, 2, 1];
        let mut other_mode = chain();
        other_mode.nodes_modes[3] = NodeMode::BranchLeq;
        let mut in_a_circle = chain();
        in_a_circle.nodes_falsenodeids = vec![3, 0, 0, 4, 0];
        let mut cut = chain();
        cut.nodes_values.pop();
        for attributes in [other_column, other_mode, in_a_circle, cut] {
            let mut merged = attributes.clone();
            assert!(merge(&mut merged).is_none(), "{attributes:?}");
            assert_eq!(merged, attributes);
        }
    }
}
