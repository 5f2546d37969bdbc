//! Checks a library's own forest, which may be hostile, and lays it out as kernels need it.

use super::attributes::{Aggregate, NodeMode};
use super::build::check_overflow;
use super::check::{at_most, fits, name_of};
use super::ensemble::{
    Branch, Child, Covers, Ensemble, EnsembleLimits, Linear, Test, Tree, Weight,
};
use super::error::EnsembleError;
use super::normal_form::normal_form;
use super::outputs::OutputColumns;
use crate::model::forest::{self, Forest, Node};

pub(super) fn plant(
    forest: &Forest,
    columns: OutputColumns,
    limits: &EnsembleLimits,
) -> Result<Ensemble, EnsembleError> {
    check_sizes(forest, limits)?;
    check_numbers(forest)?;
    let mut finish = columns.finish;
    for column in &mut finish.columns {
        column.base = column.sum.map_or(0.0, |sum| forest.biases[sum as usize]);
    }
    if forest.divisor > 1.0 && !columns.are_margins {
        finish.aggregate = Aggregate::Average;
        finish.trees = forest.divisor;
    }
    let is_zero = forest.starts.iter().all(|start| start.to_bits() == 0);
    let mut ensemble = Ensemble {
        precision: forest.precision,
        columns: forest.columns,
        trees: Vec::with_capacity(forest.trees.len()),
        branches: Vec::new(),
        leaves: vec![0],
        weights: Vec::with_capacity(forest.weights.len()),
        sums: forest.sums(),
        starts: if is_zero { Vec::new() } else { forest.starts.clone() },
        sets: forest.sets.clone(),
        linear: Vec::new(),
        covers: Covers::default(),
        finish,
    };
    for (number, tree) in forest.trees.iter().enumerate() {
        add_tree(&mut ensemble, forest, limits, tree, number as i64)?;
    }
    ensemble.columns = columns_read(&ensemble);
    let bases: Vec<_> = forest.starts.iter().chain(&forest.biases).copied().collect();
    check_overflow(&ensemble, &bases)?;
    Ok(ensemble)
}

/// The highest column that a branch or a linear leaf reads, plus one.
fn columns_read(ensemble: &Ensemble) -> usize {
    let linear = ensemble.linear.iter().flat_map(|(_, linear)| &linear.terms);
    let columns = ensemble.branches.iter().map(|branch| branch.column);
    columns.chain(linear.map(|term| term.0)).max().map_or(0, |last| last as usize + 1)
}

fn check_sizes(forest: &Forest, limits: &EnsembleLimits) -> Result<(), EnsembleError> {
    if forest.sums() == 0 {
        return Err(EnsembleError::NoOutput);
    }
    let nodes = forest.trees.iter().map(|tree| tree.nodes.len()).sum();
    at_most("trees", forest.trees.len(), limits.trees_max)?;
    at_most("nodes", nodes, limits.nodes_max)?;
    at_most("leaf weights", forest.weights.len(), limits.weights_max)?;
    at_most("classes or targets", forest.sums(), limits.outputs_max)?;
    at_most("columns", forest.columns, limits.columns_max)
}

fn check_numbers(forest: &Forest) -> Result<(), EnsembleError> {
    let check = |attribute, index, value: f64| {
        if value.is_finite() && fits(value, forest.precision) {
            return Ok(());
        }
        let precision = name_of(forest.precision);
        Err(EnsembleError::Number { attribute, index, value, precision })
    };
    for (index, weight) in forest.weights.iter().enumerate() {
        check("leaf values", index, weight.value)?;
    }
    for (index, value) in forest.starts.iter().chain(&forest.biases).enumerate() {
        check("base values", index, *value)?;
    }
    let linear = forest.linear.iter();
    for (index, leaf) in linear.enumerate() {
        check("constants of leaves", index, leaf.constant)?;
        for (_, coefficient) in &leaf.terms {
            check("coefficients of leaves", index, *coefficient)?;
        }
    }
    check("divisor", 0, forest.divisor)
}

/// Appends one tree, in preorder.
fn add_tree(
    ensemble: &mut Ensemble,
    forest: &Forest,
    limits: &EnsembleLimits,
    tree: &forest::Tree,
    number: i64,
) -> Result<(), EnsembleError> {
    let (first_branch, first_leaf) = (ensemble.branches.len(), ensemble.leaves.len() - 1);
    let mut root = Child::Leaf(first_leaf as u32);
    let mut depth_max = 0;
    let mut seen = vec![false; tree.nodes.len()];
    if tree.nodes.is_empty() {
        return Err(EnsembleError::Empty);
    }
    // Node, depth, and which child of which branch it is.
    let mut pending = vec![(0_u32, 0_usize, None)];
    while let Some((at, depth, parent)) = pending.pop() {
        let child = i64::from(at);
        let Some(node) = tree.nodes.get(at as usize) else {
            let (node, side) = parent_of(parent, first_branch);
            return Err(EnsembleError::NoSuchChild { tree: number, node, side, child });
        };
        if std::mem::replace(&mut seen[at as usize], true) {
            return Err(EnsembleError::SharedChild { tree: number, node: child });
        }
        depth_max = depth_max.max(depth);
        if depth > limits.depth_max {
            return Err(EnsembleError::TooDeep { tree: number, limit: limits.depth_max });
        }
        let placed = match *node {
            Node::Leaf { first, count, linear, cover } => {
                ensemble.covers.leaves.push(cover);
                add_leaf(ensemble, forest, first, count, linear).ok_or(EnsembleError::NotALeaf {
                    index: first as usize,
                    tree: number,
                    node: child,
                })?
            }
            Node::Split { yes, no, cover, .. } => {
                ensemble.covers.branches.push(cover);
                let place = ensemble.branches.len();
                let (branch, swapped) = branch(forest, node, number, child)?;
                ensemble.branches.push(branch);
                let (yes, no) = if swapped { (no, yes) } else { (yes, no) };
                pending.push((no, depth + 1, Some((place, false))));
                pending.push((yes, depth + 1, Some((place, true))));
                Child::Branch(place as u32)
            }
        };
        match parent {
            None => root = placed,
            Some((parent, true)) => ensemble.branches[parent].yes = placed,
            Some((parent, false)) => ensemble.branches[parent].no = placed,
        }
    }
    ensemble.trees.push(Tree {
        root,
        branches: (first_branch as u32, ensemble.branches.len() as u32),
        leaves: (first_leaf as u32, ensemble.leaves.len() as u32 - 1),
        depth: depth_max as u32,
    });
    Ok(())
}

fn parent_of(parent: Option<(usize, bool)>, first_branch: usize) -> (i64, &'static str) {
    match parent {
        Some((place, true)) => ((place - first_branch) as i64, "true"),
        Some((place, false)) => ((place - first_branch) as i64, "false"),
        None => (0, "root"),
    }
}

/// Appends a leaf; none if the forest has no such weights or linear part.
fn add_leaf(
    ensemble: &mut Ensemble,
    forest: &Forest,
    first: u32,
    count: u32,
    linear: Option<u32>,
) -> Option<Child> {
    let leaf = ensemble.leaves.len() as u32 - 1;
    let weights = forest.weights.get(first as usize..)?.get(..count as usize)?;
    if weights.iter().any(|weight| weight.sum as usize >= ensemble.sums) {
        return None;
    }
    ensemble.weights.extend(weights.iter().map(|w| Weight { sum: w.sum, value: w.value }));
    ensemble.leaves.push(ensemble.weights.len() as u32);
    if let Some(linear) = linear {
        let linear = forest.linear.get(linear as usize)?;
        if linear.terms.iter().any(|(column, _)| *column as usize >= forest.columns) {
            return None;
        }
        let (constant, terms) = (linear.constant, linear.terms.clone());
        ensemble.linear.push((leaf, Linear { constant, terms }));
    }
    Some(Child::Leaf(leaf))
}

/// The branch that a node is, its children not set yet, and whether to swap them.
fn branch(
    forest: &Forest,
    node: &Node,
    tree: i64,
    at: i64,
) -> Result<(Branch, bool), EnsembleError> {
    let nowhere = Child::Leaf(0);
    let Node::Split { column, test, missing_is_yes, .. } = *node else {
        return Err(EnsembleError::NotALeaf { index: 0, tree, node: at });
    };
    if column as usize >= forest.columns {
        let (column, limit) = (i64::from(column), forest.columns.saturating_sub(1));
        return Err(EnsembleError::Column { tree, node: at, column, limit });
    }
    let (mode, threshold) = match test {
        forest::Test::AtMost(threshold) => (NodeMode::BranchLeq, threshold),
        forest::Test::Less(threshold) => (NodeMode::BranchLt, threshold),
        forest::Test::Equal(threshold) => (NodeMode::BranchEq, threshold),
        forest::Test::Member(set) => {
            if set as usize >= forest.sets.len() {
                let limit = forest.sets.len().saturating_sub(1);
                let (index, output) = (at as usize, i64::from(set));
                return Err(EnsembleError::NoSuchOutput { index, output, limit });
            }
            let test = Test::Member(set);
            let nan_is_yes = missing_is_yes;
            let branch =
                Branch { column, test, nan_is_yes, threshold: 0.0, yes: nowhere, no: nowhere };
            return Ok((branch, false));
        }
    };
    if threshold.is_nan() || !fits(threshold, forest.precision) {
        let precision = name_of(forest.precision);
        return Err(EnsembleError::Threshold { tree, node: at, threshold, precision });
    }
    let (test, threshold, nan_is_yes, swapped) =
        normal_form(mode, threshold, missing_is_yes, forest.precision);
    Ok((Branch { column, test, nan_is_yes, threshold, yes: nowhere, no: nowhere }, swapped))
}
