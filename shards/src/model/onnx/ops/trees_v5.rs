//! `TreeEnsemble` (ai.onnx.ml 5): its nodes lie in one list for all trees and its leaves in
//! another; here they are spelled as the older operators spell them.
//!
//! `nodes_hitrates` is not read: the operator has one number for each node and none for leaves, so
//! that no file says how the rows of a node were shared out whose children are leaves both. Each
//! tree has such a node. Explanations of these ensembles need background rows.

use super::members::Members;
use super::trees::Trees;
use super::{NodeContext, OnnxError, RowOperator};
use crate::features::Precision;
use crate::model::forest::CategorySets;
use crate::model::trees::{Aggregate, EnsembleKind, NodeMode, PostTransform, TreeAttributes};

/// The arrays of the node.
struct Arrays<'g> {
    context: NodeContext<'g>,
    columns: &'g [i64],
    splits: Vec<f64>,
    modes: Vec<f64>,
    missing_is_true: &'g [i64],
    /// Where a node's test leads, and whether that is a leaf: for `true` and for `false`.
    children: [(&'g [i64], &'g [i64]); 2],
    leaf_targets: &'g [i64],
    leaf_weights: Vec<f64>,
    /// For each node, which of the tests of membership it is, in the order of the nodes.
    tests: Vec<Option<usize>>,
}

/// The mode of a node that tests for membership.
const MEMBER: f64 = 6.0;

pub(super) fn parse(context: NodeContext<'_>) -> Result<Box<dyn RowOperator>, OnnxError> {
    let tensor = |name: &str| {
        context
            .tensor(name)?
            .ok_or_else(|| context.refuse(format!("attribute `{name}` is missing")))
    };
    let modes = tensor("nodes_modes")?;
    let arrays = Arrays {
        context,
        tests: tests(&modes),
        columns: context.integers("nodes_featureids")?,
        splits: tensor("nodes_splits")?,
        modes,
        missing_is_true: context.integers("nodes_missing_value_tracks_true")?,
        children: [
            (context.integers("nodes_truenodeids")?, context.integers("nodes_trueleafs")?),
            (context.integers("nodes_falsenodeids")?, context.integers("nodes_falseleafs")?),
        ],
        leaf_targets: context.integers("leaf_targetids")?,
        leaf_weights: tensor("leaf_weights")?,
    };
    let targets = context.integer("n_targets")?.and_then(|targets| usize::try_from(targets).ok());
    let targets = targets.ok_or_else(|| context.refuse("`n_targets` is no count"))?;
    let kind = EnsembleKind::Regressor { targets };
    let mut attributes = TreeAttributes {
        aggregate: aggregate(context)?,
        post_transform: post_transform(context)?,
        ..TreeAttributes::new(Precision::F32, kind)
    };
    let numbers = context.tensor("membership_values")?.unwrap_or_default();
    let (members, sets) = arrays.members(&numbers)?;
    attributes.sets = sets;
    let mut seen = vec![false; arrays.columns.len()];
    for (tree, root) in context.integers("tree_roots")?.iter().enumerate() {
        arrays.add_tree(tree as i64, *root, &mut seen, &mut attributes)?;
    }
    Ok(Box::new(Trees::keeping_precision(attributes, members)))
}

fn tests(modes: &[f64]) -> Vec<Option<usize>> {
    let is_test = |mode: &f64| mode.total_cmp(&MEMBER).is_eq();
    let mut tests = 0..modes.iter().filter(|mode| is_test(mode)).count();
    modes.iter().map(|mode| if is_test(mode) { tests.next() } else { None }).collect()
}

fn aggregate(context: NodeContext<'_>) -> Result<Aggregate, OnnxError> {
    match context.integer("aggregate_function")?.unwrap_or(1) {
        0 => Ok(Aggregate::Average),
        1 => Ok(Aggregate::Sum),
        2 => Ok(Aggregate::Min),
        3 => Ok(Aggregate::Max),
        other => Err(context.refuse(format!("aggregate_function {other} is unknown"))),
    }
}

fn post_transform(context: NodeContext<'_>) -> Result<PostTransform, OnnxError> {
    // By the operator's own text; ONNX Runtime 1.24 reads 1 and 2 the other way round.
    match context.integer("post_transform")?.unwrap_or(0) {
        0 => Ok(PostTransform::None),
        1 => Ok(PostTransform::Softmax),
        2 => Ok(PostTransform::Logistic),
        3 => Ok(PostTransform::SoftmaxZero),
        4 => Ok(PostTransform::Probit),
        other => Err(context.refuse(format!("post_transform {other} is unknown"))),
    }
}

impl Arrays<'_> {
    /// Adds the nodes and leaves below `root`. A leaf's id follows those of all nodes; a leaf that
    /// several branches of one tree lead to becomes one leaf for each of them.
    fn add_tree(
        &self,
        tree: i64,
        root: i64,
        seen: &mut [bool],
        attributes: &mut TreeAttributes,
    ) -> Result<(), OnnxError> {
        let mut next_leaf = self.columns.len() as i64;
        let mut open = vec![root];
        while let Some(id) = open.pop() {
            let place = self.place(id, seen.len(), "node")?;
            if std::mem::replace(&mut seen[place], true) {
                return Err(self.context.refuse(format!("two branches lead to node {id}")));
            }
            let mut ids = [0; 2];
            for (child, (to, leaf)) in ids.iter_mut().zip(&self.children) {
                let (to, leaf) = (self.at(to, place)?, self.at(leaf, place)?);
                if leaf == 0 {
                    *child = to;
                    open.push(to);
                } else {
                    *child = next_leaf;
                    next_leaf += 1;
                    self.add_leaf(tree, *child, to, attributes)?;
                }
            }
            attributes.nodes_treeids.push(tree);
            attributes.nodes_nodeids.push(id);
            attributes.nodes_featureids.push(self.at(self.columns, place)?);
            attributes.nodes_modes.push(self.mode(place)?);
            attributes.nodes_values.push(match self.tests.get(place) {
                Some(Some(test)) => *test as f64,
                _ => self.at(&self.splits, place)?,
            });
            attributes.nodes_truenodeids.push(ids[0]);
            attributes.nodes_falsenodeids.push(ids[1]);
            let missing_is_true = self.missing_is_true.get(place).copied().unwrap_or(0);
            attributes.nodes_missing_value_tracks_true.push(missing_is_true);
        }
        Ok(())
    }

    fn add_leaf(
        &self,
        tree: i64,
        id: i64,
        leaf: i64,
        attributes: &mut TreeAttributes,
    ) -> Result<(), OnnxError> {
        let place = self.place(leaf, self.leaf_weights.len(), "leaf")?;
        attributes.nodes_treeids.push(tree);
        attributes.nodes_nodeids.push(id);
        attributes.nodes_featureids.push(0);
        attributes.nodes_modes.push(NodeMode::Leaf);
        attributes.nodes_values.push(0.0);
        attributes.nodes_truenodeids.push(0);
        attributes.nodes_falsenodeids.push(0);
        attributes.nodes_missing_value_tracks_true.push(0);
        attributes.leaf_treeids.push(tree);
        attributes.leaf_nodeids.push(id);
        attributes.leaf_outputs.push(self.at(self.leaf_targets, place)?);
        attributes.leaf_weights.push(self.leaf_weights[place]);
        Ok(())
    }

    fn mode(&self, place: usize) -> Result<NodeMode, OnnxError> {
        match self.at(&self.modes, place)? as i64 {
            0 => Ok(NodeMode::BranchLeq),
            1 => Ok(NodeMode::BranchLt),
            2 => Ok(NodeMode::BranchGte),
            3 => Ok(NodeMode::BranchGt),
            4 => Ok(NodeMode::BranchEq),
            5 => Ok(NodeMode::BranchNeq),
            6 => Ok(NodeMode::BranchMember),
            other => Err(self.context.refuse(format!("node mode {other} is unknown"))),
        }
    }

    /// The tests of membership: `numbers` are their members one test after the other, each test's
    /// followed by NaN.
    fn members(&self, numbers: &[f64]) -> Result<(Members, CategorySets), OnnxError> {
        let count = self.tests.iter().flatten().count();
        let mut lists: Vec<_> = numbers.split(|number| number.is_nan()).collect();
        // What follows the last NaN is no list where it is empty.
        if lists.len() == count + 1 && lists.last().is_some_and(|last| last.is_empty()) {
            lists.pop();
        }
        if lists.len() != count || (count > 0 && numbers.is_empty()) {
            return Err(self.context.refuse(format!(
                "`membership_values` has {} lists, each ended by NaN, for {count} nodes of \
                 BRANCH_MEMBER",
                lists.len()
            )));
        }
        let mut tests = Vec::with_capacity(count);
        for (place, test) in self.tests.iter().enumerate() {
            if let Some(test) = test {
                let column = usize::try_from(self.at(self.columns, place)?).ok();
                let column = column.ok_or_else(|| self.context.refuse("a column is negative"))?;
                tests.push((column, lists[*test]));
            }
        }
        Members::new(&tests)
            .ok_or_else(|| self.context.refuse("its tests of membership have too many members"))
    }

    fn place(&self, id: i64, count: usize, what: &str) -> Result<usize, OnnxError> {
        let place = usize::try_from(id).ok().filter(|place| *place < count);
        place.ok_or_else(|| self.context.refuse(format!("{what} {id} of {count}")))
    }

    fn at<T: Copy>(&self, values: &[T], place: usize) -> Result<T, OnnxError> {
        let value = values.get(place).copied();
        value.ok_or_else(|| self.context.refuse("its arrays differ in length"))
    }
}
