//! A tree ensemble as its ONNX node spells it: parallel arrays, nothing checked yet.

use std::str::FromStr;

use super::check;
use super::error::EnsembleError;
use crate::features::Precision;
use crate::model::forest::CategorySets;

/// How a node compares the value `x` of its feature with its threshold `t`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeMode {
    /// To the true child where `x <= t`.
    BranchLeq,
    /// To the true child where `x < t`.
    BranchLt,
    /// To the true child where `x >= t`.
    BranchGte,
    /// To the true child where `x > t`.
    BranchGt,
    /// To the true child where `x == t`.
    BranchEq,
    /// To the true child where `x != t`.
    BranchNeq,
    /// To the true child where `x` is in the set whose number in `sets` is `t`.
    BranchMember,
    /// A leaf: no comparison, no child.
    Leaf,
}

/// What is done with a row's sums before they are scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PostTransform {
    /// Nothing.
    #[default]
    None,
    /// `1 / (1 + exp(-s))`, each score alone.
    Logistic,
    /// `exp(s) / Σ exp(s)`.
    Softmax,
    /// Softmax over the scores that are not zero; a score of zero stays zero.
    SoftmaxZero,
    /// The inverse of the normal distribution's cumulative function.
    Probit,
    /// Each score is the one before it plus `ln(1 + exp(s)) + 1e-6`: `XGBoost`'s expectiles; not in
    /// ONNX.
    Rising,
}

/// How the leaves that a row reaches are made one score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Aggregate {
    /// Their sum, in the order of the model's trees.
    #[default]
    Sum,
    /// Their sum, divided by the number of trees.
    Average,
    /// The least.
    Min,
    /// The greatest.
    Max,
}

/// A word that is none of an attribute's values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{attribute}`: found \"{found}\", expected one of {expected}")]
pub struct UnknownWord {
    /// The attribute's name.
    pub attribute: &'static str,
    /// The word in the model.
    pub found: String,
    /// The words that ONNX defines.
    pub expected: &'static str,
}

impl FromStr for NodeMode {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "BRANCH_LEQ" => Self::BranchLeq,
            "BRANCH_LT" => Self::BranchLt,
            "BRANCH_GTE" => Self::BranchGte,
            "BRANCH_GT" => Self::BranchGt,
            "BRANCH_EQ" => Self::BranchEq,
            "BRANCH_NEQ" => Self::BranchNeq,
            "LEAF" => Self::Leaf,
            found => {
                return Err(UnknownWord {
                    attribute: "nodes_modes",
                    found: found.to_owned(),
                    expected: "BRANCH_LEQ, BRANCH_LT, BRANCH_GTE, BRANCH_GT, BRANCH_EQ, \
                               BRANCH_NEQ, LEAF",
                });
            }
        })
    }
}

impl FromStr for PostTransform {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "NONE" => Self::None,
            "LOGISTIC" => Self::Logistic,
            "SOFTMAX" => Self::Softmax,
            "SOFTMAX_ZERO" => Self::SoftmaxZero,
            "PROBIT" => Self::Probit,
            found => {
                return Err(UnknownWord {
                    attribute: "post_transform",
                    found: found.to_owned(),
                    expected: "NONE, LOGISTIC, SOFTMAX, SOFTMAX_ZERO, PROBIT",
                });
            }
        })
    }
}

impl FromStr for Aggregate {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        Ok(match word {
            "SUM" => Self::Sum,
            "AVERAGE" => Self::Average,
            "MIN" => Self::Min,
            "MAX" => Self::Max,
            found => {
                return Err(UnknownWord {
                    attribute: "aggregate_function",
                    found: found.to_owned(),
                    expected: "SUM, AVERAGE, MIN, MAX",
                });
            }
        })
    }
}

/// What the ensemble's outputs are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnsembleKind {
    /// `TreeEnsembleClassifier`: a score for each class.
    Classifier {
        /// How many labels `classlabels_int64s` or `classlabels_strings` has.
        labels: usize,
    },
    /// `TreeEnsembleRegressor` or `TreeEnsemble`: a value for each target.
    Regressor {
        /// `n_targets`.
        targets: usize,
    },
}

/// The attributes of `TreeEnsembleClassifier` and `TreeEnsembleRegressor` (ai.onnx.ml 1 to 3).
///
/// Every array is as it is in the file; absent attributes are empty. Where a node has an
/// `…_as_tensor` (double) variant of an attribute, its values go to the same field. Nothing is
/// checked here: `Ensemble::build` does that.
#[derive(Debug, Clone, PartialEq)]
pub struct TreeAttributes {
    /// The element type of the node's input `X`. Thresholds are compared and leaves summed in
    /// it, as the operator defines. Models with 32- and 64-bit integer inputs are `F32`.
    pub precision: Precision,
    /// Classifier or regressor, and how many outputs.
    pub kind: EnsembleKind,
    /// `nodes_treeids`: the tree of each node.
    pub nodes_treeids: Vec<i64>,
    /// `nodes_nodeids`: each node's id, unique in its tree; a tree's first node is its root.
    pub nodes_nodeids: Vec<i64>,
    /// `nodes_featureids`: the input column that each node reads.
    pub nodes_featureids: Vec<i64>,
    /// `nodes_modes`.
    pub nodes_modes: Vec<NodeMode>,
    /// `nodes_values` or `nodes_values_as_tensor`: the thresholds. A 32-bit threshold is widened.
    pub nodes_values: Vec<f64>,
    /// The sets that nodes of [`NodeMode::BranchMember`] test for, each named by its node's value.
    pub sets: CategorySets,
    /// `nodes_truenodeids`: the node, in the same tree, to go to when the comparison holds.
    pub nodes_truenodeids: Vec<i64>,
    /// `nodes_falsenodeids`: the node to go to when it does not.
    pub nodes_falsenodeids: Vec<i64>,
    /// `nodes_missing_value_tracks_true`: not zero where NaN goes to the true child. Empty: none.
    pub nodes_missing_value_tracks_true: Vec<i64>,
    /// `nodes_hitrates` or `nodes_hitrates_as_tensor`: how many training rows reached each node,
    /// where the exporter knew. Empty: not known.
    pub nodes_hitrates: Vec<f64>,
    /// `class_treeids` or `target_treeids`: the tree of each leaf weight.
    pub leaf_treeids: Vec<i64>,
    /// `class_nodeids` or `target_nodeids`: the leaf that each weight belongs to.
    pub leaf_nodeids: Vec<i64>,
    /// `class_ids` or `target_ids`: the output that each weight is added to.
    pub leaf_outputs: Vec<i64>,
    /// `class_weights` or `target_weights`, or their `…_as_tensor` variants.
    pub leaf_weights: Vec<f64>,
    /// `base_values` or `base_values_as_tensor`.
    pub base_values: Vec<f64>,
    /// `aggregate_function`; a classifier always sums.
    pub aggregate: Aggregate,
    /// `post_transform`.
    pub post_transform: PostTransform,
}

impl TreeAttributes {
    /// Whether each array is as long as those that it goes with.
    ///
    /// # Errors
    /// Names the first that is not.
    pub(in crate::model) fn check_lengths(&self) -> Result<(), EnsembleError> {
        check::check_lengths(self)
    }

    /// An ensemble without a tree, for a parser to fill.
    pub fn new(precision: Precision, kind: EnsembleKind) -> Self {
        Self {
            precision,
            kind,
            nodes_treeids: Vec::new(),
            nodes_nodeids: Vec::new(),
            nodes_featureids: Vec::new(),
            nodes_modes: Vec::new(),
            nodes_values: Vec::new(),
            sets: CategorySets::default(),
            nodes_truenodeids: Vec::new(),
            nodes_falsenodeids: Vec::new(),
            nodes_missing_value_tracks_true: Vec::new(),
            nodes_hitrates: Vec::new(),
            leaf_treeids: Vec::new(),
            leaf_nodeids: Vec::new(),
            leaf_outputs: Vec::new(),
            leaf_weights: Vec::new(),
            base_values: Vec::new(),
            aggregate: Aggregate::default(),
            post_transform: PostTransform::default(),
        }
    }
}
